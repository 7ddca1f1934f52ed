#include <amnet/net/plan_cache.h>

#include <algorithm>

namespace amnet {

std::shared_ptr<Plan> PlanCache::of(const PlanOptions& options) {
  const auto found = std::ranges::find_if(plans_, [&](const std::shared_ptr<Plan>& plan) { return plan->options() == options; });
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
    return plans_.front();
  }
  auto plan = std::make_shared<Plan>(net_, options);
  ++made_;
  if (plan->bytes() > budget_) return plan;
  while (!plans_.empty() && bytes() > budget_ - plan->bytes()) plans_.pop_back();
  plans_.push_front(plan);
  return plan;
}

std::size_t PlanCache::bytes() const {
  std::size_t bytes = 0;
  for (const std::shared_ptr<Plan>& plan : plans_) bytes += plan->bytes();
  return bytes;
}

}  // namespace amnet

// Plans of one net, kept by their options: the sizes of an image pyramid are needed again for the
// next photograph, and are not planned again.
//
//   PlanCache plans(net, std::size_t{1} << 30);
//   for (const Shape& size : sizes) {
//     const std::shared_ptr<Plan> plan = plans.of({.keep = {scores}, .inputs = {{images, size}}});
//     plan->value(images).clear();   // or what is to be looked at
//     plan->forward(device);
//   }
#pragma once

#include <amnet/net/plan.h>

#include <cstddef>
#include <list>
#include <memory>

namespace amnet {

class PlanCache {
 public:
  /// Keeps plans of `net`, which must outlive this, that take up to `budget` bytes together.
  PlanCache(const Net& net, std::size_t budget) : net_(net), budget_(budget) {}

  /// The plan for these options: an existing one, or a new one, for which the least recently used
  /// plans are dropped until all fit. A plan that is larger than the budget is not kept. A caller's
  /// plan stays valid after it is dropped.
  std::shared_ptr<Plan> of(const PlanOptions& options);
  /// What the kept plans take, in bytes.
  std::size_t bytes() const;
  /// How many plans were made so far.
  std::int64_t made() const { return made_; }

 private:
  const Net& net_;
  std::size_t budget_;
  std::list<std::shared_ptr<Plan>> plans_;  // most recently used first
  std::int64_t made_ = 0;
};

}  // namespace amnet

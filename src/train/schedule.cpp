#include <amnet/core/error.h>
#include <amnet/core/named.h>
#include <amnet/train/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace amnet {
namespace {

void require_at_least_1(const Schedule& schedule, std::string_view field, std::int64_t value) {
  require(value >= 1, "[schedule] expected {} of at least 1 for the policy {} but got {}.", field, name_of(schedule.policy), value);
}

double rate_of(const Schedule& schedule, std::int64_t iteration) {
  const auto i = static_cast<double>(iteration);
  switch (schedule.policy) {
    case SchedulePolicy::fixed: return schedule.base;
    case SchedulePolicy::step:
    case SchedulePolicy::multistep: return schedule.base * std::pow(schedule.gamma, static_cast<double>(schedule.drops_at(iteration)));
    case SchedulePolicy::exp: return schedule.base * std::pow(schedule.gamma, i);
    case SchedulePolicy::inv: return schedule.base * std::pow(1 + schedule.gamma * i, -schedule.power);
    case SchedulePolicy::poly:
      require_at_least_1(schedule, ".max_steps", schedule.max_steps);
      return schedule.base * std::pow(std::max(0.0, 1 - i / static_cast<double>(schedule.max_steps)), schedule.power);
    case SchedulePolicy::sigmoid: return schedule.base / (1 + std::exp(-schedule.gamma * (i - static_cast<double>(schedule.step_size))));
    case SchedulePolicy::cosine: {
      require_at_least_1(schedule, ".max_steps", schedule.max_steps);
      // a warm-up that takes the whole training leaves no step to fall in
      const std::int64_t behind = std::max<std::int64_t>(0, iteration - schedule.warm_up);
      const std::int64_t length = std::max<std::int64_t>(1, schedule.max_steps - schedule.warm_up);
      const double done = std::min(1.0, static_cast<double>(behind) / static_cast<double>(length));
      return schedule.least + (schedule.base - schedule.least) * (1 + std::cos(std::numbers::pi * done)) / 2;
    }
  }
  return schedule.base;
}

}  // namespace

double Schedule::at(std::int64_t iteration) const {
  const double rate = rate_of(*this, iteration);
  return iteration < warm_up ? rate * static_cast<double>(iteration + 1) / static_cast<double>(warm_up) : rate;
}

std::int64_t Schedule::drops_at(std::int64_t iteration) const {
  if (policy == SchedulePolicy::step) {
    require_at_least_1(*this, ".step_size", step_size);
    return iteration / step_size;
  }
  if (policy != SchedulePolicy::multistep) return 0;
  return std::ranges::count_if(steps, [&](std::int64_t step) { return iteration >= step; });
}

}  // namespace amnet

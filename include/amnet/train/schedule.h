// The learning rate of a step: linear warm-up, then divided at given steps (Caffe's "multistep": a
// step s applies from iteration s on).
//
//   Schedule schedule{.base = 0.1, .steps = {16000, 24000, 28000}};
//   schedule.at(16000);   // 0.01
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace amnet {

struct Schedule {
  double base = 0.1;
  std::vector<std::int64_t> steps = {};  ///< ascending; at each the rate is multiplied by gamma
  double gamma = 0.1;
  std::int64_t warm_up = 0;  ///< iterations over which the rate rises linearly to `base`

  /// The learning rate of iteration `iteration`, counted from 0.
  double at(std::int64_t iteration) const {
    int drops = 0;
    for (const std::int64_t step : steps) drops += iteration >= step ? 1 : 0;
    const double rate = base * std::pow(gamma, drops);
    return iteration < warm_up ? rate * static_cast<double>(iteration + 1) / static_cast<double>(warm_up) : rate;
  }
};

}  // namespace amnet

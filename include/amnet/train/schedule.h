// The learning rate of a step: linear warm-up, and one of the policies of the reference code's
// Caffe (sgd_solver.cpp of happynear/caffe-windows) or cosine annealing. By default it is divided
// at given steps: a step s applies from iteration s on.
//
// In the warm-up of W iterations, iteration i has (i + 1) / W of the policy's rate, so that the
// first already learns and the last has the whole rate. A policy's own i counts from the first
// iteration, those of the warm-up among them, except that cosine starts behind the warm-up.
//
//   Schedule schedule{.base = 0.1, .steps = {16000, 24000, 28000}};
//   schedule.at(16000);   // 0.01
//   Schedule falling{.policy = SchedulePolicy::poly, .base = 0.1, .power = 2, .max_steps = 100};
//   falling.at(50);       // 0.025
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace amnet {

/// The rate at iteration i:
///   fixed      base
///   step       base * gamma ^ floor(i / step_size)
///   exp        base * gamma ^ i
///   inv        base * (1 + gamma * i) ^ -power
///   multistep  base * gamma ^ (the number of `steps` at or before i)
///   poly       base * (1 - i / max_steps) ^ power; 0 from max_steps on, so that the last of
///              max_steps iterations still has base * max_steps ^ -power
///   sigmoid    base / (1 + exp(-gamma * (i - step_size))): a negative gamma lets it fall
///   cosine     least + (base - least) * (1 + cos(pi * t / T)) / 2, with t = i - warm_up, 0 in the
///              warm-up, and T = max_steps - warm_up; least from max_steps on. It is equation 5 of
///              SGDR (Loshchilov and Hutter, arXiv 1608.03983) without restarts.
enum class SchedulePolicy : unsigned char { fixed, step, exp, inv, multistep, poly, sigmoid, cosine };
constexpr std::array<std::string_view, 8> names_of(SchedulePolicy) {
  return {"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid", "cosine"};
}

struct Schedule {
  SchedulePolicy policy = SchedulePolicy::multistep;
  double base = 0.1;
  /// of multistep, ascending; at each the rate is multiplied by gamma
  std::vector<std::int64_t> steps = {};
  double gamma = 0.1;
  std::int64_t warm_up = 0;    ///< iterations over which the rate rises linearly to the policy's
  double power = 1;            ///< of inv and poly
  std::int64_t step_size = 0;  ///< of step and sigmoid
  std::int64_t max_steps = 0;  ///< of poly and cosine: iterations of the whole training
  double least = 0;            ///< of cosine: where it ends

  /// The learning rate of iteration `iteration`, counted from 0. Throws UsageError for
  /// the policy step without a step_size, or poly or cosine without max_steps.
  double at(std::int64_t iteration) const;
  /// How often the rate has been multiplied by gamma at that iteration, of step and multistep; 0 of
  /// the others. It is current_step in Caffe's files.
  std::int64_t drops_at(std::int64_t iteration) const;
};

}  // namespace amnet

// The mode that a mean shift finds, of kernels/lse_margin.h, in every backend: from `mu` it goes to
// the mean of the values within 0.1 of it, `steps` times or until it moves by less than 0.001.
// Where no value is within 0.1 of the start, it starts again from the mean of all values. The
// reference code (MeanShift of layers/global_lse_margin_layer.cu) repeats that for ever where none
// is within 0.1 of that mean either; here the mean is then the result.
#pragma once

#include "core/host_device.h"

#include <cmath>

namespace amnet {

/// The values near a point.
struct NearValues {
  double sum, count;
};

/// near(mu): the values v with |v - mu| < 0.1. mean: that of all values.
template <class Near>
AMNET_HOST_DEVICE double mean_shift(double mean, double mu, int steps, const Near& near) {
  double last = mu;
  for (int step = 0; step < steps;) {
    const NearValues found = near(mu);
    if (!(found.count > 0)) {
      if (mu == mean || mean != mean) return mean;
      mu = last = mean;
      continue;
    }
    ++step;
    mu = found.sum / found.count;
    if (std::fabs(last - mu) < 0.001) break;
    last = mu;
  }
  return mu;
}

/// The margin after a batch: the mode of the first batch whole, later ones by a tenth. A mode that
/// is not a number leaves it as it is.
template <class Near>
AMNET_HOST_DEVICE double moved_margin(double margin, double mean, const Near& near) {
  const bool first = margin == 0;
  const double mode = first ? mean_shift(mean, mean, 20, near) : mean_shift(mean, margin, 1, near);
  if (mode != mode) return margin;
  return first ? mode : 0.9 * margin + 0.1 * mode;
}

}  // namespace amnet

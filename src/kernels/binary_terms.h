// z of kernels/binary_cross_entropy.h and its derivative, in every backend.
#pragma once

#include "core/host_device.h"

#include <amnet/kernels/binary_cross_entropy.h>

#include <cmath>

namespace amnet {

template <class T>
class BinaryTerms {
 public:
  AMNET_HOST_DEVICE BinaryTerms(const BinaryOptions& options, T bias)
      : scale_(static_cast<T>(options.scale)),
        margin_(static_cast<T>(options.margin)),
        sharpness_(static_cast<T>(options.sharpness)),
        bias_(bias),
        is_cubic_(options.sharpness == 3),
        is_straight_(options.form.gradient == MarginGradient::straight_through) {}

  AMNET_HOST_DEVICE T of_target(T c) const { return scale_ * (sharpened(c) - margin_) + bias_; }
  AMNET_HOST_DEVICE T of_negative(T c) const { return scale_ * (sharpened(c) + margin_) + bias_; }
  /// dz/dc of both.
  AMNET_HOST_DEVICE T slope(T c) const { return is_straight_ ? scale_ : scale_ * sharpness_ * power(half(c), true); }

 private:
  AMNET_HOST_DEVICE static T half(T c) {
    const T value = (c + 1) / 2;
    return value > 0 ? value : T(0);  // a cosine may be rounded below -1
  }
  /// x^t, or x^(t - 1).
  AMNET_HOST_DEVICE T power(T x, bool less_one) const {
    if (is_cubic_) return less_one ? x * x : x * x * x;
    return std::pow(x, less_one ? sharpness_ - 1 : sharpness_);
  }
  AMNET_HOST_DEVICE T sharpened(T c) const { return 2 * power(half(c), false) - 1; }

  T scale_, margin_, sharpness_, bias_;
  bool is_cubic_, is_straight_;
};

}  // namespace amnet

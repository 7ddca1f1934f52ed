// psi of kernels/sphere_product.h as a function of the cosine, in every backend.
#pragma once

#include "core/host_device.h"

#include <cmath>

namespace amnet {

/// psi(a) and its derivative by c = cos a.
template <class T>
struct SphereAngle {
  T psi, slope;

  /// m in 1..4. cos(m a) is the Chebyshev polynomial T_m(c), and k is the number of its extremes
  /// that the angle has passed.
  AMNET_HOST_DEVICE static SphereAngle of(int m, T c) {
    const T square = c * c;
    T cosine = c, slope = 1;
    int k = 0;
    if (m == 2) {
      cosine = 2 * square - 1;
      slope = 4 * c;
      k = c < 0 ? 1 : 0;
    } else if (m == 3) {
      cosine = (4 * square - 3) * c;
      slope = 12 * square - 3;
      k = c > T(0.5) ? 0 : (c > T(-0.5) ? 1 : 2);
    } else if (m == 4) {
      cosine = 8 * square * (square - 1) + 1;
      slope = 16 * c * (2 * square - 1);
      k = 2 * square > 1 ? (c > 0 ? 0 : 3) : (c > 0 ? 1 : 2);
    }
    const T sign = k % 2 == 0 ? T(1) : T(-1);
    return {sign * cosine - T(2 * k), sign * slope};
  }
};

/// The gradients of (|x| psi + lambda x.u) / (1 + lambda): by the product x.u, and what x itself is
/// multiplied with.
template <class T>
struct SphereSlopes {
  T of_product, of_x;

  AMNET_HOST_DEVICE SphereSlopes(int m, T lambda, bool reference, T norm, T c) {
    const SphereAngle<T> angle = SphereAngle<T>::of(m, c);
    T of_u = angle.slope, of_radius = (angle.psi - c * angle.slope) / norm;
    if (reference && m > 1) {
      using std::sqrt;
      const T length = sqrt(of_u * of_u + of_radius * of_radius);
      of_u /= length;
      of_radius /= length;
    }
    of_product = (of_u + lambda) / (1 + lambda);
    of_x = of_radius / (1 + lambda);
  }
};

}  // namespace amnet

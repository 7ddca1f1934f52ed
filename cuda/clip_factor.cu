#include <amnet/kernels/clip_factor.h>

#include "kernel.h"

#include <cmath>

namespace amnet {
namespace {

constexpr std::string_view who = "clip_factor";

struct ClipFactor {
  static constexpr int threads = warp_size;
  const double* squares;
  double* factor;
  double norm;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    if (thread.index() != 0) return;
    const double length = sqrt(*squares);
    *factor = length > norm ? norm / length : 1;
  }
};

}  // namespace

void clip_factor(Cuda& cuda, const Tensor& squares, double norm, const Tensor& factor) {
  launch(cuda, 1, ClipFactor{.squares = elements<const double>(squares, who), .factor = elements<double>(factor, who), .norm = norm});
}

}  // namespace amnet

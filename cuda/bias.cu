#include <amnet/kernels/bias.h>

#include "column_sums.h"
#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "bias";

template <class T>
struct Terms {
  static constexpr int quantities = 1;
  const T* dy;
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t, float (&sums)[1]) const { sums[0] += to_float(dy[i]); }
};

}  // namespace

void bias_backward(Cuda& cuda, const Tensor& dy, const Gradient& dbias) {
  if (!dbias) return;
  require(dy.rank() >= 1, "[bias] expected a gradient (..., C) but got {}.", dy.shape());
  const std::int64_t channels = channels_of(dy);
  require(dbias.tensor.shape() == Shape{channels} && dbias.tensor.dtype() == DType::f32,
          "[bias] expected a gradient of {} {} but got {} {}.", name_of(DType::f32), Shape{channels}, name_of(dbias.tensor.dtype()),
          dbias.tensor.shape());
  if (channels == 0) return;
  // That of a fully connected layer is f32 in every precision.
  with_activation(dy.dtype(), who, [&]<class T>() {
    column_sums(cuda, Terms<T>{elements<const T>(dy, who)}, dy.count() / channels, channels, {sums_to(dbias, channels, who)});
  });
}

}  // namespace amnet

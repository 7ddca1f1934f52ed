#include <amnet/kernels/bias.h>

#include "column_sums.h"
#include "elementwise.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "bias";

template <class T>
struct Terms {
  static constexpr int quantities = 1;
  const T* dy;
  template <int width>
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t, float (&sums)[1][width]) const {
    const Pack<T, width> gradients = load_pack<width>(dy + i);
    for (int e = 0; e < width; ++e) sums[0][e] += to_float(gradients.elements[e]);
  }
};

}  // namespace

void bias_backward(Cuda& cuda, const Tensor& dy, const Gradient& dbias) {
  if (!dbias) return;
  check_bias(dy, dbias.tensor);
  const std::int64_t channels = channels_of(dy);
  // The bias of a fully connected layer is f32 in every precision.
  with_activation(dy.dtype(), who, [&]<class T>() {
    column_sums<T>(cuda, Terms<T>{elements<const T>(dy, who)}, column_rows(dy), channels, starts_a_pack(dy),
                   {sums_to(dbias, channels, who)});
  });
}

}  // namespace amnet

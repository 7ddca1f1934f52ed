#include <amnet/kernels/fully_connected.h>

#include "fully_connected_passes.h"

namespace amnet {
namespace {

void forward(Cpu& cpu, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms) {
  const FullyConnectedSizes sizes = fully_connected_sizes(x, w, y);
  check_output_values(bias, "bias", sizes);
  check_output_values(norms, "norm", sizes);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    inner_product_forward<T>(cpu, sizes, x.data<T>().data(), w.data<T>().data(), static_cast<T>(epsilon), elements_or_null<T>(bias),
                             y.data<T>().data(), elements_or_null<T>(norms));
  });
}

void backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx) {
  if (!dx) return;
  const FullyConnectedSizes sizes = fully_connected_sizes(dx.tensor, w, dy);
  check_output_values(norms, "norm", sizes);
  with_float(dy.dtype(), "fully_connected", [&]<class T>() {
    inner_product_backward_data<T>(cpu, sizes, dy.data<T>().data(), w.data<T>().data(), elements_or_null<T>(norms),
                                   dx.tensor.data<T>().data(), dx.write);
  });
}

}  // namespace

void fully_connected_forward(Cpu& cpu, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  forward(cpu, x, w, 0, bias, y, {});
}

void fully_connected_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Gradient& dx) { backward_data(cpu, dy, w, {}, dx); }

void fully_connected_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Gradient& dw) {
  if (!dw) return;
  const FullyConnectedSizes sizes = fully_connected_sizes(x, dw.tensor, dy);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    inner_product_backward_weights<T>(cpu, sizes, x.data<T>().data(), dy.data<T>().data(), dw.tensor.data<T>().data(), dw.write);
  });
}

void cosine_forward(Cpu& cpu, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms) {
  forward(cpu, x, w, epsilon, bias, y, norms);
}

void cosine_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx) {
  backward_data(cpu, dy, w, norms, dx);
}

void cosine_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dw) {
  if (!dw) return;
  const FullyConnectedSizes sizes = fully_connected_sizes(x, w, dy);
  check_output_values(norms, "norm", sizes);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    unit_rows_backward_weights<T>(cpu, sizes, x.data<T>().data(), dy.data<T>().data(), w.data<T>().data(), norms.data<T>().data(),
                                  dw.tensor.data<T>().data(), dw.write);
  });
}

ScratchBytes fully_connected_scratch(const Cpu&, std::int64_t samples, std::int64_t inputs, std::int64_t outputs, DType dtype,
                                     bool unit_rows) {
  const FullyConnectedSizes sizes{samples, inputs, outputs};
  ScratchBytes bytes;
  with_float(dtype, "fully_connected", [&]<class T>() {
    const WorkspaceSize<T> weights = unit_rows ? unit_rows_backward_weights_size<T>(sizes) : inner_product_backward_weights_size<T>(sizes);
    bytes =
        inner_product_forward_size<T>(sizes).bytes().covering(inner_product_backward_data_size<T>(sizes).bytes()).covering(weights.bytes());
  });
  return bytes;
}

}  // namespace amnet

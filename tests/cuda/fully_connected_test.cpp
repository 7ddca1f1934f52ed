#include <amnet/kernels/fully_connected.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

constexpr double epsilon = 1e-12;

struct Size {
  std::int64_t samples, inputs, outputs;
};
// Whole packs, odd extents, one sample, rows of w longer than a warp's.
constexpr Size sizes[] = {{1, 8, 8}, {3, 7, 5}, {5, 130, 33}, {4, 64, 300}, {33, 40, 17}, {2, 1100, 3}};

/// x is an activation, or features, which are f32 in every precision.
Both inputs_of(Parity& parity, const Size& size, bool features) {
  const Shape shape{size.samples, size.inputs};
  return features ? parity.parameter(shape) : parity.activation(shape);
}

Both lengths(Parity& parity, const Tensor& w) {
  const Tensor norms({w.extent(0), 1}, DType::f32), unused({1, w.extent(0)}, DType::f32);
  cosine_forward(parity.cpu, Tensor::zeros({1, w.extent(1)}, DType::f32), w, epsilon, {}, unused, norms);
  return parity.same(norms);
}

void check_cosine_backward(Parity& parity, const Size& size, bool features, Write write) {
  const Both x = inputs_of(parity, size, features), w = parity.parameter({size.outputs, size.inputs});
  const Both dy = parity.parameter({size.samples, size.outputs}), norms = lengths(parity, w.host);
  const BothGradients dx = parity.gradient(x, write), dw = parity.gradient(w, write);
  cosine_backward_data(parity.cpu, dy.host, w.host, norms.host, dx.host);
  cosine_backward_data(parity.cuda, dy.device, w.device, norms.device, dx.device);
  parity.check_same(dx);
  cosine_backward_weights(parity.cpu, x.host, dy.host, w.host, norms.host, dw.host);
  cosine_backward_weights(parity.cuda, x.device, dy.device, w.device, norms.device, dw.device);
  parity.check_same(dw);
}

}  // namespace

TEMPLATE_TEST_CASE("fully_connected: forward", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("fully_connected: forward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool features : {false, true}) {
        for (const bool with_bias : {false, true}) {
          const Both x = inputs_of(parity, size, features), w = parity.parameter({size.outputs, size.inputs});
          const Both bias = with_bias ? parity.parameter({size.outputs}) : Both{}, y = parity.output({size.samples, size.outputs}, false);
          fully_connected_forward(parity.cpu, x.host, w.host, bias.host, y.host);
          fully_connected_forward(parity.cuda, x.device, w.device, bias.device, y.device);
          parity.check_same(y);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("fully_connected: backward", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("fully_connected: backward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool features : {false, true}) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          const Both x = inputs_of(parity, size, features), w = parity.parameter({size.outputs, size.inputs});
          const Both dy = parity.parameter({size.samples, size.outputs});
          const BothGradients dx = parity.gradient(x, write), dw = parity.gradient(w, write);
          fully_connected_backward_data(parity.cpu, dy.host, w.host, dx.host);
          fully_connected_backward_data(parity.cuda, dy.device, w.device, dx.device);
          parity.check_same(dx);
          fully_connected_backward_weights(parity.cpu, x.host, dy.host, dw.host);
          fully_connected_backward_weights(parity.cuda, x.device, dy.device, dw.device);
          parity.check_same(dw);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("cosine: forward", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("cosine: forward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool features : {false, true}) {
        for (const bool with_bias : {false, true}) {
          const Both x = inputs_of(parity, size, features), w = parity.parameter({size.outputs, size.inputs});
          const Both bias = with_bias ? parity.parameter({size.outputs}) : Both{}, y = parity.output({size.samples, size.outputs}, false);
          const Both norms = parity.output({size.outputs, 1}, false);
          cosine_forward(parity.cpu, x.host, w.host, epsilon, bias.host, y.host, norms.host);
          cosine_forward(parity.cuda, x.device, w.device, epsilon, bias.device, y.device, norms.device);
          parity.check_same(y);
          parity.check_same(norms);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("cosine: backward", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("cosine: backward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool features : {false, true}) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) check_cosine_backward(parity, size, features, write);
      }
    }
  });
}

// More gradients, or weights, than are copied at a time: 256 outputs on the emulated GPU.
TEMPLATE_TEST_CASE("cosine: backward in pieces", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("cosine: backward in pieces", [](Parity& parity) {
    for (const Write write : {Write::assign, Write::add}) {
      check_cosine_backward(parity, {260, 8, 300}, true, write);
      check_cosine_backward(parity, {4, 260, 300}, true, write);
    }
  });
}

TEMPLATE_TEST_CASE("fully_connected: the gradient of an empty batch is zero", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("fully_connected: the gradient of an empty batch is zero", [](Parity& parity) {
    for (const Write write : {Write::assign, Write::add}) {
      const Both x = parity.activation({0, 9}), dy = parity.parameter({0, 5}), w = parity.parameter({5, 9});
      const BothGradients dw = parity.gradient(w, write), du = parity.gradient(w, write);
      fully_connected_backward_weights(parity.cpu, x.host, dy.host, dw.host);
      fully_connected_backward_weights(parity.cuda, x.device, dy.device, dw.device);
      parity.check_same(dw);
      const Both norms = lengths(parity, w.host);
      cosine_backward_weights(parity.cpu, x.host, dy.host, w.host, norms.host, du.host);
      cosine_backward_weights(parity.cuda, x.device, dy.device, w.device, norms.device, du.device);
      parity.check_same(du);
      const Both y = parity.output({0, 5}, false);
      fully_connected_forward(parity.cuda, x.device, w.device, {}, y.device);
    }
  });
}

TEMPLATE_TEST_CASE("fully_connected: a GPU's scratch memory is what was forecast", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("fully_connected: a GPU's scratch memory is what was forecast", [](Parity& parity) {
    for (const Size& size : {Size{32, 20, 50}, Size{2, 70, 6}, Size{60, 4, 5}}) {
      for (const bool features : {false, true}) {
        for (const bool unit_rows : {false, true}) {
          Cuda cuda(parity.cuda.options());
          const Tensor x = inputs_of(parity, size, features).device, w = parity.parameter({size.outputs, size.inputs}).device;
          const Tensor y({size.samples, size.outputs}, DType::f32, Memory::cuda), dx = x.clone(), dw = w.clone();
          const Tensor norms({size.outputs}, DType::f32, Memory::cuda);
          if (unit_rows) {
            cosine_forward(cuda, x, w, epsilon, {}, y, norms);
            cosine_backward_data(cuda, y, w, norms, {dx, Write::assign});
            cosine_backward_weights(cuda, x, y, w, norms, {dw, Write::add});
          } else {
            fully_connected_forward(cuda, x, w, {}, y);
            fully_connected_backward_data(cuda, y, w, {dx, Write::assign});
            fully_connected_backward_weights(cuda, x, y, {dw, Write::add});
          }
          CHECK(cuda.scratch_bytes() ==
                fully_connected_scratch(cuda, size.samples, size.inputs, size.outputs, x.dtype(), unit_rows).total(1));
        }
      }
    }
  });
}

TEST_CASE("fully_connected: a GPU refuses what a CPU refuses, and types that its precision does not have", "[gpu]") {
  for_each_machine<F32>("fully_connected: a GPU refuses what a CPU refuses", [](Parity& parity) {
    Cuda& cuda = parity.cuda;
    const auto zeros = [](Shape shape, DType dtype = DType::f32) { return Tensor::zeros(shape, dtype, Memory::cuda); };
    const Tensor x = zeros({2, 4}), w = zeros({3, 4}), y = zeros({2, 3});
    CHECK_NOTHROW(fully_connected_forward(cuda, x, w, {}, y));
    CHECK_THROWS_AS(fully_connected_forward(cuda, x, zeros({3, 5}), {}, y), UsageError);
    CHECK_THROWS_AS(fully_connected_forward(cuda, x, w, {}, zeros({3, 2})), UsageError);
    CHECK_THROWS_AS(fully_connected_forward(cuda, x, w, zeros({2}), y), UsageError);
    CHECK_THROWS_AS(cosine_forward(cuda, x, w, epsilon, {}, y, zeros({2})), UsageError);
    CHECK_THROWS_AS(fully_connected_forward(cuda, zeros({2, 4}, DType::bf16), w, {}, y), UsageError);
    CHECK_THROWS_AS(fully_connected_backward_data(cuda, y, w, {zeros({2, 4}, DType::bf16), Write::assign}), UsageError);
    CHECK_THROWS_AS(fully_connected_backward_weights(cuda, zeros({2, 4}, DType::bf16), y, {w, Write::assign}), UsageError);
  });
}

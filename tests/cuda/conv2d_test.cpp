#include "conv2d_layers.h"

using namespace amnet;

TEMPLATE_TEST_CASE("conv2d: forward", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("conv2d: forward", [](Parity& parity) {
    for_each_candidate(parity, [&] {
      for (const Layer& layer : layers) {
        INFO(layer.x().str() << " to " << layer.outputs);
        check_forward(parity, layer, no_parts);
        check_forward(parity, layer, all_parts);
      }
    });
  });
}

TEMPLATE_TEST_CASE("conv2d: epilogue", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("conv2d: epilogue", [](Parity& parity) {
    for_each_candidate(parity, [&] {
      for (int bits = 0; bits < 8; ++bits) {
        for (const std::int64_t slopes : {0, 1, -1}) {
          const Parts parts{.bias = (bits & 1) != 0, .residual = (bits & 2) != 0, .sums = (bits & 4) != 0, .slopes = slopes};
          INFO("bias " << parts.bias << ", residual " << parts.residual << ", sums " << parts.sums << ", slopes " << slopes);
          check_forward(parity, {1, 3, 2, 8, 8}, parts);
        }
      }
    });
  });
}

TEMPLATE_TEST_CASE("conv2d: data gradient", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("conv2d: data gradient", [](Parity& parity) {
    for_each_candidate(parity, [&] {
      for (const Layer& layer : layers) {
        INFO(layer.x().str() << " to " << layer.outputs);
        for (const Write write : {Write::assign, Write::add}) check_backward(parity, layer, {.x = write});
      }
    });
  });
}

TEMPLATE_TEST_CASE("conv2d: weight gradient", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("conv2d: weight gradient", [](Parity& parity) {
    for_each_candidate(parity, [&] {
      for (const Layer& layer : layers) {
        INFO(layer.x().str() << " to " << layer.outputs);
        for (const Write write : {Write::assign, Write::add}) check_backward(parity, layer, {.w = write});
      }
    });
  });
}

TEMPLATE_TEST_CASE("conv2d: backward through a PReLU", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("conv2d: backward through a PReLU", [](Parity& parity) {
    for (const Layer& layer : {layers[0], layers[3]}) {
      for (const std::int64_t slopes : {0, 1, -1}) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          INFO(layer.x().str() << ", slopes " << slopes << ", write " << static_cast<int>(write));
          check_backward(parity, layer, {.x = Write::add, .w = Write::add, .bias = write, .slope = slopes == 0 ? Write::skip : write},
                         slopes);
          check_backward(parity, layer, {.bias = write}, slopes);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("conv2d: prepared weights", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("conv2d: prepared weights", [](Parity& parity) {
    const Layer layer{2, 5, 4, 8, 8};
    const Both w = parity.parameter(layer.w()), x = parity.activation(layer.x()), y = parity.output(layer.y(), true);
    const Both dy = parity.activation(layer.y()), dx = parity.output(x);
    Conv2dPrepared forward, data_gradient;
    conv2d_prepare(parity.cuda, layer.geometry(), layer.x(), w.device, Conv2dPass::forward, forward);
    conv2d_prepare(parity.cuda, layer.geometry(), layer.x(), w.device, Conv2dPass::data_gradient, data_gradient);
    const std::size_t bytes =
        conv2d_prepared_bytes(parity.cuda, layer.geometry(), layer.x(), layer.outputs, DType::f32, Conv2dPass::forward);
    CHECK(bytes == (forward.transformed.defined() ? forward.transformed.size_bytes() : 0));
    // The prepared copy is read, not the original.
    if (bytes > 0) clear_bytes(w.device.raw(), Memory::cuda, w.device.size_bytes());
    Cpu cpu = direct();
    conv2d_forward(cpu, layer.geometry(), x.host, w.host, {}, y.host);
    conv2d_forward(parity.cuda, layer.geometry(), x.device, {w.device, &forward}, {}, y.device);
    conv2d_backward(cpu, layer.geometry(), x.host, w.host, {}, dy.host, {.dx = {dx.host, Write::assign}});
    conv2d_backward(parity.cuda, layer.geometry(), x.device, {w.device, &data_gradient}, {}, dy.device, {.dx = {dx.device, Write::assign}});
    parity.check_same(y);
    parity.check_same(dx);
  });
}

TEMPLATE_TEST_CASE("conv2d: samples that begin anywhere", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("conv2d: samples that begin anywhere", [](Parity& parity) {
    const Layer layer{3, 3, 3, 3, 5};
    const auto last = [](const Both& both) { return Both{both.host.slice(1, 3), both.device.slice(1, 3)}; };
    const Both x = last(parity.activation(layer.x())), w = parity.parameter(layer.w()), y = last(parity.output(layer.y(), true));
    const Both dy = last(parity.activation(layer.y())), dx = last(parity.output(layer.x(), true)), dw = parity.output(w);
    const Both slope = parity.parameter({5}), sums = last(parity.output(layer.y(), true));
    Cpu cpu = direct();
    conv2d_forward(cpu, layer.geometry(), x.host, w.host, {.slope = slope.host, .sums = sums.host}, y.host);
    conv2d_forward(parity.cuda, layer.geometry(), x.device, w.device, {.slope = slope.device, .sums = sums.device}, y.device);
    conv2d_backward(cpu, layer.geometry(), x.host, w.host, {}, dy.host, {.dx = {dx.host, Write::assign}, .dw = {dw.host, Write::assign}});
    conv2d_backward(parity.cuda, layer.geometry(), x.device, w.device, {}, dy.device,
                    {.dx = {dx.device, Write::assign}, .dw = {dw.device, Write::assign}});
    for (const Both* both : {&y, &sums, &dx, &dw}) parity.check_same(*both);
  });
}

TEMPLATE_TEST_CASE("conv2d: no images", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("conv2d: no images", [](Parity& parity) {
    const Layer layer{0, 5, 4, 8, 8};
    check_forward(parity, layer, all_parts);
    CHECK(conv2d_scratch(parity.cuda, layer.geometry(), layer.x(), layer.outputs, DType::f32, true).first == 0);
    for (const Write write : {Write::assign, Write::add}) {
      check_backward(parity, layer, {.x = write, .w = write, .bias = write, .slope = write}, -1);
    }
  });
}

TEST_CASE("conv2d: what does not fit together is refused on the GPU", "[gpu]") {
  for_each_machine<F32>("conv2d: what does not fit together is refused on the GPU", [](Parity& parity) {
    const Layer layer{1, 5, 4, 8, 8};
    const Tensor x = parity.activation(layer.x()).device, w = parity.parameter(layer.w()).device, y = parity.output(layer.y(), true).device;
    const Tensor odd = parity.parameter({3}).device;
    const auto geometry = layer.geometry();
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, geometry, x, w, {}, x.reshaped({1, 4, 5, 8})), UsageError);
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, geometry, x, w, {.bias = odd}, y), UsageError);
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, geometry, x, w, {.slope = odd}, y), UsageError);
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, geometry, x, w.reshaped({8, 3, 6, 4}), {}, y), UsageError);
    CHECK_THROWS_AS(conv2d_backward(parity.cuda, geometry, x, w, {.slope = odd.slice(0, 1)}, y, {.dx = {x, Write::assign}}), UsageError);
  });
}

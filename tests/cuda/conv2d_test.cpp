#include <amnet/kernels/conv2d.h>

#include "catch.h"
#include "conv2d_plans.h"
#include "parity.h"
#include "state.h"

#if defined(AMNET_EMULATION)
#include "choice_file.h"
#include "emulation/fake_cuda.h"

#include <fstream>
#endif

using namespace amnet;

namespace {

struct Layer {
  std::int64_t images, height, width, channels, outputs;
  std::int64_t kernel = 3, stride = 1, pad = 1, groups = 1;

  Conv2dOptions options() const {
    return {.kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride, .pad_h = pad, .pad_w = pad, .groups = groups};
  }
  Shape x() const { return {images, height, width, channels}; }
  Shape w() const { return options().weight_shape(channels, outputs); }
  Shape y() const { return options().output_shape(x(), outputs); }
};

// Whole packs of channels and odd ones, the pixels' 3, strides, one pixel, groups, a kernel of 1, more outputs than a block has threads.
const Layer layers[] = {{2, 7, 6, 8, 16},          {1, 9, 8, 3, 8, 3, 2},       {2, 7, 6, 8, 8, 3, 2},
                        {1, 1, 1, 5, 7},           {3, 4, 5, 6, 6, 3, 1, 1, 6}, {1, 5, 4, 8, 16, 3, 2, 1, 2},
                        {2, 3, 3, 4, 300, 1, 1, 0}};

/// Runs `body` once for each way of carrying its operations out: with the first candidate of each, with the second, ...
template <class Body>
void for_each_candidate(Parity& parity, Body&& body) {
  std::size_t most = 1;
  for (std::size_t number = 0; number < most; ++number) {
    INFO("candidate " << number);
    parity.cuda.wait();
    ConvolutionPlans& plans = *parity.cuda.state().convolutions;
    plans = {};
    plans.chooser = [&most, number](std::span<const ConvolutionChoice> candidates) {
      most = std::max(most, candidates.size());
      return std::min(number, candidates.size() - 1);
    };
    body();
  }
  *parity.cuda.state().convolutions = {};
}

/// The CPU that is compared with: plain sums, as exact as the GPU's.
Cpu direct() { return Cpu(1, ConvolutionAlgorithm::direct); }

struct Parts {
  bool bias = false, residual = false, sums = false;
  std::int64_t slopes = 0;  // none, one, or one for each output (-1)
};

void check_forward(Parity& parity, const Layer& layer, const Parts& parts) {
  const Both x = parity.activation(layer.x()), w = parity.parameter(layer.w()), y = parity.output(layer.y(), true);
  Conv2dEpilogue host, device;
  const auto add = [](Tensor& on_host, Tensor& on_device, const Both& both) { on_host = both.host, on_device = both.device; };
  if (parts.bias) add(host.bias, device.bias, parity.parameter({layer.outputs}));
  if (parts.slopes != 0) add(host.slope, device.slope, parity.parameter({parts.slopes < 0 ? layer.outputs : parts.slopes}));
  if (parts.residual) add(host.residual, device.residual, parity.activation(layer.y()));
  if (parts.sums) add(host.sums, device.sums, parity.output(layer.y(), true));
  Cpu cpu = direct();
  conv2d_forward(cpu, layer.options(), x.host, w.host, host, y.host);
  conv2d_forward(parity.cuda, layer.options(), x.device, w.device, device, y.device);
  parity.check_same(y);
  if (parts.sums) parity.check_same(Both{host.sums, device.sums});
}

struct Writes {
  Write x = Write::skip, w = Write::skip, bias = Write::skip, slope = Write::skip;
};

void check_backward(Parity& parity, const Layer& layer, const Writes& writes, std::int64_t slopes = 0) {
  const Both x = parity.activation(layer.x()), w = parity.parameter(layer.w()), dy = parity.activation(layer.y());
  const BothGradients dx = parity.gradient(x, writes.x), dw = parity.gradient(w, writes.w);
  const BothGradients dbias = parity.gradient(parity.parameter({layer.outputs}), writes.bias);
  Conv2dActivation host, device;
  BothGradients dslope;
  if (slopes != 0) {
    const Both slope = parity.parameter({slopes < 0 ? layer.outputs : slopes}), sums = parity.activation(layer.y());
    const Both dz = parity.output(layer.y(), true);
    host = {.slope = slope.host, .sums = sums.host, .dz = dz.host};
    device = {.slope = slope.device, .sums = sums.device, .dz = dz.device};
    dslope = parity.gradient(slope, writes.slope);
  }
  Cpu cpu = direct();
  conv2d_backward(cpu, layer.options(), x.host, w.host, host, dy.host,
                  {.dx = dx.host, .dw = dw.host, .dbias = dbias.host, .dslope = dslope.host});
  conv2d_backward(parity.cuda, layer.options(), x.device, w.device, device, dy.device,
                  {.dx = dx.device, .dw = dw.device, .dbias = dbias.device, .dslope = dslope.device});
  for (const BothGradients& gradient : {dx, dw, dbias, dslope}) parity.check_same(gradient);
  if (slopes != 0 && writes.x != Write::skip) parity.check_same(Both{host.dz, device.dz});
}

constexpr Parts all_parts{.bias = true, .residual = true, .sums = true, .slopes = -1}, no_parts{};

}  // namespace

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
    conv2d_prepare(parity.cuda, layer.options(), layer.x(), w.device, Conv2dPass::forward, forward);
    conv2d_prepare(parity.cuda, layer.options(), layer.x(), w.device, Conv2dPass::data_gradient, data_gradient);
    const std::size_t bytes =
        conv2d_prepared_bytes(parity.cuda, layer.options(), layer.x(), layer.outputs, DType::f32, Conv2dPass::forward);
    CHECK(bytes == (forward.transformed.defined() ? forward.transformed.size_bytes() : 0));
    // What was prepared is what is read.
    if (bytes > 0) clear_bytes(w.device.raw(), Memory::cuda, w.device.size_bytes());
    Cpu cpu = direct();
    conv2d_forward(cpu, layer.options(), x.host, w.host, {}, y.host);
    conv2d_forward(parity.cuda, layer.options(), x.device, {w.device, &forward}, {}, y.device);
    conv2d_backward(cpu, layer.options(), x.host, w.host, {}, dy.host, {.dx = {dx.host, Write::assign}});
    conv2d_backward(parity.cuda, layer.options(), x.device, {w.device, &data_gradient}, {}, dy.device, {.dx = {dx.device, Write::assign}});
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
    conv2d_forward(cpu, layer.options(), x.host, w.host, {.slope = slope.host, .sums = sums.host}, y.host);
    conv2d_forward(parity.cuda, layer.options(), x.device, w.device, {.slope = slope.device, .sums = sums.device}, y.device);
    conv2d_backward(cpu, layer.options(), x.host, w.host, {}, dy.host, {.dx = {dx.host, Write::assign}, .dw = {dw.host, Write::assign}});
    conv2d_backward(parity.cuda, layer.options(), x.device, w.device, {}, dy.device,
                    {.dx = {dx.device, Write::assign}, .dw = {dw.device, Write::assign}});
    for (const Both* both : {&y, &sums, &dx, &dw}) parity.check_same(*both);
  });
}

TEMPLATE_TEST_CASE("conv2d: no images", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("conv2d: no images", [](Parity& parity) {
    const Layer layer{0, 5, 4, 8, 8};
    check_forward(parity, layer, all_parts);
    CHECK(conv2d_scratch(parity.cuda, layer.options(), layer.x(), layer.outputs, DType::f32, true).first == 0);
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
    const auto options = layer.options();
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, options, x, w, {}, x.reshaped({1, 4, 5, 8})), UsageError);
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, options, x, w, {.bias = odd}, y), UsageError);
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, options, x, w, {.slope = odd}, y), UsageError);
    CHECK_THROWS_AS(conv2d_forward(parity.cuda, options, x, w.reshaped({8, 3, 6, 4}), {}, y), UsageError);
    CHECK_THROWS_AS(conv2d_backward(parity.cuda, options, x, w, {.slope = odd.slice(0, 1)}, y, {.dx = {x, Write::assign}}), UsageError);
  });
}

#if defined(AMNET_EMULATION)

namespace {

/// The names of the engines that a device counted.
std::string engines_of(const Cuda& cuda) {
  std::string all;
  for (const auto& [name, count] : cuda.counts()) all += name + "\n";
  return all;
}

/// A step on each of the layers.
void run_all(Parity& parity) {
  for (const Layer& layer : layers) {
    check_forward(parity, layer, all_parts);
    check_backward(parity, layer, {.x = Write::assign, .w = Write::add, .bias = Write::assign, .slope = Write::add}, -1);
  }
}

}  // namespace

TEST_CASE("conv2d: a step makes plans once, and then neither allocates nor waits", "[gpu]") {
  for_each_machine<Bf16>("", [](Parity& parity) {
    const Layer layer{2, 7, 6, 3, 8};
    const Both x = parity.activation(layer.x()), w = parity.parameter(layer.w()), y = parity.output(layer.y(), true);
    const auto step = [&] {
      conv2d_forward(parity.cuda, layer.options(), x.device, w.device, {}, y.device);
      conv2d_backward(parity.cuda, layer.options(), x.device, w.device, {}, y.device,
                      {.dx = {x.device, Write::add}, .dw = {w.device, Write::add}});
    };
    step();
    const auto calls = [] {
      std::vector<int> counted;
      for (const char* name : {"cudaMalloc", "cudaFree", "cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaMemcpy"}) {
        const auto found = fake::calls().find(name);
        counted.push_back(found == fake::calls().end() ? 0 : found->second);
      }
      return counted;
    };
    const std::vector<int> before = calls();
    step();
    CHECK(calls() == before);
    CHECK(conv2d_scratch(parity.cuda, layer.options(), layer.x(), layer.outputs, DType::f32, true).first > 0);
  });
}

TEST_CASE("conv2d: engines that round, and those that need too much memory, are left out", "[gpu]") {
  for_each_machine<F32>("", [](Parity& parity) {
    for_each_candidate(parity, [&] { run_all(parity); });
    const std::string engines = engines_of(parity.cuda);
    for (const char* name : {"engine 1", "engine 3", "engine 7", "fused"}) CHECK(engines.find(name) == std::string::npos);
    for (const char* name : {"engine 0", "engine 2", "4 channels"}) CHECK(engines.find(name) != std::string::npos);
  });
  for_each_machine<Bf16>("", [](Parity& parity) {
    for_each_candidate(parity, [&] { run_all(parity); });
    const std::string engines = engines_of(parity.cuda);
    CHECK(engines.find("engine 3") == std::string::npos);
    for (const char* name : {"engine 0", "engine 1", "engine 2", "engine 7, fused", "engine 8, fused", "8 channels"}) {
      CHECK(engines.find(name) != std::string::npos);
    }
  });
}

TEST_CASE("conv2d: a deterministic device takes no engine that is not, or says so", "[gpu]") {
  const Layer layer{2, 7, 6, 8, 16}, grouped{1, 5, 4, 8, 16, 3, 2, 1, 2};
  Cuda cuda(CudaOptions{.deterministic = true});
  const auto run = [&](const Layer& of) {
    const Tensor x = Tensor::zeros(of.x(), DType::f32, Memory::cuda), w = Tensor::zeros(of.w(), DType::f32, Memory::cuda);
    const Tensor y(of.y(), DType::f32, Memory::cuda);
    conv2d_forward(cuda, of.options(), x, w, {}, y);
    conv2d_backward(cuda, of.options(), x, w, {}, y, {.dx = {x, Write::assign}, .dw = {w, Write::assign}});
  };
  run(layer);
  CHECK(engines_of(cuda).find("engine 2") == std::string::npos);
  CHECK_THROWS_AS(run(grouped), UsageError);
}

TEST_CASE("conv2d: choices are kept in a file, which may be damaged", "[gpu]") {
  const std::filesystem::path path = choices_path();
  std::filesystem::remove(path);
  const auto step = [] {
    Parity parity(ProductPrecision::f32, F32::bound, 1);
    check_forward(parity, layers[0], all_parts);
    parity.cuda.wait();
    return engines_of(parity.cuda);
  };
  const std::string first = step();
  const Choices kept = read_choices(path);
  CHECK(kept.size() == 1);

  // Known choices need no runs but the one that is wanted.
  const int runs = fake::calls().at("cudnnBackendExecute");
  CHECK(step() == first);
  CHECK(fake::calls().at("cudnnBackendExecute") == runs + 1);

  std::string text;
  std::getline(std::ifstream(path), text, '\0');
  for (const std::string& damaged :
       {std::string(), text.substr(0, text.size() / 2), text + "more", "x" + text, std::string(5000, '\xff')}) {
    std::ofstream(path) << damaged;
    CHECK(read_choices(path).empty());
    step();
    CHECK(read_choices(path).size() == 1);
  }
  // An engine that is no more is chosen anew; what is of other machines stays.
  Choices foreign{{"another GPU; a key", "a choice"}, {kept.begin()->first, kept.begin()->second + "9"}};
  write_choices(path, foreign);
  step();
  CHECK(read_choices(path).size() == 2);
  CHECK(read_choices(path).at("another GPU; a key") == "a choice");
  CHECK(read_choices(path).at(kept.begin()->first) != foreign.at(kept.begin()->first));
  // A folder that cannot be written does not matter.
  std::filesystem::remove(path);
  std::filesystem::create_directories(path);
  step();
  std::filesystem::remove(path);
}

#endif

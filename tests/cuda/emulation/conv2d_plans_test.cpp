// Which calls a convolution makes to CUDA and cuDNN, which engines it uses, and which choices it
// stores.
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "choice_file.h"
#include "conv2d_layers.h"
#include "fake_cuda.h"

using namespace amnet;

namespace {

/// The names of the engines in a device's counts.
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
      conv2d_forward(parity.cuda, layer.geometry(), x.device, w.device, {}, y.device);
      conv2d_backward(parity.cuda, layer.geometry(), x.device, w.device, {}, y.device,
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
    CHECK(conv2d_scratch(parity.cuda, layer.geometry(), layer.x(), layer.outputs, DType::f32, true).first > 0);
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
    conv2d_forward(cuda, of.geometry(), x, w, {}, y);
    conv2d_backward(cuda, of.geometry(), x, w, {}, y, {.dx = {x, Write::assign}, .dw = {w, Write::assign}});
  };
  run(layer);
  CHECK(engines_of(cuda).find("engine 2") == std::string::npos);
  CHECK_THROWS_AS(run(grouped), UsageError);
}

TEST_CASE("conv2d: choices are kept in a file, which may be damaged", "[gpu]") {
  const std::filesystem::path path = choices_path();
  std::filesystem::remove(path);
  const auto step = [] {
    Parity parity(ProductPrecision::f32, F32::bound);
    check_forward(parity, layers[0], all_parts);
    parity.cuda.wait();
    return engines_of(parity.cuda);
  };
  const std::string first = step();
  const Choices kept = read_choices(path);
  CHECK(kept.size() == 1);

  // Known choices need no runs except the requested one, and one to check them.
  const int runs = fake::calls().at("cudnnBackendExecute");
  CHECK(step() == first);
  CHECK(fake::calls().at("cudnnBackendExecute") == runs + 2);

  std::string text;
  std::getline(std::ifstream(path), text, '\0');
  for (const std::string& damaged :
       {std::string(), text.substr(0, text.size() / 2), text + "more", "x" + text, std::string(5000, '\xff')}) {
    std::ofstream(path) << damaged;
    CHECK(read_choices(path).empty());
    step();
    CHECK(read_choices(path).size() == 1);
  }
  // An engine that no longer exists is replaced by a new choice; choices of other machines stay.
  Choices foreign{{"another GPU; a key", "a choice"}, {kept.begin()->first, kept.begin()->second + "9"}};
  write_choices(path, foreign);
  step();
  CHECK(read_choices(path).size() == 2);
  CHECK(read_choices(path).at("another GPU; a key") == "a choice");
  CHECK(read_choices(path).at(kept.begin()->first) != foreign.at(kept.begin()->first));
  // A folder that cannot be written to causes no error.
  std::filesystem::remove(path);
  std::filesystem::create_directories(path);
  step();
  std::filesystem::remove(path);
}

TEST_CASE("conv2d: an engine that computes something else is left out, though a file names it", "[gpu]") {
  const std::filesystem::path path = choices_path();
  std::filesystem::remove(path);
  const auto choice_after_step = [&path] {
    Parity parity(ProductPrecision::tf32, Tf32::bound);
    check_backward(parity, {2, 3, 3, 4, 300, 1, 1, 0}, {.x = Write::add});
    const Choices kept = read_choices(path);
    REQUIRE(kept.size() == 1);
    return *kept.begin();
  };
  // Engine 5 overwrites the gradient that it should add to ("a1" in the graph's name). Without
  // adding it is right, and may be the fastest.
  const std::string overwriting = fmt::format("a1 5,{}=15", static_cast<int>(CUDNN_KNOB_TYPE_TILE_SIZE));
  auto [operation, choice] = choice_after_step();
  INFO(choice);
  CHECK(!choice.ends_with(overwriting));
  choice.replace(choice.rfind("-b") + std::string_view("-b0p0r0k0").size(), std::string::npos, overwriting);
  write_choices(path, {{operation, choice}});
  const std::string after = choice_after_step().second;
  INFO(after);
  CHECK(!after.ends_with(overwriting));
  std::filesystem::remove(path);
}

TEST_CASE("conv2d: an engine that adds as it should is taken", "[gpu]") {
  for_each_machine<Tf32>("", [](Parity& parity) {
    std::vector<std::string> asked;
    parity.cuda.state().convolutions->chooser = [&asked](std::span<const ConvolutionChoice> candidates) {
      asked.push_back(fmt::format("{}{}", candidates[0].engine[0], candidates[0].graph.adds ? " adds" : ""));
      return std::size_t{0};
    };
    check_backward(parity, {2, 3, 3, 4, 300, 1, 1, 0}, {.x = Write::add});
    CHECK(asked == std::vector<std::string>{"5 adds", "1 adds"});  // the first of them overwrites
  });
}

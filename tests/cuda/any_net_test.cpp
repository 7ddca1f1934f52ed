// A trainer with a net other than the face network, on its own source, on the GPU: results are as
// on the CPU, and after a checkpoint they continue with the same bits.
#include <amnet/layers/accuracy.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/dropout.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/train/checkpoints.h>
#include <amnet/train/tensor_source.h>
#include <amnet/train/train_run.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "data/test_images.h"
#include "parity.h"

using namespace amnet;

namespace {

constexpr std::int64_t samples = 22, classes = 3, steps = 5;

/// Each sample once an epoch, in order; the last batch of an epoch has the remaining samples.
class Epochs final : public BatchSource {
 public:
  explicit Epochs(std::vector<NamedTensor> tensors) : tensors_(std::move(tensors)) {}
  Batch next() override {
    Batch batch;
    const std::int64_t begin = cursor_ % samples, end = std::min(begin + this->batch(), samples);
    cursor_ += end - begin;
    for (std::int64_t i = begin; i < end; ++i) batch.samples.push_back(i);
    for (const NamedTensor& one : tensors_) batch.tensors.push_back({one.name, one.tensor.slice(begin, end)});
    return batch;
  }
  std::int64_t batch() const override { return 4; }
  std::int64_t epoch() const override { return samples; }
  std::int64_t cursor() const override { return cursor_; }
  void seek(std::int64_t cursor) override { cursor_ = cursor; }
  std::uint64_t fingerprint() const override { return 1; }

 private:
  std::vector<NamedTensor> tensors_;
  std::int64_t cursor_ = 0;
};

/// x (N,7,6,4) -> convolution -> batch norm -> relu -> pool -> dropout, where it draws -> fully
/// connected -> loss and accuracy
Model model_of(DType dtype, bool draws) {
  Model model{.net = Net(dtype), .roles = {.labels = "labels", .loss = "loss", .metrics = {{"accuracy", "accuracy"}}}};
  Net& net = model.net;
  const Value x = net.input("x", {1, 7, 6, 4}), labels = net.input("labels", {1}, DType::i64);
  const Value normal = net.add("norm", BatchNorm(), {net.add("conv", Conv2d(8, 3, {.pad = 1}), {x})});
  Value value = net.add("pool", Pool(PoolKind::max, 2, {.stride = 2}), {net.add("relu", Relu(), {normal})});
  if (draws) value = net.add("drop", Dropout({.ratio = 0.2, .stream = "drop"}), {value});
  const Value logits = net.add("fc", FullyConnected(classes), {net.add("flat", Flatten(), {value})});
  net.add("loss", SoftmaxCrossEntropy(), {logits, labels});
  net.add("accuracy", Accuracy(), {logits, labels});
  return model;
}

/// A training in a folder, started or resumed.
struct Training {
  Training(Device where, const Both& x, bool draws, std::filesystem::path folder)
      : device(std::move(where)),
        model(model_of(activation_dtype(device), draws)),
        source({{"x", memory_of(device) == Memory::host ? x.host : x.device.to(Memory::host)}, {"labels", labels()}}),
        trainer(device, model, source,
                {.steps = steps, .accumulate = 2, .schedule = {.base = 0.02}, .probes = {std::make_shared<GradientNorm>()}}),
        log(folder / "train.log"),
        checkpoints(folder, log) {}

  /// Runs to the end, or until so many steps are done.
  void run(std::int64_t until = steps) {
    train(trainer, {&checkpoints}, {.poll = [&] { return trainer.step() >= until ? TrainRequest::stop : TrainRequest::none; }});
  }

  std::vector<std::string> bytes() const {
    std::vector<std::string> all;
    for (const char* file : {"model.safetensors", "solver.safetensors", "state.json"}) all.push_back(read_file(checkpoints.last() / file));
    return all;
  }

  static Tensor labels() {
    const Tensor labels({samples}, DType::i64);
    for (std::int64_t n = 0; n < samples; ++n) labels.data<std::int64_t>()[static_cast<std::size_t>(n)] = n % classes;
    return labels;
  }

  Device device;
  Model model;
  Epochs source;
  Trainer trainer;
  RunLog log;
  Checkpoints checkpoints;
};

}  // namespace

TEMPLATE_TEST_CASE("trainer: a net of one's own trains on the GPU and goes on to the same bits", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("trainer: any net", [](Parity& parity) {
    const Both x = parity.activation({samples, 7, 6, 4});
    const CudaOptions options{.precision = TestType::precision, .deterministic = true};
    // With dropout each step differs from the last: it is launched kernel by kernel.
    for (const bool draws : {false, true}) {
      INFO("dropout " << draws);
      const test_images::TemporaryFolder folder;
      Training whole(Cuda(options), x, draws, folder.path() / "whole");
      whole.run();
      CHECK(whole.trainer.step() == steps);
      CHECK(whole.trainer.refusal().empty());
      {
        Training begun(Cuda(options), x, draws, folder.path() / "halves");
        begun.run(2);
        CHECK(begun.trainer.step() == 2);
      }
      Training resumed(Cuda(options), x, draws, folder.path() / "halves");
      resumed.run();
      CHECK(resumed.trainer.step() == steps);
      CHECK(resumed.bytes() == whole.bytes());
      CHECK(resumed.trainer.latest("gradient_norm") == whole.trainer.latest("gradient_norm"));

      Training here(Cpu(1, ConvolutionAlgorithm::direct), x, draws, folder.path() / "cpu");
      here.run();
      const double bound = TestType::precision == ProductPrecision::f32 ? 1e-4 : 5e-2;
      CHECK(whole.trainer.meters()["loss"] == Approx(here.trainer.meters()["loss"]).epsilon(bound));
      CHECK(whole.trainer.latest("gradient_norm") == Approx(here.trainer.latest("gradient_norm")).epsilon(bound));
    }
  });
}

TEST_CASE("trainer: a net that nobody has filled is drawn from the seed, though it was moved to the GPU before", "[gpu]") {
  for_each_machine<F32>("trainer: a net that was moved", [](Parity& parity) {
    const Both x = parity.activation({samples, 7, 6, 4});
    const auto values_of = [](const Net& net) {
      std::vector<float> values;
      net.look([&](const std::string&, const Parameter& parameter) {
        const Tensor here = parameter.value.to(Memory::host);
        std::ranges::copy(here.data<float>(), std::back_inserter(values));
      });
      return values;
    };
    Device cpu = Cpu(1), gpu = parity.cuda;
    Model here = model_of(DType::f32, false), there = model_of(DType::f32, false);
    there.net.move_to(Memory::cuda);
    Epochs source({{"x", x.host}, {"labels", Training::labels()}});
    const Trainer of_here(cpu, here, source, {.seed = 5}), of_there(gpu, there, source, {.seed = 5});
    CHECK(values_of(here.net) == values_of(there.net));
    there.net.initialise(6);
    const Trainer of_filled(gpu, there, source, {.seed = 5});
    CHECK(values_of(here.net) != values_of(there.net));
  });
}

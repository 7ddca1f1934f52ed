#include <amnet/core/random.h>
#include <amnet/kernels/accuracy.h>

#include <cmath>
#include <limits>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Samples and classes: one class, fewer and more classes than a block has threads, more samples
// than that, and none.
constexpr std::int64_t sizes[][2] = {{1, 1}, {1, 2}, {60, 3}, {31, 7}, {24, 300}, {12, 1030}, {260, 2}, {0, 4}};

/// Logits with few different values, so that there are many ties, some of them NaN or infinite;
/// labels that are often right.
struct Scores {
  Both logits, labels;

  Scores(Parity& parity, std::int64_t samples, std::int64_t classes, std::uint64_t seed)
      : logits(parity.same(Tensor({samples, classes}, DType::f32))), labels(parity.same(Tensor({samples}, DType::i64))) {
    const Random random(seed);
    std::uint64_t drawn = 0;
    for (std::int64_t n = 0; n < samples; ++n) {
      const auto row = logits.host.data<float>().subspan(static_cast<std::size_t>(n * classes), static_cast<std::size_t>(classes));
      for (float& logit : row) logit = static_cast<float>(random.below(drawn++, 5));
      std::int64_t& label = labels.host.data<std::int64_t>()[static_cast<std::size_t>(n)];
      label = static_cast<std::int64_t>(random.below(drawn++, static_cast<std::uint64_t>(classes)));
      float& target = row[static_cast<std::size_t>(label)];
      switch (n % 6) {
        case 0: target = 4; break;  // right unless a 4 follows
        case 1: target = 7; break;
        case 2: target = std::numeric_limits<float>::quiet_NaN(); break;
        case 3:  // all minus infinity
          for (float& logit : row) logit = -std::numeric_limits<float>::infinity();
          break;
        case 4:  // NaN except for the target
          for (float& logit : row) logit = std::numeric_limits<float>::quiet_NaN();
          target = 1;
          break;
        default: break;
      }
    }
    logits.device.copy_from(logits.host);
    labels.device.copy_from(labels.host);
  }
};

float on_device(Parity& parity, const Tensor& logits, const Tensor& labels) {
  const Both accuracy = parity.output(Shape{1}, false);
  accuracy_forward(parity.cuda, logits, labels, accuracy.device);
  return Parity::fetched(accuracy.device).data<const float>()[0];
}

}  // namespace

TEMPLATE_TEST_CASE("accuracy: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("accuracy: forward", [](Parity& parity) {
    std::uint64_t seed = 0;
    for (const auto& [samples, classes] : sizes) {
      const Scores scores(parity, samples, classes, ++seed);
      const Tensor accuracy({1}, DType::f32);
      accuracy_forward(parity.cpu, scores.logits.host, scores.labels.host, accuracy);
      CHECK(on_device(parity, scores.logits.device, scores.labels.device) == accuracy.data<float>()[0]);
    }
  });
}

TEMPLATE_TEST_CASE("accuracy: the k best, rows that are not counted, and each class", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("accuracy: the k best, rows that are not counted, and each class", [](Parity& parity) {
    std::uint64_t seed = 100;
    constexpr std::int64_t few[][2] = {{1, 1}, {60, 3}, {31, 7}, {2, 260}, {260, 2}, {0, 4}};
    for (const auto& [samples, classes] : few) {
      const Scores scores(parity, samples, classes, ++seed);
      const Both weights = parity.same(Tensor({samples}, DType::f32));
      for (std::int64_t i = 0; i < samples; ++i) weights.host.data<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i % 3);
      weights.device.copy_from(weights.host);
      for (const bool min_is_better : {false, true}) {
        for (const std::int64_t top_k : {std::int64_t{1}, (classes + 1) / 2}) {
          const bool weighted = top_k > 1;
          const Both accuracy = parity.output({1}, false), per_class = parity.output({classes}, false);
          const auto rule = [&](const Tensor& weight, const Tensor& of_classes) {
            return AccuracyRule{
                .top_k = top_k, .ignore_label = 1, .min_is_better = min_is_better, .weights = weight, .per_class = of_classes};
          };
          accuracy_forward(parity.cpu, scores.logits.host, scores.labels.host, accuracy.host,
                           rule(weighted ? weights.host : Tensor(), per_class.host));
          accuracy_forward(parity.cuda, scores.logits.device, scores.labels.device, accuracy.device,
                           rule(weighted ? weights.device : Tensor(), per_class.device));
          CHECK(Parity::fetched(accuracy.device).data<const float>()[0] == accuracy.host.data<float>()[0]);
          const Tensor found = Parity::fetched(per_class.device);
          for (std::size_t c = 0; c < static_cast<std::size_t>(classes); ++c) {
            REQUIRE(found.data<const float>()[c] == per_class.host.data<float>()[c]);
          }
        }
      }
    }
  });
}

TEST_CASE("accuracy: a label out of range is wrong and reads nothing", "[gpu]") {
  for_each_machine<F32>("accuracy: a label out of range is wrong and reads nothing", [](Parity& parity) {
    const Tensor logits = Tensor::of<float>({4, 2}, {5, 5, 5, 5, 5, 5, 5, 9}).to(Memory::cuda);
    constexpr std::int64_t far = std::int64_t{1} << 60;
    CHECK(on_device(parity, logits, Tensor::of<std::int64_t>({4}, {-1, 2, far, 1}).to(Memory::cuda)) == 0.25F);
    CHECK(on_device(parity, logits, Tensor::of<std::int64_t>({4}, {-far, 1, 1, 1}).to(Memory::cuda)) == 0.75F);
  });
}

TEST_CASE("accuracy: refuses other labels by name", "[gpu]") {
  for_each_machine<F32>("accuracy: refuses other labels by name", [](Parity& parity) {
    using Catch::Matchers::Contains;
    const Scores scores(parity, 3, 4, 1);
    const Tensor accuracy({1}, DType::f32, Memory::cuda);
    CHECK_THROWS_WITH(accuracy_forward(parity.cuda, scores.logits.device, scores.labels.device.slice(0, 2), accuracy),
                      "[accuracy] expected 3 labels of i64 but got i64 (2).");
    CHECK_THROWS_WITH(accuracy_forward(parity.cuda, scores.logits.device, scores.labels.host, accuracy),
                      Contains("[accuracy] expected a tensor in the GPU's memory"));
    CHECK_THROWS_WITH(accuracy_forward(parity.cuda, scores.labels.device, scores.labels.device, accuracy),
                      "[accuracy] expected logits (N,classes) but got (3).");
  });
}

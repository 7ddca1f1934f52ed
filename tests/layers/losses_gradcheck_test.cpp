// Compares the backward of the losses that Caffe has, and of normalisations and pooling with its
// options, with central differences in double.
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/center_loss.h>
#include <amnet/layers/contrastive_loss.h>
#include <amnet/layers/euclidean_loss.h>
#include <amnet/layers/matrix_product.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/proxy_contrastive_loss.h>
#include <amnet/layers/proxy_triplet_loss.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/testing/gradcheck.h>

#include <cmath>
#include <vector>

#include "catch.h"

namespace {

using namespace amnet;

constexpr std::uint64_t seeds[] = {1, 2, 3};

Tensor labels_below(const Shape& shape, std::int64_t classes, std::uint64_t seed) {
  Tensor labels(shape, DType::i64);
  const Random random(seed, stream_of("labels"));
  for (std::size_t i = 0; i < labels.data<std::int64_t>().size(); ++i) {
    labels.data<std::int64_t>()[i] = static_cast<std::int64_t>(random.below(i, static_cast<std::uint64_t>(classes)));
  }
  return labels;
}

/// In [low, high).
Tensor uniform(const Shape& shape, std::uint64_t seed, double low, double high) {
  Tensor tensor(shape, DType::f64);
  const Random random(seed, stream_of("uniform"));
  for (std::size_t i = 0; i < tensor.data<double>().size(); ++i) tensor.data<double>()[i] = random.uniform(i, low, high);
  return tensor;
}

void check(Layer&& layer, const std::vector<Tensor>& inputs, GradcheckOptions options = {}) {
  const GradcheckResult result = gradcheck(layer, inputs, options);
  INFO(inputs[0].shape().str() << ", seed " << options.seed << "\n" << result.report());
  REQUIRE(result.passed());
  REQUIRE(result.checked > 0);
}

}  // namespace

TEST_CASE("gradcheck: softmax cross-entropy with rows that are not counted, weights and divisors", "[gradcheck]") {
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 3, 2, 4}, Shape{3, 4, 33}, Shape{7, 1}}) {
    const std::int64_t classes = shape[shape.rank() - 1], rows = shape.count() / classes;
    for (const std::uint64_t seed : seeds) {
      const Tensor labels = labels_below({rows}, classes, seed);
      for (std::int64_t i = 1; i < rows; i += 3) labels.data<std::int64_t>()[static_cast<std::size_t>(i)] = -1;
      for (const LossNormalization normalization :
           {LossNormalization::full, LossNormalization::valid, LossNormalization::batch_size, LossNormalization::none}) {
        const SoftmaxCrossEntropyOptions options{.scale = 3, .ignore_label = -1, .normalization = normalization};
        check(SoftmaxCrossEntropy(options), {random_normal(shape, seed), labels}, {.seed = seed});
        SoftmaxCrossEntropyOptions weighted = options;
        weighted.sample_weights = weighted.sample_scale = true;
        weighted.margin = 0.1;
        check(SoftmaxCrossEntropy(weighted),
              {random_normal(shape, seed), labels, uniform({rows, 1}, seed, 2, 4), uniform({rows}, seed + 1, 0.5, 2)},
              {.seed = seed, .not_differentiable = {3}});
      }
    }
  }
}

TEST_CASE("gradcheck: euclidean loss", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 7}, Shape{4, 5}, Shape{2, 3, 4, 2}, Shape{6}}) {
    for (const std::uint64_t seed : seeds)
      check(EuclideanLoss(), {random_normal(shape, seed), random_normal(shape, seed + 9)}, {.seed = seed});
  }
}

TEST_CASE("gradcheck: contrastive loss", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 3}, Shape{9, 4}, Shape{6, 2, 2, 3}, Shape{12, 1}}) {
    for (const std::uint64_t seed : seeds) {
      const Tensor a = random_normal(shape, seed), b = random_normal(shape, seed + 9);
      for (const bool legacy : {false, true}) {
        // the kinks lie where a distance is the margin: it is far from all of them
        const ContrastiveLossOptions options{.margin = 20, .legacy = legacy};
        check(ContrastiveLoss(options), {a, b, labels_below({shape[0]}, 3, seed), labels_below({shape[0]}, 3, seed + 1)}, {.seed = seed});
        check(ContrastiveLoss(options), {a, b, labels_below({shape[0]}, 2, seed)}, {.seed = seed});
        check(ContrastiveLoss({.margin = 0.01, .legacy = legacy}), {a, b, Tensor::zeros({shape[0]}, DType::i64)}, {.seed = seed});
      }
    }
  }
}

TEST_CASE("gradcheck: center loss", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 3}, Shape{9, 4}, Shape{5, 33}, Shape{12, 1}}) {
    for (const std::uint64_t seed : seeds) {
      for (const NormKind distance : {NormKind::l2, NormKind::l1}) {
        check(CenterLoss(4, {.distance = distance}), {random_normal(shape, seed), labels_below({shape[0]}, 4, seed)}, {.seed = seed});
      }
    }
  }
}

TEST_CASE("gradcheck: contrastive loss of distances to proxies", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 3}, Shape{6, 5}, Shape{9, 2}, Shape{4, 17}}) {
    for (const std::uint64_t seed : seeds) {
      const std::vector<Tensor> inputs{uniform(shape, seed, 0.05, 2), labels_below({shape[0]}, shape[1], seed)};
      for (const bool of_maxima : {false, true}) {
        for (const bool exp : {false, true}) {
          const ProxyContrastiveLossOptions options{.positive_margin = 0.3,
                                                    .negative_margin = 1.1,
                                                    .positive_weight = 0.7,
                                                    .negative_weight = 1.3,
                                                    .positive_outlier_threshold = 1.2,
                                                    .max_negative_only = of_maxima,
                                                    .max_positive_only = of_maxima,
                                                    .positive_first = of_maxima,
                                                    .positive_upper_bound = 1.4,
                                                    .exp_negative_weight = exp};
          check(ProxyContrastiveLoss(options), inputs, {.seed = seed});
          ProxyContrastiveLossOptions moving = options;
          moving.add_intra_mae = true;
          check(ProxyContrastiveLoss(moving), inputs,
                {.phase = Phase::test, .seed = seed, .draw_parameter = [](Parameter& average) { average.value.fill(0.2); }});
        }
      }
    }
  }
}

TEST_CASE("gradcheck: triplet loss of distances to proxies", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 3}, Shape{6, 5}, Shape{9, 2}, Shape{4, 17}}) {
    for (const std::uint64_t seed : seeds) {
      const std::vector<Tensor> inputs{uniform(shape, seed, 0.05, 2), labels_below({shape[0]}, shape[1], seed)};
      std::vector<Tensor> weighted = inputs;
      weighted.push_back(uniform({shape[0]}, seed + 1, 0.5, 2));
      for (const bool hardest : {false, true}) {
        for (const bool center : {false, true}) {
          const ProxyTripletLossOptions options{.margin = 0.4,
                                                .add_center_loss = center,
                                                .hardest_only = hardest,
                                                .positive_first = hardest,
                                                .positive_upper_bound = 1.4,
                                                .positive_weight = 0.7,
                                                .negative_weight = 1.3};
          check(ProxyTripletLoss(options), inputs, {.seed = seed});
          check(ProxyTripletLoss(options), weighted, {.seed = seed, .not_differentiable = {2}});
        }
      }
    }
  }
}

TEST_CASE("gradcheck: product of two inputs", "[gradcheck]") {
  for (const auto& [x, w] : {std::pair{Shape{1, 7}, Shape{3, 7}}, {{5, 4}, {1, 4}}, {{3, 33}, {9, 33}}, {{2, 1}, {2, 1}}}) {
    for (const std::uint64_t seed : seeds) {
      for (const bool bias : {false, true}) {
        check(MatrixProduct({.with_bias = bias}), {random_normal(x, seed), random_normal(w, seed + 9)}, {.seed = seed});
      }
    }
  }
}

TEST_CASE("gradcheck: l1 normalise, and norms without a gradient", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 5, 3, 6}, Shape{2, 3, 2, 1}, Shape{3, 4, 2, 17}, Shape{6, 40}}) {
    for (const std::uint64_t seed : seeds) {
      const std::vector<Tensor> inputs{uniform(shape, seed, 0.3, 2)};  // away from the kink at 0
      for (std::size_t i = 0; i < inputs[0].data<double>().size(); i += 3) inputs[0].data<double>()[i] *= -1;
      for (const bool norm_output : {false, true}) {
        check(Normalize({.epsilon = 0.1, .norm_output = norm_output, .kind = NormKind::l1}), inputs,
              {.seed = seed, .kinks = {{"input 0", 0.0}}});
      }
    }
  }
}

TEST_CASE("gradcheck: batch normalisation without the mean or the deviation", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 5, 3, 4}, Shape{2, 3, 7, 1}, Shape{3, 4, 2, 17}, Shape{8, 19}}) {
    for (const std::uint64_t seed : seeds) {
      for (const auto& [centered, scaled] : {std::pair{false, true}, {true, false}, {false, false}}) {
        for (const Phase phase : {Phase::train, Phase::test}) {
          check(BatchNorm({.centered = centered, .scaled = scaled}), {random_normal(shape, seed)}, {.phase = phase, .seed = seed});
        }
      }
    }
  }
}

TEST_CASE("gradcheck: stochastic pooling", "[gradcheck]") {
  for (const Shape& shape : {Shape{1, 5, 3, 4}, Shape{2, 3, 7, 1}, Shape{3, 4, 4, 17}, Shape{2, 1, 6, 3}}) {
    for (const std::uint64_t seed : seeds) {
      const std::vector<Tensor> inputs{uniform(shape, seed, 0.1, 2)};
      for (const Extents kernel : {Extents(2), Extents(3, 2)}) {
        // a draw changes where a threshold lies between two pixels: not for these seeds
        check(Pool(PoolKind::stochastic, kernel), inputs, {.step = {.number = 7, .seed = 3}, .seed = seed});
        check(Pool(PoolKind::stochastic, kernel, {.stride = 1}), inputs, {.phase = Phase::test, .seed = seed});
      }
    }
  }
}

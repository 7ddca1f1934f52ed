#include <amnet/kernels/normalize.h>
#include <amnet/kernels/softmax_cross_entropy.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <cpu/exponential.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"

namespace {

using namespace amnet;

Tensor random_values(const Shape& shape, std::uint64_t seed, double deviation) {
  Tensor tensor(shape, DType::f64);
  const Random random(seed);
  for (std::size_t i = 0; i < tensor.data<double>().size(); ++i) tensor.data<double>()[i] = deviation * random.normal(i);
  return tensor;
}

Tensor some_labels(std::int64_t samples, std::int64_t classes) {
  Tensor labels({samples}, DType::i64);
  for (std::int64_t i = 0; i < samples; ++i) labels.data<std::int64_t>()[static_cast<std::size_t>(i)] = (i * 7 + 3) % classes;
  return labels;
}

struct Result {
  double loss;
  Tensor gradient;
};

Result run(const MarginOptions& options, const Tensor& logits, const Tensor& labels, const Tensor& sample_scale = {}) {
  Cpu cpu(2);
  const Tensor loss({1}, logits.dtype());
  const Tensor dloss = Tensor({1}, logits.dtype());
  dloss.fill(1);
  const Tensor row_values({logits.extent(0), margin_row_values}, logits.dtype());
  Result result{0, Tensor(logits.shape(), logits.dtype())};
  softmax_cross_entropy_forward(cpu, options, logits, labels, {sample_scale}, row_values, loss);
  softmax_cross_entropy_backward(cpu, options, logits, labels, {sample_scale}, row_values, dloss, {result.gradient, Write::assign}, {});
  result.loss = loss.item();
  return result;
}

/// The formula of the header, unchanged, in long double.
double plain_loss(const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& sample_scale) {
  const std::int64_t samples = cosines.extent(0), classes = cosines.extent(1);
  const auto c = cosines.data<double>();
  long double total = 0;
  for (std::int64_t i = 0; i < samples; ++i) {
    const std::int64_t y = labels.data<std::int64_t>()[static_cast<std::size_t>(i)];
    const double s = sample_scale.defined() ? sample_scale.data<double>()[static_cast<std::size_t>(i)] : options.scale;
    const auto z = [&](std::int64_t j) -> long double {
      const double cosine = c[static_cast<std::size_t>(i * classes + j)];
      if (j != y || (options.rule == MarginRule::cos_gt_m && cosine <= options.margin)) return s * cosine;
      return s * (cosine - options.margin);
    };
    long double sum = 0;
    for (std::int64_t j = 0; j < classes; ++j) sum += std::exp(z(j));
    total += std::log(sum) - z(y);
  }
  return static_cast<double>(total / samples);
}

/// The largest error of exponential(x) over (lowest, 0], in units in the last place of the exact
/// value.
template <class T>
double worst_exponential_error() {
  constexpr std::int64_t values = 200'000 / lanes<T> * lanes<T>;
  const double lowest = std::log(static_cast<double>(std::numeric_limits<T>::min()));
  double worst = 0;
  for (std::int64_t i = 0; i < values; i += lanes<T>) {
    T x[lanes<T>], y[lanes<T>];
    for (int lane = 0; lane < lanes<T>; ++lane) x[lane] = static_cast<T>(lowest * 0.9999 * static_cast<double>(i + lane) / values);
    store(y, exponential<T>(load(x)));
    for (int lane = 0; lane < lanes<T>; ++lane) {
      const long double exact = std::exp(static_cast<long double>(x[lane]));
      const T rounded = static_cast<T>(exact);
      const long double unit = std::nextafter(rounded, T{2}) - rounded;
      worst = std::max(worst, static_cast<double>(std::abs(y[lane] - exact) / unit));
    }
  }
  return worst;
}

template <class T>
T exponential_of(T x) {
  T y[lanes<T>];
  store(y, exponential<T>(broadcast(x)));
  return y[lanes<T> - 1];
}

}  // namespace

TEST_CASE("softmax_cross_entropy: the exponential is right to two units in the last place, and 0 or NaN where it should be",
          "[softmax_cross_entropy]") {
  CHECK(worst_exponential_error<float>() < 2);
  CHECK(worst_exponential_error<double>() < 2);
  CHECK(exponential_of(0.0F) == 1);
  CHECK(exponential_of(0.0) == 1);
  for (const double low : {-1e3, -1e30, -std::numeric_limits<double>::infinity()}) {
    CHECK(exponential_of(static_cast<float>(low)) == 0);
    CHECK(exponential_of(low) == 0);
  }
  CHECK(std::isnan(exponential_of(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isnan(exponential_of(std::numeric_limits<double>::quiet_NaN())));
}

TEST_CASE("softmax_cross_entropy: a gradient over the logits equals one beside them, bit for bit", "[softmax_cross_entropy]") {
  Cpu cpu(2);
  const MarginOptions options{.margin = 0.1, .rule = MarginRule::cos_gt_m};
  const Tensor dloss = Tensor::of<float>({1}, {0.7F});
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 5}, Shape{4, 1024}, Shape{7, 3100}}) {
    const Tensor cosines = random_values(shape, 1, 0.3).cast(DType::f32), labels = some_labels(shape[0], shape[1]);
    Tensor norms = random_values({shape[0], 1}, 2, 1).cast(DType::f32);
    for (float& value : norms.data<float>()) value += 6;
    const Tensor row_values({shape[0], margin_row_values}, DType::f32), loss({1}, DType::f32), beside(shape, DType::f32),
        over = cosines.clone();
    const Tensor scale_beside(norms.shape(), DType::f32), scale_over(norms.shape(), DType::f32);
    softmax_cross_entropy_forward(cpu, options, cosines, labels, {norms}, row_values, loss);
    softmax_cross_entropy_backward(cpu, options, cosines, labels, {norms}, row_values, dloss, {beside, Write::assign},
                                   {scale_beside, Write::assign});
    softmax_cross_entropy_backward(cpu, options, over, labels, {norms}, row_values, dloss, {over, Write::assign},
                                   {scale_over, Write::assign});
    CHECK(std::ranges::equal(over.data<float>(), beside.data<float>()));
    CHECK(std::ranges::equal(scale_over.data<float>(), scale_beside.data<float>()));
  }
}

TEST_CASE("softmax_cross_entropy: the loss equals a plain loop over the formula", "[softmax_cross_entropy]") {
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 5}, Shape{4, 513}, Shape{7, 1100}, Shape{2, 2049}}) {
    const Tensor cosines = random_values(shape, 1, 0.3);
    const Tensor labels = some_labels(shape[0], shape[1]);
    Tensor norms = random_values({shape[0], 1}, 2, 1);
    for (double& value : norms.data<double>()) value += 6;
    for (const MarginRule rule : {MarginRule::always, MarginRule::cos_gt_m}) {
      const MarginOptions options{.scale = 12, .margin = 0.1, .rule = rule};
      CHECK(run(options, cosines, labels).loss == Approx(plain_loss(options, cosines, labels, {})).epsilon(1e-12).margin(1e-12));
      CHECK(run(options, cosines, labels, norms).loss == Approx(plain_loss(options, cosines, labels, norms)).epsilon(1e-12).margin(1e-12));
    }
  }
}

TEST_CASE("softmax_cross_entropy: the margin is taken from the target alone, by its rule, before the scale", "[softmax_cross_entropy]") {
  Cpu cpu(1);
  const Tensor cosines = Tensor::of<double>({3, 2}, {0.5, 0.9, 0.2, 0.9, 0.9, 0.35});
  const Tensor labels = Tensor::of<std::int64_t>({3}, {0, 0, 1});
  const Tensor scaled(cosines.shape(), DType::f64);
  const auto expect = [&](std::initializer_list<double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(scaled.data<double>()[i] == Approx(values.begin()[i]).margin(1e-12));
  };
  margin_logits(cpu, {.scale = 10, .margin = 0.35, .rule = MarginRule::always}, cosines, labels, {}, scaled);
  expect({1.5, 9, -1.5, 9, 9, 0});
  margin_logits(cpu, {.scale = 10, .margin = 0.35, .rule = MarginRule::cos_gt_m}, cosines, labels, {}, scaled);
  expect({1.5, 9, 2, 9, 9, 3.5});
  margin_logits(cpu, {.scale = 10, .margin = 0.35}, cosines, labels, {Tensor::of<double>({3, 1}, {1.0, 2.0, 4.0})}, scaled);
  expect({0.15, 0.9, -0.3, 1.8, 3.6, 0});
}

TEST_CASE("softmax_cross_entropy: margin 0 equals normalised softmax, and every row of the gradient sums to 0", "[softmax_cross_entropy]") {
  const Tensor cosines = random_values({6, 40}, 3, 0.3);
  const Tensor labels = some_labels(6, 40);
  Tensor scaled = cosines.clone();
  for (double& value : scaled.data<double>()) value *= 30;
  const Result margin = run({.scale = 30, .margin = 0}, cosines, labels);
  const Result plain = run({}, scaled, labels);
  CHECK(margin.loss == Approx(plain.loss).epsilon(1e-14));
  for (std::int64_t i = 0; i < 6; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < 40; ++j) {
      const auto at = static_cast<std::size_t>(i * 40 + j);
      CHECK(margin.gradient.data<double>()[at] == Approx(30 * plain.gradient.data<double>()[at]).margin(1e-14));
      sum += margin.gradient.data<double>()[at];
    }
    CHECK(sum == Approx(0).margin(1e-13));
  }
}

TEST_CASE("softmax_cross_entropy: an easy row keeps all digits of its loss and its gradient", "[softmax_cross_entropy]") {
  // p_y is 1 - 4e-18 and more, which no double tells from 1.
  const Tensor logits = Tensor::of<double>({2, 3}, {40, 0, 1, 3, 60, 2});
  const Result found = run({}, logits, Tensor::of<std::int64_t>({2}, {0, 1}));
  const double first = std::exp(-40.0) + std::exp(-39.0), second = std::exp(-57.0) + std::exp(-58.0);
  CHECK(found.loss == Approx((first + second) / 2).epsilon(1e-14));
  const std::vector<double> expected = {-first, std::exp(-40.0), std::exp(-39.0), std::exp(-57.0), -second, std::exp(-58.0)};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(found.gradient.data<double>()[i] == Approx(expected[i] / 2).epsilon(1e-14));
  }
}

TEST_CASE("softmax_cross_entropy: never overflows", "[softmax_cross_entropy]") {
  const Tensor logits = Tensor::of<float>({3, 3}, {1e4F, -1e4F, 0, -1e4F, 1e4F, 1e4F, -1e4F, -1e4F, -1e4F});
  const Tensor labels = Tensor::of<std::int64_t>({3}, {0, 0, 2});
  const Result result = run({}, logits, labels);
  CHECK(result.loss == Approx((0 + (2e4 + std::log(2.0)) + std::log(3.0)) / 3));
  for (const float value : result.gradient.data<float>()) CHECK(std::isfinite(value));
  CHECK(result.gradient.data<float>()[3] == Approx(-1.0 / 3));
  CHECK(result.gradient.data<float>()[4] == Approx(1.0 / 6));

  const Tensor cosines = Tensor::of<float>({2, 4}, {1, -1, 0, 0.2F, -1, 1, 1, 1});
  const Result hard = run({.scale = 64, .margin = 0.5}, cosines, Tensor::of<std::int64_t>({2}, {0, 0}));
  CHECK(std::isfinite(hard.loss));
  for (const float value : hard.gradient.data<float>()) CHECK(std::isfinite(value));

  const Tensor nothing = Tensor::zeros({2, 4}, DType::f32);  // the cosines of a zero feature
  CHECK(run({.scale = 64}, nothing, Tensor::of<std::int64_t>({2}, {0, 3})).loss == Approx(std::log(4.0)));

  const Tensor broken = Tensor::of<float>({1, 3}, {0, std::numeric_limits<float>::quiet_NaN(), 1});
  CHECK(std::isnan(run({}, broken, Tensor::of<std::int64_t>({1}, {0})).loss));  // visible
}

TEST_CASE("softmax_cross_entropy: a label out of range is refused by name before anything is computed", "[softmax_cross_entropy]") {
  Cpu cpu(1);
  const Tensor logits = Tensor::zeros({3, 5}, DType::f32);
  const Tensor row_values({3, margin_row_values}, DType::f32);
  const Tensor loss({1}, DType::f32);
  row_values.fill(7);
  for (const std::int64_t bad : {std::int64_t{5}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    const Tensor labels = Tensor::of<std::int64_t>({3}, {0, bad, 4});
    try {
      softmax_cross_entropy_forward(cpu, {}, logits, labels, {}, row_values, loss);
      FAIL("label " << bad << " was taken");
    } catch (const DataError& error) {
      const std::string message = error.what();
      INFO(message);
      CHECK(message.find("label " + std::to_string(bad)) != std::string::npos);
      CHECK(message.find("sample 1") != std::string::npos);
      CHECK(message.find("from 0 to 4") != std::string::npos);
    }
  }
  CHECK(row_values.data<float>()[0] == 7);
  CHECK_THROWS_AS(check_labels(Tensor({3}, DType::f32), 3, 5, "test"), UsageError);
}

TEST_CASE("softmax_cross_entropy: random features at 512 dimensions and 10,516 classes start at the known losses",
          "[softmax_cross_entropy]") {
  // 64 samples instead of 256: the mean is as precise, because nearly every sample has the same
  // loss.
  constexpr std::int64_t samples = 64, classes = 10516;
  Tensor cosines = random_values({samples, classes}, 8, 1 / std::sqrt(512.0)).cast(DType::f32);
  const Tensor labels = some_labels(samples, classes);
  CHECK(run({.scale = 30, .margin = 0.35, .rule = MarginRule::always}, cosines, labels).loss == Approx(20.64).margin(0.3));
  CHECK(run({.scale = 30, .margin = 0.35, .rule = MarginRule::cos_gt_m}, cosines, labels).loss == Approx(10.14).margin(0.3));
}

TEST_CASE("softmax_cross_entropy: the annealed margin follows the reference code's schedule, and testing has none",
          "[softmax_cross_entropy]") {
  const MarginSchedule seed{.base = 0, .gamma = -5e-5, .power = 1, .min = -0.4, .max = 0, .first_step = 3000};
  CHECK(seed.margin_at(0) == Approx(0.15));
  CHECK(seed.margin_at(1000) == Approx(0.2));
  CHECK(seed.margin_at(100000) == Approx(0.4));
  // min = max = 0 clamp it, as in the reference code
  CHECK(MarginSchedule{.base = -0.2}.margin_at(5) == 0);

  SoftmaxCrossEntropy layer({.scale = 10, .schedule = seed});
  const Tensor cosines = random_values({4, 6}, 5, 0.3);
  const std::vector<Tensor> inputs{cosines, some_labels(4, 6)};
  Device device = Cpu(1);
  const auto loss_at = [&](Phase phase, std::int64_t number) {
    Context context{.device = device, .phase = phase, .step = Step{.number = number}};
    const std::vector<Tensor> loss{Tensor({1}, DType::f64)}, saved{Tensor({4, margin_row_values}, DType::f64)};
    layer.forward({context, inputs, loss, saved});
    return loss[0].item();
  };
  CHECK(loss_at(Phase::train, 1000) == Approx(run({.scale = 10, .margin = 0.2}, cosines, inputs[1]).loss));
  CHECK(loss_at(Phase::test, 1000) == Approx(run({.scale = 10}, cosines, inputs[1]).loss));
}

TEST_CASE("softmax_cross_entropy: rows that are not counted, weights and what the sum is divided by", "[softmax_cross_entropy]") {
  Cpu cpu(2);
  constexpr std::int64_t rows = 70, classes = 33;
  const Tensor logits = random_values({rows, classes}, 5, 2), weights = random_values({rows}, 6, 1), dloss = Tensor::of<double>({1}, {0.7});
  Tensor labels = some_labels(rows, classes);
  for (std::int64_t i = 0; i < rows; i += 3) labels.data<std::int64_t>()[static_cast<std::size_t>(i)] = 255;
  for (std::int64_t i = 0; i < rows; ++i) {
    double& weight = weights.data<double>()[static_cast<std::size_t>(i)];
    weight = i % 7 == 0 ? 0 : std::abs(weight);
  }
  for (const LossNormalization normalization :
       {LossNormalization::full, LossNormalization::valid, LossNormalization::batch_size, LossNormalization::none}) {
    for (const bool weighted : {false, true}) {
      INFO(name_of(normalization) << (weighted ? ", weighted" : ""));
      const Tensor row_values({rows, margin_row_values}, DType::f64), loss({1}, DType::f64), divisor({1}, DType::f64),
          gradient(logits.shape(), DType::f64);
      const LossRows rule{
          .ignore_label = 255, .normalization = normalization, .samples = 10, .weights = weighted ? weights : Tensor(), .divisor = divisor};
      softmax_cross_entropy_forward(cpu, {.scale = 2}, logits, labels, {}, row_values, loss, rule);
      softmax_cross_entropy_backward(cpu, {.scale = 2}, logits, labels, {}, row_values, dloss, {gradient, Write::assign}, {}, rule);
      double sum = 0, counted = 0;
      std::vector<double> expected(static_cast<std::size_t>(rows * classes));
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t label = labels.data<std::int64_t>()[static_cast<std::size_t>(i)];
        const double weight = label == 255 ? 0 : weighted ? weights.data<double>()[static_cast<std::size_t>(i)] : 1;
        const auto z = [&](std::int64_t j) { return 2 * logits.data<double>()[static_cast<std::size_t>(i * classes + j)]; };
        counted += weight;
        if (weight == 0) continue;
        double total = 0;
        for (std::int64_t j = 0; j < classes; ++j) total += std::exp(z(j));
        sum += weight * (std::log(total) - z(label));
        for (std::int64_t j = 0; j < classes; ++j) {
          expected[static_cast<std::size_t>(i * classes + j)] = weight * 0.7 * 2 * (std::exp(z(j)) / total - (j == label ? 1 : 0));
        }
      }
      const double by = normalization == LossNormalization::full         ? rows
                        : normalization == LossNormalization::valid      ? counted
                        : normalization == LossNormalization::batch_size ? 10
                                                                         : 1;
      CHECK(divisor.item() == Approx(by));
      CHECK(loss.item() == Approx(sum / by));
      for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(gradient.data<double>()[i] == Approx(expected[i] / by).margin(1e-15));
    }
  }
  // Never divided by less than 1, as in Caffe.
  const Tensor small = Tensor::of<double>({2}, {0.25, 0.5}), two = random_values({2, 3}, 7, 1), loss({1}, DType::f64),
               whole({1}, DType::f64);
  const Tensor found({2, margin_row_values}, DType::f64);
  softmax_cross_entropy_forward(cpu, {}, two, some_labels(2, 3), {}, found, loss, {.weights = small});
  softmax_cross_entropy_forward(cpu, {}, two, some_labels(2, 3), {}, found, whole,
                                {.normalization = LossNormalization::none, .weights = small});
  CHECK(loss.item() == whole.item());
  CHECK_THROWS_AS(softmax_cross_entropy_forward(cpu, {}, logits, labels, {}, Tensor({rows, margin_row_values}, DType::f64), loss),
                  DataError);
}

TEST_CASE("softmax_cross_entropy: a floor of the probability bounds the loss and leaves the gradient", "[softmax_cross_entropy]") {
  const Tensor logits = Tensor::of<float>({2, 2}, {0, 200, 0, 1}), labels = Tensor::of<std::int64_t>({2}, {0, 0});
  Cpu cpu(1);
  const Tensor loss({1}, DType::f32), row_values({2, margin_row_values}, DType::f32), dloss = Tensor::of<float>({1}, {1}),
                                                                                      gradient({2, 2}, DType::f32);
  const double floor = std::numeric_limits<float>::min();
  softmax_cross_entropy_forward(cpu, {}, logits, labels, {}, row_values, loss, {.probability_floor = floor});
  CHECK(loss.item() == Approx((87.33654 + std::log1p(std::exp(1.0))) / 2));
  softmax_cross_entropy_backward(cpu, {}, logits, labels, {}, row_values, dloss, {gradient, Write::assign}, {},
                                 {.probability_floor = floor});
  CHECK(gradient.data<float>()[0] == Approx(-0.5));
}

TEST_CASE("softmax_cross_entropy: an ignored row has no gradient, whatever its logits are", "[softmax_cross_entropy]") {
  Cpu cpu(1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor logits = Tensor::of<float>({2, 2}, {nan, 1, 0, 0}), labels = Tensor::of<std::int64_t>({2}, {-1, 1});
  const Tensor loss({1}, DType::f32), row_values({2, margin_row_values}, DType::f32), divisor({1}, DType::f32),
      dloss = Tensor::of<float>({1}, {1});
  const Tensor scales = Tensor::of<float>({2}, {1, 1}), dlogits({2, 2}, DType::f32), dscales({2}, DType::f32);
  const LossRows rows{.ignore_label = -1, .divisor = divisor};
  softmax_cross_entropy_forward(cpu, {}, logits, labels, {scales}, row_values, loss, rows);
  CHECK(loss.item() == Approx(std::log(2.0)));
  softmax_cross_entropy_backward(cpu, {}, logits, labels, {scales}, row_values, dloss, {dlogits, Write::assign}, {dscales, Write::assign},
                                 rows);
  CHECK(dlogits.data<float>()[0] == 0);
  CHECK(dlogits.data<float>()[3] == Approx(-0.5));
  CHECK(dscales.data<float>()[0] == 0);
}

TEST_CASE("softmax_cross_entropy: options that are not used are not described", "[softmax_cross_entropy]") {
  CHECK(SoftmaxCrossEntropy().options()->entries().size() == 5);
  CHECK(SoftmaxCrossEntropy({.ignore_label = -1}).options()->entries().size() == 6);
  CHECK_THROWS_AS(SoftmaxCrossEntropy({.probability_floor = -1}), UsageError);
}

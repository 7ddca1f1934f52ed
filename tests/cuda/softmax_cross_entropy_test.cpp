#include <amnet/kernels/softmax_cross_entropy.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Size {
  std::int64_t samples, classes;
};
// Rows shorter than a warp, of several rounds of a block, divided among blocks (few and long),
// packed and not packed.
constexpr Size sizes[] = {{1, 1}, {2, 10}, {6, 7}, {2, 1100}, {1, 1027}, {1, 9000}, {2, 5001}};

constexpr MarginOptions some_targets{.scale = 4, .margin = 0.5, .rule = MarginRule::cos_gt_m};

struct Scaling {
  MarginOptions margin;
  bool of_samples;  // with one scale for each sample
};
constexpr Scaling scalings[] = {{{}, false}, {{.scale = 8, .margin = 0.35}, false}, {some_targets, false}, {some_targets, true}};

Both labels_of(Parity& parity, const Size& size) {
  const Tensor labels({size.samples}, DType::i64), random = parity.parameter({size.samples}).host;
  for (std::int64_t i = 0; i < size.samples; ++i) {
    const double share = std::abs(std::sin(1000 * random.data<float>()[static_cast<std::size_t>(i)]));
    labels.data<std::int64_t>()[static_cast<std::size_t>(i)] =
        std::min(size.classes - 1, static_cast<std::int64_t>(share * static_cast<double>(size.classes)));
  }
  labels.data<std::int64_t>().back() = size.classes - 1;
  return parity.same(labels);
}

/// Targets are below the others, so that no loss and no sum is a small difference; some targets are
/// above the margin or just below it.
Both logits_of(Parity& parity, const Size& size, const Both& labels) {
  constexpr float targets[] = {-2, 0.9F, 0.4F};
  const Tensor logits = parity.parameter({size.samples, size.classes}).host;
  for (std::int64_t i = 0; i < size.samples; ++i) {
    const std::int64_t label = labels.host.data<std::int64_t>()[static_cast<std::size_t>(i)];
    logits.data<float>()[static_cast<std::size_t>(i * size.classes + label)] = targets[i % 3];
  }
  return parity.same(logits);
}

void check_finite(const Tensor& device) {
  const Tensor here = Parity::fetched(device);
  for (const float value : here.data<float>()) CHECK(std::isfinite(value));
}

Both scales_of(Parity& parity, const Size& size) {
  const Tensor host = parity.parameter({size.samples, 1}).host;
  for (float& value : host.data<float>()) value = 1 + std::abs(value);
  return parity.same(host);
}

/// Where it is added to, it is positive before: otherwise the scale's gradient of a single sample
/// might cancel with it.
BothGradients scale_gradient(Parity& parity, const Size& size, Write write) {
  if (write != Write::add) return parity.gradient(parity.parameter({size.samples, 1}), write);
  const Both before = scales_of(parity, size);
  return {{before.host, write}, {before.device, write}};
}

}  // namespace

TEMPLATE_TEST_CASE("softmax_cross_entropy: margin logits", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("softmax_cross_entropy: margin logits", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const auto& [margin, of_samples] : scalings) {
        const Both labels = labels_of(parity, size), cosines = logits_of(parity, size, labels);
        const Both scales = of_samples ? scales_of(parity, size) : Both{}, out = parity.output(cosines);
        margin_logits(parity.cpu, margin, cosines.host, labels.host, {scales.host}, out.host);
        margin_logits(parity.cuda, margin, cosines.device, labels.device, {scales.device}, out.device);
        parity.check_same(out);
      }
    }
  });
}

TEMPLATE_TEST_CASE("softmax_cross_entropy: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("softmax_cross_entropy: forward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const auto& [margin, of_samples] : scalings) {
        const Both labels = labels_of(parity, size), logits = logits_of(parity, size, labels);
        const Both scales = of_samples ? scales_of(parity, size) : Both{};
        const Both row_values = parity.output({size.samples, margin_row_values}, false), loss = parity.output({1}, false);
        softmax_cross_entropy_forward(parity.cpu, margin, logits.host, labels.host, {scales.host}, row_values.host, loss.host);
        softmax_cross_entropy_forward(parity.cuda, margin, logits.device, labels.device, {scales.device}, row_values.device, loss.device);
        parity.check_same(row_values);
        parity.check_same(loss);
      }
    }
  });
}

TEST_CASE("softmax_cross_entropy: more samples than one round sums", "[gpu]") {
  for_each_machine<F32>("softmax_cross_entropy: more samples than one round sums", [](Parity& parity) {
    const Size size{130, 3};
    const Both labels = labels_of(parity, size), logits = logits_of(parity, size, labels);
    const Both row_values = parity.output({size.samples, margin_row_values}, false), loss = parity.output({1}, false);
    softmax_cross_entropy_forward(parity.cpu, {}, logits.host, labels.host, {}, row_values.host, loss.host);
    softmax_cross_entropy_forward(parity.cuda, {}, logits.device, labels.device, {}, row_values.device, loss.device);
    parity.check_same(row_values);
    parity.check_same(loss);
  });
}

TEST_CASE("softmax_cross_entropy: large logits do not overflow", "[gpu]") {
  for_each_machine<F32>("softmax_cross_entropy: large logits do not overflow", [](Parity& parity) {
    const Size size{3, 4100};
    for (const float factor : {1e3F, -1e3F, 1e5F}) {
      const Tensor large = parity.parameter({size.samples, size.classes}).host;
      for (float& value : large.data<float>()) value = factor * (1 + std::abs(value));
      const Both logits = parity.same(large), labels = labels_of(parity, size);
      const Both row_values = parity.output({size.samples, margin_row_values}, false), loss = parity.output({1}, false);
      softmax_cross_entropy_forward(parity.cpu, {}, logits.host, labels.host, {}, row_values.host, loss.host);
      softmax_cross_entropy_forward(parity.cuda, {}, logits.device, labels.device, {}, row_values.device, loss.device);
      parity.check_same(row_values);
      parity.check_same(loss);
    }
  });
}

TEST_CASE("softmax_cross_entropy: a label out of range touches nothing and shows", "[gpu]") {
  for_each_machine<F32>("softmax_cross_entropy: a label out of range touches nothing and shows", [](Parity& parity) {
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{6}, std::int64_t{1} << 40}) {
      const Tensor logits = parity.parameter({2, 6}).device, labels = Tensor::of<std::int64_t>({2}, {3, wrong}).to(Memory::cuda);
      const Tensor scales = Tensor::of<float>({2, 1}, {2.0F, 3.0F}).to(Memory::cuda),
                   dloss = Tensor::of<float>({1}, {1.0F}).to(Memory::cuda);
      const Tensor row_values({2, margin_row_values}, DType::f32, Memory::cuda), loss({1}, DType::f32, Memory::cuda);
      const Tensor dlogits({2, 6}, DType::f32, Memory::cuda), dscales({2, 1}, DType::f32, Memory::cuda);
      softmax_cross_entropy_forward(parity.cuda, {.margin = 0.2}, logits, labels, {scales}, row_values, loss);
      CHECK(std::isnan(loss.item()));
      softmax_cross_entropy_backward(parity.cuda, {.margin = 0.2}, logits, labels, {scales}, row_values, dloss, {dlogits, Write::assign},
                                     {dscales, Write::assign});
      check_finite(dlogits);
      margin_logits(parity.cuda, {.margin = 0.2}, logits, labels, {scales}, dlogits);
      check_finite(dlogits);
    }
  });
}

TEMPLATE_TEST_CASE("softmax_cross_entropy: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("softmax_cross_entropy: backward", [](Parity& parity) {
    const Both dloss = parity.same(Tensor::of<float>({1}, {0.7F}));
    for (const Size& size : sizes) {
      int k = 0;
      for (const Write write_logits : {Write::skip, Write::assign, Write::add}) {
        for (const Write write_scale : {Write::skip, Write::assign, Write::add}) {
          const MarginOptions margin = scalings[k++ % 3].margin;
          const Both labels = labels_of(parity, size), logits = logits_of(parity, size, labels);
          const Both scales = write_scale != Write::skip ? scales_of(parity, size) : Both{};
          const Tensor found({size.samples, margin_row_values}, DType::f32), loss({1}, DType::f32);
          softmax_cross_entropy_forward(parity.cpu, margin, logits.host, labels.host, {scales.host}, found, loss);
          const Both row_values = parity.same(found);
          const BothGradients dlogits = parity.gradient(logits, write_logits), dscale = scale_gradient(parity, size, write_scale);
          softmax_cross_entropy_backward(parity.cpu, margin, logits.host, labels.host, {scales.host}, row_values.host, dloss.host,
                                         dlogits.host, dscale.host);
          softmax_cross_entropy_backward(parity.cuda, margin, logits.device, labels.device, {scales.device}, row_values.device,
                                         dloss.device, dlogits.device, dscale.device);
          parity.check_same(dlogits);
          parity.check_same(dscale);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("softmax_cross_entropy: backward over the logits themselves", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("softmax_cross_entropy: backward over the logits themselves", [](Parity& parity) {
    const Both dloss = parity.same(Tensor::of<float>({1}, {1.5F}));
    for (const Size& size : sizes) {
      for (const Write write_scale : {Write::skip, Write::assign}) {
        const Both labels = labels_of(parity, size), logits = logits_of(parity, size, labels);
        const Both scales = scales_of(parity, size);
        const Tensor found({size.samples, margin_row_values}, DType::f32), loss({1}, DType::f32);
        softmax_cross_entropy_forward(parity.cpu, some_targets, logits.host, labels.host, {scales.host}, found, loss);
        const Both row_values = parity.same(found);
        const BothGradients dscale = scale_gradient(parity, size, write_scale);
        softmax_cross_entropy_backward(parity.cpu, some_targets, logits.host, labels.host, {scales.host}, row_values.host, dloss.host,
                                       {logits.host, Write::assign}, dscale.host);
        softmax_cross_entropy_backward(parity.cuda, some_targets, logits.device, labels.device, {scales.device}, row_values.device,
                                       dloss.device, {logits.device, Write::assign}, dscale.device);
        parity.check_same(logits);
        parity.check_same(dscale);
      }
    }
  });
}

TEST_CASE("softmax_cross_entropy: rows that are not counted, weights, divisors and a floor", "[gpu]") {
  for_each_machine<F32>("softmax_cross_entropy: rows that are not counted, weights, divisors and a floor", [](Parity& parity) {
    const Both dloss = parity.same(Tensor::of<float>({1}, {0.7F}));
    for (const Size& size : {Size{6, 7}, Size{3, 1100}, Size{130, 3}, Size{1, 9000}}) {
      for (const LossNormalization normalization :
           {LossNormalization::full, LossNormalization::valid, LossNormalization::batch_size, LossNormalization::none}) {
        for (const bool weighted : {false, true}) {
          const Both of_classes = labels_of(parity, size), logits = logits_of(parity, size, of_classes), scales = scales_of(parity, size);
          const Tensor marked = of_classes.host.clone();
          for (std::int64_t i = 1; i < size.samples; i += 3) marked.data<std::int64_t>()[static_cast<std::size_t>(i)] = -1;
          const Tensor some = scales_of(parity, size).host;
          for (std::int64_t i = 2; i < size.samples; i += 5) some.data<float>()[static_cast<std::size_t>(i)] = 0;
          const Both labels = parity.same(marked), weights = weighted ? parity.same(some) : Both{};
          const Both row_values = parity.output({size.samples, margin_row_values}, false), loss = parity.output({1}, false);
          const Both divisor = parity.output({1}, false);
          const auto rows = [&](const Tensor& weight, const Tensor& by) {
            return LossRows{.ignore_label = -1,
                            .normalization = normalization,
                            .samples = 3,
                            .probability_floor = 1e-3,
                            .weights = weight,
                            .divisor = by};
          };
          const LossRows host = rows(weights.host, divisor.host), device = rows(weights.device, divisor.device);
          softmax_cross_entropy_forward(parity.cpu, some_targets, logits.host, labels.host, {scales.host}, row_values.host, loss.host,
                                        host);
          softmax_cross_entropy_forward(parity.cuda, some_targets, logits.device, labels.device, {scales.device}, row_values.device,
                                        loss.device, device);
          parity.check_same(loss);
          parity.check_same(divisor);
          // the row_values of rows that do not count are nobody's
          row_values.device.copy_from(row_values.host);
          const BothGradients dlogits = parity.gradient(logits, weighted ? Write::add : Write::assign);
          const BothGradients dscale = scale_gradient(parity, size, weighted ? Write::add : Write::assign);
          softmax_cross_entropy_backward(parity.cpu, some_targets, logits.host, labels.host, {scales.host}, row_values.host, dloss.host,
                                         dlogits.host, dscale.host, host);
          softmax_cross_entropy_backward(parity.cuda, some_targets, logits.device, labels.device, {scales.device}, row_values.device,
                                         dloss.device, dlogits.device, dscale.device, device);
          parity.check_same(dlogits);
          parity.check_same(dscale);
        }
      }
    }
  });
}

namespace {

struct Form {
  MarginOptions margin;
  bool norms;
};
/// One of each rule of the family.
const std::vector<Form>& forms() {
  using M = MarginOptions;
  static const std::vector<Form> all = {
      {M{.scale = 8, .form = {.angle = 0.5}}, false},
      {M{.scale = 8, .rule = MarginRule::cos_gt_0, .form = {.angle = 0.5, .past_pi = PastPi::linear}}, false},
      {M{.scale = 8, .form = {.angle = 0.5, .past_pi = PastPi::none, .gradient = MarginGradient::straight_through}}, false},
      {M{.scale = 8, .margin = 0.2, .form = {.multiplier = 0.9, .angle = 0.3, .past_pi = PastPi::cosine}}, false},
      {M{.form = {.multiplier = 4, .blend = 5}}, true},
      {M{.scale = 8, .form = {.multiplier = 1.5, .past_pi = PastPi::clipped, .cosine_limit = 0.05}}, false},
      {M{.scale = 8, .form = {.multiplier = 1.4, .negatives = NegativeRule::divided}}, false},
      {M{.form = {.multiplier = 1.2, .norm_penalty = NormPenalty::distance, .penalty = 0.3, .norm_target = 4}}, true},
      {M{.scale = 8, .form = {.angle = 0.5, .negatives = NegativeRule::curricular, .momentum = 0.3}}, false},
      {M{.scale = 8, .form = {.angle = 0.5, .negatives = NegativeRule::filtered, .filter = 0.3}}, false},
      {M{.scale = 8,
         .form = {.norm_margin = NormMargin::magface, .norm_low = 1.5, .norm_high = 3, .norm_penalty = NormPenalty::magface, .penalty = 2}},
       true},
      {M{.scale = 8, .margin = 0.4, .form = {.past_pi = PastPi::clipped, .norm_margin = NormMargin::adaface, .momentum = 0.3}}, true},
      {M{.scale = 8, .form = {.angle = 0.5, .centres = 3}}, false},
      {M{.scale = 8, .form = {.angle = 0.5, .negatives = NegativeRule::curricular, .centres = 2}}, false},
  };
  return all;
}

/// Cosines in (-1, 1), those of targets small.
Both cosines_of(Parity& parity, const Size& size, std::int64_t centres, const Both& labels) {
  const Tensor cosines = parity.parameter({size.samples, size.classes * centres}).host;
  for (float& value : cosines.data<float>()) value = std::tanh(value);
  for (std::int64_t i = 0; i < size.samples; ++i) {
    const std::int64_t label = labels.host.data<std::int64_t>()[static_cast<std::size_t>(i)];
    for (std::int64_t k = 0; k < centres; ++k) {
      cosines.data<float>()[static_cast<std::size_t>((i * size.classes + label) * centres + k)] =
          -0.3F + 0.4F * static_cast<float>(i % 3) - 0.1F * static_cast<float>(k);
    }
  }
  return parity.same(cosines);
}

}  // namespace

TEST_CASE("softmax_cross_entropy: every rule of the margin family", "[gpu]") {
  for_each_machine<F32>("softmax_cross_entropy: every rule of the margin family", [](Parity& parity) {
    const Both dloss = parity.same(Tensor::of<float>({1}, {0.7F}));
    for (const auto& [margin, has_norms] : forms()) {
      // The longest row for a few, because the rules do not depend on it.
      std::vector<Size> sizes_here = {{1, 2}, {6, 7}, {70, 3}, {2, 1100}};
      if (margin.form.negatives == NegativeRule::curricular) sizes_here.push_back({1, 9000});
      for (const Size& size : sizes_here) {
        const MarginForm& form = margin.form;
        const Both labels = labels_of(parity, size), cosines = cosines_of(parity, size, form.centres, labels);
        const Both norms = has_norms ? scales_of(parity, size) : Both{};
        const auto running = [&](bool has, float value) { return has ? parity.same(Tensor::of<float>({1}, {value})) : Both{}; };
        const Both mean = running(form.has_mean(), 0.7F), deviation = running(form.has_deviation(), 0.9F);
        const MarginInputs host{.norms = norms.host, .mean = mean.host, .deviation = deviation.host},
            device{.norms = norms.device, .mean = mean.device, .deviation = deviation.device};
        const Both rows = parity.output({size.samples, margin_row_values}, false), loss = parity.output({1}, false);
        softmax_cross_entropy_forward(parity.cpu, margin, cosines.host, labels.host, host, rows.host, loss.host);
        softmax_cross_entropy_forward(parity.cuda, margin, cosines.device, labels.device, device, rows.device, loss.device);
        parity.check_same(rows);
        parity.check_same(loss);
        if (form.has_mean()) parity.check_same(mean);
        if (form.has_deviation()) parity.check_same(deviation);
        const Both z = parity.output({size.samples, size.classes}, false);
        margin_logits(parity.cpu, margin, cosines.host, labels.host, host, z.host);
        margin_logits(parity.cuda, margin, cosines.device, labels.device, device, z.device);
        parity.check_same(z);
        for (const Write write : {Write::add, Write::assign}) {
          const BothGradients dcosines = parity.gradient(cosines, write);
          const BothGradients dnorms = has_norms ? scale_gradient(parity, size, write) : BothGradients{};
          softmax_cross_entropy_backward(parity.cpu, margin, cosines.host, labels.host, host, rows.host, dloss.host, dcosines.host,
                                         dnorms.host, {.factor = 2});
          softmax_cross_entropy_backward(parity.cuda, margin, cosines.device, labels.device, device, rows.device, dloss.device,
                                         dcosines.device, dnorms.device, {.factor = 2});
          parity.check_same(dcosines);
          if (has_norms && form.norm_margin != NormMargin::adaface) parity.check_same(dnorms);
        }
        softmax_cross_entropy_backward(parity.cpu, margin, cosines.host, labels.host, host, rows.host, dloss.host,
                                       {cosines.host, Write::assign}, {});
        softmax_cross_entropy_backward(parity.cuda, margin, cosines.device, labels.device, device, rows.device, dloss.device,
                                       {cosines.device, Write::assign}, {});
        parity.check_same(cosines);
      }
    }
  });
}

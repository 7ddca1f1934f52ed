// The losses of the margin family against the published PyTorch code, in double: logits, loss,
// gradients to features, weights and bias, row by row, and the running statistics over three steps.
#include <amnet/kernels/binary_cross_entropy.h>
#include <amnet/layers/binary_cross_entropy.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/parameter.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/net/plan.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>

#include "catch.h"
#include "golden/npz.h"
#include "shared_data.h"

namespace {

using namespace amnet;
using golden::Npz;
using Json = nlohmann::json;

constexpr double bar = 1e-9, pi = std::numbers::pi;

/// A case in amnet's terms.
struct Loss {
  SoftmaxCrossEntropyOptions softmax = {};
  std::optional<BinaryCrossEntropyOptions> binary = {};
  RowNorm rows = RowNorm::projected;
  /// steps done before step 0 of the case, from its first state
  std::int64_t steps_before = 0;
};

/// The parameters of a case: numbers by name, from the manifest.
struct Parameters {
  Json values;
  double operator()(const std::string& name) const { return values.at(name).get<double>(); }
  std::string text(const std::string& name) const { return values.at(name).get<std::string>(); }
};

MarginForm angle(double m, PastPi past_pi) { return {.angle = m, .past_pi = past_pi}; }

MarginForm straight(MarginForm form) {
  form.gradient = MarginGradient::straight_through;
  return form;
}

MarginForm limited(MarginForm form, double cosine, double least, double most) {
  form.cosine_limit = cosine;
  form.past_pi = PastPi::clipped;
  form.least_angle = least;
  form.most_angle = most;
  return form;
}

using Make = std::function<Loss(const Parameters&)>;

/// OpenSphere computes every margin without gradients, and writes unit rows over the weights.
Make opensphere(std::function<SoftmaxCrossEntropyOptions(const Parameters&)> softmax) {
  return [softmax](const Parameters& p) {
    Loss loss{.softmax = softmax(p), .rows = RowNorm::in_place};
    loss.softmax.form = straight(loss.softmax.form);
    return loss;
  };
}

Make plain(std::function<SoftmaxCrossEntropyOptions(const Parameters&)> softmax) {
  return [softmax](const Parameters& p) { return Loss{.softmax = softmax(p)}; };
}

MarginForm magface(const Parameters& p, PastPi past_pi) {
  return {.past_pi = past_pi,
          .norm_margin = NormMargin::magface,
          .norm_low = p("l_a"),
          .norm_high = p("u_a"),
          .margin_low = p("l_margin"),
          .margin_high = p("u_margin"),
          .norm_penalty = NormPenalty::magface,
          .penalty = p("lambda_g")};
}

MarginForm adaface(const Parameters& p) { return {.norm_margin = NormMargin::adaface, .concentration = p("h"), .momentum = p("t_alpha")}; }

/// SphereFace-R: v0 is SphereFace's margin, v1 ends at pi, v2 has it on the negatives.
MarginForm sphereface_r(const std::string& version, double multiplier) {
  MarginForm form{.multiplier = multiplier, .cosine_limit = 1e-5};
  if (version == "v1") form = limited(form, 1e-5, 1e-5, 3.14159);
  if (version == "v2") form.negatives = NegativeRule::divided;
  return form;
}

/// _N and _S: the margin grows with the steps, and the norms scale the cosines.
Make grown_sphereface_r(bool soft) {
  return [soft](const Parameters& p) {
    Loss loss{.rows = RowNorm::in_place};
    loss.softmax.sample_scale = true;
    loss.softmax.factor = soft ? p("lw") / p("s") : p("lw");
    loss.softmax.form = straight(sphereface_r(p.text("magn_type"), 1));
    std::vector<std::int64_t> steps;
    for (const Json& step : p.values.at("steps")) steps.push_back(step.get<std::int64_t>());
    loss.softmax.growth = MultiplierGrowth{.by = p("dm"), .after = steps};
    if (soft) {
      loss.softmax.form.norm_penalty = NormPenalty::distance;
      loss.softmax.form.penalty = p("t") / loss.softmax.factor;
      loss.softmax.form.norm_target = p("s");
    }
    return loss;
  };
}

Make sphereface2(bool detached) {
  return [detached](const Parameters& p) {
    BinaryCrossEntropyOptions binary{.scale = p("r"), .sharpness = p("t"), .balance = p("alpha"), .factor = p("lw")};
    const std::string kind = p.text("magn_type");
    binary.margin = kind == "C" ? p("m") : 0;
    if (kind != "C") {
      const bool own = p.values.contains("theta_eps");
      binary.form = limited(kind == "A" ? MarginForm{.angle = p("m")} : MarginForm{.multiplier = p("m")}, 0, own ? p("theta_eps") : 1e-5,
                            own ? p("theta_max") : 3.14159);
    }
    if (detached || kind != "C") binary.form = straight(binary.form);
    binary.bias.filler = Filler::constant(p("b"));
    return Loss{.binary = binary, .rows = RowNorm::in_place};
  };
}

struct Known {
  std::string prefix;
  Make make;
  std::string waits = {};  ///< why a case has no counterpart
};

/// By the beginning of a case's name; the longest that fits.
const std::vector<Known>& known_cases() {
  using P = const Parameters&;
  using S = SoftmaxCrossEntropyOptions;
  const std::string not_named = "a loss that amnet does not have";
  static const std::vector<Known> known = {
      {"arcface_insightface", plain([](P p) { return S{.scale = p("s"), .form = straight(angle(p("m"), PastPi::none))}; })},
      {"arcface_partialfc",
       plain([](P p) { return S{.scale = p("s"), .probability_floor = 1e-30, .form = straight(angle(p("m"), PastPi::none))}; })},
      {"arcface_facexzoo", plain([](P p) { return S{.scale = p("s"), .form = angle(p("m"), PastPi::cosine)}; })},
      {"arcface_evolve", plain([](P p) { return S{.scale = p("s"), .form = angle(p("m"), PastPi::linear)}; })},
      {"arcface_evolve_easy",
       plain([](P p) { return S{.scale = p("s"), .rule = MarginRule::cos_gt_0, .form = angle(p("m"), PastPi::none)}; })},
      {"arcface_adaface", plain([](P p) { return S{.scale = p("s"), .form = limited({.angle = p("m")}, 1e-4, 1e-4, pi - 1e-4)}; })},
      {"arcface_opensphere", opensphere([](P p) { return S{.scale = p("s"), .form = limited({.angle = p("m")}, 1e-5, 1e-5, 3.14159)}; })},
      {"cosface_insightface", plain([](P p) { return S{.scale = p("s"), .margin = p("m")}; })},
      {"cosface_facexzoo", plain([](P p) { return S{.scale = p("s"), .margin = p("m")}; })},
      {"cosface_adaface", plain([](P p) { return S{.scale = p("s"), .margin = p("m"), .form = {.cosine_limit = 1e-4}}; })},
      {"cosface_opensphere", opensphere([](P p) { return S{.scale = p("s"), .margin = p("m")}; })},
      // that code takes no account of m2 where m3 is above 0
      {"combined_insightface", plain([](P p) {
         MarginForm form = straight(angle(p("m3") > 0 ? 0 : p("m2"), PastPi::none));
         if (p.values.contains("interclass_filtering_threshold")) {
           form.negatives = NegativeRule::filtered;
           form.filter = p("interclass_filtering_threshold");
         }
         return S{.scale = p("s"), .margin = p("m3"), .form = form};
       })},
      {"combined_facepytorch",
       plain([](P p) { return S{.scale = p("s"), .margin = p("m_cosine"), .form = angle(p("m_angular"), PastPi::linear)}; })},
      {"curricularface", plain([](P p) {
         MarginForm form = angle(p("m"), PastPi::linear);
         form.negatives = NegativeRule::curricular;
         return S{.scale = p("s"), .form = form};
       })},
      {"magface_authors_easy1",
       plain([](P p) { return S{.scale = p("s"), .rule = MarginRule::cos_gt_0, .form = magface(p, PastPi::none)}; })},
      {"magface_authors_easy0", plain([](P p) { return S{.scale = p("s"), .form = magface(p, PastPi::linear)}; })},
      {"magface_facexzoo", plain([](P p) { return S{.scale = p("s"), .form = magface(p, PastPi::cosine)}; })},
      {"adaface_authors",
       plain([](P p) { return S{.scale = p("s"), .margin = p("m"), .form = limited(adaface(p), 1e-3, 1e-3, pi - 1e-3)}; })},
      {"adaface_cvlface", plain([](P p) {
         MarginForm form = straight(adaface(p));
         form.past_pi = PastPi::none;
         return S{.scale = p("s"), .margin = p("m"), .form = form};
       })},
      {"sphereface_opensphere", opensphere([](P p) { return S{.scale = p("s"), .form = sphereface_r("v0", p("m"))}; })},
      {"sphereface_evolve",
       plain([](P p) { return S{.sample_scale = true, .form = {.multiplier = p("m")}, .blend = BlendSchedule{.least = 5}}; })},
      {"spherefacer_H",
       opensphere([](P p) { return S{.scale = p("s"), .form = sphereface_r(p.text("magn_type"), p("m")), .factor = p("lw") / p("s")}; })},
      {"spherefacer_N", grown_sphereface_r(false)},
      {"spherefacer_S", grown_sphereface_r(true)},
      {"sphereface2_v0", sphereface2(true)},
      {"sphereface2_main", sphereface2(true)},
      {"sphereface2_iclr", sphereface2(false)},
      {"normface_coco", opensphere([](P p) { return S{.scale = p("s")}; })},
      {"normface_pml", plain([](P p) { return S{.scale = p("s")}; })},
      {"subcenter_arcface_pml", plain([](P p) {
         MarginForm form = angle(p("m"), PastPi::linear);
         form.centres = static_cast<std::int64_t>(p("sub_centers"));
         return S{.scale = p("s"), .form = form};
       })},
      {"mvsoftmax", {}, not_named},
      {"npcface", {}, not_named},
      {"adacos", {}, not_named},
  };
  return known;
}

const Known* find_known(const std::string& name) {
  const Known* best = nullptr;
  for (const Known& one : known_cases()) {
    if (name.starts_with(one.prefix) && (best == nullptr || one.prefix.size() > best->prefix.size())) best = &one;
  }
  return best;
}

/// features -> unit features -> cosines -> the loss, in double.
class Head {
 public:
  Head(const Loss& loss, std::int64_t samples, std::int64_t size, std::int64_t columns) : loss_(loss), net_(DType::f64) {
    const Value x = net_.add("x", ParameterLayer({.extents = {samples, size}}), {});
    labels_ = net_.fixed_input("labels", {samples}, DType::i64);
    unit_ = net_.add("unit", Normalize({.epsilon = 0, .norm_output = true}), {x});
    cosines_ = net_.add("fc", FullyConnected(columns, {.with_bias = false, .row_norm = loss.rows, .epsilon = 0}), {unit_});
    std::vector<Value> inputs{cosines_, labels_};
    if (loss.binary) {
      value_ = net_.add("loss", BinaryCrossEntropy(*loss.binary), inputs);
    } else {
      const MarginForm& form = loss.softmax.form;
      if (loss.softmax.sample_scale || form.has_norm_margin() || form.norm_penalty != NormPenalty::none)
        inputs.push_back(net_.output(unit_, 1));
      value_ = net_.add("loss", SoftmaxCrossEntropy(loss.softmax), inputs);
    }
    net_.initialise(1);
    plan_.emplace(net_, PlanOptions{.batch = 1, .loss = value_, .keep = {cosines_, net_.output(unit_, 1)}});
  }

  Tensor& parameter(const std::string& name) {
    Tensor* found = nullptr;
    net_.visit([&](const std::string& other, Parameter& one) {
      if (other == name) found = &one.value;
    });
    REQUIRE(found != nullptr);
    return *found;
  }
  Tensor gradient(const std::string& name) {
    Tensor found;
    net_.look([&](const std::string& other, const Parameter& one) {
      if (other == name) found = plan_->gradient(one);
    });
    return found;
  }
  void set_labels(const std::vector<std::int64_t>& labels) {
    plan_->value(labels_).copy_from(Tensor::of({static_cast<std::int64_t>(labels.size())}, std::span<const std::int64_t>(labels)));
  }
  void forward(std::int64_t step) {
    step_ = step;
    plan_->forward(device_, {.step = {.number = loss_.steps_before + step}});
  }
  void backward() { plan_->backward(device_); }
  double loss() const { return plan_->value(value_).item(); }

  Tensor logits(std::int64_t classes) {
    Cpu cpu(1);
    const Tensor cosines = plan_->value(cosines_), z({cosines.extent(0), classes}, DType::f64);
    if (loss_.binary) {
      const BinaryCrossEntropyOptions& of = *loss_.binary;
      binary_logits(cpu, {.scale = of.scale, .margin = of.margin, .sharpness = of.sharpness, .balance = of.balance, .form = of.form},
                    cosines, plan_->value(labels_), parameter("loss.bias"), z);
      return z;
    }
    const SoftmaxCrossEntropyOptions& of = loss_.softmax;
    MarginOptions margin{.scale = of.scale, .margin = of.margin, .rule = of.rule, .form = of.form};
    if (of.blend) margin.form.blend = of.blend->blend_at(loss_.steps_before + step_);
    if (of.growth) margin.form.multiplier = of.growth->multiplier_at(loss_.steps_before + step_);
    MarginInputs inputs;
    if (of.sample_scale || of.form.has_norm_margin() || of.form.norm_penalty != NormPenalty::none)
      inputs.norms = plan_->value(net_.output(unit_, 1));
    if (of.form.has_mean()) inputs.mean = parameter("loss.mean");
    if (of.form.has_deviation()) inputs.deviation = parameter("loss.deviation");
    margin_logits(cpu, margin, cosines, plan_->value(labels_), inputs, z);
    return z;
  }

 private:
  Loss loss_;
  Net net_;
  Value labels_, unit_, cosines_, value_;
  std::optional<Plan> plan_;
  Device device_ = Cpu(1);
  std::int64_t step_ = 0;
};

/// How far each row's gradient can be off in the published code, relative to the row: it subtracts
/// 1 from p_y in double, and what is left of an easy row has the rounding of p_y. Four roundings:
/// those of the sum, its logarithm, the exponential and the difference. amnet has 1 - p_y from the
/// others.
std::vector<double> rounding_of_rows(const std::vector<double>& logits, const std::vector<std::int64_t>& labels, std::size_t classes) {
  std::vector<double> rounding;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double* z = logits.data() + i * classes;
    const double target = z[labels[i]];
    long double others = 0;
    for (std::size_t j = 0; j < classes; ++j) {
      if (static_cast<std::int64_t>(j) != labels[i]) others += std::exp(static_cast<long double>(z[j]) - target);
    }
    rounding.push_back(static_cast<double>(4 * 0x1p-53L * (1 + others) / others));
  }
  return rounding;
}

class Comparison {
 public:
  /// The largest deviation of a row, relative to the largest magnitude of that row. `allowed`: what
  /// a row may deviate beside the bar.
  void rows(const std::string& what, const std::vector<double>& expected, std::span<const double> actual, std::size_t columns,
            const std::vector<double>& allowed = {}) {
    INFO(what);
    REQUIRE(expected.size() == actual.size());
    double worst = 0;
    for (std::size_t begin = 0; begin < expected.size(); begin += columns) {
      double largest = 0, gap = 0;
      for (std::size_t i = begin; i < begin + columns; ++i) {
        largest = std::max(largest, std::abs(expected[i]));
        const double difference = std::abs(expected[i] - actual[i]);
        gap = std::isfinite(difference) ? std::max(gap, difference) : std::numeric_limits<double>::infinity();
      }
      ++rows_;
      if (gap == 0) continue;
      if (const double rounding = allowed.empty() ? 0 : allowed[begin / columns]; rounding > bar) {
        ++rounded_rows_;
        INFO("row " << begin / columns << " has rounding of " << rounding);
        CHECK(gap / largest <= bar + rounding);
      } else {
        worst = std::max(worst, gap / largest);
      }
    }
    ++arrays_;
    if (worst > worst_) {
      worst_ = worst;
      worst_array_ = what;
    }
    CHECK(worst <= bar);
  }
  std::string summary() const {
    return fmt::format(
        "{} arrays, worst {:.1e} of a row's largest magnitude ({}); {} of {} rows hold more than the bar of the published code's own "
        "rounding of p_y - 1 and are compared within it",
        arrays_, worst_, worst_array_, rounded_rows_, rows_);
  }

 private:
  int arrays_ = 0, rows_ = 0, rounded_rows_ = 0;
  double worst_ = 0;
  std::string worst_array_ = "none";
};

void run_case(const Npz& file, const std::string& name, const Loss& loss, const std::string& seed, int steps, Comparison& comparison) {
  std::optional<Head> head;
  for (int step = 0; step < steps; ++step) {
    const auto key = [&](const std::string& array) { return fmt::format("{}/{}/{}/{}", name, seed, step, array); };
    const auto numbers = [&](const std::string& array) { return file.at_of<double>(key(array)).second; };
    const auto [x_shape, x] = file.at_of<double>(key("x"));
    const auto [w_shape, w] = file.at_of<double>(key("W"));
    const std::int64_t centres = loss.binary ? 1 : loss.softmax.form.centres;
    if (!head) {
      head.emplace(loss, x_shape[0], x_shape[1], w_shape[0]);
      const auto start = [&](const std::string& state, const std::string& buffer) {
        if (file.has(key("state_before_" + state))) head->parameter("loss." + buffer).fill(numbers("state_before_" + state)[0]);
      };
      start("t", "mean");
      start("batch_mean", "mean");
      start("batch_std", "deviation");
    }
    head->parameter("x.value").copy_from(Tensor::of({x_shape[0], x_shape[1]}, std::span<const double>(x)));
    head->parameter("fc.weight").copy_from(Tensor::of({w_shape[0], w_shape[1]}, std::span<const double>(w)));
    const std::vector<std::int64_t> labels = file.at_of<std::int64_t>(key("labels")).second;
    head->set_labels(labels);
    head->forward(step);
    const auto classes = static_cast<std::size_t>(w_shape[0] / centres), size = static_cast<std::size_t>(w_shape[1]);
    comparison.rows(key("logits"), numbers("logits"), head->logits(static_cast<std::int64_t>(classes)).data<const double>(), classes);
    const double value = head->loss();
    comparison.rows(key("loss"), numbers("loss"), {&value, 1}, 1);
    const auto after = [&](const std::string& state, const std::string& buffer) {
      if (file.has(key("state_after_" + state)))
        comparison.rows(key("state_after_" + state), numbers("state_after_" + state),
                        head->parameter("loss." + buffer).data<const double>(), 1);
    };
    after("t", "mean");
    after("batch_mean", "mean");
    after("batch_std", "deviation");
    if (file.has(key("W_after")))
      comparison.rows(key("W_after"), numbers("W_after"), head->parameter("fc.weight").data<const double>(), size);
    head->backward();
    const std::vector<double> rounding = loss.binary ? std::vector<double>() : rounding_of_rows(numbers("logits"), labels, classes);
    comparison.rows(key("dx"), numbers("dx"), head->gradient("x.value").data<const double>(), size, rounding);
    comparison.rows(key("dW"), numbers("dW"), head->gradient("fc.weight").data<const double>(), size);
    if (file.has(key("db"))) comparison.rows(key("db"), numbers("db"), head->gradient("loss.bias").data<const double>(), 1);
  }
}

}  // namespace

TEST_CASE("golden: margin losses of published code, row by row", "[golden][margin]") {
  const auto shared = shared_directory();
  if (!shared || !std::filesystem::exists(*shared / "golden/losses/losses.npz")) return skip_visibly("golden: margin losses");
  const std::filesystem::path folder = *shared / "golden/losses";
  const Npz file(folder / "losses.npz");
  std::ifstream text(folder / "manifest.json");
  const Json manifest = Json::parse(text);
  Comparison comparison;
  int ran = 0;
  std::string waiting;
  for (const auto& [name, described] : manifest.at("cases").items()) {
    const Known* known = find_known(name);
    if (known == nullptr || !known->make) {
      waiting += fmt::format("\n  {}: {}", name, known == nullptr ? "not known to this test" : known->waits);
      CHECK(known != nullptr);
      continue;
    }
    INFO(name);
    for (const auto& seed : manifest.at("seeds")) {
      const std::string of_seed = seed.is_string() ? seed.get<std::string>() : std::to_string(seed.get<int>());
      Loss loss = known->make({described.at("params")});
      const std::string before = fmt::format("{}/{}/0/state_before_iter", name, of_seed);
      if (file.has(before)) loss.steps_before = static_cast<std::int64_t>(file.at_of<double>(before).second[0]);
      run_case(file, name, loss, of_seed, described.at("steps").get<int>(), comparison);
    }
    ++ran;
  }
  std::printf("golden: %d of %d cases of margin losses ran: %s\nwaiting:%s\n", ran, static_cast<int>(manifest.at("cases").size()),
              comparison.summary().c_str(), waiting.c_str());
}

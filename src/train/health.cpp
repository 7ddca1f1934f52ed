#include <amnet/train/health.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

namespace amnet {
namespace {

constexpr double hundredfold = 100;
/// While the rate rises, features of random weights grow to their usual length.
constexpr double growth_of_start = 1000;
/// Two time constants of the momentum 0.9: before that the size of the first steps means little.
constexpr std::int64_t shortest_start = 20;
/// An epoch of a tiny set is over before anything can be learned.
constexpr std::int64_t shortest_epoch = 100;
constexpr double collapse_cosine = 0.9;
/// Accuracy counts as above chance if it exceeds chance by this many standard errors.
constexpr double deviations = 3;

/// The value that `value` has grown from, where it has grown too much for the first time.
std::optional<double> grown_from(double value, bool in_start, Growth& growth) {
  if (!std::isfinite(value)) return std::nullopt;  // the run itself ends for that reason
  const double before = growth.first;
  const bool grown = before > 0 && value > (growth.after_start ? hundredfold : growth_of_start) * before;
  if (before == 0 || (!in_start && !growth.after_start)) {
    growth.first = value;
    growth.after_start = !in_start;
  }
  if (!grown || growth.told) return std::nullopt;
  growth.told = true;
  return before;
}

}  // namespace

std::vector<std::string> HealthWatch::look(const Signs& signs, Health& health) const {
  std::vector<std::string> warnings;
  const bool in_start = signs.step < std::max(options_.warm_up, shortest_start);
  if (const auto before = grown_from(signs.feature_norm, in_start, health.feature_norm)) {
    warnings.push_back(
        fmt::format("Warning: the feature norm has grown from {:.3g} to {:.3g}: the learning rate is too high for this network; lower "
                    ".learning_rate, or raise .warm_up or .solver.weight_decay.",
                    *before, signs.feature_norm));
  }
  if (const auto before = grown_from(signs.gradient_norm, in_start, health.gradient_norm)) {
    warnings.push_back(fmt::format(
        "Warning: the norm of the gradient has grown from {:.3g} to {:.3g}: training is about to diverge; lower .learning_rate or "
        "raise .warm_up, and look at the images (check-data).",
        *before, signs.gradient_norm));
  }
  if (!health.told_collapse && collapsed(signs)) {
    health.told_collapse = true;
    warnings.push_back(
        fmt::format("Warning: features of different people have a mean cosine of {:.3f}: the network tells hardly anybody apart; lower "
                    ".learning_rate, or look whether the images differ (check-data) and whether .input.mean and .input.scale suit them.",
                    signs.others_cosine));
  }
  if (stayed_at_chance(signs, health) && !health.told_chance) {
    health.told_chance = true;
    warnings.push_back(
        fmt::format("Warning: the accuracy has stayed at chance (1 in {}) for an epoch: nothing is learned; look at the labels of the "
                    "list, try another .learning_rate, or .head.loss softmax or a smaller .head.margin to begin with.",
                    options_.classes));
  }
  return warnings;
}

bool HealthWatch::collapsed(const Signs& signs) const {
  const bool has_begun = signs.step >= std::max({options_.warm_up, options_.epoch, shortest_epoch});
  return has_begun && signs.others_cosine > collapse_cosine;  // a NaN is not
}

// Epoch by epoch, counted from the end of the warm-up.
bool HealthWatch::stayed_at_chance(const Signs& signs, Health& health) const {
  if (signs.step <= options_.warm_up) {
    health.window_begin = signs.step;
    return false;
  }
  health.window_correct += signs.accuracy * static_cast<double>(signs.samples);
  health.window_samples += static_cast<double>(signs.samples);
  if (signs.step - health.window_begin < std::max(options_.epoch, shortest_epoch)) return false;
  const double chance = 1 / static_cast<double>(options_.classes);
  const double accuracy = health.window_correct / health.window_samples;
  const double error = std::sqrt(chance * (1 - chance) / health.window_samples);
  health.window_begin = signs.step;
  health.window_correct = health.window_samples = 0;
  return accuracy <= chance + deviations * error;
}

double mean_cosine_between_classes(const Tensor& features, const Tensor& labels) {
  const std::int64_t samples = features.extent(0), size = features.extent(1);
  struct Class {
    std::vector<double> sum;  // (D) of its unit features
    double count = 0;
  };
  std::map<std::int64_t, Class> classes;
  std::vector<double> sum(static_cast<std::size_t>(size));
  // Of unit rows u: sum over i != j with different labels of <u_i, u_j> = |sum of all|^2 - sum over
  // classes of |sum of its own|^2.
  for (std::int64_t n = 0; n < samples; ++n) {
    const auto row = features.data<float>().subspan(static_cast<std::size_t>(n * size), static_cast<std::size_t>(size));
    double square = 0;
    for (const float value : row) square += double{value} * double{value};
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    Class& own = classes[labels.data<std::int64_t>()[static_cast<std::size_t>(n)]];
    own.sum.resize(row.size());
    own.count += 1;
    for (std::size_t i = 0; i < row.size(); ++i) {
      sum[i] += scale * double{row[i]};
      own.sum[i] += scale * double{row[i]};
    }
  }
  const auto square_of = [](const std::vector<double>& values) {
    double square = 0;
    for (const double value : values) square += value * value;
    return square;
  };
  double between = square_of(sum), pairs = static_cast<double>(samples) * static_cast<double>(samples);
  for (const auto& [label, own] : classes) {
    between -= square_of(own.sum);
    pairs -= own.count * own.count;
  }
  return pairs > 0 ? between / pairs : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace amnet

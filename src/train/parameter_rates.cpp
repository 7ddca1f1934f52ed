#include <amnet/train/parameter_rates.h>

#include "core/nearest_names.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace amnet {
namespace {

constexpr std::string_view kept_statistics = ".running_mean";  // of a BatchNorm

/// Throws where a pattern is for none of the names.
void require_match(std::string_view field, const std::string& pattern, const std::vector<std::string>& names) {
  const bool found = std::ranges::any_of(names, [&](const std::string& name) { return matches(pattern, name); });
  require(found, "{}: '{}' is for no parameter of this net; the nearest are {}.", field, pattern, nearest_names(pattern, names));
}

std::string_view layer_of(std::string_view name) { return name.substr(0, name.rfind('.')); }

}  // namespace

// A character that cannot be matched goes to the last `*` before it, which then takes one more.
bool matches(std::string_view pattern, std::string_view name) {
  constexpr std::size_t none = std::string_view::npos;
  std::size_t at = 0, star = none, behind_star = 0;
  for (std::size_t i = 0; i < name.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      behind_star = i;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == name[i])) {
      ++at;
      ++i;
    } else if (star != none) {
      at = star + 1;
      i = ++behind_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == none;
}

ChosenRates apply_rates(Net& net, const ParameterRates& rates) {
  std::vector<std::string> all, learned;
  net.look([&](const std::string& name, const Parameter& parameter) {
    all.push_back(name);
    if (!parameter.buffer) learned.push_back(name);
  });
  for (const std::string& pattern : rates.freeze) require_match(".freeze", pattern, all);
  for (const auto& [pattern, factor] : rates.lr_mult) {
    require(std::isfinite(factor) && factor > 0, ".lr_mult: expected a factor above 0 for '{}' but got {}; .freeze stops a parameter.",
            pattern, factor);
    require_match(".lr_mult", pattern, learned);
  }
  ChosenRates chosen;
  net.visit([&](const std::string& name, Parameter& parameter) {
    const bool freeze = std::ranges::any_of(rates.freeze, [&](const std::string& pattern) { return matches(pattern, name); });
    if (freeze) parameter.lr_mult = 0;
    if (parameter.buffer) {
      chosen.statistics += freeze && name.ends_with(kept_statistics) ? 1 : 0;
      return;
    }
    chosen.parameters += 1;
    chosen.values += parameter.value.count();
    if (parameter.lr_mult == 0) {
      chosen.frozen += 1;
      chosen.frozen_values += parameter.value.count();
      const std::string layer(layer_of(name));
      if (chosen.frozen_layers.empty() || chosen.frozen_layers.back() != layer) chosen.frozen_layers.push_back(layer);
      return;
    }
    const auto last =
        std::find_if(rates.lr_mult.rbegin(), rates.lr_mult.rend(), [&](const RateFactor& one) { return matches(one.pattern, name); });
    if (last == rates.lr_mult.rend() || last->factor == 1) return;
    parameter.lr_mult *= last->factor;
    chosen.other_rates += 1;
  });
  require(chosen.frozen < chosen.parameters, ".freeze: all {} parameters of the net are frozen, so that nothing is left to learn.",
          chosen.parameters);
  return chosen;
}

std::string ChosenRates::str() const {
  constexpr std::size_t most = 8;
  std::string text = fmt::format("Frozen: {} of {} parameters, {} of {} values", frozen, parameters, frozen_values, values);
  if (!frozen_layers.empty()) {
    text += fmt::format(" ({}{})", joined(std::span(frozen_layers).first(std::min(most, frozen_layers.size())), ", "),
                        frozen_layers.size() > most ? fmt::format(" and {} more layers", frozen_layers.size() - most) : "");
  }
  if (statistics > 0) text += fmt::format("; running statistics that stay: of {} layers", statistics);
  return text + fmt::format("; another learning rate: {}.", other_rates);
}

}  // namespace amnet

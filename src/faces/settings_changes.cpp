#include "settings_changes.h"

#include <fmt/format.h>

#include <map>
#include <sstream>
#include <utility>

namespace amnet {

std::vector<std::string> changed_settings(std::string_view before, std::string_view now) {
  const auto settings_of = [](std::string_view text) {
    std::map<std::string, std::string> settings;
    std::stringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find(" = ");
      if (!line.starts_with('#') && equals != std::string::npos) settings[line.substr(0, equals)] = line.substr(equals + 3);
    }
    // The list may come from elsewhere: Trainer::restore compares its paths and labels with those
    // of the checkpoint.
    for (const char* without_effect :
         {"out", "root", "train-list", "pack", "val-root", "val-pack", "threads", "workers", "cache", "tensorboard"}) {
      settings.erase(without_effect);
    }
    return settings;
  };
  std::map<std::string, std::string> then = settings_of(before), wanted = settings_of(now);
  // Older configurations hold these parameters whatever their loss was; without effect, as the
  // present ones do not hold them.
  for (const char* of_losses : {"scale", "margin", "margin-rule"}) {
    if (!wanted.contains(of_losses)) then.erase(of_losses);
  }
  // Configurations older than these settings had exactly these values.
  for (const auto& [key, value] :
       {std::pair("pixel-scale", "0.0078125"), std::pair("relabel", "false"), std::pair("schedule", "\"multistep\""),
        std::pair("method", "\"sgd\""), std::pair("regularization", "\"l2\""), std::pair("centres", "1"),
        std::pair("anneal-gamma", "5e-05"), std::pair("learned-scale", "\"on\""), std::pair("clip-norm", "0"),
        std::pair("augment", "\"none\""), std::pair("sampling", "\"shuffle\"")}) {
    if (wanted.contains(key)) then.try_emplace(key, value);
  }
  std::vector<std::string> changes;
  for (const auto& [key, value] : wanted) {
    const std::string& old = then.try_emplace(key, "not set").first->second;
    if (old != value) changes.push_back(fmt::format("Setting changed since the checkpoint: {} = {}, was {}", key, value, old));
  }
  for (const auto& [key, value] : then) {
    if (!wanted.contains(key)) changes.push_back(fmt::format("Setting changed since the checkpoint: {} is not set, was {}", key, value));
  }
  return changes;
}

}  // namespace amnet

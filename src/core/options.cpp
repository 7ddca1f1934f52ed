#include <amnet/core/options.h>
#include <amnet/core/text.h>

#include <algorithm>
#include <array>

namespace amnet {

void Options::set(std::string name, OptionValue value) {
  require(find(name) == nullptr, "[options] '{}' is set twice.", name);
  entries_.emplace_back(std::move(name), std::move(value));
}

const OptionValue* Options::find(std::string_view name) const {
  const auto found = std::ranges::find_if(entries_, [&](const auto& entry) { return entry.first == name; });
  return found == entries_.end() ? nullptr : &found->second;
}

bool operator==(const Options& a, const Options& b) { return a.entries_ == b.entries_; }

std::string_view kind_of(const OptionValue& value) {
  constexpr std::array<std::string_view, 6> kinds = {"true or false", "an integer", "a number", "a text", "a list", "options"};
  return kinds[value.value.index()];
}

std::string text_of(const OptionValue& value) {
  return std::visit(
      []<class T>(const T& held) -> std::string {
        std::string text;
        if constexpr (std::is_same_v<T, OptionList>) {
          const auto is_extent = [](const OptionValue& one) { return std::holds_alternative<std::int64_t>(one.value); };
          const bool extents = held.size() == 2 && std::ranges::all_of(held, is_extent);
          for (const OptionValue& one : held) text += (text.empty() ? "" : extents ? "x" : ", ") + text_of(one);
          return held.empty() ? "none" : extents || held.size() == 1 ? text : "[" + text + "]";
        } else if constexpr (std::is_same_v<T, Options>) {
          for (const auto& [name, one] : held.entries()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, text_of(one));
          return "{" + text + "}";
        } else {
          return fmt::format("{}", held);
        }
      },
      value.value);
}

const OptionValue* OptionReader::take(std::string_view name) {
  known_.emplace_back(name);
  return options_.find(name);
}

void OptionReader::refuse(std::string_view name, const OptionValue& value, std::string_view expected) const {
  throw DataError(fmt::format("{}: the option '{}' is {}; expected {}.", where_, name, kind_of(value), expected));
}

void OptionReader::finish() const {
  for (const auto& [name, value] : options_.entries()) {
    require<DataError>(std::ranges::find(known_, name) != known_.end(), "{}: there is no option '{}'; there {}.", where_, name,
                       known_.empty() ? "are none" : "are " + joined(known_, ", "));
  }
}

}  // namespace amnet

// Enumerations whose values have names: one table each, which messages, files and command lines
// share.
//
//   enum class Fruit : unsigned char { apple, pear };
//   constexpr std::array<std::string_view, 2> names_of(Fruit) { return {"apple", "pear"}; }
//
//   name_of(Fruit::pear);                    // "pear"
//   named<Fruit>("pear", "[basket] fruit");  // Fruit::pear; another text is refused with all names
//
// The values of such an enumeration are 0, 1, 2 …; names_of returns their names in that order.
#pragma once

#include <amnet/core/error.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace amnet {

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(E value) {
  names_of(value);
};

template <NamedEnum E>
constexpr std::string_view name_of(E value) {
  const auto names = names_of(value);
  const auto index = static_cast<std::size_t>(value);
  return index < names.size() ? names[index] : "?";
}

/// The value of that name; nothing if there is none.
template <NamedEnum E>
constexpr std::optional<E> find_named(std::string_view name) {
  const auto names = names_of(E{});
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

/// "'a', 'b' or 'c'".
inline std::string one_of(std::span<const std::string_view> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  }
  return text;
}

/// The value of that name. Throws UsageError that begins with `what`: "[embed] flip: expected
/// 'none', 'sum' or 'concat' but got 'both'."
template <NamedEnum E>
E named(std::string_view name, std::string_view what) {
  const std::optional<E> found = find_named<E>(name);
  require(found.has_value(), "{}: expected {} but got '{}'.", what, one_of(names_of(E{})), name);
  return *found;
}

}  // namespace amnet

// Options as data: a small tree of numbers, texts and lists under names, in which a layer states
// what it was made with. File formats are in model/.
//
//   struct SwishOptions {
//     double slope = 1;
//     template <class Fields>
//     void fields(Fields& fields) { fields("slope", slope); }
//   };
//
// One list of names is used to write them and to read them:
//
//   Options tree = options_of(SwishOptions{.slope = 2});          // {"slope": 2.0}
//   SwishOptions read;
//   read_options(tree, "layer 'swish1'", read);                   // an unknown name is refused
#pragma once

#include <amnet/core/error.h>
#include <amnet/core/extents.h>
#include <amnet/core/named.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace amnet {

struct OptionValue;
using OptionList = std::vector<OptionValue>;

/// Values under names, in the order in which they were set.
class Options {
 public:
  void set(std::string name, OptionValue value);
  /// Null where there is none.
  const OptionValue* find(std::string_view name) const;
  const std::vector<std::pair<std::string, OptionValue>>& entries() const { return entries_; }
  friend bool operator==(const Options&, const Options&);

 private:
  std::vector<std::pair<std::string, OptionValue>> entries_;
};

/// A boolean, an integer, a finite number, a text in UTF-8, a list, or nested options.
struct OptionValue {
  std::variant<bool, std::int64_t, double, std::string, OptionList, Options> value;
  friend bool operator==(const OptionValue&, const OptionValue&) = default;
};

/// "an integer", "a list": what a value is.
std::string_view kind_of(const OptionValue& value);

/// A value as people read it: "0.5", "3x2" for extents of an image, "none" for an optional that is
/// not set.
std::string text_of(const OptionValue& value);

/// Writes the fields of an options struct.
class OptionWriter {
 public:
  template <class T>
  void operator()(std::string name, const T& value) {
    OptionValue written = value_of(name, value);
    options_.set(std::move(name), std::move(written));
  }
  /// Only where the value is not the usual one: for an option that a struct got later, so that what
  /// does not use it is described as before.
  template <class T>
  void operator()(std::string name, const T& value, const std::type_identity_t<T>& usual) {
    if (!(value == usual)) (*this)(std::move(name), value);
  }
  Options take() { return std::move(options_); }

 private:
  template <class T>
  OptionValue value_of(const std::string& name, const T& value) {
    if constexpr (std::same_as<T, bool> || std::same_as<T, std::string>) {
      return {value};
    } else if constexpr (std::integral<T>) {
      return {static_cast<std::int64_t>(value)};
    } else if constexpr (std::floating_point<T>) {
      require(std::isfinite(value), "[options] '{}' is {}, which no description can hold.", name, value);
      return {static_cast<double>(value)};
    } else if constexpr (NamedEnum<T>) {
      return {std::string(name_of(value))};
    } else if constexpr (std::same_as<T, Extents>) {
      return {OptionList{{value.height}, {value.width}}};
    } else if constexpr (requires { value.has_value(); }) {
      OptionList list;
      if (value.has_value()) list.push_back(value_of(name, *value));
      return {std::move(list)};
    } else if constexpr (requires(T list) { list.push_back(list.front()); }) {
      OptionList list;
      for (const auto& each : value) list.push_back(value_of(name, each));
      return {std::move(list)};
    } else {
      OptionWriter nested;
      const_cast<T&>(value).fields(nested);
      return {nested.take()};
    }
  }

  Options options_;
};

/// Reads the fields of an options struct: those that the tree has. Names that the struct does not
/// have are refused.
class OptionReader {
 public:
  /// `where` names the owner in messages: "layer 'conv1_1'". The options must outlive this.
  OptionReader(const Options& options, std::string where) : options_(options), where_(std::move(where)) {}

  template <class T>
  void operator()(std::string_view name, T& value) {
    if (const OptionValue* found = take(name)) read(name, *found, value);
  }
  template <class T>
  void operator()(std::string_view name, T& value, const std::type_identity_t<T>& /*usual*/) {
    (*this)(name, value);
  }
  /// Throws DataError for a name that was not read, with the names that there are.
  void finish() const;

 private:
  const OptionValue* take(std::string_view name);
  [[noreturn]] void refuse(std::string_view name, const OptionValue& value, std::string_view expected) const;

  template <class T>
  const T& as(std::string_view name, const OptionValue& value, std::string_view expected) const {
    const T* found = std::get_if<T>(&value.value);
    if (found == nullptr) refuse(name, value, expected);
    return *found;
  }

  template <class T>
  void read(std::string_view name, const OptionValue& from, T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = as<bool>(name, from, "true or false");
    } else if constexpr (std::same_as<T, std::string>) {
      value = as<std::string>(name, from, "a text");
    } else if constexpr (std::integral<T>) {
      const std::int64_t read = as<std::int64_t>(name, from, "an integer");
      require<DataError>(std::in_range<T>(read), "{}: the option '{}' is {}, which is out of range.", where_, name, read);
      value = static_cast<T>(read);
    } else if constexpr (std::floating_point<T>) {
      const std::int64_t* whole = std::get_if<std::int64_t>(&from.value);
      value = static_cast<T>(whole != nullptr ? static_cast<double>(*whole) : as<double>(name, from, "a number"));
    } else if constexpr (NamedEnum<T>) {
      const std::string& text = as<std::string>(name, from, "a text");
      const std::optional<T> found = find_named<T>(text);
      require<DataError>(found.has_value(), "{}: the option '{}' is '{}'; expected {}.", where_, name, text, one_of(names_of(value)));
      value = *found;
    } else if constexpr (std::same_as<T, Extents>) {
      const auto& list = as<OptionList>(name, from, "a list of two integers");
      require<DataError>(list.size() == 2, "{}: the option '{}' has {} values; expected two, for height and width.", where_, name,
                         list.size());
      read(name, list[0], value.height);
      read(name, list[1], value.width);
    } else if constexpr (requires { value.has_value(); }) {
      const auto& list = as<OptionList>(name, from, "a list of one value or none");
      require<DataError>(list.size() <= 1, "{}: the option '{}' has {} values; expected one or none.", where_, name, list.size());
      value.reset();
      if (list.size() == 1) read(name, list[0], value.emplace());
    } else if constexpr (requires { value.push_back(value.front()); }) {
      const auto& list = as<OptionList>(name, from, "a list");
      value.clear();
      for (const OptionValue& each : list) read(name, each, value.emplace_back());
    } else {
      OptionReader nested(as<Options>(name, from, "options"), where_ + ": '" + std::string(name) + "'");
      value.fields(nested);
      nested.finish();
    }
  }

  const Options& options_;
  std::string where_;
  std::vector<std::string> known_;
};

/// All fields of an options struct. Throws UsageError for a number that is not finite.
template <class T>
Options options_of(T options) {
  OptionWriter writer;
  options.fields(writer);
  return writer.take();
}

/// Reads them back into a struct of defaults. Throws DataError that begins with `where`, for a name
/// that the struct does not have, or a value of another kind.
template <class T>
void read_options(const Options& tree, std::string where, T& options) {
  OptionReader reader(tree, std::move(where));
  options.fields(reader);
  reader.finish();
}

}  // namespace amnet

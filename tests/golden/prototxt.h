// Reads the text format of protocol buffers to the extent that Caffe's nets and solvers use it:
// `name: value` and `name { ... }`.
//
//   Message net = parse_prototxt(text);
//   for (const Message* layer : net.messages("layer")) use(layer->text("type"));
#pragma once

#include <amnet/core/error.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace golden {

/// Fields in the order of the text; a name may occur more than once.
struct Message {
  struct Field;
  std::vector<Field> fields;

  std::vector<std::string> texts(std::string_view name) const;
  std::vector<const Message*> messages(std::string_view name) const;
  bool has(std::string_view name) const;
  std::string text(std::string_view name, std::string otherwise = {}) const {
    const std::vector<std::string> found = texts(name);
    return found.empty() ? otherwise : found.front();
  }
  double number(std::string_view name, double otherwise) const { return has(name) ? std::stod(text(name)) : otherwise; }
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const { return has(name) ? std::stoll(text(name)) : otherwise; }
  bool flag(std::string_view name, bool otherwise) const { return has(name) ? text(name) == "true" : otherwise; }
  /// The first message of that name, an empty one where there is none.
  const Message& message(std::string_view name) const;
};

struct Message::Field {
  std::string name;
  std::string text;  // of a value, without quotes
  Message message;   // of a block
  bool is_message = false;
};

inline std::vector<std::string> Message::texts(std::string_view name) const {
  std::vector<std::string> found;
  for (const Field& field : fields) {
    if (field.name == name && !field.is_message) found.push_back(field.text);
  }
  return found;
}

inline std::vector<const Message*> Message::messages(std::string_view name) const {
  std::vector<const Message*> found;
  for (const Field& field : fields) {
    if (field.name == name && field.is_message) found.push_back(&field.message);
  }
  return found;
}

inline const Message& Message::message(std::string_view name) const {
  static const Message none;
  const std::vector<const Message*> found = messages(name);
  return found.empty() ? none : *found.front();
}

inline bool Message::has(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return true;
  }
  return false;
}

class PrototxtReader {
 public:
  explicit PrototxtReader(std::string_view text) : text_(text) {}

  Message read() {
    Message message;
    for (std::string token = next(); !token.empty() && token != "}"; token = next()) {
      Message::Field field{.name = token, .text = {}, .message = {}};
      std::string value = next();
      if (value == ":") value = next();
      field.is_message = value == "{";
      if (field.is_message) {
        field.message = read();
      } else {
        amnet::require<amnet::DataError>(!value.empty() && value != "}", "prototxt: the field `{}` has no value.", token);
        field.text = value.front() == '"' ? value.substr(1) : value;
      }
      message.fields.push_back(std::move(field));
    }
    return message;
  }

 private:
  // A mark, a word, or a quoted text with its opening quote; empty at the end.
  std::string next() {
    while (at_ < text_.size() && (std::isspace(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '#')) {
      at_ = text_[at_] == '#' ? std::min(text_.find('\n', at_), text_.size()) : at_ + 1;
    }
    if (at_ == text_.size()) return {};
    const std::size_t begin = at_;
    if (text_[at_] == '"') {
      at_ = std::min(text_.find('"', begin + 1), text_.size());
      return std::string(text_.substr(begin, at_++ - begin));
    }
    if (is_mark(text_[at_])) return std::string(1, text_[at_++]);
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) == 0 && !is_mark(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  static bool is_mark(char c) { return c == ':' || c == '{' || c == '}'; }

  std::string_view text_;
  std::size_t at_ = 0;
};

inline Message parse_prototxt(std::string_view text) { return PrototxtReader(text).read(); }

}  // namespace golden

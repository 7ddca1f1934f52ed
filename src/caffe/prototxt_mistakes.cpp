#include "prototxt_mistakes.h"
#include "core/nearest_names.h"
#include "upgrade.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>
#include <vector>

namespace amnet::caffe {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::ErrorCollector;
using google::protobuf::io::Tokenizer;

/// The parser has reported the tokenizer's errors.
class Ignored : public ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

/// A mistake at a token.
struct Mistake {
  int line;  // from 0
  std::string sentence;
};

constexpr std::size_t longest_token = 40;  // in a message

/// Whether a token that begins as a text in quotes ends as one, in the line in which it began.
bool is_closed(std::string_view token) {
  for (std::size_t i = 1; i < token.size(); i += token[i] == '\\' ? 2 : 1) {
    if (token[i] == token[0]) return i + 1 == token.size();
  }
  return false;
}

template <class Int>
std::string range_of() {
  return fmt::format("an integer from {} to {}", std::numeric_limits<Int>::min(), std::numeric_limits<Int>::max());
}

/// Reads a text as TextFormat does, until a token that it cannot accept.
class Walk {
 public:
  Walk(std::string_view text, const Descriptor& root)
      : input_(text.data(), static_cast<int>(text.size())),
        tokens_(&input_, &ignored_),
        token_(tokens_.current()),
        open_{{&root, "", 0, "", false, {}}} {
    // as in google/protobuf/text_format.cc
    tokens_.set_allow_f_after_float(true);
    tokens_.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
    tokens_.Next();
  }

  std::optional<Mistake> run() {
    try {
      while (read_one()) continue;
      return std::nullopt;
    } catch (const Mistake& mistake) {
      return mistake;
    }
  }

 private:
  /// A message whose fields are being read.
  struct Block {
    const Descriptor* type;
    std::string field;  // that holds it
    int line;           // where it begins
    std::string close;  // that ends it
    bool listed;        // in brackets, where more may follow
    std::set<const FieldDescriptor*> given;
  };

  bool at_end() const { return token_.type == Tokenizer::TYPE_END; }
  bool is(std::string_view text) const { return !at_end() && token_.text == text; }
  bool take(std::string_view text) {
    const bool there = is(text);
    if (there) tokens_.Next();
    return there;
  }
  void take_separator() {
    if (!take(";")) take(",");
  }
  std::string found() const {
    if (at_end()) return "the end of the file";
    // one byte of it is a token
    if (static_cast<unsigned char>(token_.text.front()) >= 0x80) return "a character outside of ASCII";
    return "'" + shown(token_.text, longest_token) + "'";
  }

  template <class... Args>
  [[noreturn]] void fail(int line, fmt::format_string<Args...> format, Args&&... args) const {
    throw Mistake{line, fmt::format(format, std::forward<Args>(args)...)};
  }

  /// A field, or the end of a block; false at the end of the text.
  bool read_one() {
    if (at_end() && open_.size() > 1) {
      fail(token_.line, "expected '}}' but the file ends inside `{}`, which begins in line {}.", open_.back().field, open_.back().line + 1);
    }
    if (at_end()) return false;
    if (is("}") || is(">")) {
      const Block& block = open_.back();
      if (open_.size() == 1) fail(token_.line, "expected the name of a field but got '{}', and no block is open.", token_.text);
      if (!is(block.close)) fail(token_.line, "expected '{}' at the end of `{}` but got '{}'.", block.close, block.field, token_.text);
      const Block closed = std::move(open_.back());
      open_.pop_back();
      tokens_.Next();
      if (closed.listed && take(",")) {
        open(closed.field, *closed.type, true);
      } else {
        if (closed.listed) end_list(closed.field);
        take_separator();
      }
      return true;
    }
    if (token_.type != Tokenizer::TYPE_IDENTIFIER) {
      fail(token_.line, "expected the name of a field but got {}{}.", found(), is("/") ? "; a comment begins with '#'" : "");
    }
    read_field();
    return true;
  }

  void read_field() {
    Block& block = open_.back();
    const std::string name = token_.text;
    const int line = token_.line;
    const FieldDescriptor* field = block.type->FindFieldByName(name);
    if (block.type->name() == "V1LayerParameter" && name == "layer") fail(line, "{}", v0_is_not_read);
    if (field == nullptr) {
      // of a block further out, whose field would stand here if the inner ones were closed
      const auto around =
          std::find_if(open_.rbegin() + 1, open_.rend(), [&](const Block& of) { return of.type->FindFieldByName(name) != nullptr; });
      if (around != open_.rend()) {
        fail(line, "{} has no field '{}', which {} has; expected '{}' before it, at the end of `{}`, which begins in line {}.",
             block.type->name(), name, around->type->name(), block.close, block.field, block.line + 1);
      }
      std::vector<std::string> names;
      for (int i = 0; i < block.type->field_count(); ++i) names.push_back(block.type->field(i)->name());
      fail(line, "{} has no field '{}'; it has {}.", block.type->name(), shown(name, longest_token), nearest_names(name, std::move(names)));
    }
    tokens_.Next();
    if (!field->is_repeated() && !block.given.insert(field).second) {
      fail(line, "'{}' of {} is given twice; it holds one value.", name, block.type->name());
    }
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!take(":") && !is_message) {
      fail(token_.line, "expected ':' and {} after '{}' of {} but got {}.", expected_of(*field), name, block.type->name(), found());
    }
    const bool listed = field->is_repeated() && take("[");
    if (listed && take("]")) {
      take_separator();
    } else if (is_message) {
      open(name, *field->message_type(), listed);
    } else {
      read_value(*field);
      while (listed && take(",")) read_value(*field);
      if (listed) end_list(name);
      take_separator();
    }
  }

  /// Begins a block, which holds the field of that name.
  void open(const std::string& field, const Descriptor& type, bool listed) {
    if (!is("{") && !is("<")) {
      fail(token_.line, "'{}' of {} is {}; expected a block in braces.", field, open_.back().type->name(), found());
    }
    open_.push_back({&type, field, token_.line, is("{") ? "}" : ">", listed, {}});
    tokens_.Next();
  }

  void end_list(const std::string& field) {
    if (take("]")) return;
    fail(token_.line, "expected ',' or ']' in the list '{}' of {} but got {}.", field, open_.back().type->name(), found());
  }

  void read_value(const FieldDescriptor& field) {
    const int line = token_.line;
    const bool negative = field.cpp_type() != FieldDescriptor::CPPTYPE_STRING && take("-");
    const std::string got = negative && !at_end() ? "'-" + shown(token_.text, longest_token) + "'" : found();
    if (at_end() || !fits(field, negative)) {
      fail(line, "'{}' of {} is {}; expected {}.", field.name(), field.containing_type()->name(), got, expected_of(field, token_.text));
    }
    const bool is_text = token_.type == Tokenizer::TYPE_STRING;
    // adjacent ones are one text
    do {
      if (is_text && !is_closed(token_.text)) {
        fail(token_.line, "'{}' of {} is {}, which has no closing quote in its line.", field.name(), field.containing_type()->name(),
             found());
      }
      tokens_.Next();
    } while (is_text && token_.type == Tokenizer::TYPE_STRING);
  }

  bool fits_integer(bool negative, std::uint64_t below_zero, std::uint64_t largest) const {
    std::uint64_t value = 0;
    return token_.type == Tokenizer::TYPE_INTEGER && Tokenizer::ParseInteger(token_.text, negative ? below_zero : largest, &value);
  }

  bool fits(const FieldDescriptor& field, bool negative) const {
    const std::string& text = token_.text;
    const bool is_word = token_.type == Tokenizer::TYPE_IDENTIFIER;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: return token_.type == Tokenizer::TYPE_STRING;
      case FieldDescriptor::CPPTYPE_INT32: return fits_integer(negative, std::uint64_t{1} << 31, std::numeric_limits<std::int32_t>::max());
      case FieldDescriptor::CPPTYPE_INT64: return fits_integer(negative, std::uint64_t{1} << 63, std::numeric_limits<std::int64_t>::max());
      case FieldDescriptor::CPPTYPE_UINT32: return !negative && fits_integer(false, 0, std::numeric_limits<std::uint32_t>::max());
      case FieldDescriptor::CPPTYPE_BOOL:
        if (is_word) return text == "true" || text == "false" || text == "t" || text == "f" || text == "True" || text == "False";
        return !negative && fits_integer(false, 0, 1);
      case FieldDescriptor::CPPTYPE_ENUM: {
        std::uint64_t number = 0;
        const bool is_number = !negative && token_.type == Tokenizer::TYPE_INTEGER &&
                               Tokenizer::ParseInteger(text, std::numeric_limits<std::int32_t>::max(), &number);
        if (is_number) return field.enum_type()->FindValueByNumber(static_cast<int>(number)) != nullptr;
        return !negative && is_word && field.enum_type()->FindValueByName(text) != nullptr;
      }
      default: {  // no octal or hexadecimal ones
        const bool is_decimal = text.size() == 1 || text[0] != '0';
        return (token_.type == Tokenizer::TYPE_INTEGER && is_decimal) || token_.type == Tokenizer::TYPE_FLOAT ||
               (is_word && (text == "inf" || text == "infinity" || text == "nan"));
      }
    }
  }

  Ignored ignored_;
  ArrayInputStream input_;
  Tokenizer tokens_;
  const Tokenizer::Token& token_;  // the one that was read last
  std::vector<Block> open_;
};

}  // namespace

std::string expected_of(const FieldDescriptor& field, std::string_view written) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return "a text in quotes";
    case FieldDescriptor::CPPTYPE_INT32: return range_of<std::int32_t>();
    case FieldDescriptor::CPPTYPE_INT64: return range_of<std::int64_t>();
    case FieldDescriptor::CPPTYPE_UINT32: return range_of<std::uint32_t>();
    case FieldDescriptor::CPPTYPE_BOOL: return "true or false";
    case FieldDescriptor::CPPTYPE_MESSAGE: return "a block in braces";
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> names;
      for (int i = 0; i < field.enum_type()->value_count(); ++i) names.push_back(field.enum_type()->value(i)->name());
      if (names.size() == 2) return joined(names, " or ");
      constexpr std::size_t few = 12;
      return "one of " + (names.size() > few ? nearest_names(written, std::move(names)) : joined(names, ", "));
    }
    default: return "a finite number";
  }
}

std::optional<std::string> first_mistake(std::string_view text, const std::string& file, const Descriptor& root, int last_line) {
  const std::optional<Mistake> mistake = Walk(text, root).run();
  if (!mistake || mistake->line >= last_line) return std::nullopt;
  return fmt::format("{}:{}: {}", file, mistake->line + 1, mistake->sentence);
}

}  // namespace amnet::caffe

#include "prototxt.h"
#include "prototxt_mistakes.h"
#include "upgrade.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/io/durable_file.h>

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cmath>

namespace amnet::caffe {
namespace {

using caffe_schema::BlobProto;
using caffe_schema::NetParameter;
using caffe_schema::ParamSpec;
using caffe_schema::SolverParameter;
using caffe_schema::V1LayerParameter;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;
using Places = TextFormat::ParseInfoTree;

// bytes of a file: the text of a net has some ten thousand
constexpr std::size_t largest = std::size_t{16} << 20;
// Bounds of what a message can need in memory; the nets of papers have some thousands of blocks.
constexpr std::ptrdiff_t most_blocks = 100'000;
constexpr int deepest = 16;  // blocks in blocks; the messages allow for less

/// The first error of a parser; what follows it are its consequences.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int, const std::string& message) override {
    if (line_ < 0) {
      line_ = std::max(line, 0);
      message_ = message;
    }
  }
  int line() const { return line_ + 1; }
  const std::string& message() const { return message_; }

 private:
  int line_ = -1;
  std::string message_;
};

/// Counted from 1. The parser records one place for a list in brackets: of its values this is the
/// place of the list, or of a value before it.
int line_of(const Places& places, const FieldDescriptor& field, int index) {
  while (index > 0 && places.GetLocation(&field, index).line < 0) index /= 2;
  return places.GetLocation(&field, index).line + 1;
}

/// The blocks of a field, and their places. The parser has recorded one for each.
template <class Body>
void each_message(const Message& message, const Places& places, const FieldDescriptor& field, const Body& body) {
  const Reflection& reads = *message.GetReflection();
  if (!field.is_repeated()) {
    body(reads.GetMessage(message, &field), *places.GetTreeForNested(&field, -1));
    return;
  }
  for (int i = 0; i < reads.FieldSize(message, &field); ++i) {
    body(reads.GetRepeatedMessage(message, &field, i), *places.GetTreeForNested(&field, i));
  }
}

void check_number(const Message& message, const Places& places, const std::string& file, const FieldDescriptor& field, int index) {
  const Reflection& reads = *message.GetReflection();
  const float value = index < 0 ? reads.GetFloat(message, &field) : reads.GetRepeatedFloat(message, &field, index);
  if (std::isfinite(value)) return;
  throw DataError(fmt::format("{}:{}: '{}' of {} is {}; expected {}.", file, line_of(places, field, index), field.name(),
                              message.GetDescriptor()->name(), value, expected_of(field)));
}

/// Refuses what the text format allows and amnet does not.
void check_values(const Message& message, const Places& places, const std::string& file) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int first = field->is_repeated() ? 0 : -1;
    const auto is = [&](const Message& of, int number) {
      return message.GetDescriptor() == of.GetDescriptor() && field->number() == number;
    };
    if (field->message_type() == BlobProto::descriptor()) {
      throw DataError(fmt::format("{}:{}: expected a net without weights but `{}` holds some; put them into a caffemodel.", file,
                                  line_of(places, *field, first), field->name()));
    }
    const bool names_weights = is(ParamSpec::default_instance(), ParamSpec::kNameFieldNumber) ||
                               is(V1LayerParameter::default_instance(), V1LayerParameter::kParamFieldNumber);
    require<DataError>(!names_weights,
                       "{}:{}: expected weights of each layer's own but `param` gives them a name, by which layers share them; remove the "
                       "name.",
                       file, line_of(places, *field, first));
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      each_message(message, places, *field, [&](const Message& nested, const Places& its) { check_values(nested, its, file); });
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      const int count = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 0;
      for (int i = first; i < count; ++i) check_number(message, places, file, *field, i);
    }
  }
}

void expect_text(std::string_view text, const std::string& file) {
  require<DataError>(text.find_first_not_of(" \t\r\n") != std::string_view::npos, "{}: expected a prototxt but the file is empty.", file);
  const std::size_t control = first_control(text);
  require<DataError>(control == std::string_view::npos,
                     "{}:{}: expected a prototxt but byte {} is no text; the file is another one, or damaged.", file,
                     1 + std::ranges::count(text.substr(0, control), '\n'), control);
  const std::ptrdiff_t blocks = std::ranges::count(text, '{') + std::ranges::count(text, '<');
  require<DataError>(blocks <= most_blocks, "{}: expected at most {} blocks but the file has {}; it is damaged.", file, most_blocks,
                     blocks);
}

std::string_view without_byte_order_mark(std::string_view text) { return text.substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0); }

void parse(std::string_view text, const std::string& file, Message& message, Places& places) {
  text = without_byte_order_mark(text);
  expect_text(text, file);
  TextFormat::Parser parser;
  FirstError error;
  parser.RecordErrorsTo(&error);
  parser.WriteLocationsTo(&places);
  parser.SetRecursionLimit(deepest);
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&input, &message)) {
    if (const auto sentence = first_mistake(text, file, *message.GetDescriptor(), error.line())) throw DataError(*sentence);
    const std::string reason = one_line(error.message());
    throw DataError(fmt::format("{}:{}: expected a prototxt but this cannot be read ({}).", file, error.line(),
                                reason.substr(0, reason.find_last_not_of('.') + 1)));
  }
  check_values(message, places, file);
}

/// Where the parts of a net are.
NetLines lines_of(const NetParameter& net, const Places& places) {
  const auto& type = *NetParameter::descriptor();
  NetLines lines;
  const auto& layer = *type.FindFieldByNumber(NetParameter::kLayerFieldNumber);
  for (int i = 0; i < net.layer_size(); ++i) lines.layer.push_back(line_of(places, layer, i));
  const auto& layers = *type.FindFieldByNumber(NetParameter::kLayersFieldNumber);
  for (int i = 0; i < net.layers_size(); ++i) lines.layers.push_back(line_of(places, layers, i));
  for (const int number : {NetParameter::kInputShapeFieldNumber, NetParameter::kInputDimFieldNumber, NetParameter::kInputFieldNumber}) {
    const auto& input = *type.FindFieldByNumber(number);
    if (net.GetReflection()->FieldSize(net, &input) > 0) lines.input = line_of(places, input, 0);
  }
  return lines;
}

void upgrade_nested(SolverParameter& solver, const Places& places, const std::string& file) {
  const auto& type = *SolverParameter::descriptor();
  const auto upgrade = [&](NetParameter& net, int number, int index) {
    upgrade_net(net, file, lines_of(net, *places.GetTreeForNested(type.FindFieldByNumber(number), index)));
  };
  if (solver.has_net_param()) upgrade(*solver.mutable_net_param(), SolverParameter::kNetParamFieldNumber, -1);
  if (solver.has_train_net_param()) upgrade(*solver.mutable_train_net_param(), SolverParameter::kTrainNetParamFieldNumber, -1);
  for (int i = 0; i < solver.test_net_param_size(); ++i) {
    upgrade(*solver.mutable_test_net_param(i), SolverParameter::kTestNetParamFieldNumber, i);
  }
}

}  // namespace

std::size_t first_control(std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' && !(c >= '\t' && c <= '\r'); };
  const auto found = std::ranges::find_if(text, is_control);
  return found == text.end() ? std::string_view::npos : static_cast<std::size_t>(found - text.begin());
}

NetText parse_net_prototxt(std::string_view text, const std::string& file) {
  NetText read{.net = {}, .file = file, .lines = {}};
  Places places;
  parse(text, file, read.net, places);
  read.lines = upgrade_net(read.net, file, lines_of(read.net, places));
  return read;
}

SolverParameter parse_solver_prototxt(std::string_view text, const std::string& file) {
  SolverParameter solver;
  Places places;
  parse(text, file, solver, places);
  const auto* const type = SolverParameter::descriptor()->FindFieldByNumber(SolverParameter::kSolverTypeFieldNumber);
  if (solver.has_solver_type()) upgrade_solver(solver, fmt::format("{}:{}", file, line_of(places, *type, -1)));
  upgrade_nested(solver, places, file);
  return solver;
}

NetText read_net_prototxt(const std::filesystem::path& path) { return parse_net_prototxt(read_file(path, largest), path.string()); }
SolverParameter read_solver_prototxt(const std::filesystem::path& path) {
  return parse_solver_prototxt(read_file(path, largest), path.string());
}

}  // namespace amnet::caffe

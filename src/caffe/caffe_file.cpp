#include "io/posix_file.h"
#include "prototxt.h"
#include "wire.h"

#include <amnet/caffe/caffe_file.h>
#include <amnet/core/text.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace amnet {
namespace {

using caffe::Bytes;
using caffe::Wire;
using caffe::WireHead;
using caffe_schema::BlobProto;
using caffe_schema::LayerParameter;
using caffe_schema::NetParameter;
using caffe_schema::NetStateRule;
using caffe_schema::SolverParameter;
using caffe_schema::SolverState;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::RepeatedPtrField;

// ---- messages as options ----

Options fields_of(const Message& message, std::initializer_list<int> without = {});

/// 0.1 for the float that is nearest to it.
double shortest(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

/// The value of a field, or with an index of one of its values.
OptionValue value_of(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reads = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return {fields_of(one ? reads.GetMessage(message, &field) : reads.GetRepeatedMessage(message, &field, index))};
    case FieldDescriptor::CPPTYPE_ENUM:
      return {(one ? reads.GetEnum(message, &field) : reads.GetRepeatedEnum(message, &field, index))->name()};
    case FieldDescriptor::CPPTYPE_BOOL: return {one ? reads.GetBool(message, &field) : reads.GetRepeatedBool(message, &field, index)};
    case FieldDescriptor::CPPTYPE_FLOAT:
      return {shortest(one ? reads.GetFloat(message, &field) : reads.GetRepeatedFloat(message, &field, index))};
    case FieldDescriptor::CPPTYPE_INT32:
      return {std::int64_t{one ? reads.GetInt32(message, &field) : reads.GetRepeatedInt32(message, &field, index)}};
    case FieldDescriptor::CPPTYPE_UINT32:
      return {std::int64_t{one ? reads.GetUInt32(message, &field) : reads.GetRepeatedUInt32(message, &field, index)}};
    case FieldDescriptor::CPPTYPE_INT64:
      return {std::int64_t{one ? reads.GetInt64(message, &field) : reads.GetRepeatedInt64(message, &field, index)}};
    default: return {one ? reads.GetString(message, &field) : reads.GetRepeatedString(message, &field, index)};
  }
}

Options fields_of(const Message& message, std::initializer_list<int> without) {
  Options options;
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (std::ranges::find(without, field->number()) != without.end()) continue;
    if (!field->is_repeated()) {
      options.set(field->name(), value_of(message, *field, -1));
      continue;
    }
    OptionList list;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) list.push_back(value_of(message, *field, i));
    options.set(field->name(), {std::move(list)});
  }
  return options;
}

// ---- layers ----

std::string text_of_rule(const NetStateRule& rule) {
  std::vector<std::string> parts;
  if (rule.has_phase()) parts.push_back(caffe_schema::Phase_Name(rule.phase()));
  if (rule.has_min_level()) parts.push_back(fmt::format("level >= {}", rule.min_level()));
  if (rule.has_max_level()) parts.push_back(fmt::format("level <= {}", rule.max_level()));
  for (const std::string& stage : rule.stage()) parts.push_back("stage " + stage);
  for (const std::string& stage : rule.not_stage()) parts.push_back("not stage " + stage);
  return parts.empty() ? "always" : joined(parts, " and ");
}

std::string text_of_rules(const RepeatedPtrField<NetStateRule>& rules) {
  std::vector<std::string> parts;
  for (const NetStateRule& rule : rules) parts.push_back(text_of_rule(rule));
  return joined(parts, " or ");
}

std::string phases_of(const LayerParameter& layer) {
  const std::string in = text_of_rules(layer.include()), out = text_of_rules(layer.exclude());
  if (out.empty()) return in;
  return (in.empty() ? "" : in + ", ") + (out.find(' ') == std::string::npos ? "not " + out : "not (" + out + ")");
}

CaffeLayer layer_of(const LayerParameter& layer, int line) {
  return {.name = layer.name(),
          .type = layer.type(),
          .bottoms = {layer.bottom().begin(), layer.bottom().end()},
          .tops = {layer.top().begin(), layer.top().end()},
          .phases = phases_of(layer),
          .options = fields_of(layer, {LayerParameter::kNameFieldNumber, LayerParameter::kTypeFieldNumber,
                                       LayerParameter::kBottomFieldNumber, LayerParameter::kTopFieldNumber}),
          .line = line};
}

CaffeNet net_of(const caffe::NetText& text) {
  CaffeNet net{.file = text.file,
               .name = text.net.name(),
               .layers = {},
               .options = fields_of(text.net, {NetParameter::kNameFieldNumber, NetParameter::kLayerFieldNumber})};
  for (int i = 0; i < text.net.layer_size(); ++i)
    net.layers.push_back(layer_of(text.net.layer(i), text.lines[static_cast<std::size_t>(i)]));
  return net;
}

// ---- kinds of text ----

/// The names of fields outside all blocks that begin `text`.
std::vector<std::string> outer_names(std::string_view text) {
  constexpr std::size_t most = 1000;
  std::vector<std::string> names;
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  int depth = 0;
  for (std::size_t i = 0; i < text.size() && names.size() < most;) {
    const char c = text[i];
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else if (c == '"' || c == '\'') {
      for (++i; i < text.size() && text[i] != c; ++i) i += text[i] == '\\' ? 1 : 0;
      ++i;
    } else if (is_name(c)) {
      const std::size_t begin = i;
      while (i < text.size() && is_name(text[i])) ++i;
      const std::size_t next = std::min(text.find_first_not_of(" \t\r\n", i), text.size());
      const bool is_field = next < text.size() && (text[next] == ':' || text[next] == '{' || text[next] == '<');
      if (depth == 0 && is_field) names.emplace_back(text.substr(begin, i - begin));
      if (depth == 0 && names.empty()) break;  // the text does not begin as a prototxt
    } else {
      depth += c == '{' || c == '<' ? 1 : c == '}' || c == '>' ? -1 : 0;
      if (depth > 0 && names.empty()) break;
      ++i;
    }
  }
  return names;
}

std::optional<CaffeFile> kind_of_text(std::string_view text) {
  if (caffe::first_control(text) != std::string_view::npos) return std::nullopt;
  for (const std::string& name : outer_names(text)) {
    const bool in_net = NetParameter::descriptor()->FindFieldByName(name) != nullptr && name != "name";
    const bool in_solver = SolverParameter::descriptor()->FindFieldByName(name) != nullptr;
    if (in_net && !in_solver) return CaffeFile::net_prototxt;
    if (in_solver && !in_net) return CaffeFile::solver_prototxt;
  }
  return std::nullopt;
}

// ---- kinds of binary files ----

/// What the fields outside all messages say of a file's kind.
struct OuterFields {
  bool net = true, state = true, blob = true;  // no field that would be of another kind
  bool has_layer = false, has_step = false, has_state = false, has_values = false;

  void add(const WireHead& head) {
    const auto is = [&](int number) { return head.number == number; };
    const bool bytes = head.wire == Wire::bytes, varint = head.wire == Wire::varint;
    const bool is_layer = is(NetParameter::kLayerFieldNumber) || is(NetParameter::kLayersFieldNumber);
    net = net && (!(is_layer || is(NetParameter::kNameFieldNumber)) || bytes);
    has_layer |= is_layer;
    const bool is_step = is(SolverState::kIterFieldNumber), is_current = is(SolverState::kCurrentStepFieldNumber);
    const bool of_state = is(SolverState::kLearnedNetFieldNumber) || is(SolverState::kHistoryFieldNumber);
    state = state && (is_step || is_current ? varint : of_state && bytes);
    has_step |= is_step;
    has_state |= of_state;
    const bool is_floats = is(BlobProto::kDataFieldNumber), is_doubles = is(BlobProto::kDoubleDataFieldNumber);
    const bool is_extent = BlobProto::kNumFieldNumber <= head.number && head.number <= BlobProto::kWidthFieldNumber;
    blob = blob && (is_extent ? varint : head.number <= BlobProto::kDoubleDiffFieldNumber && !varint);
    has_values |= is_floats || is_doubles;
  }
  std::optional<CaffeFile> kind() const {
    if (state && has_step && has_state) return CaffeFile::solverstate;
    if (blob && has_values) return CaffeFile::mean;
    if (net && has_layer) return CaffeFile::caffemodel;
    return std::nullopt;
  }
};

/// Reads heads alone, so the size of the file does not matter.
std::optional<CaffeFile> kind_of_binary(const InputFile& file) {
  constexpr int most = 10'000;  // fields: the kind is clear long before
  constexpr std::uint64_t longest_head = 20;
  OuterFields outer;
  std::array<std::byte, longest_head> buffer;
  std::uint64_t at = 0;
  for (int i = 0; i < most && at < file.size(); ++i) {
    const auto piece = std::span(buffer).first(static_cast<std::size_t>(std::min(longest_head, file.size() - at)));
    file.read_at(at, piece);
    const std::optional<WireHead> head = caffe::wire_head(piece);
    if (!head && file.size() - at < longest_head) break;  // cut short
    if (!head) return std::nullopt;
    outer.add(*head);
    at += head->size;
    if (head->following() > file.size() - at) break;  // cut short
    at += head->following();
  }
  return outer.kind();
}

}  // namespace

std::optional<CaffeFile> caffe_file_kind(const std::filesystem::path& path) {
  constexpr std::uint64_t enough = 65536;      // for the first fields of a text
  constexpr std::size_t safetensors_json = 8;  // after the length of its header
  const InputFile file(path);
  std::string beginning(static_cast<std::size_t>(std::min(enough, file.size())), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(beginning)));
  if (beginning.size() > safetensors_json && beginning[safetensors_json] == '{' && beginning[safetensors_json - 1] == '\0') {
    return std::nullopt;
  }
  const std::optional<CaffeFile> kind = kind_of_text(beginning);
  return kind ? kind : kind_of_binary(file);
}

CaffeNet read_caffe_net(const std::filesystem::path& path) { return net_of(caffe::read_net_prototxt(path)); }

CaffeNet caffe_net_of_text(std::string_view text, const std::string& source) { return net_of(caffe::parse_net_prototxt(text, source)); }

CaffeSolver read_caffe_solver(const std::filesystem::path& path) { return {fields_of(caffe::read_solver_prototxt(path))}; }

CaffeSolver caffe_solver_of_text(std::string_view text, const std::string& source) {
  return {fields_of(caffe::parse_solver_prototxt(text, source))};
}

}  // namespace amnet

#include "commands.h"
#include "console.h"
#include "inspect_caffe.h"
#include "table.h"

#include <amnet/caffe/caffe_file.h>
#include <amnet/core/text.h>
#include <amnet/model/model_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

template <class Extents>
std::string shape_text(const Extents& extents) {
  return fmt::format("({})", fmt::join(extents, ","));
}

// "(N,56,48,64)"
std::string shape_text(const TensorSpec& spec) {
  std::string text;
  for (int i = 0; i < spec.shape.rank(); ++i) {
    text += (text.empty() ? "" : ",") + (i == 0 && spec.per_sample ? std::string("N") : std::to_string(spec.shape[i]));
  }
  return "(" + text + ")";
}

// The options of a layer, except those that are usual for its type, and except how its first
// weights were drawn.
void add_options(const Options& stated, const Options* usual, const std::string& path, std::string& text) {
  for (const auto& [name, value] : stated.entries()) {
    const OptionValue* of_usual = usual != nullptr ? usual->find(name) : nullptr;
    if (name == "filler" || (of_usual != nullptr && *of_usual == value)) continue;
    if (const auto* nested = std::get_if<Options>(&value.value)) {
      add_options(*nested, of_usual != nullptr ? std::get_if<Options>(&of_usual->value) : nullptr, path + name + ".", text);
    } else {
      text += fmt::format("{}{}{} {}", text.empty() ? "" : ", ", path, name, text_of(value));
    }
  }
}

std::string options_text(const DescribedLayer& layer) {
  std::optional<Options> usual;
  try {
    usual = make_layer(layer.type, {}, layer.name)->options();
  } catch (const DataError&) {  // a type that is not amnet's: prints all that it states
    usual.reset();
  }
  std::string text;
  add_options(layer.options, usual ? &*usual : nullptr, "", text);
  return text;
}

/// The net of a file, where it can be built, and the reason where it cannot.
struct Built {
  std::optional<Net> net;
  std::string reason;
};

Built build(const NetDescription& description) {
  try {
    return {build_net(description), ""};
  } catch (const DataError& error) {
    return {std::nullopt, error.what()};
  }
}

std::string value_shape(const Built& built, const std::string& name) {
  return built.net ? shape_text(built.net->spec(built.net->find(name))) : "";
}

void print_inputs(const NetDescription& description) {
  Table table("Inputs");
  for (const DescribedInput& input : description.inputs) {
    std::vector<std::string> extents;
    for (const std::int64_t extent : input.shape) extents.push_back(extents.empty() ? "N" : std::to_string(extent));
    table.add({input.name, shape_text(extents), input.dtype ? std::string(name_of(*input.dtype)) : "activations"});
  }
  table.print();
}

void print_roles(const Roles& roles, const Built& built, const std::vector<StoredTensor>& stored) {
  Table table("Roles");
  if (roles.image) {
    const ImageFormat& format = roles.image->format;
    table.add(
        {"image", roles.image->input,
         fmt::format("{} (height x width), {}, (pixel - {}) * {}", size_text(format), name_of(format.order), format.mean, format.scale)});
  }
  const auto add = [&](std::string role, const std::string& value) {
    if (!value.empty()) table.add({std::move(role), value, value_shape(built, value)});
  };
  add("labels", roles.labels);
  add("embedding", roles.embedding);
  add("loss", roles.loss);
  for (const MetricRole& metric : roles.metrics) add("metric: " + metric.name, metric.value);
  const auto weights = std::ranges::find(stored, roles.class_weights, &StoredTensor::name);
  if (!roles.class_weights.empty()) {
    table.add({"class weights", roles.class_weights, weights == stored.end() ? "" : shape_text(weights->shape)});
  }
  table.print();
}

void print_layers(const NetDescription& description, const Built& built) {
  std::map<std::string, const Layer*> layers;
  if (built.net) {
    for (const NetLayer& one : built.net->layers()) layers[one.name] = one.layer;
  }
  Table table("Layers");
  table.add({"name", "type", "reads", "gives", "learns", "options"});
  for (const DescribedLayer& layer : description.layers) {
    std::int64_t learned = 0;
    if (built.net) {
      layers.at(layer.name)->look([&](const Parameter& each) { learned += each.buffer ? 0 : each.value.count(); });
    }
    table.add({layer.name, layer.type, joined(layer.inputs, ", "), value_shape(built, layer.name), learned > 0 ? grouped(learned) : "",
               options_text(layer)});
  }
  table.print();
}

std::uint64_t bytes_of(const std::vector<StoredTensor>& stored) {
  return std::accumulate(stored.begin(), stored.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const StoredTensor& tensor) { return sum + tensor.bytes; });
}

void print_tensors(const std::string& title, const std::vector<StoredTensor>& stored) {
  Table table(title);
  for (const StoredTensor& tensor : stored) {
    table.add({tensor.name, tensor.dtype, shape_text(tensor.shape), bytes_text(tensor.bytes)});
  }
  table.print();
}

// Which tensors of the file belong to the net, and which do not.
void print_parameters(const Built& built, const std::vector<StoredTensor>& stored) {
  Table table("Parameters");
  table.add({"in the file", fmt::format("{} tensors", stored.size()), bytes_text(bytes_of(stored))});
  if (!built.net) {
    table.print();
    return;
  }
  std::vector<StoredTensor> others = stored;
  std::vector<std::string> missing;
  std::int64_t tensors = 0, buffers = 0;
  built.net->look([&](const std::string& name, const Parameter& parameter) {
    tensors += 1;
    buffers += parameter.buffer ? parameter.value.count() : 0;
    if (std::erase_if(others, [&](const StoredTensor& tensor) { return tensor.name == name; }) == 0) missing.push_back(name);
  });
  table.add({"of the net", fmt::format("{} tensors", tensors), bytes_text(built.net->parameter_bytes())});
  table.add({"learned", fmt::format("{} values", grouped(built.net->parameter_count()))});
  if (buffers > 0) table.add({"buffers", fmt::format("{} values", grouped(buffers))});
  if (!missing.empty()) table.add({"missing", joined(missing, ", ")});
  table.print();
  print_tensors("Tensors that the net does not have", others);
}

// The metadata, except those that the description consists of.
void print_metadata(const Metadata& metadata) {
  constexpr std::array known = {"amnet.net",         "amnet.undescribed",    "amnet.model",     "amnet.depth",
                                "amnet.width",       "amnet.embedding_size", "amnet.embedding", "amnet.input_height",
                                "amnet.input_width", "amnet.channel_order",  "amnet.mean",      "amnet.scale"};
  Table table("Other metadata");
  for (const auto& [key, value] : metadata) {
    if (std::ranges::find(known, key) == known.end()) table.add({key, value});
  }
  table.print();
}

std::string kind_of(const Metadata& metadata, const std::optional<NetDescription>& description) {
  if (!description) {
    const auto reason = metadata.find("amnet.undescribed");
    return reason == metadata.end() ? "tensors, and no word of a net" : "the tensors of a net that is not described: " + reason->second;
  }
  const std::string size = fmt::format("a net of {} layers", description->layers.size());
  if (metadata.contains("amnet.model")) return size + ", up to the embedding: the file is of before files held all layers";
  return size + (description->roles.loss.empty() ? "" : ", with what trains it");
}

void print_file(const fs::path& file, const SafetensorsReader& reader, const std::optional<NetDescription>& description) {
  const std::vector<StoredTensor> stored = reader.stored();
  answer(fmt::format("{}: {}", file.string(), kind_of(reader.metadata(), description)));
  if (description) {
    const Built built = build(*description);
    print_inputs(*description);
    print_roles(description->roles, built, stored);
    print_layers(*description, built);
    print_parameters(built, stored);
    if (!built.net) {
      answer("");
      answer("Shapes are not known here: " + built.reason);
    }
  } else {
    print_tensors(fmt::format("Tensors: {}, {}", stored.size(), bytes_text(bytes_of(stored))), stored);
  }
  print_metadata(reader.metadata());
}

}  // namespace

int inspect_command(Arguments arguments) {
  fs::path named;
  bool json = false;
  CLI::App app(
      "Says what is in a model file: the net, what it expects of an image, its layers and its tensors. It also reads the files of Caffe: "
      "nets, solvers, weights, snapshots and mean images.",
      "train_face inspect");
  use_our_style(app,
                "  train_face inspect runs/a\n"
                "  train_face inspect runs/a/best --json > net.json\n"
                "  train_face inspect face_train_test.prototxt\n");
  begin_group(app, "Model");
  app.add_option("FILE", named,
                 "Model file, checkpoint folder or run folder (its newest intact checkpoint), another safetensors file, or a file "
                 "of Caffe")
      ->required();
  begin_group(app, "Results");
  app.add_flag("--json", json, "The description of the net alone, as the file holds it");
  if (!parse_arguments(app, std::move(arguments))) return 0;

  std::error_code unreadable;  // model_file_of reports it
  if (fs::is_regular_file(named, unreadable)) {
    if (const auto kind = caffe_file_kind(named)) {
      require<DataError>(!json, "{}: the file is one of Caffe's and has no description of amnet's; leave --json out to see what it holds.",
                         named.string());
      print_caffe_file(named, *kind);
      return 0;
    }
  }
  const fs::path file = model_file_of(named);
  const SafetensorsReader reader(file);
  const std::optional<NetDescription> description = stored_description(reader.metadata(), file.string());
  if (!json) {
    print_file(file, reader, description);
    return 0;
  }
  require<DataError>(description.has_value(), "{}: the file says nothing of a net; leave --json out to see its tensors.", file.string());
  answer_text(json_of(*description) + "\n");
  return 0;
}

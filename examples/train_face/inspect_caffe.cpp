#include "inspect_caffe.h"
#include "console.h"
#include "table.h"

#include <amnet/caffe/import.h>
#include <amnet/caffe/weights.h>
#include <amnet/core/text.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

std::string named_text(const std::string& name) { return name.empty() ? "" : fmt::format(" '{}'", name); }

/// "1 layer", "2 layers"
std::string counted(std::size_t count, const std::string& what) {
  return fmt::format("{} {}{}", grouped(static_cast<std::int64_t>(count)), what, count == 1 ? "" : "s");
}

std::string text_of_field(const OptionValue& value);

/// "num_output 8, weight_filler {type xavier}"
std::string text_of_fields(const Options& options) {
  std::string text;
  for (const auto& [name, value] : options.entries()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, text_of_field(value));
  }
  return text;
}

std::string text_of_field(const OptionValue& value) {
  if (const auto* nested = std::get_if<Options>(&value.value)) return "{" + text_of_fields(*nested) + "}";
  const auto* list = std::get_if<OptionList>(&value.value);
  if (list == nullptr) return text_of(value);
  std::vector<std::string> parts;
  for (const OptionValue& one : *list) parts.push_back(text_of_field(one));
  return parts.size() == 1 ? parts[0] : "[" + joined(parts, ", ") + "]";
}

/// The options of a layer; those of its own type without their braces, and no rules, which have a
/// column.
std::string options_text(const CaffeLayer& layer) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : layer.options.entries()) {
    if (name != "include" && name != "exclude") parts.push_back(fmt::format("{} {}", name, text_of_field(value)));
  }
  return joined(parts, ", ");
}

void print_fields(const std::string& title, const Options& options) {
  Table table(title);
  for (const auto& [name, value] : options.entries()) table.add({name, text_of_field(value)});
  table.print();
}

std::int64_t parameters_of(const Layer& layer) {
  std::int64_t count = 0;
  layer.look([&](const Parameter& parameter) { count += parameter.value.count(); });
  return count;
}

/// What the layers of a phase become: their shapes and parameters, and what values are for; or why
/// amnet cannot build them.
void print_import(const CaffeNet& net, Phase phase, const std::string& title) {
  CaffeModel caffe;
  std::string images;
  try {
    CaffeImportOptions options{.phase = phase, .grey_from_color = true};
    try {
      caffe = import_caffe_net(net, options);
    } catch (const DataError&) {  // perhaps for the size of its images, which their files have
      options.image = CaffeImage{3, ImageFormat().height, ImageFormat().width};
      caffe = import_caffe_net(net, options);
      images = ", of a size that the file does not say";
    }
  } catch (const Error& error) {
    answer("");
    answer(fmt::format("{}: not built: {}", title, error.what()));
    return;
  }
  const Model& model = caffe.model;
  Table table(fmt::format("{}: {} parameters", title, grouped(model.net.parameter_count())));
  table.add({"name", "type", "gives", "parameters"});
  for (const NetInput& input : model.net.inputs()) table.add({input.name, "input", input.spec.shape.str(), ""});
  for (const NetLayer& layer : model.net.layers()) {
    const std::int64_t count = parameters_of(*layer.layer);
    table.add({layer.name, std::string(layer.layer->type()), model.net.spec(model.net.find(layer.name)).shape.str(),
               count == 0 ? "" : grouped(count)});
  }
  table.print();
  Table roles("Values");
  if (model.roles.image) {
    const ImageFormat& format = model.roles.image->format;
    roles.add({"images", fmt::format("{}: {} {}{}, (pixel - {:g}) * {:g}", model.roles.image->input, size_text(format),
                                     name_of(format.order), images, format.mean, format.scale)});
  }
  for (const auto& [role, value] : {std::pair{"labels", model.roles.labels}, std::pair{"embedding", model.roles.embedding},
                                    std::pair{"class weights", model.roles.class_weights}, std::pair{"loss", model.roles.loss}}) {
    if (!value.empty()) roles.add({role, value});
  }
  roles.print();
  for (const std::string& note : caffe.notes) answer(note);
}

void print_net(const fs::path& file) {
  const CaffeNet net = read_caffe_net(file);
  answer(fmt::format("{}: Caffe's net{}, {}", file.string(), named_text(net.name), counted(net.layers.size(), "layer")));
  print_fields("Net", net.options);
  Table table("Layers");
  if (!net.layers.empty()) table.add({"name", "type", "reads", "gives", "when", "options"});
  for (const CaffeLayer& layer : net.layers) {
    table.add({layer.name, layer.type, joined(layer.bottoms, ", "), joined(layer.tops, ", "), layer.phases, options_text(layer)});
  }
  table.print();
  const bool has_phases = std::ranges::any_of(net.layers, [](const CaffeLayer& layer) { return !layer.phases.empty(); });
  if (has_phases) print_import(net, Phase::train, "As a net of amnet, phase TRAIN");
  print_import(net, Phase::test, has_phases ? "As a net of amnet, phase TEST" : "As a net of amnet");
}

void print_solver(const fs::path& file) {
  const CaffeSolver solver = read_caffe_solver(file);
  answer(fmt::format("{}: Caffe's solver, {}", file.string(), counted(solver.options.entries().size(), "field")));
  print_fields("Fields", solver.options);
}

std::int64_t count_of(const std::vector<Tensor>& blobs) {
  return std::accumulate(blobs.begin(), blobs.end(), std::int64_t{0},
                         [](std::int64_t sum, const Tensor& blob) { return sum + blob.count(); });
}
std::uint64_t bytes_of(const std::vector<Tensor>& blobs) {
  return std::accumulate(blobs.begin(), blobs.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Tensor& blob) { return sum + blob.size_bytes(); });
}
std::string shapes_text(const std::vector<Tensor>& blobs) {
  std::vector<std::string> shapes;
  for (const Tensor& blob : blobs) shapes.push_back(blob.shape().str() + (blob.dtype() == DType::f32 ? "" : " f64"));
  return joined(shapes, ", ");
}

void print_weights(const fs::path& file) {
  const CaffeWeights weights = read_caffemodel(file);
  answer(fmt::format("{}: weights of Caffe's net{}, {}", file.string(), named_text(weights.net), counted(weights.layers.size(), "layer")));
  Table table("Layers");
  table.add({"name", "type", "blobs", "values"});
  std::size_t blobs = 0, layers = 0;
  std::int64_t values = 0;
  std::uint64_t bytes = 0;
  for (const CaffeLayerBlobs& layer : weights.layers) {
    table.add({layer.name, layer.type, shapes_text(layer.blobs), layer.blobs.empty() ? "" : grouped(count_of(layer.blobs))});
    layers += layer.blobs.empty() ? 0 : 1;
    blobs += layer.blobs.size();
    values += count_of(layer.blobs);
    bytes += bytes_of(layer.blobs);
  }
  table.print();
  Table total("Parameters");
  total.add({counted(blobs, "blob") + " in " + counted(layers, "layer"), grouped(values) + " values", bytes_text(bytes)});
  total.print();
}

void print_state(const fs::path& file) {
  const CaffeSolverState state = read_solverstate(file);
  answer(fmt::format("{}: the state of Caffe's solver after {}", file.string(), counted(static_cast<std::size_t>(state.step), "step")));
  Table fields("Fields");
  fields.add({"iter", grouped(state.step)});
  fields.add({"learned_net", state.learned_net});
  fields.add({"current_step", grouped(state.current_step)});
  fields.print();
  Table history("History: " + counted(state.history.size(), "blob") + ", " + grouped(count_of(state.history)) + " values, " +
                bytes_text(bytes_of(state.history)));
  for (std::size_t i = 0; i < state.history.size(); ++i) {
    history.add({std::to_string(i), shapes_text({state.history[i]}), grouped(state.history[i].count())});
  }
  history.print();
}

void print_mean(const fs::path& file) {
  const Tensor mean = read_caffe_mean(file);
  answer(fmt::format("{}: Caffe's mean image {} (channels, height, width)", file.string(), mean.shape().str()));
  Table table("Channels");
  const Tensor exact = mean.cast(DType::f64);
  const std::size_t pixels = static_cast<std::size_t>(exact.shape().count_from(1));
  const auto values = exact.data<double>();
  for (std::size_t channel = 0; channel * pixels < values.size(); ++channel) {
    const auto plane = values.subspan(channel * pixels, pixels);
    const double sum = std::accumulate(plane.begin(), plane.end(), 0.0);
    table.add({std::to_string(channel), fmt::format("mean {:.6g}", sum / static_cast<double>(pixels)),
               fmt::format("{:.6g} to {:.6g}", *std::ranges::min_element(plane), *std::ranges::max_element(plane))});
  }
  table.print();
}

}  // namespace

void print_caffe_file(const fs::path& file, CaffeFile kind) {
  switch (kind) {
    case CaffeFile::net_prototxt: print_net(file); break;
    case CaffeFile::solver_prototxt: print_solver(file); break;
    case CaffeFile::caffemodel: print_weights(file); break;
    case CaffeFile::solverstate: print_state(file); break;
    case CaffeFile::mean: print_mean(file); break;
  }
}

#include <amnet/core/path_hint.h>
#include <amnet/io/checkpoint.h>
#include <amnet/model/model_file.h>

#include "tensor_names.h"

#include <charconv>

namespace amnet {
namespace {

namespace fs = std::filesystem;

enum class Direction { to_file, from_file };

// (out, kh, kw, in) in memory against (out, in, kh, kw) in files.
Tensor reorder_convolution(const Tensor& source, Direction direction) {
  const bool out = direction == Direction::to_file;
  const Shape& from = source.shape();
  const std::int64_t outputs = from[0];
  const std::int64_t inputs = out ? from[3] : from[1];
  const std::int64_t taps = out ? from[1] * from[2] : from[2] * from[3];
  const Shape shape = out ? Shape{outputs, inputs, from[1], from[2]} : Shape{outputs, from[2], from[3], inputs};
  Tensor result(shape, source.dtype());
  with_float(source.dtype(), "model file", [&]<class T>() {
    const T* in = source.data<T>().data();
    T* to = result.data<T>().data();
    for (std::int64_t o = 0; o < outputs; ++o) {
      for (std::int64_t i = 0; i < inputs; ++i) {
        for (std::int64_t t = 0; t < taps; ++t) {
          const std::int64_t memory = (o * taps + t) * inputs + i;
          const std::int64_t file = (o * inputs + i) * taps + t;
          if (out) {
            to[file] = in[memory];
          } else {
            to[memory] = in[file];
          }
        }
      }
    }
  });
  return result;
}

Shape file_shape(const Parameter& parameter) {
  const Shape& shape = parameter.value.shape();
  return parameter.layout == ParameterLayout::convolution ? Shape{shape[0], shape[3], shape[1], shape[2]} : shape;
}

void fill_from_file(Parameter& parameter, const Tensor& stored) {
  const Tensor ordered = parameter.layout == ParameterLayout::convolution ? reorder_convolution(stored, Direction::from_file) : stored;
  parameter.value.copy_from(ordered.dtype() == parameter.value.dtype() ? ordered : ordered.cast(parameter.value.dtype()));
}

bool fits(const Parameter& parameter, const Tensor& stored) {
  return stored.shape() == file_shape(parameter) && (stored.dtype() == DType::f32 || stored.dtype() == DType::f64);
}

[[noreturn]] void refuse(const std::string& name, const Parameter& parameter, const Tensor& stored, const std::string& source) {
  throw DataError(fmt::format("{}: '{}' is {} {} but this network needs f32 {}.", source, name, name_of(stored.dtype()), stored.shape(),
                              file_shape(parameter)));
}

const std::string& entry(const Metadata& metadata, const std::string& key, const std::string& source) {
  const auto found = metadata.find(key);
  require<DataError>(found != metadata.end(), "{}: the metadata has no '{}'; is this a model that amnet wrote?", source, key);
  return found->second;
}

template <class T>
T number(const Metadata& metadata, const std::string& key, const std::string& source) {
  const std::string& text = entry(metadata, key, source);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<DataError>(error == std::errc{} && end == text.data() + text.size(), "{}: the metadata '{}' is '{}', not a number.", source, key,
                     text);
  return value;
}

// Values that no network can have are the file's fault here, not the caller's.
BuiltModel built_from_file(const ModelDescription& description, const std::string& source) {
  try {
    check_image_format(description.input);
    return build_model(description);
  } catch (const UsageError& error) {
    throw DataError(fmt::format("{}: the metadata describes no network that can be built: {}", source, error.what()));
  }
}

}  // namespace

BuiltModel build_model(const ModelDescription& description, DType dtype) {
  BuiltModel model{.net = Net(dtype), .images = {}, .embedding = {}};
  model.images = model.net.input(images_name, {1, description.input.height, description.input.width, 3});
  sphere_face(model.net, model.images, description.network);
  model.embedding = model.net.find(description.embedding);
  return model;
}

fs::path model_file_of(const fs::path& named) {
  const fs::path path = through_pointers(named);
  std::error_code reason;
  const fs::file_status status = fs::status(path, reason);
  require<FileError>(fs::exists(status), "{}: there is no such model file or run directory ({}){}.", path.string(), reason.message(),
                     path_hint(path.string()));
  if (!fs::is_directory(status)) return path;
  const fs::path inside = path / "model.safetensors";
  if (fs::exists(inside, reason)) {
    if (fs::exists(path / "MANIFEST.json", reason)) verify_checkpoint(path);  // a flipped bit would only show in the accuracy
    return inside;
  }
  std::vector<std::string> notes;
  const auto checkpoint = newest_intact(path, notes);
  require<FileError>(checkpoint.has_value(), "{}: there is no intact checkpoint in this directory; name a model.safetensors.",
                     path.string());
  return checkpoint->directory / "model.safetensors";
}

LoadedModel load_model(const fs::path& path) {
  const fs::path file_path = model_file_of(path);
  const SafetensorsFile file = read_safetensors(file_path);
  const ModelDescription description = description_of(file.metadata, file_path.string());
  BuiltModel built = built_from_file(description, file_path.string());
  load_tensors(built.net, file, file_path.string());
  return {.description = description, .net = std::move(built.net), .images = built.images, .embedding = built.embedding, .file = file_path};
}

Metadata metadata_of(const ModelDescription& description) {
  return {{"amnet.model", "sphere_face"},
          {"amnet.depth", std::to_string(description.network.depth)},
          {"amnet.width", fmt::format("{}", description.network.width)},
          {"amnet.embedding_size", std::to_string(description.network.embedding)},
          {"amnet.embedding", description.embedding},
          {"amnet.input_height", std::to_string(description.input.height)},
          {"amnet.input_width", std::to_string(description.input.width)},
          {"amnet.channel_order", std::string(name_of(description.input.order))},
          {"amnet.mean", fmt::format("{}", description.input.mean)},
          {"amnet.scale", fmt::format("{}", description.input.scale)}};
}

ModelDescription description_of(const Metadata& metadata, const std::string& source) {
  const std::string model = entry(metadata, "amnet.model", source);
  require<DataError>(model == "sphere_face", "{}: the model is '{}' but this version knows only 'sphere_face'.", source, model);
  ModelDescription description;
  description.network.depth = number<int>(metadata, "amnet.depth", source);
  description.network.width = number<double>(metadata, "amnet.width", source);
  description.network.embedding = number<std::int64_t>(metadata, "amnet.embedding_size", source);
  description.embedding = entry(metadata, "amnet.embedding", source);
  description.input.height = number<std::int64_t>(metadata, "amnet.input_height", source);
  description.input.width = number<std::int64_t>(metadata, "amnet.input_width", source);
  description.input.mean = number<double>(metadata, "amnet.mean", source);
  description.input.scale = number<double>(metadata, "amnet.scale", source);
  const std::string order = entry(metadata, "amnet.channel_order", source);
  require<DataError>(order == "bgr" || order == "rgb", "{}: the channel order is '{}', neither 'bgr' nor 'rgb'.", source, order);
  description.input.order = order == "bgr" ? ChannelOrder::bgr : ChannelOrder::rgb;
  return description;
}

std::optional<ImageFormat> expected_input(const SafetensorsFile& file, const std::string& source) {
  if (!file.metadata.contains("amnet.model")) return std::nullopt;
  return description_of(file.metadata, source).input;
}

std::vector<NamedTensor> tensors_of(const Net& net) {
  std::vector<NamedTensor> tensors;
  net.look([&](const std::string& name, const Parameter& parameter) {
    const Tensor value = parameter.value.to(Memory::host);
    tensors.push_back({name, parameter.layout == ParameterLayout::convolution ? reorder_convolution(value, Direction::to_file) : value});
  });
  return tensors;
}

void load_tensors(Net& net, const SafetensorsFile& file, const std::string& source) {
  net.visit([&](const std::string& name, Parameter& parameter) {
    const Tensor* stored = file.find(name);
    if (stored == nullptr) {
      const std::string alike = alike_names(file, std::span(&name, 1));
      throw DataError(fmt::format("{}: the tensor '{}' is missing{}; the file belongs to another network.", source, name,
                                  alike.empty() ? "" : " (" + alike + ")"));
    }
    if (!fits(parameter, *stored)) refuse(name, parameter, *stored, source);
    fill_from_file(parameter, *stored);
  });
}

std::vector<std::string> load_known_tensors(Net& net, const SafetensorsFile& file, const std::string& source) {
  std::vector<std::string> missing;
  std::int64_t all = 0, convolutions = 0, taken_convolutions = 0;
  net.visit([&](const std::string& name, Parameter& parameter) {
    const Tensor* stored = file.find(name);
    const bool of_the_classes = name.starts_with("fc6.");
    const bool convolution = parameter.layout == ParameterLayout::convolution;
    all += 1;
    convolutions += convolution ? 1 : 0;
    if (stored == nullptr || (of_the_classes && !fits(parameter, *stored))) {
      missing.push_back(name);
      return;
    }
    if (!fits(parameter, *stored)) refuse(name, parameter, *stored, source);
    fill_from_file(parameter, *stored);
    taken_convolutions += convolution ? 1 : 0;
  });
  const bool nothing = static_cast<std::int64_t>(missing.size()) == all;
  if (nothing || (convolutions > 0 && taken_convolutions == 0)) {
    const std::string alike = alike_names(file, missing);
    throw DataError(fmt::format("{}: {} is in the file, so that training would start from nothing{}.", source,
                                nothing ? fmt::format("not one of the {} tensors of this network", all)
                                        : fmt::format("not one of the {} convolutions of this network", convolutions),
                                alike.empty() ? "" : "; " + alike));
  }
  return missing;
}

}  // namespace amnet

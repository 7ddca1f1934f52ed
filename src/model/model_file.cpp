#include <amnet/core/path_hint.h>
#include <amnet/io/checkpoint.h>
#include <amnet/model/model_file.h>

#include "describing.h"
#include "file_order.h"
#include "older_files.h"
#include "tensor_names.h"

#include <algorithm>
#include <set>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// In the metadata of a file: the description of its net, or why there is none.
constexpr const char* net_key = "amnet.net";
constexpr const char* undescribed_key = "amnet.undescribed";

void fill_from_file(Parameter& parameter, const Tensor& stored) {
  const Tensor ordered = from_file_order(parameter, stored);
  parameter.value.copy_from(ordered.dtype() == parameter.value.dtype() ? ordered : ordered.cast(parameter.value.dtype()));
}

bool fits(const Parameter& parameter, const Tensor& stored) {
  return stored.shape() == file_shape(parameter) && (stored.dtype() == DType::f32 || stored.dtype() == DType::f64);
}

// The file's tensor for a parameter.
const Tensor& fitting(const std::string& name, const Parameter& parameter, const SafetensorsFile& file, const std::string& source) {
  const Tensor* stored = file.find(name);
  if (stored == nullptr) {
    const std::string alike = alike_names(file, std::span(&name, 1));
    throw DataError(fmt::format("{}: the tensor '{}' is missing{}; the file belongs to another network.", source, name,
                                alike.empty() ? "" : " (" + alike + ")"));
  }
  require<DataError>(fits(parameter, *stored), "{}: '{}' is {} {} but this network needs f32 {}.", source, name, name_of(stored->dtype()),
                     stored->shape(), file_shape(parameter));
  return *stored;
}

NetDescription required_description(const Metadata& metadata, const std::string& source) {
  std::optional<NetDescription> description = stored_description(metadata, source);
  if (description) return std::move(*description);
  const auto reason = metadata.find(undescribed_key);
  require<DataError>(
      reason == metadata.end(),
      "{}: the file holds the tensors of a net but not what the net is, and so only the program that built it can read them: "
      "{}",
      source, reason == metadata.end() ? "" : reason->second);
  throw DataError(fmt::format("{}: the metadata has no '{}'; is this a model that amnet wrote?", source, net_key));
}

Net built_from_file(const NetDescription& description, const LoadOptions& options, const std::string& source) {
  try {
    return build_net(description, {.dtype = options.dtype, .own = options.own});
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", source, error.what()));
  }
}

// Checks that each name is that of a parameter of the net, or of a layer that has some.
void require_parameters(const Net& net, std::span<const std::string> names) {
  std::set<std::string> known;
  net.look([&](const std::string& name, const Parameter&) { known.insert({name, owner_of(name)}); });
  for (const std::string& name : names) {
    require(known.contains(name), "[model] the net has no parameter '{}', and no layer of that name with parameters.", name);
  }
}

}  // namespace

void save_model(const fs::path& path, const Net& net, const Roles& roles, const Metadata& more) {
  const std::string reason = why_not_described(net);
  require(reason.empty(), "{}", reason);
  const SafetensorsFile content = model_content(net, roles, more);
  write_safetensors(path, content.tensors, content.metadata);
}

SafetensorsFile model_content(const Net& net, const Roles& roles, const Metadata& more) {
  SafetensorsFile content{.metadata = more, .tensors = {}};
  for (const char* key : {net_key, undescribed_key}) {
    require(!more.contains(key), "[model] the metadata '{}' is amnet's own; give yours another key.", key);
  }
  if (const std::string reason = why_not_described(net); !reason.empty()) {
    content.metadata[undescribed_key] = reason;
  } else {
    content.metadata[net_key] = json_of(describe(net, roles));
  }
  content.tensors = tensors_of(net);
  return content;
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
    // a flipped bit would only show in the accuracy
    if (fs::exists(path / "MANIFEST.json", reason)) verify_checkpoint(path);
    return inside;
  }
  std::vector<std::string> notes;
  const auto checkpoint = newest_intact(path, notes);
  require<FileError>(checkpoint.has_value(), "{}: there is no intact checkpoint in this directory; name a model.safetensors.",
                     path.string());
  return checkpoint->directory / "model.safetensors";
}

Model load_model(const fs::path& path, const LoadOptions& options) {
  const fs::path file_path = model_file_of(path);
  const std::string source = file_path.string();
  const SafetensorsReader reader(file_path);
  NetDescription description = required_description(reader.metadata(), source);
  if (options.until == Until::embedding) {
    const std::string embedding = description.roles.embedding;
    require<DataError>(!embedding.empty(), "{}: the net has no embedding among its roles, and so there is no part up to it.", source);
    description = part_of(description, {embedding});
  }
  Model model{.net = built_from_file(description, options, source),
              .roles = std::move(description.roles),
              .own = {options.own.begin(), options.own.end()},
              .file = file_path};
  std::set<std::string, std::less<>> wanted;
  model.net.look([&](const std::string& name, const Parameter&) { wanted.insert(name); });
  load_tensors(model.net, reader.read([&](std::string_view name) { return wanted.contains(name); }), source);
  return model;
}

std::optional<NetDescription> stored_description(const Metadata& metadata, const std::string& source) {
  const auto found = metadata.find(net_key);
  return found == metadata.end() ? description_of_older(metadata, source) : description_of_json(found->second, source);
}

std::optional<ImageFormat> expected_input(const SafetensorsFile& file, const std::string& source) {
  const std::optional<NetDescription> description = stored_description(file.metadata, source);
  if (!description || !description->roles.image) return std::nullopt;
  return description->roles.image->format;
}

std::vector<NamedTensor> tensors_of(const Net& net) {
  std::vector<NamedTensor> tensors;
  net.look([&](const std::string& name, const Parameter& parameter) {
    const Tensor value = parameter.value.to(Memory::host);
    tensors.push_back({name, in_file_order(parameter, value)});
  });
  return tensors;
}

void load_tensors(Net& net, const SafetensorsFile& file, const std::string& source) {
  net.visit([&](const std::string& name, Parameter& parameter) { fill_from_file(parameter, fitting(name, parameter, file, source)); });
}

std::vector<std::string> load_backbone(Net& net, const SafetensorsFile& file, const std::string& source,
                                       std::span<const std::string> may_differ) {
  require_parameters(net, may_differ);
  const auto is_named = [&](const std::string& name) { return std::ranges::find(may_differ, name) != may_differ.end(); };
  std::vector<std::string> left;
  std::int64_t all = 0, convolutions = 0, taken_convolutions = 0;
  const auto take = [&](const std::string& name, Parameter& parameter) {
    const Tensor* stored = file.find(name);
    const bool differs = stored == nullptr || !fits(parameter, *stored);
    const bool convolution = parameter.layout == ParameterLayout::convolution;
    all += 1;
    convolutions += convolution ? 1 : 0;
    if (differs && (is_named(name) || is_named(owner_of(name)))) {
      left.push_back(name);
      return;
    }
    fill_from_file(parameter, fitting(name, parameter, file, source));
    taken_convolutions += convolution ? 1 : 0;
  };
  net.visit(take);
  const bool nothing = std::ssize(left) == all;
  if (nothing || (convolutions > 0 && taken_convolutions == 0)) {
    const std::string alike = alike_names(file, left);
    throw DataError(fmt::format("{}: {} is in the file, so that training would start from nothing{}.", source,
                                nothing ? fmt::format("not one of the {} tensors of this network", all)
                                        : fmt::format("not one of the {} convolutions of this network", convolutions),
                                alike.empty() ? "" : "; " + alike));
  }
  return left;
}

}  // namespace amnet

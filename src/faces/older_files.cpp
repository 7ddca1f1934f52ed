#include "model/older_files.h"

#include <amnet/faces/sphere_face.h>

#include <charconv>

namespace amnet {
namespace {

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

}  // namespace

std::optional<NetDescription> description_of_older(const Metadata& metadata, const std::string& source) {
  if (!metadata.contains("amnet.model")) return std::nullopt;
  const std::string& model = entry(metadata, "amnet.model", source);
  require<DataError>(model == "sphere_face", "{}: the model is '{}' but this version knows only 'sphere_face'.", source, model);
  const SphereFaceOptions network{.depth = number<int>(metadata, "amnet.depth", source),
                                  .width = number<double>(metadata, "amnet.width", source),
                                  .embedding = number<std::int64_t>(metadata, "amnet.embedding_size", source)};
  const std::string& embedding = entry(metadata, "amnet.embedding", source);
  require<DataError>(!embedding.empty(), "{}: the metadata 'amnet.embedding' is empty, not the name of a layer.", source);
  const std::string& order = entry(metadata, "amnet.channel_order", source);
  const std::optional<ChannelOrder> known_order = find_named<ChannelOrder>(order);
  require<DataError>(known_order.has_value(), "{}: the channel order is '{}', neither 'bgr' nor 'rgb'.", source, order);
  const ImageFormat input{.height = number<std::int64_t>(metadata, "amnet.input_height", source),
                          .width = number<std::int64_t>(metadata, "amnet.input_width", source),
                          .order = *known_order,
                          .mean = number<double>(metadata, "amnet.mean", source),
                          .scale = number<double>(metadata, "amnet.scale", source)};
  try {
    Model built = face_network(network, input);
    built.roles.embedding = embedding;
    return describe(built.net, built.roles);
    // values that no network can have are an error of the file here, not of the caller
  } catch (const UsageError& error) {
    throw DataError(fmt::format("{}: the metadata describes no network that can be built: {}", source, error.what()));
  }
}

}  // namespace amnet

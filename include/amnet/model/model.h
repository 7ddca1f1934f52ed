// A net together with what its values are for: what a model file holds, and what a trainer trains.
//
//   Model model;
//   const Value images = model.net.input("data", {1, 112, 96, 3});
//   const Value flat = model.net.add("flat", Flatten(), {model.net.add("gap", Pool::global(PoolKind::average), {images})});
//   model.net.add("features", FullyConnected(128), {flat});
//   model.roles = {.image = ImageRole{.input = "data"}, .embedding = "features"};
//   save_model("face.safetensors", model);   // model/model_file.h
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/model/layer_types.h>
#include <amnet/net/net.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace amnet {

/// The input that takes images (N,H,W,3), and what it expects of them.
struct ImageRole {
  std::string input;
  ImageFormat format = {};
  friend bool operator==(const ImageRole&, const ImageRole&) = default;
};

/// A value of one element that measures the quality of the net, under its name in tables and logs.
struct MetricRole {
  std::string name, value;
  friend bool operator==(const MetricRole&, const MetricRole&) = default;
};

/// What values of a net are for, by their names: those of inputs or of layers, with ":1" for a
/// second output. Empty where the net has no such value.
struct Roles {
  std::optional<ImageRole> image = {};
  std::string labels = {};     ///< the input of the classes, i64 (N)
  std::string embedding = {};  ///< the net's embedding of an image, (N,D)
  std::string loss = {};       ///< of one element
  std::vector<MetricRole> metrics = {};
  /// the parameter with a row for each class, (classes,D), or with `centres` rows side by side:
  /// "classes.weight"
  std::string class_weights = {};
  std::int64_t centres = 1;
  friend bool operator==(const Roles&, const Roles&) = default;
};

struct Model {
  Net net = Net();
  Roles roles = {};
  std::vector<LayerType> own = {};  ///< rows of the layer types that are not amnet's
  std::filesystem::path file = {};  ///< it was read from; empty for none

  /// The value of a role. Throws UsageError where the model has none.
  Value images() const { return value("image", roles.image ? roles.image->input : std::string()); }
  Value labels() const { return value("labels", roles.labels); }
  Value embedding() const { return value("embedding", roles.embedding); }
  Value loss() const { return value("loss", roles.loss); }

 private:
  Value value(std::string_view role, const std::string& name) const;
};

}  // namespace amnet

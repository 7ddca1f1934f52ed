// What a net is, as data: its inputs, its layers with all their options, how they are joined, and
// what its values are for. A net built from its description is the same as the original, except for
// the parameters' values.
//
//   const NetDescription description = describe(net, roles);
//   const std::string text = json_of(description);                         // for a file, or to look at
//   Net again = build_net(description_of_json(text, "model.safetensors"));
//   Net part = build_net(description, {.until = {"features"}});            // only what that needs
#pragma once

#include <amnet/model/layer_types.h>
#include <amnet/model/model.h>
#include <amnet/net/net.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace amnet {

struct DescribedInput {
  std::string name;
  std::vector<std::int64_t> shape;  ///< with the placeholder for the batch
  std::optional<DType> dtype;       ///< that of the net's activations where there is none
  bool per_sample = true;           ///< whether the first extent is the batch
  friend bool operator==(const DescribedInput&, const DescribedInput&) = default;
};

struct DescribedLayer {
  std::string name, type;
  Options options;
  std::vector<std::string> inputs;  ///< names of values, as in NetLayer
  friend bool operator==(const DescribedLayer&, const DescribedLayer&) = default;
};

struct NetDescription {
  std::vector<DescribedInput> inputs;
  std::vector<DescribedLayer> layers;  ///< in the order they run
  Roles roles = {};
  friend bool operator==(const NetDescription&, const NetDescription&) = default;
};

/// Throws UsageError that names a layer which cannot be described, or a role whose value the net
/// does not have.
NetDescription describe(const Net& net, Roles roles = {});

/// The part that these values depend on, and the roles that it keeps. Throws DataError for a value
/// that the net does not have.
NetDescription part_of(const NetDescription& description, const std::vector<std::string>& values);

/// The first difference, such as "layer 'conv1_1': outputs was 64 but now it is 16"; empty where
/// the nets are the same. Roles are not compared.
std::string first_difference(const NetDescription& before, const NetDescription& now);

struct BuildOptions {
  DType dtype = DType::f32;             ///< of the net
  std::vector<std::string> until = {};  ///< builds only what these values depend on; empty: all
  std::span<const LayerType> own = {};  ///< types that are not amnet's
};

/// Throws DataError that names the layer for what cannot be built, or the role whose value the net
/// does not have; UsageError for an own row that has the name of another.
Net build_net(const NetDescription& description, const BuildOptions& options = {});

/// A JSON text of one line. Numbers are restored to the bit. Throws UsageError for what JSON cannot
/// hold: a number that is not finite, a text that is not UTF-8, options that are nested too deep.
std::string json_of(const NetDescription& description);
/// Throws DataError naming `source` for a text that is not a description, and for a member that is
/// missing, of another kind, or unknown.
NetDescription description_of_json(std::string_view text, const std::string& source);

}  // namespace amnet

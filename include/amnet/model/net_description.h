// What a net is, as data: its inputs, its layers with all their options, and how they are joined. A
// net made of its description is the net it was made from, but for the parameters' values.
//
//   const NetDescription description = describe(net);
//   const std::string text = json_of(description);                         // for a file, or to look at
//   Net again = build_net(description_of_json(text, "model.safetensors"));
//   Net part = build_net(description, {.until = {"fc5"}});                 // only what that needs
#pragma once

#include <amnet/model/layer_types.h>
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
  friend bool operator==(const NetDescription&, const NetDescription&) = default;
};

/// Throws UsageError that names a layer which cannot be described.
NetDescription describe(const Net& net);

struct BuildOptions {
  DType dtype = DType::f32;             ///< of the net
  std::vector<std::string> until = {};  ///< builds only what these values depend on; empty: all
  std::span<const LayerType> own = {};  ///< types that are not amnet's
};

/// Throws DataError that names the layer for what cannot be built.
Net build_net(const NetDescription& description, const BuildOptions& options = {});

/// A JSON text of one line. Numbers come back to the bit.
std::string json_of(const NetDescription& description);
/// Throws DataError naming `source` for a text that is none, and for a member that is missing, of another kind, or unknown.
NetDescription description_of_json(std::string_view text, const std::string& source);

}  // namespace amnet

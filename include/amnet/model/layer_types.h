// The one table of layer types: how a layer is made from the options that it states. A program with
// a layer of its own passes one more row.
//
//   std::unique_ptr<Layer> layer = make_layer("fully_connected", options, "layer 'features'");
//   const LayerType own[] = {layer_type<Swish, SwishOptions>("swish")};
//   layer = make_layer("swish", options_of(SwishOptions{.slope = 2}), "layer 'swish1'", own);
#pragma once

#include <amnet/layers/layer.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace amnet {

/// A row of the table.
struct LayerType {
  std::string_view type;  ///< as Layer::type() returns it
  /// Throws DataError that begins with `where` for options that the layer does not have, UsageError
  /// for values that it refuses.
  std::function<std::unique_ptr<Layer>(const Options& options, const std::string& where)> make;
};

/// The row of a layer type L that is made from the struct O, whose fields() names all options that
/// it states (core/options.h).
template <class L, class O>
LayerType layer_type(std::string_view type) {
  return {type, [](const Options& tree, const std::string& where) -> std::unique_ptr<Layer> {
            O options;
            read_options(tree, where, options);
            return std::make_unique<L>(options);
          }};
}
/// That of a layer without options.
template <class L>
LayerType layer_type(std::string_view type) {
  return {type, [](const Options& tree, const std::string& where) -> std::unique_ptr<Layer> {
            OptionReader(tree, where).finish();
            return std::make_unique<L>();
          }};
}

/// The rows of amnet's own layers.
std::span<const LayerType> layer_types();

/// Makes a layer, of amnet's types or of `own` ones. Throws DataError that begins with `where` for
/// an unknown type, with the known ones, and for options from which no layer can be made;
/// UsageError for an own row that has the name of another.
std::unique_ptr<Layer> make_layer(std::string_view type, const Options& options, const std::string& where,
                                  std::span<const LayerType> own = {});

}  // namespace amnet

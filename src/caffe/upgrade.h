// Older forms of Caffe's nets and solvers, written in the current one, as Caffe itself does when it
// loads them: every other part of this folder knows one form only.
#pragma once

#include "caffe/caffe.pb.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace amnet::caffe {

/// Why a net of Caffe's first format is refused: a sentence that follows the place.
inline constexpr std::string_view v0_is_not_read =
    "expected `layer` or `layers { type: … }` but this is a net of Caffe's first format (V0); convert it with upgrade_net_proto_text.";

/// The current name of a layer type of V1 ("Convolution"), by its number in V1LayerParameter;
/// "type 99" where there is none.
std::string type_of_v1(std::int64_t number);

/// Lines of a file, counted from 1, of what a net consists of.
struct NetLines {
  std::vector<int> layer, layers;  ///< one for each entry
  int input = 1;                   ///< of the first `input`, `input_dim` or `input_shape`
};

/// Changes `layers` to `layer`, `input` to a layer of type Input that comes first, and the three
/// parameters of a BatchNorm layer to ones that no solver changes. Returns the line of each layer.
/// Throws DataError for a net that mixes the forms, and for V0.
std::vector<int> upgrade_net(caffe_schema::NetParameter& net, const std::string& file, const NetLines& lines);

/// Changes `solver_type: ADAM`, which stands at `place`, to `type: "Adam"`. Throws DataError where
/// both are there.
void upgrade_solver(caffe_schema::SolverParameter& solver, const std::string& place);

}  // namespace amnet::caffe

// The values that a filler gives a tensor.
//
//   const std::vector<double> values = filler_values(Filler::xavier(), {8, 32}, Random(seed, stream_of("fc.weight")));
#pragma once

#include <amnet/layers/layer.h>

#include <vector>

namespace amnet {

/// One after the other, in double; a function of the arguments alone. `shape` is that of files,
/// where the channels that a weight reads are the second extent.
std::vector<double> filler_values(const Filler& filler, const Shape& shape, const Random& random);

}  // namespace amnet

// The values that a filler gives a tensor.
//
//   const std::vector<double> values = filler_values(Filler::xavier(), {8, 32}, Random(seed, stream_of("fc.weight")));
#pragma once

#include <amnet/layers/layer.h>

#include <vector>

namespace amnet {

/// In the order of the elements, in double; a function of the arguments alone.
std::vector<double> filler_values(const Filler& filler, const Shape& shape, const Random& random);

}  // namespace amnet

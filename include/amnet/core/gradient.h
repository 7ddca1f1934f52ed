// How a backward kernel writes a gradient. The net knows how many readers a value has, so the first
// writer assigns and later ones add: nothing is zeroed first, nothing is read needlessly.
//
//   relu_backward(cpu, y, dy, {dx, Write::assign});   // its first reader's
//   relu_backward(cpu, y, dy, {dx, Write::add});      // that of a second one, on top
//   relu_backward(cpu, y, dy, {});                    // nobody wants it: nothing is computed
#pragma once

#include <amnet/core/tensor.h>

namespace amnet {

/// skip: this gradient is not needed, compute nothing. assign: overwrite whatever is there. add:
/// add to it.
enum class Write : unsigned char { skip, assign, add };

/// A gradient to be written: the tensor (undefined when write is skip) and how.
struct Gradient {
  Tensor tensor;
  Write write = Write::skip;
  explicit operator bool() const { return write != Write::skip; }
};

}  // namespace amnet

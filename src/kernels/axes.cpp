#include "axes.h"

#include <amnet/core/text.h>

#include <algorithm>

namespace amnet {
namespace {

bool is_order(std::span<const std::int64_t> order, int rank) {
  std::int64_t found = 0;
  for (const std::int64_t axis : order) found |= axis >= 0 && axis < rank ? std::int64_t{1} << axis : 0;
  return static_cast<int>(order.size()) == rank && found == (std::int64_t{1} << rank) - 1;
}

}  // namespace

PermutedAxes permuted_axes(const Tensor& from, std::span<const std::int64_t> order, const Tensor& to) {
  const int rank = from.rank();
  require(is_order(order, rank), "[permute] expected each axis of {} once but got the order {}.", from.shape(), list_text(order));
  PermutedAxes axes{.extents = {1, 1, 1, 1}, .strides = {0, 0, 0, 0}};
  bool fits = to.rank() == rank && to.dtype() == from.dtype();
  for (int i = 0; i < rank; ++i) {
    const int axis = static_cast<int>(order[static_cast<std::size_t>(i)]), at = Shape::max_rank - rank + i;
    axes.extents[at] = from.extent(axis);
    axes.strides[at] = from.shape().count_from(axis + 1);
    fits = fits && to.extent(i) == axes.extents[at];
  }
  require(fits, "[permute] expected the axes {} of {} {} but got {} {}.", list_text(order), name_of(from.dtype()), from.shape(),
          name_of(to.dtype()), to.shape());
  return axes;
}

std::vector<std::int64_t> inverse_order(std::span<const std::int64_t> order) {
  std::vector<std::int64_t> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int64_t axis = order[i];
    require(axis >= 0 && static_cast<std::size_t>(axis) < order.size(), "[permute] expected each axis of {} once but got {}.", order.size(),
            list_text(order));
    inverse[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(i);
  }
  return inverse;
}

AxisPart axis_part(const Tensor& whole, int axis, std::int64_t begin, std::int64_t extent) {
  require(axis >= 0 && axis < whole.rank(), "[axis_part] expected an axis of {} but got {}.", whole.shape(), axis);
  require(begin >= 0 && extent >= 0 && begin + extent <= whole.extent(axis), "[axis_part] expected indices below {} but got [{}, {}).",
          whole.extent(axis), begin, begin + extent);
  const std::int64_t inner = whole.shape().count_from(axis + 1), of_whole = whole.extent(axis) * inner;
  return {.runs = of_whole == 0 ? 0 : whole.count() / of_whole, .of_whole = of_whole, .of_part = extent * inner, .offset = begin * inner};
}

AxisPart axis_part(const Tensor& whole, int axis, std::int64_t begin, const Tensor& part) {
  const bool has_axis = axis >= 0 && axis < whole.rank() && part.rank() == whole.rank();
  require(has_axis && part.dtype() == whole.dtype() && part.shape().with(axis, whole.extent(axis)) == whole.shape(),
          "[axis_part] expected a part along axis {} of {} {} but got {} {}.", axis, name_of(whole.dtype()), whole.shape(),
          name_of(part.dtype()), part.shape());
  return axis_part(whole, axis, begin, part.extent(axis));
}

}  // namespace amnet

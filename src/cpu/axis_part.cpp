#include <amnet/kernels/axis_part.h>

#include "kernels/any_dtype.h"
#include "kernels/axes.h"
#include "lanes.h"

namespace amnet {
namespace {

/// Calls body(place in the whole, place in the part) for every element of the part.
template <class Body>
void for_part(Cpu& cpu, const AxisPart& axes, const Body& body) {
  const auto [runs, of_whole, of_part, offset] = axes;
  if (runs == 1) {  // one row would be one piece of work
    for_elements(cpu, of_part, [=, offset = offset](std::int64_t i) { body(offset + i, i); });
    return;
  }
  for_rows(cpu, runs, of_part, [=, of_whole = of_whole, of_part = of_part, offset = offset](std::int64_t run) {
    for (std::int64_t i = 0; i < of_part; ++i) body(run * of_whole + offset + i, run * of_part + i);
  });
}

}  // namespace

void take_part(Cpu& cpu, const Tensor& whole, int axis, std::int64_t begin, const Gradient& part) {
  if (!part) return;
  const AxisPart axes = axis_part(whole, axis, begin, part.tensor);
  if (part.write == Write::assign) {
    with_any(whole.dtype(), [&]<class T>() {
      for_part(cpu, axes,
               [from = whole.data<T>().data(), to = part.tensor.data<T>().data()](std::int64_t w, std::int64_t p) { to[p] = from[w]; });
    });
    return;
  }
  with_float(whole.dtype(), "axis_part", [&]<class T>() {
    for_part(cpu, axes,
             [from = whole.data<T>().data(), to = part.tensor.data<T>().data()](std::int64_t w, std::int64_t p) { to[p] += from[w]; });
  });
}

void put_part(Cpu& cpu, const Tensor& part, const Gradient& whole, int axis, std::int64_t begin) {
  if (!whole) return;
  const AxisPart axes = axis_part(whole.tensor, axis, begin, part);
  if (whole.write == Write::assign) {
    with_any(part.dtype(), [&]<class T>() {
      for_part(cpu, axes,
               [from = part.data<T>().data(), to = whole.tensor.data<T>().data()](std::int64_t w, std::int64_t p) { to[w] = from[p]; });
    });
    return;
  }
  with_float(part.dtype(), "axis_part", [&]<class T>() {
    for_part(cpu, axes,
             [from = part.data<T>().data(), to = whole.tensor.data<T>().data()](std::int64_t w, std::int64_t p) { to[w] += from[p]; });
  });
}

void clear_part(Cpu& cpu, const Tensor& whole, int axis, std::int64_t begin, std::int64_t extent) {
  const AxisPart axes = axis_part(whole, axis, begin, extent);
  with_any(whole.dtype(),
           [&]<class T>() { for_part(cpu, axes, [to = whole.data<T>().data()](std::int64_t w, std::int64_t) { to[w] = T{}; }); });
}

}  // namespace amnet

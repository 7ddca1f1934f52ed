#include <amnet/kernels/axis_part.h>

#include "elementwise.h"
#include "kernels/any_dtype.h"
#include "kernels/axes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "axis_part";

/// Runs of elements, a step apart on either side.
template <class T, bool adds>
struct MoveRuns {
  static constexpr int threads = 256;
  const T* from;  // nullptr: zeros
  T* to;
  std::int64_t count, of_run, from_step, to_step;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t i = thread.first(); i < count; i += thread.step()) {
      const std::int64_t run = i / of_run, place = i % of_run;
      T& target = to[run * to_step + place];
      if constexpr (adds) {
        put(target, to_float(from[run * from_step + place]), Write::add);
      } else {
        target = from == nullptr ? T{} : from[run * from_step + place];
      }
    }
  }
};

template <class T, bool adds>
void move(Cuda& cuda, const AxisPart& axes, const T* from, std::int64_t from_step, T* to, std::int64_t to_step) {
  const MoveRuns<T, adds> kernel{
      .from = from, .to = to, .count = axes.count(), .of_run = axes.of_part, .from_step = from_step, .to_step = to_step};
  launch(cuda, blocks_for(cuda, kernel.count, kernel.threads), kernel);
}

}  // namespace

void take_part(Cuda& cuda, const Tensor& whole, int axis, std::int64_t begin, const Gradient& part) {
  if (!part) return;
  const AxisPart axes = axis_part(whole, axis, begin, part.tensor);
  const auto take = [&]<class T, bool adds>() {
    move<T, adds>(cuda, axes, elements<const T>(whole, who) + axes.offset, axes.of_whole, elements<T>(part.tensor, who), axes.of_part);
  };
  if (part.write == Write::add) {
    with_activation(whole.dtype(), who, [&]<class T>() { take.template operator()<T, true>(); });
  } else {
    with_any(whole.dtype(), [&]<class T>() { take.template operator()<T, false>(); });
  }
}

void put_part(Cuda& cuda, const Tensor& part, const Gradient& whole, int axis, std::int64_t begin) {
  if (!whole) return;
  const AxisPart axes = axis_part(whole.tensor, axis, begin, part);
  const auto place = [&]<class T, bool adds>() {
    move<T, adds>(cuda, axes, elements<const T>(part, who), axes.of_part, elements<T>(whole.tensor, who) + axes.offset, axes.of_whole);
  };
  if (whole.write == Write::add) {
    with_activation(part.dtype(), who, [&]<class T>() { place.template operator()<T, true>(); });
  } else {
    with_any(part.dtype(), [&]<class T>() { place.template operator()<T, false>(); });
  }
}

void clear_part(Cuda& cuda, const Tensor& whole, int axis, std::int64_t begin, std::int64_t extent) {
  const AxisPart axes = axis_part(whole, axis, begin, extent);
  with_any(whole.dtype(), [&]<class T>() {
    move<T, false>(cuda, axes, static_cast<const T*>(nullptr), 0, elements<T>(whole, who) + axes.offset, axes.of_whole);
  });
}

}  // namespace amnet

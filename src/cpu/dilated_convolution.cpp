#include "dilated_convolution.h"

namespace amnet {
namespace {

/// The taps of a kernel, one after the other, as convolutions of 1x1.
struct Taps {
  const Conv2dGeometry& geometry;

  std::int64_t count() const { return geometry.kernel.height * geometry.kernel.width; }
  Conv2dGeometry operator[](std::int64_t tap) const {
    const Extents at{tap / geometry.kernel.width, tap % geometry.kernel.width};
    // the padding may be negative: the first output then reads from further inside
    return {.stride = geometry.stride,
            .pad = {geometry.pad.height - at.height * geometry.dilation.height, geometry.pad.width - at.width * geometry.dilation.width},
            .groups = geometry.groups};
  }
};

/// One tap's weights (O,1,1,C/groups), of those of all (O,kh,kw,C/groups).
class TapWeights {
 public:
  explicit TapWeights(const Tensor& all)
      : all_(all), of_tap_({all.extent(0), 1, 1, all.extent(3)}, all.dtype()), taps_(all.extent(1) * all.extent(2)) {}

  const Tensor& tensor() const { return of_tap_; }

  template <class T>
  void read(std::int64_t tap) const {
    const T* from = all_.data<const T>().data();
    each(tap, [&](std::int64_t of_all, std::int64_t of_tap) { of_tap_.data<T>().data()[of_tap] = from[of_all]; });
  }
  template <class T>
  void write(std::int64_t tap, Write how) const {
    T* to = all_.data<T>().data();
    each(tap, [&](std::int64_t of_all, std::int64_t of_tap) { put(to[of_all], of_tap_.data<T>().data()[of_tap], how); });
  }

 private:
  template <class Body>
  void each(std::int64_t tap, Body&& body) const {
    const std::int64_t outputs = all_.extent(0), channels = all_.extent(3);
    for (std::int64_t o = 0; o < outputs; ++o) {
      for (std::int64_t c = 0; c < channels; ++c) body((o * taps_ + tap) * channels + c, o * channels + c);
    }
  }

  const Tensor& all_;
  Tensor of_tap_;
  std::int64_t taps_;
};

}  // namespace

template <class T>
void dilated_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Shape& y,
                     const Epilogue<T>& epilogue) {
  const Taps taps{geometry};
  const TapWeights weights(w);
  for (std::int64_t tap = 0; tap < taps.count(); ++tap) {
    weights.read<T>(tap);
    // What follows the sums follows the last tap.
    Epilogue<T> end = tap + 1 == taps.count() ? epilogue : Epilogue<T>{.y = epilogue.y};
    end.write = tap > 0 ? Write::add : epilogue.write;
    direct_forward<T>(cpu, taps[tap], x, weights.tensor(), y, end);
  }
}

template void dilated_forward(Cpu&, const Conv2dGeometry&, const Tensor&, const Tensor&, const Shape&, const Epilogue<float>&);
template void dilated_forward(Cpu&, const Conv2dGeometry&, const Tensor&, const Tensor&, const Shape&, const Epilogue<double>&);

void dilated_backward_data(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& dy, const Tensor& w, const Gradient& dx) {
  const Taps taps{geometry};
  const TapWeights weights(w);
  for (std::int64_t tap = 0; tap < taps.count(); ++tap) {
    with_float(w.dtype(), "conv2d", [&]<class T>() { weights.read<T>(tap); });
    direct_backward_data(cpu, taps[tap], dy, weights.tensor(), {dx.tensor, tap > 0 ? Write::add : dx.write});
  }
}

void dilated_backward_weights(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& dy, const Gradient& dw) {
  const Taps taps{geometry};
  const TapWeights weights(dw.tensor);
  for (std::int64_t tap = 0; tap < taps.count(); ++tap) {
    direct_backward_weights(cpu, taps[tap], x, dy, {weights.tensor(), Write::assign});
    with_float(x.dtype(), "conv2d", [&]<class T>() { weights.write<T>(tap, dw.write); });
  }
}

}  // namespace amnet

#include <amnet/kernels/normalize.h>

#include "kernels/arguments.h"
#include "rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "normalize";

template <class T>
struct NormalizeRow {
  const T* x;
  T* y;
  float *norms, epsilon;
  std::int64_t columns;
  bool packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const T* from = x + row * columns;
    T* to = y + row * columns;
    float squares = 0;
    team.template each<Pack<T>::size>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width];
      load_floats(from + i, values);
      for (const float value : values) squares += value * value;
    });
    const float length = sqrtf(team.sum(squares) + epsilon);
    if (team.lane() == 0) norms[row] = length;
    const float inverse = 1 / length;
    team.template each<Pack<T>::size>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width];
      load_floats(from + i, values);
      for (float& value : values) value *= inverse;
      store_floats(to + i, values, Write::assign);
    });
  }
};

template <class T>
struct NormalizeRowBackward {
  const T *y, *dy;              // dy or nullptr
  const float *norms, *dnorms;  // dnorms or nullptr
  T* dx;
  std::int64_t columns;
  Write write;
  bool packed, undivided;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const std::int64_t begin = row * columns;
    float kept = dnorms != nullptr ? dnorms[row] : 0;  // what is added in the direction of y
    float inverse = 0;
    if (dy != nullptr) {
      float along = 0;
      team.template each<Pack<T>::size>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
        float unit[width], slope[width];
        load_floats(y + begin + i, unit);
        load_floats(dy + begin + i, slope);
        for (int e = 0; e < width; ++e) along += unit[e] * slope[e];
      });
      inverse = undivided ? 1 : 1 / norms[row];
      kept -= team.sum(along) * inverse;
    }
    team.template each<Pack<T>::size>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float unit[width], slope[width] = {};
      load_floats(y + begin + i, unit);
      if (dy != nullptr) load_floats(dy + begin + i, slope);
      for (int e = 0; e < width; ++e) slope[e] = slope[e] * inverse + kept * unit[e];
      store_floats(dx + begin + i, slope, write);
    });
  }
};

}  // namespace

void normalize_forward(Cuda& cuda, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm) {
  check_normalize(x, y, norm);
  with_activation(x.dtype(), who, [&]<class T>() {
    const std::int64_t columns = channels_of(x);
    for_rows(cuda, rows_of(x), columns,
             NormalizeRow<T>{.x = elements<const T>(x, who),
                             .y = elements<T>(y, who),
                             .norms = elements<float>(norm, who),
                             .epsilon = static_cast<float>(epsilon),
                             .columns = columns,
                             .packed = rows_are_packed(columns, Pack<T>::size, {x, y})});
  });
}

void normalize_backward(Cuda& cuda, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx,
                        bool undivided) {
  if (!dx) return;
  check_normalize(y, dx.tensor, norm);
  with_activation(y.dtype(), who, [&]<class T>() {
    const std::int64_t columns = channels_of(y);
    for_rows(cuda, rows_of(y), columns,
             NormalizeRowBackward<T>{.y = elements<const T>(y, who),
                                     .dy = elements_or_null<const T>(dy, who),
                                     .norms = elements<const float>(norm, who),
                                     .dnorms = elements_or_null<const float>(dnorm, who),
                                     .dx = elements<T>(dx.tensor, who),
                                     .columns = columns,
                                     .write = dx.write,
                                     .packed = rows_are_packed(columns, Pack<T>::size, {y, dy, dx.tensor}),
                                     .undivided = undivided});
  });
}

}  // namespace amnet

#include <amnet/kernels/sphere_product.h>

#include "kernels/margin_arguments.h"
#include "kernels/sphere_angle.h"
#include "rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "sphere_product";

/// The label of a sample, or -1 for one that is not a class.
AMNET_DEVICE std::int64_t label_of(const std::int64_t* labels, std::int64_t row, std::int64_t classes) {
  const std::int64_t label = labels[row];
  return label >= 0 && label < classes ? label : -1;
}

/// The norm of an input, and the margin of its target.
template <class T>
struct TurnTarget {
  const T* x;
  const std::int64_t* labels;
  float *y, *targets;
  std::int64_t columns, classes;
  int multiplier;
  float lambda;
  bool packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const T* from = x + row * columns;
    float squares = 0;
    team.template each<Pack<T>::size>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width];
      load_floats(from + i, values);
      for (const float value : values) squares += value * value;
    });
    const float norm = sqrtf(team.sum(squares) + 1e-12F);
    if (team.lane() != 0) return;
    const std::int64_t label = label_of(labels, row, classes);
    const float product = label < 0 ? 0 : y[row * classes + label];
    const float cosine = product / norm;
    targets[2 * row] = norm;
    targets[2 * row + 1] = cosine;
    if (label < 0) return;
    const float psi = SphereAngle<float>::of(multiplier, cosine).psi;
    y[row * classes + label] = (norm * psi + lambda * product) / (1 + lambda);
  }
};

struct ScaleTarget {
  const float *dy, *targets;
  const std::int64_t* labels;
  float *scaled, *along;
  std::int64_t classes;
  int multiplier;
  float lambda;
  bool reference, packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const SphereSlopes<float> slopes(multiplier, lambda, reference, targets[2 * row], targets[2 * row + 1]);
    const std::int64_t label = label_of(labels, row, classes), begin = row * classes;
    team.template each<Pack<float>::size>(classes, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width];
      load_floats(dy + begin + i, values);
      for (int e = 0; e < width; ++e) {
        if (i + e == label) values[e] *= slopes.of_product;
      }
      store_floats(scaled + begin + i, values, Write::assign);
    });
    if (team.lane() == 0) along[row] = label < 0 ? 0 : dy[begin + label] * slopes.of_x;
  }
};

}  // namespace

void sphere_margin_forward(Cuda& cuda, const SphereMargin& margin, const Tensor& x, const Tensor& labels, const Tensor& y,
                           const Tensor& targets) {
  check_sphere_margin(margin.multiplier, y, labels, y, targets);
  require(x.rank() == 2 && x.extent(0) == y.extent(0), "[sphere_product] expected an input (N,D) of {} rows but got {}.", y.extent(0),
          x.shape());
  with_activation(x.dtype(), who, [&]<class T>() {
    const std::int64_t columns = channels_of(x);
    for_rows(cuda, y.extent(0), columns,
             TurnTarget<T>{.x = elements<const T>(x, who),
                           .labels = elements<const std::int64_t>(labels, who),
                           .y = elements<float>(y, who),
                           .targets = elements<float>(targets, who),
                           .columns = columns,
                           .classes = y.extent(1),
                           .multiplier = margin.multiplier,
                           .lambda = static_cast<float>(margin.lambda),
                           .packed = rows_are_packed(columns, Pack<T>::size, {x})});
  });
}

void sphere_margin_backward(Cuda& cuda, const SphereMargin& margin, const Tensor& targets, const Tensor& labels, const Tensor& dy,
                            const Tensor& scaled, const Tensor& along) {
  check_sphere_margin(margin.multiplier, dy, labels, scaled, targets);
  check_values(along, dy.extent(0), dy.dtype(), "coefficients", who);
  const std::int64_t classes = dy.extent(1);
  for_rows(cuda, dy.extent(0), classes,
           ScaleTarget{.dy = elements<const float>(dy, who),
                       .targets = elements<const float>(targets, who),
                       .labels = elements<const std::int64_t>(labels, who),
                       .scaled = elements<float>(scaled, who),
                       .along = elements<float>(along, who),
                       .classes = classes,
                       .multiplier = margin.multiplier,
                       .lambda = static_cast<float>(margin.lambda),
                       .reference = margin.reference,
                       .packed = rows_are_packed(classes, Pack<float>::size, {dy, scaled})});
}

}  // namespace amnet

#include <amnet/layers/filler_values.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace amnet {
namespace {

std::int64_t first_extent(const Shape& shape) { return shape.rank() == 0 ? 1 : shape[0]; }

/// The n of the fillers (layers/layer.h).
double fan_of(const Filler& filler, const Shape& shape) {
  const auto count = static_cast<double>(shape.count());
  const auto per = [&](std::int64_t extent) { return count / static_cast<double>(std::max<std::int64_t>(1, extent)); };
  const double in = per(first_extent(shape)), out = shape.rank() >= 2 ? per(shape[1]) : count;
  switch (filler.fan) {
    case Filler::Fan::in: break;
    case Filler::Fan::out: return out;
    case Filler::Fan::average: return (in + out) / 2;
  }
  return in;
}

void divide_rows(std::span<double> values, std::int64_t rows, bool by_sum) {
  const std::size_t columns = values.size() / static_cast<std::size_t>(std::max<std::int64_t>(1, rows));
  for (std::size_t begin = 0; columns > 0 && begin < values.size(); begin += columns) {
    const std::span<double> row = values.subspan(begin, columns);
    double sum = 0;
    for (const double each : row) sum += by_sum ? each : each * each;
    const double divisor = by_sum ? sum : std::sqrt(sum);
    for (double& each : row) each = divisor > 0 ? each / divisor : each;
  }
}

}  // namespace

std::vector<double> filler_values(const Filler& filler, const Shape& shape, const Random& random) {
  std::vector<double> values(static_cast<std::size_t>(shape.count()));
  const double bound = std::sqrt(3 / fan_of(filler, shape)),
               deviation = std::sqrt(2 / fan_of(filler, shape) / (1 + filler.slope * filler.slope));
  const double kept = static_cast<double>(filler.sparse) / static_cast<double>(std::max<std::int64_t>(1, first_extent(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (filler.kind) {
      case Filler::Kind::constant: values[i] = filler.value; break;
      case Filler::Kind::xavier: values[i] = random.uniform(i, -bound, bound); break;
      case Filler::Kind::gaussian:
        values[i] = filler.value * random.normal(i);
        if (filler.mean != 0) values[i] += filler.mean;
        // the draw of what stays lies behind all draws of values
        if (filler.sparse >= 0 && random.uniform(values.size() + i) >= kept) values[i] = 0;
        break;
      case Filler::Kind::msra: values[i] = deviation * random.normal(i); break;
      case Filler::Kind::uniform: values[i] = random.uniform(i, filler.low, filler.high); break;
      case Filler::Kind::unit_rows: values[i] = random.normal(i); break;
      case Filler::Kind::positive_rows: values[i] = random.uniform(i); break;
    }
  }
  if (filler.kind == Filler::Kind::unit_rows) divide_rows(values, first_extent(shape), false);
  if (filler.kind == Filler::Kind::positive_rows) divide_rows(values, first_extent(shape), true);
  return values;
}

}  // namespace amnet

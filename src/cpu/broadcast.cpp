#include <amnet/kernels/broadcast.h>

#include <vector>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {

Shape BroadcastAxes::shape(const Shape& x) const {
  require(first >= 0 && count >= 0 && first + count <= x.rank(), "[broadcast] expected axes of {} but got [{}, {}).", x, first,
          first + count);
  if (count == 0) return {1};
  std::int64_t extents[Shape::max_rank] = {};
  for (int i = 0; i < count; ++i) extents[i] = x[first + i];
  return Shape(std::span<const std::int64_t>(extents, static_cast<std::size_t>(count)));
}

namespace {

/// x as (outer, values, inner): `values` different factors and terms.
struct Sizes {
  std::int64_t outer, values, inner;

  std::int64_t rows() const { return outer * values; }
};

Sizes sizes_of(BroadcastAxes axes, const Tensor& x, std::initializer_list<Tensor> others) {
  const Shape shape = axes.shape(x.shape());
  for (const Tensor& other : others) {
    require(!other.defined() || (other.count() == shape.count() && other.dtype() == x.dtype()),
            "[broadcast] expected a factor or term {} {} for {} but got {} {}.", name_of(x.dtype()), shape, x.shape(),
            name_of(other.dtype()), other.shape());
  }
  const std::int64_t values = shape.count(), inner = axes.count == 0 ? x.count() : x.shape().count_from(axes.first + axes.count);
  return {values * inner == 0 ? 0 : x.count() / (values * inner), values, inner};
}

/// y(o,v,i) (+)= x(o,v,i) s[v] + b[v]; s or b null: 1 or 0.
template <class T>
void apply(Cpu& cpu, const Sizes& size, const T* x, const T* s, const T* b, T* y, Write write) {
  if (size.inner == 1) {
    for_rows(cpu, size.outer, size.values, [=, values = size.values](std::int64_t row) {
      const T* from = x + row * values;
      T* to = y + row * values;
      if (s != nullptr && b != nullptr) {
        for (std::int64_t v = 0; v < values; ++v) put(to[v], from[v] * s[v] + b[v], write);
      } else if (s != nullptr) {
        for (std::int64_t v = 0; v < values; ++v) put(to[v], from[v] * s[v], write);
      } else {
        for (std::int64_t v = 0; v < values; ++v) put(to[v], b != nullptr ? from[v] + b[v] : from[v], write);
      }
    });
    return;
  }
  const auto of_row = [=, values = size.values](std::int64_t row) {
    const std::int64_t v = row % values;
    return std::pair(s != nullptr ? s[v] : T{1}, b != nullptr ? b[v] : T{0});
  };
  if (size.rows() == 1) {  // one row would be one piece of work
    const auto [factor, term] = of_row(0);
    for_elements(cpu, size.inner, [=, factor = factor, term = term](std::int64_t i) { put(y[i], x[i] * factor + term, write); });
    return;
  }
  for_rows(cpu, size.rows(), size.inner, [=, inner = size.inner](std::int64_t row) {
    const auto [factor, term] = of_row(row);
    for (std::int64_t i = row * inner; i < (row + 1) * inner; ++i) put(y[i], x[i] * factor + term, write);
  });
}

/// sums[v] (+)= the sum over o and i of term(o, v, i), whose place is passed, in double: a sum over
/// a whole tensor may cancel to far less than its terms.
template <class T, class Term>
void sum_each(Cpu& cpu, const Sizes& size, const Gradient& sums, const Term& term) {
  const auto [outer, values, inner] = size;
  std::vector<double> totals(static_cast<std::size_t>(values));
  const auto row_sum = [&, inner = inner](std::int64_t row) {
    return inner == 1 ? term(row) : lane_sum<double>(inner, [&](std::int64_t i) { return term(row * inner + i); });
  };
  if (size.rows() == 1) {
    sum_over_rows<double>(cpu, inner, 1, totals.data(), Write::assign, [&](Rows range, double* partial) {
      *partial = lane_sum<double>(range.end - range.begin, [&](std::int64_t i) { return term(range.begin + i); });
    });
  } else if (outer == 1) {
    for_rows(cpu, values, inner, [&](std::int64_t v) { totals[static_cast<std::size_t>(v)] = row_sum(v); });
  } else {
    sum_over_rows<double>(cpu, outer, values, totals.data(), Write::assign, [&, values = values](Rows range, double* partial) {
      for (std::int64_t o = range.begin; o < range.end; ++o) {
        for (std::int64_t v = 0; v < values; ++v) partial[v] += row_sum(o * values + v);
      }
    });
  }
  T* out = sums.tensor.data<T>().data();
  for (std::size_t v = 0; v < totals.size(); ++v) put(out[v], static_cast<T>(totals[v]), sums.write);
}

}  // namespace

void broadcast_forward(Cpu& cpu, BroadcastAxes axes, const Tensor& x, const Tensor& s, const Tensor& b, const Tensor& y) {
  const Sizes size = sizes_of(axes, x, {s, b});
  with_float(x.dtype(), "broadcast", [&]<class T>() {
    apply(cpu, size, x.data<const T>().data(), elements_or_null<const T>(s), elements_or_null<const T>(b), y.data<T>().data(),
          Write::assign);
  });
}

void broadcast_backward(Cpu& cpu, BroadcastAxes axes, const Tensor& x, const Tensor& s, const Tensor& dy,
                        const BroadcastGradients& gradients) {
  const Gradient &dx = gradients.dx, &ds = gradients.ds, &db = gradients.db;
  const Sizes size = sizes_of(axes, dy, {s, ds.tensor, db.tensor});
  with_float(dy.dtype(), "broadcast", [&]<class T>() {
    const T* dout = dy.data<T>().data();
    if (ds) {
      sum_each<T>(cpu, size, ds,
                  [dout, in = x.data<T>().data()](std::int64_t i) { return static_cast<double>(in[i]) * static_cast<double>(dout[i]); });
    }
    if (db) sum_each<T>(cpu, size, db, [dout](std::int64_t i) { return static_cast<double>(dout[i]); });
    if (dx) apply<T>(cpu, size, dout, elements_or_null<const T>(s), nullptr, dx.tensor.data<T>().data(), dx.write);
  });
}

}  // namespace amnet

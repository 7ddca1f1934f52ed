// cuBLAS computes the products. With one stream per handle its documentation promises the same bits
// in every run on one kind of GPU ("Results reproducibility"), so that its default workspace can
// also be used in a deterministic run.
//
// A unit row is w(o) / norm(o). In f32 and tf32 the inverse norms multiply the smaller operand of a
// product: the outputs, or a copy of some of their gradients; there is no second matrix of weights.
// In bf16 the factors are rounded copies in any case, and the copy holds the unit rows.
#include <amnet/kernels/fully_connected.h>

#include "kernels/arguments.h"
#include "rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "fully_connected";

/// A matrix in the GPU's memory, with a distance of `stride` elements between its rows.
struct Matrix {
  const void* at;
  DType dtype;
  std::int64_t stride;

  Matrix from_row(std::int64_t row) const { return from_element(row * stride); }
  Matrix from_column(std::int64_t column) const { return from_element(column); }

 private:
  Matrix from_element(std::int64_t i) const {
    return {static_cast<const std::byte*>(at) + static_cast<std::size_t>(i) * size_of(dtype), dtype, stride};
  }
};
/// A factor of a product: a matrix or its transpose.
struct Factor {
  Matrix matrix;
  bool transposed = false;
};

cudaDataType_t type_of(DType dtype) { return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

cublasComputeType_t compute_type(ProductPrecision precision) {
  switch (precision) {
    case ProductPrecision::f32: return CUBLAS_COMPUTE_32F_PEDANTIC;
    case ProductPrecision::tf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
    case ProductPrecision::bf16: return CUBLAS_COMPUTE_32F;
  }
  return CUBLAS_COMPUTE_32F_PEDANTIC;
}

/// The gradient of an empty batch.
struct Zero {
  AMNET_DEVICE float operator()(const float (&)[1], std::int64_t) const { return 0; }
};

/// out (rows,columns) (+)= a (rows,depth) b (depth,columns). The stride of `out` is its number of
/// columns.
void multiply(Cuda& cuda, std::int64_t rows, std::int64_t columns, std::int64_t depth, const Factor& a, const Factor& b, void* out,
              DType out_dtype, Write write, std::source_location where = std::source_location::current()) {
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  require(std::max({rows, columns, depth}) <= most,  // and no stride is larger
          "[fully_connected] expected fewer than 2^31 samples, inputs and outputs but got a product ({},{}) ({},{}).", rows, depth, depth,
          columns);
  if (rows == 0 || columns == 0) return;
  const float one = 1, keep = write == Write::add ? 1 : 0;
  // A matrix stored by rows is, for cuBLAS, its transpose stored by columns: out^T = b^T a^T.
  const auto name = [&] { return fmt::format("product ({},{}) ({},{}), {}", rows, depth, depth, columns, name_of(a.matrix.dtype)); };
  timed(cuda.state(), name, [&] {
    const cublasStatus_t answer =
        cublasGemmEx(cuda.state().blas, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                     static_cast<int>(columns), static_cast<int>(rows), static_cast<int>(depth), &one, b.matrix.at, type_of(b.matrix.dtype),
                     static_cast<int>(b.matrix.stride), a.matrix.at, type_of(a.matrix.dtype), static_cast<int>(a.matrix.stride), &keep, out,
                     type_of(out_dtype), static_cast<int>(columns), compute_type(cuda.precision()), CUBLAS_GEMM_DEFAULT);
    check(answer, "cublasGemmEx", where);
  });
}

/// out (rows,columns) = from's rows, each column divided by its norm where there are norms.
template <class T>
struct CopyColumns {
  static constexpr int threads = 256;
  const float *from, *norms;  // norms (columns) or nullptr
  T* out;
  std::int64_t rows, columns, stride;  // of from
  bool packed;

  template <int width>
  AMNET_DEVICE void copy(const Thread& thread) const {
    const std::int64_t packs_of_row = columns / width;
    for (std::int64_t p = thread.first(); p < rows * packs_of_row; p += thread.step()) {
      const std::int64_t row = p / packs_of_row, column = (p - row * packs_of_row) * width;
      float values[width];
      load_floats(from + row * stride + column, values);
      if (norms != nullptr) {
        for (int e = 0; e < width; ++e) values[e] /= norms[column + e];
      }
      store_floats(out + p * width, values, Write::assign);
    }
  }
  AMNET_DEVICE void operator()(const Thread& thread) const {
    if (packed) {
      copy<Pack<T>::size>(thread);
    } else {
      copy<1>(thread);
    }
  }
};

template <class T>
void copy_columns(Cuda& cuda, const float* from, std::int64_t stride, std::int64_t rows, std::int64_t columns, const float* norms, T* out) {
  constexpr int width = Pack<T>::size;
  const bool packed = columns % width == 0 && stride % width == 0 && starts_a_pack(from);
  const CopyColumns<T> copy{.from = from, .norms = norms, .out = out, .rows = rows, .columns = columns, .stride = stride, .packed = packed};
  launch(cuda, blocks_for(cuda, packed ? rows * columns / width : rows * columns, copy.threads), copy);
}

/// The norms of the rows of w, and the unit rows rounded to bf16 if they are needed; or only the
/// unit rows, from norms that are known.
struct UnitRows {
  const float* w;
  float* norms;
  BFloat16* unit;  // or nullptr
  std::int64_t columns;
  float epsilon;
  bool norms_known, packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    constexpr int most = Pack<BFloat16>::size;
    const float* from = w + row * columns;
    float length = 0;
    if (norms_known) {
      length = norms[row];
    } else {
      float squares = 0;
      team.template each<most>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
        float values[width];
        load_floats(from + i, values);
        for (const float value : values) squares += value * value;
      });
      length = sqrtf(team.sum(squares) + epsilon);
      if (team.lane() == 0) norms[row] = length;
    }
    if (unit == nullptr) return;
    const float inverse = 1 / length;
    team.template each<most>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width];
      load_floats(from + i, values);
      for (float& value : values) value *= inverse;
      store_floats(unit + row * columns + i, values, Write::assign);
    });
  }
};

void unit_rows(Cuda& cuda, const Tensor& w, const Tensor& norms, double epsilon, bool norms_known, BFloat16* unit) {
  const std::int64_t columns = channels_of(w);
  for_rows(cuda, rows_of(w), columns,
           UnitRows{.w = elements<const float>(w, who),
                    .norms = elements<float>(norms, who),
                    .unit = unit,
                    .columns = columns,
                    .epsilon = static_cast<float>(epsilon),
                    .norms_known = norms_known,
                    .packed = rows_are_packed(columns, Pack<BFloat16>::size, {w})});
}

/// to (+)= (du - u <u, du>) / norm for the rows u = w / norm.
struct ProjectRow {
  const float *du, *w, *norms;
  float* to;  // may be du
  std::int64_t columns;
  Write write;
  bool packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    constexpr int most = Pack<float>::size;
    const std::int64_t begin = row * columns;
    float products = 0;
    team.template each<most>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float slope[width], weight[width];
      load_floats(du + begin + i, slope);
      load_floats(w + begin + i, weight);
      for (int e = 0; e < width; ++e) products += slope[e] * weight[e];
    });
    const float inverse = 1 / norms[row];
    const float along = inverse * inverse * inverse * team.sum(products);
    team.template each<most>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float slope[width], weight[width];
      load_floats(du + begin + i, slope);
      load_floats(w + begin + i, weight);
      for (int e = 0; e < width; ++e) slope[e] = inverse * slope[e] - along * weight[e];
      store_floats(to + begin + i, slope, write);
    });
  }
};

/// y / norm + bias, where y are the products.
struct Finish {
  const float *norms, *bias;  // (O) or nullptr
  AMNET_DEVICE float operator()(const float (&y)[1], std::int64_t output) const {
    const float scaled = norms != nullptr ? y[0] / norms[output] : y[0];
    return bias != nullptr ? scaled + bias[output] : scaled;
  }
};

/// The scratch memory of a pass; its pieces begin at multiples of 256 bytes.
struct Room {
  std::size_t bytes = 0;
  /// The offset of the new piece.
  std::size_t add(std::int64_t count, DType dtype) {
    const std::size_t begin = bytes;
    bytes += (static_cast<std::size_t>(count) * size_of(dtype) + 255) / 256 * 256;
    return begin;
  }
};

bool rounds(const Cuda& cuda) { return cuda.precision() == ProductPrecision::bf16; }

/// How many outputs a copy of the gradients or of the weights' gradient holds at a time: enough to
/// keep the GPU busy, 17 MB on a H100.
std::int64_t outputs_at_a_time(const Cuda& cuda, std::int64_t outputs, std::int64_t elements_of_output) {
  constexpr std::int64_t whole_tiles = 256;
  const std::int64_t most = std::int64_t{cuda.state().multiprocessors} << 15;
  return std::min(outputs, std::max(most / std::max<std::int64_t>(1, elements_of_output) / whole_tiles * whole_tiles, whole_tiles));
}

/// The offsets of each pass's pieces, known before the pass begins.
struct ForwardRoom : Room {
  std::size_t x = 0, w = 0;
  ForwardRoom(const Cuda& cuda, const FullyConnectedSizes& sizes, DType x_dtype) {
    if (!rounds(cuda)) return;
    if (x_dtype == DType::f32) x = add(sizes.samples * sizes.inputs, DType::bf16);
    w = add(sizes.outputs * sizes.inputs, DType::bf16);
  }
};
struct DataRoom : Room {
  std::size_t dy = 0, w = 0;
  std::int64_t outputs;  // that dy holds
  DataRoom(const Cuda& cuda, const FullyConnectedSizes& sizes, bool unit) : outputs(sizes.outputs) {
    if (rounds(cuda)) {
      dy = add(sizes.samples * sizes.outputs, DType::bf16);
      w = add(sizes.outputs * sizes.inputs, DType::bf16);
    } else if (unit) {
      outputs = outputs_at_a_time(cuda, sizes.outputs, sizes.samples);
      dy = add(sizes.samples * outputs, DType::f32);
    }
  }
};
struct WeightsRoom : Room {
  std::size_t x = 0, dy = 0, du = 0;
  std::int64_t outputs;  // that du holds
  WeightsRoom(const Cuda& cuda, const FullyConnectedSizes& sizes, DType x_dtype, bool with_du)
      : outputs(with_du ? outputs_at_a_time(cuda, sizes.outputs, sizes.inputs) : sizes.outputs) {
    if (rounds(cuda)) {
      if (x_dtype == DType::f32) x = add(sizes.samples * sizes.inputs, DType::bf16);
      dy = add(sizes.samples * sizes.outputs, DType::bf16);
    }
    if (with_du) du = add(outputs * sizes.inputs, DType::f32);
  }
};

/// A factor in the form that products need: f32 as it is or rounded into the scratch memory, bf16
/// as it is.
Matrix prepared(Cuda& cuda, const Tensor& tensor, std::byte* room) {
  const std::int64_t columns = tensor.extent(1);
  if (rounds(cuda) && tensor.dtype() == DType::bf16) return {elements<const BFloat16>(tensor, who), DType::bf16, columns};
  const float* const from = elements<const float>(tensor, who);
  if (!rounds(cuda)) return {from, DType::f32, columns};
  auto* const rounded = reinterpret_cast<BFloat16*>(room);
  copy_columns(cuda, from, columns, tensor.extent(0), columns, nullptr, rounded);
  return {rounded, DType::bf16, columns};
}

/// w in the form that products need. Where norms are given it stands for its unit rows; bf16
/// factors are these unit rows. `measure`: the norms are written first.
Matrix prepared_weights(Cuda& cuda, const Tensor& w, const Tensor& norms, double epsilon, bool measure, std::byte* room) {
  auto* const unit = norms.defined() && rounds(cuda) ? reinterpret_cast<BFloat16*>(room) : nullptr;
  if (norms.defined() && (measure || unit != nullptr)) unit_rows(cuda, w, norms, epsilon, !measure, unit);
  return unit != nullptr ? Matrix{unit, DType::bf16, w.extent(1)} : prepared(cuda, w, room);
}

void forward(Cuda& cuda, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms) {
  const FullyConnectedSizes sizes = fully_connected_sizes(x, w, y);
  check_output_values(bias, "bias", sizes);
  check_output_values(norms, "norm", sizes);
  const ForwardRoom room(cuda, sizes, x.dtype());
  std::byte* const scratch = cuda.state().scratch(room.bytes);
  const Matrix inputs = prepared(cuda, x, scratch + room.x);
  const Matrix weights = prepared_weights(cuda, w, norms, epsilon, true, scratch + room.w);
  multiply(cuda, sizes.samples, sizes.outputs, sizes.inputs, {inputs}, {weights, true}, elements<float>(y, who), DType::f32, Write::assign);
  const Finish finish{.norms = rounds(cuda) ? nullptr : elements_or_null<const float>(norms, who),
                      .bias = elements_or_null<const float>(bias, who)};
  if (finish.norms != nullptr || finish.bias != nullptr) map_elements<float>(cuda, finish, {y}, y, Write::assign, who);
}

void backward_data(Cuda& cuda, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx) {
  if (!dx) return;
  const FullyConnectedSizes sizes = fully_connected_sizes(dx.tensor, w, dy);
  check_output_values(norms, "norm", sizes);
  const DType dtype = dx.tensor.dtype();
  void* out = nullptr;
  if (rounds(cuda) && dtype == DType::bf16) {
    out = elements<BFloat16>(dx.tensor, who);
  } else {
    out = elements<float>(dx.tensor, who);
  }
  const DataRoom room(cuda, sizes, norms.defined());
  std::byte* const scratch = cuda.state().scratch(room.bytes);
  const Matrix weights = prepared_weights(cuda, w, norms, 0, false, scratch + room.w);
  if (rounds(cuda) || !norms.defined()) {
    multiply(cuda, sizes.samples, sizes.inputs, sizes.outputs, {prepared(cuda, dy, scratch + room.dy)}, {weights}, out, dtype, dx.write);
    return;
  }
  const auto* const slopes = elements<const float>(dy, who);
  const auto* const lengths = elements<const float>(norms, who);
  auto* const scaled = reinterpret_cast<float*>(scratch + room.dy);
  for (std::int64_t first = 0; first < sizes.outputs; first += room.outputs) {
    const std::int64_t here = std::min(room.outputs, sizes.outputs - first);
    copy_columns(cuda, slopes + first, sizes.outputs, sizes.samples, here, lengths + first, scaled);
    multiply(cuda, sizes.samples, sizes.inputs, here, {{scaled, DType::f32, here}}, {weights.from_row(first)}, out, dtype,
             first == 0 ? dx.write : Write::add);
  }
}

/// dw (+)= dy^T x, or with w and norms the gradient through the unit rows: where dw is assigned, du
/// is written to dw itself and projected there; where it is added, du goes through the scratch
/// memory, some rows at a time.
void backward_weights(Cuda& cuda, const Tensor& x, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dw) {
  const FullyConnectedSizes sizes = fully_connected_sizes(x, dw.tensor, dy);
  check_output_values(norms, "norm", sizes);
  if (sizes.samples == 0) {
    map_elements<float>(cuda, Zero{}, {dw.tensor}, dw.tensor, dw.write, who);
    return;
  }
  const bool unit = norms.defined(), through_scratch = unit && dw.write == Write::add;
  float* const out = elements<float>(dw.tensor, who);
  const WeightsRoom room(cuda, sizes, x.dtype(), through_scratch);
  std::byte* const scratch = cuda.state().scratch(room.bytes);
  const Matrix inputs = prepared(cuda, x, scratch + room.x), slopes = prepared(cuda, dy, scratch + room.dy);
  for (std::int64_t first = 0; first < sizes.outputs; first += room.outputs) {
    const std::int64_t here = std::min(room.outputs, sizes.outputs - first), begin = first * sizes.inputs;
    float* const du = through_scratch ? reinterpret_cast<float*>(scratch + room.du) : out + begin;
    multiply(cuda, here, sizes.inputs, sizes.samples, {slopes.from_column(first), true}, {inputs}, du, DType::f32,
             unit ? Write::assign : dw.write);
    if (!unit) continue;
    for_rows(cuda, here, sizes.inputs,
             ProjectRow{.du = du,
                        .w = elements<const float>(w, who) + begin,
                        .norms = elements<const float>(norms, who) + first,
                        .to = out + begin,
                        .columns = sizes.inputs,
                        .write = dw.write,
                        .packed = rows_are_packed(sizes.inputs, Pack<float>::size, {w, dw.tensor})});
  }
}

}  // namespace

void fully_connected_forward(Cuda& cuda, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  forward(cuda, x, w, 0, bias, y, {});
}

void fully_connected_backward_data(Cuda& cuda, const Tensor& dy, const Tensor& w, const Gradient& dx) {
  backward_data(cuda, dy, w, {}, dx);
}

void fully_connected_backward_weights(Cuda& cuda, const Tensor& x, const Tensor& dy, const Gradient& dw) {
  if (dw) backward_weights(cuda, x, dy, {}, {}, dw);
}

void cosine_forward(Cuda& cuda, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y,
                    const Tensor& norms) {
  forward(cuda, x, w, epsilon, bias, y, norms);
}

void cosine_backward_data(Cuda& cuda, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx) {
  backward_data(cuda, dy, w, norms, dx);
}

void cosine_backward_weights(Cuda& cuda, const Tensor& x, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dw) {
  if (dw) backward_weights(cuda, x, dy, w, norms, dw);
}

ScratchBytes fully_connected_scratch(const Cuda& cuda, std::int64_t samples, std::int64_t inputs, std::int64_t outputs, DType dtype,
                                     bool unit_rows) {
  const FullyConnectedSizes sizes{samples, inputs, outputs};
  return {.first = std::max({ForwardRoom(cuda, sizes, dtype).bytes, DataRoom(cuda, sizes, unit_rows).bytes,
                             WeightsRoom(cuda, sizes, dtype, unit_rows).bytes}),
          .others = 0};
}

}  // namespace amnet

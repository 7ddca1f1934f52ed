#include <amnet/kernels/flatten.h>

#include "elementwise.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "flatten";

/// to (columns, rows) = the transpose of from (rows, columns), for every sample. A block transposes
/// one tile through its shared memory, so that the threads of a warp read neighbouring elements and
/// also write neighbouring elements.
template <class T>
struct Transpose {
  static constexpr int threads = 256;
  static constexpr int side = 32, step = threads / side;
  struct Shared {
    float tile[side][side + 1];  // one extra, so that a column is in 32 different banks
  };
  const T* from;
  T* to;
  std::int64_t rows, columns, tiles_down, tiles_across;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t sample = thread.block() / (tiles_down * tiles_across);
    const std::int64_t top = thread.block() / tiles_across % tiles_down * side, left = thread.block() % tiles_across * side;
    const T* source = from + sample * rows * columns;
    T* target = to + sample * rows * columns;
    const int lane = thread.index() % side;
    for (int i = thread.index() / side; i < side; i += step) {
      if (top + i < rows && left + lane < columns) shared.tile[i][lane] = to_float(source[(top + i) * columns + left + lane]);
    }
    thread.barrier();
    for (int i = thread.index() / side; i < side; i += step) {
      if (left + i < columns && top + lane < rows) put(target[(left + i) * rows + top + lane], shared.tile[lane][i], write);
    }
  }
};

void transpose(Cuda& cuda, std::int64_t samples, std::int64_t rows, std::int64_t columns, const Tensor& from, const Gradient& to) {
  require(to.tensor.count() == from.count(), "[flatten] expected two tensors of one size but got {} and {}.", from.shape(),
          to.tensor.shape());
  with_activation(from.dtype(), who, [&]<class T>() {
    if (rows == 1 || columns == 1) {
      map_elements<T>(cuda, Same{}, {flat(from)}, flat(to.tensor), to.write, who);
      return;
    }
    constexpr int side = Transpose<T>::side;
    const Transpose<T> kernel{.from = elements<const T>(from, who),
                              .to = elements<T>(to.tensor, who),
                              .rows = rows,
                              .columns = columns,
                              .tiles_down = (rows + side - 1) / side,
                              .tiles_across = (columns + side - 1) / side,
                              .write = to.write};
    launch(cuda, samples * kernel.tiles_down * kernel.tiles_across, kernel);
  });
}

}  // namespace

void flatten_forward(Cuda& cuda, const Tensor& x, const Tensor& y) {
  const FlattenedImages images(x.shape());
  transpose(cuda, images.samples, images.pixels, images.channels, x, {y, Write::assign});
}

void flatten_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  const FlattenedImages images(dx.tensor.shape());
  transpose(cuda, images.samples, images.channels, images.pixels, dy, dx);
}

}  // namespace amnet

// Kernels over whole activations: limited by memory, so each is counted in the bytes that it must
// read and write. The activation is that of stage 1 (22 MB), the largest of the network; PReLU,
// which follows every convolution, is measured on all four.
#include <amnet/kernels/add.h>
#include <amnet/kernels/batch_norm.h>
#include <amnet/kernels/bias.h>
#include <amnet/kernels/dropout.h>
#include <amnet/kernels/finite.h>
#include <amnet/kernels/flatten.h>
#include <amnet/kernels/flip.h>
#include <amnet/kernels/image_input.h>
#include <amnet/kernels/pool.h>
#include <amnet/kernels/prelu.h>
#include <amnet/kernels/relu.h>
#include <amnet/kernels/scale_shift.h>

#include <array>

#include "measure.h"
#include "network_shapes.h"

namespace amnet::bench {
namespace {

Shape shape_of(const Stage& stage) { return {batch, stage.height, stage.width, stage.channels}; }

/// The bytes of `tensors` f32 tensors of one shape.
Cost moves(int tensors, const Shape& shape) { return {.bytes = 4.0 * tensors * static_cast<double>(shape.count())}; }

Tensor result(const Shape& shape) { return Tensor(shape, DType::f32); }
Gradient gradient(const Shape& shape) { return {result(shape), Write::assign}; }

void add_prelu(Bench& bench, const Stage& stage) {
  const Shape shape = shape_of(stage), channels{stage.channels};
  add_case(bench, std::string("prelu/") + stage.name + "/forward", moves(2, shape), [&bench, shape, channels] {
    return
        [&bench, x = random_tensor(shape), slope = random_tensor(channels), y = result(shape)] { prelu_forward(bench.cpu, x, slope, y); };
  });
  add_case(bench, std::string("prelu/") + stage.name + "/backward", moves(3, shape), [&bench, shape, channels] {
    return [&bench, x = random_tensor(shape), slope = random_tensor(channels), dy = random_tensor(shape), dx = gradient(shape),
            dslope = gradient(channels)] { prelu_backward(bench.cpu, x, slope, dy, dx, dslope); };
  });
}

void add_batch_norm(Bench& bench, const Shape& shape, const Shape& channels) {
  constexpr double epsilon = 1e-5;
  add_case(bench, "batch_norm/statistics", moves(1, shape), [&bench, shape, channels] {
    return [&bench, x = random_tensor(shape), mean = result(channels), variance = result(channels)] {
      batch_norm_statistics(bench.cpu, x, mean, variance);
    };
  });
  add_case(bench, "batch_norm/update", moves(6, channels), [&bench, shape, channels] {
    return [&bench, samples = shape.count() / channels.count(), mean = random_tensor(channels), variance = random_tensor(channels),
            running_mean = Tensor::zeros(channels, DType::f32), running_variance = Tensor::zeros(channels, DType::f32),
            weight = Tensor::zeros({1}, DType::f32)] {
      batch_norm_update(bench.cpu, 0.99, samples, mean, variance, running_mean, running_variance, weight);
    };
  });
  const auto variance_of_one = [channels] {
    Tensor variance(channels, DType::f32);
    variance.fill(1);
    return variance;
  };
  add_case(bench, "batch_norm/forward", moves(2, shape), [&bench, shape, channels, variance_of_one] {
    return [&bench, x = random_tensor(shape), mean = random_tensor(channels), variance = variance_of_one(), scale = random_tensor(channels),
            shift = random_tensor(channels),
            y = result(shape)] { batch_norm_forward(bench.cpu, epsilon, x, mean, variance, scale, shift, y); };
  });
  // x and dy twice, for the sums and for dx.
  add_case(bench, "batch_norm/backward", moves(5, shape), [&bench, shape, channels, variance_of_one] {
    return [&bench, x = random_tensor(shape), mean = random_tensor(channels), variance = variance_of_one(), scale = random_tensor(channels),
            dy = random_tensor(shape), dx = gradient(shape), dscale = gradient(channels), dshift = gradient(channels)] {
      batch_norm_backward(bench.cpu, epsilon, false, x, mean, variance, scale, dy, dx, dscale, dshift);
    };
  });
}

void add_pool(Bench& bench, const Shape& shape) {
  const Shape pooled{shape[0], shape[1] / 2, shape[2] / 2, shape[3]};
  const double pixels = static_cast<double>(shape.count()), windows = static_cast<double>(pooled.count());
  for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
    const bool largest = kind == PoolKind::max;
    const std::string name = largest ? "pool/max" : "pool/average";
    // a maximum stores its index in 8 bytes
    const Cost cost{.bytes = 4 * (pixels + windows) + (largest ? 8 * windows : 0)};
    const auto indices_of = [pooled, largest] { return largest ? Tensor::zeros(pooled, DType::i64) : Tensor(); };
    add_case(bench, name + "/forward", cost, [&bench, shape, pooled, kind, indices_of] {
      return [&bench, window = PoolWindow{.kind = kind}, x = random_tensor(shape), y = result(pooled), indices = indices_of()] {
        pool_forward(bench.cpu, window, x, y, indices);
      };
    });
    add_case(bench, name + "/backward", cost, [&bench, shape, pooled, kind, indices_of] {
      const PoolWindow window{.kind = kind};
      const Tensor indices = indices_of();
      if (indices.defined()) pool_forward(bench.cpu, window, random_tensor(shape), result(pooled), indices);
      return [&bench, window, indices, dy = random_tensor(pooled), dx = gradient(shape)] {
        pool_backward(bench.cpu, window, dy, indices, dx);
      };
    });
  }
}

void add_image_input(Bench& bench) {
  const Shape shape = shape_of(image);
  add_case(bench, "image_input", {.bytes = 5.0 * static_cast<double>(shape.count())}, [&bench, shape] {
    return [&bench, pixels = Tensor::zeros(shape, DType::u8), mirror = Tensor::zeros({batch}, DType::u8), y = result(shape)] {
      image_input(bench.cpu, {}, pixels, mirror, y);
    };
  });
}

}  // namespace

void add_elementwise(Bench& bench) {
  for (const Stage& stage : stages) add_prelu(bench, stage);
  const Shape shape = shape_of(stages[0]), channels{stages[0].channels};

  add_case(bench, "relu/forward", moves(2, shape),
           [&bench, shape] { return [&bench, x = random_tensor(shape), y = result(shape)] { relu_forward(bench.cpu, x, y); }; });
  add_case(bench, "relu/backward", moves(3, shape), [&bench, shape] {
    return [&bench, y = random_tensor(shape), dy = random_tensor(shape), dx = gradient(shape)] { relu_backward(bench.cpu, y, dy, dx); };
  });
  add_case(bench, "add/forward", moves(3, shape), [&bench, shape] {
    return [&bench, xs = std::array{random_tensor(shape), random_tensor(shape)}, y = result(shape)] { add_forward(bench.cpu, xs, y); };
  });
  // added to an existing gradient, as in a skip connection
  add_case(bench, "add/backward", moves(3, shape), [&bench, shape] {
    return [&bench, dy = random_tensor(shape), dx = Gradient{Tensor::zeros(shape, DType::f32), Write::add}] {
      add_backward(bench.cpu, dy, dx);
    };
  });
  add_case(bench, "bias/backward", moves(1, shape), [&bench, shape, channels] {
    return [&bench, dy = random_tensor(shape), dbias = gradient(channels)] { bias_backward(bench.cpu, dy, dbias); };
  });
  add_case(bench, "scale_shift/forward", moves(2, shape), [&bench, shape, channels] {
    return [&bench, x = random_tensor(shape), scale = random_tensor(channels), shift = random_tensor(channels), y = result(shape)] {
      scale_shift_forward(bench.cpu, x, scale, shift, y);
    };
  });
  add_case(bench, "scale_shift/backward", moves(3, shape), [&bench, shape, channels] {
    return
        [&bench, x = random_tensor(shape), scale = random_tensor(channels), dy = random_tensor(shape), dx = gradient(shape),
         dscale = gradient(channels), dshift = gradient(channels)] { scale_shift_backward(bench.cpu, x, scale, dy, dx, dscale, dshift); };
  });
  const double elements = static_cast<double>(shape.count());
  add_case(bench, "dropout/forward", {.bytes = 9 * elements}, [&bench, shape] {
    return [&bench, x = random_tensor(shape), y = result(shape), mask = Tensor(shape, DType::u8)] {
      dropout_forward(bench.cpu, {}, x, y, mask);
    };
  });
  add_case(bench, "dropout/backward", {.bytes = 9 * elements}, [&bench, shape] {
    return [&bench, mask = Tensor::zeros(shape, DType::u8), dy = random_tensor(shape), dx = gradient(shape)] {
      dropout_backward(bench.cpu, 0.5, mask, dy, dx);
    };
  });
  add_case(bench, "flip/forward", moves(2, shape),
           [&bench, shape] { return [&bench, x = random_tensor(shape), y = result(shape)] { flip_forward(bench.cpu, x, y); }; });
  add_case(bench, "flip/backward", moves(2, shape),
           [&bench, shape] { return [&bench, dy = random_tensor(shape), dx = gradient(shape)] { flip_backward(bench.cpu, dy, dx); }; });
  add_case(bench, "finite", moves(1, shape),
           [&bench, shape] { return [&bench, x = random_tensor(shape)] { benchmark::DoNotOptimize(all_finite(bench.cpu, x)); }; });
  add_batch_norm(bench, shape, channels);
  add_pool(bench, shape);
  add_image_input(bench);

  const Shape last = shape_of(stages[3]), rows{batch, flat};
  add_case(bench, "flatten/forward", moves(2, last),
           [&bench, last, rows] { return [&bench, x = random_tensor(last), y = result(rows)] { flatten_forward(bench.cpu, x, y); }; });
  add_case(bench, "flatten/backward", moves(2, last), [&bench, last, rows] {
    return [&bench, dy = random_tensor(rows), dx = gradient(last)] { flatten_backward(bench.cpu, dy, dx); };
  });
}

}  // namespace amnet::bench

// Kernels over rows: those between the embedding and the loss, and the solver's step over each
// weight. Limited by memory.
#include <amnet/kernels/accuracy.h>
#include <amnet/kernels/normalize.h>
#include <amnet/kernels/sgd.h>
#include <amnet/kernels/softmax_cross_entropy.h>

#include <array>

#include "measure.h"
#include "network_shapes.h"

namespace amnet::bench {
namespace {

constexpr double epsilon = 1e-12;
constexpr MarginOptions margin{.scale = 30, .margin = 0.35};

double elements(const Shape& shape) { return static_cast<double>(shape.count()); }

void add_normalize(Bench& bench, const std::string& name, std::int64_t rows, std::int64_t columns) {
  const Shape shape{rows, columns}, norms{rows, 1};
  // x is read for its norm, and again for the division unless it is still in the cache: the row is
  // counted once.
  add_case(bench, "normalize/" + name + "/forward", {.bytes = 8 * elements(shape)}, [&bench, shape, norms] {
    return [&bench, x = random_tensor(shape), y = Tensor(shape, DType::f32), norm = Tensor(norms, DType::f32)] {
      normalize_forward(bench.cpu, x, epsilon, y, norm);
    };
  });
  add_case(bench, "normalize/" + name + "/backward", {.bytes = 12 * elements(shape)}, [&bench, shape, norms] {
    Tensor norm(norms, DType::f32);
    norm.fill(1);
    return [&bench, norm, y = random_tensor(shape), dy = random_tensor(shape), dx = Gradient{Tensor(shape, DType::f32), Write::assign}] {
      normalize_backward(bench.cpu, y, norm, dy, {}, dx);
    };
  });
}

void add_loss(Bench& bench, std::int64_t classes) {
  const Shape shape{batch, classes};
  const std::string suffix = "_" + std::to_string(classes);
  const auto labels_of = [] { return Tensor::zeros({batch}, DType::i64); };
  const Shape row_value_shape{shape[0], margin_row_values};
  add_case(bench, "softmax_cross_entropy/forward" + suffix, {.bytes = 4 * elements(shape)}, [&bench, shape, row_value_shape, labels_of] {
    return [&bench, logits = random_tensor(shape), labels = labels_of(), row_values = Tensor(row_value_shape, DType::f32),
            loss = Tensor({1}, DType::f32)] { softmax_cross_entropy_forward(bench.cpu, margin, logits, labels, {}, row_values, loss); };
  });
  add_case(bench, "softmax_cross_entropy/backward" + suffix, {.bytes = 8 * elements(shape)}, [&bench, shape, row_value_shape, labels_of] {
    Tensor dloss({1}, DType::f32);
    dloss.fill(1);
    Tensor row_values(row_value_shape, DType::f32);
    row_values.fill(static_cast<double>(shape[1]));  // largest value and sum may be any
    return [&bench, dloss, row_values, logits = random_tensor(shape), labels = labels_of(),
            dlogits = Gradient{Tensor(shape, DType::f32), Write::assign}] {
      softmax_cross_entropy_backward(bench.cpu, margin, logits, labels, {}, row_values, dloss, dlogits, {});
    };
  });
  add_case(bench, "softmax_cross_entropy/margin_logits" + suffix, {.bytes = 8 * elements(shape)}, [&bench, shape, labels_of] {
    return [&bench, cosines = random_tensor(shape), labels = labels_of(), scaled = Tensor(shape, DType::f32)] {
      margin_logits(bench.cpu, margin, cosines, labels, {}, scaled);
    };
  });
  add_case(bench, "accuracy" + suffix, {.bytes = 4 * elements(shape)}, [&bench, shape, labels_of] {
    return [&bench, logits = random_tensor(shape), labels = labels_of(), accuracy = Tensor({1}, DType::f32)] {
      accuracy_forward(bench.cpu, logits, labels, accuracy);
    };
  });
}

/// Reads gradient, momentum and value, writes the last two.
void add_sgd(Bench& bench, const std::string& name, const Shape& shape) {
  add_case(bench, "sgd/" + name, {.bytes = 20 * elements(shape)}, [&bench, shape] {
    return [&bench, updates = std::array{SgdUpdate{.options = {.learning_rate = 1e-4, .weight_decay = 5e-4},
                                                   .gradient = random_tensor(shape),
                                                   .momentum = Tensor::zeros(shape, DType::f32),
                                                   .value = random_tensor(shape)}}] { sgd_step(bench.cpu, updates); };
  });
}

}  // namespace

void add_rows(Bench& bench) {
  add_normalize(bench, "features", batch, embedding);
  for (const std::int64_t classes : head_classes) {
    add_normalize(bench, "head_" + std::to_string(classes), classes, embedding);
    add_loss(bench, classes);
    add_sgd(bench, "head_" + std::to_string(classes), {classes, embedding});
  }
  add_sgd(bench, "fc5", {embedding, flat});
  add_sgd(bench, "stage4", {512, 3, 3, 512});
}

}  // namespace amnet::bench

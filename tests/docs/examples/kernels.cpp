#include "example.h"

#include <array>
#include <cmath>

using namespace amnet;
using examples::values_of;

namespace {

Tensor drawn(Shape shape, std::uint64_t seed = 1) { return random_normal(shape, seed).cast(DType::f32); }

Tensor bytes_of(Shape shape) { return Tensor::zeros(shape, DType::u8); }

}  // namespace

EXAMPLE("kernels/accuracy.h") {
  Cpu cpu(1);
#include "example_of/kernels/accuracy.h"
  CHECK(accuracy.item() == 0.5);
}

EXAMPLE("kernels/adam.h") {
  Cpu cpu(1);
  const Tensor weight = Tensor::of<float>({1}, {1}), gradient = Tensor::of<float>({1}, {5});
  const Tensor mean = Tensor::zeros({1}, DType::f32), square = Tensor::zeros({1}, DType::f32);
#include "example_of/kernels/adam.h"
  CHECK(weight.item() == Approx(0.99).epsilon(1e-4));
}

EXAMPLE("kernels/binary_cross_entropy.h") {
  Cpu cpu(1);
  const Tensor cosines = Tensor::of<float>({1, 2}, {0.5, 0.4F}), labels = Tensor::of<std::int64_t>({1}, {0});
  const Tensor bias = Tensor::zeros({1}, DType::f32), row_values({1, margin_row_values}, DType::f32), loss({1}, DType::f32);
  const Tensor dloss = Tensor::of<float>({1}, {1}), dcosines({1, 2}, DType::f32);
#include "example_of/kernels/binary_cross_entropy.h"
  const auto g = [](double c) { return 2 * std::pow((c + 1) / 2, 3) - 1; };
  const double own = std::log1p(std::exp(-40 * (g(0.5) - 0.4))), other = std::log1p(std::exp(40 * (g(0.4) + 0.4)));
  CHECK(loss.item() == Approx((0.7 * own + 0.3 * other) / 40));
}

EXAMPLE("kernels/margin.h") {
#include "example_of/kernels/margin.h"
  for (const MarginOptions& one : {am_softmax, arcface, curricularface, adaface}) check_margin(one, "example");
  CHECK(curricularface.form.has_mean());
}

EXAMPLE("kernels/add.h") {
  Cpu cpu(1);
  const Tensor x0 = drawn({2, 3}, 1), x1 = drawn({2, 3}, 2), x2 = drawn({2, 3}, 3), dy = drawn({2, 3}, 4);
  const Tensor y(x0.shape(), DType::f32), dx0(x0.shape(), DType::f32);
#include "example_of/kernels/add.h"
  CHECK(values_of(y)[0] == Approx(values_of(x0)[0] + values_of(x1)[0] + values_of(x2)[0]));
  CHECK(values_of(dx0) == values_of(dy));
}

EXAMPLE("kernels/angular_margin.h") {
  Cpu cpu(1);
  const Tensor cosines = Tensor::of<float>({1, 2}, {0.5, 0.1F}), labels = Tensor::of<std::int64_t>({1}, {0}), y({1, 2}, DType::f32);
  const Tensor dy = drawn({1, 2}), dx({1, 2}, DType::f32);
#include "example_of/kernels/angular_margin.h"
  CHECK(values_of(y)[0] == Approx(std::cos(80 * std::acos(-1.0) / 180)));
}

EXAMPLE("kernels/arithmetic.h") {
  const bool trained_by_caffe = true;
#include "example_of/kernels/arithmetic.h"
  CHECK(name_of(arithmetic) == "reference_gpu");
}

EXAMPLE("kernels/batch_norm.h") {
  Cpu cpu(1);
  const Tensor x = drawn({4, 5, 3}), y(x.shape(), DType::f32), mean({3}, DType::f32), variance({3}, DType::f32);
  const Tensor scale = Tensor::of<float>({3}, {1, 1, 1}), shift = Tensor::zeros({3}, DType::f32);
  const Tensor running_mean = Tensor::zeros({3}, DType::f32), running_variance = Tensor::of<float>({3}, {1, 1, 1});
  const Tensor weight_of_past = Tensor::zeros({1}, DType::f32);
#include "example_of/kernels/batch_norm.h"
  CHECK(weight_of_past.item() == 1);
  CHECK(values_of(running_mean) == values_of(mean));
}

EXAMPLE("kernels/bias.h") {
  Cpu cpu(1);
  const Tensor dy = Tensor::of<float>({2, 2}, {1, 2, 3, 4}), dbias({2}, DType::f32);
#include "example_of/kernels/bias.h"
  CHECK(values_of(dbias) == std::vector<double>{4, 6});
}

EXAMPLE("kernels/clip_factor.h") {
  Cpu cpu(1);
  const Tensor gradients = Tensor::of<float>({2}, {6, 8}), squares({1}, DType::f64), factor({1}, DType::f64);
#include "example_of/kernels/clip_factor.h"
  CHECK(factor.item() == 0.5);
}

EXAMPLE("kernels/center_loss.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 2}, {3, 4}), centers = Tensor::zeros({2, 2}, DType::f32);
  const Tensor labels = Tensor::of<std::int64_t>({1}, {1}), loss({1}, DType::f32), dloss = Tensor::of<float>({1}, {1});
  const Tensor dx({1, 2}, DType::f32), dcenters({2, 2}, DType::f32);
#include "example_of/kernels/center_loss.h"
  CHECK(loss.item() == Approx(12.5));
  CHECK(values_of(dcenters) == std::vector<double>{0, 0, -3, -4});
}

EXAMPLE("kernels/contrastive_loss.h") {
  Cpu cpu(1);
  const Tensor a = Tensor::of<float>({1, 2}, {3, 4}), b = Tensor::zeros({1, 2}, DType::f32), loss({1}, DType::f32);
  const Tensor labels_of_a = Tensor::of<std::int64_t>({1}, {7}), labels_of_b = labels_of_a, similar = Tensor::of<std::int64_t>({1}, {1});
#include "example_of/kernels/contrastive_loss.h"
  CHECK(loss.item() == Approx(12.5));
}

EXAMPLE("kernels/conv2d.h") {
  Cpu cpu(1);
  const Tensor x = drawn({2, 8, 6, 3}), w = drawn({64, 3, 3, 3});
#include "example_of/kernels/conv2d.h"
  CHECK(y.shape() == Shape{2, 8, 6, 64});
}

EXAMPLE("kernels/distance.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 2}, {3, 4}), centres = Tensor::zeros({1, 2}, DType::f32), y({1, 1}, DType::f32);
  const Tensor dy = drawn({1, 1}), dx({1, 2}, DType::f32), dw({1, 2}, DType::f32);
#include "example_of/kernels/distance.h"
  CHECK(y.item() == 25);
}

EXAMPLE("kernels/conv2d_transpose.h") {
  Cpu cpu(1);
  const Tensor x = drawn({2, 4, 3, 5}), w = drawn({5, 4, 4, 8});
#include "example_of/kernels/conv2d_transpose.h"
  CHECK(y.shape() == Shape{2, 8, 6, 8});
}

EXAMPLE("kernels/dropout.h") {
  Cpu cpu(1);
  const Tensor x = drawn({4, 8}), y(x.shape(), DType::f32), mask(x.shape(), DType::u8), dy = drawn({4, 8}, 2), dx(x.shape(), DType::f32);
#include "example_of/kernels/dropout.h"
  CHECK(values_of(y)[0] == Approx(mask.data<std::uint8_t>()[0] * 2 * values_of(x)[0]));
}

EXAMPLE("kernels/euclidean_loss.h") {
  Cpu cpu(1);
  const Tensor a = Tensor::of<float>({1, 2}, {3, 4}), b = Tensor::zeros({1, 2}, DType::f32), loss({1}, DType::f32);
  const Tensor dloss = Tensor::of<float>({1}, {1}), da({1, 2}, DType::f32), db({1, 2}, DType::f32);
#include "example_of/kernels/euclidean_loss.h"
  CHECK(loss.item() == Approx(12.5));
  CHECK(values_of(db) == std::vector<double>{-3, -4});
}

EXAMPLE("kernels/feature_statistics.h") {
  Cpu cpu(1);
  const Tensor features = Tensor::of<float>({1, 2}, {3, 4}), class_weights = Tensor::of<float>({1, 2}, {6, 8});
  const Tensor labels = Tensor::of<std::int64_t>({1}, {0});
#include "example_of/kernels/feature_statistics.h"
  CHECK(cosine == Approx(1));
  CHECK(norm == Approx(5));
}

EXAMPLE("kernels/fill.h") {
  Cpu cpu(1);
  const Tensor x({3}, DType::f32);
#include "example_of/kernels/fill.h"
  CHECK(values_of(x) == std::vector<double>{0.5, 0.5, 0.5});
}

EXAMPLE("kernels/finite.h") {
  Cpu cpu(1);
  const Tensor x = drawn({3}), flag = bytes_of({1});
#include "example_of/kernels/finite.h"
  CHECK(all_finite(cpu, x));
  CHECK(flag.data<std::uint8_t>()[0] == 0);
}

EXAMPLE("kernels/flatten.h") {
  Cpu cpu(1);
#include "example_of/kernels/flatten.h"
}

EXAMPLE("kernels/flip.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 1, 3, 1}, {1, 2, 3}), mirrored(x.shape(), DType::f32), dmirrored = x, dx(x.shape(), DType::f32);
#include "example_of/kernels/flip.h"
  CHECK(values_of(mirrored) == std::vector<double>{3, 2, 1});
}

EXAMPLE("kernels/fully_connected.h") {
  Cpu cpu(1);
  const Tensor x = drawn({2, 2}), unit = Tensor::of<float>({2, 2}, {1, 0, 0, 1}), w = Tensor::of<float>({1, 2}, {3, 4}), dy = drawn({2, 1});
  const Tensor bias = Tensor::zeros({1}, DType::f32), y({2, 1}, DType::f32), dx(x.shape(), DType::f32), dw(w.shape(), DType::f32);
  const Tensor cosines({2, 1}, DType::f32), norms({1, 1}, DType::f32);
#include "example_of/kernels/fully_connected.h"
  CHECK(values_of(cosines)[0] == Approx(0.6));
}

EXAMPLE("kernels/grey.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 1, 1, 3}, {100, 100, 100}), y({1, 1, 1, 1}, DType::f32);
#include "example_of/kernels/grey.h"
  CHECK(y.item() == Approx(100));
}

EXAMPLE("kernels/hard_margin.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 2}, {3, 1}), labels = Tensor::of<std::int64_t>({1}, {0}), y({1, 2}, DType::f32);
  const Tensor mean({1}, DType::f32), dy = drawn({1, 2}), dx({1, 2}, DType::f32);
#include "example_of/kernels/hard_margin.h"
  CHECK(values_of(y) == std::vector<double>{2, 1});
}

EXAMPLE("kernels/image_input.h") {
  Cpu cpu(1);
  const Tensor pixels = bytes_of({2, 4, 3, 3}), mirror = bytes_of({2}), y(pixels.shape(), DType::f32);
#include "example_of/kernels/image_input.h"
  CHECK(values_of(y)[0] == Approx(-127.5 / 128));
}

EXAMPLE("kernels/labels.h") {
  const Tensor labels = Tensor::zeros({64}, DType::i64);
#include "example_of/kernels/labels.h"
}

EXAMPLE("kernels/lse_margin.h") {
  Cpu cpu(1);
  const Tensor cosines = Tensor::of<float>({1, 2}, {0.5, 0.25}), labels = Tensor::of<std::int64_t>({1}, {0});
  const Tensor scale = Tensor::of<float>({1}, {16}), margin = Tensor::zeros({1}, DType::f32), applied({1}, DType::f32);
  const Tensor y({1, 2}, DType::f32), statistics({5}, DType::f32), dy = drawn({1, 2}), dx({1, 2}, DType::f32), dscale({1}, DType::f32);
#include "example_of/kernels/lse_margin.h"
  CHECK(margin.item() == 0.25);
  CHECK(values_of(y) == std::vector<double>{4, 4});
}

EXAMPLE("kernels/normalize.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 2}, {3, 4}), y(x.shape(), DType::f32), norm({1, 1}, DType::f32);
  const Tensor dy = drawn({1, 2}), dx(x.shape(), DType::f32);
#include "example_of/kernels/normalize.h"
  CHECK(norm.item() == Approx(5));
  CHECK(values_of(y)[0] == Approx(0.6));
}

EXAMPLE("kernels/pool.h") {
  Cpu cpu(1);
  const Tensor x = drawn({1, 7, 7, 2}), dx(x.shape(), DType::f32), dy = drawn({1, 3, 3, 2});
#include "example_of/kernels/pool.h"
}

EXAMPLE("kernels/prelu.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({2}, {-2, 3}), slope = Tensor::of<float>({1}, {0.5}), y({2}, DType::f32), dy = drawn({2});
  const Tensor dx({2}, DType::f32), dslope({1}, DType::f32);
#include "example_of/kernels/prelu.h"
  CHECK(values_of(y) == std::vector<double>{-1, 3});
}

EXAMPLE("kernels/proxy_contrastive_loss.h") {
  Cpu cpu(1);
  const Tensor distances = Tensor::of<float>({1, 2}, {0.5, 0.25}), labels = Tensor::of<std::int64_t>({1}, {0}), loss({1}, DType::f32);
  const Tensor dloss = Tensor::of<float>({1}, {1}), ddistances({1, 2}, DType::f32);
  const ProxyContrastiveRule rule;
#include "example_of/kernels/proxy_contrastive_loss.h"
  CHECK(loss.item() == Approx(1.25));
  CHECK(values_of(ddistances) == std::vector<double>{1, -1});
}

EXAMPLE("kernels/proxy_triplet_loss.h") {
  Cpu cpu(1);
  const Tensor distances = Tensor::of<float>({1, 2}, {0.5, 0.25}), labels = Tensor::of<std::int64_t>({1}, {0}), loss({1}, DType::f32);
  const Tensor weights = Tensor::of<float>({1}, {2}), dloss = Tensor::of<float>({1}, {1}), ddistances({1, 2}, DType::f32);
  const ProxyTripletRule rule{.margin = 0.25};
#include "example_of/kernels/proxy_triplet_loss.h"
  CHECK(loss.item() == Approx(2 * (0.5 + 0.5)));
  CHECK(values_of(ddistances) == std::vector<double>{4, -2});
}

EXAMPLE("kernels/relu.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({2}, {-2, 3}), y({2}, DType::f32), dy = drawn({2}), dx({2}, DType::f32);
#include "example_of/kernels/relu.h"
  CHECK(values_of(y) == std::vector<double>{0, 3});
}

EXAMPLE("kernels/replay.h") {
  Cpu cpu(1);
  const Tensor x({1}, DType::f32), y({1}, DType::f32);
#include "example_of/kernels/replay.h"
  CHECK(y.item() == 2);
}

EXAMPLE("kernels/sample_scale.h") {
  Cpu cpu(1);
  const Tensor x = drawn({2, 3}), scales = Tensor::of<float>({2}, {20, 40}), y({2, 3}, DType::f32), dy = drawn({2, 3}, 2);
  const Tensor dx({2, 3}, DType::f32), dscales({2}, DType::f32), running = Tensor::of<float>({1}, {-1});
#include "example_of/kernels/sample_scale.h"
  CHECK(values_of(y)[3] == Approx(40 * values_of(x)[3]));
  CHECK(running.item() == 30);
}

EXAMPLE("kernels/scale_shift.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({2}, {-2, 3}), scale = Tensor::of<float>({1}, {2}), shift = Tensor::of<float>({1}, {1});
  const Tensor y({2}, DType::f32), dy = drawn({2}), dx({2}, DType::f32), dscale({1}, DType::f32), dshift({1}, DType::f32);
#include "example_of/kernels/scale_shift.h"
  CHECK(values_of(y) == std::vector<double>{-3, 7});
}

EXAMPLE("kernels/sgd.h") {
  Cpu cpu(1);
  const Tensor weight = Tensor::of<float>({1}, {1}), gradient = Tensor::of<float>({1}, {5}), momentum = Tensor::zeros({1}, DType::f32);
#include "example_of/kernels/sgd.h"
  CHECK(weight.item() == Approx(0.5));
}

EXAMPLE("kernels/softmax_cross_entropy.h") {
  Cpu cpu(1);
  const Tensor cosines = Tensor::of<float>({1, 2}, {0.5, 0.4F}), labels = Tensor::of<std::int64_t>({1}, {0});
  const Tensor row_values({1, margin_row_values}, DType::f32), loss({1}, DType::f32), dloss = Tensor::of<float>({1}, {1}),
                                                                                      dcosines({1, 2}, DType::f32);
#include "example_of/kernels/softmax_cross_entropy.h"
  CHECK(loss.item() == Approx(std::log1p(std::exp(30 * (0.4 - 0.15)))));
}

EXAMPLE("kernels/sphere_product.h") {
  Cpu cpu(1);
  const Tensor x = drawn({1, 4}), w = drawn({3, 4}, 2), labels = Tensor::of<std::int64_t>({1}, {0}), y({1, 3}, DType::f32);
  const Tensor norms({3}, DType::f32), targets({1, 2}, DType::f32), dy = drawn({1, 3}, 3), scaled({1, 3}, DType::f32);
  const Tensor along({1, 1}, DType::f32), dx({1, 4}, DType::f32);
#include "example_of/kernels/sphere_product.h"
  CHECK(std::isfinite(values_of(dx)[0]));
}

EXAMPLE("kernels/stochastic_pool.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 3, 3, 1}, {0, 0, 0, 0, 5, 0, 0, 0, 0}), y({1, 1, 1, 1}, DType::f32), dx(x.shape(), DType::f32);
  const Tensor dy = Tensor::of<float>({1, 1, 1, 1}, {2}), indices(y.shape(), DType::i64);
#include "example_of/kernels/stochastic_pool.h"
  CHECK(y.item() == 5);
  CHECK(values_of(dx)[4] == 2);
}

EXAMPLE("kernels/sum_of_squares.h") {
  Cpu cpu(1);
#include "example_of/kernels/sum_of_squares.h"
  CHECK(sum.item() == 25);
}

EXAMPLE("kernels/target_rescale.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 2}, {10, 1}), labels = Tensor::of<std::int64_t>({1}, {0}), y({1, 2}, DType::f32);
  const Tensor dy = drawn({1, 2}), dx({1, 2}, DType::f32);
#include "example_of/kernels/target_rescale.h"
  CHECK(values_of(y)[0] == Approx(9));
}

EXAMPLE("kernels/transfer.h") {
  Cpu cpu(1);
  const Tensor logits = drawn({2, 3}), labels = Tensor::zeros({2}, DType::i64), accuracy({1}, DType::f32);
#include "example_of/kernels/transfer.h"
  CHECK(numbers[0].item() == accuracy.item());
}

EXAMPLE("kernels/update_terms.h") {
  Cpu cpu(1);
  const Tensor weight = Tensor::of<float>({1}, {4}), gradient = Tensor::of<float>({1}, {5}), momentum = Tensor::zeros({1}, DType::f32);
  const Tensor factor = Tensor::of<double>({1}, {0.5});
  const std::vector<SgdUpdate> updates = {{{.learning_rate = 0.1, .weight_decay = 2}, gradient, momentum, weight}};
#include "example_of/kernels/update_terms.h"
  CHECK(weight.item() == Approx(4 - 0.1 * (0.5 * 5 + 2)));
}

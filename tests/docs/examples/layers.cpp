#include "example.h"

using namespace amnet;

namespace {

/// A net, with the values that examples read.
struct Inputs {
  Net net;
  Value image = net.input("image", {1, 16, 12, 3}), conv = net.input("conv", {1, 8, 6, 16}), other = net.input("other", {1, 8, 6, 16});
  Value feature = net.input("feature", {1, 32}), logits = net.input("logits", {1, 10}), labels = net.input("labels", {1}, DType::i64);
  Value norm = net.input("length", {1, 1});
};

}  // namespace

EXAMPLE("layers/accuracy.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/accuracy.h"
  CHECK(net.spec(accuracy).shape == Shape{1});
}

EXAMPLE("layers/add.h") {
  auto [net, image, shortcut, branch, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/add.h"
  CHECK(net.spec(joined).shape == Shape{1, 8, 6, 16});
}

EXAMPLE("layers/angular_margin.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/angular_margin.h"
  CHECK(net.spec(moved).shape == Shape{1, 10});
}

EXAMPLE("layers/batch_norm.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/batch_norm.h"
  CHECK(net.spec(normal).shape == Shape{1, 8, 6, 16});
}

EXAMPLE("layers/center_loss.h") {
  auto [net, image, conv, other, features, logits, labels, norm] = Inputs();
#include "example_of/layers/center_loss.h"
  CHECK(net.spec(loss).shape == Shape{1});
}

EXAMPLE("layers/contrastive_loss.h") {
  Net net;
  const Value a = net.input("a", {1, 8}), b = net.input("b", {1, 8}), similar = net.input("similar", {1}, DType::i64);
  const Value labels_of_a = net.input("labels_of_a", {1}, DType::i64), labels_of_b = net.input("labels_of_b", {1}, DType::i64);
#include "example_of/layers/contrastive_loss.h"
  CHECK(net.spec(loss).shape == net.spec(of_flags).shape);
}

EXAMPLE("layers/binary_cross_entropy.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/binary_cross_entropy.h"
  CHECK(net.spec(loss).shape == Shape{1});
}

EXAMPLE("layers/conv2d.h") {
  auto [net, image, input, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/conv2d.h"
  CHECK(net.spec(conv).shape == Shape{1, 8, 6, 64});
}

EXAMPLE("layers/distance.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/distance.h"
  CHECK(net.spec(distances).shape == Shape{1, 10});
}

EXAMPLE("layers/conv2d_transpose.h") {
  auto [net, image, features, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/conv2d_transpose.h"
  CHECK(net.spec(doubled).shape == Shape{1, 16, 12, 8});
}

EXAMPLE("layers/dropout.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/dropout.h"
  CHECK(net.spec(dropped).shape == Shape{1, 32});
}

EXAMPLE("layers/euclidean_loss.h") {
  auto [net, image, prediction, target, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/euclidean_loss.h"
  CHECK(net.spec(loss).shape == Shape{1});
}

EXAMPLE("layers/flatten.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/flatten.h"
  CHECK(net.spec(row).shape == Shape{1, 768});
}

EXAMPLE("layers/flip.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/flip.h"
  CHECK(net.spec(mirrored).shape == Shape{1, 16, 12, 3});
}

EXAMPLE("layers/fully_connected.h") {
  auto [net, image, conv, other, flat, logits, labels, norm] = Inputs();
#include "example_of/layers/fully_connected.h"
  CHECK(net.spec(features).shape == Shape{1, 512});
}

EXAMPLE("layers/grey.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/grey.h"
  CHECK(net.spec(grey).shape == Shape{1, 16, 12, 1});
}

EXAMPLE("layers/hard_margin.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/hard_margin.h"
  CHECK(net.spec(moved).shape == Shape{1, 10});
}

EXAMPLE("layers/layer.h") {
#include "example_of/layers/layer.h"
  Same same;
  const Tensor x = random_normal({2, 3}, 1);
  const GradcheckResult result = gradcheck(same, {&x, 1});
  INFO(result.report());
  CHECK(result.passed());
}

EXAMPLE("layers/lse_margin.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/lse_margin.h"
  CHECK(net.spec(by_norm).shape == Shape{1, 10});
}

EXAMPLE("layers/matrix_product.h") {
  auto [net, image, conv, other, features, logits, labels, norm] = Inputs();
  const Value centers = net.input("centers", {1, 32});
#include "example_of/layers/matrix_product.h"
  CHECK(net.spec(cosines).shape == Shape{1, 1});
}

EXAMPLE("layers/normalize.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/normalize.h"
  CHECK(net.spec(unit).shape == Shape{1, 32});
}

EXAMPLE("layers/pool.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/pool.h"
  CHECK(net.spec(halved).shape == Shape{1, 4, 3, 16});
  CHECK(net.spec(pooled).shape == Shape{1, 1, 1, 16});
}

EXAMPLE("layers/prelu.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/prelu.h"
  CHECK(net.spec(active).shape == Shape{1, 8, 6, 16});
}

EXAMPLE("layers/prepared_forms.h") {
  Cpu cpu(1);
  PreparedForms kept;
  const Conv2dGeometry geometry{.kernel = 3, .pad = 1};
  const Tensor x = random_normal({2, 8, 8, 4}, 1).cast(DType::f32);
  Parameter weight;
  weight.value = random_normal({4, 3, 3, 4}, 2).cast(DType::f32);
#include "example_of/layers/prepared_forms.h"
  CHECK(!form->is_old(weight));
}

EXAMPLE("layers/proxy_contrastive_loss.h") {
  auto [net, image, conv, other, feature, distances, labels, norm] = Inputs();
#include "example_of/layers/proxy_contrastive_loss.h"
  CHECK(net.spec(loss).shape == Shape{1});
}

EXAMPLE("layers/proxy_triplet_loss.h") {
  auto [net, image, conv, other, feature, distances, labels, norm] = Inputs();
#include "example_of/layers/proxy_triplet_loss.h"
  CHECK(net.spec(loss).shape == Shape{1});
}

EXAMPLE("layers/relu.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
#include "example_of/layers/relu.h"
  CHECK(net.spec(active).shape == Shape{1, 8, 6, 16});
}

EXAMPLE("layers/sample_scale.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/sample_scale.h"
  CHECK(net.spec(scaled).shape == Shape{1, 10});
}

EXAMPLE("layers/scale_shift.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/scale_shift.h"
  CHECK(net.spec(scaled).shape == Shape{1, 10});
}

EXAMPLE("layers/softmax_cross_entropy.h") {
  auto [net, image, conv, other, feature, logits, labels, norm] = Inputs();
  const Value cosines = logits;
#include "example_of/layers/softmax_cross_entropy.h"
  CHECK(net.spec(scaled).shape == Shape{1});
}

EXAMPLE("layers/sphere_product.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/sphere_product.h"
  CHECK(net.spec(logits).shape == Shape{1, 10});
}

EXAMPLE("layers/target_margin.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/target_margin.h"
  CHECK(net.spec(moved).shape == Shape{1, 10});
}

EXAMPLE("layers/target_rescale.h") {
  auto [net, image, conv, other, feature, cosines, labels, norm] = Inputs();
#include "example_of/layers/target_rescale.h"
  CHECK(net.spec(harder).shape == Shape{1, 10});
}

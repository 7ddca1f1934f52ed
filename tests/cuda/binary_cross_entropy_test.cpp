#include <amnet/kernels/binary_cross_entropy.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Size {
  std::int64_t samples, classes;
};

}  // namespace

TEMPLATE_TEST_CASE("binary_cross_entropy: loss, z and gradients", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("binary_cross_entropy: loss, z and gradients", [](Parity& parity) {
    using B = BinaryOptions;
    const std::vector<BinaryOptions> all = {
        B{.scale = 8, .margin = 0.4},
        B{.scale = 8, .margin = 0.1, .sharpness = 2.5, .balance = 0.3, .factor = 2},
        B{.scale = 8, .margin = 0, .form = {.angle = 0.5, .past_pi = PastPi::clipped, .gradient = MarginGradient::straight_through}},
        B{.scale = 8, .margin = 0, .form = {.multiplier = 1.7, .past_pi = PastPi::clipped}},
        B{.scale = 8, .margin = 0.4, .form = {.cosine_limit = 0.05, .centres = 2}},
    };
    const Both dloss = parity.same(Tensor::of<float>({1}, {0.7F})), bias = parity.same(Tensor::of<float>({1}, {1.3F}));
    for (const BinaryOptions& options : all) {
      // The longest row and the most rows for one, because the rules do not depend on them.
      std::vector<Size> sizes = {{1, 1}, {6, 7}, {2, 1100}};
      if (&options == &all.front()) sizes.insert(sizes.end(), {{1, 9000}, {300, 4}});
      for (const Size& size : sizes) {
        const std::int64_t centres = options.form.centres;
        const Tensor random = parity.parameter({size.samples, size.classes * centres}).host;
        for (float& value : random.data<float>()) value = std::tanh(value);
        Tensor targets({size.samples}, DType::i64);
        for (std::int64_t i = 0; i < size.samples; ++i)
          targets.data<std::int64_t>()[static_cast<std::size_t>(i)] = (i * 5 + 3) % size.classes;
        const Both cosines = parity.same(random), labels = parity.same(targets);
        const Both rows = parity.output({size.samples, margin_row_values}, false), loss = parity.output({1}, false);
        binary_cross_entropy_forward(parity.cpu, options, cosines.host, labels.host, bias.host, rows.host, loss.host);
        binary_cross_entropy_forward(parity.cuda, options, cosines.device, labels.device, bias.device, rows.device, loss.device);
        parity.check_same(loss);
        const Both z = parity.output({size.samples, size.classes}, false);
        binary_logits(parity.cpu, options, cosines.host, labels.host, bias.host, z.host);
        binary_logits(parity.cuda, options, cosines.device, labels.device, bias.device, z.device);
        parity.check_same(z);
        for (const Write write : {Write::add, Write::assign}) {
          const BothGradients dcosines = parity.gradient(cosines, write), dbias = parity.gradient(bias, write);
          binary_cross_entropy_backward(parity.cpu, options, cosines.host, labels.host, bias.host, rows.host, dloss.host, dcosines.host,
                                        dbias.host);
          binary_cross_entropy_backward(parity.cuda, options, cosines.device, labels.device, bias.device, rows.device, dloss.device,
                                        dcosines.device, dbias.device);
          parity.check_same(dcosines);
          parity.check_same(dbias);
        }
        binary_cross_entropy_backward(parity.cpu, options, cosines.host, labels.host, bias.host, rows.host, dloss.host,
                                      {cosines.host, Write::assign}, {});
        binary_cross_entropy_backward(parity.cuda, options, cosines.device, labels.device, bias.device, rows.device, dloss.device,
                                      {cosines.device, Write::assign}, {});
        parity.check_same(cosines);
      }
    }
  });
}

TEST_CASE("binary_cross_entropy: a label out of range touches nothing and shows", "[gpu]") {
  for_each_machine<F32>("binary_cross_entropy: a label out of range touches nothing and shows", [](Parity& parity) {
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{6}, std::int64_t{1} << 40}) {
      const Tensor cosines = parity.parameter({2, 6}).device, labels = Tensor::of<std::int64_t>({2}, {3, wrong}).to(Memory::cuda);
      const Tensor bias = Tensor::of<float>({1}, {0.0F}).to(Memory::cuda), dloss = Tensor::of<float>({1}, {1.0F}).to(Memory::cuda);
      const Tensor rows({2, margin_row_values}, DType::f32, Memory::cuda), loss({1}, DType::f32, Memory::cuda);
      const Tensor dcosines({2, 6}, DType::f32, Memory::cuda);
      binary_cross_entropy_forward(parity.cuda, {}, cosines, labels, bias, rows, loss);
      CHECK(std::isnan(loss.item()));
      binary_cross_entropy_backward(parity.cuda, {}, cosines, labels, bias, rows, dloss, {dcosines, Write::assign}, {});
      for (const float value : Parity::fetched(dcosines).data<float>()) CHECK(std::isfinite(value));
    }
  });
}

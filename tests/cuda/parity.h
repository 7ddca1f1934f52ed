// Parity with the CPU: an operation runs on both devices on the same random values, and the results
// are compared.
//
//   TEMPLATE_TEST_CASE("prelu: forward", "[prelu]", F32, Bf16) {
//     for_each_machine<TestType>("prelu: forward", [](Parity& parity) {
//       const Both x = parity.activation({2, 5, 3, 8}), slope = parity.parameter({8}), y = parity.output(x);
//       prelu_forward(parity.cpu, x.host, slope.host, y.host);
//       prelu_forward(parity.cuda, x.device, slope.device, y.device);
//       parity.check_same(y);
//     });
//   }
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/core/tensor.h>

#include <functional>
#include <string_view>

namespace amnet {

/// The precisions in which a case is run, and the largest allowed difference between GPU and CPU:
/// the norm of the difference divided by the norm of the CPU's values.
struct F32 {
  static constexpr ProductPrecision precision = ProductPrecision::f32;
  static constexpr double bound = 1e-5;
};
struct Tf32 {
  static constexpr ProductPrecision precision = ProductPrecision::tf32;
  static constexpr double bound = 5e-3;
};
struct Bf16 {
  static constexpr ProductPrecision precision = ProductPrecision::bf16;
  static constexpr double bound = 2e-2;
};

/// One tensor on each device, with the same values: in bf16, the CPU's f32 values are those of the
/// GPU's bf16 values.
struct Both {
  Tensor host, device;
};
struct BothGradients {
  Gradient host, device;
};

class Parity {
 public:
  Parity(ProductPrecision precision, double bound);

  Cpu cpu;
  Cuda cuda;

  /// Normal values; a device tensor of bf16 where the precision is bf16. A sum over values of mean
  /// 0 may cancel to far less than its rounding errors: a test of sums uses another mean.
  Both activation(Shape shape, double mean = 0);
  /// Normal values of f32 in every precision: parameters, statistics, features and logits.
  Both parameter(Shape shape, double mean = 0);
  /// A tensor of any type: i64, u8 or f32 on both devices.
  Both same(const Tensor& host) const;
  /// A tensor as `like`, filled with NaN: elements that an operation does not write are detected.
  Both output(const Both& like) const;
  Both output(Shape shape, bool activation) const;
  /// A gradient as `like`: NaN where it is assigned, random values where it is added to, or
  /// undefined where it is skipped.
  BothGradients gradient(const Both& like, Write write);

  /// Fails the test where the device's values are further from the host's than the precision
  /// allows, or not finite.
  void check_same(const Both& both) const;
  void check_same(const BothGradients& both) const;
  /// Fails the test where a single value differs by more than the rounding of the device's type:
  /// for operations that round once or twice. One wrong element among many is too small for
  /// check_same.
  void check_each(const Both& both) const;
  void check_each(const BothGradients& both) const;
  /// The device's values as f32 on the host.
  static Tensor fetched(const Tensor& device);

  DType activations() const { return precision_ == ProductPrecision::bf16 ? DType::bf16 : DType::f32; }

 private:
  Both of_random(Shape shape, DType device_dtype, double mean = 0);

  ProductPrecision precision_;
  double bound_;
  std::uint64_t drawn_ = 0;
};

/// Whether the tests are linked with the emulation of a GPU.
extern const bool emulated_gpu;

/// The seed of the drawn values: AMNET_TEST_SEED, or 1, so that a test that has passed passes
/// again.
std::uint64_t test_seed();

/// Runs a test on the GPU, or on the emulated one under several orders of threads and paces of
/// streams. Where there is no GPU it reports the test's name as skipped and does nothing.
void for_each_machine(std::string_view test, ProductPrecision precision, double bound, const std::function<void(Parity&)>& body);
template <class Precision>
void for_each_machine(std::string_view test, const std::function<void(Parity&)>& body) {
  for_each_machine(test, Precision::precision, Precision::bound, body);
}

}  // namespace amnet

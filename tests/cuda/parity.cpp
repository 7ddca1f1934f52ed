#include "parity.h"

#include <amnet/core/random.h>

#include <cmath>
#include <cstdlib>
#include <string>

#include "catch.h"

namespace amnet {
namespace {

BFloat16 rounded(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return {static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16)};
}
float widened(BFloat16 value) {
  const std::uint32_t bits = std::uint32_t{value.bits} << 16;
  float result = 0;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

Tensor as_bf16(const Tensor& host) {
  Tensor result(host.shape(), DType::bf16);
  std::ranges::transform(host.data<float>(), result.data<BFloat16>().begin(), rounded);
  return result;
}

Tensor not_a_number(Shape shape, DType dtype) {
  const Tensor tensor(shape, dtype);
  std::memset(tensor.raw(), 0xff, tensor.size_bytes());
  return tensor;
}

}  // namespace

std::uint64_t test_seed() {
  const char* wanted = std::getenv("AMNET_TEST_SEED");
  return wanted == nullptr ? 1 : std::stoull(wanted);
}

Parity::Parity(ProductPrecision precision, double bound)
    : cpu(1), cuda(CudaOptions{.precision = precision}), precision_(precision), bound_(bound) {}

Both Parity::of_random(Shape shape, DType device_dtype, double mean) {
  const Random random(test_seed(), drawn_++);
  Tensor host(shape, DType::f32);
  std::uint64_t i = 0;
  for (float& value : host.data<float>()) value = static_cast<float>(mean + random.normal(i++));
  if (device_dtype == DType::f32) return {host, host.to(Memory::cuda)};
  const Tensor narrow = as_bf16(host);
  std::ranges::transform(narrow.data<BFloat16>(), host.data<float>().begin(), widened);
  return {host, narrow.to(Memory::cuda)};
}

Both Parity::activation(Shape shape, double mean) { return of_random(shape, activations(), mean); }
Both Parity::parameter(Shape shape, double mean) { return of_random(shape, DType::f32, mean); }
Both Parity::same(const Tensor& host) const { return {host, host.to(Memory::cuda)}; }

Both Parity::output(const Both& like) const {
  return {not_a_number(like.host.shape(), like.host.dtype()), not_a_number(like.device.shape(), like.device.dtype()).to(Memory::cuda)};
}
Both Parity::output(Shape shape, bool activation) const {
  return {not_a_number(shape, DType::f32), not_a_number(shape, activation ? activations() : DType::f32).to(Memory::cuda)};
}

BothGradients Parity::gradient(const Both& like, Write write) {
  if (write == Write::skip) return {};
  const Both both = write == Write::assign ? output(like) : of_random(like.host.shape(), like.device.dtype());
  return {{both.host, write}, {both.device, write}};
}

Tensor Parity::fetched(const Tensor& device) {
  const Tensor here = device.to(Memory::host);
  if (here.dtype() != DType::bf16) return here;
  Tensor wide(here.shape(), DType::f32);
  std::ranges::transform(here.data<BFloat16>(), wide.data<float>().begin(), widened);
  return wide;
}

void Parity::check_same(const Both& both) const {
  const Tensor got = fetched(both.device);
  REQUIRE(got.shape() == both.host.shape());
  double difference = 0, norm = 0;
  const std::span<const float> wanted = both.host.data<const float>(), found = got.data<const float>();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!std::isfinite(found[i])) {
      INFO("element " << i << " of " << wanted.size() << ": the GPU has " << found[i] << ", the CPU " << wanted[i]);
      FAIL("a value that is not finite");
    }
    difference += std::pow(double{wanted[i]} - double{found[i]}, 2);
    norm += std::pow(double{wanted[i]}, 2);
  }
  CHECK(std::sqrt(difference) <= bound_ * std::sqrt(norm));
}

void Parity::check_same(const BothGradients& both) const {
  if (both.host) check_same(Both{both.host.tensor, both.device.tensor});
}

void Parity::check_each(const Both& both) const {
  const Tensor got = fetched(both.device);
  REQUIRE(got.shape() == both.host.shape());
  const double tolerance = both.device.dtype() == DType::bf16 ? 0x1p-8 : 4e-6;
  const std::span<const float> wanted = both.host.data<const float>(), found = got.data<const float>();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double difference = std::abs(double{found[i]} - double{wanted[i]});
    if (difference <= tolerance * (1 + std::abs(double{wanted[i]}))) continue;
    INFO("element " << i << " of " << wanted.size() << ": the GPU has " << found[i] << ", the CPU " << wanted[i]);
    FAIL("a value that differs");
  }
}

void Parity::check_each(const BothGradients& both) const {
  if (both.host) check_each(Both{both.host.tensor, both.device.tensor});
}

}  // namespace amnet

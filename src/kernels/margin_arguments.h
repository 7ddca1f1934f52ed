// What the kernels that change logits require of their arguments, as arguments.h for the others.
#pragma once

#include <amnet/core/tensor.h>

#include <cstdint>
#include <string_view>

namespace amnet {

/// x (N,classes) and the other side alike, with `least` classes or more; labels i64 (N), in range.
void check_labelled(const Tensor& x, const Tensor& labels, const Tensor& other, std::string_view who, std::int64_t least = 1);

/// `tensor` has `count` elements of `dtype`.
void check_values(const Tensor& tensor, std::int64_t count, DType dtype, std::string_view what, std::string_view who);

struct DistanceSizes {
  std::int64_t samples, inputs, centres;
};
/// x (N,I), centres (O,I), y (N,O), all of one dtype; labels i64 (N), or undefined.
DistanceSizes distance_sizes(const Tensor& x, const Tensor& centres, const Tensor& labels, const Tensor& y);

struct ScaledParts {
  std::int64_t number, elements;
};
/// x and the other side alike; as many scales as x has equal parts, of x's dtype, or f32 for bf16.
ScaledParts scaled_parts(const Tensor& x, const Tensor& scales, const Tensor& other);

/// labels i64 (N) for logits (N,classes) of two classes or more, the other side alike; norms of N
/// values, or undefined; one scale and one applied margin.
void check_lse_margin(const Tensor& x, const Tensor& labels, const Tensor& norms, const Tensor& scale, const Tensor& applied,
                      const Tensor& other);

/// logits (N,classes) and the other side alike, labels i64 (N), targets (N,2).
void check_sphere_margin(int multiplier, const Tensor& logits, const Tensor& labels, const Tensor& other, const Tensor& targets);

}  // namespace amnet

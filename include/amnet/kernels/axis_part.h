// A part of an axis: the indices [begin, begin + n) of one axis of a larger tensor, copied out of
// it or into it. Joining tensors along an axis and cutting them apart, and the gradients of both,
// are such copies.
//
//   const Tensor whole({2, 5, 3}, DType::f32), part({2, 2, 3}, DType::f32);
//   take_part(cpu, whole, 1, 3, {part, Write::assign});   // part(i,j,k) = whole(i,3+j,k)
//   put_part(cpu, part, {whole, Write::assign}, 1, 0);    // whole(i,j,k) = part(i,j,k) for j < 2
//   clear_part(cpu, whole, 1, 2, 3);                      // whole(i,j,k) = 0 for 2 <= j < 5
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

#include <cstdint>

namespace amnet {

/// part (+)= those indices of `axis` of the whole, as many as the part has. Both have one dtype and
/// the same other extents; any dtype is assigned, floating-point ones can also be added.
void take_part(Cpu& cpu, const Tensor& whole, int axis, std::int64_t begin, const Gradient& part);
void take_part(Cuda& cuda, const Tensor& whole, int axis, std::int64_t begin, const Gradient& part);

/// The other direction: those indices of the whole (+)= the part. All others are left alone.
void put_part(Cpu& cpu, const Tensor& part, const Gradient& whole, int axis, std::int64_t begin);
void put_part(Cuda& cuda, const Tensor& part, const Gradient& whole, int axis, std::int64_t begin);

/// `extent` indices from `begin` on become 0.
void clear_part(Cpu& cpu, const Tensor& whole, int axis, std::int64_t begin, std::int64_t extent);
void clear_part(Cuda& cuda, const Tensor& whole, int axis, std::int64_t begin, std::int64_t extent);

}  // namespace amnet

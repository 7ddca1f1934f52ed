// What gradients are multiplied by so that the norm of all of them is at most `norm`, computed
// where they lie, without waiting: norm / sqrt(squares) where that root is larger than norm, else 1
// (as clip_gradients of Caffe, sgd_solver.cpp).
//
//   sum_of_squares(cpu, gradients, squares);   // 100
//   clip_factor(cpu, squares, 5, factor);      // 0.5, for UpdateTerms::clip
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// squares, factor: f64 (1). Squares that are not finite give the factor 1 or 0.
void clip_factor(Cpu& cpu, const Tensor& squares, double norm, const Tensor& factor);
void clip_factor(Cuda& cuda, const Tensor& squares, double norm, const Tensor& factor);

}  // namespace amnet

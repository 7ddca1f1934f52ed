// What a training step reports about its features besides the loss: how close they are to their own
// class, and their length.
//
//   const Tensor statistics({2}, DType::f64);
//   feature_statistics(cpu, features, class_weights, labels, statistics);   // (N,D), (classes,D), (N)
//   const double cosine = statistics.data<double>()[0], norm = statistics.data<double>()[1];
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// statistics: f64 (2), the means over the samples of cos(feature, class weights of its label), in
/// [-1, 1], and of the feature's norm, both computed in double. features (N,D), class_weights
/// (classes,D), of one floating-point dtype (on a GPU f32); labels i64 (N), in range. A class may
/// have several centres, rows side by side, of which the closest counts. A zero feature or weight
/// has cosine 0.
void feature_statistics(Cpu& cpu, const Tensor& features, const Tensor& class_weights, const Tensor& labels, const Tensor& statistics,
                        std::int64_t centres = 1);
void feature_statistics(Cuda& cuda, const Tensor& features, const Tensor& class_weights, const Tensor& labels, const Tensor& statistics,
                        std::int64_t centres = 1);

}  // namespace amnet

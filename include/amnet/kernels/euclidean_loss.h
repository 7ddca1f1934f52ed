// Half the mean squared distance of two batches, on a CPU: loss = sum of (a - b)^2 / (2 N).
//
//   euclidean_loss_forward(cpu, a, b, loss);   // (N, ...) and (N, ...) to (1)
//   euclidean_loss_backward(cpu, a, b, dloss, {da, Write::assign}, {db, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// a, b: (N, ...), of one shape; loss: (1).
void euclidean_loss_forward(Cpu& cpu, const Tensor& a, const Tensor& b, const Tensor& loss);
/// da = dloss (a - b) / N, db = -da. dloss: (1).
void euclidean_loss_backward(Cpu& cpu, const Tensor& a, const Tensor& b, const Tensor& dloss, const Gradient& da, const Gradient& db);

}  // namespace amnet

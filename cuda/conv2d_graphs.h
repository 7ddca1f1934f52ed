// The operation graphs of a convolution, built from a small key that determines the graph
// completely. Weights are (O,kh,kw,C/groups) and everything else is channels-last, so cuDNN's order
// of extents is (N,C,H,W) and (O,C/groups,kh,kw) over the same bytes.
//
//   const ConvolutionGraph key{.pass = dnn::Convolution::forward, .geometry = geometry, .x = {n, h, w, c}, .outputs = o};
//   std::string why;
//   if (auto graph = build(key, dnn::Target(handle), why)) ...
#pragma once

#include "graph.h"

namespace amnet {

/// A PReLU's slope: none, one for all channels, or one for each.
enum class Slope : unsigned char { none, shared, each };

struct ConvolutionGraph {
  dnn::Convolution pass = dnn::Convolution::forward;
  Conv2dGeometry geometry = {};
  Shape x = {};  ///< (N,H,W,C)
  std::int64_t outputs = 0;
  /// dtype of activations, weights and their gradients in memory; bias and slope are f32
  DType dtype = DType::f32;
  bool tf32 = false;    ///< products of f32 may be rounded to tf32
  bool aligned = true;  ///< every tensor begins at a multiple of 16 bytes

  // For the forward pass: y = residual + prelu(sums + bias).
  bool bias = false;
  Slope slope = Slope::none;
  bool residual = false;
  bool keeps_sums = false;  ///< sums + bias are written too
  bool adds = false;        ///< for a gradient: it is added to what is there

  bool has_epilogue() const { return bias || slope != Slope::none || residual || keeps_sums; }
  Shape y() const { return geometry.output_shape(x, outputs); }
  Shape w() const { return geometry.weight_shape(x[3], outputs); }
  /// All of the above as one word: two keys have the same text only if they are equal.
  std::string text() const;
};

/// The numbers of the tensors of a graph.
enum ConvolutionTensor : std::int64_t {
  x_id = 1,     ///< (N,H,W,C), or its gradient
  w_id,         ///< (O,kh,kw,C/groups), or its gradient
  y_id,         ///< (N,OH,OW,O), or its gradient
  bias_id,      ///< (O)
  slope_id,     ///< (O) or (1)
  residual_id,  ///< as y
  sums_id       ///< as y
};

/// The graph, or no graph and cuDNN's reason.
std::optional<dnn::Descriptor> build(const ConvolutionGraph& key, const dnn::Target& target, std::string& why);

/// The graphs that can carry out an operation, where kernels of amnet do the work that a graph
/// leaves out: the operation itself; without the epilogue; with the gradient left in scratch
/// memory; and each of these with channels padded with zeros to whole packs of 16 bytes.
std::vector<ConvolutionGraph> ways_of(const ConvolutionGraph& operation);

/// Whether the engine computes what the key requires: products of f32 that are not rounded unless
/// the key permits it, and with `deterministic` the same bits in every run.
bool allowed(const dnn::Engine& engine, const ConvolutionGraph& key, bool deterministic);

/// "forward 64->128, 3x3/2 on 56x48, 256 images", in the format of the CPU's counts.
std::string describe(const ConvolutionGraph& key);

}  // namespace amnet

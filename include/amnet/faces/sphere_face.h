// The face networks of SphereFace and AM-Softmax as a plain function on the graph: four stages,
// each a stride-2 3x3 convolution followed by residual blocks of two stride-1 convolutions, PReLU
// after every convolution, and one fully connected embedding. Liu et al., "SphereFace" (arXiv
// 1704.08063), table 2; initialisation and multipliers as in face_train_test.prototxt of
// happynear/AMSoftmax.
//
//   Value images = net.input("data", {1, 112, 96, 3});
//   Value embedding = sphere_face(net, images, {.depth = 20, .width = 0.25});   // (N,512), named "fc5"
//   Model model = face_network({.depth = 20}, {.height = 112, .width = 112});   // with its input "data", and roles
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/model/model.h>
#include <amnet/net/net.h>

#include <array>

namespace amnet {

struct SphereFaceOptions {
  int depth = 20;  ///< 4, 10, 20, 36 or 64
  /// multiplies the channels 64, 128, 256, 512; each is rounded, at least 1
  double width = 1;
  std::int64_t embedding = 512;  ///< outputs of fc5
};

/// Residual blocks of each stage. Throws UsageError for a depth that does not exist.
std::array<int, 4> sphere_face_blocks(int depth);

/// Adds the network that reads `images` (N,H,W,3), such as 112x96 or 112x112, and returns the
/// embedding (N, options.embedding). The stride-1 convolutions have no bias: in the reference code
/// it is frozen at zero.
Value sphere_face(Net& net, Value images, const SphereFaceOptions& options);

/// A net that has only this network, from images of such a format, its input "data", to the
/// embedding.
Model face_network(const SphereFaceOptions& options, const ImageFormat& format = {}, DType dtype = DType::f32);

}  // namespace amnet

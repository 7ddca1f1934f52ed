// The binary files of Caffe: weights (`.caffemodel`), the state of a solver (`.solverstate`) and
// mean images (`.binaryproto`), as tensors under the names that the file gives. Nothing is
// reshaped, dropped or guessed: a blob whose values do not fill its shape is refused by its layer's
// name. Not read: HDF5 snapshots (`.h5`), nets of Caffe's first format (V0), and blobs that a
// Tensor cannot hold (more than four axes, or none of its values).
//
//   CaffeWeights weights = read_caffemodel("lenet.caffemodel");
//   for (const CaffeLayerBlobs& layer : weights.layers) {
//     for (const Tensor& blob : layer.blobs) fmt::print("{} {}\n", layer.name, blob.shape());
//   }
//   CaffeSolverState state = read_solverstate("lenet.solverstate");
//   Tensor mean = read_caffe_mean("mean.binaryproto");   // (C,H,W)
//
// A blob is f32, or f64 where the file has doubles. Its shape is the one that the file gives it
// ((out,in,kh,kw) of a convolution, (out,in) of an inner product), four axes in older files, and
// (count) where the file gives none. At most some multiples of the file's own size are allocated.
#pragma once

#include <amnet/core/tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace amnet {

/// The blobs of one layer, in the order of the file; many layers have none.
struct CaffeLayerBlobs {
  std::string name;
  std::string type;  ///< as newer files name it ("Convolution"), also for a file with older names
  std::vector<Tensor> blobs;
};

/// What a `.caffemodel` holds.
struct CaffeWeights {
  std::string net;  ///< its name; may be empty
  std::vector<CaffeLayerBlobs> layers;
};

/// What a `.solverstate` holds.
struct CaffeSolverState {
  std::int64_t step = 0;  ///< steps that were taken
  /// path of the `.caffemodel` that was written with it; may be empty
  std::string learned_net;
  /// one for each learnable blob in the order of the net; Adam has these twice
  std::vector<Tensor> history;
  std::int64_t current_step = 0;  ///< how many drops of the learning rate have passed
};

/// Throws FileError where the file cannot be read, and DataError of one sentence with the file, the
/// layer and the blob where it is damaged, cut short, or another file.
CaffeWeights read_caffemodel(const std::filesystem::path& path);
/// Throws as read_caffemodel does.
CaffeSolverState read_solverstate(const std::filesystem::path& path);
/// (C,H,W), channels in the order of the file (blue, green, red as Caffe writes them). Throws as
/// read_caffemodel does, also for a file of several images.
Tensor read_caffe_mean(const std::filesystem::path& path);

}  // namespace amnet

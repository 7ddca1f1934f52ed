// The environment of the examples of headers: EXAMPLE("core/tensor.h") { … } is a test case in a
// new folder of its own, and `#include "example_of/core/tensor.h"` in it is the example, after the
// objects that it uses.
#pragma once

#include "catch.h"
#include "data/test_images.h"

#include <amnet/amnet.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace examples {

namespace fs = std::filesystem;

class InFolder {
 public:
  InFolder() { fs::current_path(folder_.path()); }
  ~InFolder() { fs::current_path(before_); }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;

 private:
  fs::path before_ = fs::current_path();
  test_images::TemporaryFolder folder_;
};

inline void write_file(const fs::path& path, std::string_view text) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  amnet::write_durably(path, text);
}

/// The elements of a floating-point tensor.
inline std::vector<double> values_of(const amnet::Tensor& tensor) {
  const auto values = tensor.cast(amnet::DType::f64);
  return {values.data<double>().begin(), values.data<double>().end()};
}

inline constexpr std::uint64_t people = 4, images_each = 4;

/// Draws faces into a folder: four people, four images of each.
inline void draw_faces(const fs::path& folder) { amnet::write_synthetic_faces(folder, {.identities = people, .images = images_each}); }
/// A list of pairs of them.
inline void draw_pairs(const fs::path& file) {
  amnet::write_synthetic_pairs(file, {.identities = people, .images = images_each, .folds = 2, .pairs = 4});
}
/// Paths of three of them.
inline std::vector<std::string> face_paths() {
  return {amnet::synthetic_face_path(0, 1), amnet::synthetic_face_path(1, 1), amnet::synthetic_face_path(2, 1)};
}

inline constexpr amnet::SphereFaceOptions small_network{.depth = 4, .width = 0.125, .embedding = 16};

/// A net of Caffe that gives the mean pixel as "fc5", and its weights.
inline void write_caffe_net(const fs::path& net, const fs::path& weights) {
  using namespace std::string_view_literals;
  write_file(net, R"(layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 6 } } }
layer { name: "gap" type: "Pooling" bottom: "data" top: "gap" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc5" type: "InnerProduct" bottom: "gap" top: "fc5" inner_product_param { num_output: 1 bias_term: false } }
)");
  // a NetParameter with a LayerParameter "fc5" that has a blob (1,3)
  write_file(weights,
             "\xa2\x06\x1b\x0a\x03"
             "fc5"
             "\x3a\x14\x2a\x0c\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\x3a\x04\x0a\x02\x01\x03"sv);
}

/// Nets with the inputs and outputs of MTCNN, and without weights: a face is where it is green.
inline void write_mtcnn(const fs::path& folder) {
  const auto net = [](int side, std::string_view pool, std::string_view corrections, std::string_view landmarks) {
    return fmt::format(R"(layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: {0} dim: {0} }} }} }}
layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param {{ pool: AVE {1} }} }}
layer {{ name: "slice" type: "Slice" bottom: "pool" top: "two" top: "one" slice_param {{ axis: 1 slice_point: 2 }} }}
layer {{ name: "prob1" type: "Softmax" bottom: "two" top: "prob1" }}
layer {{ name: "{2}" type: "Concat" bottom: "pool" bottom: "one" top: "{2}" concat_param {{ axis: 1 }} }}
{3})",
                       side, pool, corrections, landmarks);
  };
  write_file(folder / "det1.prototxt", net(12, "kernel_size: 12 stride: 2", "conv4-2", ""));
  write_file(folder / "det2.prototxt", net(24, "global_pooling: true", "conv5-2", ""));
  write_file(folder / "det3.prototxt",
             net(48, "global_pooling: true", "conv6-2",
                 R"(layer { name: "conv6-3" type: "Concat" bottom: "pool" bottom: "pool" bottom: "pool" bottom: "one" top: "conv6-3" })"));
  for (const char* name : {"det1", "det2", "det3"}) write_file(folder / (std::string(name) + ".caffemodel"), "\xa2\x06\x06\x0a\x04pool");
}

/// Trains on drawn faces for two steps.
inline void make_run(const fs::path& folder) {
  draw_faces("drawn");
  amnet::Device device = amnet::Cpu(1);
  amnet::train_faces(device, {.root = {"drawn"}, .network = small_network, .batch = 4, .iterations = 2, .out = folder});
}

inline void print(std::string_view line) { fmt::print("{}\n", line); }

}  // namespace examples

#define EXAMPLE(name) TEST_CASE_METHOD(examples::InFolder, name)

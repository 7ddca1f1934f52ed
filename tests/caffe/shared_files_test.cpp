// Every file of Caffe's in the shared data directory. The numbers were read from the files by
// another program, which knows only the wire format.
#include "caffe/caffe_files.h"
#include "catch.h"
#include "shared_data.h"

#include <amnet/caffe/caffe_file.h>
#include <amnet/caffe/weights.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

/// The files below the shared directory with that extension, by their names there.
std::vector<std::string> files_of(const fs::path& shared, const std::string& extension) {
  std::vector<std::string> found;
  for (const char* folder : {"data/seed_prototxt", "data/models", "data/formats", "golden"}) {
    for (const auto& entry : fs::recursive_directory_iterator(shared / folder)) {
      if (entry.path().extension() == extension) found.push_back(fs::relative(entry.path(), shared).string());
    }
  }
  std::ranges::sort(found);
  return found;
}

struct Counts {
  std::size_t layers = 0, blobs = 0;
  std::int64_t values = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

Counts counts_of(const CaffeWeights& weights) {
  Counts counts;
  for (const CaffeLayerBlobs& layer : weights.layers) {
    counts.layers += 1;
    counts.blobs += layer.blobs.size();
    for (const Tensor& blob : layer.blobs) counts.values += blob.count();
  }
  return counts;
}

const Tensor& blob_of(const CaffeWeights& weights, const std::string& layer, std::size_t index) {
  const auto found = std::ranges::find(weights.layers, layer, &CaffeLayerBlobs::name);
  REQUIRE(found != weights.layers.end());
  return found->blobs.at(index);
}

float first_of(const Tensor& tensor) { return tensor.data<float>().front(); }
float last_of(const Tensor& tensor) { return tensor.data<float>().back(); }

}  // namespace

TEST_CASE("caffe: the shared prototxts are read", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: the shared prototxts are read");
  const std::map<std::string, std::size_t> layers = {
      {"data/formats/lenet_NCA_nonorm.prototxt", 17},
      {"data/models/mtcnn/det1.prototxt", 11},  // with the layer of its input
      {"data/models/mtcnn/det2.prototxt", 14},
      {"data/models/mtcnn/det3.prototxt", 19},
      {"data/seed_prototxt/amsoftmax/GNAP.prototxt", 6},
      {"data/seed_prototxt/amsoftmax/auto/face_train_test_auto.prototxt", 56},
      {"data/seed_prototxt/amsoftmax/face_deploy_mirror_normalize.prototxt", 55},
      {"data/seed_prototxt/amsoftmax/face_train_test.prototxt", 57},
      {"data/seed_prototxt/amsoftmax/face_train_test_wo_fn.prototxt", 57},
      {"data/seed_prototxt/normface/combine_softmax_contrastive.prototxt", 11},
      {"data/seed_prototxt/normface/example_of_mirror_face.prototxt", 39},
      {"data/seed_prototxt/normface/lenet_train_test.prototxt", 24},
      {"data/seed_prototxt/normface/normalized_Euclidean_contrastive.prototxt", 4},
      {"data/seed_prototxt/normface/normalized_Euclidean_triplet.prototxt", 6},
      {"data/seed_prototxt/normface/scaled_cosine_softmax.prototxt", 5},
      {"data/seed_prototxt/sphereface/sphereface_64_deploy.prototxt", 155},
      {"data/seed_prototxt/sphereface/sphereface_64_model.prototxt", 157},
      {"data/seed_prototxt/sphereface/sphereface_deploy.prototxt", 50},
      {"data/seed_prototxt/sphereface/sphereface_model.prototxt", 52},
      {"golden/face_small_train.prototxt", 55},
      {"golden/tiny_sgd_net.prototxt", 11},
  };
  std::size_t solvers = 0;
  for (const std::string& name : files_of(*shared, ".prototxt")) {
    INFO(name);
    const auto kind = caffe_file_kind(*shared / name);
    if (name.find("solver") != std::string::npos) {
      CHECK(kind == CaffeFile::solver_prototxt);
      CHECK(read_caffe_solver(*shared / name).options.find("base_lr") != nullptr);
      ++solvers;
      continue;
    }
    CHECK(kind == CaffeFile::net_prototxt);
    REQUIRE(layers.contains(name));
    CHECK(read_caffe_net(*shared / name).layers.size() == layers.at(name));
  }
  CHECK(solvers == 4);
}

TEST_CASE("caffe: the nets of the golden manifest are read", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: the nets of the golden manifest are read");
  const auto manifest = nlohmann::json::parse(std::ifstream(*shared / "golden/manifest.json"));
  int read = 0;
  for (const char* group : {"layer_cases", "nets", "solver"}) {
    for (const auto& [name, described] : manifest.at(group).items()) {
      if (!described.is_object() || !described.contains("prototxt")) continue;
      INFO(name);
      const caffe_files::Written file("net.prototxt", described.at("prototxt").get<std::string>());
      CHECK(caffe_file_kind(file.path()) == CaffeFile::net_prototxt);
      CHECK(!read_caffe_net(file.path()).layers.empty());
      ++read;
    }
  }
  CHECK(read >= 145 + 4);
}

TEST_CASE("caffe: the shared caffemodels are read", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: the shared caffemodels are read");
  const std::map<std::string, Counts> expected = {
      {"data/formats/lenet_iter_20000.caffemodel", {16, 13, 427'663}},
      {"data/models/mtcnn/det1.caffemodel", {18, 13, 6'632}},
      {"data/models/mtcnn/det2.caffemodel", {22, 18, 101'468}},
      {"data/models/mtcnn/det3.caffemodel", {25, 21, 389'040}},
      {"golden/face_small.caffemodel", {64, 64, 271'560}},
      {"golden/tiny_sgd_iter_6.caffemodel", {13, 9, 545}},
  };
  const std::vector<std::string> names = files_of(*shared, ".caffemodel");
  CHECK(names.size() == expected.size());
  for (const std::string& name : names) {
    INFO(name);
    CHECK(caffe_file_kind(*shared / name) == CaffeFile::caffemodel);
    REQUIRE(expected.contains(name));
    CHECK(counts_of(read_caffemodel(*shared / name)) == expected.at(name));
  }
}

TEST_CASE("caffe: a blob without a shape, and values as another program reads them", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: a blob without a shape, and values as another program reads them");
  const CaffeWeights lenet = read_caffemodel(*shared / "data/formats/lenet_iter_20000.caffemodel");
  CHECK(lenet.net == "LeNet++");
  CHECK(blob_of(lenet, "conv1", 0).shape() == Shape{20, 1, 5, 5});
  CHECK(first_of(blob_of(lenet, "conv1", 0)) == -0.07924367487430573F);
  CHECK(last_of(blob_of(lenet, "conv1", 0)) == 0.07493993639945984F);
  CHECK(blob_of(lenet, "ip1_dr", 0).shape() == Shape{2, 500});
  CHECK(blob_of(lenet, "id_weight", 0).shape() == Shape{10, 2});
  CHECK(first_of(blob_of(lenet, "id_weight", 0)) == 2.048698663711548F);
  CHECK(blob_of(lenet, "scale_ip2", 0).shape() == Shape{1});
  CHECK(first_of(blob_of(lenet, "scale_ip2", 0)) == -1);
  const CaffeWeights tiny = read_caffemodel(*shared / "golden/tiny_sgd_iter_6.caffemodel");
  CHECK(last_of(blob_of(tiny, "fc6_l2", 0)) == -0.5598694682121277F);
  CHECK(first_of(blob_of(tiny, "scale", 0)) == 10);
}

TEST_CASE("caffe: the shared solverstate is read", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: the shared solverstate is read");
  const fs::path file = *shared / "golden/tiny_sgd_iter_6.solverstate";
  CHECK(caffe_file_kind(file) == CaffeFile::solverstate);
  const CaffeSolverState state = read_solverstate(file);
  CHECK(state.step == 6);
  CHECK(state.learned_net == "tiny_sgd_iter_6.caffemodel");
  CHECK(state.current_step == 2);
  const CaffeWeights weights = read_caffemodel(*shared / "golden" / state.learned_net);
  std::vector<Shape> shapes, of_history;
  for (const CaffeLayerBlobs& layer : weights.layers) {
    for (const Tensor& blob : layer.blobs) shapes.push_back(blob.shape());
  }
  for (const Tensor& blob : state.history) of_history.push_back(blob.shape());
  CHECK(of_history == shapes);
  CHECK(first_of(state.history.at(0)) == -0.007200097199529409F);
  CHECK(last_of(state.history.at(5)) == -0.003041338175535202F);
}

// The reference files of the shared data directory, imported: all of them run, and those with known
// outputs give them.
#include <amnet/caffe/import.h>
#include <amnet/io/npy.h>
#include <amnet/model/model_file.h>
#include <amnet/net/plan_cache.h>
#include <amnet/train/tensor_source.h>
#include <amnet/train/trainer.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "catch.h"
#include "net/fill_random.h"
#include "shared_data.h"

using namespace amnet;
namespace fs = std::filesystem;

namespace {

CaffeLayer input_layer(const std::string& top, const std::vector<std::int64_t>& shape) {
  OptionList dims;
  for (const std::int64_t extent : shape) dims.push_back({extent});
  Options of_shape, parameters, all;
  of_shape.set("dim", {std::move(dims)});
  parameters.set("shape", {OptionList{{of_shape}}});
  all.set("input_param", {parameters});
  return {.name = top + "_input", .type = "Input", .bottoms = {}, .tops = {top}, .phases = "", .options = all};
}

/// Before the layers of a fragment, an Input for each blob that it reads and does not give.
CaffeNet with_inputs(CaffeNet net, const std::map<std::string, std::vector<std::int64_t>>& shapes) {
  std::set<std::string> given;
  std::vector<CaffeLayer> inputs;
  for (const CaffeLayer& layer : net.layers) {
    for (const std::string& bottom : layer.bottoms) {
      if (!given.contains(bottom)) inputs.push_back(input_layer(bottom, shapes.at(bottom)));
      given.insert(bottom);
    }
    given.insert(layer.tops.begin(), layer.tops.end());
  }
  net.layers.insert(net.layers.begin(), inputs.begin(), inputs.end());
  return net;
}

/// Fills the inputs of a plan: images with noise, labels with 0, 1, 2 …
void fill_inputs(const Net& net, const Plan& plan) {
  for (const NetInput& input : net.inputs()) {
    const Tensor& tensor = plan.value(input.name);
    if (input.spec.dtype == DType::i64) {
      const auto labels = tensor.data<std::int64_t>();
      for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 7);
    } else {
      fill_random(tensor, 3);
    }
  }
}

void run_forward(CaffeModel& caffe, Device& device) {
  std::vector<Value> kept;
  for (const auto& [blob, value] : caffe.blobs) kept.push_back(caffe.value(blob));
  caffe.model.net.initialise(1);
  Plan plan(caffe.model.net, {.batch = 4, .keep = kept});
  fill_inputs(caffe.model.net, plan);
  plan.forward(device);
  for (const auto& [blob, value] : caffe.blobs) {
    INFO(blob);
    const Tensor& tensor = plan.value(caffe.value(blob));
    if (!is_floating(tensor.dtype())) continue;
    CHECK(std::ranges::all_of(tensor.data<float>(), [](float each) { return std::isfinite(each); }));
  }
}

}  // namespace

TEST_CASE("caffe: the reference nets train", "[caffe][golden][long]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: the reference nets train");
  const fs::path folder = *shared / "data/seed_prototxt";
  const std::vector<std::pair<std::string, CaffeImage>> nets = {
      {"amsoftmax/face_train_test.prototxt", {3, 112, 96}},           {"amsoftmax/face_train_test_wo_fn.prototxt", {3, 112, 96}},
      {"amsoftmax/auto/face_train_test_auto.prototxt", {3, 112, 96}}, {"normface/lenet_train_test.prototxt", {1, 28, 28}},
      {"sphereface/sphereface_model.prototxt", {3, 112, 96}},         {"sphereface/sphereface_64_model.prototxt", {3, 112, 96}}};
  Device device = Cpu(2);
  for (const auto& [name, image] : nets) {
    INFO(name);
    CaffeModel caffe = import_caffe_net(read_caffe_net(folder / name), {.phase = Phase::train, .image = image});
    Model& model = caffe.model;
    REQUIRE(!model.roles.loss.empty());
    REQUIRE(!model.roles.labels.empty());
    CHECK(!model.roles.embedding.empty());
    CHECK(!model.roles.class_weights.empty());
    CHECK(model.roles.image.has_value() == (image.channels == 3));
    model.net.initialise(1);
    const Tensor images({8, image.height, image.width, image.channels}, DType::f32), labels({8}, DType::i64);
    fill_random(images, 1);
    for (std::size_t i = 0; i < 8; ++i) labels.data<std::int64_t>()[i] = static_cast<std::int64_t>(i % 7);
    TensorSource source({{caffe.inputs.at(0).name, images}, {model.roles.labels, labels}}, {.batch = 4});
    Trainer trainer(device, model, source, {.steps = 2, .schedule = {.base = 0.001, .steps = {}}});
    while (trainer.run_step()) {
    }
    trainer.settle();
    CHECK(trainer.step() == 2);
    CHECK(std::isfinite(trainer.meters()["loss"]));
    trainer.require_finite();
    // the part for embedding is described, and comes back
    const NetDescription whole = describe(model.net, model.roles);
    CHECK(describe(build_net(whole), whole.roles) == whole);
  }
}

TEST_CASE("caffe: the reference nets for TEST and for deployment run forward", "[caffe][golden][long]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: the reference nets for TEST and for deployment run forward");
  const fs::path folder = *shared / "data/seed_prototxt";
  Device device = Cpu(2);
  const CaffeImage face{3, 112, 96};
  const std::vector<std::pair<std::string, CaffeImage>> tests = {{"amsoftmax/face_train_test.prototxt", face},
                                                                 {"amsoftmax/face_train_test_wo_fn.prototxt", face},
                                                                 {"amsoftmax/auto/face_train_test_auto.prototxt", face},
                                                                 {"normface/lenet_train_test.prototxt", {1, 28, 28}}};
  for (const auto& [name, image] : tests) {
    INFO(name);
    CaffeModel caffe = import_caffe_net(read_caffe_net(folder / name), {.phase = Phase::test, .image = image});
    run_forward(caffe, device);
    CHECK(caffe.blobs.contains(name.starts_with("normface") ? "accuracy" : "accuracy"));
  }
  for (const std::string name : {"amsoftmax/face_deploy_mirror_normalize.prototxt", "normface/example_of_mirror_face.prototxt",
                                 "sphereface/sphereface_deploy.prototxt", "sphereface/sphereface_64_deploy.prototxt"}) {
    INFO(name);
    CaffeNet net = read_caffe_net(folder / name);
    CaffeModel caffe = import_caffe_net(net);
    run_forward(caffe, device);
    CHECK((!caffe.model.roles.embedding.empty() || name.starts_with("normface")));
  }
}

TEST_CASE("caffe: the reference fragments run behind inputs", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: the reference fragments run behind inputs");
  const fs::path folder = *shared / "data/seed_prototxt";
  Device device = Cpu(2);
  const std::map<std::string, std::vector<std::int64_t>> shapes = {{"res4_3", {4, 512, 7, 6}}, {"last_ip_layer", {4, 512}}, {"label", {4}}};
  for (const std::string name :
       {"amsoftmax/GNAP.prototxt", "normface/combine_softmax_contrastive.prototxt", "normface/normalized_Euclidean_contrastive.prototxt",
        "normface/normalized_Euclidean_triplet.prototxt", "normface/scaled_cosine_softmax.prototxt"}) {
    for (const Phase phase : {Phase::train, Phase::test}) {
      INFO(name);
      CaffeModel caffe = import_caffe_net(with_inputs(read_caffe_net(folder / name), shapes), {.phase = phase});
      run_forward(caffe, device);
    }
  }
}

TEST_CASE("caffe: MTCNN's nets give their known outputs at any size", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: MTCNN's nets give their known outputs at any size");
  const fs::path models = *shared / "data/models/mtcnn", known = *shared / "data/faces/mtcnn_golden";
  struct Stage {
    std::string name, files;
    std::vector<std::pair<std::string, std::string>> outputs;  // name in the files, and blob
    std::vector<std::string> runs;
  };
  const std::vector<Stage> stages = {{"pnet", "det1", {{"prob", "prob1"}, {"reg", "conv4-2"}}, {"pnet0", "pnet1"}},
                                     {"rnet", "det2", {{"prob", "prob1"}, {"reg", "conv5-2"}}, {"rnet"}},
                                     {"onet", "det3", {{"prob", "prob1"}, {"reg", "conv6-2"}, {"landmarks", "conv6-3"}}, {"onet"}}};
  Device device = Cpu(2);
  for (const Stage& stage : stages) {
    CaffeModel caffe = import_caffe_net(read_caffe_net(models / (stage.files + ".prototxt")));
    const CaffeLoaded loaded = load_caffe_weights(read_caffemodel(models / (stage.files + ".caffemodel")), caffe, stage.files);
    CHECK((loaded.missing.empty() && loaded.unlike.empty()));
    PlanCache plans(caffe.model.net, std::size_t{1} << 28);
    std::set<std::string> sizes;
    for (int round = 0; round < 2; ++round) {  // the second plans nothing
      for (int which = 0; which < 5; ++which) {
        for (const std::string& run : stage.runs) {
          const std::string name = fmt::format("case{}_{}_", which, run);
          INFO(name);
          const Tensor planar = read_npy(known / (name + "input.npy"));  // (N,C,x,y)
          const Shape& from = planar.shape();
          const Shape shape{from[0], from[2], from[3], from[1]};
          sizes.insert(shape.str());
          PlanOptions options{.batch = shape[0], .inputs = {{caffe.value("data"), shape}}};
          for (const auto& [output, blob] : stage.outputs) options.keep.push_back(caffe.value(blob));
          const std::shared_ptr<Plan> plan = plans.of(options);
          const auto to_last = [](const Tensor& tensor) {
            const Shape& planes = tensor.shape();
            const Tensor last({planes[0], planes[2], planes[3], planes[1]}, DType::f32);
            const std::int64_t pixels = planes[2] * planes[3];
            for (std::int64_t i = 0; i < tensor.count(); ++i) {
              const std::int64_t p = i % pixels, c = i / pixels % planes[1], n = i / pixels / planes[1];
              last.data<float>()[static_cast<std::size_t>((n * pixels + p) * planes[1] + c)] =
                  tensor.data<float>()[static_cast<std::size_t>(i)];
            }
            return last;
          };
          plan->value(caffe.value("data")).copy_from(to_last(planar));
          plan->forward(device);
          for (const auto& [output, blob] : stage.outputs) {
            const Tensor wanted = read_npy(known / (name + output + ".npy"));
            const Tensor expected = wanted.shape().rank() == 4 ? to_last(wanted) : wanted;
            const Tensor& found = plan->value(caffe.value(blob));
            REQUIRE(found.count() == expected.count());
            double worst = 0;
            for (std::size_t i = 0; i < expected.data<float>().size(); ++i) {
              worst = std::max(worst, static_cast<double>(std::abs(found.data<float>()[i] - expected.data<float>()[i])));
            }
            INFO(output << " differs by " << worst);
            CHECK(worst <= 1e-5);
          }
        }
      }
    }
    CHECK(plans.made() == static_cast<std::int64_t>(sizes.size()));
  }
}

TEST_CASE("caffe: every caffemodel comes back from amnet's own file", "[caffe][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe: every caffemodel comes back from amnet's own file");
  struct Pair {
    std::string net, weights;
  };
  const std::vector<Pair> pairs = {{"data/models/mtcnn/det1.prototxt", "data/models/mtcnn/det1.caffemodel"},
                                   {"data/models/mtcnn/det2.prototxt", "data/models/mtcnn/det2.caffemodel"},
                                   {"data/models/mtcnn/det3.prototxt", "data/models/mtcnn/det3.caffemodel"},
                                   {"data/formats/lenet_NCA_nonorm.prototxt", "data/formats/lenet_iter_20000.caffemodel"},
                                   {"golden/face_small_train.prototxt", "golden/face_small.caffemodel"},
                                   {"golden/tiny_sgd_net.prototxt", "golden/tiny_sgd_iter_6.caffemodel"}};
  const fs::path folder = fs::temp_directory_path() / fmt::format("amnet_caffe_{}", std::hash<std::string>{}(shared->string()));
  fs::create_directories(folder);
  for (const auto& [net, weights] : pairs) {
    INFO(weights);
    const CaffeImportOptions options{.phase = Phase::train, .image = CaffeImage{1, 28, 28}};
    CaffeModel caffe = import_caffe_net(read_caffe_net(*shared / net), options);
    const CaffeWeights stored = read_caffemodel(*shared / weights);
    const CaffeLoaded loaded = load_caffe_weights(stored, caffe, weights);
    CHECK(loaded.missing.empty());
    // R-Net's file has a layer for landmarks that its net does not have
    CHECK(loaded.left_out == (weights.ends_with("det2.caffemodel") ? std::vector<std::string>{"conv5-3"} : std::vector<std::string>()));
    const fs::path file = folder / "model.safetensors";
    save_model(file, caffe.model.net, caffe.model.roles);
    caffe.model = load_model(file);  // the net that was imported is gone
    std::size_t compared = 0;
    for (const CaffeParameter& parameter : caffe.parameters) {
      INFO(parameter.layer << "/" << parameter.index);
      Tensor value;
      caffe.model.net.look([&](const std::string& name, const Parameter& one) { value = name == parameter.parameter ? one.value : value; });
      REQUIRE(value.defined());
      const Tensor blob = caffe_blob_of(caffe, parameter, value);
      const auto layer = std::ranges::find(stored.layers, parameter.layer, &CaffeLayerBlobs::name);
      REQUIRE(layer != stored.layers.end());
      const Tensor& original = layer->blobs.at(static_cast<std::size_t>(parameter.index));
      REQUIRE(blob.count() == original.count());
      const auto a = blob.data<float>(), b = original.data<float>();
      CHECK(std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
      ++compared;
    }
    std::size_t blobs = 0;
    for (const CaffeLayerBlobs& layer : stored.layers) blobs += layer.name == "conv5-3" ? 0 : layer.blobs.size();
    CHECK(compared == blobs);
  }
  fs::remove_all(folder);
}

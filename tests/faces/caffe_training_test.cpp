// Training from the reference code's own files is training with our preset: the same images, net
// and recipe.
#include <amnet/faces/face_list.h>
#include <amnet/faces/face_source.h>
#include <amnet/faces/heads.h>
#include <amnet/train/trainer.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "catch.h"
#include "faces/caffe_training.h"
#include "shared_data.h"

using namespace amnet;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t steps = 20;

std::vector<double> losses_of(Device& device, Model& model, const FaceList& list, const FaceTraining& options) {
  FaceSource source(list, {.batch = options.batch, .format = options.input, .seed = options.seed, .mirror = options.mirror, .workers = 2},
                    {.images = model.roles.image->input, .labels = model.roles.labels});
  Trainer trainer(device, model, source,
                  {.steps = steps, .schedule = schedule_of(options, options.iterations), .solver = options.solver, .seed = options.seed});
  std::vector<double> losses;
  while (trainer.run_step()) {
    trainer.settle();
    losses.push_back(trainer.latest("loss"));
  }
  return losses;
}

std::map<std::string, Tensor> parameters_of(const Model& model) {
  std::map<std::string, Tensor> parameters;
  model.net.look([&](const std::string& name, const Parameter& parameter) { parameters[name] = parameter.value; });
  return parameters;
}

}  // namespace

TEST_CASE("caffe training: 20 steps of the reference files are those of the preset", "[faces][slow]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("caffe training: 20 steps of the reference files are those of the preset");
  const fs::path faces = *shared / "data/faces", folder = *shared / "data/seed_prototxt/amsoftmax";
  const FaceList list = read_face_list(faces / "train_list.txt", faces);

  FaceTraining of_caffe;
  apply_caffe_solver(of_caffe, folder / "face_solver.prototxt", {});
  FaceTraining of_preset;
  apply_preset(of_preset, "amsoftmax");
  CHECK(of_caffe.input == of_preset.input);
  CHECK(of_caffe.mirror == of_preset.mirror);
  CHECK(of_caffe.batch == of_preset.batch);
  CHECK(schedule_of(of_caffe, 30000).at(16000) == Approx(schedule_of(of_preset, 30000).at(16000)).epsilon(1e-12));
  for (FaceTraining* options : {&of_caffe, &of_preset}) {
    options->batch = 32;
    options->learning_rate = 0.01;
  }

  CaffeModel caffe = caffe_model(of_caffe, list, Phase::train, DType::f32);
  caffe.model.net.initialise(3);
  Model preset = face_network(of_preset.network, of_preset.input);
  HeadOptions head = of_preset.head;
  head.classes = 10516;  // of the reference code's net
  add_head(preset, head);
  const std::map<std::string, Tensor> from = parameters_of(caffe.model);
  preset.net.visit([&](const std::string& name, Parameter& parameter) {
    parameter.value.copy_from(from.at(name == "fc6.weight" ? "fc6_l2.weight" : name));
  });

  Device device = Cpu(2);
  const std::vector<double> theirs = losses_of(device, caffe.model, list, of_caffe), ours = losses_of(device, preset, list, of_preset);
  REQUIRE(ours.size() == static_cast<std::size_t>(steps));
  double worst = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::abs(ours[i] - theirs[i]) / ours[i]);
  CHECK(worst <= 1e-5);
  const std::map<std::string, Tensor> after = parameters_of(caffe.model);
  double worst_weight = 0;
  for (const auto& [name, tensor] : parameters_of(preset)) {
    const auto a = tensor.data<float>(), b = after.at(name == "fc6.weight" ? "fc6_l2.weight" : name).data<float>();
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(a[i])));
      difference = std::max(difference, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    }
    INFO(name << ": " << difference << " of " << largest);
    CHECK(difference <= 1e-5 * largest);
    if (largest > 0) worst_weight = std::max(worst_weight, difference / largest);
  }
  std::printf("reference files and preset, %d steps: losses differ by %.1e, weights by %.1e of a tensor's largest\n",
              static_cast<int>(steps), worst, worst_weight);
}

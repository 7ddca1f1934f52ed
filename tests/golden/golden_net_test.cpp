// The reference code's 20-layer face net at an eighth of its width, forward and backward, imported
// from its own prototxts; and sphere_face() with add_head(), which must be that net with its frozen
// biases at zero.
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "golden/imported.h"
#include "shared_data.h"

namespace {

using namespace amnet;
using namespace golden;
using Json = nlohmann::json;

/// One of the manifest's nets, with the images and parameters of face_small_train, which all of
/// them share.
class Golden {
 public:
  explicit Golden(const std::filesystem::path& folder, const std::string& name)
      : name_(name),
        json_(Json::parse(std::ifstream(folder / "manifest.json")).at("nets").at(name)),
        shared_(folder / "face_small_train.cpu.npz"),
        file_(folder / std::string(json_.at("file"))) {}

  std::string prototxt() const { return json_.at("prototxt"); }
  CaffeImportOptions options() const {
    return {.phase = json_.at("phase") == "TEST" ? Phase::test : Phase::train,
            .engine = json_.at("engine") == "emu" ? CaffeEngine::gpu : CaffeEngine::cpu};
  }
  bool training() const { return options().phase == Phase::train; }
  int steps() const { return json_.value("steps", 1); }
  /// The arrays of a net whose steps are counted have the step in their names.
  std::string prefix(int step) const { return json_.contains("steps") ? fmt::format("step{}/", step) : ""; }
  Array at(const std::string& key) const { return file_.at(key); }
  bool has(const std::string& key) const { return file_.has(key); }
  /// An input, or a parameter: the net's own where it has one.
  Array input(const std::string& key) const {
    for (const std::string& own : {prefix(0) + key, key}) {
      if (file_.has(own)) return file_.at(own);
    }
    return shared_.at(key);
  }
  /// That of the first step, unless a step has its own.
  Array input(const std::string& key, int step) const { return file_.has(prefix(step) + key) ? file_.at(prefix(step) + key) : input(key); }
  Array parameter(const std::string& blob) const {
    const std::string other = blob.starts_with("fc6/") ? "fc6_l2/" + blob.substr(4) : blob;
    const std::string own = "param/" + blob;
    for (const std::string& key : {prefix(0) + own, own}) {
      if (file_.has(key)) return file_.at(key);
    }
    return shared_.has(own) ? shared_.at(own) : shared_.at("param/" + other);
  }
  /// What follows `kind` in the names of the arrays.
  std::vector<std::string> names(const std::string& kind) const {
    std::vector<std::string> found;
    for (const auto& [key, shape] : json_.at("arrays").items()) {
      if (key.starts_with(kind)) found.push_back(key.substr(kind.size()));
    }
    return found;
  }
  /// Parameters that the reference code's net never changes: the biases of stride-1 convolutions
  /// and the scale.
  std::vector<std::string> frozen() const { return json_.at("params_without_gradient_in_real_net"); }

 private:
  std::string name_;
  Json json_;
  Npz shared_, file_;
};

/// The net with its parameters, planned, and the images and labels of the first step.
Imported prepared(const Golden& the) {
  const std::vector<std::string> taps = the.training() ? the.names(the.prefix(0) + "dblob/") : std::vector<std::string>();
  Imported imported(the.prototxt(), the.options(), {taps.begin(), taps.end()});
  imported.net().initialise(1);
  imported.plan_for(4, the.training(), {});
  imported.load([&](const std::string& blob) { return the.parameter(blob); });
  return imported;
}

/// Mirrored, as the second step's images are.
Array flipped(const Array& images) {
  Array mirrored = images;
  const auto width = static_cast<std::ptrdiff_t>(images.shape[3]);
  for (auto row = mirrored.values.begin(); row != mirrored.values.end(); row += width) std::reverse(row, row + width);
  return mirrored;
}

void run(const std::string& name, const Golden& the, Device& device, Judge& judge) {
  Imported imported = prepared(the);
  for (int step = 0; step < the.steps(); ++step) {
    const std::string at = the.prefix(step);
    const Array images = the.input("in/data");
    imported.set_input("data", step == 0 || the.has(at + "in/data") ? the.input("in/data", step) : flipped(images));
    imported.set_input("label", the.input("in/label", step));
    imported.plan().forward(device, {.step = {.number = step}});
    const auto compare = [&](const std::string& kind, const std::string& array, const Tensor& tensor) {
      judge.compare(name + "/" + at + kind + array, the.at(at + kind + array), tensor);
    };
    // a net in TEST lists its blobs without a kind
    const std::string kind = the.training() ? "blob/" : "";
    for (const std::string& blob : the.names(at + kind)) compare(kind, blob, imported.value(blob));
    if (!the.training()) continue;
    for (const std::string& blob : the.names(at + "param_after_forward/")) {
      judge.compare_blob(name + "/" + at + "param_after_forward/" + blob, the.at(at + "param_after_forward/" + blob),
                         imported.blob_value(blob));
    }
    imported.plan().backward(device);
    if (the.has(at + "din/data")) compare("din/", "data", imported.input_gradient("data"));
    for (const std::string& blob : the.names(at + "dblob/")) compare("dblob/", blob, *imported.gradients().at(blob));
    for (const std::string& blob : the.names(at + "dparam/")) {
      judge.compare_blob(name + "/" + at + "dparam/" + blob, the.at(at + "dparam/" + blob), imported.blob_gradient(blob));
    }
  }
}

/// The name of a parameter of sphere_face() and add_head() in the net that is built from the
/// prototxt.
std::string seeds_name(const std::string& parameter) { return parameter.starts_with("fc6.") ? "fc6_l2." + parameter.substr(4) : parameter; }

}  // namespace

TEST_CASE("golden: the reference code's face nets give their values and gradients", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: the reference code's face nets give their values and gradients");
  Device device = Cpu(2);
  const std::vector<std::pair<std::string, int>> nets = {
      {"face_small_train", 107}, {"face_small_train_gpu", 73}, {"face_small_test", 7}, {"face_small_auto", 84}};
  for (const auto& [name, arrays] : nets) {
    Judge judge(1e-4);
    INFO(name);
    run(name, Golden(*shared / "golden", name), device, judge);
    std::printf("golden net %s: %s\n", name.c_str(), judge.summary().c_str());
    CHECK(judge.arrays() >= arrays);
  }
}

TEST_CASE("golden: sphere_face and add_head are the reference code's face net", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: sphere_face and add_head are the reference code's face net");
  const Golden the(*shared / "golden", "face_small_train");
  Imported seeds = prepared(the);
  seeds.set_input("data", the.input("in/data"));
  seeds.set_input("label", the.input("in/label"));
  // The golden numbers were made with non-zero biases; the frozen biases of the reference code are
  // zero, and sphere_face has none.
  for (const std::string& blob : the.frozen()) {
    if (!blob.starts_with("fc6_")) seeds.parameter(seeds.parameter_of(blob).parameter).value.clear();
  }

  Net ours;
  const Value images = ours.add("data", Source({4, 112, 96, 3}), {});
  const Value labels = ours.input("label", {4}, DType::i64);
  const Value embedding = sphere_face(ours, images, {.depth = 20, .width = 0.125, .embedding = 32});
  HeadOptions options{.classes = 64, .scale = 30, .margin = 0.35, .margin_rule = MarginRule::cos_gt_m};
  options.rows = RowNorm::in_place;
  options.epsilon = 1e-6;
  const Head head = add_head(ours, embedding, labels, options);
  ours.initialise(1);
  Plan plan(ours, {.batch = 4, .loss = head.loss, .keep = {embedding, head.logits}});
  ours.visit([&](const std::string& name, Parameter& parameter) { parameter.value.copy_from(seeds.parameter(seeds_name(name)).value); });
  plan.value(labels).copy_from(labels_of(the.input("in/label")));

  Device device = Cpu(2);
  Judge judge(1e-6);
  for (Plan* one : {&plan, &seeds.plan()}) {
    one->forward(device);
    one->backward(device);
  }
  judge.compare("fc5", seeds.value("fc5"), plan.value(embedding));
  judge.compare("fc6", seeds.value("fc6"), plan.value(head.logits));
  judge.compare("softmax_loss", seeds.value("softmax_loss"), plan.value(head.loss));
  int compared = 3;
  ours.visit([&](const std::string& name, Parameter& parameter) {
    judge.compare(name + " gradient", seeds.plan().gradient(seeds.parameter(seeds_name(name))), plan.gradient(parameter));
    ++compared;
  });
  std::printf("golden net sphere_face and add_head: %s\n", judge.summary().c_str());
  CHECK(judge.arrays() == compared);
  CHECK(compared == 3 + 1 + 64 - static_cast<int>(the.frozen().size()));
}

// Runs of the reference code's solvers on its tiny nets, step by step: parameters, history and
// losses; its snapshot, and going on from one.
#include <amnet/caffe/solver_settings.h>
#include <amnet/net/plan.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "golden/imported.h"
#include "shared_data.h"

namespace {

using namespace amnet;
using namespace golden;
using Json = nlohmann::json;

/// Samples [begin, end) of the data, which the reference code reads again from the start after the
/// end.
Array batch_of(const Array& all, std::int64_t begin, std::int64_t size) {
  Array batch{all.shape, {}};
  const std::int64_t samples = all.shape[0];
  const auto each = static_cast<std::ptrdiff_t>(all.values.size()) / samples;
  batch.shape[0] = size;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto from = all.values.begin() + (begin + i) % samples * each;
    batch.values.insert(batch.values.end(), from, from + each);
  }
  return batch;
}

/// One case of the manifest: its net, solver and arrays.
class Run {
 public:
  Run(std::string name, const Json& json, const Npz& file)
      : name_(std::move(name)),
        json_(json),
        file_(file),
        settings_(caffe_solver_settings(caffe_solver_of_text(std::string(json.at("solver")), name_), name_)),
        caffe_(
            import_caffe_net(caffe_net_of_text(std::string(json.at("net")), name_), {.phase = Phase::train, .engine = CaffeEngine::cpu})) {
    for (const CaffeParameter& parameter : caffe_.parameters) order_.push_back(Imported::name_of(parameter));
    REQUIRE(order_ == json.at("history_order").get<std::vector<std::string>>());
    caffe_.model.net.initialise(1);
  }

  int steps() const { return json_.at("steps"); }
  CaffeModel& caffe() { return caffe_; }
  Array array(const std::string& key) const { return file_.at(name_ + "/" + key); }
  Tensor value(const CaffeParameter& parameter) {
    Tensor found;
    caffe_.model.net.look([&](const std::string& name, const Parameter& one) { found = name == parameter.parameter ? one.value : found; });
    return caffe_blob_of(caffe_, parameter, found);
  }
  /// All parameters of the net from `prefix`: "init/", "step3/param/".
  CaffeWeights weights(const std::string& prefix) {
    return weights_by([&](const CaffeParameter& each) { return blob_of(array(prefix + Imported::name_of(each))); });
  }
  /// The same of the net as it is now.
  CaffeWeights weights_now() {
    return weights_by([&](const CaffeParameter& each) { return value(each).clone(); });
  }

  /// Starts from weights, and from a state where there is one.
  void start(const CaffeWeights& from, const CaffeSolverState* state = nullptr) {
    const CaffeLoaded loaded = load_caffe_weights(from, caffe_, name_);
    REQUIRE((loaded.missing.empty() && loaded.left_out.empty()));
    solver_ = std::make_unique<Solver>(caffe_.model.net, settings_.solver);
    if (state != nullptr) restore_caffe_history(*state, caffe_, *solver_, name_);
    plan_ = std::make_unique<Plan>(caffe_.model.net, PlanOptions{.batch = batch(), .loss = caffe_.model.loss()});
  }
  std::vector<Tensor> history() { return caffe_history_of(caffe_, *solver_); }
  float step(int number, Device& device) {
    float loss = 0;
    std::int64_t read = number * settings_.accumulate * batch();
    for (std::int64_t part = 0; part < settings_.accumulate; ++part, read += batch()) {
      plan_->value("data").copy_from(tensor_of(batch_of(file_.at("in/data"), read, batch())));
      plan_->value("label").copy_from(labels_of(batch_of(file_.at("in/label"), read, batch())));
      plan_->forward(device, {.step = {.number = number}});
      plan_->backward(device, {.parameters = part == 0 ? Write::assign : Write::add});
      loss = static_cast<float>(plan_->value(caffe_.model.loss()).item());
    }
    solver_->step(device, *plan_, settings_.schedule.at(number), 1.0 / static_cast<double>(settings_.accumulate), {}, number);
    return loss;
  }
  void compare(int done, Judge& judge) {
    const std::string at = fmt::format("step{}/", done);
    const std::vector<Tensor> ours = history();
    for (std::size_t i = 0; i < order_.size(); ++i) {
      judge.compare_blob(name_ + "/" + at + "param/" + order_[i], array(at + "param/" + order_[i]), value(caffe_.parameters[i]));
    }
    for (std::size_t i = 0; i < ours.size(); ++i) {
      judge.compare_blob(fmt::format("{}/{}history/{}", name_, at, i), array(fmt::format("{}history/{}", at, i)), ours[i]);
    }
  }

 private:
  template <class BlobOf>
  CaffeWeights weights_by(BlobOf&& blob_of_parameter) {
    CaffeWeights weights;
    for (const CaffeParameter& parameter : caffe_.parameters) {
      if (weights.layers.empty() || weights.layers.back().name != parameter.layer) weights.layers.push_back({parameter.layer, "", {}});
      weights.layers.back().blobs.push_back(blob_of_parameter(parameter));
    }
    return weights;
  }
  std::int64_t batch() const { return caffe_.model.net.inputs().front().spec.shape[0]; }

  std::string name_;
  Json json_;
  const Npz& file_;
  CaffeSolverSettings settings_;
  CaffeModel caffe_;
  std::vector<std::string> order_;
  std::unique_ptr<Solver> solver_;
  std::unique_ptr<Plan> plan_;
};

struct Golden {
  Json manifest;
  Npz file;
  explicit Golden(const std::filesystem::path& folder)
      : manifest(Json::parse(std::ifstream(folder / "manifest.json"))), file(folder / "solver.cpu.npz") {}
};

}  // namespace

TEST_CASE("golden: the solvers' steps agree with the reference code's", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: the solvers' steps agree with the reference code's");
  const Golden golden(*shared / "golden");
  Device device = Cpu(2);
  Judge judge(1e-4);
  for (const auto& [name, json] : golden.manifest.at("solver").items()) {
    INFO(name);
    Run run(name, json, golden.file);
    run.start(run.weights("init/"));
    const Array losses = run.array("loss");
    Tensor ours(Shape{run.steps()}, DType::f32);
    for (int step = 0; step < run.steps(); ++step) {
      ours.data<float>()[static_cast<std::size_t>(step)] = run.step(step, device);
      run.compare(step + 1, judge);
    }
    judge.compare(name + "/loss", losses, ours);
  }
  std::printf("golden solvers: %zu runs; %s\n", golden.manifest.at("solver").size(), judge.summary().c_str());
}

TEST_CASE("golden: the reference code's snapshot is step 6 of its run, to the bit", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: the reference code's snapshot is step 6 of its run, to the bit");
  const std::filesystem::path folder = *shared / "golden";
  const Golden golden(folder);
  const CaffeSolverState state = read_solverstate(folder / "tiny_sgd_iter_6.solverstate");
  Run run("sgd_multistep", golden.manifest.at("solver").at("sgd_multistep"), golden.file);
  run.start(read_caffemodel(folder / "tiny_sgd_iter_6.caffemodel"), &state);
  CHECK(state.step == 6);
  Judge judge(0);
  run.compare(6, judge);
  CHECK(judge.arrays() == 18);
}

TEST_CASE("golden: our own state at step 3 goes on to the reference code's steps 4 to 6", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: our own state at step 3 goes on to the reference code's steps 4 to 6");
  const Golden golden(*shared / "golden");
  Device device = Cpu(2);
  for (const std::string name : {"sgd_multistep", "adam", "nesterov"}) {
    INFO(name);
    Judge judge(1e-4);
    const Json& json = golden.manifest.at("solver").at(name);
    Run first(name, json, golden.file);
    first.start(first.weights("init/"));
    for (int step = 0; step < 3; ++step) first.step(step, device);
    const CaffeSolverState state{.step = 3, .learned_net = "", .history = first.history()};
    Run second(name, json, golden.file);
    second.start(first.weights_now(), &state);
    for (int step = 3; step < 6; ++step) {
      second.step(step, device);
      second.compare(step + 1, judge);
    }
    CHECK(judge.arrays() >= 3 * 18);
  }
}

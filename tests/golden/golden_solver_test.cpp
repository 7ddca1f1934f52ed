// Runs of the reference code's solver on its tiny nets, step by step: parameters, momentum and
// losses.
#include <amnet/core/named.h>
#include <amnet/train/schedule.h>
#include <amnet/train/solver.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "golden/caffe_import.h"
#include "shared_data.h"

namespace {

using namespace amnet;
using namespace golden;
using Json = nlohmann::json;

Schedule schedule_of(const Message& solver) {
  Schedule schedule{.policy = named<SchedulePolicy>(solver.text("lr_policy"), "lr_policy"),
                    .base = solver.number("base_lr", 0),
                    .gamma = solver.number("gamma", 1),
                    .power = solver.number("power", 1),
                    .step_size = solver.integer("stepsize", 0),
                    .max_steps = solver.integer("max_iter", 0)};
  for (const std::string& step : solver.texts("stepvalue")) schedule.steps.push_back(std::stoll(step));
  return schedule;
}

SolverOptions options_of(const Message& solver) {
  const std::string type = solver.text("type", "SGD");
  return {.method = type == "SGD"        ? SolverMethod::sgd
                    : type == "Nesterov" ? SolverMethod::nesterov
                                         : SolverMethod::adam,
          .momentum = solver.number("momentum", 0),
          .weight_decay = solver.number("weight_decay", 0),
          .clip_norm = solver.number("clip_gradients", 0),
          .beta2 = solver.number("momentum2", 0.999),
          .epsilon = solver.number("delta", 1e-8)};
}

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

void run_solver(const std::string& name, const Json& json, const Npz& file, Device& device, Judge& judge) {
  const Message options = parse_prototxt(std::string(json.at("solver")));
  const Schedule schedule = schedule_of(options);
  const auto array = [&](const std::string& key) { return file.at(name + "/" + key); };

  const Message prototxt = parse_prototxt(std::string(json.at("net")));
  const std::int64_t batch = prototxt.messages("layer").front()->message("memory_data_param").integer("batch_size", 0);
  const Array data = file.at("in/data"), labels = file.at("in/label");
  CaffeNet caffe;
  caffe.values["data"] = caffe.net.input("data", tensor_of(data).shape());
  caffe.values["label"] = caffe.net.input("label", labels_of(labels).shape(), DType::i64);
  Importer(caffe, 1e-6, false).add(prototxt);
  caffe.net.initialise(1);
  caffe.plan.emplace(caffe.net, PlanOptions{.batch = batch, .loss = caffe.last});
  const std::vector<std::string> order = json.at("history_order");
  caffe.load([&](const std::string& blob) { return array("init/" + blob); });
  REQUIRE(caffe.blobs.size() == order.size());

  Solver solver(caffe.net, options_of(options));
  const std::int64_t parts = options.integer("iter_size", 1);
  Array losses = array("loss");
  Tensor loss(tensor_of(losses).shape(), DType::f32);
  std::int64_t read = 0;
  for (int step = 0; step < json.at("steps"); ++step) {
    for (std::int64_t part = 0; part < parts; ++part, read += batch) {
      caffe.plan->value(caffe.values.at("data")).copy_from(tensor_of(batch_of(data, read, batch)));
      caffe.plan->value(caffe.values.at("label")).copy_from(labels_of(batch_of(labels, read, batch)));
      caffe.plan->forward(device, {.step = {.number = step}});
      caffe.plan->backward(device, {.parameters = part == 0 ? Write::assign : Write::add});
    }
    loss.data<float>()[static_cast<std::size_t>(step)] = static_cast<float>(caffe.plan->value(caffe.last).item());
    solver.step(device, *caffe.plan, schedule.at(step), 1.0 / static_cast<double>(parts));

    const std::string done = fmt::format("step{}/", step + 1);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Array parameter = array(done + "param/" + order[i]);
      judge.compare(name + "/" + done + "param/" + order[i], parameter, caffe.value_of(order[i], parameter));
      // Of Adam all means come first, and then all squares.
      for (int moment = 0; moment < moments_of(solver.options().method); ++moment) {
        const Array history = array(fmt::format("{}history/{}", done, i + static_cast<std::size_t>(moment) * order.size()));
        const std::string& parameter_name = caffe.blobs.at(order[i]).parameter;
        Tensor kept = Tensor::zeros(tensor_of(history).shape(), DType::f32);  // of a frozen blob
        for (const Solver::Momentum& each : solver.state()) {
          if (each.name == parameter_name + (moment == 0 ? "" : ".square")) kept = caffe.as_blob(order[i], each.value, history);
        }
        judge.compare(fmt::format("{}/{}history {} of {}", name, done, moment, order[i]), history, kept);
      }
    }
  }
  judge.compare(name + "/loss", losses, loss);
}

}  // namespace

TEST_CASE("golden: the solver's steps agree with the reference code's", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: the solver's steps agree with the reference code's");
  const std::filesystem::path folder = *shared / "golden";
  const Json manifest = Json::parse(std::ifstream(folder / "manifest.json"));
  const Npz file(folder / "solver.cpu.npz");
  Device device = Cpu(2);
  Judge judge(1e-4);
  std::vector<std::string> waiting;
  int ran = 0;
  for (const auto& [name, json] : manifest.at("solver").items()) {
    try {
      run_solver(name, json, file, device, judge);
      ++ran;
    } catch (const Waits& waits) {
      waiting.push_back(name + ": " + waits.reason);
    }
  }
  std::printf("golden solver: %d of %d runs; %s\nwaiting:\n", ran, static_cast<int>(manifest.at("solver").size()), judge.summary().c_str());
  for (const std::string& line : waiting) std::printf("  %s\n", line.c_str());
  REQUIRE(ran == 10);
}

// Every layer case of the golden numbers, imported from its prototxt: forward, backward,
// parameters.
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "golden/imported.h"
#include "shared_data.h"

namespace {

using namespace amnet;
using namespace golden;
using Json = nlohmann::json;

/// One case: the arrays of its steps, by the names that the manifest explains.
class Case {
 public:
  Case(const std::string& name, const Json& json, const Npz& file) : name_(name), file_(file) {
    json_ = json;
    caffe_name_ = name.substr(0, name.find('@'));
  }

  const std::string& name() const { return name_; }
  int steps() const { return json_.at("steps"); }
  CaffeImportOptions options() const {
    return {.phase = phase(), .engine = json_.at("engine") == "emu" ? CaffeEngine::gpu : CaffeEngine::cpu};
  }
  Phase phase() const { return json_.at("phase") == "TEST" ? Phase::test : Phase::train; }
  std::string prototxt() const { return json_.at("prototxt"); }

  Array at(const std::string& key) const { return file_.at(caffe_name_ + "/" + key); }
  /// What follows `prefix` in the names of the arrays: {"x", "label"} for "in/".
  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const auto& [key, shape] : json_.at("arrays").items()) {
      if (key.starts_with(prefix)) found.push_back(key.substr(prefix.size()));
    }
    return found;
  }
  /// The arrays of a case of one step have no step in their names.
  std::string prefix(int step) const { return steps() > 1 ? fmt::format("step{}/", step) : ""; }

 private:
  std::string name_, caffe_name_;
  Json json_;
  const Npz& file_;
};

void run_case(const Case& the, Device& device, Judge& judge) {
  Imported imported(the.prototxt(), the.options());
  const std::string first = the.prefix(0);
  const std::vector<std::string> gradients = the.names(first + "dout/");
  const std::int64_t batch = the.at(first + "in/" + imported.batch_from()).shape.at(0);
  imported.net().initialise(1);
  const auto given = std::make_shared<std::vector<Tensor>>();
  imported.plan_for(batch, false, gradients, gradients.empty() ? nullptr : given);
  std::map<std::string, Array> parameters;  // as the reference code has them
  imported.load([&](const std::string& blob) { return parameters[blob] = the.at("param/" + blob); });
  REQUIRE(parameters.size() == the.names("param/").size());

  for (int step = 0; step < the.steps(); ++step) {
    const std::string at = the.prefix(step);
    const auto compare = [&](const std::string& array, const Tensor& tensor) {
      judge.compare(the.name() + "/" + at + array, the.at(at + array), tensor);
    };
    for (const std::string& input : the.names(at + "in/")) imported.set_input(input, the.at(at + "in/" + input));
    imported.plan().forward(device, {.step = {.number = step}, .phase = the.phase()});
    for (const std::string& top : the.names(at + "out/")) compare("out/" + top, imported.value(top));
    for (const std::string& blob : the.names(at + "param_after_forward/")) parameters[blob] = the.at(at + "param_after_forward/" + blob);
    for (const auto& [blob, array] : parameters) {
      judge.compare_blob(the.name() + "/" + at + "param after forward/" + blob, array, imported.blob_value(blob));
    }
    if (gradients.empty()) continue;
    given->clear();
    for (const std::string& top : gradients) {
      given->push_back(tensor_of(the.at(at + "dout/" + top)).reshaped(imported.net().spec(imported.caffe().value(top)).shape));
    }
    imported.plan().backward(device);
    for (const std::string& input : the.names(at + "din/")) compare("din/" + input, imported.input_gradient(input));
    for (const std::string& blob : the.names(at + "dparam/")) {
      judge.compare_blob(the.name() + "/" + at + "dparam/" + blob, the.at(at + "dparam/" + blob), imported.blob_gradient(blob));
    }
  }
}

}  // namespace

TEST_CASE("golden: layers agree with the reference code's", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: layers agree with the reference code's");
  const std::filesystem::path folder = *shared / "golden";
  const Json manifest = Json::parse(std::ifstream(folder / "manifest.json"));
  Device device = Cpu(2);
  Judge judge(1e-5);
  std::map<std::string, Npz> files;
  std::map<std::string, int> groups;
  for (const auto& [name, json] : manifest.at("layer_cases").items()) {
    const std::string file = json.at("file");
    ++groups[json.at("group")];
    INFO(name);
    try {
      run_case(Case(name, json, files.try_emplace(file, folder / file).first->second), device, judge);
    } catch (const Error& error) {
      FAIL_CHECK(name << ": " << error.what());
    }
  }
  std::printf("golden layers: %zu cases; %s\n", manifest.at("layer_cases").size(), judge.summary().c_str());
  for (const auto& [group, count] : groups) std::printf("  %-28s %2d\n", group.c_str(), count);
}

// Every layer case of the golden numbers that amnet's layers can express: forward, backward,
// parameters. The others are listed by name as waiting.
#include <amnet/kernels/softmax_cross_entropy.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "golden/caffe_import.h"
#include "shared_data.h"

namespace {

using namespace amnet;
using namespace golden;
using Json = nlohmann::json;

/// What the reference code computes differently by intention: not compared.
const std::map<std::string, std::string> different = {
    {"sml_extreme@cpu/out/loss", "the reference code floors a probability at FLT_MIN, ours is the exact logarithm"}};

/// One case: the arrays of its steps, by the names that the manifest explains.
class Case {
 public:
  Case(const std::string& name, const Json& json, const Npz& file) : name_(name), file_(file) {
    json_ = json;
    caffe_name_ = name.substr(0, name.find('@'));
  }

  const std::string& name() const { return name_; }
  int steps() const { return json_.at("steps"); }
  bool gpu() const { return json_.at("engine") == "emu"; }
  Phase phase() const { return json_.at("phase") == "TEST" ? Phase::test : Phase::train; }
  std::string prototxt() const { return json_.at("prototxt"); }
  bool is_label(const std::string& input) const {
    const Json& labels = json_.at("labels");
    return std::find(labels.begin(), labels.end(), input) != labels.end();
  }

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

void add_inputs(CaffeNet& caffe, const Case& from) {
  for (const std::string& name : from.names(from.prefix(0) + "in/")) {
    const Array array = from.at(from.prefix(0) + "in/" + name);
    caffe.values[name] = from.is_label(name) ? caffe.net.input(name, labels_of(array).shape(), DType::i64)
                                             : caffe.net.add(name, Source(tensor_of(array).shape()), {});
  }
}

void run_layers(const Case& the, CaffeNet& caffe, Device& device, Judge& judge) {
  const auto compare = [&](const std::string& array, const Tensor& tensor) {
    if (!different.contains(the.name() + "/" + array)) judge.compare(the.name() + "/" + array, the.at(array), tensor);
  };
  const std::vector<std::string> tops = the.names(the.prefix(0) + "out/");
  const bool backward = !the.names(the.prefix(0) + "dout/").empty();
  const auto given = std::make_shared<std::vector<Tensor>>();
  std::vector<Value> kept, gradient_tops;
  std::vector<std::string> gradient_names;
  for (const std::string& top : tops) {
    kept.push_back(caffe.values.at(top));
    if (caffe.without_gradient.contains(top)) continue;
    gradient_names.push_back(top);
    gradient_tops.push_back(caffe.values.at(top));
  }
  const std::int64_t batch = the.at(the.prefix(0) + "in/" + the.names(the.prefix(0) + "in/").front()).shape.at(0);
  if (backward) {
    const Value end = caffe.net.add("given_gradients", GivenGradients(given), gradient_tops);
    caffe.net.initialise(1);
    caffe.plan.emplace(caffe.net, PlanOptions{.batch = batch, .loss = end, .keep = kept});
  } else {
    caffe.net.initialise(1);
    caffe.plan.emplace(caffe.net, PlanOptions{.batch = batch, .keep = kept});
  }
  std::map<std::string, Array> parameters;  // the parameters of the reference code
  caffe.load([&](const std::string& blob) { return parameters[blob] = the.at("param/" + blob); });
  REQUIRE(parameters.size() == the.names("param/").size());

  for (int step = 0; step < the.steps(); ++step) {
    const std::string at = the.prefix(step);
    for (const std::string& input : the.names(at + "in/")) {
      const Array array = the.at(at + "in/" + input);
      if (the.is_label(input)) {
        caffe.plan->value(caffe.values.at(input)).copy_from(labels_of(array));
      } else {
        caffe.parameter(input + ".value").value.copy_from(tensor_of(array));
      }
    }
    caffe.plan->forward(device, {.step = {.number = step}, .phase = the.phase()});
    for (const std::string& top : tops) compare(at + "out/" + top, caffe.plan->value(caffe.values.at(top)));
    for (const std::string& blob : the.names(at + "param_after_forward/")) parameters[blob] = the.at(at + "param_after_forward/" + blob);
    for (const auto& [blob, array] : parameters) {
      judge.compare(the.name() + "/" + at + "param after forward/" + blob, array, caffe.value_of(blob, array));
    }
    if (!backward) continue;
    given->clear();
    for (const std::string& top : gradient_names) {
      given->push_back(tensor_of(the.at(at + "dout/" + top)).reshaped(caffe.net.spec(caffe.values.at(top)).shape));
    }
    caffe.plan->backward(device);
    for (const std::string& input : the.names(at + "din/"))
      compare(at + "din/" + input, caffe.plan->gradient(caffe.parameter(input + ".value")));
    for (const std::string& blob : the.names(at + "dparam/")) {
      compare(at + "dparam/" + blob, caffe.gradient_of(blob, the.at(at + "dparam/" + blob)));
    }
  }
}

/// Loss and gradient of a loss layer, in f64.
struct LossResult {
  double loss;
  Tensor gradient;
};
LossResult run_loss(const SoftmaxCrossEntropyOptions& options, Context& context, const Tensor& cosines, const Tensor& labels) {
  SoftmaxCrossEntropy layer(options);
  const std::vector<TensorSpec> specs = {{cosines.shape(), DType::f64}, {labels.shape(), DType::i64}};
  const LayerPlan plan = layer.setup(specs);
  const std::vector<Tensor> inputs = {cosines.cast(DType::f64), labels}, outputs = {Tensor({1}, DType::f64)},
                            saved = {Tensor(plan.saved[0].shape, DType::f64)}, one = {Tensor::of<double>({1}, {1.0})};
  const std::vector<Gradient> gradients = {{Tensor(cosines.shape(), DType::f64), Write::assign}, {}};
  layer.forward({context, inputs, outputs, saved});
  layer.backward(
      {.context = context, .inputs = inputs, .outputs = {}, .saved = saved, .output_gradients = one, .input_gradients = gradients});
  return {outputs[0].item(), gradients[0].tensor};
}

/// In amnet the margin step is a part of the loss layer, whose kernel `margin_logits` is compared
/// with `out`. The layer's loss with the margin must be the plain loss of the reference code's
/// `out`; and since its gradient to each cosine is the plain loss's gradient times the derivative
/// of the margin step, that derivative is their ratio: times `dout` it is compared with `din`.
void run_margin(const Case& the, const MarginStep& margin, Device& device, Judge& judge) {
  Context context{.device = device, .phase = the.phase()};
  Tensor cosines, labels;
  for (int step = 0; step < the.steps(); ++step) {
    const std::string at = the.prefix(step);
    context.step = Step{.number = step};
    for (const std::string& input : the.names(at + "in/")) {
      (input == "label" ? labels : cosines) = input == "label" ? labels_of(the.at(at + "in/label")) : tensor_of(the.at(at + "in/" + input));
    }
    const double subtracted = margin.options.schedule ? margin.options.schedule->margin_at(step) : margin.options.margin;
    Tensor moved(cosines.shape(), DType::f32);
    on(device, [&](auto& backend) {
      margin_logits(backend, {.scale = 1, .margin = the.phase() == Phase::test ? 0 : subtracted, .rule = margin.options.rule}, cosines,
                    labels, {}, moved);
    });
    judge.compare(the.name() + "/" + at + "out/y", the.at(at + "out/y"), moved);
    const std::vector<std::string> tops = the.names(at + "out/");
    if (std::ranges::find(tops, "margin") != tops.end()) {
      judge.compare(the.name() + "/" + at + "out/margin", the.at(at + "out/margin"),
                    Tensor::of<float>({1}, {static_cast<float>(-subtracted)}));
    }

    const LossResult ours = run_loss(margin.options, context, cosines, labels);
    const LossResult plain = run_loss({}, context, tensor_of(the.at(at + "out/y")), labels);
    INFO(the.name() << ", step " << step);
    CHECK(std::abs(ours.loss - plain.loss) <= 1e-6 * plain.loss);
    Tensor passed = tensor_of(the.at(at + "dout/y"));
    for (std::size_t i = 0; i < passed.data<float>().size(); ++i) {
      passed.data<float>()[i] *= static_cast<float>(ours.gradient.data<double>()[i] / plain.gradient.data<double>()[i]);
    }
    judge.compare(the.name() + "/" + at + "din/x", the.at(at + "din/x"), passed);
  }
}

void run_case(const Case& the, Device& device, Judge& judge) {
  CaffeNet caffe;
  add_inputs(caffe, the);
  Importer(caffe, the.gpu() ? 1e-12 : 1e-6, the.gpu()).add(parse_prototxt(the.prototxt()));
  if (caffe.margins.empty()) {
    run_layers(the, caffe, device, judge);
  } else {
    run_margin(the, caffe.margins.begin()->second, device, judge);
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
  std::map<std::string, std::vector<int>> groups;  // cases that ran and all, by group
  std::vector<std::string> waiting;
  int ran = 0;
  for (const auto& [name, json] : manifest.at("layer_cases").items()) {
    const std::string file = json.at("file"), group = json.at("group");
    const Case the(name, json, files.try_emplace(file, folder / file).first->second);
    std::vector<int>& count = groups.try_emplace(group, std::vector<int>{0, 0}).first->second;
    ++count[1];
    try {
      run_case(the, device, judge);
      ++count[0];
      ++ran;
    } catch (const Waits& waits) {
      waiting.push_back(fmt::format("  {:<36} {}", name + ":", waits.reason));
    }
  }
  std::printf("golden layers: %d of %d cases ran; %s\n", ran, ran + static_cast<int>(waiting.size()), judge.summary().c_str());
  for (const auto& [group, count] : groups) std::printf("  %-28s %2d of %2d\n", group.c_str(), count[0], count[1]);
  for (const auto& [array, reason] : different) std::printf("  not compared: %s: %s\n", array.c_str(), reason.c_str());
  std::printf("waiting:\n");
  for (const std::string& line : waiting) std::printf("%s\n", line.c_str());
  REQUIRE(ran >= 64);  // a case that is no longer run makes this fail
}

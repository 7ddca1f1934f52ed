// A net of the reference code, imported, with its inputs and gradients within reach of a test, and
// its blobs under their names.
#pragma once

#include <amnet/caffe/import.h>
#include <amnet/net/plan.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "caffe/layer_import.h"
#include "golden/judge.h"
#include "golden/probes.h"

namespace golden {

/// The array in the order of the reference code, as its files hold it.
inline amnet::Tensor blob_of(const Array& array) {
  return amnet::Tensor::of(amnet::Shape{std::span<const std::int64_t>(array.shape)}, std::span<const float>(array.values));
}

class Imported {
 public:
  /// `taps`: blobs whose gradients are to be seen.
  Imported(const std::string& prototxt, const amnet::CaffeImportOptions& options, std::set<std::string> taps = {}) {
    const amnet::CaffeNet net = amnet::caffe_net_of_text(prototxt, "golden.prototxt");
    batch_from_ = net.layers.at(0).tops.at(0);
    amnet::caffe::ImportHooks hooks;
    hooks.frozen_take_gradients = true;
    hooks.input = [this](amnet::Net& to, const std::string& name, const amnet::TensorSpec& spec) {
      sources_.insert(name);
      return to.add(name, Source(spec.shape, spec.per_sample), {});
    };
    hooks.top = [this, taps, count = 0](amnet::Net& to, const std::string& blob, amnet::Value value) mutable {
      if (!taps.contains(blob)) return value;
      auto& seen = gradients_[blob];
      if (seen == nullptr) seen = std::make_shared<amnet::Tensor>();
      return to.add(fmt::format("tap_{}_{}", ++count, blob), Tap(seen), {value});
    };
    caffe_ = amnet::caffe::import_net(net, options, hooks);
  }

  amnet::CaffeModel& caffe() { return caffe_; }
  amnet::Net& net() { return caffe_.model.net; }
  amnet::Plan& plan() { return *plan_; }
  /// The blob whose first extent is the batch.
  const std::string& batch_from() const { return batch_from_; }

  /// With `given`, the gradients of these blobs are what is in it, else that of the loss is 1.
  void plan_for(std::int64_t batch, bool backward, const std::vector<std::string>& tops,
                std::shared_ptr<std::vector<amnet::Tensor>> given = nullptr) {
    std::vector<amnet::Value> kept;
    for (const auto& [blob, value] : caffe_.blobs) kept.push_back(caffe_.value(blob));
    amnet::PlanOptions options{.batch = batch, .keep = kept};
    if (given != nullptr) {
      std::vector<amnet::Value> ends;
      for (const std::string& top : tops) ends.push_back(caffe_.value(top));
      options.loss = net().add("given_gradients", GivenGradients(std::move(given)), ends);
    } else if (backward) {
      options.loss = caffe_.model.loss();
    }
    plan_.emplace(net(), options);
  }

  void set_input(const std::string& blob, const Array& array) {
    if (sources_.contains(blob)) {
      const amnet::Tensor& value = parameter(blob + ".value").value;
      value.copy_from(tensor_of(array).reshaped(value.shape()));
    } else {
      const amnet::Tensor& value = plan_->value(net().find(blob));
      value.copy_from(labels_of(array).reshaped(value.shape()));
    }
  }
  amnet::Tensor input_gradient(const std::string& blob) {
    const amnet::Parameter& source = parameter(blob + ".value");
    const amnet::Tensor& gradient = plan_->gradient(source);
    return gradient.defined() ? gradient : amnet::Tensor::zeros(source.value.shape(), amnet::DType::f32);
  }
  const amnet::Tensor& value(const std::string& blob) { return plan_->value(caffe_.value(blob)); }
  const std::map<std::string, std::shared_ptr<amnet::Tensor>>& gradients() const { return gradients_; }

  /// Fills all parameters; `array_of(name)` is the blob "layer/index".
  template <class ArrayOf>
  void load(ArrayOf&& array_of) {
    amnet::CaffeWeights weights;
    for (const amnet::CaffeParameter& each : caffe_.parameters) {
      if (weights.layers.empty() || weights.layers.back().name != each.layer) weights.layers.push_back({each.layer, "", {}});
      weights.layers.back().blobs.push_back(blob_of(array_of(name_of(each))));
    }
    const amnet::CaffeLoaded loaded = amnet::load_caffe_weights(weights, caffe_, "golden");
    REQUIRE((loaded.missing.empty() && loaded.left_out.empty()));
  }

  static std::string name_of(const amnet::CaffeParameter& parameter) { return fmt::format("{}/{}", parameter.layer, parameter.index); }
  const amnet::CaffeParameter& parameter_of(const std::string& blob) const {
    for (const amnet::CaffeParameter& each : caffe_.parameters) {
      if (name_of(each) == blob) return each;
    }
    throw amnet::UsageError("no blob " + blob);
  }
  amnet::Tensor blob_value(const std::string& blob) {
    const amnet::CaffeParameter& its = parameter_of(blob);
    return amnet::caffe_blob_of(caffe_, its, parameter(its.parameter).value);
  }
  /// Zeros where there is none, as of a running statistic.
  amnet::Tensor blob_gradient(const std::string& blob) {
    const amnet::CaffeParameter& its = parameter_of(blob);
    const amnet::Tensor& gradient = plan_->gradient(parameter(its.parameter));
    if (gradient.defined()) return amnet::caffe_blob_of(caffe_, its, gradient);
    return amnet::Tensor::zeros(amnet::Shape(std::span(its.shape)), amnet::DType::f32);
  }
  amnet::Parameter& parameter(const std::string& name) {
    amnet::Parameter* found = nullptr;
    net().visit([&](const std::string& each, amnet::Parameter& parameter) { found = each == name ? &parameter : found; });
    amnet::require(found != nullptr, "the net has no parameter {}.", name);
    return *found;
  }

 private:
  amnet::CaffeModel caffe_;
  std::optional<amnet::Plan> plan_;
  std::string batch_from_;
  std::set<std::string> sources_;
  std::map<std::string, std::shared_ptr<amnet::Tensor>> gradients_;
};

}  // namespace golden

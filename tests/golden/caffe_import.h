// A net of the reference code, given as its prototxt, built from amnet's layers. In-place layers
// become consecutive ones. What amnet cannot express is thrown as Waits with the reason.
//
//   CaffeNet caffe;
//   caffe.values["x"] = caffe.net.input("x", {4, 7});
//   Importer(caffe, 1e-6, false).add(parse_prototxt(text));
#pragma once

#include <amnet/layers/accuracy.h>
#include <amnet/layers/add.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/flip.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/prelu.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/scale_shift.h>
#include <amnet/layers/softmax_cross_entropy.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "golden/caffe_net.h"
#include "golden/probes.h"
#include "golden/prototxt.h"

namespace golden {

/// Why a case cannot run yet.
struct Waits {
  std::string reason;
};

class Importer {
 public:
  /// `epsilon` is inside the roots of Normalize and of normalised weights: 1e-6 in the reference
  /// code's CPU code, 1e-12 in its GPU code.
  Importer(CaffeNet& to, double epsilon, bool gpu, std::set<std::string> taps = {})
      : to_(to), epsilon_(epsilon), gpu_(gpu), taps_(std::move(taps)) {}

  /// Adds the layers; the values that they read from outside must be in `to.values`. With
  /// force_backward frozen parameters get gradients.
  void add(const Message& net) {
    forced_ = net.flag("force_backward", false);
    const std::vector<const Message*> layers = net.messages("layer");
    for (std::size_t i = 0; i < layers.size(); ++i) {
      layer_ = layers[i];
      next_ = i + 1 < layers.size() ? layers[i + 1] : nullptr;
      name_ = layer_->text("name");
      type_ = layer_->text("type");
      bottoms_ = layer_->texts("bottom");
      tops_ = layer_->texts("top");
      if (type_ == "Input" || type_ == "MemoryData") continue;
      const bool took_next = add_layer();
      if (took_next) ++i;
    }
  }

 private:
  // Returns whether the next layer of the reference code is included in amnet's layer.
  bool add_layer() {
    if (type_ == "Convolution") return convolution(), false;
    if (type_ == "InnerProduct") return inner_product(), false;
    if (type_ == "PReLU") return prelu(), false;
    if (type_ == "BatchNorm") return batch_norm();
    if (type_ == "Normalize") return normalize(), false;
    if (type_ == "LabelSpecificAdd") return margin(), false;
    if (type_ == "Scale" && to_.margins.contains(bottoms_[0])) return margin_scale(), false;
    if (type_ == "Scale" || type_ == "Bias") return scale_or_bias(), false;
    if (type_ == "SoftmaxWithLoss") return softmax_loss(), false;
    if (type_ == "Accuracy") return top(add_one("accuracy_param", {}, amnet::Accuracy(), {})), false;
    if (type_ == "ReLU") return top(add_one("relu_param", {}, amnet::Relu(), {})), false;
    if (type_ == "Flatten") return top(add_one("flatten_param", {}, amnet::Flatten(), {})), false;
    if (type_ == "Pooling") return pooling(), false;
    if (type_ == "Eltwise") return eltwise(), false;
    if (type_ == "Flip") return flip(), false;
    if (type_ == "Power") return identity(), false;
    throw Waits{type_ + ": no such layer yet"};
  }

  // --- helpers ---

  const Message& options(const std::string& name, std::initializer_list<std::string_view> known) const {
    const Message& options = layer_->message(name);
    for (const Message::Field& field : options.fields) {
      if (std::ranges::find(known, field.name) == known.end()) {
        throw Waits{type_ + " with " + field.name + (field.is_message ? "" : " " + field.text)};
      }
    }
    return options;
  }
  amnet::Value bottom(std::size_t i) const {
    const auto found = to_.values.find(bottoms_.at(i));
    if (found == to_.values.end()) throw Waits{type_ + ": reads `" + bottoms_[i] + "`, which no layer of ours makes"};
    return found->second;
  }
  void expect_bottoms(std::size_t count) const {
    if (bottoms_.size() != count) throw Waits{fmt::format("{} with {} bottoms", type_, bottoms_.size())};
  }
  void top(amnet::Value value, std::size_t i = 0) {
    const std::string& name = tops_.at(i);
    if (taps_.contains(name)) {
      to_.gradients[name] = std::make_shared<amnet::Tensor>();
      value = to_.net.add("tap_" + name, Tap(to_.gradients[name]), {value});
    }
    to_.values[name] = to_.last = value;
  }
  template <class L>
  amnet::Value add_one(const std::string& message, std::initializer_list<std::string_view> known, L layer,
                       std::initializer_list<std::string_view> blobs) {
    options(message, known);
    std::vector<amnet::Value> inputs;
    for (std::size_t i = 0; i < bottoms_.size(); ++i) inputs.push_back(bottom(i));
    int index = 0;
    for (const std::string_view blob : blobs) stands_for(index++, std::string(blob));
    return to_.net.add(name_, std::move(layer), inputs);
  }
  void stands_for(int index, const std::string& parameter, Blob::Kind kind = Blob::Kind::plain) {
    to_.blobs[fmt::format("{}/{}", name_, index)] = {.kind = kind, .parameter = name_ + "." + parameter};
  }
  amnet::ParameterOptions multipliers(std::size_t index) const { return multipliers_of(*layer_, index); }
  amnet::ParameterOptions multipliers_of(const Message& layer, std::size_t index) const {
    const std::vector<const Message*> params = layer.messages("param");
    static const Message none;
    const Message& param = index < params.size() ? *params[index] : none;
    const double lr_mult = param.number("lr_mult", 1);
    return {.filler = amnet::Filler::constant(0),
            .lr_mult = forced_ && lr_mult == 0 ? 1 : lr_mult,
            .decay_mult = param.number("decay_mult", 1)};
  }
  // --- layers ---

  void convolution() {
    const Message& p = options("convolution_param", {"num_output", "bias_term", "kernel_size", "kernel_h", "kernel_w", "stride", "stride_h",
                                                     "stride_w", "pad", "pad_h", "pad_w", "group", "weight_filler", "bias_filler"});
    const auto pair = [&](const std::string& both, const std::string& each, std::int64_t otherwise) {
      const std::int64_t unless_said = p.integer(both, otherwise);
      return amnet::Extents{p.integer(each + "_h", unless_said), p.integer(each + "_w", unless_said)};
    };
    const amnet::Conv2dOptions convolution{.stride = pair("stride", "stride", 1),
                                           .pad = pair("pad", "pad", 0),
                                           .groups = p.integer("group", 1),
                                           .with_bias = p.flag("bias_term", true),
                                           .weight = multipliers(0),
                                           .bias = multipliers(1)};
    stands_for(0, "weight");
    if (convolution.with_bias) stands_for(1, "bias");
    top(to_.net.add(name_, amnet::Conv2d(p.integer("num_output", 0), pair("kernel_size", "kernel", 1), convolution), {bottom(0)}));
  }

  void inner_product() {
    const Message& p =
        options("inner_product_param", {"num_output", "bias_term", "normalize", "transpose", "weight_filler", "bias_filler"});
    if (bottoms_.size() != 1) throw Waits{"InnerProduct with weights from a second bottom"};
    amnet::FullyConnectedOptions connected{.epsilon = epsilon_};
    connected.row_norm = p.flag("normalize", false) ? amnet::RowNorm::in_place : amnet::RowNorm::none;
    connected.weight = multipliers(0);
    connected.bias = multipliers(1);
    connected.with_bias = p.flag("bias_term", true);
    stands_for(0, "weight", p.flag("transpose", false) ? Blob::Kind::transposed : Blob::Kind::plain);
    if (connected.with_bias) stands_for(1, "bias");
    amnet::Value rows = bottom(0);
    if (to_.net.spec(rows).shape.rank() == 4) rows = to_.net.add(name_ + "_flatten", amnet::Flatten(), {rows});
    top(to_.net.add(name_, amnet::FullyConnected(p.integer("num_output", 0), connected), {rows}));
  }

  void prelu() {
    const amnet::PReluOptions p{.shared = options("prelu_param", {"channel_shared"}).flag("channel_shared", false),
                                .slope = multipliers(0)};
    top(add_one("prelu_param", {"channel_shared"}, amnet::PRelu(p), {"slope"}));
  }

  // The reference code's scale and shift are in a Scale layer after it, amnet's are in the same
  // layer.
  bool batch_norm() {
    const Message& p = options("batch_norm_param", {"moving_average_fraction", "eps", "use_global_stats"});
    amnet::BatchNormOptions normal;
    normal.fraction = p.number("moving_average_fraction", normal.fraction);
    normal.epsilon = p.number("eps", normal.epsilon);
    normal.stored_statistics = p.flag("use_global_stats", false);
    const Message& scale = next_ == nullptr ? *layer_ : next_->message("scale_param");
    normal.affine = next_ != nullptr && next_->text("type") == "Scale" && next_->text("bottom") == tops_[0] && scale.fields.size() == 1 &&
                    scale.flag("bias_term", false);
    const std::string weight = name_ + ".weight_of_past";
    to_.blobs[name_ + "/0"] = {.kind = Blob::Kind::running, .parameter = name_ + ".running_mean", .weight = weight};
    to_.blobs[name_ + "/1"] = {.kind = Blob::Kind::running, .parameter = name_ + ".running_variance", .weight = weight};
    to_.blobs[name_ + "/2"] = {.kind = Blob::Kind::plain, .parameter = weight};
    if (normal.affine) {
      normal.scale = multipliers_of(*next_, 0);
      normal.shift = multipliers_of(*next_, 1);
      to_.blobs[next_->text("name") + "/0"] = {.kind = Blob::Kind::plain, .parameter = name_ + ".scale"};
      to_.blobs[next_->text("name") + "/1"] = {.kind = Blob::Kind::plain, .parameter = name_ + ".shift"};
    }
    const amnet::Value value = to_.net.add(name_, amnet::BatchNorm(normal), {bottom(0)});
    if (normal.affine) tops_ = next_->texts("top");
    top(value);
    return normal.affine;
  }

  void normalize() {
    const Message& p = options("normalize_param", {"normalize_type", "bp_norm", "fix_gradient"});
    if (p.text("normalize_type", "L2") != "L2") throw Waits{"Normalize " + p.text("normalize_type")};
    if (gpu_ && p.flag("fix_gradient", false)) throw Waits{"Normalize with fix_gradient, which the reference code has on the GPU alone"};
    expect_bottoms(1);
    const bool with_norm = tops_.size() == 2;
    const amnet::Value value = to_.net.add(name_, amnet::Normalize({.epsilon = epsilon_, .norm_output = with_norm}), {bottom(0)});
    if (with_norm) {
      top(to_.net.output(value, 1), 1);
      if (!p.flag("bp_norm", false)) to_.without_gradient.insert(tops_[1]);
    }
    top(value);
  }

  void margin() {
    const Message& p = options("label_specific_add_param",
                               {"bias", "transform_test", "iteration", "bias_base", "bias_gamma", "bias_power", "bias_min", "bias_max"});
    MarginStep step{.cosines = bottom(0), .options = {.margin = -p.number("bias", 0), .rule = amnet::MarginRule::cos_gt_m}};
    if (p.has("bias_base")) {
      step.options.schedule = amnet::MarginSchedule{.base = p.number("bias_base", 0),
                                                    .gamma = p.number("bias_gamma", 0),
                                                    .power = p.number("bias_power", 1),
                                                    .min = p.number("bias_min", 0),
                                                    .max = p.number("bias_max", 0),
                                                    .first_step = p.integer("iteration", 0)};
    }
    to_.margins[tops_[0]] = step;
  }

  void margin_scale() {
    const Message& p = options("scale_param", {"filler"});
    MarginStep step = to_.margins.at(bottoms_[0]);
    const std::vector<const Message*> params = layer_->messages("param");
    if (params.empty() || params[0]->number("lr_mult", 1) != 0) throw Waits{"a learned Scale behind LabelSpecificAdd"};
    const double scale = p.message("filler").number("value", 1);
    step.options.scale *= scale;
    to_.margins[tops_[0]] = step;
    to_.blobs[name_ + "/0"] = {.kind = Blob::Kind::constant, .value = static_cast<float>(scale)};
  }

  void scale_or_bias() {
    const bool is_bias = type_ == "Bias";
    const Message& p = options(is_bias ? "bias_param" : "scale_param", {"bias_term", "num_axes"});
    expect_bottoms(1);
    amnet::ScaleShiftOptions scale;
    if (p.integer("num_axes", 1) > 1) throw Waits{"Scale with num_axes " + p.text("num_axes")};
    scale.shared = p.integer("num_axes", 1) == 0;
    scale.with_shift = is_bias || p.flag("bias_term", false);
    scale.shift = multipliers(is_bias ? 0 : 1);
    scale.scale = multipliers(0);
    scale.scale.filler = amnet::Filler::constant(1);
    if (is_bias) scale.scale.lr_mult = 0;  // a bias is the shift of a scale that stays 1
    int index = 0;
    if (!is_bias) stands_for(index++, "scale");
    if (scale.with_shift) stands_for(index, "shift");
    top(to_.net.add(name_, amnet::ScaleShift(scale), {bottom(0)}));
  }

  void softmax_loss() {
    options("loss_param", {});
    options("softmax_param", {});
    if (bottoms_.size() == 3) throw Waits{"SoftmaxWithLoss with sample weights"};
    const auto step = to_.margins.find(bottoms_[0]);
    const MarginStep loss = step == to_.margins.end() ? MarginStep{.cosines = bottom(0), .options = {}} : step->second;
    if (to_.net.spec(loss.cosines).shape.rank() != 2) throw Waits{"SoftmaxWithLoss at every position of an image"};
    top(to_.net.add(name_, amnet::SoftmaxCrossEntropy(loss.options), {loss.cosines, bottom(1)}));
  }

  void pooling() {
    const Message& p = options("pooling_param", {"pool", "kernel_size", "stride", "pad", "global_pooling"});
    if (p.text("pool", "MAX") != "MAX" && p.text("pool") != "AVE") throw Waits{"Pooling " + p.text("pool")};
    const amnet::PoolKind kind = p.text("pool", "MAX") == "MAX" ? amnet::PoolKind::max : amnet::PoolKind::average;
    amnet::Pool pool(kind, p.integer("kernel_size", 1), {.stride = p.integer("stride", 1), .pad = p.integer("pad", 0)});
    if (p.flag("global_pooling", false)) pool = amnet::Pool::global(kind);
    top(to_.net.add(name_, std::move(pool), {bottom(0)}));
  }

  void eltwise() {
    const std::string operation = options("eltwise_param", {"operation"}).text("operation", "SUM");
    if (operation != "SUM" && operation != "1") throw Waits{"Eltwise " + operation};
    top(add_one("eltwise_param", {"operation"}, amnet::Add(), {}));
  }

  void flip() {
    const Message& p = options("flip_param", {"flip_width", "flip_height"});
    if (p.flag("flip_height", false) || !p.flag("flip_width", true)) throw Waits{"Flip other than of the width"};
    top(to_.net.add(name_, amnet::Flip(), {bottom(0)}));
  }

  void identity() {
    const Message& p = options("power_param", {"power", "scale", "shift"});
    if (p.number("power", 1) != 1 || p.number("scale", 1) != 1 || p.number("shift", 0) != 0) throw Waits{"Power other than the identity"};
    top(bottom(0));
  }

  CaffeNet& to_;
  double epsilon_;
  bool gpu_;
  std::set<std::string> taps_;
  bool forced_ = false;
  const Message* layer_ = nullptr;
  const Message* next_ = nullptr;
  std::string name_, type_;
  std::vector<std::string> bottoms_, tops_;
};

}  // namespace golden

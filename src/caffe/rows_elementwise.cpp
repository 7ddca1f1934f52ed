// Layers that compute each element from the elements at its place.
#include "layer_rows.h"

#include <algorithm>

namespace amnet::caffe {
namespace {

void unary(LayerImport& layer, std::string_view type, const Options& options) {
  layer.expect(1, 1);
  layer.top(0, layer.add(type, options, {layer.bottom(0)}));
}

/// Where a factor or a summand lies along the axes of its bottom. In amnet's order, except where it
/// covers several axes: then the bottom is brought into Caffe's order.
struct Covered {
  Value value;
  int axis = 0;
  int axes = 0;
  bool is_plain = false;                 // in Caffe's order
  std::vector<std::int64_t> shape = {};  // Caffe's, of the factor
};

Covered cover(LayerImport& layer, std::int64_t stated_axis, std::int64_t stated_axes) {
  const std::vector<std::int64_t> shape = layer.shape(0);
  const int rank = static_cast<int>(shape.size());
  if (stated_axes == 0) return {.value = layer.bottom(0)};
  const int axis = layer.axis(stated_axis, rank);
  const std::int64_t axes = stated_axes == -1 ? rank - axis : stated_axes;
  if (axes < 0 || axis + axes > rank) {
    layer.refuse(fmt::format("its axis {} and num_axes {} go beyond the {} axes of its bottom.", stated_axis, stated_axes, rank));
  }
  Covered covered{.value = layer.bottom(0), .axis = LayerImport::our_axis(axis, rank), .axes = static_cast<int>(axes)};
  covered.shape.assign(shape.begin() + axis, shape.begin() + axis + axes);
  covered.is_plain = rank == 4 && axes > 1;
  if (covered.is_plain) {
    covered.axis = axis;
    covered.value = layer.plain(covered.value);
  }
  return covered;
}

Options broadcast(const Covered& covered) {
  return options_with({{"axis", option(std::int64_t{covered.axis})}, {"axes", option(std::int64_t{covered.axes})}});
}

void give(LayerImport& layer, const Covered& covered, Value value) { layer.top(0, covered.is_plain ? layer.channels_last(value) : value); }

}  // namespace

void import_relu(LayerImport& layer) {
  Fields& fields = layer.fields("relu_param");
  fields.ignore({"engine"});
  const double slope = fields.number("negative_slope", 0);
  unary(layer, "relu", slope == 0 ? Options() : options_with({{"negative_slope", {slope}}}));
}

void import_prelu(LayerImport& layer) {
  Fields& fields = layer.fields("prelu_param");
  const Options options = options_with({{"shared", {fields.flag("channel_shared", false)}},
                                        {"slope", option(layer.parameter(0, fields.filler("filler", Filler::constant(0.25))))}});
  layer.expect(1, 1);
  const int rank = layer.rank(0);
  if (rank == 3) layer.refuse("its bottom has 3 axes; expected (N,C) or (N,C,H,W).");
  layer.top(0, layer.add("prelu", options, {layer.bottom(0)}));
  layer.blob("slope");
}

void import_tanh(LayerImport& layer) {
  layer.fields("tanh_param").ignore({"engine"});
  unary(layer, "tanh", {});
}

void import_sigmoid(LayerImport& layer) {
  layer.fields("sigmoid_param").ignore({"engine"});
  unary(layer, "sigmoid", {});
}

void import_power(LayerImport& layer) {
  Fields& fields = layer.fields("power_param");
  unary(layer, "power",
        options_with(
            {{"power", {fields.number("power", 1)}}, {"scale", {fields.number("scale", 1)}}, {"shift", {fields.number("shift", 0)}}}));
}

void import_eltwise(LayerImport& layer) {
  layer.expect(2, 1000, 1, 1);
  Fields& fields = layer.fields("eltwise_param");
  const std::string operation = fields.text("operation", "SUM");
  const std::vector<double> coefficients = fields.numbers("coeff");
  fields.ignore({"stable_prod_grad"});  // amnet's gradient of a product never divides
  if (!coefficients.empty() && operation != "SUM") layer.refuse("it has coefficients, which only a SUM takes.");
  if (!coefficients.empty() && coefficients.size() != layer.bottoms()) {
    layer.refuse(fmt::format("it has {} coefficients but {} bottoms; give each its own.", coefficients.size(), layer.bottoms()));
  }
  const bool plain_sum = operation == "SUM" && std::ranges::all_of(coefficients, [](double each) { return each == 1; });
  if (plain_sum) {
    layer.top(0, layer.add("add", {}, layer.all_bottoms()));
    return;
  }
  OptionList list;
  for (const double each : coefficients) list.push_back({each});
  const std::string_view ours = operation == "SUM" ? "sum" : operation == "PROD" ? "product" : "maximum";
  layer.top(0, layer.add("combine", options_with({{"operation", option(ours)}, {"coefficients", {list}}}), layer.all_bottoms()));
}

void import_dropout(LayerImport& layer) {
  const double ratio = layer.fields("dropout_param").number("dropout_ratio", 0.5);
  unary(layer, "dropout", options_with({{"ratio", {ratio}}, {"stream", option(std::string_view(layer.caffe().name))}}));
}

void import_scale(LayerImport& layer) {
  layer.expect(1, 2, 1, 1);
  Fields& fields = layer.fields("scale_param");
  const bool with_shift = fields.flag("bias_term", false), from_input = layer.bottoms() == 2;
  const Filler filler = fields.filler("filler", Filler::constant(1)), shift_filler = fields.filler("bias_filler", Filler::constant(0));
  const bool clamps = fields.has("min_value") || fields.has("max_value");
  const double low = fields.number("min_value", 0), high = fields.number("max_value", 0);
  const std::int64_t axis = fields.integer("axis", 1), stated_axes = fields.integer("num_axes", 1);
  const std::int64_t axes = from_input ? layer.rank(1) : stated_axes;
  const Covered covered = cover(layer, axis, axes);
  const int last = layer.rank(0) - 1;
  const ParameterOptions scale = layer.parameter(0, filler), shift = layer.parameter(from_input ? 0 : 1, shift_filler);
  const bool of_channels = covered.axes == 1 && covered.axis == last;
  if (!from_input && !clamps && (covered.axes == 0 || of_channels)) {
    const Options options =
        options_with({{"shared", {covered.axes == 0}}, {"with_shift", {with_shift}}, {"scale", option(scale)}, {"shift", option(shift)}});
    layer.top(0, layer.add("scale_shift", options, {layer.bottom(0)}));
    layer.blob("scale", LayerImport::Form::plain, covered.shape);
    if (with_shift) layer.blob("shift", LayerImport::Form::plain, covered.shape);
    return;
  }
  Options options = broadcast(covered);
  options.set("multiply", option(std::string_view(from_input ? "input" : "parameter")));
  options.set("add", option(std::string_view(with_shift ? "parameter" : "none")));
  options.set("scale", option(scale));
  options.set("shift", option(shift));
  if (fields.has("min_value")) options.set("clamp_low", {OptionList{{low}}});
  if (fields.has("max_value")) options.set("clamp_high", {OptionList{{high}}});
  std::vector<Value> inputs = {covered.value};
  if (from_input) inputs.push_back(layer.plain(layer.bottom(1), "factor"));
  const Value product = layer.add("broadcast", options, inputs);
  if (!from_input) layer.blob("scale", LayerImport::Form::plain, covered.shape);
  if (with_shift) layer.blob("shift", LayerImport::Form::plain, covered.shape);
  give(layer, covered, product);
}

void import_bias(LayerImport& layer) {
  layer.expect(1, 2, 1, 1);
  Fields& fields = layer.fields("bias_param");
  const Filler filler = fields.filler("filler", Filler::constant(0));
  const bool from_input = layer.bottoms() == 2;
  const std::int64_t axis = fields.integer("axis", 1), stated_axes = fields.integer("num_axes", 1);
  const Covered covered = cover(layer, axis, from_input ? layer.rank(1) : stated_axes);
  Options options = broadcast(covered);
  options.set("add", option(std::string_view(from_input ? "input" : "parameter")));
  options.set("shift", option(layer.parameter(0, filler)));
  std::vector<Value> inputs = {covered.value};
  if (from_input) inputs.push_back(layer.plain(layer.bottom(1), "summand"));
  const Value sum = layer.add("broadcast", options, inputs);
  if (!from_input) layer.blob("shift", LayerImport::Form::plain, covered.shape);
  give(layer, covered, sum);
}

void import_channel_scale(LayerImport& layer) {
  layer.expect(2, 2, 1, 2);
  Fields& fields = layer.fields("channel_scale_param");
  const bool global = fields.flag("global_scale", false);
  fields.ignore({"init_global_scale"});  // without effect in the reference code
  const Options running = options_with({{"initial", {-1.0}},
                                        {"min", {fields.number("min_global_scale", 0)}},
                                        {"max", {fields.number("max_global_scale", 1000)}},
                                        {"output", {layer.tops() == 2}}});
  Options options = options_with({{"do_forward", {fields.flag("do_forward", true)}},
                                  {"do_backward_feature", {fields.flag("do_backward_feature", true)}},
                                  {"do_backward_scale", {fields.flag("do_backward_scale", true)}},
                                  {"arithmetic", option(std::string_view(layer.on_gpu() ? "reference_gpu" : "reference_cpu"))}});
  if (global) options.set("global", {OptionList{{running}}});
  if (layer.tops() == 2 && !global) layer.refuse("its second top is the global scale, which it has with global_scale alone.");
  const Value scaled = layer.add("sample_scale", options, layer.all_bottoms());
  if (global) layer.blob("global_scale");
  layer.top(0, scaled);
  if (layer.tops() == 2) layer.top(1, layer.output(scaled, 1));
}

}  // namespace amnet::caffe

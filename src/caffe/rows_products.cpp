// Products with weights: convolutions, inner products, and what takes their place.
#include "layer_rows.h"

#include <algorithm>

namespace amnet::caffe {
namespace {

/// `kernel_size: 3`, `kernel_size: 3 kernel_size: 5` or `kernel_h: 3 kernel_w: 5`.
Extents extents_of(LayerImport& layer, Fields& fields, const std::string& both, const std::string& each, std::int64_t otherwise) {
  const std::vector<std::int64_t> list = fields.integers(both);
  const bool has_each = fields.has(each + "_h") || fields.has(each + "_w");
  if (!list.empty() && has_each) layer.refuse(fmt::format("it has both {} and {}_h or {}_w; keep one of them.", both, each, each));
  if (list.size() > 2) layer.refuse(fmt::format("it has {} values of {}; amnet convolves images, which have two.", list.size(), both));
  if (has_each) return {fields.integer(each + "_h", otherwise), fields.integer(each + "_w", otherwise)};
  if (list.empty()) return otherwise;
  return {list.front(), list.back()};
}

void convolution(LayerImport& layer, std::string_view type) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("convolution_param");
  if (layer.rank(0) != 4) layer.refuse(fmt::format("expected a bottom (N,C,H,W) but got one of {} axes.", layer.rank(0)));
  if (layer.axis(fields.integer("axis", 1), 4) != 1) layer.refuse("its axis is not that of the channels, 1.");
  const bool with_bias = fields.flag("bias_term", true);
  const Extents kernel = extents_of(layer, fields, "kernel_size", "kernel", 0);
  if (kernel.height < 1 || kernel.width < 1) layer.refuse("expected a kernel_size of 1 or more.");
  const Filler zero = Filler::constant(0);
  Options options = options_with({{"outputs", option(fields.integer("num_output", 0))},
                                  {"kernel", option(kernel)},
                                  {"stride", option(extents_of(layer, fields, "stride", "stride", 1))},
                                  {"pad", option(extents_of(layer, fields, "pad", "pad", 0))},
                                  {"groups", option(fields.integer("group", 1))},
                                  {"with_bias", {with_bias}},
                                  {"weight", option(layer.parameter(0, fields.filler("weight_filler", zero)))},
                                  {"bias", option(layer.parameter(1, fields.filler("bias_filler", zero)))}});
  const std::vector<std::int64_t> dilation = fields.integers("dilation");
  if (dilation.size() > 2) layer.refuse(fmt::format("it has {} values of dilation; an image has two extents.", dilation.size()));
  if (std::ranges::any_of(dilation, [](std::int64_t each) { return each != 1; })) {
    options.set("dilation", option(Extents{dilation.front(), dilation.back()}));
  }
  fields.ignore({"engine", "force_nd_im2col"});
  layer.top(0, layer.add(type, options, {layer.bottom(0)}));
  layer.blob("weight");
  if (with_bias) layer.blob("bias");
}

/// What is before `axis` as rows, what is from it on as columns, in Caffe's order.
Value rows_of(LayerImport& layer, std::size_t bottom, int axis) {
  const Value value = layer.bottom(bottom);
  const int rank = layer.rank(bottom);
  if (axis == 1 && rank == 2) return value;
  if (axis == 1 && rank == 4) return layer.add("flatten", {}, {value}, "flat");
  const std::vector<std::int64_t> shape = layer.shape(bottom);
  std::int64_t columns = 1;
  for (std::size_t i = static_cast<std::size_t>(axis); i < shape.size(); ++i) columns *= shape[i];
  const std::vector<std::int64_t> extents = {axis == 1 ? 0 : -1, columns};
  return layer.add("reshape", options_with({{"extents", option(extents)}}), {layer.plain(value)}, "rows");
}

/// The extents before `axis` again, and one of the outputs behind them.
Value with_axes(LayerImport& layer, Value rows, int axis, std::int64_t outputs) {
  if (axis == 1) return rows;
  std::vector<std::int64_t> extents = layer.shape(0);
  extents.resize(static_cast<std::size_t>(axis));
  if (axis > 0) extents[0] = -1;  // whatever the batch is
  extents.push_back(outputs);
  const Value shaped = layer.add("reshape", options_with({{"extents", option(extents)}}), {rows}, "axes");
  return layer.channels_last(shaped);
}

}  // namespace

void import_convolution(LayerImport& layer) { convolution(layer, "conv2d"); }
void import_deconvolution(LayerImport& layer) { convolution(layer, "conv2d_transpose"); }

void import_inner_product(LayerImport& layer) {
  layer.expect(1, 2, 1, 1);
  Fields& fields = layer.fields("inner_product_param");
  const int axis = layer.axis(fields.integer("axis", 1), layer.rank(0));
  const bool with_bias = fields.flag("bias_term", true), transposed = fields.flag("transpose", false);
  const bool normalised = fields.flag("normalize", false);
  const Filler zero = Filler::constant(0);
  const Value rows = rows_of(layer, 0, axis);
  const std::int64_t outputs = fields.integer("num_output", 0);
  Filler weight = fields.filler("weight_filler", zero);
  const Filler bias = fields.filler("bias_filler", zero);
  // Caffe's blob is then (inputs,outputs): what it takes for the inputs of a row are the outputs
  if (transposed && weight.fan != Filler::Fan::average) weight.fan = weight.fan == Filler::Fan::in ? Filler::Fan::out : Filler::Fan::in;
  if (layer.bottoms() == 2) {
    if (normalised)
      layer.refuse("'normalize' renormalises the layer's own weights, and these come from a bottom; put a Normalize before it.");
    Value weights = layer.bottom(1);
    if (layer.rank(1) != 2)
      layer.refuse(fmt::format("expected weights (outputs,inputs) from its second bottom but got {} axes.", layer.rank(1)));
    if (transposed)
      weights = layer.add("permute", options_with({{"order", option(std::vector<std::int64_t>{1, 0})}}), {weights}, "transposed");
    const std::int64_t found = layer.caffe_shape(weights)[0];
    if (fields.has("num_output") && outputs != found) {
      layer.refuse(fmt::format("its num_output is {} but its second bottom has weights for {}.", outputs, found));
    }
    Options options = options_with({{"with_bias", {with_bias}}, {"bias", option(layer.parameter(0, bias))}});
    layer.top(0, with_axes(layer, layer.add("matrix_product", options, {rows, weights}), axis, found));
    if (with_bias) layer.blob("bias");
    return;
  }
  const Options options = options_with({{"outputs", option(outputs)},
                                        {"with_bias", {with_bias}},
                                        {"row_norm", option(std::string_view(normalised ? "in_place" : "none"))},
                                        {"epsilon", {layer.epsilon()}},
                                        {"weight", option(layer.parameter(0, weight))},
                                        {"bias", option(layer.parameter(1, bias))}});
  const Value product = layer.add("fully_connected", options, {rows});
  layer.blob("weight", transposed ? LayerImport::Form::transposed : LayerImport::Form::plain);
  if (with_bias) layer.blob("bias");
  layer.top(0, with_axes(layer, product, axis, outputs));
}

void import_margin_inner_product(LayerImport& layer) {
  layer.expect(2, 2, 1, 2);
  Fields& fields = layer.fields("margin_inner_product_param");
  const int axis = layer.axis(fields.integer("axis", 1), layer.rank(0));
  if (axis != 1) layer.refuse("its axis is not 1, the only one that has a label for each row.");
  const std::string type = fields.text("type", "SINGLE");
  const std::int64_t multiplier = type == "SINGLE" ? 1 : type == "DOUBLE" ? 2 : type == "TRIPLE" ? 3 : 4;
  const Options options = options_with({{"outputs", option(fields.integer("num_output", 0))},
                                        {"multiplier", option(multiplier)},
                                        {"base", {fields.number("base", 1)}},
                                        {"gamma", {fields.number("gamma", 0)}},
                                        {"power", {fields.number("power", 1)}},
                                        {"lambda_min", {fields.number("lambda_min", 0)}},
                                        {"first_step", option(fields.integer("iteration", 0))},
                                        {"lambda_output", {layer.tops() == 2}},
                                        {"reference", {true}},
                                        {"weight", option(layer.parameter(0, fields.filler("weight_filler", Filler::constant(0))))}});
  const Value product = layer.add("sphere_product", options, {rows_of(layer, 0, axis), layer.bottom(1)});
  layer.blob("weight");
  layer.top(0, product);
  if (layer.tops() == 2) layer.top(1, layer.output(product, 1));
}

void import_inner_distance(LayerImport& layer) {
  layer.expect(1, 3, 1, 1);
  Fields& fields = layer.fields("inner_distance_param");
  const int axis = layer.axis(fields.integer("axis", 1), layer.rank(0));
  if (axis != 1) layer.refuse("its axis is not 1.");
  const std::string kind = fields.text("distance_type", "L2");
  if (kind != "L1" && kind != "L2") layer.refuse(fmt::format("its distance_type is '{}'; amnet knows L1 and L2.", kind));
  // Of a transposed weight the reference code changes the blob's shape alone: it reads it in rows,
  // as it always does.
  const bool transposed = fields.flag("transpose", false), from_input = layer.bottoms() >= 2;
  fields.ignore({"bias_term", "bias_filler"});  // the reference code reads but never uses them
  std::vector<Value> inputs = {rows_of(layer, 0, axis)};
  if (from_input) {
    Value weights = layer.bottom(1);
    const std::vector<std::int64_t> shape = layer.shape(1);
    if (shape.size() != 2)
      layer.refuse(fmt::format("expected centres (outputs,inputs) from its second bottom but got {} axes.", shape.size()));
    if (transposed) {
      const std::vector<std::int64_t> extents = {shape[1], shape[0]};
      weights = layer.add("reshape", options_with({{"extents", option(extents)}}), {weights}, "rows_of_centres");
    }
    inputs.push_back(weights);
  }
  if (layer.bottoms() == 3) inputs.push_back(layer.bottom(2));
  const std::int64_t outputs = fields.integer("num_output", 0);
  const Options options = options_with({{"outputs", option(from_input ? layer.caffe_shape(inputs[1])[0] : outputs)},
                                        {"kind", option(std::string_view(kind == "L1" ? "l1" : "l2"))},
                                        {"row_norm", option(std::string_view(fields.flag("normalize", false) ? "in_place" : "none"))},
                                        {"epsilon", {layer.epsilon()}},
                                        {"weight_from_input", {from_input}},
                                        {"update_center_only", {fields.flag("update_center_only", false)}},
                                        {"reference", {true}},
                                        {"weight", option(layer.parameter(0, fields.filler("weight_filler", Filler::constant(0))))}});
  const Value distance = layer.add("distance", options, inputs);
  if (!from_input) {
    std::vector<std::int64_t> shape = {outputs, layer.caffe_shape(inputs[0])[1]};
    if (transposed) std::ranges::reverse(shape);
    layer.blob("weight", LayerImport::Form::plain, shape);
  }
  layer.top(0, distance);
}

}  // namespace amnet::caffe

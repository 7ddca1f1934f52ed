// Layers that change the logits before the loss.
#include "layer_rows.h"

namespace amnet::caffe {
namespace {

OptionValue arithmetic(const LayerImport& layer) { return option(std::string_view(layer.on_gpu() ? "reference_gpu" : "reference_cpu")); }

void give_both(LayerImport& layer, Value first) {
  layer.top(0, first);
  if (layer.tops() == 2) layer.top(1, layer.output(first, 1));
}

}  // namespace

void import_label_specific_add(LayerImport& layer) {
  layer.expect(2, 2, 1, 2);
  Fields& fields = layer.fields("label_specific_add_param");
  fields.ignore({"transform_test"});  // the reference code applies it in training alone, whatever this says
  Options options = options_with(
      {{"margin", {-fields.number("bias", 0)}}, {"rule", option(std::string_view("cos_gt_m"))}, {"margin_output", {layer.tops() == 2}}});
  const bool anneals = fields.has("bias_base");
  const Options schedule = options_with({{"base", {fields.number("bias_base", 0)}},
                                         {"gamma", {fields.number("bias_gamma", 0)}},
                                         {"power", {fields.number("bias_power", 1)}},
                                         {"min", {fields.number("bias_min", 0)}},
                                         {"max", {fields.number("bias_max", 0)}},
                                         {"first_step", option(fields.integer("iteration", 0))}});
  if (anneals) options.set("schedule", {OptionList{{schedule}}});
  give_both(layer, layer.add("target_margin", options, layer.all_bottoms()));
}

void import_label_specific_margin(LayerImport& layer) {
  layer.expect(2, 2, 1, 2);
  Fields& fields = layer.fields("label_specific_margin_param");
  const bool multiplies = fields.text("type", "HARD") == "SOFT";
  const Options options = options_with({{"kind", option(std::string_view(multiplies ? "multiplicative" : "additive"))},
                                        {"anneal", {fields.has("margin_base")}},
                                        {"base", {fields.number("margin_base", 0)}},
                                        {"max", {fields.number("margin_max", 10)}},
                                        {"power", {fields.number("power", 1)}},
                                        {"gamma", {fields.number("gamma", 1)}},
                                        {"first_step", option(fields.integer("iteration", 0))},
                                        {"margin_output", {layer.tops() == 2}},
                                        {"arithmetic", arithmetic(layer)}});
  const Value moved = layer.add("angular_margin", options, layer.all_bottoms());
  layer.blob("margin");
  give_both(layer, moved);
}

void import_label_specific_hard_margin(LayerImport& layer) {
  layer.expect(2, 2, 1, 2);
  Fields& fields = layer.fields("label_specific_hard_margin_param");
  const Options options = options_with(
      {{"positive_weight", {fields.number("positive_weight", 0.5)}}, {"margin_output", {layer.tops() == 2}}, {"reference", {true}}});
  give_both(layer, layer.add("hard_margin", options, layer.all_bottoms()));
}

void import_label_specific_rescale(LayerImport& layer) {
  layer.expect(2, 2, 1, 2);
  Fields& fields = layer.fields("label_specific_rescale_param");
  const Options options = options_with(
      {{"positive_weight", {fields.number("positive_weight", 1)}}, {"negative_weight", {fields.number("negative_weight", 1)}}});
  give_both(layer, layer.add("target_rescale", options, layer.all_bottoms()));
}

void import_global_lse_margin(LayerImport& layer) {
  layer.expect(2, 3, 1, 2);
  Fields& fields = layer.fields("scale_param");
  Options options = options_with(
      {{"scale", option(layer.parameter(0, fields.filler("filler", Filler::constant(30))))}, {"feature_norms", {layer.bottoms() == 3}}});
  if (fields.has("min_value")) options.set("clamp_low", {OptionList{{fields.number("min_value", 0)}}});
  if (fields.has("max_value")) options.set("clamp_high", {OptionList{{fields.number("max_value", 0)}}});
  const Value moved = layer.add("lse_margin", options, layer.all_bottoms());
  layer.blob("scale");
  layer.blob("margin");
  give_both(layer, moved);
}

}  // namespace amnet::caffe

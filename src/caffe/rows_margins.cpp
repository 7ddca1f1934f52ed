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
  // the reference code applies it in training alone, whatever this says
  fields.ignore({"transform_test"});
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
  layer.expect(2, 3, 1, 2);
  Fields& fields = layer.fields("label_specific_margin_param");
  fields.ignore({"margin_on_test", "reset_margin"});  // without effect in the reference code
  const double base = fields.number("margin_base", 0);
  const Options schedule = options_with({{"base", {base}},
                                         {"gamma", {fields.number("gamma", 1)}},
                                         {"power", {fields.number("power", 1)}},
                                         {"first_step", option(fields.integer("iteration", 0))}});
  const double most = fields.number("margin_max", 10);
  Options options = options_with({{"kind", option(std::string_view(fields.text("type", "HARD") == "SOFT" ? "soft" : "hard"))},
                                  {"margin", {base}},
                                  {"auto_tune", {fields.flag("auto_tune", false)}},
                                  {"margin_input", {layer.bottoms() == 3}},
                                  {"margin_output", {layer.tops() == 2}},
                                  {"arithmetic", arithmetic(layer)}});
  if (fields.has("margin_base")) options.set("schedule", {OptionList{{schedule}}});
  if (fields.has("margin_max")) options.set("max", {OptionList{{most}}});
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
  // without effect in the reference code
  fields.ignore({"positive_lower_bound", "negative_upper_bound"});
  Options schedule = options_with({{"base", {fields.number("positive_weight_base", 0)}},
                                   {"gamma", {fields.number("gamma", 0)}},
                                   {"power", {fields.number("power", 1)}},
                                   {"first_step", option(fields.integer("iteration", 0))}});
  for (const std::string bound : {"min", "max"}) {
    const std::string field = "positive_weight_" + bound;
    const double value = fields.number(field, 0);
    if (fields.has(field)) schedule.set(bound, {OptionList{{value}}});
  }
  Options options = options_with({{"positive_weight", {fields.number("positive_weight", 1)}},
                                  {"negative_weight", {fields.number("negative_weight", 1)}},
                                  {"only_positive", {fields.flag("for_ip", false)}},
                                  {"keeps_one", {fields.flag("bias_fix", false)}},
                                  {"power", {fields.flag("power_on_positive", false)}},
                                  {"in_test", {fields.flag("rescale_test", false)}},
                                  {"weight_output", {layer.tops() == 2}},
                                  {"arithmetic", arithmetic(layer)}});
  if (fields.has("positive_weight_base")) options.set("schedule", {OptionList{{schedule}}});
  give_both(layer, layer.add("target_rescale", options, layer.all_bottoms()));
}

void import_global_lse_margin(LayerImport& layer) {
  layer.expect(2, 3, 1, 2);
  Fields& fields = layer.fields("scale_param");
  const double low = fields.number("min_value", 0), high = fields.number("max_value", 0);
  ParameterOptions scale = layer.parameter(0, fields.filler("filler", Filler::constant(30)));
  if (layer.caffe().options.find("param") == nullptr) {  // what the reference code then takes
    scale.decay_mult = 0;
    if (layer.bottoms() == 3) scale.lr_mult = layer.frozen();
  }
  Options options = options_with(
      {{"scale", option(scale)}, {"feature_norm", {layer.bottoms() == 3}}, {"statistics", {layer.tops() == 2}}, {"reference", {true}}});
  if (fields.has("min_value")) options.set("min_scale", {low});
  if (fields.has("max_value")) options.set("max_scale", {OptionList{{high}}});
  const Value moved = layer.add("lse_margin", options, layer.all_bottoms());
  layer.blob("scale");
  layer.blob("margin");
  give_both(layer, moved);
}

}  // namespace amnet::caffe

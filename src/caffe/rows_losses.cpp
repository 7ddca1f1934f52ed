// Losses, and what measures without a gradient.
#include "layer_rows.h"

#include <limits>

namespace amnet::caffe {
namespace {

/// Logits (..., C) with the classes last, and the labels in the same order of rows.
struct Rows {
  Value logits, labels;
};
Rows rows_of(LayerImport& layer, std::int64_t stated_axis) {
  const int rank = layer.rank(0), axis = layer.axis(stated_axis, rank);
  if (axis == 1 && rank == 3) {
    const std::vector<std::int64_t> order = {0, 2, 1};
    return {layer.add("permute", options_with({{"order", option(order)}}), {layer.bottom(0)}, "classes_last"), layer.bottom(1)};
  }
  if (LayerImport::our_axis(axis, rank) != rank - 1) {
    layer.refuse(fmt::format("its axis {} is not that of the classes, 1.", stated_axis));
  }
  return {layer.bottom(0), layer.bottom(1)};
}

void set_ignored(Options& options, Fields& fields) {
  if (fields.has("ignore_label")) options.set("ignore_label", {OptionList{{fields.integer("ignore_label", 0)}}});
}

}  // namespace

void import_softmax_loss(LayerImport& layer) {
  layer.expect(2, 3, 1, 2);
  Fields &loss = layer.fields("loss_param"), &softmax = layer.fields("softmax_param");
  const std::string type = softmax.text("normalize_type", "Softmax");
  if (type != "Softmax") layer.refuse(fmt::format("its normalize_type is '{}'; amnet knows Softmax.", type));
  softmax.ignore({"engine"});
  const Rows rows = rows_of(layer, softmax.integer("axis", 1));
  const bool older = !loss.has("normalization") && loss.has("normalize");
  const std::string stated = loss.text("normalization", "VALID");
  const bool by_valid = loss.flag("normalize", true);
  const std::string normalization = older ? (by_valid ? "VALID" : "BATCH_SIZE") : stated;
  Options options;
  // the smallest normal float, below which the reference code takes no logarithm
  options.set("probability_floor", {static_cast<double>(std::numeric_limits<float>::min())});
  set_ignored(options, loss);
  if (normalization != "VALID") {
    options.set("normalization", option(std::string_view(normalization == "FULL"         ? "full"
                                                         : normalization == "BATCH_SIZE" ? "batch_size"
                                                                                         : "none")));
  }
  std::vector<Value> inputs = {rows.logits, rows.labels};
  if (layer.bottoms() == 3) {
    options.set("sample_weights", {true});
    inputs.push_back(layer.bottom(2));
  }
  layer.top(0, layer.add("softmax_cross_entropy", options, inputs));
  if (layer.tops() == 2) {
    if (layer.rank(0) == 3) layer.refuse("its second top, the probabilities, is not imported for a bottom of 3 axes.");
    layer.top(1, layer.add("softmax", {}, {layer.bottom(0)}, "probabilities"));
  }
}

void import_contrastive_loss(LayerImport& layer) {
  layer.expect(3, 4, 1, 1);
  Fields& fields = layer.fields("contrastive_loss_param");
  const Options options =
      options_with({{"margin", {fields.number("margin", 1)}}, {"legacy", {fields.flag("legacy_version", false)}}, {"reference", {true}}});
  layer.top(0, layer.add("contrastive_loss", options, layer.all_bottoms()));
}

void import_general_contrastive_loss(LayerImport& layer) {
  layer.expect(2, 3, 1, 2);
  Fields& fields = layer.fields("general_contrastive_loss_param");
  Options options = options_with({{"positive_margin", {fields.number("positive_margin", 0)}},
                                  {"negative_margin", {fields.number("negative_margin", 1)}},
                                  {"positive_weight", {fields.number("positive_weight", 1)}},
                                  {"negative_weight", {fields.number("negative_weight", 1)}},
                                  {"positive_outlier_threshold", {fields.number("positive_outlier_thresh", 4)}},
                                  {"max_negative_only", {fields.flag("max_negative_only", false)}},
                                  {"max_positive_only", {fields.flag("max_positive_only", false)}},
                                  {"positive_first", {fields.flag("positive_first", false)}},
                                  {"positive_upper_bound", {fields.number("positive_upper_bound", 1)}},
                                  {"exp_negative_weight", {fields.flag("exp_negative_weight", false)}},
                                  {"add_intra_mae", {fields.flag("add_intra_mae", false)}},
                                  {"max_negative_margin", {fields.number("max_negative_margin", 1.2)}},
                                  {"distances", {layer.tops() == 2}},
                                  {"reference", {true}}});
  const double most = fields.number("normalize_negative", 0);
  if (fields.has("normalize_negative")) options.set("normalize_negative", {OptionList{{most}}});
  fields.ignore({"square"});  // without effect in the reference code
  const Value loss = layer.add("proxy_contrastive_loss", options, layer.all_bottoms());
  layer.top(0, loss);
  if (layer.tops() == 2) layer.top(1, layer.output(loss, 1));
}

void import_general_triplet_loss(LayerImport& layer) {
  layer.expect(2, 3, 1, 2);
  Fields& fields = layer.fields("general_triplet_loss_param");
  const Options options = options_with({{"margin", {fields.number("margin", 0.2)}},
                                        {"add_center_loss", {fields.flag("add_center_loss", true)}},
                                        {"hardest_only", {fields.flag("hardest_only", false)}},
                                        {"positive_first", {fields.flag("positive_first", false)}},
                                        {"positive_upper_bound", {fields.number("positive_upper_bound", 1)}},
                                        {"positive_weight", {fields.number("positive_weight", 1)}},
                                        {"negative_weight", {fields.number("negative_weight", 1)}},
                                        {"distances", {layer.tops() == 2}},
                                        {"reference", {true}}});
  const Value loss = layer.add("proxy_triplet_loss", options, layer.all_bottoms());
  layer.top(0, loss);
  if (layer.tops() == 2) layer.top(1, layer.output(loss, 1));
}

void import_euclidean_loss(LayerImport& layer) {
  layer.expect(2, 2, 1, 1);
  layer.top(0, layer.add("euclidean_loss", {}, layer.all_bottoms()));
}

void import_center_loss(LayerImport& layer) {
  layer.expect(2, 2, 1, 1);
  Fields& fields = layer.fields("center_loss_param");
  const std::string kind = fields.text("distance_type", "L2");
  if (kind != "L1" && kind != "L2") layer.refuse(fmt::format("its distance_type is '{}'; amnet knows L1 and L2.", kind));
  if (layer.axis(fields.integer("axis", 1), layer.rank(0)) != 1) layer.refuse("its axis is not 1.");
  const Options options = options_with({{"classes", option(fields.integer("num_output", 0))},
                                        {"distance", option(std::string_view(kind == "L1" ? "l1" : "l2"))},
                                        {"reference", {true}},
                                        {"centers", option(layer.parameter(0, fields.filler("center_filler", Filler::constant(0))))}});
  const Value rows = layer.rank(0) == 4 ? layer.add("flatten", {}, {layer.bottom(0)}, "flat") : layer.bottom(0);
  layer.top(0, layer.add("center_loss", options, {rows, layer.bottom(1)}));
  layer.blob("centers");
}

void import_accuracy(LayerImport& layer) {
  layer.expect(2, 2, 1, 2);
  Fields& fields = layer.fields("accuracy_param");
  const Rows rows = rows_of(layer, fields.integer("axis", 1));
  Options options;
  if (const std::int64_t top_k = fields.integer("top_k", 1); top_k != 1) options.set("top_k", option(top_k));
  set_ignored(options, fields);
  if (fields.flag("min_is_better", false)) options.set("min_is_better", {true});
  if (layer.tops() == 2) options.set("per_class", {true});
  const Value accuracy = layer.add("accuracy", options, {rows.logits, rows.labels});
  layer.top(0, accuracy);
  if (layer.tops() == 2) layer.top(1, layer.output(accuracy, 1));
}

}  // namespace amnet::caffe

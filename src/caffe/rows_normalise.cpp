// Layers that compute from several elements of a sample or of the batch: norms, statistics,
// windows.
#include "layer_rows.h"

#include <numeric>

namespace amnet::caffe {

void import_normalize(LayerImport& layer) {
  layer.expect(1, 1, 1, 2);
  Fields& fields = layer.fields("normalize_param");
  const std::string type = fields.text("normalize_type", "L2");
  if (type != "L1" && type != "L2") layer.refuse(fmt::format("its normalize_type is '{}'; amnet knows L1 and L2.", type));
  if (layer.rank(0) == 3) layer.refuse("its bottom has 3 axes; expected (N,C) or (N,C,H,W).");
  const bool with_norm = layer.tops() == 2, passes_norm = fields.flag("bp_norm", false), fix = fields.flag("fix_gradient", false);
  Options options = options_with({{"epsilon", {type == "L1" ? 1e-6 : layer.epsilon()}}, {"norm_output", {with_norm}}});
  if (type == "L1") options.set("kind", option(std::string_view("l1")));
  if (with_norm && !passes_norm) options.set("norm_gradient", {false});
  // the reference code's CPU code ignores it
  if (fix && layer.on_gpu()) options.set("fix_gradient", {true});
  const Value unit = layer.add("normalize", options, {layer.bottom(0)});
  layer.top(0, unit);
  if (with_norm) layer.top(1, layer.output(unit, 1));
}

void import_batch_norm(LayerImport& layer) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("batch_norm_param");
  if (layer.rank(0) != 2 && layer.rank(0) != 4)
    layer.refuse(fmt::format("its bottom has {} axes; expected (N,C) or (N,C,H,W).", layer.rank(0)));
  const bool test = layer.options().phase == Phase::test;
  const bool stored = fields.flag("use_global_stats", test);
  if (test && !stored) layer.refuse("use_global_stats is false in the phase TEST; amnet's layer uses the running statistics there.");
  Options options = options_with({{"epsilon", {fields.number("eps", 1e-5)}},
                                  {"fraction", {fields.number("moving_average_fraction", 0.99)}},
                                  {"affine", {false}},
                                  {"stored_statistics", {stored && !test}}});
  if (fields.flag("disable_mean", false)) options.set("centered", {false});
  if (fields.flag("disable_variance", false)) options.set("scaled", {false});
  layer.top(0, layer.add("batch_norm", options, {layer.bottom(0)}));
  layer.blob("running_mean", LayerImport::Form::sum_of_past);
  layer.blob("running_variance", LayerImport::Form::sum_of_past);
  layer.blob("weight_of_past");
}

void import_pooling(LayerImport& layer) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("pooling_param");
  if (layer.rank(0) != 4) layer.refuse(fmt::format("expected a bottom (N,C,H,W) but got one of {} axes.", layer.rank(0)));
  const std::string pool = fields.text("pool", "MAX");
  const auto extents = [&](const std::string& both, const std::string& each, std::int64_t otherwise) {
    const bool has_each = fields.has(each + "_h") || fields.has(each + "_w");
    if (has_each && fields.has(both)) layer.refuse(fmt::format("it has both {} and {}_h or {}_w; keep one of them.", both, each, each));
    if (has_each) return Extents{fields.integer(each + "_h", otherwise), fields.integer(each + "_w", otherwise)};
    return Extents(fields.integer(both, otherwise));
  };
  const bool global = fields.flag("global_pooling", false);
  const Extents kernel = extents("kernel_size", "kernel", global ? 2 : 0);
  if (global && (fields.has("kernel_size") || fields.has("kernel_h") || fields.has("kernel_w"))) {
    layer.refuse("it has a kernel although global_pooling takes the whole image; keep one of them.");
  }
  if (kernel.height < 1 || kernel.width < 1) layer.refuse("expected a kernel_size of 1 or more.");
  const std::string_view kind = pool == "MAX" ? "max" : pool == "AVE" ? "average" : "stochastic";
  Options options = options_with({{"kind", option(kind)},
                                  {"kernel", option(kernel)},
                                  {"stride", option(extents("stride", "stride", 1))},
                                  {"pad", option(extents("pad", "pad", 0))},
                                  {"round_up", {fields.text("round_mode", "CEIL") == "CEIL"}},
                                  {"global", {global}}});
  if (kind == "stochastic") options.set("stream", option(std::string_view(layer.caffe().name)));
  fields.ignore({"engine"});
  layer.top(0, layer.add("pool", options, {layer.bottom(0)}));
}

void import_reduction(LayerImport& layer) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("reduction_param");
  const std::string operation = fields.text("operation", "SUM");
  const int axis = layer.axis(fields.integer("axis", 0), layer.rank(0));
  const std::string_view ours = operation == "SUM"     ? "sum"
                                : operation == "ASUM"  ? "absolute_sum"
                                : operation == "SUMSQ" ? "sum_of_squares"
                                                       : "mean";
  // From axis 1 on, the order of what is added up does not matter.
  const Value value = axis <= 1 ? layer.bottom(0) : layer.plain(layer.bottom(0));
  layer.top(
      0, layer.add("reduce",
                   options_with(
                       {{"operation", option(ours)}, {"axis", option(std::int64_t{axis})}, {"coefficient", {fields.number("coeff", 1)}}}),
                   {value}));
}

void import_softmax(LayerImport& layer) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("softmax_param");
  const std::string type = fields.text("normalize_type", "Softmax");
  if (type != "Softmax") layer.refuse(fmt::format("its normalize_type is '{}'; amnet knows Softmax.", type));
  fields.ignore({"engine"});
  const int rank = layer.rank(0), axis = LayerImport::our_axis(layer.axis(fields.integer("axis", 1), rank), rank);
  if (axis == rank - 1) {
    layer.top(0, layer.add("softmax", {}, {layer.bottom(0)}));
    return;
  }
  // the axis goes to the end and comes back
  std::vector<std::int64_t> order(static_cast<std::size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[static_cast<std::size_t>(axis)], order.back());  // its own inverse
  const Value moved = layer.add("permute", options_with({{"order", option(order)}}), {layer.bottom(0)}, "axis_last");
  const Value shares = layer.add("softmax", {}, {moved});
  layer.top(0, layer.add("permute", options_with({{"order", option(order)}}), {shares}, "axis_back"));
}

}  // namespace amnet::caffe

// Layers that move values without computing.
#include "layer_rows.h"

namespace amnet::caffe {
namespace {

/// The axis of a Slice or Concat: `axis`, or in older files `slice_dim`, `concat_dim`.
int stated_axis(LayerImport& layer, Fields& fields, const std::string& older) {
  if (fields.has("axis") && fields.has(older)) layer.refuse(fmt::format("it has both axis and {}; keep one of them.", older));
  const std::int64_t stated = fields.has(older) ? fields.integer(older, 1) : fields.integer("axis", 1);
  const int rank = layer.rank(0);
  return LayerImport::our_axis(layer.axis(stated, rank), rank);
}

}  // namespace

void import_flip(LayerImport& layer) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("flip_param");
  const bool width = fields.flag("flip_width", true), height = fields.flag("flip_height", false);
  if (layer.rank(0) != 4) layer.refuse(fmt::format("expected a bottom (N,C,H,W) but got one of {} axes.", layer.rank(0)));
  Options options;
  if (!width) options.set("width", {false});
  if (height) options.set("height", {true});
  layer.top(0, layer.add("flip", options, {layer.bottom(0)}));
}

void import_slice(LayerImport& layer) {
  layer.expect(1, 1, 1, 1000);
  Fields& fields = layer.fields("slice_param");
  const int axis = stated_axis(layer, fields, "slice_dim");
  const std::vector<std::int64_t> points = fields.integers("slice_point");
  if (!points.empty() && points.size() + 1 != layer.tops()) {
    layer.refuse(fmt::format("it has {} slice points but {} tops; expected one less than tops, or none for equal parts.", points.size(),
                             layer.tops()));
  }
  Options options = options_with({{"axis", option(std::int64_t{axis})}});
  if (points.empty()) {
    options.set("parts", option(static_cast<std::int64_t>(layer.tops())));
  } else {
    options.set("points", option(points));
  }
  const Value first = layer.add("slice", options, {layer.bottom(0)});
  for (std::size_t i = 0; i < layer.tops(); ++i) layer.top(i, layer.output(first, static_cast<int>(i)));
}

void import_concat(LayerImport& layer) {
  layer.expect(1, 1000, 1, 1);
  Fields& fields = layer.fields("concat_param");
  const int axis = stated_axis(layer, fields, "concat_dim");
  layer.top(0, layer.add("concat", options_with({{"axis", option(std::int64_t{axis})}}), layer.all_bottoms()));
}

void import_split(LayerImport& layer) {
  layer.expect(1, 1, 1, 1000);
  for (std::size_t i = 0; i < layer.tops(); ++i) layer.top(i, layer.bottom(0));
}

void import_silence(LayerImport& layer) { layer.expect(1, 1000, 0, 0); }

void import_flatten(LayerImport& layer) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("flatten_param");
  const std::vector<std::int64_t> shape = layer.shape(0);
  const int rank = static_cast<int>(shape.size());
  const int axis = layer.axis(fields.integer("axis", 1), rank), end = layer.axis(fields.integer("end_axis", -1), rank);
  if (end < axis) layer.refuse(fmt::format("its end_axis {} lies before its axis {}.", end, axis));
  if (axis == 1 && end == rank - 1 && rank == 4) {
    layer.top(0, layer.add("flatten", {}, {layer.bottom(0)}));
    return;
  }
  std::vector<std::int64_t> extents;
  for (int i = 0; i < axis; ++i) extents.push_back(0);
  extents.push_back(-1);
  for (int i = end + 1; i < rank; ++i) extents.push_back(shape[static_cast<std::size_t>(i)]);
  const Value flat = layer.add("reshape", options_with({{"extents", option(extents)}}), {layer.plain(layer.bottom(0))});
  layer.top(0, layer.channels_last(flat));
}

void import_reshape(LayerImport& layer) {
  layer.expect(1, 1);
  Fields& fields = layer.fields("reshape_param");
  const std::vector<std::int64_t> shape = layer.shape(0);
  const int rank = static_cast<int>(shape.size());
  std::vector<std::int64_t> dims;
  for (const Options& block : fields.blocks("shape")) dims = Fields(block, "", "shape").integers("dim");
  const std::int64_t stated = fields.integer("axis", 0), count = fields.integer("num_axes", -1);
  // an axis may be one behind the last, where extents of 1 are added
  const std::int64_t axis = stated < 0 ? stated + rank + 1 : stated;
  const std::int64_t end = count == -1 ? rank : axis + count;
  if (axis < 0 || axis > rank || end < axis || end > rank) {
    layer.refuse(fmt::format("its axis {} and num_axes {} go beyond the {} axes of its bottom.", stated, count, rank));
  }
  std::vector<std::int64_t> extents(static_cast<std::size_t>(axis), 0);
  extents.insert(extents.end(), dims.begin(), dims.end());
  for (std::int64_t i = end; i < rank; ++i) extents.push_back(shape[static_cast<std::size_t>(i)]);
  if (extents.empty() || extents.size() > Shape::max_rank) {
    layer.refuse(fmt::format("its top would have {} axes; amnet's tensors have 1 to {}.", extents.size(), int{Shape::max_rank}));
  }
  const Value reshaped = layer.add("reshape", options_with({{"extents", option(extents)}}), {layer.plain(layer.bottom(0))});
  layer.top(0, layer.channels_last(reshaped));
}

}  // namespace amnet::caffe

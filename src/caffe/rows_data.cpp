// Layers that feed a net: their tops become inputs of the net, which the program fills.
#include "layer_rows.h"

#include <algorithm>

namespace amnet::caffe {
namespace {

/// The images of a layer that reads files; what the prototxt does not say is in the import's
/// options.
std::vector<std::int64_t> image_shape(LayerImport& layer, std::int64_t batch, std::int64_t channels, std::int64_t height,
                                      std::int64_t width) {
  Fields& transform = layer.fields("transform_param");
  if (const std::int64_t crop = transform.integer("crop_size", 0); crop > 0) height = width = crop;
  if (transform.flag("force_color", false)) channels = 3;
  if (transform.flag("force_gray", false)) channels = 1;
  // of what is read, not of the net
  transform.ignore({"scale", "mirror", "mean_file", "mean_value"});
  const std::optional<CaffeImage>& image = layer.options().image;
  if (height <= 0 || width <= 0 || channels <= 0) {
    if (!image) {
      layer.refuse(
          "it takes the size of its images from the files that it reads; say the size (.image) or set new_height, new_width or crop_size.");
    }
    if (channels <= 0) channels = image->channels;
    if (height <= 0) height = image->height;
    if (width <= 0) width = image->width;
  }
  return {batch, channels, height, width};
}

void add_images_and_labels(LayerImport& layer, const std::vector<std::int64_t>& images) {
  layer.expect(0, 0, 1, 2);
  layer.input_top(0, images);
  layer.input_top(1, {images[0]});
}

std::vector<std::int64_t> extents_of(LayerImport& layer, const Options& shape) {
  Fields fields(shape, "", "shape");
  std::vector<std::int64_t> extents = fields.integers("dim");
  if (extents.empty() || extents.size() > Shape::max_rank) {
    layer.refuse(fmt::format("its shape has {} axes; amnet's tensors have 1 to {}.", extents.size(), int{Shape::max_rank}));
  }
  if (std::ranges::any_of(extents, [](std::int64_t extent) { return extent < 1; })) layer.refuse("its shape has an extent below 1.");
  return extents;
}

/// One for each top, or one for all.
std::vector<std::vector<std::int64_t>> shapes_of_tops(LayerImport& layer, Fields& fields) {
  std::vector<std::vector<std::int64_t>> shapes;
  for (const Options& shape : fields.blocks("shape")) shapes.push_back(extents_of(layer, shape));
  if (shapes.size() != 1 && shapes.size() != layer.tops()) {
    layer.refuse(fmt::format("it has {} shapes but {} top(s); give each its own, or one for all.", shapes.size(), layer.tops()));
  }
  shapes.resize(layer.tops(), shapes.front());
  return shapes;
}

}  // namespace

void import_input(LayerImport& layer) {
  layer.expect(0, 0, 1, 1000);
  const std::vector<std::vector<std::int64_t>> shapes = shapes_of_tops(layer, layer.fields("input_param"));
  for (std::size_t i = 0; i < shapes.size(); ++i) layer.input_top(i, shapes[i]);
  layer.fields("transform_param").ignore({"scale", "mirror", "crop_size", "mean_file", "mean_value", "force_color", "force_gray"});
}

void import_image_data(LayerImport& layer) {
  Fields& data = layer.fields("image_data_param");
  const std::int64_t batch = data.integer("batch_size", 1);
  const std::int64_t channels = data.flag("is_color", true) ? 3 : 1;
  const std::vector<std::int64_t> images = image_shape(layer, batch, channels, data.integer("new_height", 0), data.integer("new_width", 0));
  data.ignore({"source", "root_folder", "shuffle", "rand_skip"});
  add_images_and_labels(layer, images);
}

void import_data(LayerImport& layer) {
  Fields& data = layer.fields("data_param");
  const std::vector<std::int64_t> images = image_shape(layer, data.integer("batch_size", 1), 0, 0, 0);
  data.ignore({"source", "backend", "rand_skip", "prefetch", "force_encoded_color"});
  add_images_and_labels(layer, images);
}

void import_memory_data(LayerImport& layer) {
  Fields& data = layer.fields("memory_data_param");
  const std::vector<std::int64_t> images =
      image_shape(layer, data.integer("batch_size", 1), data.integer("channels", 0), data.integer("height", 0), data.integer("width", 0));
  add_images_and_labels(layer, images);
}

void import_dummy_data(LayerImport& layer) {
  Fields& data = layer.fields("dummy_data_param");
  layer.expect(0, 0, 1, 1000);
  std::vector<std::vector<std::int64_t>> shapes;
  if (data.has("shape")) {
    shapes = shapes_of_tops(layer, data);
  } else {  // the older way: four lists
    const std::vector<std::int64_t> lists[] = {data.integers("num"), data.integers("channels"), data.integers("height"),
                                               data.integers("width")};
    for (std::size_t i = 0; i < layer.tops(); ++i) {
      std::vector<std::int64_t> shape;
      for (const std::vector<std::int64_t>& list : lists) {
        if (list.size() != 1 && list.size() != layer.tops())
          layer.refuse("expected one num, channels, height and width for each top, or one for all.");
        shape.push_back(list.size() == 1 ? list[0] : list[i]);
      }
      shapes.push_back(std::move(shape));
    }
  }
  std::vector<Filler> fillers;
  for (const Options& block : data.blocks("data_filler")) {
    Options wrapped;
    wrapped.set("data_filler", {block});
    fillers.push_back(Fields(wrapped, "", "").filler("data_filler", {}));
  }
  if (fillers.empty()) fillers.push_back(Filler::constant(0));
  if (fillers.size() != 1 && fillers.size() != layer.tops()) layer.refuse("expected one data_filler for each top, or one for all.");
  for (std::size_t i = 0; i < layer.tops(); ++i) {
    std::vector<std::int64_t> extents = shapes[i];
    if (extents.size() == 4) extents = {extents[0], extents[2], extents[3], extents[1]};
    const Options options = options_with({{"extents", option(extents)},
                                          {"filler", {options_of(fillers.size() == 1 ? fillers[0] : fillers[i])}},
                                          {"stream", option(layer.caffe().name + ":" + std::to_string(i))},
                                          {"integers", {layer.is_label(layer.caffe().tops[i])}}});
    layer.top(i, layer.add("fill", options, {}, fmt::format("{}", i)));
  }
}

void import_parameter(LayerImport& layer) {
  layer.expect(0, 1);
  Fields& parameter = layer.fields("parameter_param");
  const std::vector<Options> shape = parameter.blocks("shape");
  if (shape.size() != 1) layer.refuse("expected a shape.");
  const std::vector<std::int64_t> extents = extents_of(layer, shape.front());
  const Filler filler = parameter.filler("blob_filler", Filler::constant(0));
  const Options options = options_with({{"extents", option(extents)}, {"value", option(layer.parameter(0, filler))}});
  const Value value = layer.add("parameter", options, {});
  layer.blob("value");
  layer.top(0, layer.channels_last(value));
}

}  // namespace amnet::caffe

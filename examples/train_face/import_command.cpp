#include "commands.h"
#include "console.h"
#include "outputs.h"

#include <amnet/caffe/import.h>
#include <amnet/core/text.h>
#include <amnet/model/model_file.h>

#include <fmt/format.h>

#include <filesystem>

using namespace amnet;

namespace {

struct Named {
  std::filesystem::path net, weights, out;
  std::string blob;  // of the embedding; empty: the net's only output
  CaffeEngine engine = CaffeEngine::gpu;
  ImageFormat format;
};

void set_roles(CaffeModel& caffe, const Named& named, bool has_mean, bool has_scale) {
  Roles& roles = caffe.model.roles;
  if (!named.blob.empty()) {
    const auto found = caffe.blobs.find(named.blob);
    require(found != caffe.blobs.end(), "--embedding: the net of {} has no blob '{}'.", named.net.string(), named.blob);
    roles.embedding = found->second;
  }
  require(!roles.embedding.empty(),
          "--embedding: the net of {} has not one output with a row for each image; name the blob to take: train_face inspect lists them.",
          named.net.string());
  const Shape shape = caffe.model.net.spec(caffe.model.net.find(roles.embedding)).shape;
  require(shape.rank() == 2, "--embedding: the blob is {} but an embedding is (N,D).", shape);
  if (!roles.image) return;
  ImageFormat& format = roles.image->format;
  format.order = named.format.order;
  if (has_mean) format.mean = named.format.mean;
  if (has_scale) format.scale = named.format.scale;
}

}  // namespace

int import_command(Arguments arguments) {
  Named named;
  CLI::App app("Makes a model file of a net of Caffe and its weights: eval, extract and --init-from then read it.", "train_face import");
  use_our_style(app, "  train_face import --net face_deploy.prototxt --weights face.caffemodel --out face.safetensors\n");
  begin_group(app, "Caffe's files");
  app.add_option("--net", named.net, "Net prototxt, for deployment or training: the layers of its phase TEST are taken")->required();
  app.add_option("--weights", named.weights, "Its caffemodel")->required();
  add_named(app, "--arithmetic", named.engine, "Whose numbers the layers have: those of Caffe's CPU or GPU code");
  begin_group(app, "The model");
  app.add_option("--out", named.out, "Model file to write")->required();
  app.add_option("--embedding", named.blob, "Blob that is the embedding (default: the net's only output)");
  const CLI::Option* size = app.add_option_function<std::string>(
      "--input", [&](const std::string& text) { read_size_option(text, named.format); },
      "Image size, height x width, where the net has none");
  add_named(app, "--channel-order", named.format.order, "bgr (as Caffe reads images) or rgb");
  const CLI::Option* mean =
      app.add_option("--mean", named.format.mean, "Subtracted from every pixel in [0,255]; a net with images of its own says it");
  const CLI::Option* scale = app.add_option("--pixel-scale", named.format.scale, "Multiplies what is left of it; 0.0078125 is 1/128");
  if (!parse_arguments(app, std::move(arguments))) return 0;

  Outputs outputs;
  outputs.reads("--net", named.net);
  outputs.reads("--weights", named.weights);
  outputs.writes("--out", named.out);
  const CaffeWeights weights = read_caffemodel(named.weights);
  CaffeImportOptions options{.engine = named.engine, .grey_from_color = true};
  if (size->count() > 0) options.image = CaffeImage{image_channels_of(weights).value_or(3), named.format.height, named.format.width};
  CaffeModel caffe = import_caffe_net(read_caffe_net(named.net), options);
  for (const std::string& note : caffe.notes) tell(note);
  set_roles(caffe, named, mean->count() > 0, scale->count() > 0);
  const CaffeLoaded loaded = load_caffe_weights(weights, caffe, named.weights.string());
  require<DataError>(loaded.missing.empty(), "{}: it has no weights for {}, which the net of {} needs.", named.weights.string(),
                     joined(loaded.missing, ", "), named.net.string());
  save_model(named.out, caffe.model);
  const std::string left = loaded.left_out.empty() ? "" : "; not in the net and left out: " + joined(loaded.left_out, ", ");
  conclude(fmt::format("{} layers, {} parameters, embedding {}: {}{}", caffe.model.net.layers().size(), caffe.model.net.parameter_count(),
                       caffe.model.roles.embedding, named.out.string(), left));
  return 0;
}

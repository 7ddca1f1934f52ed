#include <amnet/caffe/image_data.h>
#include <amnet/caffe/solver_settings.h>
#include <amnet/faces/face_training.h>

#include <amnet/data/image.h>

#include "caffe/layer_import.h"
#include "training_set.h"

#include <algorithm>

namespace amnet {
namespace {

namespace fs = std::filesystem;
using caffe::Fields;

/// As Caffe finds it, from the working folder, or beside the solver.
fs::path found_beside(const fs::path& named, const fs::path& solver) {
  std::error_code none;
  if (named.empty()) return named;
  if (named.is_absolute() || fs::exists(named, none)) return named;
  for (const fs::path& beside : {solver.parent_path() / named, solver.parent_path() / named.filename()}) {
    if (fs::exists(beside, none)) return beside;
  }
  return named;
}

bool is_in(const CaffeLayer& layer, std::string_view phase) {
  const std::string_view other = phase == "TRAIN" ? "TEST" : "TRAIN";
  return layer.phases.empty() || layer.phases == phase || layer.phases == fmt::format("not {}", other);
}

/// The layer that reads images in that phase; null where there is none.
const CaffeLayer* data_layer(const CaffeNet& net, std::string_view phase) {
  const auto found = std::ranges::find_if(
      net.layers, [&](const CaffeLayer& layer) { return (layer.type == "ImageData" || layer.type == "Data") && is_in(layer, phase); });
  return found == net.layers.end() ? nullptr : &*found;
}

/// What such a layer says of its images, as far as a run has settings for it.
struct ImageLayer {
  CaffeImageRules rules;
  std::int64_t batch = 1;
  fs::path list, root;

  double mean() const { return rules.means.empty() ? 0 : rules.means.front(); }
};

ImageLayer images_of(const CaffeNet& net, const CaffeLayer& layer) {
  const std::string file = fmt::format("{}:{}", net.file, layer.line);
  const CaffeInput input{.name = layer.tops.at(0), .layer = layer.name, .type = layer.type, .options = layer.options};
  ImageLayer images{.rules = caffe_image_rules(input, file), .list = {}, .root = {}};
  const bool of_files = layer.type == "ImageData";
  const std::string block = of_files ? "image_data_param" : "data_param";
  const OptionValue* found = layer.options.find(block);
  Fields data(found == nullptr ? Options() : std::get<Options>(found->value),
              fmt::format("{}: the layer '{}' ({})", file, layer.name, layer.type), block);
  if (std::ranges::any_of(images.rules.means, [&](double each) { return each != images.rules.means.front(); })) {
    data.refuse("it subtracts another mean_value from each channel; a run of amnet has one for all.");
  }
  if (images.rules.crop > 0) data.refuse("a run of amnet takes images as they are, without crop_size; cut them before.");
  if (images.rules.grey) data.refuse("a run of amnet reads images in colour; take a net of three channels.");
  images.batch = data.integer("batch_size", 1);
  if (of_files) {
    images.list = data.text("source", "");
    images.root = data.text("root_folder", "");
  }
  return images;
}

}  // namespace

void apply_caffe_solver(FaceTraining& options, const fs::path& solver, const fs::path& net) {
  const CaffeSolverSettings settings = caffe_solver_settings(read_caffe_solver(solver), solver.string());
  CaffeTraining& caffe = options.caffe;
  caffe.solver = solver;
  caffe.net = net.empty() ? found_beside(settings.net, solver) : net;
  require<DataError>(!caffe.net.empty(), "{}: it names no net; name it (.caffe.net).", solver.string());
  caffe.engine = settings.engine;
  caffe.test_every = settings.test_every;
  caffe.test_batches = settings.test_batches;
  caffe.test_first = settings.test_first;

  options.iterations = settings.steps;
  options.epochs = 0;
  options.accumulate = settings.accumulate;
  options.learning_rate = settings.schedule.base;
  options.schedule = settings.schedule.policy;
  options.lr_gamma = settings.schedule.gamma;
  options.lr_power = settings.schedule.power;
  // a solver that does not say it has a policy that does not use it
  if (settings.schedule.step_size > 0) options.lr_step_size = static_cast<double>(settings.schedule.step_size);
  options.lr_steps.assign(settings.schedule.steps.begin(), settings.schedule.steps.end());
  options.warm_up = 0;
  options.solver = settings.solver;
  if (settings.log_every > 0) options.log_every = settings.log_every;
  if (settings.snapshot_every > 0) options.checkpoint_every = settings.snapshot_every;
  if (settings.seed >= 0) options.seed = static_cast<std::uint64_t>(settings.seed);

  const CaffeNet layers = read_caffe_net(caffe.net);
  const CaffeLayer* data = data_layer(layers, "TRAIN");
  require<DataError>(data != nullptr, "{}: it has no layer ImageData or Data for the phase TRAIN; a run needs one to feed images to.",
                     caffe.net.string());
  const ImageLayer images = images_of(layers, *data);
  options.batch = images.batch;
  options.input.mean = images.mean();
  options.input.scale = images.rules.scale;
  options.input.order = ChannelOrder::bgr;
  if (images.rules.resize) {
    options.input.height = images.rules.resize->height;
    options.input.width = images.rules.resize->width;
  }
  options.mirror = images.rules.mirror;
  const auto named = [](const fs::path& path) { return path.empty() ? std::vector<fs::path>() : std::vector{path}; };
  options.train_list = named(images.list);
  options.root = named(images.root);
  if (const CaffeLayer* test = data_layer(layers, "TEST")) {
    const ImageLayer of_test = images_of(layers, *test);
    const bool same = of_test.mean() == images.mean() && of_test.rules.scale == images.rules.scale;
    require<DataError>(same,
                       "{}:{}: the layer '{}' ({}) has another mean_value or scale than that of TRAIN; a run of amnet has one for both.",
                       layers.file, test->line, test->name, test->type);
    caffe.test_batch = of_test.batch;
    caffe.test_mirror = of_test.rules.mirror;
    caffe.test_list = of_test.list;
    caffe.test_root = of_test.root;
  }
}

void take_size_of_first_image(FaceTraining& options) {
  const FaceList list = read_training_set(options);
  std::vector<std::byte> buffer;
  const std::string name = list.where(0);
  const Image image = decode_image(list.images(0).read(list.path(0), name, buffer), options.input.order, name);
  options.input.height = image.height;
  options.input.width = image.width;
}

}  // namespace amnet

#include "caffe_training.h"

#include <amnet/caffe/caffe_file.h>
#include <amnet/caffe/solver_settings.h>
#include <amnet/core/text.h>
#include <amnet/data/image.h>
#include <amnet/layers/accuracy.h>

#include <fmt/format.h>

#include <algorithm>

namespace amnet {
namespace {

namespace fs = std::filesystem;

/// Whether all pixels of the list's first image are grey.
bool is_grey(const FaceList& list) {
  std::vector<std::byte> buffer;
  const Image image = decode_image(list.images(0).read(list.path(0), list.path(0), buffer), ChannelOrder::bgr, list.path(0));
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    if (image.pixels[i] != image.pixels[i + 1] || image.pixels[i] != image.pixels[i + 2]) return false;
  }
  return true;
}

/// What the paths of the tests start from.
fs::path test_root_of(const FaceTraining& options) {
  if (!options.caffe.test_root.empty()) return options.caffe.test_root;
  return options.root.empty() ? fs::path() : options.root.front();
}

/// The channels of a layer that reads a database, and so does not say: those of the weights, which
/// a run that goes on no longer needs, or of the images.
std::int64_t channels_for(const CaffeNet& net, const FaceTraining& options, const FaceList& list) {
  if (std::ranges::find(net.layers, "Data", &CaffeLayer::type) == net.layers.end()) return 3;
  std::error_code gone;
  const bool has_weights = fs::exists(options.caffe.weights, gone);
  const std::optional<std::int64_t> of_weights = has_weights ? image_channels_of(read_caffemodel(options.caffe.weights)) : std::nullopt;
  return of_weights.value_or(is_grey(list) ? 1 : 3);
}

/// The file that a solverstate was written with, at the path in it or beside the solverstate.
fs::path weights_of(const fs::path& snapshot, const std::string& learned_net) {
  std::error_code none;
  if (!learned_net.empty() && fs::exists(learned_net, none)) return learned_net;
  fs::path beside = snapshot;
  beside.replace_extension(".caffemodel");
  const fs::path named = snapshot.parent_path() / fs::path(learned_net).filename();
  return !learned_net.empty() && fs::exists(named, none) ? named : beside;
}

std::int64_t rows_of(const Model& model, const std::string& parameter) {
  std::int64_t rows = 0;
  model.net.look([&](const std::string& name, const Parameter& one) { rows = name == parameter ? one.value.extent(0) : rows; });
  return rows;
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t most = 8;
  if (names.size() <= most) return joined(names, ", ");
  return joined(std::span(names).first(most), ", ") + fmt::format(" and {} more", names.size() - most);
}

}  // namespace

CaffeModel caffe_model(const FaceTraining& options, const FaceList& list, Phase phase, DType dtype) {
  const CaffeTraining& settings = options.caffe;
  const CaffeNet layers = read_caffe_net(settings.net);
  CaffeModel caffe =
      import_caffe_net(layers, {.phase = phase,
                                .engine = settings.engine,
                                .image = CaffeImage{channels_for(layers, options, list), options.input.height, options.input.width},
                                .grey_from_color = true,
                                .dtype = dtype});
  Model& model = caffe.model;
  const std::string net = settings.net.string();
  const auto need = [&](bool has, std::string_view what) {
    require<DataError>(has, "{}: the net has {}; train_faces needs it.", net, what);
  };
  need(model.roles.image.has_value(), "no input of images with one or three channels");
  need(!model.roles.labels.empty(), "no input that a layer reads as labels");
  need(!model.roles.loss.empty(), "no loss");
  need(!caffe.logits.empty(), "no layer whose product with class weights a loss reads");
  if (phase == Phase::test) return caffe;
  need(!model.roles.class_weights.empty() && !model.roles.embedding.empty(), "no embedding (N,D) that class weights multiply");
  const std::int64_t classes = rows_of(model, model.roles.class_weights);
  require<DataError>(list.classes() <= classes, "{}: the net has {} classes but the list has {}; set its num_output to {} or more.", net,
                     classes, list.classes(), list.classes());
  ImageFormat& format = model.roles.image->format;
  require<DataError>(format.height == options.input.height && format.width == options.input.width,
                     "{}: the net reads images of {} but .input is {}; leave .input out.", net, size_text(format),
                     size_text(options.input));
  format = options.input;
  const bool has_accuracy = std::ranges::any_of(model.roles.metrics, [](const MetricRole& metric) { return metric.name == "accuracy"; });
  if (!has_accuracy) {
    // what every run reports; Caffe's nets have it in their tests alone
    model.net.add("train_accuracy", Accuracy({.min_is_better = caffe.least_logit}), {model.net.find(caffe.logits), model.labels()});
    model.roles.metrics.push_back({.name = "accuracy", .value = "train_accuracy"});
  }
  return caffe;
}

// --- the beginning ---------------------------------------------------------------------------------------------

void CaffeStart::start(TrainRun& run) {
  log_.line(fmt::format("Caffe: solver {}, net {}, arithmetic of the reference code's {} code", options_.caffe.solver.string(),
                        options_.caffe.net.string(), name_of(options_.caffe.engine)));
  for (const std::string& note : caffe_.notes) log_.line(note);
  if (checkpoints_.resumed()) return;
  if (!options_.caffe.snapshot.empty()) return take_snapshot(run.trainer());
  if (!options_.caffe.weights.empty()) take_weights(options_.caffe.weights, true);
}

void CaffeStart::take_weights(const fs::path& file, bool keep_unlike) {
  const CaffeLoaded loaded = load_caffe_weights(read_caffemodel(file), caffe_, file.string(), {.keep_unlike = keep_unlike});
  std::string left;
  const auto tell = [&](const std::vector<std::string>& names, std::string_view what) {
    if (!names.empty()) left += fmt::format("; {}: {}", what, list_of(names));
  };
  tell(loaded.unlike, "of another shape there and drawn anew here");
  tell(loaded.missing, "not there and drawn anew");
  tell(loaded.left_out, "not in this net and left out");
  log_.line(fmt::format("Took the weights of {}{}.", file.string(), left.empty() ? ", all of them" : left));
}

void CaffeStart::take_snapshot(Trainer& trainer) {
  const fs::path& snapshot = options_.caffe.snapshot;
  const CaffeSolverState state = read_solverstate(snapshot);
  take_weights(weights_of(snapshot, state.learned_net), false);
  restore_caffe_history(state, caffe_, trainer.solver(), snapshot.string());
  trainer.continue_from(state.step);
  log_.line(fmt::format("Continues after step {} of {}.", state.step, snapshot.string()));
}

// --- tests -----------------------------------------------------------------------------------------------------

CaffeTests::CaffeTests(RunLog& log, const FaceTraining& options, const FaceList& training, DType dtype)
    : log_(log),
      options_(options),
      list_(read_face_list(options.caffe.test_list, test_root_of(options), {.classes = training.classes()})),
      caffe_(caffe_model(options, list_, Phase::test, dtype)) {
  const Roles& roles = caffe_.model.roles;
  numbers_ = roles.metrics;
  numbers_.push_back({.name = "loss", .value = roles.loss});
}

void CaffeTests::start(TrainRun& run) {
  std::vector<std::string> columns = {"step"};
  for (const MetricRole& number : numbers_) columns.push_back(number.name);
  table_.emplace(options_.out / "test.csv", columns, run.trainer().step(), [this](std::string_view fault) { log_.line(fault); });
  caffe_.model.net.move_to(run.trainer().model().net.memory());
  PlanOptions plan{.batch = options_.caffe.test_batch, .keep_prepared = false};
  for (const MetricRole& number : numbers_) plan.keep.push_back(caffe_.model.net.find(number.value));
  plan_.emplace(caffe_.model.net, plan);
  if (owes(run)) test_now(run);  // also where a stop interrupted it
}

bool CaffeTests::owes(const TrainRun& run) const {
  const std::int64_t step = run.trainer().step();
  const bool is_due = step == 0 ? options_.caffe.test_first : step % options_.caffe.test_every == 0;
  return is_due && tested_step_ != step;
}

void CaffeTests::after_step(TrainRun& run) {
  if (owes(run)) test_now(run);
}

void CaffeTests::store(Options& state) const { state.set("caffe_tested_step", {tested_step_}); }

void CaffeTests::restore(const TrainRun&, const Options& state) {
  const OptionValue* found = state.find("caffe_tested_step");
  const auto* step = found != nullptr ? std::get_if<std::int64_t>(&found->value) : nullptr;
  if (step != nullptr) tested_step_ = *step;
}

void CaffeTests::test_now(TrainRun& run) {
  Trainer& trainer = run.trainer();
  trainer.settle();
  run.show("testing");
  copy_parameters(trainer.model().net, caffe_.model.net);
  const Roles& roles = caffe_.model.roles;
  FaceSource source(list_,
                    {.batch = options_.caffe.test_batch,
                     .format = options_.input,
                     .seed = options_.seed,
                     .shuffle = false,
                     .mirror = options_.caffe.test_mirror,
                     .workers = options_.workers,
                     .bad_images = options_.skip_bad_images ? BadImages::skip : BadImages::fail},
                    {.images = roles.image->input, .labels = roles.labels});
  std::vector<double> sums(numbers_.size());
  for (std::int64_t batch = 0; batch < options_.caffe.test_batches; ++batch) {
    if (run.poll() == TrainRequest::stop) return;
    const Batch next = source.next();
    std::vector<Tensor> there;
    for (const NamedTensor& tensor : next.tensors) there.push_back(tensor.tensor.to(memory_of(trainer.device())));
    source.feed(trainer.device(), next, there, *plan_);
    plan_->forward(trainer.device(), {.step = {.number = trainer.step(), .seed = options_.seed}});
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      sums[i] += plan_->value(caffe_.model.net.find(numbers_[i].value)).to(Memory::host).cast(DType::f64).data<double>()[0];
    }
  }
  std::string told, row = std::to_string(trainer.step());
  std::vector<Reported> reported;
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    const double mean = sums[i] / static_cast<double>(std::max<std::int64_t>(1, options_.caffe.test_batches));
    told += fmt::format("{}{} {:.4f}", i == 0 ? "" : ", ", numbers_[i].name, mean);
    row += fmt::format(",{}", mean);
    reported.push_back({"test/" + numbers_[i].name, mean});
  }
  log_.line(
      fmt::format("Test of step {} on {} batches of {}: {}", trainer.step(), options_.caffe.test_batches, options_.caffe.test_batch, told));
  table_->append(row);
  run.report(reported);
  tested_step_ = trainer.step();
}

}  // namespace amnet

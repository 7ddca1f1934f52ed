#include "face_observers.h"

#include "first_lines.h"
#include "settings_changes.h"

#include <amnet/core/duration.h>
#include <amnet/core/text.h>
#include <amnet/faces/memory_forecast.h>
#include <amnet/faces/train_report.h>
#include <amnet/io/durable_file.h>
#include <amnet/model/model_file.h>
#include <amnet/train/table_file.h>

#include <fmt/format.h>

#include <algorithm>

namespace amnet {

namespace fs = std::filesystem;

DeviceRun device_run(const FaceTraining& options, Trainer& trainer, const FaceSource& source, const std::optional<Verifier>& verifier) {
  const Model& model = trainer.model();
  DeviceRun run{.net = model.net,
                .loss = model.loss(),
                .keep = values_of_step(model, trainer.options().probes),
                .device = trainer.device(),
                .format = options.input,
                .moments = moments_of(options.solver.method)};
  if (verifier) {
    run.embedding = verifier->measure(trainer.device());
    run.embedding_batch = verifier->batch();
  }
  if (options.cache == ImageCache::device) run.cached_images = source.list().size();
  return run;
}

void FaceOpening::start(TrainRun& run) {
  Trainer& trainer = run.trainer();
  Device& device = trainer.device();
  const FaceTraining& options = run_.options;
  const FaceList& list = run_.source.list();
  std::optional<DeviceForecast> on_device;
  if (memory_of(device) == Memory::cuda) {
    on_device = require_device_memory(device_run(options, trainer, run_.source, run_.verifier), options.batch, run_.device_free);
  }
  if (!run_.checkpoints.resumed() && !options.init_from.empty()) start_from_model(trainer);

  MemoryForecast memory = forecast_memory(trainer.model().net, trainer.plan(), device, options, queue_of(options) + options.accumulate);
  memory.list = list_bytes(list, options);
  memory.report = report_bytes(trainer.options().steps / options.log_every);
  // now, and not after hours of training
  if (run_.verifier) memory.verification = run_.verifier->plan(device);
  write_first_lines(log_, {.options = options,
                           .list = list,
                           .net = trainer.model().net,
                           .memory = memory,
                           .steps = trainer.options().steps,
                           .device = device,
                           .device_forecast = on_device,
                           .device_free = run_.device_free});
  if (!options.rates.empty()) log_.line(run_.rates.str());
  for (const std::string& note : run_.hooks.notes) log_.line(note);
  if (const auto& resumed = run_.checkpoints.resumed()) {
    const fs::path stored = resumed->directory / "config.toml";
    std::error_code unreadable;
    if (!run_.hooks.config.empty() && fs::exists(stored, unreadable)) {
      for (const std::string& change : changed_settings(read_file(stored), run_.hooks.config)) log_.line(change);
    }
  }
  write_files(trainer.step());
}

void FaceOpening::write_files(std::int64_t step) {
  const fs::path& out = run_.options.out;
  // a run has this file even if it does not verify
  if (!run_.verifier) TableFile(out / "validation.csv", validation_columns(), step);
  const FaceList& list = run_.source.list();
  fs::remove(out / "augmented.jpg");  // of the settings before a resume
  if (run_.options.augment != Augment::none) {
    const std::vector<std::byte> sheet = augmentation_sheet(list, run_.options);
    if (!sheet.empty()) write_durably(out / "augmented.jpg", std::string_view(reinterpret_cast<const char*>(sheet.data()), sheet.size()));
  }
  if (!run_.hooks.config.empty()) write_durably(out / "config.toml", run_.hooks.config);
  if (const std::string labels = label_table(list); !labels.empty()) {
    write_durably(out / "labels.csv", labels);
    if (list.parts().size() > 1) {
      log_.line("Of each label labels.csv has the list that it comes from, and its number there");
    } else {
      log_.line(fmt::format("The labels {} to {} of the list are 0 to {} here; labels.csv has them all", list.old_labels().front(),
                            list.old_labels().back(), list.old_labels().size() - 1));
    }
  }
}

void FaceOpening::start_from_model(Trainer& trainer) {
  const std::string path = model_file_of(run_.options.init_from).string();
  const SafetensorsFile file = read_safetensors(path);
  Model& model = trainer.model();
  if (const std::optional<ImageFormat> expected = expected_input(file, path)) {
    const ImageFormat& input = run_.options.input;
    require(
        size_text(*expected) == size_text(input),
        ".init_from: {} was trained on images of {} but this run takes {}, and the shape of its layer {} depends on that; give .input {} "
        "with faces of that size, or leave .init_from out.",
        path, size_text(*expected), size_text(input), model.roles.embedding, size_text(*expected));
  }
  // The layers after the embedding belong to the people of the list; parameters that the file does
  // not have are drawn, and the log names them.
  std::vector<std::string> may_differ;
  const NetDescription backbone = part_of(describe(model.net, model.roles), {model.roles.embedding});
  model.net.look([&](const std::string& name, const Parameter&) {
    const auto has_it = [&](const DescribedLayer& layer) { return name.starts_with(layer.name + "."); };
    if (file.find(name) == nullptr || std::ranges::none_of(backbone.layers, has_it)) may_differ.push_back(name);
  });
  const std::vector<std::string> missing = load_backbone(model.net, file, path, may_differ);
  std::int64_t all = 0;
  std::string other_shapes;
  model.net.look([&](const std::string& name, const Parameter& parameter) {
    all += 1;
    const Tensor* stored = std::ranges::count(missing, name) > 0 ? file.find(name) : nullptr;
    if (stored != nullptr) other_shapes += fmt::format("; {} is {} there and {} here", name, stored->shape(), parameter.value.shape());
  });
  log_.line(fmt::format("Started from {}; drawn anew: {}. Taken: {} of {} tensors{}.", path,
                        missing.empty() ? "nothing" : joined(missing, ", "), all - std::ssize(missing), all, other_shapes));
}

void ImageCacheFiller::start(TrainRun& run) {
  struct Interrupted : std::exception {};
  if (run.request() == TrainRequest::stop || run.trainer().is_last()) return;
  const Stopwatch taken;
  const std::int64_t images = source_.list().size();
  try {
    source_.hold(memory_of(run.trainer().device()), [&](std::int64_t done) {
      if (!run.show_work("caching", done, images, taken.seconds())) throw Interrupted();
    });
    log_.line(fmt::format("Cached {} images in the GPU's memory in {}", images, duration_text(taken.seconds())));
  } catch (const Interrupted&) {
    return;  // the run ends before its first step
  }
}

void FaceReport::finish(TrainRun&, bool) {
  write_durably(folder_ / "report.html", train_report(folder_, {.title = folder_.filename().string()}));
}

void FaceReport::fail(TrainRun& run, const std::exception& error) noexcept {
  if (run.trainer().step() == 0 || dynamic_cast<const NonFiniteError*>(&error) != nullptr) return;
  try {
    finish(run, false);
  } catch (const std::exception&) {
    return;  // a page that cannot be written is not the error that ends the run
  }
}

}  // namespace amnet

#include "commands.h"
#include "console.h"
#include "flags.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"
#include "train_settings.h"

#include <amnet/faces/train_faces.h>

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

using namespace amnet;

namespace {

void try_outputs(const TrainSettings& settings) {
  const FaceTraining& options = settings.options;
  const auto nothing = [](std::int64_t) { return std::string(); };
  Outputs outputs;
  for (const std::filesystem::path& list : options.train_list) outputs.reads("--train-list", list);
  outputs.reads("--pack", options.pack);
  outputs.reads("--exclude", options.exclude);
  outputs.reads("--val-pairs", options.val_pairs);
  outputs.reads("--val-pack", options.val_pack);
  outputs.reads("--init-from", options.init_from);
  outputs.reads("--config", settings.config);
  outputs.reads("--solver", options.caffe.solver);
  outputs.reads("--net", options.caffe.net);
  outputs.reads("--weights", options.caffe.weights);
  outputs.reads("--snapshot", options.caffe.snapshot);
  outputs.reads("--test-list", options.caffe.test_list);
  for (const std::filesystem::path& root : options.root) outputs.reads_images("--root", root, 0, nothing);
  outputs.reads_images("--val-root", options.val_root, 0, nothing);
  outputs.writes_into("--out", options.out, run_files(), is_of_a_run);
}

// This does no harm in this run, which does not read from a folder that it writes.
void tell_if_below_images(const FaceTraining& options) {
  std::error_code error;
  if (!options.train_list.empty() || options.root.empty() || !std::filesystem::is_directory(options.root.front(), error)) return;
  const std::filesystem::path root = std::filesystem::weakly_canonical(options.root.front(), error);
  const std::filesystem::path below = std::filesystem::weakly_canonical(options.out, error).lexically_relative(root);
  if (error || below.empty() || below.native().starts_with('.')) return;
  tell(fmt::format("--out: {} is in the folder of the images; a later run on {} will take {} for a person, unless it is given a list.",
                   options.out.string(), options.root.front().string(), below.begin()->string()));
}

}  // namespace

int train_command(Arguments arguments) {
  const std::optional<TrainSettings> settings = read_train_settings(arguments);
  if (!settings) return 0;

  try_outputs(*settings);
  tell_if_below_images(settings->options);
  ProgressBar bar;
  const FaceHooks hooks{.log = [&](std::string_view line) { bar.print(line); },
                        .progress =
                            [&](const TrainProgress& progress) {
                              const bool has_loss = progress.meters.count() > 0;
                              bar.show(progress.activity, progress.step, progress.steps, progress.seconds_left,
                                       has_loss ? fmt::format("loss {:.3f}", progress.meters["loss"]) : std::string());
                            },
                        .poll = poll_signals,
                        .wording = with_flags,
                        .config = settings->toml,
                        .notes = settings->notes};
  Device device = make_device(settings->compute, Purpose::training);
  const TrainOutcome outcome = train_faces(device, settings->options, hooks);
  bar.clear();
  std::string reached;
  if (outcome.meters.count() > 0) {
    reached = fmt::format(", loss {:.4f}, accuracy {:.1f} %", outcome.meters["loss"], 100 * outcome.meters["accuracy"]);
  }
  if (outcome.validation) {
    reached += fmt::format(", verification {:.2f}+-{:.2f} %", outcome.validation->accuracy_mean, outcome.validation->accuracy_std);
  }
  conclude(fmt::format("{} {} of {} steps{}; model {}, report {}", outcome.stopped ? "Stopped after" : "Trained", outcome.step,
                       outcome.steps, reached, (outcome.checkpoint / "model.safetensors").string(),
                       (settings->options.out / "report.html").string()));
  tell_convolutions(settings->compute, device);
  return outcome.stopped ? signal_exit_code() : 0;
}

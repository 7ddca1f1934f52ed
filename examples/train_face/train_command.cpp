#include "commands.h"
#include "console.h"
#include "progress_bar.h"
#include "signals.h"
#include "train_settings.h"

#include <amnet/train/trainer.h>

#include <fmt/format.h>

using namespace amnet;

int train_command(Arguments arguments) {
  const std::optional<TrainSettings> settings = read_train_settings(arguments);
  if (!settings) return 0;

  ProgressBar bar;
  const TrainHooks hooks{.log = [&](std::string_view line) { bar.print(line); },
                         .progress =
                             [&](const TrainProgress& progress) {
                               const bool has_loss = progress.meters.count > 0;
                               bar.show(progress.activity, progress.step, progress.steps, progress.seconds_left,
                                        has_loss ? fmt::format("loss {:.3f}", progress.meters.loss) : std::string());
                             },
                         .poll = poll_signals,
                         .config = settings->toml,
                         .notes = settings->notes};
  Device device = make_device(settings->compute, Purpose::training);
  const TrainOutcome outcome = train(device, settings->options, hooks);
  bar.clear();
  std::string reached;
  if (outcome.meters.count > 0) {
    reached = fmt::format(", loss {:.4f}, accuracy {:.1f} %", outcome.meters.loss, 100 * outcome.meters.accuracy);
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

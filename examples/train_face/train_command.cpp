#include "commands.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/train/trainer.h>

#include <fmt/format.h>

#include <cstdio>

using namespace amnet;

namespace {

// What the command line spells as words.
struct Words {
  std::string preset, loss, margin_rule, feature_norm, rows, input, order, bad_images, protocol;
};

Words words_of(const TrainOptions& options) {
  Words words;
  words.loss = options.head.loss == LossKind::softmax ? "softmax" : options.head.loss == LossKind::normface ? "normface" : "amsoftmax";
  words.margin_rule = options.head.margin_rule == MarginRule::always ? "always" : "cos_gt_m";
  words.feature_norm = options.head.feature_norm ? "on" : "off";
  words.rows = options.head.rows == RowNorm::in_place ? "in-place" : "projected";
  words.input = size_text(options.input);
  words.order = name_of(options.input.order);
  words.bad_images = options.skip_bad_images ? "skip" : "fail";
  words.protocol = name_of(options.protocol);
  return words;
}

void understand(const Words& words, TrainOptions& options) {
  options.head.loss = words.loss == "softmax" ? LossKind::softmax : words.loss == "normface" ? LossKind::normface : LossKind::amsoftmax;
  options.head.margin_rule = words.margin_rule == "always" ? MarginRule::always : MarginRule::cos_gt_m;
  options.head.feature_norm = words.feature_norm == "on";
  options.head.rows = words.rows == "in-place" ? RowNorm::in_place : RowNorm::projected;
  parse_size(words.input, options.input);
  options.input.order = parse_channel_order(words.order);
  options.skip_bad_images = words.bad_images == "skip";
  options.protocol = protocol_of(words.protocol);
}

void add_options(CLI::App& app, TrainOptions& options, Words& words) {
  use_our_style(app);
  app.set_config("--config", "", "TOML file with any of these options; the command line overrides it")->configurable(false);
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.add_option("--preset", words.preset, "A whole recipe: amsoftmax (the seed's) or small (hundreds to thousands of people)")
      ->check(CLI::IsMember({"amsoftmax", "small"}));

  const std::string data = "Data";
  app.add_option("--root", options.root, "Folder of the images: one sub-folder per person, or what the list's paths start from")
      ->group(data);
  app.add_option("--train-list", options.train_list, "Lines `path label`")->group(data);
  app.add_option("--exclude", options.exclude, "File of names of people to leave out")->group(data);
  app.add_option("--classes", options.classes, "Number of people; 0: the largest label + 1")->group(data);
  app.add_option("--bad-images", words.bad_images, "What an unreadable image does: fail or skip (logged)")
      ->check(CLI::IsMember({"fail", "skip"}))
      ->group(data);
  app.add_option("--input", words.input, "Image size, height x width")->group(data);
  app.add_option("--channel-order", words.order, "bgr (the seed's) or rgb")->check(CLI::IsMember({"bgr", "rgb"}))->group(data);
  app.add_option("--mean", options.input.mean, "Subtracted from every pixel in [0,255]")->group(data);
  app.add_option("--mirror", options.mirror, "Mirror half of the images")->group(data);
  app.add_option("--workers", options.workers, "Decoding threads")->group(data);

  const std::string validation = "Verification while training";
  app.add_option("--val-pairs", options.val_pairs, "Pairs in the format of LFW's pairs.txt")->group(validation);
  app.add_option("--val-root", options.val_root, "Folder of their images")->group(validation);
  app.add_option("--val-every", options.val_every, "Steps between verifications; 0 never, -1 once an epoch")->group(validation);
  app.add_option("--protocol", words.protocol, "amsoftmax or sphereface")
      ->check(CLI::IsMember({"amsoftmax", "sphereface"}))
      ->group(validation);

  const std::string model = "Network and loss";
  app.add_option("--depth", options.network.depth, "Layers: 4, 10, 20, 36 or 64")->group(model);
  app.add_option("--width", options.network.width, "Multiplies the channels 64, 128, 256, 512")->group(model);
  app.add_option("--embedding", options.network.embedding, "Size of the embedding")->group(model);
  app.add_option("--loss", words.loss, "amsoftmax, softmax or normface")
      ->check(CLI::IsMember({"amsoftmax", "softmax", "normface"}))
      ->group(model);
  app.add_option("--scale", options.head.scale, "s, multiplies the cosines")->group(model);
  app.add_option("--margin", options.head.margin, "m, subtracted from the target cosine")->group(model);
  app.add_option("--margin-rule", words.margin_rule, "always (the paper) or cos_gt_m (the seed: only where cos > m)")
      ->check(CLI::IsMember({"always", "cos_gt_m"}))
      ->group(model);
  app.add_option("--feature-norm", words.feature_norm, "on, or off: cosines times the feature's norm, margin annealed")
      ->check(CLI::IsMember({"on", "off"}))
      ->group(model);
  app.add_option("--weight-norm", words.rows, "Class weights: projected (true gradient) or in-place (the seed's rule)")
      ->check(CLI::IsMember({"projected", "in-place"}))
      ->group(model);

  const std::string recipe = "Recipe";
  app.add_option("--batch", options.batch, "Images of a micro-batch")->group(recipe);
  app.add_option("--accumulate", options.accumulate, "Micro-batches of a step")->group(recipe);
  auto* iterations = app.add_option("--iterations", options.iterations, "Steps")->group(recipe);
  app.add_option("--epochs", options.epochs, "Passes over the data; 0: as --iterations says")->group(recipe);
  iterations->each([&options](const std::string&) { options.epochs = 0; });  // overrides a preset's epochs
  app.add_option("--lr", options.learning_rate, "Learning rate")->group(recipe);
  app.add_option("--lr-steps", options.lr_steps, "When it drops: steps, or fractions of all steps below 1")->delimiter(',')->group(recipe);
  app.add_option("--lr-gamma", options.lr_gamma, "What it is multiplied by there")->group(recipe);
  app.add_option("--warm-up", options.warm_up, "Steps over which it climbs to --lr")->group(recipe);
  app.add_option("--momentum", options.solver.momentum, "Momentum")->group(recipe);
  app.add_option("--weight-decay", options.solver.weight_decay, "Weight decay")->group(recipe);

  const std::string run = "Run";
  app.add_option("--out", options.out, "Folder to write the run to")->group(run);
  app.add_option("--threads", options.threads, "Compute threads; 0: all cores")->group(run);
  app.add_option("--seed", options.seed, "Every random draw follows from it")->group(run);
  app.add_option("--log-every", options.log_every, "Steps between lines of the log")->group(run);
  app.add_option("--checkpoint-every", options.checkpoint_every, "Steps between checkpoints")->group(run);
  app.add_option("--keep-checkpoints", options.keep_checkpoints, "Newest checkpoints kept, besides the best")->group(run);
  app.add_option("--resume", options.resume, "auto: the newest intact checkpoint of --out; or a checkpoint folder")
      ->configurable(false)
      ->group(run);
  app.add_option("--init-from", options.init_from, "Model file to take the weights from; other people need no more than a new head")
      ->group(run);
}

}  // namespace

int train_command(Arguments arguments) {
  // The first pass finds the preset, the second lets everything else override it.
  TrainOptions options;
  Words words = words_of(options);
  {
    CLI::App app("Trains on a folder or a list of aligned faces.", "train_face train");
    add_options(app, options, words);
    if (!parse_arguments(app, arguments)) return 0;
  }
  const std::string preset = words.preset;
  options = {};
  if (!preset.empty()) apply_preset(options, preset);
  words = words_of(options);
  CLI::App app("Trains on a folder or a list of aligned faces.", "train_face train");
  add_options(app, options, words);
  parse_arguments(app, arguments);
  understand(words, options);

  watch_signals();
  ProgressBar bar;
  const TrainHooks hooks{.log = [&](std::string_view line) { bar.print(line); },
                         .progress =
                             [&](const TrainProgress& progress) {
                               bar.show(progress.activity, progress.step, progress.steps, progress.seconds_left,
                                        fmt::format("loss {:.3f}", progress.meters.loss));
                             },
                         .poll = poll_signals,
                         .config = app.config_to_str(true, false)};
  const TrainOutcome outcome = train(options, hooks);
  bar.clear();
  std::printf(
      "%s %lld of %lld steps, loss %.4f, accuracy %.1f %%%s; model %s, report %s\n", outcome.stopped ? "Stopped after" : "Trained",
      static_cast<long long>(outcome.step), static_cast<long long>(outcome.steps), outcome.meters.loss, 100 * outcome.meters.accuracy,
      outcome.validation
          ? fmt::format(", verification {:.2f}+-{:.2f} %", outcome.validation->accuracy_mean, outcome.validation->accuracy_std).c_str()
          : "",
      (outcome.checkpoint / "model.safetensors").c_str(), (options.out / "report.html").c_str());
  return outcome.stopped ? signal_exit_code() : 0;
}

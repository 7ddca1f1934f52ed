// The built-in default run: ends with a trained network and a report, without any input. A fixed
// amount of work on synthesised faces.
#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "flags.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/core/build_info.h>
#include <amnet/faces/pairs.h>
#include <amnet/faces/synthetic_faces.h>
#include <amnet/faces/train_report.h>

#include <amnet/faces/train_faces.h>
#include <amnet/faces/verification.h>
#include <amnet/io/checkpoint.h>
#include <amnet/io/durable_file.h>
#include <amnet/io/folder_lock.h>
#include <amnet/model/embed.h>
#include <amnet/model/model_file.h>

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

// People 0 … train_people-1 are used for training; the next test_people are used only in the test.
constexpr std::uint64_t train_people = 160;
constexpr std::uint64_t train_images = 32;
constexpr std::uint64_t test_people = 80;
constexpr std::uint64_t test_images = 12;
constexpr std::uint64_t test_folds = 10;
constexpr std::uint64_t test_pairs = 100;  // of each kind in a fold: 2,000 in all

// The next free name; the folder then belongs to this process.
fs::path new_run_directory() {
  std::error_code error;
  fs::create_directory("runs", error);  // where it fails the lock reports why
  for (int number = 1;; ++number) {
    fs::path path = fs::path("runs") / (number == 1 ? "first" : fmt::format("first-{}", number));
    if (fs::create_directory(path, error) || error) return path;
  }
}

void draw_faces(const fs::path& faces, std::uint64_t seed, int threads, ProgressBar& bar) {
  const auto progress = [&](std::uint64_t done, std::uint64_t all) {
    bar.show("drawing", static_cast<std::int64_t>(done), static_cast<std::int64_t>(all), -1, "synthetic faces");
    stop_if_asked();
  };
  write_synthetic_faces(faces / "train", {.identities = train_people, .images = train_images, .seed = seed, .threads = threads}, progress);
  write_synthetic_faces(
      faces / "test", {.first_identity = train_people, .identities = test_people, .images = test_images, .seed = seed, .threads = threads},
      progress);
  write_synthetic_pairs(faces / "pairs.txt", {.first_identity = train_people,
                                              .identities = test_people,
                                              .images = test_images,
                                              .folds = test_folds,
                                              .pairs = test_pairs,
                                              .seed = seed});
}

FaceTraining recipe(const fs::path& out, const fs::path& faces, std::uint64_t seed) {
  FaceTraining options;
  apply_preset(options, "small");
  options.root = {faces / "train"};
  options.train_list = {faces / "train" / "list.txt"};
  options.val_pairs = faces / "pairs.txt";
  options.val_root = faces / "test";
  options.val_every = 0;  // measured before and after, with the same work on every machine
  options.network = {.depth = 20, .width = 0.25, .embedding = 128};
  options.batch = 64;
  options.epochs = 0;
  options.iterations = 480;
  options.warm_up = 40;
  options.log_every = 10;
  options.checkpoint_every = 240;
  options.out = out;
  options.seed = seed;
  return options;
}

struct Measured {
  Verification pixels, untrained, trained;
};

std::string what_it_is(const fs::path& out) {
  return fmt::format(
      "A 20-layer network (width 0.25) was trained with AM-Softmax on {} drawings of {} synthetic people and tested on {} pairs of {} "
      "others. "
      "These are drawings: what a network reaches on them says nothing about real faces. To train on yours: "
      "train_face train --preset small --root FOLDER --out {}",
      train_people * train_images, train_people, 2 * test_folds * test_pairs, test_people, (out.parent_path() / "mine").string());
}

std::string report_of(const fs::path& out, const Measured& measured, const Pairs& pairs, std::uint64_t seed, double seconds) {
  HtmlReport report("First run", "AM-Softmax on synthetic faces, measured on people it never saw");
  const auto figure = [](const Verification& result, std::string label, std::string remark) {
    return HtmlReport::Figure{fmt::format("{:.1f} %", result.accuracy_mean), std::move(label), std::move(remark)};
  };
  const std::vector<HtmlReport::Figure> figures = {
      figure(measured.trained, "trained network", fmt::format("± {:.1f} over {} folds", measured.trained.accuracy_std, test_folds)),
      figure(measured.untrained, "the same network, untrained", "random weights"),
      figure(measured.pixels, "raw pixels", "cosine of the images themselves")};
  report.add_key_figures(figures);
  report.add_paragraph(what_it_is(out));
  report.add_heading("The faces");
  const Image sheet = synthetic_contact_sheet({.first_identity = train_people, .identities = 8, .images = 10, .seed = seed});
  report.add_image(encode_jpeg(sheet, ChannelOrder::rgb, 88), "image/jpeg", "Eight rows of ten synthetic faces, a row for each person",
                   "Each row is one person of the test set: pose, expression, light, background and camera change, the person does not.");
  report.add_heading("Verification on people it never saw");
  add_verification(report, measured.trained, pairs);
  report.add_heading("How training went");
  add_training_curves(report, out);
  report.add_heading("Where it ran");
  const BuildInfo build = build_info();
  report.add_key_values(std::vector<std::pair<std::string, std::string>>{{"amnet", build.version + " (" + build.commit + ")"},
                                                                         {"compiler", build.compiler},
                                                                         {"vector instructions", build.simd},
                                                                         {"seed", std::to_string(seed)},
                                                                         {"time", fmt::format("{:.0f} s", seconds)}});
  return report.str();
}

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string devices_text() {
  std::string text = description_of(Cpu());
#if defined(AMNET_CUDA)
  for (int index = 0; index < cuda_devices(); ++index) text += fmt::format(", cuda:{} ({})", index, Cuda({.index = index}).name());
  if (cuda_devices() == 0) text += "; there is no GPU";
#else
  text += "; GPUs are not built in";
#endif
  return text;
}

std::string version_text() {
  const BuildInfo build = build_info();
  return fmt::format("amnet {}\ncommit: {}\ncompiler: {}\nvector instructions: {}\ndevices: {}\n", build.version, build.commit,
                     build.compiler, build.simd, devices_text());
}

struct FirstRunOptions {
  fs::path out;
  std::uint64_t seed = 1;
  bool resume = false, new_folder = false;
  ComputeOptions compute;
};

// A run that is continued keeps the seed that it began with.
void take_seed_of_run(FirstRunOptions& options, bool seed_given) {
  std::vector<std::string> notes;
  const std::optional<FoundCheckpoint> found = newest_intact(options.out, notes);
  if (!found) return;  // stopped before its first checkpoint: it starts again
  const fs::path file = found->directory / "state.json";
  const std::uint64_t seed = seed_of_state(read_file(file), file.string());
  require(!seed_given || options.seed == seed, "--seed: the run in {} has the seed {}; leave --seed out.", options.out.string(), seed);
  options.seed = seed;
}

// False when the options requested something that has been printed.
bool read_options(Arguments arguments, FirstRunOptions& options) {
  CLI::App app(
      "Trains a small face network on synthesised faces and writes a report: the first run, no data needed.\n\n"
      "Commands, each with its own --help: train, eval, compare, extract, import, inspect, align, check-data, pack, synth, bench.",
      "train_face");
  use_our_style(app,
                "  train_face --out runs/first\n"
                "  train_face train --root faces --preset small --out runs/a\n");
  app.set_version_flag("--version", version_text, "Version, commit, compiler, vector instructions and devices");
  begin_group(app, "First run");
  app.add_option("--out", options.out, "Folder to write to (default: runs/first, or the next free number)");
  app.add_option("--seed", options.seed, "Every random draw follows from it")->check(seeds());
  std::string from = "auto";
  app.add_option("--resume", from, "Go on with the run in --out, which was stopped; 'auto' may be left out")
      ->expected(0, 1)
      ->check(CLI::IsMember({"auto"}));
  add_compute_options(app, options.compute);
  if (!parse_arguments(app, std::move(arguments))) return false;
  options.resume = app.count("--resume") > 0;
  require(!options.resume || !options.out.empty(), "--resume: name the folder of the run with --out.");
  std::error_code unreadable;
  options.new_folder = options.out.empty() || !fs::exists(options.out, unreadable);
  if (options.out.empty()) options.out = new_run_directory();
  require(options.resume || !fs::exists(options.out / "train.log", unreadable),
          "--out: {} holds a run already; add --resume to go on with it, or name another folder.", options.out.string());
  if (options.resume) take_seed_of_run(options, app.count("--seed") > 0);
  return true;
}

class FirstRun {
 public:
  FirstRun(const FirstRunOptions& options, std::shared_ptr<FolderLock> lock)
      : out_(options.out),
        lock_(std::move(lock)),
        seed_(options.seed),
        device_(make_device(options.compute, Purpose::training)),
        threads_(Cpu(options.compute.threads).threads()),
        recipe_(recipe(out_, out_ / "faces", seed_)) {
    if (options.resume) recipe_.resume = "auto";
  }

  const Device& device() const { return device_; }

  /// 0, or the exit code of the signal that stopped it.
  int go() {
    try {
      return draw_train_and_report();
    } catch (const Interrupted&) {
      bar_.clear();
      return signal_exit_code();
    }
  }

 private:
  int draw_train_and_report() {
    const double begin = seconds_now();
    bar_.print(fmt::format("amnet {}, {}, {}: drawing {} faces of {} people", build_info().version, simd_level(), description_of(device_),
                           train_people * train_images + test_people * test_images, train_people + test_people));
    draw_faces(out_ / "faces", seed_, threads_, bar_);
    pairs_ = read_pairs(recipe_.val_pairs, recipe_.val_root);
    measure_without_training();
    const TrainOutcome outcome = train_it();
    if (outcome.stopped) return signal_exit_code();
    measured_.trained = verify_views(Embedder(load_model(outcome.checkpoint, {.until = Until::embedding})).embed(device_, request()));
    const double seconds = seconds_now() - begin;
    const fs::path report = out_ / "report.html";
    write_durably(report, report_of(out_, measured_, pairs_, seed_, seconds));
    bar_.clear();
    conclude(fmt::format(
        "Reached {:.1f} % on {} pairs of people it never saw (untrained {:.1f} %, raw pixels {:.1f} %) in {:.0f} s; report {}, model {}",
        measured_.trained.accuracy_mean, pairs_.pairs.size(), measured_.untrained.accuracy_mean, measured_.pixels.accuracy_mean, seconds,
        report.string(), (outcome.checkpoint / "model.safetensors").string()));
    return 0;
  }

  EmbedRequest request() {
    return {.root = recipe_.val_root, .paths = pairs_.images, .progress = [this](std::int64_t done, std::int64_t all) {
              bar_.show("embedding", done, all, -1);
              stop_if_asked();
            }};
  }
  Verification verify_views(const Views& views) const { return verify(pairs_, views.plain, views.mirrored); }

  void measure_without_training() {
    measured_.pixels = verify_views(pixel_views(recipe_.input, request()));
    Model untrained = face_network(recipe_.network, recipe_.input);
    untrained.net.initialise(seed_);
    Embedder embedder(untrained.net, untrained.roles);
    measured_.untrained = verify_views(embedder.embed(device_, request()));
    bar_.print(fmt::format("On {} pairs of {} people it will never see: raw pixels {:.1f} %, untrained network {:.1f} %",
                           pairs_.pairs.size(), test_people, measured_.pixels.accuracy_mean, measured_.untrained.accuracy_mean));
  }

  TrainOutcome train_it() {
    return train_faces(
        device_, recipe_,
        {.log = [this](std::string_view line) { bar_.print(line); },
         .progress =
             [this](const TrainProgress& progress) {
               const Meters& meters = progress.meters;
               bar_.show(progress.activity, progress.step, progress.steps, progress.seconds_left,
                         meters.count() > 0 ? fmt::format("loss {:.3f}  accuracy {:.0f}%", meters["loss"], 100 * meters["accuracy"]) : "");
             },
         .poll = poll_signals,
         .wording = with_flags,
         .lock = lock_});
  }

  fs::path out_;
  std::shared_ptr<FolderLock> lock_;
  std::uint64_t seed_;
  Device device_;
  int threads_;
  FaceTraining recipe_;
  ProgressBar bar_;
  Pairs pairs_;
  Measured measured_;
};

// After a stop: the run in `out` can be continued where there is a checkpoint; a new folder without
// one is removed.
void tell_how_to_go_on(const FirstRunOptions& options) {
  std::error_code unreadable;
  if (fs::exists(options.out / "last", unreadable)) {
    tell(fmt::format("Stopped; to go on: train_face --out {} --resume", options.out.string()));
  } else {
    if (options.new_folder) fs::remove_all(options.out, unreadable);
    tell("Stopped before the training; the same command starts anew.");
  }
}

}  // namespace

int first_run_command(Arguments arguments) {
  FirstRunOptions options;
  if (!read_options(std::move(arguments), options)) return 0;
  Outputs outputs;
  outputs.writes_into("--out", options.out, run_files(), is_of_a_run);
  outputs.writes_into("--out", options.out / "faces" / "train", {"list.txt"}, is_our_list);
  FirstRun run(options, std::make_shared<FolderLock>(options.out));
  const int exit_code = run.go();
  if (exit_code == 0) {
    tell_convolutions(options.compute, run.device());
  } else {
    tell_how_to_go_on(options);
  }
  return exit_code;
}

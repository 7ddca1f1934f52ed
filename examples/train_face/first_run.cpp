// The embedded default: from nothing to a trained network and a report. A fixed amount of work on synthesised faces.
#include "commands.h"
#include "compute_options.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/core/build_info.h>
#include <amnet/data/synthetic_faces.h>
#include <amnet/eval/embed.h>
#include <amnet/eval/pairs.h>
#include <amnet/eval/verification.h>
#include <amnet/io/durable_file.h>
#include <amnet/train/train_report.h>
#include <amnet/train/trainer.h>

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

// People 0 … train_people-1 are trained on; the next test_people are never seen before the test.
constexpr std::uint64_t train_people = 160;
constexpr std::uint64_t train_images = 32;
constexpr std::uint64_t test_people = 80;
constexpr std::uint64_t test_images = 12;
constexpr std::uint64_t test_folds = 10;
constexpr std::uint64_t test_pairs = 100;  // of each kind in a fold: 2,000 in all

fs::path new_run_directory() {
  for (int number = 1;; ++number) {
    fs::path path = fs::path("runs") / (number == 1 ? "first" : fmt::format("first-{}", number));
    if (!fs::exists(path)) return path;
  }
}

void draw_faces(const fs::path& faces, std::uint64_t seed, int threads, ProgressBar& bar) {
  const auto progress = [&](std::uint64_t done, std::uint64_t all) {
    bar.show("drawing", static_cast<std::int64_t>(done), static_cast<std::int64_t>(all), -1, "synthetic faces");
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

TrainOptions recipe(const fs::path& out, const fs::path& faces, std::uint64_t seed) {
  TrainOptions options;
  apply_preset(options, "small");
  options.root = faces / "train";
  options.train_list = faces / "train" / "list.txt";
  options.val_pairs = faces / "pairs.txt";
  options.val_root = faces / "test";
  options.val_every = 0;  // measured before and after, with the same work for everybody
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

}  // namespace

int first_run_command(Arguments arguments) {
  fs::path out;
  std::uint64_t seed = 1;
  ComputeOptions compute;
  CLI::App app(
      "Trains a small face network on synthesised faces and writes a report: the first run, no data needed.\n\n"
      "Commands, each with its own --help: train, eval, compare, extract, check-data, pack, synth, bench.",
      "train_face");
  use_our_style(app);
  app.add_option("--out", out, "Folder to write to (default: runs/first, or the next free number)");
  app.add_option("--seed", seed, "Every random draw follows from it");
  add_compute_options(app, compute);
  if (!parse_arguments(app, std::move(arguments))) return 0;
  if (out.empty()) out = new_run_directory();
  require(!fs::exists(out / "train.log"), "--out: {} holds a run already; name another folder.", out.string());

  const double begin = seconds_now();
  Device device = make_device(compute, Purpose::training);
  const fs::path faces = out / "faces";
  const TrainOptions options = recipe(out, faces, seed);
  ProgressBar bar;
  bar.print(fmt::format("amnet {}, {}, {}: drawing {} faces of {} people", build_info().version, simd_level(), description_of(device),
                        train_people * train_images + test_people * test_images, train_people + test_people));
  draw_faces(faces, seed, Cpu(compute.threads).threads(), bar);

  const Pairs pairs = read_pairs(options.val_pairs, options.val_root);
  const EmbedRequest request{.root = options.val_root, .paths = pairs.images};
  const auto verify_views = [&](const Views& views) { return verify(pairs, views.plain, views.mirrored); };
  Measured measured;
  measured.pixels = verify_views(pixel_views(options.input, request));
  {
    ModelDescription description{.network = options.network, .input = options.input};
    BuiltModel untrained = build_model(description);
    untrained.net.initialise(seed);
    Embedder embedder(description);
    embedder.share(untrained.net);
    measured.untrained = verify_views(embedder.embed(device, request));
  }
  bar.print(fmt::format("On {} pairs of {} people it will never see: raw pixels {:.1f} %, untrained network {:.1f} %", pairs.pairs.size(),
                        test_people, measured.pixels.accuracy_mean, measured.untrained.accuracy_mean));

  const TrainOutcome outcome =
      train(device, options,
            {.log = [&](std::string_view line) { bar.print(line); },
             .progress =
                 [&](const TrainProgress& progress) {
                   const Meters& meters = progress.meters;
                   bar.show(progress.activity, progress.step, progress.steps, progress.seconds_left,
                            meters.count > 0 ? fmt::format("loss {:.3f}  accuracy {:.0f}%", meters.loss, 100 * meters.accuracy) : "");
                 },
             .poll = poll_signals});
  if (outcome.stopped) return signal_exit_code();
  measured.trained = verify_views(Embedder(load_model(outcome.checkpoint)).embed(device, request));
  const double seconds = seconds_now() - begin;
  const fs::path report = out / "report.html";
  write_durably(report, report_of(out, measured, pairs, seed, seconds));
  bar.clear();
  std::printf(
      "Reached %.1f %% on %zu pairs of people it never saw (untrained %.1f %%, raw pixels %.1f %%) in %.0f s; report %s, model %s\n",
      measured.trained.accuracy_mean, pairs.pairs.size(), measured.untrained.accuracy_mean, measured.pixels.accuracy_mean, seconds,
      report.c_str(), (outcome.checkpoint / "model.safetensors").c_str());
  tell_convolutions(compute, device);
  return 0;
}

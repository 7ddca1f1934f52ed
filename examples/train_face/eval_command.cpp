#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "memory_line.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/faces/memory_forecast.h>
#include <amnet/faces/pairs.h>
#include <amnet/faces/train_report.h>
#include <amnet/faces/verification.h>
#include <amnet/io/durable_file.h>
#include <amnet/model/embed.h>
#include <amnet/model/model_file.h>

#include <fmt/format.h>

#include <cmath>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

struct EvalOptions {
  fs::path model, pairs, root, pack, json, report, scores;
  Protocol protocol = Protocol::amsoftmax;
  BadImages bad_images = BadImages::fail;
  std::string input = "112x96";
  bool raw_pixels = false, report_beside_json = false;
  int workers = default_workers();
  ComputeOptions compute;
};

// "pairs.txt:12: faces/ann/ann_0001.jpg"
std::string where_of(const EvalOptions& options, const ImageSource& images, const Pairs& pairs, std::size_t image) {
  return fmt::format("{}:{}: {}", options.pairs.string(), pairs.lines[image], (images.place() / pairs.images[image]).string());
}

void print_result(const Verification& result) {
  answer("fold  accuracy %  threshold");
  for (std::size_t i = 0; i < result.folds.size(); ++i) {
    const Fold& fold = result.folds[i];
    const std::string threshold = std::isnan(fold.threshold) ? "–" : fmt::format("{:.4f}", fold.threshold);
    const std::string accuracy = std::isnan(fold.accuracy) ? "–" : fmt::format("{:.2f}", fold.accuracy);
    answer(fmt::format("{:>4}  {:>10}  {:>9}", i + 1, accuracy, threshold));
  }
  answer(fmt::format("mean +- population std over the folds: {} over {} ({} protocol)", accuracy_text(result), pairs_text(result),
                     name_of(result.protocol)));
  for (const AcceptRate& rate : result.accept_rates) {
    answer(fmt::format("TAR at FAR {:g} %: {} over {} genuine and {} impostor pairs of the {} images named", 100 * rate.far,
                       rate_text(rate), result.genuine_pairs, result.impostor_pairs, result.images - result.failed_images));
  }
  for (const std::string& remark : remarks_on(result)) answer(remark);
  if (result.failed_images > 0) {
    answer(fmt::format("failed: {} images, in {} pairs, which are left out", result.failed_images, result.failed_pairs));
  }
}

// A line for each pair of the list, with empty fields where it could not be used.
std::string scores_table(const Verification& result, const Pairs& pairs) {
  const auto text_of = [](double value) { return std::isnan(value) ? std::string() : fmt::format("{}", value); };
  std::string table = "pair,fold,same,score,correct\n";
  for (std::size_t i = 0; i < pairs.pairs.size(); ++i) {
    table += fmt::format("{},{},{:d},{},{}\n", i + 1, pairs.pairs[i].fold + 1, pairs.pairs[i].same, text_of(result.scores[i]),
                         text_of(result.correct[i]));
  }
  return table;
}

void try_outputs(const EvalOptions& options, const Pairs& pairs) {
  Outputs outputs;
  outputs.reads("--model", options.model);
  outputs.reads("--pairs", options.pairs);
  outputs.reads("--pack", options.pack);
  outputs.reads_images("--root", options.root, static_cast<std::int64_t>(pairs.images.size()),
                       [&](std::int64_t i) { return pairs.images[static_cast<std::size_t>(i)]; });
  outputs.writes("--json", options.json);
  if (options.report_beside_json) {
    outputs.writes_beside("--report", options.report, "the report", is_our_page(options.report));
  } else {
    outputs.writes("--report", options.report);
  }
  outputs.writes("--scores", options.scores);
}

}  // namespace

int eval_command(Arguments arguments) {
  EvalOptions options;
  CLI::App app("Verification accuracy of a model on pairs of photographs.", "train_face eval");
  use_our_style(app,
                "  train_face eval --model runs/a --pairs pairs.txt --root faces --json runs/a/eval.json\n"
                "  train_face eval --raw-pixels --pairs pairs.txt --root faces\n");
  begin_group(app, "Model and pairs");
  app.add_option("--model", options.model, "Model file, checkpoint folder or run folder (its newest intact checkpoint)");
  app.add_flag("--raw-pixels", options.raw_pixels, "Compare the pixels themselves instead of a model's embeddings: the baseline");
  app.add_option("--input", options.input, "Image size with --raw-pixels, height x width (default: that of --pack, else 112x96)");
  app.add_option("--pairs", options.pairs, "Pairs in the format of LFW's pairs.txt")->required();
  app.add_option("--root", options.root, "Folder of their images");
  app.add_option("--pack", options.pack, "Packed file of their images, instead of --root");
  add_named(app, "--protocol", options.protocol, "amsoftmax or sphereface");
  add_named(app, "--bad-images", options.bad_images, "What a missing or unreadable image does: fail, or skip (its pairs are left out)");
  begin_group(app, "Results");
  app.add_option("--json", options.json, "File for the numbers; the HTML report is written beside it");
  app.add_option("--report", options.report, "File for the HTML report (default: the --json file with .html)");
  app.add_option("--scores", options.scores, "CSV file for each pair's score, and whether it was judged correctly");
  add_compute_options(app, options.compute);
  add_workers(app, options.workers);
  if (!parse_arguments(app, std::move(arguments))) return 0;
  require(options.raw_pixels != !options.model.empty(), "train_face eval: give either --model or --raw-pixels.");
  require(options.raw_pixels || app.count("--input") == 0, "--input: the model says what size it expects; leave it out.");

  options.report_beside_json = options.report.empty();
  if (options.report.empty() && !options.json.empty()) options.report = fs::path(options.json).replace_extension(".html");
  require(options.json.empty() || options.json != options.report, "--json, --report: {} cannot be both; give two names.",
          options.json.string());

  const std::shared_ptr<const ImageSource> images = open_images("train_face eval", options.root, options.pack);
  const Pairs pairs = read_pairs(options.pairs, *images, options.bad_images);
  try_outputs(options, pairs);
  ProgressBar bar;
  const EmbedRequest request{.images = images,
                             .paths = pairs.images,
                             .where = [&](std::size_t i) { return where_of(options, *images, pairs, i); },
                             .skip_bad_images = options.bad_images == BadImages::skip,
                             .workers = options.workers,
                             .progress =
                                 [&](std::int64_t done, std::int64_t all) {
                                   bar.show("embedding", done, all, -1);
                                   stop_if_asked();
                                 }};
  Device device = make_device(options.compute, Purpose::embedding);
  Views views;
  if (options.raw_pixels) {
    ImageFormat format;
    read_size(app, options.input, options.pack, format);
    tell_memory({{"verification", verification_bytes(pairs, format.height * format.width * 3, options.protocol)}});
    views = pixel_views(format, request);
  } else {
    Embedder embedder(load_model(options.model, {.until = Until::embedding}));
    tell_memory({{"verification", verification_bytes(pairs, embedder.size(), options.protocol)}});
    views = embedder.embed(device, request);
  }
  bar.clear();
  for (const std::string& reason : views.reasons) tell("skipped: " + reason);

  const Verification result = verify(pairs, views.plain, views.mirrored, {.protocol = options.protocol, .failed = views.failed});
  stop_if_asked();  // before the first of its outputs: writes all or none
  print_result(result);
  if (!options.json.empty()) write_durably(options.json, verification_json(result) + "\n");
  if (!options.scores.empty()) write_durably(options.scores, scores_table(result, pairs));
  if (!options.report.empty()) {
    const std::string what = options.raw_pixels ? "raw pixels" : options.model.string();
    write_durably(options.report, verification_report(result, pairs, what + " on " + options.pairs.string()));
    answer("report: " + options.report.string());
  }
  tell_convolutions(options.compute, device);
  return 0;
}

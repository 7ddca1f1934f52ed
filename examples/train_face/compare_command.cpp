#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "memory_line.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/core/text.h>
#include <amnet/faces/bootstrap.h>
#include <amnet/faces/memory_forecast.h>
#include <amnet/faces/pairs.h>
#include <amnet/faces/validation_table.h>
#include <amnet/faces/verification.h>
#include <amnet/io/durable_file.h>
#include <amnet/model/embed.h>
#include <amnet/model/model_file.h>
#include <amnet/report/html.h>
#include <amnet/report/svg.h>
#include <amnet/train/table_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

// The test that every model is measured on.
struct Measure {
  std::string list;  // the name of the file of pairs
  Pairs pairs;
  std::shared_ptr<const ImageSource> images;
  Protocol protocol;
  BadImages bad_images;
  int workers;
  // bad images that were reported: every model meets the same ones
  std::set<std::string> skipped = {};
};

// The models of one side, such as the seeds of one recipe: for each pair the share of them that
// judged it correctly, NaN where one of its images cannot be read.
struct Side {
  std::vector<double> correct;
  std::vector<double> accuracies;  // percent, of each model
  std::int64_t failed_images = 0;
};

Side measure(const std::vector<fs::path>& models, Measure& on, Device& device, ProgressBar& bar) {
  Side side{.correct = std::vector<double>(on.pairs.pairs.size()), .accuracies = {}};
  const auto where = [&](std::size_t i) {
    return fmt::format("{}:{}: {}", on.list, on.pairs.lines[i], (on.images->place() / on.pairs.images[i]).string());
  };
  for (const fs::path& model : models) {
    Embedder embedder(load_model(model, {.until = Until::embedding}));
    tell_memory({{"verification", verification_bytes(on.pairs, embedder.size(), on.protocol)}});
    const Views views = embedder.embed(device, {.images = on.images,
                                                .paths = on.pairs.images,
                                                .where = where,
                                                .skip_bad_images = on.bad_images == BadImages::skip,
                                                .workers = on.workers,
                                                .progress = [&](std::int64_t done, std::int64_t all) {
                                                  bar.show("embedding", done, all, -1, model.string());
                                                  stop_if_asked();
                                                }});
    const Verification result = verify(on.pairs, views.plain, views.mirrored, {.protocol = on.protocol, .failed = views.failed});
    side.failed_images = std::max(side.failed_images, result.failed_images);
    side.accuracies.push_back(result.accuracy_mean);
    for (std::size_t i = 0; i < side.correct.size(); ++i) side.correct[i] += result.correct[i] / static_cast<double>(models.size());
    bar.clear();
    for (const std::string& reason : views.reasons) {
      if (on.skipped.insert(reason).second) tell("skipped: " + reason);
    }
    answer(fmt::format("{:<40} {:>6}", one_line(model.string()), accuracy_text(result)));
    for (const std::string& remark : remarks_on(result)) answer(fmt::format("{}: {}", one_line(model.string()), remark));
  }
  return side;
}

struct Drawing {
  std::string name, svg, caption;
};

// One curve for each model that is a run folder: the two sides also differ in line style, not only
// in colour.
template <class Read>
std::vector<Series> curves_of(const std::vector<fs::path>& a, const std::vector<fs::path>& b, Read&& read) {
  std::vector<Series> curves;
  for (const bool first_side : {true, false}) {
    for (const fs::path& run : first_side ? a : b) {
      Series curve{.name = run.filename().string(), .style = first_side ? Style::line : Style::dashed};
      read(run, curve);
      if (!curve.x.empty()) curves.push_back(std::move(curve));
    }
  }
  return curves;
}

constexpr std::array drawing_names = {"loss", "accuracy", "target_cosine", "verification"};

std::vector<Drawing> draw_curves(const std::vector<fs::path>& a, const std::vector<fs::path>& b) {
  const auto metric = [&](const char* name, double unit) {
    return curves_of(a, b, [=](const fs::path& run, Series& curve) {
      const Table table = read_table(run / "metrics.csv");
      if (!table.has("step") || !table.has(name)) return;
      curve.x = table.column("step");
      curve.y = table.column(name);
      for (double& value : curve.y) value *= unit;
    });
  };
  const auto verified = [](const fs::path& run, Series& curve) {
    for (const ValidationRow& row : read_validation(run / "validation.csv")) {
      curve.x.push_back(static_cast<double>(row.step));
      curve.y.push_back(row.accuracy_mean);
    }
  };
  const auto chart = [](std::string title, std::string label, std::vector<Series> curves) {
    return draw(
        LineChart{.title = std::move(title), .x = {.label = "step"}, .y = {.label = std::move(label)}, .series = std::move(curves)});
  };
  return {{drawing_names[0], chart("Loss", "loss", metric("loss", 1)), "Losses with and without a margin are not comparable in level."},
          {drawing_names[1], chart("Training accuracy", "%", metric("accuracy", 100)), "Without margin."},
          {drawing_names[2], chart("Cosine to the own class", "mean cosine", metric("target_cosine", 1)),
           "Between a feature and the weights of its class."},
          {drawing_names[3], chart("Verification while training", "accuracy, %", curves_of(a, b, verified)),
           "On the validation pairs of the runs."}};
}

void try_drawings(Outputs& outputs, const fs::path& folder) {
  std::error_code error;
  require<FileError>(fs::is_directory(folder, error) || !fs::exists(folder, error), "--drawings: {} is not a folder.", folder.string());
  for (const char* name : drawing_names) {
    const fs::path file = folder / fmt::format("{}.svg", name);
    if (fs::exists(folder, error)) outputs.writes_beside("--drawings", file, "a drawing", is_our_drawing(file));
  }
}

}  // namespace

int compare_command(Arguments arguments) {
  std::vector<fs::path> a, b;
  fs::path pairs_file, root, pack, json, report, drawings;
  Protocol protocol = Protocol::amsoftmax;
  BadImages bad_images = BadImages::fail;
  int workers = default_workers();
  ComputeOptions compute;
  std::uint64_t seed = 1;
  CLI::App app("Is one recipe better than another? A paired bootstrap over people, each side one or several models (its seeds).",
               "train_face compare");
  use_our_style(app, "  train_face compare --a runs/a1 runs/a2 --b runs/b1 runs/b2 --pairs pairs.txt --root faces --report compare.html\n");
  begin_group(app, "Models and pairs");
  app.add_option("--a", a, "Models of one side")->required();
  app.add_option("--b", b, "Models of the other")->required();
  app.add_option("--pairs", pairs_file, "Pairs in the format of LFW's pairs.txt")->required();
  app.add_option("--root", root, "Folder of their images");
  app.add_option("--pack", pack, "Packed file of their images, instead of --root");
  add_named(app, "--protocol", protocol, "amsoftmax or sphereface");
  add_named(app, "--bad-images", bad_images, "What a missing or unreadable image does: fail, or skip (its pairs are left out)");
  app.add_option("--seed", seed, "Of the bootstrap's draws")->check(seeds());
  begin_group(app, "Results");
  app.add_option("--json", json, "File for the numbers");
  app.add_option("--report", report, "HTML file with the result and, for run folders, the curves of both sides");
  app.add_option("--drawings", drawings, "Folder for those curves as SVG files");
  add_compute_options(app, compute);
  add_workers(app, workers);
  if (!parse_arguments(app, std::move(arguments))) return 0;

  const std::shared_ptr<const ImageSource> images = open_images("train_face compare", root, pack);
  Measure on{.list = pairs_file.string(),
             .pairs = read_pairs(pairs_file, *images, bad_images),
             .images = images,
             .protocol = protocol,
             .bad_images = bad_images,
             .workers = workers};
  Outputs outputs;
  for (const fs::path& model : a) outputs.reads("--a", model);
  for (const fs::path& model : b) outputs.reads("--b", model);
  outputs.reads("--pairs", pairs_file);
  outputs.reads("--pack", pack);
  outputs.reads_images("--root", root, static_cast<std::int64_t>(on.pairs.images.size()),
                       [&](std::int64_t i) { return on.pairs.images[static_cast<std::size_t>(i)]; });
  outputs.writes("--json", json);
  outputs.writes("--report", report);
  if (!drawings.empty()) try_drawings(outputs, drawings);
  Device device = make_device(compute, Purpose::embedding);
  ProgressBar bar;
  const Side side_a = measure(a, on, device, bar);
  const Side side_b = measure(b, on, device, bar);
  const Bootstrap result = paired_bootstrap(on.pairs, side_a.correct, side_b.correct, {.seed = seed});
  stop_if_asked();
  const std::size_t all_pairs = on.pairs.pairs.size();
  const std::string over =
      result.pairs == all_pairs ? fmt::format("{} pairs", all_pairs) : fmt::format("{} of {} pairs", result.pairs, all_pairs);
  answer(
      fmt::format("a - b: {:+.2f} points, 95 % interval [{:+.2f}, {:+.2f}], a is better in {:.1f} % of {} resamples of the people, over {}",
                  result.difference, result.low, result.high, 100 * result.share_above_zero, result.resamples, over));
  if (!json.empty()) {
    const nlohmann::json numbers = {{"accuracies_a", side_a.accuracies},
                                    {"accuracies_b", side_b.accuracies},
                                    {"difference", result.difference},
                                    {"low", result.low},
                                    {"high", result.high},
                                    {"share_above_zero", result.share_above_zero},
                                    {"resamples", result.resamples},
                                    {"pairs", all_pairs},
                                    {"failed_pairs", all_pairs - result.pairs},
                                    {"failed_images", std::max(side_a.failed_images, side_b.failed_images)}};
    write_durably(json, json_text(numbers));
  }
  const std::vector<Drawing> curves = draw_curves(a, b);
  if (!report.empty()) {
    HtmlReport page("Comparison", pairs_file.string());
    page.add_key_figures(std::vector<HtmlReport::Figure>{{fmt::format("{:+.2f}", result.difference), "points, a - b",
                                                          fmt::format("95 % interval [{:+.2f}, {:+.2f}]", result.low, result.high)},
                                                         {fmt::format("{:.1f} %", 100 * result.share_above_zero), "of resamples",
                                                          fmt::format("of the people, where a is better, over {}", over)}});
    for (const Drawing& drawing : curves) page.add_figure(drawing.svg, drawing.caption);
    write_durably(report, page.str());
  }
  if (!drawings.empty()) {
    std::error_code error;
    fs::create_directories(drawings, error);
    require<FileError>(!error, "--drawings: cannot create {}: {}.", drawings.string(), error.message());
    for (const Drawing& drawing : curves) write_durably(drawings / (drawing.name + ".svg"), drawing.svg);
  }
  tell_convolutions(compute, device);
  return 0;
}

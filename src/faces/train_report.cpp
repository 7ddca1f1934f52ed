#include <amnet/faces/train_report.h>
#include <amnet/faces/validation_table.h>
#include <amnet/io/durable_file.h>
#include <amnet/report/svg.h>
#include <amnet/train/table_file.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// A percentage of a column of fractions.
std::vector<double> percent(std::vector<double> fractions) {
  for (double& value : fractions) value *= 100;
  return fractions;
}

// Where the learning rate falls by more than warm-up or rounding would explain; nothing where it
// falls all the time.
std::vector<Mark> rate_drops(const Table& metrics) {
  const std::vector<double>&steps = metrics.column("step"), &rates = metrics.column("learning_rate");
  std::vector<Mark> marks;
  for (std::size_t i = 1; i < rates.size(); ++i) {
    if (rates[i] < 0.9 * rates[i - 1]) marks.push_back({steps[i], fmt::format("lr {:.3g}", rates[i])});
  }
  constexpr std::size_t most = 20;
  return marks.size() <= most ? marks : std::vector<Mark>();
}

// The metrics of a run on faces; without rows where there are none, or another run's.
Table metrics_of(const fs::path& run) {
  const std::vector<std::string> wanted = {"step",         "loss",          "accuracy",          "target_cosine",
                                           "feature_norm", "learning_rate", "samples_per_second"};
  Table metrics = read_table(run / "metrics.csv");
  if (!std::ranges::all_of(wanted, [&](const std::string& name) { return metrics.has(name); })) {
    metrics = {wanted, std::vector<std::vector<double>>(wanted.size())};
  }
  return metrics;
}

struct Curve {
  std::string title, label;
  std::vector<double> values;
  Scale scale = Scale::linear;
  bool smooth = true;
};

void add_curve(HtmlReport& report, const std::vector<double>& steps, const Curve& curve, const std::vector<Mark>& marks,
               std::string_view caption) {
  // A smoothed curve lags behind: by a fiftieth of the run at most.
  const double half_life = static_cast<double>(steps.size()) / 50;
  LineChart chart{.title = curve.title, .x = {.label = "step"}, .y = {.label = curve.label, .scale = curve.scale}};
  if (curve.smooth && half_life >= 2) {
    chart.series = {{.name = "", .x = steps, .y = curve.values, .style = Style::faint},
                    {.name = "", .x = steps, .y = smoothed(curve.values, half_life)}};
  } else {
    chart.series = {{.name = "", .x = steps, .y = curve.values}};
  }
  chart.x_marks = marks;
  report.add_figure(draw(chart), caption);
}

// "± 0.50 over 10 folds"; nothing where there is no accuracy.
std::string spread_text(double deviation, std::string_view folds) {
  return std::isnan(deviation) ? "" : fmt::format("± {:.2f} over {}", deviation, folds);
}

}  // namespace

void add_training_curves(HtmlReport& report, const fs::path& run) {
  const Table metrics = metrics_of(run);
  const std::vector<double>& steps = metrics.column("step");
  const std::vector<Mark> marks = rate_drops(metrics);
  add_curve(report, steps, {"Loss", "loss", metrics.column("loss")}, marks,
            "Its level depends on scale and margin; with the reference code's margin rule it rises at first, while more and more targets "
            "come under the "
            "margin. Means between two lines of the log; in long runs pale, with a smoothed curve before them.");
  add_curve(report, steps, {"Training accuracy", "%", percent(metrics.column("accuracy"))}, marks,
            "Share of training images whose largest logit, without margin, is their own class.");
  add_curve(report, steps, {"Cosine to the own class", "mean cosine", metrics.column("target_cosine")}, marks,
            "Between a feature and the weights of its class: what the margin pushes up.");
  add_curve(report, steps, {"Feature norm", "mean norm", metrics.column("feature_norm"), Scale::log}, marks,
            "A norm that runs away by orders of magnitude means the learning rate is too high at the start.");
  add_curve(report, steps, {"Learning rate", "rate", metrics.column("learning_rate"), Scale::linear, false}, {},
            "What the schedule gave at each line of the log.");
  const std::vector<ValidationRow> checks = read_validation(run / "validation.csv");
  if (checks.empty()) return;
  LineChart chart{.title = "Verification while training", .x = {.label = "step"}, .y = {.label = "accuracy, %"}};
  Series accuracy{.name = "10-fold accuracy", .x = {}, .y = {}};
  for (const ValidationRow& check : checks) {
    accuracy.x.push_back(static_cast<double>(check.step));
    accuracy.y.push_back(check.accuracy_mean);
  }
  chart.series = {std::move(accuracy)};
  chart.x_marks = marks;
  report.add_figure(draw(chart), "On people who are not in the training set.");
}

std::string train_report(const fs::path& run, const TrainReportOptions& options) {
  HtmlReport report(options.title, options.subtitle);
  const Table metrics = metrics_of(run);
  const std::vector<ValidationRow> checks = read_validation(run / "validation.csv");
  std::vector<HtmlReport::Figure> figures;
  if (!checks.empty()) {
    figures.push_back(
        {percent_text(checks.back().accuracy_mean), "verification accuracy", spread_text(checks.back().accuracy_std, "the folds")});
  }
  if (metrics.rows() > 0) {
    figures.push_back({fmt::format("{:.3f}", metrics.column("loss").back()), "loss", "at the last line of the log"});
    figures.push_back({percent_text(100 * metrics.column("accuracy").back()), "training accuracy", "without margin"});
    figures.push_back({fmt::format("{:.1f}", metrics.column("samples_per_second").back()), "images a second", ""});
  }
  report.add_key_figures(figures);
  report.add_heading("How training went");
  add_training_curves(report, run);
  std::error_code unreadable;
  if (const fs::path sheet = run / "augmented.jpg"; fs::is_regular_file(sheet, unreadable)) {
    const std::string jpeg = read_file(sheet);
    report.add_heading("Training images");
    report.add_image(std::as_bytes(std::span(jpeg)), "image/jpeg", "Images of people before and after augmentation",
                     "At the left the image as it is in the training set; then what the net is given when it comes for the first time, the "
                     "second, and so on.");
  }
  report.add_heading("Settings");
  const fs::path config = run / "config.toml";
  report.add_code(fs::is_regular_file(config, unreadable) ? read_file(config) : "The caller kept no configuration.");
  return report.str();
}

void add_verification(HtmlReport& report, const Verification& result, const Pairs& pairs) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < result.folds.size(); ++i) {
    const Fold& fold = result.folds[i];
    rows.push_back({fmt::format("{}", i + 1), std::isnan(fold.accuracy) ? "–" : fmt::format("{:.2f}", fold.accuracy),
                    std::isnan(fold.threshold) ? "–" : fmt::format("{:.4f}", fold.threshold)});
  }
  rows.push_back({"mean ± std",
                  std::isnan(result.accuracy_mean) ? "–" : fmt::format("{:.2f} ± {:.2f}", result.accuracy_mean, result.accuracy_std), ""});
  report.add_table(std::vector<std::string>{"", "accuracy, %", "threshold"}, rows,
                   fmt::format("Over {}. Protocol {}; the threshold of a fold is chosen on the other folds; population standard deviation.",
                               pairs_text(result), name_of(result.protocol)));
  for (const std::string& remark : remarks_on(result)) report.add_paragraph(remark + ".");
  std::vector<std::vector<std::string>> rates;
  for (const AcceptRate& rate : result.accept_rates) {
    rates.push_back({fmt::format("{:g} %", 100 * rate.far), percent_text(rate.tar), fmt::format("{:.4f}", rate.threshold), rate.note});
  }
  report.add_table(std::vector<std::string>{"false accepts", "true accepts", "threshold", ""}, rates,
                   fmt::format("Over all {} genuine and {} impostor pairs of the {} images named.", result.genuine_pairs,
                               result.impostor_pairs, result.images - result.failed_images));
  Series curve{.name = "model"};
  for (const AcceptRate& point : result.roc) {
    curve.x.push_back(point.far);
    curve.y.push_back(point.tar);
  }
  report.add_figure(draw(roc_chart({curve})), "Receiver operating characteristic over all pairs of the images named.");
  Histogram histogram{.title = "Scores of the listed pairs", .x = {.label = "cosine"}};
  histogram.groups = {{.name = "same person"}, {.name = "different people"}};
  for (std::size_t i = 0; i < pairs.pairs.size(); ++i) {
    if (!std::isnan(result.scores[i])) histogram.groups[pairs.pairs[i].same ? 0 : 1].values.push_back(result.scores[i]);
  }
  report.add_figure(draw(histogram), "The less the two overlap, the better.");
}

std::string verification_report(const Verification& result, const Pairs& pairs, const std::string& title) {
  HtmlReport report("Verification", title);
  const std::vector<HtmlReport::Figure> figures = {
      {percent_text(result.accuracy_mean), "accuracy", spread_text(result.accuracy_std, fmt::format("{} folds", result.folds.size()))},
      {percent_text(result.accept_rates.at(0).tar), "true accepts", "at 1 % false accepts"},
      {percent_text(result.accept_rates.at(1).tar), "true accepts", "at 0.1 % false accepts"}};
  report.add_key_figures(figures);
  add_verification(report, result, pairs);
  return report.str();
}

}  // namespace amnet

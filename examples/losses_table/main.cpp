// The table and the page of a comparison of losses, from the small files that its runs leave
// (tests/bench/losses.py, which is ./run experiment losses, writes them and starts this
// program):
//
//   losses_table results pairs.txt      # writes results/table.md and results/report.html, and prints the table
//
// NAME.run.csv       the header, and a line: the settings of a run and what it reached
// NAME.curve.csv     step, loss, accuracy, target_cosine, feature_norm
// NAME.pairs.txt     for each pair of the list 1, 0 or - : judged correctly, not, or not at all
#include <amnet/amnet.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view reference = "amsoftmax-0.35";  // what the others are compared with

// What all runs of one table have in common.
constexpr std::array settings = {"depth",   "width", "batch",  "steps",      "epochs",    "lr",
                                 "warm_up", "scale", "images", "train_list", "val_pairs", "flags"};

struct Run {
  std::map<std::string, std::string> fields;
  Table curve;
  std::vector<double> correct;  // for each pair 1 or 0, NaN where it was not judged

  /// NaN for an empty field, or one that is no number.
  double number(const std::string& name) const {
    const std::string& text = fields.at(name);
    double value = std::numeric_limits<double>::quiet_NaN();
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
};

// The last column takes the rest of the line, commas and all.
std::vector<std::string> split(const std::string& line, std::size_t columns) {
  std::vector<std::string> fields;
  std::size_t begin = 0;
  while (fields.size() + 1 < columns) {
    const std::size_t comma = line.find(',', begin);
    if (comma == std::string::npos) break;
    fields.push_back(line.substr(begin, comma - begin));
    begin = comma + 1;
  }
  fields.push_back(line.substr(begin));
  return fields;
}

std::map<std::string, std::string> read_fields(const fs::path& path) {
  std::istringstream text(read_file(path));
  std::string header, line;
  std::getline(text, header);
  std::getline(text, line);
  const std::vector<std::string> names = split(header, std::numeric_limits<std::size_t>::max());
  const std::vector<std::string> values = split(line, names.size());
  require<DataError>(names.size() == values.size(), "{}: expected a header and a line of {} fields but got {}; remove it and run again.",
                     path.string(), names.size(), values.size());
  std::map<std::string, std::string> fields;
  for (std::size_t i = 0; i < names.size(); ++i) fields[names[i]] = values[i];
  for (const char* name : {"row", "loss", "title", "margin", "seed", "accuracy", "tar_at_far_1", "tar_at_far_01", "feature_norm",
                           "feature_norm_growth", "commit"}) {
    require<DataError>(fields.contains(name), "{}: expected a column '{}' but there is none; remove it and run again.", path.string(),
                       name);
  }
  for (const char* name : settings) {
    require<DataError>(fields.contains(name), "{}: expected a column '{}' but there is none; remove it and run again.", path.string(),
                       name);
  }
  return fields;
}

std::vector<double> read_correct(const fs::path& path, std::size_t pairs) {
  std::vector<double> correct;
  for (const char c : read_file(path)) {
    if (c == '1' || c == '0') correct.push_back(c - '0');
    if (c == '-') correct.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  require<DataError>(correct.size() == pairs,
                     "{}: expected a character for each of the list's {} pairs but got {}; give the list of the runs.", path.string(),
                     pairs, correct.size());
  return correct;
}

// The runs of each loss, in the order of the table.
std::vector<std::vector<Run>> read_runs(const fs::path& folder, std::size_t pairs) {
  require<DataError>(fs::is_directory(folder), "{} is no folder; name that of the results.", folder.string());
  std::map<std::pair<double, double>, Run> all;  // by row and seed
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(".run.csv")) continue;
    const std::string name = (folder / file.substr(0, file.size() - 8)).string();
    Run run{read_fields(entry.path()), read_table(name + ".curve.csv"), read_correct(name + ".pairs.txt", pairs)};
    for (const char* setting : settings) {
      const std::string& first = all.empty() ? run.fields[setting] : all.begin()->second.fields[setting];
      require<DataError>(run.fields[setting] == first, "{}: its {} is '{}', and that of other runs of the folder '{}'; keep them apart.",
                         entry.path().string(), setting, run.fields[setting], first);
    }
    const std::pair place(run.number("row"), run.number("seed"));
    all.emplace(place, std::move(run));
  }
  require<DataError>(!all.empty(), "{} has no finished run (NAME.run.csv); run the comparison first.", folder.string());
  std::vector<std::vector<Run>> losses;
  for (auto& [place, run] : all) {
    if (losses.empty() || losses.back().front().fields["loss"] != run.fields["loss"]) losses.emplace_back();
    losses.back().push_back(std::move(run));
  }
  return losses;
}

// "87.86 ± 0.15": the mean, and the standard deviation of a sample.
std::string mean_text(const std::vector<Run>& runs, const std::string& name) {
  double sum = 0, squares = 0;
  const auto count = static_cast<double>(runs.size());
  for (const Run& run : runs) sum += run.number(name);
  for (const Run& run : runs) squares += std::pow(run.number(name) - sum / count, 2);
  if (!std::isfinite(sum)) return "–";
  return runs.size() == 1 ? fmt::format("{:.2f}", sum) : fmt::format("{:.2f} ± {:.2f}", sum / count, std::sqrt(squares / (count - 1)));
}

// For each pair the share of the seeds that judged it correctly.
std::vector<double> share_correct(const std::vector<Run>& runs) {
  std::vector<double> share(runs.front().correct.size());
  for (const Run& run : runs) {
    for (std::size_t i = 0; i < share.size(); ++i) share[i] += run.correct[i] / static_cast<double>(runs.size());
  }
  return share;
}

std::string against(const Pairs& pairs, const std::vector<Run>& runs, const std::vector<Run>& reference_runs) {
  if (&runs == &reference_runs) return "–";
  const Bootstrap gain = paired_bootstrap(pairs, share_correct(runs), share_correct(reference_runs));
  const std::string_view verdict = gain.low > 0 ? "better" : gain.high < 0 ? "worse" : "equal";
  return fmt::format("{}: {:+.2f} [{:+.2f}, {:+.2f}]", verdict, gain.difference, gain.low, gain.high);
}

std::string largest_text(const std::vector<Run>& runs, const std::string& name) {
  double largest = 0;
  for (const Run& run : runs) largest = std::max(largest, run.number(name));
  return largest < 100 ? fmt::format("{:.3g}", largest) : fmt::format("{:.0f}", largest);
}

std::vector<std::vector<std::string>> rows_of(const std::vector<std::vector<Run>>& losses, const Pairs& pairs) {
  const auto of_reference = std::ranges::find_if(losses, [](const auto& runs) { return runs.front().fields.at("loss") == reference; });
  std::vector<std::vector<std::string>> rows;
  for (const std::vector<Run>& runs : losses) {
    const std::map<std::string, std::string>& fields = runs.front().fields;
    rows.push_back({fields.at("title"), fields.at("margin"), mean_text(runs, "accuracy"), mean_text(runs, "tar_at_far_1"),
                    mean_text(runs, "tar_at_far_01"), of_reference == losses.end() ? "not run yet" : against(pairs, runs, *of_reference),
                    largest_text(runs, "feature_norm"), largest_text(runs, "feature_norm_growth"), std::to_string(runs.size())});
  }
  return rows;
}

const std::vector<std::string> columns = {
    "loss",           "m",    "accuracy", "TAR at FAR 1 %", "TAR at FAR 0.1 %", "against AM-Softmax, m = 0.35", "feature norm",
    "largest growth", "seeds"};

constexpr std::string_view explanation =
    "Accuracy, the mean over the folds, and TAR in percent; ±: standard deviation over the seeds. Against AM-Softmax: the difference in "
    "accuracy over all pairs in points, mean over the seeds, with the 95 % interval of a paired bootstrap over people; equal: the interval "
    "includes 0.";
constexpr std::string_view of_norms =
    "Feature norm: the largest at the end of a run. Largest growth: of the feature norm, from the end of the warm-up to its peak, as a "
    "factor.";

std::string markdown(const std::vector<std::vector<std::string>>& rows) {
  std::string text = fmt::format("| {} |\n|", fmt::join(columns, " | "));
  for (std::size_t i = 0; i < columns.size(); ++i) text += "---|";
  for (const std::vector<std::string>& row : rows) text += fmt::format("\n| {} |", fmt::join(row, " | "));
  return fmt::format("{}\n\n{} {}\n", text, explanation, of_norms);
}

// The curves of the first seed of each loss. The drawing has six colours: from the seventh curve on
// they are dashed.
std::string chart(const std::vector<std::vector<Run>>& losses, const std::string& column, std::string title, Axis y, double unit = 1) {
  LineChart chart{.title = std::move(title), .x = {.label = "step"}, .y = std::move(y)};
  for (const std::vector<Run>& runs : losses) {
    const Table& curve = runs.front().curve;
    if (!curve.has("step") || !curve.has(column)) continue;
    const std::map<std::string, std::string>& fields = runs.front().fields;
    const bool has_margin = fields.at("margin").find_first_of("0123456789") != std::string::npos;
    Series series{.name = has_margin ? fmt::format("{}, m = {}", fields.at("title"), fields.at("margin")) : fields.at("title"),
                  .x = curve.column("step"),
                  .y = curve.column(column),
                  .style = chart.series.size() < 6 ? Style::line : Style::dashed};
    for (double& value : series.y) value *= unit;
    chart.series.push_back(std::move(series));
  }
  return draw(chart);
}

// A page is too narrow for all columns beside each other.
void add_columns(HtmlReport& report, const std::vector<std::vector<std::string>>& rows, const std::vector<std::size_t>& chosen,
                 std::string_view caption) {
  const auto part = [&](const std::vector<std::string>& row) {
    std::vector<std::string> some;
    for (const std::size_t column : chosen) some.push_back(row[column]);
    return some;
  };
  std::vector<std::vector<std::string>> parts;
  for (const std::vector<std::string>& row : rows) parts.push_back(part(row));
  report.add_table(part(columns), parts, caption);
}

std::string page(const std::vector<std::vector<Run>>& losses, const std::vector<std::vector<std::string>>& rows, const Pairs& pairs) {
  HtmlReport report("The comparison of the paper", "One network, one budget, and the loss exchanged: table 1 of arXiv 1801.05599");
  add_columns(report, rows, {0, 1, 2, 3, 4, 5}, explanation);
  add_columns(report, rows, {0, 1, 6, 7, 8}, of_norms);
  report.add_heading("Curves");
  report.add_paragraph(
      "Of the first seed of each loss. Losses with and without a margin, or of different scales, are not comparable in level.");
  report.add_figure(chart(losses, "loss", "Loss", {.label = "loss"}));
  report.add_figure(chart(losses, "accuracy", "Training accuracy", {.label = "%"}, 100), "Without margin.");
  report.add_figure(chart(losses, "target_cosine", "Cosine to the own class", {.label = "mean cosine"}));
  report.add_figure(chart(losses, "feature_norm", "Feature norm", {.label = "mean norm", .scale = Scale::log}));
  report.add_heading("Settings");
  std::vector<std::pair<std::string, std::string>> entries;
  for (const char* name : settings) entries.emplace_back(name, losses.front().front().fields.at(name));
  entries.emplace_back("pairs", fmt::format("{} of {} people", pairs.pairs.size(), pairs.names.size()));
  std::vector<std::string> commits;
  for (const std::vector<Run>& runs : losses) {
    for (const Run& run : runs) commits.push_back(run.fields.at("commit"));
  }
  std::ranges::sort(commits);
  commits.erase(std::unique(commits.begin(), commits.end()), commits.end());
  entries.emplace_back("commits", joined(commits, ", "));
  report.add_key_values(entries);
  return report.str();
}

}  // namespace

int main(int argc, char** argv) try {
  require(argc == 3, "usage: losses_table RESULTS PAIRS");
  const fs::path folder = argv[1];
  const Pairs pairs = read_pairs(argv[2]);
  const std::vector<std::vector<Run>> losses = read_runs(folder, pairs.pairs.size());
  const std::vector<std::vector<std::string>> rows = rows_of(losses, pairs);
  const std::string table = markdown(rows);
  write_durably(folder / "table.md", table);
  write_durably(folder / "report.html", page(losses, rows, pairs));
  fmt::print("{}", table);
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "losses_table: {}\n", error.what());
  return error.exit_code();
}

// A run and a verification, each on one page: made from the files of the run, so that it can be
// made again at any time.
//
//   write_durably("runs/a/report.html", train_report("runs/a", {.title = "a"}));
#pragma once

#include <amnet/faces/pairs.h>
#include <amnet/faces/verification.h>
#include <amnet/report/html.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace amnet {

struct TrainReportOptions {
  std::string title;
  std::string subtitle = {};
};

/// The curves of metrics.csv and validation.csv and the configuration of a run directory, as HTML.
std::string train_report(const std::filesystem::path& run, const TrainReportOptions& options);
/// Adds the curves to a page that has other content too.
void add_training_curves(HtmlReport& report, const std::filesystem::path& run);

/// Fold table, ROC and score histogram of one verification, as HTML.
std::string verification_report(const Verification& result, const Pairs& pairs, const std::string& title);
void add_verification(HtmlReport& report, const Verification& result, const Pairs& pairs);

}  // namespace amnet

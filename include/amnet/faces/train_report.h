// A run and a verification, each on one page: made from the files of the run, so that it can be
// made again at any time.
//
//   write_durably("runs/a/report.html", train_report("runs/a", {.title = "a"}));
#pragma once

#include <amnet/faces/face_list.h>
#include <amnet/faces/face_training.h>
#include <amnet/faces/pairs.h>
#include <amnet/faces/verification.h>
#include <amnet/report/html.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct TrainReportOptions {
  std::string title;
  std::string subtitle = {};
};

/// A JPEG of a few people of the list, one image of each in a row: as it is in the training set,
/// and as the net is given it when it comes for the first time, the second, and so on. A run with
/// augmentation keeps it as augmented.jpg. Images that cannot be read are left out; empty where
/// none can.
std::vector<std::byte> augmentation_sheet(const FaceList& list, const FaceTraining& options);
/// Whether a file that begins like this is a sheet of augmentation_sheet().
bool is_augmentation_sheet(std::string_view beginning);

/// The curves of metrics.csv and validation.csv, the sheet of augmented.jpg and the configuration
/// of a run directory, as HTML.
std::string train_report(const std::filesystem::path& run, const TrainReportOptions& options);
/// Adds the curves to a page that has other content too.
void add_training_curves(HtmlReport& report, const std::filesystem::path& run);

/// Fold table, ROC and score histogram of one verification, as HTML.
std::string verification_report(const Verification& result, const Pairs& pairs, const std::string& title);
void add_verification(HtmlReport& report, const Verification& result, const Pairs& pairs);

}  // namespace amnet

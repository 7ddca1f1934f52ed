// A command must not write to a file that it reads, nor replace a user's file without being told
// to. This is checked before the work begins, and the error names both options; a path that cannot
// be written to is reported as well.
//
//   Outputs outputs;
//   outputs.reads("--list", list);
//   outputs.writes("--out", out);
//   outputs.writes_beside("--out", names_file, "the names", is_ours(names_file));
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// All inputs are declared first. Files are compared by device and number, so a different path,
/// link or letter case does not matter.
class Outputs {
 public:
  /// A file, or the files of a model's folder, checkpoints included; nothing where the path is
  /// empty.
  void reads(std::string option, const std::filesystem::path& path);
  /// `count` images below the folder `root`, by their relative paths.
  void reads_images(std::string option, const std::filesystem::path& root, std::int64_t count,
                    std::function<std::string(std::int64_t)> path);

  /// A file that an option names: it is replaced if it exists. Throws UsageError where it is
  /// already read or written, FileError where it cannot be written.
  void writes(const std::string& option, const std::filesystem::path& path);
  /// A file whose name is derived from the option's value: `what` ("the names") is written there.
  /// Throws UsageError also where it exists and is not `ours`.
  void writes_beside(const std::string& option, const std::filesystem::path& path, std::string_view what, bool ours);
  /// Files `names` in the folder that an option names; existing ones may belong to an earlier run,
  /// which `is_ours` decides. Throws as the others do, but does not test whether the folder can be
  /// written to, and also refuses the folder of the images.
  void writes_into(const std::string& option, const std::filesystem::path& folder, const std::vector<std::string>& names,
                   const std::function<bool(const std::filesystem::path&)>& is_ours);

 private:
  struct Input {
    std::string option;
    std::filesystem::path path;  // of a file or folder; for images their root
    std::int64_t images = 0;
    std::function<std::string(std::int64_t)> image;  // relative paths
  };
  struct Written {
    std::string option;
    std::filesystem::path path;
  };

  void require_unread(const std::string& option, const std::filesystem::path& path, std::string_view what) const;

  std::vector<Input> inputs_;
  std::vector<Written> written_;
};

/// Whether an existing file was written by extract as the names that belong to `array`: one for
/// each of its rows.
bool are_names_of(const std::filesystem::path& names, const std::filesystem::path& array);
/// Whether an existing file is an HTML report of amnet.
bool is_our_page(const std::filesystem::path& path);
/// Whether an existing file is a drawing of amnet.
bool is_our_drawing(const std::filesystem::path& path);
/// Whether an existing file is a table of labels that --relabel wrote.
bool is_our_label_table(const std::filesystem::path& path);
/// Whether this is the list.txt of drawn faces.
bool is_our_list(const std::filesystem::path& path);
/// Whether this is the landmarks.csv of drawn photographs.
bool is_our_landmark_table(const std::filesystem::path& path);

/// The files that a training run writes into its folder, besides checkpoints.
const std::vector<std::string>& run_files();
/// Whether this file, which has the name of a run's file, was written by a run.
bool is_of_a_run(const std::filesystem::path& path);

// What a command writes must be nothing that it reads, and no file of the user's whom nobody asked
// to replace it. Told before the work begins, with the options that name the two; and so is a place
// that cannot be written to.
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

/// All inputs come first. Files are compared by device and number, so by whatever path, link or
/// case they are named.
class Outputs {
 public:
  /// A file, or the files of a model's folder, checkpoints included; nothing where the path is
  /// empty.
  void reads(std::string option, const std::filesystem::path& path);
  /// `count` images below the folder `root`, by their relative paths.
  void reads_images(std::string option, const std::filesystem::path& root, std::int64_t count,
                    std::function<std::string(std::int64_t)> path);

  /// A file that an option names: replaced where it is there. Throws UsageError where it is read or
  /// written already, FileError where it cannot be written.
  void writes(const std::string& option, const std::filesystem::path& path);
  /// A file whose name follows from what the option names: `what` ("the names") goes there. Throws
  /// UsageError also where it is there and not `ours`.
  void writes_beside(const std::string& option, const std::filesystem::path& path, std::string_view what, bool ours);
  /// Files `names` in the folder that an option names, which may be of an earlier run: `is_ours`
  /// says so. Throws as the others do, but does not try the folder, and also refuses the folder of
  /// the images.
  void writes_into(const std::string& option, const std::filesystem::path& folder, const std::vector<std::string>& names,
                   const std::function<bool(const std::filesystem::path&)>& is_ours);

 private:
  struct Input {
    std::string option;
    std::filesystem::path path;  // of a file or folder; of images their root
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

/// Whether a file that is there was written by extract as the names beside `array`: one for each of
/// its rows.
bool are_names_of(const std::filesystem::path& names, const std::filesystem::path& array);
/// Whether a file that is there is an HTML report of ours.
bool is_our_page(const std::filesystem::path& path);
/// Whether a file that is there is a drawing of ours.
bool is_our_drawing(const std::filesystem::path& path);
/// Whether a file that is there is a table of labels that --relabel numbered anew.
bool is_our_label_table(const std::filesystem::path& path);
/// Whether this is the list.txt of drawn faces.
bool is_our_list(const std::filesystem::path& path);

/// The files that a training run writes into its folder, besides checkpoints.
const std::vector<std::string>& run_files();
/// Whether this, of such a name, was written by a run.
bool is_of_a_run(const std::filesystem::path& path);

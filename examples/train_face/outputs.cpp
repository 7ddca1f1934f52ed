#include "outputs.h"

#include <amnet/core/error.h>
#include <amnet/faces/train_report.h>
#include <amnet/io/checkpoint.h>
#include <amnet/io/durable_file.h>
#include <amnet/report/html.h>
#include <amnet/report/svg.h>

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

// Identifies a file by device and number, independent of its name.
struct FileNumber {
  dev_t device;
  ino_t number;
  friend bool operator==(const FileNumber&, const FileNumber&) = default;
};

// For a regular file or a folder; nothing for a path that does not exist, and for devices: a
// terminal may be both input and output.
std::optional<FileNumber> number_of(const fs::path& path, mode_t kind) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & S_IFMT) != kind) return std::nullopt;
  return FileNumber{status.st_dev, status.st_ino};
}

std::optional<FileNumber> file_number(const fs::path& path) { return number_of(path, S_IFREG); }

// A file itself; for a run or checkpoint folder its files and those of its checkpoints.
std::vector<fs::path> files_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->is_directory(error) && (at.depth() > 0 || !at->path().filename().string().starts_with("step_"))) at.disable_recursion_pending();
    if (at->is_regular_file(error)) files.push_back(at->path());
  }
  return files;
}

// The absolute path that a file not yet written would have.
fs::path place_of(const fs::path& path) {
  std::error_code error;
  const fs::path place = fs::weakly_canonical(fs::absolute(path, error), error);
  return error ? path : place;
}

bool is_same(const fs::path& one, const fs::path& other) {
  const std::optional<FileNumber> number = file_number(one);
  std::error_code unreadable;
  return number ? number == file_number(other) : !fs::exists(one, unreadable) && place_of(one) == place_of(other);
}

// Reads nothing from a path that is not a regular file: a pipe would block.
std::string beginning_of(const fs::path& path, std::size_t bytes) {
  if (!file_number(path)) return {};
  std::string text(bytes, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(bytes));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::string first_line_of(const fs::path& path) {
  const std::string text = beginning_of(path, 4096);
  return text.substr(0, text.find('\n'));
}

// Whether `text` matches `pattern`, in which 0 stands for a digit, 9 for one or more digits, and
// every other character for itself.
bool is_like(std::string_view text, std::string_view pattern) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t at = 0;
  for (const char c : pattern) {
    if (at == text.size() || (c == '0' || c == '9' ? !digit(text[at]) : text[at] != c)) return false;
    ++at;
    while (c == '9' && at < text.size() && digit(text[at])) ++at;
  }
  return true;
}

// A configuration that a run wrote has a heading above each group of settings, and no other
// comment; a user's own comments would be lost.
bool is_written_config(const fs::path& path) {
  std::ifstream lines(path);
  int headings = 0;
  bool after_blank = true;
  for (std::string line; std::getline(lines, line);) {
    const bool comment = line.find('#') != std::string::npos && line.find('#') == line.find_first_not_of(" \t");
    const bool heading = comment && after_blank && line.size() < 50 && line.starts_with("# ") && line[2] >= 'A' && line[2] <= 'Z';
    const bool of_a_path = comment && line.find(" is not UTF-8, as TOML must be: ") != std::string::npos;
    if (comment && !heading && !of_a_path) return false;
    headings += heading ? 1 : 0;
    after_blank = line.empty() || line.starts_with("preset = ");
  }
  return headings >= 3;
}

}  // namespace

void Outputs::reads(std::string option, const fs::path& path) {
  if (!path.empty()) inputs_.push_back({std::move(option), through_pointers(path), 0, {}});
}

void Outputs::reads_images(std::string option, const fs::path& root, std::int64_t count, std::function<std::string(std::int64_t)> path) {
  if (!root.empty()) inputs_.push_back({std::move(option), root, count, std::move(path)});
}

void Outputs::require_unread(const std::string& option, const fs::path& path, std::string_view what) const {
  const std::optional<FileNumber> number = file_number(path);
  if (!number) return;  // there is no file to read
  const std::string goes = what.empty() ? path.string() : fmt::format("{} would go to {}, which", what, path.string());
  for (const Input& input : inputs_) {
    const auto refuse_if_same = [&](const fs::path& file) {
      require(number != file_number(file), "{}, {}: {} is read by this command; give another name to what it writes.", option, input.option,
              goes);
    };
    if (!input.image) {
      std::ranges::for_each(files_of(input.path), refuse_if_same);
    } else {
      for (std::int64_t i = 0; i < input.images; ++i) refuse_if_same(input.path / input.image(i));
    }
  }
}

void Outputs::writes(const std::string& option, const fs::path& path) {
  if (path.empty()) return;
  require_unread(option, path, "");
  for (const Written& other : written_) {
    require(!is_same(path, other.path), "{}, {}: {} cannot be both; give two names.", other.option, option, path.string());
  }
  written_.push_back({option, path});
  probe_output(path);
}

void Outputs::writes_beside(const std::string& option, const fs::path& path, std::string_view what, bool ours) {
  if (path.empty()) return;
  require_unread(option, path, what);
  require(ours || !file_number(path),
          "{}: {} would go to {}, which is there and was not written by this command; move it away, or give another name.", option, what,
          path.string());
  writes(option, path);
}

void Outputs::writes_into(const std::string& option, const fs::path& folder, const std::vector<std::string>& names,
                          const std::function<bool(const fs::path&)>& is_ours) {
  const std::optional<FileNumber> number = number_of(folder, S_IFDIR);
  if (!number) return;  // it does not exist, so it has no files
  for (const Input& input : inputs_) {
    require(!input.image || number != number_of(input.path, S_IFDIR),
            "{}, {}: {} is the folder of the images; name another one for what is written.", option, input.option, folder.string());
  }
  for (const std::string& name : names) {
    const fs::path path = folder / name;
    if (!file_number(path)) continue;
    const bool ours = is_ours(path);
    // A run is resumed with the settings that it wrote.
    if (!ours || name != "config.toml") require_unread(option, path, "a file of the run");
    require(ours, "{}: {} is there and was not written by this command; move it away, or name another folder.", option, path.string());
  }
}

bool are_names_of(const fs::path& names, const fs::path& array) {
  if (!file_number(names)) return true;
  const std::string header = beginning_of(array, 256), shape = "'shape': (";
  const std::size_t at = header.find(shape);
  if (!header.starts_with("\x93NUMPY") || at == std::string::npos) return false;
  std::ifstream lines(names);
  std::int64_t count = 0;
  for (std::string line; std::getline(lines, line);) ++count;
  return header.substr(at + shape.size()).starts_with(fmt::format("{},", count));
}

bool is_our_page(const fs::path& path) { return !file_number(path) || is_report_page(beginning_of(path, 16384)); }

bool is_our_drawing(const fs::path& path) { return !file_number(path) || is_drawing(beginning_of(path, 4096)); }

bool is_our_list(const fs::path& path) { return is_like(first_line_of(path), "id_9/id_9_9.jpg 9"); }
bool is_our_landmark_table(const fs::path& path) { return first_line_of(path).starts_with("file,face,left_eye_x"); }

bool is_our_label_table(const fs::path& path) { return !file_number(path) || first_line_of(path).starts_with("label,label_in_list"); }

const std::vector<std::string>& run_files() {
  static const std::vector<std::string> names = {"train.log",        "metrics.csv",  "validation.csv",        "config.toml",
                                                 "environment.json", "report.html",  "non_finite_batch.json", "labels.csv",
                                                 "test.csv",         "augmented.jpg"};
  return names;
}

bool is_of_a_run(const fs::path& path) {
  std::error_code error;
  if (fs::file_size(path, error) == 0) return true;  // left by a run that was killed early
  const std::string name = path.filename().string();
  if (name == "train.log") return is_like(first_line_of(path), "0000-00-00 00:00:00 ");
  if (name == "report.html") return is_our_page(path);
  if (name == "augmented.jpg") return is_augmentation_sheet(beginning_of(path, 4096));
  if (name == "config.toml") return is_written_config(path);
  if (name == "environment.json") return beginning_of(path, 4096).find("\"memory_forecast_bytes\"") != std::string::npos;
  if (name == "non_finite_batch.json") return beginning_of(path, 4096).find("\"first_non_finite\"") != std::string::npos;
  if (name == "labels.csv") return is_our_label_table(path);
  return first_line_of(path).starts_with("step,");
}

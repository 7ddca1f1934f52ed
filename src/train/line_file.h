// A file that grows by lines or records and only reports what happens: if it cannot be written,
// that is reported once and has no other effect.
//
//   LineFile file("runs/a/metrics.csv", [](std::string_view fault) { … });
//   file.append("20,0.5");
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace amnet {

class LineFile {
 public:
  using OnFault = std::function<void(std::string_view fault)>;

  /// `on_fault` is called for the first failure alone.
  LineFile(std::filesystem::path path, OnFault on_fault) : path_(std::move(path)), on_fault_(std::move(on_fault)) {}

  const std::filesystem::path& path() const { return path_; }

  /// Appends a line, whole or not at all; it is in the file when this returns. Every call tries
  /// again, so that lines are written again when there is room.
  void append(std::string_view line) { append_bytes(std::string(line) + "\n"); }
  /// The same for bytes that are no line; false where that failed.
  bool append_bytes(std::string_view bytes);
  /// Replaces the content by what `edit` makes of it ("" where there is no file). False where that
  /// failed; anything but a regular file stays unchanged.
  bool rewrite(const std::function<std::string(const std::string& content)>& edit);

 private:
  void fault(std::string_view reason);

  std::filesystem::path path_;
  OnFault on_fault_;
  bool told_ = false;
};

}  // namespace amnet

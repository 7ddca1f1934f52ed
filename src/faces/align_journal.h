// What was done of which photograph: a file of lines, each written when its photograph is done, so
// that a run that was killed loses none of them.
#pragma once

#include "io/json.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace amnet {

class AlignJournal {
 public:
  /// Reads `path`, if it is there, and goes on behind its last whole line. Throws UsageError naming
  /// the first setting that is another in the file, DataError where it is no such file, FileError.
  AlignJournal(std::filesystem::path path, const Json& settings);

  /// What an earlier run wrote of a photograph; nothing where it did not reach it.
  const Json* of(const std::string& photograph) const;
  /// Adds a photograph. Throws FileError.
  void add(const std::string& photograph, Json entry);

 private:
  void append(const Json& line);

  std::filesystem::path path_;
  std::map<std::string, Json> entries_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace amnet

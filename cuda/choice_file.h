// Choices that are kept after a process ends: a text file of one line each, "key<TAB>choice",
// between a first line that names the format and a last line with a checksum. A file that is
// damaged or has another format counts as empty. It is replaced as a whole, so that a reader finds
// the old or the new file. A file that cannot be read or written causes no error: it only saves
// time.
//
//   auto choices = read_choices(path);
//   choices[key] = choice;
//   write_choices(path, choices);
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace amnet {

using Choices = std::map<std::string, std::string>;

/// $XDG_CACHE_HOME/amnet/convolutions.txt, or the same path below ~/.cache; empty where neither
/// folder is known.
std::filesystem::path choices_path();

Choices read_choices(const std::filesystem::path& path);
/// Keys and choices have no tab and no line break.
void write_choices(const std::filesystem::path& path, const Choices& choices);

}  // namespace amnet

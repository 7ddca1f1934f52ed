// Choices that outlast a process: a text file of one line each, "key<TAB>choice", between a line
// that says what it is and one with a checksum. A file that is damaged, or is something else,
// counts as empty; it is replaced as a whole, so that a reader finds the old or the new one.
// Nothing fails where it cannot be read or written: it only saves time.
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

/// $XDG_CACHE_HOME/amnet/convolutions.txt, or that below ~/.cache; empty where neither is known.
std::filesystem::path choices_path();

Choices read_choices(const std::filesystem::path& path);
/// Keys and choices have no tab and no line break.
void write_choices(const std::filesystem::path& path, const Choices& choices);

}  // namespace amnet

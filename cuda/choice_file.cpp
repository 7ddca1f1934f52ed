#include "choice_file.h"

#include <fmt/format.h>

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace amnet {
namespace {

constexpr std::string_view first_line = "amnet: choices of convolutions, form 1";

/// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv).
std::uint64_t checksum(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

}  // namespace

std::filesystem::path choices_path() {
  std::filesystem::path folder;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    folder = cache;
  } else if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    folder = std::filesystem::path(home) / ".cache";
  }
  return folder.empty() ? folder : folder / "amnet" / "convolutions.txt";
}

Choices read_choices(const std::filesystem::path& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string text = all.str();
  const std::size_t last = text.rfind("end ");
  if (last == std::string::npos || text.substr(last) != fmt::format("end {:016x}\n", checksum(std::string_view(text).substr(0, last))))
    return {};
  Choices choices;
  std::istringstream lines(text.substr(0, last));
  std::string line;
  if (!std::getline(lines, line) || line != first_line) return {};
  while (std::getline(lines, line)) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) return {};
    choices[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return choices;
}

void write_choices(const std::filesystem::path& path, const Choices& choices) {
  std::string text = fmt::format("{}\n", first_line);
  for (const auto& [key, choice] : choices) text += fmt::format("{}\t{}\n", key, choice);
  text += fmt::format("end {:016x}\n", checksum(text));

  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::filesystem::path written = path;
  written += fmt::format(".{}", getpid());
  {
    std::ofstream file(written, std::ios::binary);
    file << text;
    file.close();
    if (!file) {
      std::filesystem::remove(written, error);
      return;
    }
  }
  std::filesystem::rename(written, path, error);
  if (error) std::filesystem::remove(written, error);
}

}  // namespace amnet

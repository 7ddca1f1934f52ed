#include "hidden_name.h"
#include "posix_file.h"

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <system_error>
#include <utility>

namespace amnet {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::pair<Hidden, std::string_view>, 3> markers = {
    {{Hidden::temporary, ".tmp-"}, {Hidden::removed, ".gone-"}, {Hidden::set_aside, ".old-"}}};

// Of the system itself; a container has another, and counts its processes from 1.
constexpr std::string_view first_process_space = "pid:[4026531836]";

bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

}  // namespace

std::string host_name() {
  std::array<char, 256> name = {};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string machine_name() {
  std::string machine = host_name().substr(0, 40);
  std::ranges::replace_if(
      machine, [](char c) { return !is_plain(c); }, '_');
  std::error_code error;
  const std::string space = fs::read_symlink("/proc/self/ns/pid", error).string();
  if (!error && space != first_process_space) {
    for (const char c : space) machine += c >= '0' && c <= '9' ? std::string(1, c) : c == '[' ? "-" : "";
  }
  return machine;
}

fs::path hidden_path(const fs::path& path, Hidden why) {
  const auto marker = std::ranges::find(markers, why, &std::pair<Hidden, std::string_view>::first)->second;
  const std::string tail = fmt::format("{}{}@{}", marker, ::getpid(), machine_name());
  constexpr std::size_t longest_name = 255;
  return directory_of(path) / fmt::format(".{}{}", path.filename().string().substr(0, longest_name - 1 - tail.size()), tail);
}

std::optional<HiddenName> parse_hidden(std::string_view name) {
  for (const auto& [why, marker] : markers) {
    const std::size_t at = name.rfind(marker);
    if (!name.starts_with('.') || at == std::string_view::npos) continue;
    const std::string_view tail = name.substr(at + marker.size());
    const std::string_view digits = tail.substr(0, tail.find('@'));
    const std::string_view machine = tail.substr(std::min(digits.size() + 1, tail.size()));
    pid_t process = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), process);
    if (error == std::errc() && end == digits.data() + digits.size() && process > 0 && std::ranges::all_of(machine, is_plain))
      return HiddenName{name.substr(1, at - 1), why, process, machine};
  }
  return std::nullopt;
}

bool may_be_in_use(const HiddenName& hidden, const fs::path& path) {
  if (hidden.machine.empty() || hidden.machine == machine_name()) {
    return hidden.process != ::getpid() && (::kill(hidden.process, 0) == 0 || errno == EPERM);
  }
  std::error_code error;
  const fs::file_time_type written = fs::last_write_time(path, error);
  return error || fs::file_time_type::clock::now() - written < std::chrono::hours(24);
}

}  // namespace amnet

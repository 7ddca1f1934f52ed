#include <amnet/core/processors.h>

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace amnet {
namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A line of mountinfo writes a space in a path as \040.
std::string without_escapes(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    const std::string_view digits = text.substr(std::min(i + 1, text.size()), 3);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 8);
    if (text[i] == '\\' && error == std::errc() && end == digits.data() + 3) {
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool names(std::string_view list, std::string_view word) {
  const std::vector<std::string_view> words = split(list, ',');
  return std::ranges::find(words, word) != words.end();
}

// Where the groups of one version can be seen: the group `top` of the hierarchy is the folder
// `folder`.
struct Mount {
  std::string top;
  fs::path folder;
};

// "36 25 0:31 /docker/1f /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct", see proc(5).
std::vector<Mount> mounts_of(bool version_2, const fs::path& system) {
  std::vector<Mount> mounts;
  for (const std::string& line : lines_of(system / "proc/self/mountinfo")) {
    const std::vector<std::string_view> fields = split(line, ' ');
    const auto dash = static_cast<std::size_t>(std::ranges::find(fields, "-") - fields.begin());
    if (fields.size() < 6 || dash + 3 >= fields.size()) continue;
    const bool fits = version_2 ? fields[dash + 1] == "cgroup2" : fields[dash + 1] == "cgroup" && names(fields[dash + 3], "cpu");
    if (fits) mounts.push_back({without_escapes(fields[3]), system / fs::path(without_escapes(fields[4])).relative_path()});
  }
  return mounts;
}

// The group of this process: "0::/user.slice" of version 2, "4:cpu,cpuacct:/docker/1f" of version 1.
std::optional<std::string> group_of(bool version_2, const fs::path& system) {
  for (const std::string& line : lines_of(system / "proc/self/cgroup")) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (version_2 ? line.starts_with("0::") : names(controllers, "cpu")) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> share(std::optional<double> quota, std::optional<double> period) {
  // -1 and "max": no limit
  return quota && period && *quota > 0 && *period > 0 ? std::optional(*quota / *period) : std::nullopt;
}

std::optional<double> limit_of(const fs::path& group, bool version_2) {
  const auto first_line = [](const fs::path& file) {
    const std::vector<std::string> lines = lines_of(file);
    return lines.empty() ? std::string() : lines.front();
  };
  if (!version_2) return share(number(first_line(group / "cpu.cfs_quota_us")), number(first_line(group / "cpu.cfs_period_us")));
  const std::string line = first_line(group / "cpu.max");
  const std::vector<std::string_view> fields = split(line, ' ');
  return fields.size() < 2 ? std::nullopt : share(number(fields[0]), number(fields[1]));
}

// The group's folder below the mount and all folders above it, to the mount itself.
std::vector<fs::path> groups_up_to(const Mount& mount, const std::string& group) {
  fs::path below = fs::path(group).lexically_relative(mount.top);
  // of another namespace: only the mount is visible
  if (below.empty() || below.native().starts_with("..")) below = ".";
  std::vector<fs::path> folders;
  for (; below != "." && !below.empty(); below = below.parent_path()) folders.push_back(mount.folder / below);
  folders.push_back(mount.folder);
  return folders;
}

int processors_of_affinity() {
  // the kernel's mask may be longer than the library's
  for (int most = CPU_SETSIZE; most <= 1 << 20; most *= 2) {
    cpu_set_t* const set = CPU_ALLOC(static_cast<std::size_t>(most));
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(most));
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const bool too_short = !known && errno == EINVAL;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return count;
    if (!too_short) break;
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

std::optional<double> processor_quota(const fs::path& system) {
  std::optional<double> least;
  for (const bool version_2 : {true, false}) {
    const std::optional<std::string> group = group_of(version_2, system);
    if (!group) continue;
    for (const Mount& mount : mounts_of(version_2, system)) {
      for (const fs::path& folder : groups_up_to(mount, *group)) {
        const std::optional<double> limit = limit_of(folder, version_2);
        if (limit && (!least || *limit < *least)) least = limit;
      }
    }
  }
  return least;
}

int usable_processors() {
  const int processors = std::max(1, processors_of_affinity());
  const std::optional<double> quota = processor_quota();
  return quota ? std::clamp(static_cast<int>(std::ceil(std::min(*quota, 1e6))), 1, processors) : processors;
}

int default_workers() { return std::min(8, usable_processors()); }

}  // namespace amnet

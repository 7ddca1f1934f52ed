#include "align_journal.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/io/durable_file.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace amnet {
namespace {

constexpr std::size_t largest_journal = std::size_t{1} << 34;
constexpr std::string_view format = "amnet align 1", beginning = R"({"format":"amnet align )";

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// The lines of a file up to the first that is cut short or damaged, and where that begins.
std::size_t read_lines(std::string_view text, std::vector<Json>& lines) {
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; begin = end + 1, end = text.find('\n', begin)) {
    Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
    if (!line.is_object()) break;
    lines.push_back(std::move(line));
  }
  return begin;
}

}  // namespace

AlignJournal::AlignJournal(std::filesystem::path path, const Json& settings) : path_(std::move(path)), file_(nullptr, std::fclose) {
  const Json head = json_object({{"format", format}, {"settings", settings}});
  if (std::filesystem::exists(path_)) {
    const std::string text = read_file(path_, largest_journal);
    const std::size_t known = std::min(text.size(), beginning.size());
    require<DataError>(std::string_view(text).substr(0, known) == beginning.substr(0, known),
                       "{}: expected what train_face align wrote but it is another file; take another folder.", path_.string());
    std::vector<Json> lines;
    const std::size_t good = read_lines(text, lines);
    if (!lines.empty()) {
      const Json& first = lines.front();
      require<DataError>(first.value("format", "") == format && first.contains("settings"),
                         "{}: expected the format '{}' but it is of another version; take another folder.", path_.string(), format);
      for (const auto& [name, value] : settings.items()) {
        const Json& there = first["settings"];
        const std::string earlier = there.contains(name) ? there[name].dump() : "none";
        require(there.contains(name) && there[name] == value,
                "{}: the faces that are there were made with {} {}, and this run has {}; take another folder, or remove this file.",
                path_.string(), name, one_line(earlier), one_line(value.dump()));
      }
      for (std::size_t i = 1; i < lines.size(); ++i) {
        if (lines[i].contains("photograph") && lines[i]["photograph"].is_string())
          entries_[lines[i]["photograph"].get<std::string>()] = lines[i];
      }
      if (good < text.size()) write_durably(path_, std::string_view(text).substr(0, good));
    }
    if (lines.empty()) write_durably(path_, line_of(head));
  } else {
    write_durably(path_, line_of(head));
  }
  file_.reset(std::fopen(path_.c_str(), "ab"));
  require<FileError>(file_ != nullptr, "cannot write to {}: {}.", path_.string(), std::strerror(errno));
}

const Json* AlignJournal::of(const std::string& photograph) const {
  const auto found = entries_.find(photograph);
  return found == entries_.end() ? nullptr : &found->second;
}

void AlignJournal::add(const std::string& photograph, Json entry) {
  entry["photograph"] = photograph;
  append(entry);
  entries_[photograph] = std::move(entry);
}

void AlignJournal::append(const Json& line) {
  const std::string text = line_of(line);
  const bool written = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() && std::fflush(file_.get()) == 0;
  require<FileError>(written, "cannot write to {}: {}.", path_.string(), std::strerror(errno));
}

}  // namespace amnet

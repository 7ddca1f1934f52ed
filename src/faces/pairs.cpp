#include <amnet/core/error.h>
#include <amnet/core/path_hint.h>
#include <amnet/data/image_names.h>
#include <amnet/faces/pairs.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace amnet {
namespace {

constexpr std::int64_t most_pairs = 100'000'000;

std::vector<std::string_view> fields_of(std::string_view line) {
  const std::string_view separators = line.find('\t') == std::string_view::npos ? " " : "\t";
  std::vector<std::string_view> fields;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find_first_of(separators, begin), line.size());
    std::string_view field = line.substr(begin, end - begin);
    while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
    while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
    if (!field.empty()) fields.push_back(field);
    begin = end + 1;
  }
  return fields;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// A line as a message shows it: short, and without bytes that would confuse a terminal.
std::string shown(std::string_view line) {
  constexpr std::size_t longest = 200;
  std::string text(line.substr(0, longest));
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line.size() > longest ? text + "..." : text;
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& list) : list_(list.string()), stream_(list, std::ios::binary) {
    std::error_code unreadable;
    require<DataError>(!std::filesystem::is_directory(list, unreadable) && stream_.is_open(),
                       "{}: expected a list of pairs but it cannot be opened{}.", list_, path_hint(list_));
  }

  Pairs read() {
    const auto [folds, per_fold] = read_header();
    pairs_.folds = static_cast<int>(folds);
    for (std::int64_t fold = 0; fold < folds; ++fold) {
      for (std::int64_t i = 0; i < 2 * per_fold; ++i) read_pair(static_cast<std::int32_t>(fold), i < per_fold);
    }
    if (next_line()) {
      throw DataError(
          fmt::format("{}: expected the list to end after the {} folds of {} + {} pairs its first line promises but found `{}`; correct "
                      "the first line or the list.",
                      here(), folds, per_fold, per_fold, shown(line_)));
    }
    return std::move(pairs_);
  }

 private:
  std::string here() const { return fmt::format("{}:{}", list_, number_); }

  /// The next line that is not blank.
  bool next_line() {
    while (next_raw_line()) {
      if (!fields_of(line_).empty()) return true;
    }
    return false;
  }

  bool next_raw_line() {
    ++number_;
    if (!std::getline(stream_, line_)) {
      require<DataError>(!stream_.bad(), "{}: the list of pairs cannot be read any further.", here());
      return false;
    }
    if (number_ == 1 && line_.starts_with("\xEF\xBB\xBF")) line_.erase(0, 3);
    if (line_.ends_with('\r')) line_.pop_back();
    return true;
  }

  std::array<std::int64_t, 2> read_header() {
    const bool there = next_line();
    if (!there) number_ = 1;
    const auto fields = fields_of(line_);
    std::array<std::optional<std::int64_t>, 2> counts;
    if (there && fields.size() == 2) counts = {whole_number(fields[0]), whole_number(fields[1])};
    require<DataError>(counts[0] && counts[1], "{}: expected `folds<TAB>pairs`, as in `10<TAB>300`, but found `{}`.", here(),
                       there ? shown(line_) : "");
    require<DataError>(*counts[0] >= 2, "{}: expected at least 2 folds, for the threshold of a fold is chosen on the others, but found {}.",
                       here(), *counts[0]);
    require<DataError>(*counts[1] >= 1, "{}: expected at least 1 pair of each kind in a fold but found {}.", here(), *counts[1]);
    require<DataError>(*counts[0] <= most_pairs && *counts[1] <= most_pairs / *counts[0] / 2,
                       "{}: {} folds of {} pairs are more than the {} pairs that a list may hold.", here(), *counts[0], *counts[1],
                       most_pairs);
    return {*counts[0], *counts[1]};
  }

  void read_pair(std::int32_t fold, bool same) {
    const std::string_view wanted = same ? "name<TAB>i<TAB>j" : "nameA<TAB>i<TAB>nameB<TAB>j";
    const bool there = next_line();
    require<DataError>(there, "{}: expected `{}` (fold {} of {}) but the list ends; correct its first line or complete it.", here(), wanted,
                       fold + 1, pairs_.folds);
    const auto fields = fields_of(line_);
    // Blanks separate the fields of a line without tabs, also those within a name.
    const std::string_view tabs = line_.find('\t') == std::string::npos ? "; a name with spaces needs tabs around it" : "";
    require<DataError>(fields.size() == (same ? 3U : 4U), "{}: expected `{}` (a pair of {}, fold {} of {}) but found `{}`{}.", here(),
                       wanted, same ? "one person" : "two people", fold + 1, pairs_.folds, shown(line_),
                       fields.size() > (same ? 3U : 4U) ? tabs : "");
    for (const std::string_view number : {fields[1], fields[same ? 2 : 3]}) {
      require<DataError>(whole_number(number).has_value(), "{}: expected the number of an image (0 or more) but found `{}` in `{}`{}.",
                         here(), shown(number), shown(line_), tabs);
    }
    const std::string_view other = same ? fields[0] : fields[2];
    const std::int32_t a = image(fields[0], fields[1]);
    const std::int32_t b = image(other, fields.back());
    require<DataError>(!same || a != b, "{}: expected two images but `{}` pairs an image with itself.", here(), shown(line_));
    require<DataError>(same || fields[0] != other, "{}: expected a pair of two people but `{}` names one person twice.", here(),
                       shown(line_));
    pairs_.pairs.push_back({a, b, same, fold});
  }

  std::int32_t image(std::string_view name, std::string_view digits) {
    const bool plain = name != "." && name != ".." && std::none_of(name.begin(), name.end(), [](unsigned char c) {
                         return c < 0x20 || c == 0x7f || c == '/' || c == '\\';
                       });
    require<DataError>(plain, "{}: expected a person's name, which is also a folder's, but found `{}`{}.", here(), shown(name),
                       path_hint(shown(name)));
    const auto number = whole_number(digits);
    const auto [found, is_new] = image_of_.try_emplace(fmt::format("{0}/{0}_{1:04}", name, *number), narrow(pairs_.images.size()));
    if (is_new) {
      pairs_.images.push_back(found->first);
      pairs_.people.push_back(person(std::string(name)));
      pairs_.lines.push_back(number_);
    }
    return found->second;
  }

  std::int32_t person(std::string name) {
    const auto [found, is_new] = person_of_.try_emplace(std::move(name), narrow(pairs_.names.size()));
    if (is_new) pairs_.names.push_back(found->first);
    return found->second;
  }

  // below 2 * most_pairs
  static std::int32_t narrow(std::size_t count) { return static_cast<std::int32_t>(count); }

  std::string list_;
  std::ifstream stream_;
  std::string line_;
  std::int64_t number_ = 0;
  std::unordered_map<std::string, std::int32_t> image_of_, person_of_;
  Pairs pairs_;
};

/// For each stem the file it stands for; empty where there is none. Each folder is listed once:
/// looking up every ending in every case would access the disk many times for each image.
std::unordered_map<std::string, std::string> find_files(const std::vector<std::string>& stems, const ImageSource& images) {
  std::unordered_map<std::string, std::string> files;
  std::unordered_set<std::string> folders;
  for (const std::string& stem : stems) {
    files.try_emplace(stem);
    folders.insert(stem.substr(0, stem.rfind('/')));
  }
  images.for_each_file_in(folders, [&](std::string_view path) {
    if (kind_of_name(path) != NameKind::image) return;
    const auto wanted = files.find(std::string(without_ending(path)));
    if (wanted == files.end()) return;
    if (wanted->second.empty() || is_preferred(path, wanted->second)) wanted->second = path;
  });
  return files;
}

}  // namespace

Pairs read_pairs(const std::filesystem::path& list) { return Reader(list).read(); }

Pairs read_pairs(const std::filesystem::path& list, const std::filesystem::path& root, BadImages missing) {
  require_image_folder(root);
  return read_pairs(list, *image_folder(root), missing);
}

Pairs read_pairs(const std::filesystem::path& list, const ImageSource& images, BadImages missing) {
  Pairs pairs = read_pairs(list);
  const std::unordered_map<std::string, std::string> files = find_files(pairs.images, images);
  for (std::size_t i = 0; i < pairs.images.size(); ++i) {
    std::string& image = pairs.images[i];
    const std::string& file = files.at(image);
    if (file.empty()) {
      image += image_endings.front();
      if (missing == BadImages::skip) continue;
      const std::string alike = images.alike(image);
      throw DataError(fmt::format("{}:{}: expected the image {} but it is not there, neither {} in any case{}.", list.string(),
                                  pairs.lines[i], (images.place() / image).string(), endings_in_words(),
                                  alike.empty() ? path_hint(image) : fmt::format("; there is `{}`", alike)));
    }
    image = file;
  }
  return pairs;
}

}  // namespace amnet

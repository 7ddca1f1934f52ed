#include <amnet/core/error.h>
#include <amnet/core/path_hint.h>
#include <amnet/faces/face_list.h>

#include "exclusions.h"
#include "list_builder.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <system_error>
#include <unordered_map>

namespace amnet {
namespace {

constexpr std::int64_t max_classes = std::int64_t{1} << 31;
constexpr std::string_view blanks = " \t";
constexpr std::size_t longest_shown = 200;  // of a line, in a message

struct Entry {
  std::string_view path;
  std::int64_t label;
};

/// Parses one line that is not blank.
Entry parse_line(std::string_view line, std::string_view source, std::int64_t number, bool relabel) {
  require<DataError>(line.find('\0') == std::string_view::npos, "{}:{}: the line holds a zero byte; save the list as plain UTF-8 text.",
                     source, number);
  const auto split = line.find_last_of(blanks);
  require<DataError>(split != std::string_view::npos, "{}:{}: expected `path label` but the label of `{}` is missing.", source, number,
                     line.substr(0, longest_shown));
  const auto path_end = line.find_last_not_of(blanks, split);
  require<DataError>(path_end != std::string_view::npos, "{}:{}: expected `path label` but the path is missing.", source, number);

  const std::string_view text = line.substr(split + 1), shown = text.substr(0, longest_shown);
  std::int64_t label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  const bool integer = end == text.data() + text.size() && error != std::errc::invalid_argument;
  require<DataError>(integer, "{}:{}: expected an integer label after the last space but got `{}` in `{}`.", source, number, shown,
                     line.substr(0, longest_shown));
  if (relabel) {
    require<DataError>(error == std::errc(), "{}:{}: expected a label of 64 bits but got {}.", source, number, shown);
  } else {
    require<DataError>(text.front() != '-', "{}:{}: expected a label >= 0 but got {}; pass .relabel to have labels numbered anew.", source,
                       number, shown);
    require<DataError>(error == std::errc() && label < max_classes,
                       "{}:{}: expected a label below 2^31 but got {}; pass .relabel to have labels numbered anew.", source, number, shown);
  }
  return {line.substr(0, path_end + 1), label};
}

/// Room for every line of the file, which is read once more for it: growing vectors would hold up
/// to three times as much temporarily.
void reserve_for(std::ifstream& in, FaceList& list, std::vector<char>& buffer) {
  std::size_t bytes = 0, lines = 1;
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    bytes += static_cast<std::size_t>(in.gcount());
    lines += static_cast<std::size_t>(std::count(buffer.begin(), buffer.begin() + in.gcount(), '\n'));
  }
  list.reserve(lines, bytes);
  in.clear();
  in.seekg(0);
}

}  // namespace

FaceList::FaceList(std::filesystem::path root, std::string source) : FaceList(image_folder(std::move(root)), std::move(source)) {}

FaceList::FaceList(std::shared_ptr<const ImageSource> images, std::string source)
    : parts_{{.images = std::move(images), .source = std::move(source)}} {}

void FaceList::add(std::string_view path, std::int64_t label, std::int64_t line) {
  require(label >= 0 && label < max_classes, "[face list] expected a label from 0 to 2^31-1 but got {}.", label);
  require(line >= 0 && line <= std::numeric_limits<std::uint32_t>::max(), "[face list] a list has at most 2^32-1 lines; split it.");
  Images& named = to_change();
  named.paths += path;
  named.ends.push_back(named.paths.size());
  named.labels.push_back(static_cast<std::int32_t>(label));
  named.lines.push_back(static_cast<std::uint32_t>(line));
  classes_ = std::max(classes_, label + 1);
}

FaceList::Images& FaceList::to_change() {
  if (named_.use_count() > 1) named_ = std::make_shared<Images>(*named_);
  return *named_;
}

void FaceList::reserve(std::size_t images, std::size_t path_bytes) {
  Images& named = to_change();
  named.paths.reserve(path_bytes);
  named.ends.reserve(images);
  named.labels.reserve(images);
  named.lines.reserve(images);
}

void FaceList::join(const FaceList& other) {
  require(classes_ + other.classes_ <= max_classes, "[face list] expected at most 2^31 people in all but got {}.",
          classes_ + other.classes_);
  const auto old_labels_of = [](const FaceList& list) {
    std::vector<std::int64_t> labels = list.old_labels_;
    for (std::int64_t label = std::ssize(labels); label < list.classes_; ++label) labels.push_back(label);
    return labels;
  };
  old_labels_ = old_labels_of(*this);
  const std::vector<std::int64_t> more = old_labels_of(other);
  old_labels_.insert(old_labels_.end(), more.begin(), more.end());
  for (Part part : other.parts_) {
    part.first_image += size();
    part.first_label += classes_;
    parts_.push_back(std::move(part));
  }
  Images& named = to_change();
  const std::uint64_t paths_end = named.paths.size();
  named.paths += other.named_->paths;
  for (const std::uint64_t end : other.named_->ends) named.ends.push_back(paths_end + end);
  for (const std::int32_t label : other.named_->labels) named.labels.push_back(static_cast<std::int32_t>(classes_ + label));
  named.lines.insert(named.lines.end(), other.named_->lines.begin(), other.named_->lines.end());
  classes_ += other.classes_;
}

const FaceList::Part& FaceList::part_of(std::int64_t i) const {
  return *std::prev(std::ranges::upper_bound(parts_, i, {}, &Part::first_image));
}

std::size_t FaceList::bytes() const {
  return old_labels_.size() * sizeof(std::int64_t) + named_->paths.size() +
         static_cast<std::size_t>(size()) * (sizeof(std::uint64_t) + sizeof(std::int32_t) + sizeof(std::uint32_t));
}

std::string_view FaceList::path(std::int64_t i) const {
  const auto at = static_cast<std::size_t>(i);
  const std::size_t begin = at == 0 ? 0 : named_->ends[at - 1];
  return std::string_view(named_->paths).substr(begin, named_->ends[at] - begin);
}

std::filesystem::path FaceList::file(std::int64_t i) const { return images(i).place() / path(i); }

std::string FaceList::where(std::int64_t i) const {
  const std::string name = file(i).string();
  return line(i) == 0 ? name : fmt::format("{}:{}: {}", source(i), line(i), name);
}

void FaceList::set_classes(std::int64_t classes) {
  require(classes >= 1 && classes <= max_classes, "[face list] expected a number of classes from 1 to 2^31 but got {}.", classes);
  for (std::int64_t i = 0; i < size(); ++i) {
    require<DataError>(label(i) < classes, "{}: label {} does not fit into {} classes; set the classes to at least {}.", where(i), label(i),
                       classes, classes_);
  }
  classes_ = classes;
}

void FaceList::remove_classes(const std::vector<std::int64_t>& labels) {
  if (labels.empty()) return;
  for (std::int32_t& label : to_change().labels)
    label -= static_cast<std::int32_t>(std::ranges::lower_bound(labels, label) - labels.begin());
  classes_ -= static_cast<std::int64_t>(labels.size());
}

void FaceList::relabel(const std::vector<std::int32_t>& places, std::vector<std::int64_t> old_labels) {
  for (std::int32_t& label : to_change().labels) label = places[static_cast<std::size_t>(label)];
  classes_ = std::ssize(old_labels);
  old_labels_ = std::move(old_labels);
}

std::string_view FaceList::identity_of(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view folder = path.substr(0, slash);
  return folder.substr(folder.rfind('/') + 1);
}

namespace {

FaceList read_list(const std::filesystem::path& list_file, const std::filesystem::path& root, bool relabel, Exclusions& exclusions) {
  require_image_folder(root);
  const std::string source = list_file.string();
  std::error_code error;
  std::ifstream in(list_file, std::ios::binary);
  require<DataError>(std::filesystem::is_regular_file(list_file, error) && in.good(), "the list {} cannot be read; check its path{}.",
                     source, path_hint(source));
  ListBuilder builder(FaceList(root, source), relabel, exclusions);
  // a longer line is not a path: this limits the memory that a hostile file can use
  std::vector<char> buffer(std::size_t{1} << 16);
  reserve_for(in, builder.list(), buffer);

  for (std::int64_t number = 1; !in.eof(); ++number) {
    in.getline(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto read = in.gcount();
    require<DataError>(!in.bad(), "{}:{}: the list cannot be read any further; the disk may be failing.", source, number);
    if (in.fail() && read == 0) break;  // nothing after the last line's end
    require<DataError>(!in.fail(), "{}:{}: the line is longer than {} bytes; is this a list?", source, number, buffer.size() - 1);
    // gcount includes the line's end, which the last line may lack.
    std::string_view line(buffer.data(), static_cast<std::size_t>(in.eof() ? read : read - 1));
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    const auto last = line.find_last_not_of(" \t\r");
    if (last == std::string_view::npos) continue;
    const Entry entry = parse_line(line.substr(0, last + 1), source, number, relabel);
    builder.add(entry.path, entry.label, number);
  }
  return builder.finish("the list " + source);
}

/// The folders of people, and in which image each was found: refuses one that two lists have.
class PeopleFolders {
 public:
  void add(const FaceList& list) {
    std::error_code unreadable;
    const std::filesystem::path root = std::filesystem::weakly_canonical(list.images(0).place(), unreadable);
    std::string_view before;
    std::unordered_map<std::string, std::string> found;
    for (std::int64_t i = 0; i < list.size(); ++i) {
      const std::string_view path = list.path(i), folder = path.substr(0, std::min(path.rfind('/'), path.size()));
      // images without a folder have only their labels
      if (folder == before || folder == path) continue;
      before = folder;
      std::string whole = (root / folder).lexically_normal().string();
      const auto other = found_.find(whole);
      require<DataError>(other == found_.end(),
                         "{}: the person of this folder is also that of {} but people of different lists are different people; keep the "
                         "folder in one of the lists.",
                         list.where(i), other == found_.end() ? "" : other->second);
      found.try_emplace(std::move(whole), list.where(i));
    }
    found_.merge(found);
  }

 private:
  std::unordered_map<std::string, std::string> found_;
};

}  // namespace

FaceList read_face_lists(const std::vector<std::filesystem::path>& list_files, const std::vector<std::filesystem::path>& roots,
                         const ListOptions& options) {
  require(!list_files.empty() && (roots.size() == 1 || roots.size() == list_files.size()),
          "[face list] expected one root for all lists or one for each but got {} for {} lists.", roots.size(), list_files.size());
  Exclusions exclusions(options.exclude);
  PeopleFolders folders;
  FaceList joined;
  for (std::size_t i = 0; i < list_files.size(); ++i) {
    FaceList list = read_list(list_files[i], roots[roots.size() == 1 ? 0 : i], options.relabel, exclusions);
    if (list_files.size() > 1) folders.add(list);
    if (i == 0) {
      joined = std::move(list);
    } else {
      joined.join(list);
    }
  }
  exclusions.report(joined.notes());
  if (options.classes != 0) joined.set_classes(options.classes);
  return joined;
}

FaceList read_face_list(const std::filesystem::path& list_file, const std::filesystem::path& root, const ListOptions& options) {
  return read_face_lists({list_file}, {root}, options);
}

std::string label_table(const FaceList& list) {
  if (list.old_labels().empty()) return {};
  const bool is_joined = list.parts().size() > 1;
  std::string table = is_joined ? "label,label_in_list,list\n" : "label,label_in_list\n";
  for (std::size_t part = 0, i = 0; i < list.old_labels().size(); ++i) {
    while (part + 1 < list.parts().size() && list.parts()[part + 1].first_label <= static_cast<std::int64_t>(i)) ++part;
    table += fmt::format("{},{}{}\n", i, list.old_labels()[i], is_joined ? fmt::format(",{}", part + 1) : "");
  }
  return table;
}

UnusedLabels unused_labels(const FaceList& list) {
  UnusedLabels unused;
  std::int64_t expected = 0;
  const auto skip_to = [&](std::int64_t label) {
    unused.count += label - expected;
    for (; expected < label && unused.first.size() < 10; ++expected) unused.first.push_back(expected);
    expected = label + 1;
  };
  for (const std::int64_t label : labels_of(list)) skip_to(label);
  skip_to(list.classes());
  return unused;
}

}  // namespace amnet

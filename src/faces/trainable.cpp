#include <amnet/core/text.h>
#include <amnet/faces/trainable.h>

#include "folder_hint.h"

#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>

namespace amnet {
namespace {

const std::filesystem::path& place_of(const FaceList& list) { return list.parts().front().images->place(); }

bool is_folder(const FaceList& list) {
  std::error_code unreadable;
  return list.parts().front().source.empty() && std::filesystem::is_directory(place_of(list), unreadable);
}

std::string name_of(const FaceList& list) {
  if (list.parts().front().source.empty()) return (is_folder(list) ? "the folder " : "the packed file ") + place_of(list).string();
  std::vector<std::string> sources;
  for (const FaceList::Part& part : list.parts()) sources.push_back(part.source);
  return (sources.size() == 1 ? "the list " : "the lists ") + joined(sources, ", ");
}

bool has_two_people(const FaceList& list) {
  for (std::int64_t i = 1; i < list.size(); ++i) {
    if (list.label(i) != list.label(0)) return true;
  }
  return false;
}

std::string one_person(const FaceList& list) {
  const std::string_view person = list.identity(0);
  const std::string who = person.empty() ? fmt::format("label {}", list.label(0)) : fmt::format("`{}`", person);
  std::string what = fmt::format("{} holds {} of one person only ({}) but training tells people apart and needs at least two",
                                 name_of(list), list.size() == 1 ? "one image" : fmt::format("{} images", list.size()), who);
  if (list.notes().excluded_identities > 0) {
    what += fmt::format("; {} others are excluded", list.notes().excluded_identities);
  } else if (const std::string hint = is_folder(list) ? folder_hint(place_of(list)) : ""; !hint.empty()) {
    what += "; " + hint;
  } else {
    what += is_folder(list) ? "; put the images of each person into a sub-folder of its own" : "; give each person a label of its own";
  }
  return what + ".";
}

// "label 20190001 in list.txt:1", of the image of the largest label
std::string largest_label(const FaceList& list) {
  std::int64_t largest = 0;
  for (std::int64_t i = 1; i < list.size(); ++i) {
    if (list.label(i) > list.label(largest)) largest = i;
  }
  if (list.line(largest) > 0) return fmt::format("label {} in {}:{}", list.label(largest), list.source(largest), list.line(largest));
  return fmt::format("label {} in {}", list.label(largest), name_of(list));
}

double bytes_of_memory() { return static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGE_SIZE)); }

}  // namespace

std::string why_not_trainable(const FaceList& list, const TrainableOptions& options) {
  if (!has_two_people(list)) return one_person(list);
  const std::int64_t unused = unused_labels(list).count;
  if (options.classes == 0 && 2 * unused > list.classes()) {
    return fmt::format(
        "{} would make {} classes, of which {} have no image; pass .relabel to number the {} people from 0 on, or .classes {} to have "
        "them all.",
        largest_label(list), list.classes(), unused, list.classes() - unused, list.classes());
  }
  const double bytes =
      // with two of the solver
      3.0 * sizeof(float) * static_cast<double>(unused) * static_cast<double>(options.embedding);
  if (bytes <= bytes_of_memory()) return {};
  return fmt::format(
      "of the {} classes of {} {} have no image, and their weights with gradient and momentum would take {:.0f} GB, more than this machine "
      "has; pass .relabel to number the {} people from 0 on{}.",
      list.classes(), name_of(list), unused, bytes / 1e9, list.classes() - unused, options.classes > 0 ? ", or a smaller .classes" : "");
}

}  // namespace amnet

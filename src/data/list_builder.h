// A list as it is read, image by image: leaves out whom the user excludes, and closes the gaps this leaves in the labels.
#pragma once

#include "exclusions.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace amnet {

inline void sort_unique(std::vector<std::int64_t>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// The labels of the list, ascending, each once.
inline std::vector<std::int64_t> labels_of(const FaceList& list) {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < list.size(); ++i) {
    // Lists are mostly in runs of one label: this keeps the vector short.
    if (labels.empty() || labels.back() != list.label(i)) labels.push_back(list.label(i));
  }
  sort_unique(labels);
  return labels;
}

class ListBuilder {
 public:
  ListBuilder(FaceList list, const ListOptions& options)
      : list_(std::move(list)), exclusions_(options.exclude), classes_(options.classes) {}

  FaceList& list() { return list_; }

  /// Appends an image unless its identity is excluded.
  void add(std::string_view path, std::int64_t label, std::int64_t line) {
    if (exclusions_.excludes(FaceList::identity_of(path))) {
      excluded_labels_.push_back(label);
    } else {
      list_.add(path, label, line);
    }
  }

  /// The list, in which a label that lost all its images leaves no class behind: higher labels move down, in order.
  /// Throws DataError "<name> names no image ..." when nothing is left.
  FaceList finish(std::string_view name) {
    exclusions_.report(list_.notes());
    require<DataError>(!list_.empty(), "{} names no image{}.", name, excluded_labels_.empty() ? "" : " that is not excluded");
    sort_unique(excluded_labels_);
    std::vector<std::int64_t> vanished;
    std::ranges::set_difference(excluded_labels_, labels_of(list_), std::back_inserter(vanished));
    // An excluded label above all others has left no class behind already.
    std::erase_if(vanished, [&](std::int64_t label) { return label >= list_.classes(); });
    list_.remove_classes(vanished);
    if (classes_ != 0) list_.set_classes(classes_);
    return std::move(list_);
  }

 private:
  FaceList list_;
  Exclusions exclusions_;
  std::int64_t classes_;
  std::vector<std::int64_t> excluded_labels_;
};

}  // namespace amnet

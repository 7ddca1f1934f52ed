// A list while it is read, image by image: leaves out the identities that the user excludes, and
// closes the resulting gaps in the labels.
#pragma once

#include "exclusions.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace amnet {

inline void sort_unique(std::vector<std::int64_t>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// Labels, each once, in memory for about twice as many as there are different ones.
class LabelSet {
 public:
  void add(std::int64_t label) {
    // lists are mostly in runs of one label
    if (!labels_.empty() && labels_.back() == label) return;
    if (labels_.size() >= limit_) {
      sort_unique(labels_);
      limit_ = std::max(2 * labels_.size(), limit_);
      labels_.reserve(limit_);
    }
    labels_.push_back(label);
  }
  bool empty() const { return labels_.empty(); }
  /// Ascending.
  std::vector<std::int64_t> take() {
    sort_unique(labels_);
    return std::move(labels_);
  }

 private:
  std::vector<std::int64_t> labels_;
  std::size_t limit_ = std::size_t{1} << 16;
};

/// The labels of the list, ascending, each once.
inline std::vector<std::int64_t> labels_of(const FaceList& list) {
  LabelSet labels;
  for (std::int64_t i = 0; i < list.size(); ++i) labels.add(list.label(i));
  return labels.take();
}

/// Labels of any size as places, in the order in which they are found, and then in ascending order.
class Relabelling {
 public:
  std::int64_t place_of(std::int64_t label) {
    const auto [found, is_new] = places_.try_emplace(label, static_cast<std::int32_t>(places_.size()));
    return found->second;
  }

  /// Gives the labels of the list, which are places, the order of the labels they stand for.
  void finish(FaceList& list) const {
    std::vector<std::pair<std::int64_t, std::int32_t>> sorted(places_.begin(), places_.end());
    std::ranges::sort(sorted);
    std::vector<std::int64_t> labels;
    std::vector<std::int32_t> new_places(sorted.size());
    for (const auto& [label, place] : sorted) {
      new_places[static_cast<std::size_t>(place)] = static_cast<std::int32_t>(labels.size());
      labels.push_back(label);
    }
    list.relabel(new_places, std::move(labels));
  }

 private:
  std::unordered_map<std::int64_t, std::int32_t> places_;
};

class ListBuilder {
 public:
  /// The exclusions must outlive it.
  ListBuilder(FaceList list, bool relabel, Exclusions& exclusions) : list_(std::move(list)), exclusions_(exclusions) {
    if (relabel) relabelling_.emplace();
  }

  FaceList& list() { return list_; }

  /// Appends an image unless its identity is excluded.
  void add(std::string_view path, std::int64_t label, std::int64_t line) {
    if (exclusions_.excludes(FaceList::identity_of(path))) {
      excluded_labels_.add(label);
    } else {
      list_.add(path, relabelling_ ? relabelling_->place_of(label) : label, line);
    }
  }

  /// The list, in which a label that lost all its images is removed: higher labels move down, in
  /// order. Throws DataError "<name> names no image ..." when nothing is left.
  FaceList finish(std::string_view name) {
    require<DataError>(!list_.empty(), "{} names no image{}.", name, excluded_labels_.empty() ? "" : " that is not excluded");
    if (relabelling_) {
      relabelling_->finish(list_);
    } else {
      close_gaps();
    }
    return std::move(list_);
  }

 private:
  void close_gaps() {
    std::vector<std::int64_t> vanished;
    std::ranges::set_difference(excluded_labels_.take(), labels_of(list_), std::back_inserter(vanished));
    // An excluded label above all others has no class anyway.
    std::erase_if(vanished, [&](std::int64_t label) { return label >= list_.classes(); });
    list_.remove_classes(vanished);
  }

  FaceList list_;
  Exclusions& exclusions_;
  std::optional<Relabelling> relabelling_;
  LabelSet excluded_labels_;
};

}  // namespace amnet

#include <amnet/faces/check.h>

#include "content_hash.h"
#include "data/pipeline.h"
#include "read_face.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace amnet {
namespace {

struct HashOfHash {
  std::size_t operator()(const ContentHash& hash) const { return static_cast<std::size_t>(hash.low); }
};

struct Look {
  std::optional<ContentHash> hash;  // of a file that could be read
  std::optional<Finding> finding;
  bool warned = false;
};

Look look_at(const FaceList& list, std::int64_t i, const ImageFormat& format, std::vector<std::byte>& buffer) {
  const std::string where = list.where(i);
  Look look;
  Problem problem = Problem::unreadable;
  try {
    const std::span<const std::byte> file = list.images(i).read(list.path(i), where, buffer);
    look.hash = content_hash(file);
    problem = Problem::damaged;
    const Image image = decode_image(file, format.order, where);
    look.warned = image.warnings > 0;
    problem = Problem::wrong_size;
    require_size(image, format, where);
  } catch (const DataError& error) {
    look.finding = Finding{i, -1, problem, error.what()};
  }
  return look;
}

/// What the files have in common with files before them.
class Duplicates {
 public:
  explicit Duplicates(const FaceList& list) : list_(list) {}

  std::optional<Finding> check(std::int64_t i, const std::optional<ContentHash>& hash) {
    const auto [path, new_path] = by_path_.emplace(list_.path(i), i);
    if (!new_path) return finding(i, path->second, Problem::listed_twice, "is listed already, as");
    if (!hash) return std::nullopt;
    const auto [bytes, new_bytes] = by_bytes_.emplace(*hash, i);
    if (!new_bytes) return finding(i, bytes->second, Problem::duplicate, "holds the same bytes as");
    return std::nullopt;
  }

 private:
  Finding finding(std::int64_t i, std::int64_t other, Problem problem, std::string_view relation) const {
    const std::string labels = list_.label(i) == list_.label(other)
                                   ? std::string()
                                   : fmt::format(" under another label ({} here, {} there)", list_.label(i), list_.label(other));
    return {i, other, problem, fmt::format("{} {} {}{}.", list_.where(i), relation, list_.where(other), labels)};
  }

  const FaceList& list_;
  std::unordered_map<std::string_view, std::int64_t> by_path_;
  std::unordered_map<ContentHash, std::int64_t, HashOfHash> by_bytes_;
};

void count_identities(const FaceList& list, CheckReport& report) {
  std::unordered_map<std::int64_t, std::int64_t> images;
  for (std::int64_t i = 0; i < list.size(); ++i) ++images[list.label(i)];
  std::vector<std::int64_t> counts;
  for (const auto& [label, count] : images) counts.push_back(count);
  std::ranges::sort(counts);
  report.identities = static_cast<std::int64_t>(counts.size());
  report.single_images = std::ranges::count(counts, 1);
  if (counts.empty()) return;
  report.fewest = counts.front();
  report.median = counts[counts.size() / 2];
  report.most = counts.back();
}

}  // namespace

std::int64_t CheckReport::count(Problem problem) const { return std::ranges::count(findings, problem, &Finding::problem); }

CheckReport check_data(const FaceList& list, const ImageFormat& format, const CheckOptions& options) {
  check_image_format(format);
  CheckReport report;
  report.images = list.size();
  report.classes = list.classes();
  report.unused = unused_labels(list);
  count_identities(list, report);

  constexpr std::int64_t chunk = 64;  // images per job
  Pipeline<std::vector<Look>> pipeline(options.workers, options.workers + 1, (list.size() + chunk - 1) / chunk, [&](std::int64_t number) {
    return [&, number](const std::stop_token& stop) {
      std::vector<Look> looks;
      std::vector<std::byte> buffer;
      const std::int64_t end = std::min(list.size(), (number + 1) * chunk);
      for (std::int64_t i = number * chunk; i < end && !stop.stop_requested(); ++i) looks.push_back(look_at(list, i, format, buffer));
      return looks;
    };
  });
  Duplicates duplicates(list);
  std::int64_t done = 0;
  while (std::optional<std::vector<Look>> looks = pipeline.next()) {
    for (Look& look : *looks) {
      std::optional<Finding> duplicate = duplicates.check(done++, look.hash);
      report.good += look.finding || duplicate ? 0 : 1;
      report.warned += look.warned ? 1 : 0;
      if (look.finding) report.findings.push_back(std::move(*look.finding));
      if (duplicate) report.findings.push_back(std::move(*duplicate));
    }
    if (options.progress) options.progress(done, list.size());
  }
  return report;
}

}  // namespace amnet

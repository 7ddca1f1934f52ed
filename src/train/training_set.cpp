#include "training_set.h"

#include <amnet/core/random.h>
#include <amnet/data/packed_faces.h>

#include <memory>

namespace amnet {

FaceList read_training_set(const TrainOptions& options) {
  const ListOptions list_options{.classes = options.classes, .exclude = options.exclude};
  if (!options.pack.empty()) return list_packed(std::make_shared<PackedFaces>(options.pack), list_options);
  return options.train_list.empty() ? list_folder(options.root, list_options)
                                    : read_face_list(options.train_list, options.root, list_options);
}

std::uint64_t fingerprint_of(const FaceList& list) {
  std::uint64_t hash = stream_of("training set");
  for (std::int64_t i = 0; i < list.size(); ++i) {
    hash = (hash ^ stream_of(list.path(i)) ^ static_cast<std::uint64_t>(list.label(i))) * 1099511628211ULL;
  }
  return hash;
}

}  // namespace amnet

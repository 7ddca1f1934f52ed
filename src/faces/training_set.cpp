#include "training_set.h"

#include <amnet/faces/packed_faces.h>
#include <amnet/faces/trainable.h>

#include <memory>

namespace amnet {

FaceList read_training_set(const FaceTraining& options) {
  const ListOptions list_options{.classes = options.classes, .exclude = options.exclude, .relabel = options.relabel};
  FaceList list;
  if (!options.pack.empty()) {
    list = list_packed(std::make_shared<PackedFaces>(options.pack), list_options);
  } else if (options.train_list.empty()) {
    list = list_folder(options.root.front(), list_options);
  } else {
    list = read_face_lists(options.train_list, options.root, list_options);
  }
  const std::string reason = why_not_trainable(list, {.classes = options.classes, .embedding = options.network.embedding});
  require<DataError>(reason.empty(), "{}", reason);
  return list;
}

}  // namespace amnet

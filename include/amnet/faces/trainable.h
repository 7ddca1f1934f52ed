// Whether a list can be trained on, checked before anything is built for it. The content of the
// images is not checked: see check.h.
//
//   const std::string reason = why_not_trainable(list, {.embedding = 512});
//   require<DataError>(reason.empty(), "{}", reason);
#pragma once

#include <amnet/faces/face_list.h>

#include <cstdint>
#include <string>

namespace amnet {

struct TrainableOptions {
  std::int64_t classes = 0;      ///< as the user has set them; 0: the largest label + 1
  std::int64_t embedding = 512;  ///< of each class's weights
};

/// One sentence that says why not and what to do; empty where the list can be trained on. The
/// reasons: a list of one person only (the sentence names a folder that has more, if there is one);
/// labels of which most have no image, unless the user has set the classes; and classes without an
/// image whose weights would not fit into any memory.
std::string why_not_trainable(const FaceList& list, const TrainableOptions& options = {});

}  // namespace amnet

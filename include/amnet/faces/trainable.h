// Whether a list can be trained on, asked before anything is built for it. What the images hold is
// not looked at: see check.h.
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

/// One sentence that says why not and what to do, empty where it can: a list of one person only,
/// and with what folder it would not be; labels most of which nobody has, unless the user has set
/// the classes; and classes without an image whose weights no memory holds.
std::string why_not_trainable(const FaceList& list, const TrainableOptions& options = {});

}  // namespace amnet

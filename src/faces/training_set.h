// The list that a run trains on, read as its options say and found fit to be trained on.
#pragma once

#include <amnet/faces/face_list.h>
#include <amnet/faces/train_options.h>

#include <cstdint>

namespace amnet {

/// Throws DataError for a list that cannot be read, or cannot be trained on (faces/trainable.h).
FaceList read_training_set(const TrainOptions& options);

/// Changes when a path or a label of the training set does.
std::uint64_t fingerprint_of(const FaceList& list);

}  // namespace amnet

// The list that a run trains on, read as its options specify, and checked to be trainable.
#pragma once

#include <amnet/faces/face_list.h>
#include <amnet/faces/face_training.h>

namespace amnet {

/// Throws DataError for a list that cannot be read, or cannot be trained on (faces/trainable.h).
FaceList read_training_set(const FaceTraining& options);

}  // namespace amnet

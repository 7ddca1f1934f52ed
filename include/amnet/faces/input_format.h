// The image format of a run where the user has not set it: the format of the model that the run
// starts from, and the size of the images in its packed file. A preset does not decide here: its
// mean is for a network that starts from random weights.
//
//   FaceTraining options{.pack = "faces.pack", .init_from = "runs/a"};
//   for (const std::string& note : complete_input(options, {.mean = true})) fmt::print("{}\n", note);   // the mean was asked for
#pragma once

#include <amnet/faces/face_training.h>

#include <string>
#include <vector>

namespace amnet {

/// Which fields of FaceTraining::input the user has set.
struct InputGiven {
  bool size = false, order = false, mean = false, scale = false;
};

/// Fills in the rest, and returns a sentence for each difference between the format of the model
/// and what was set or would have been used. A resumed run takes the format of its checkpoint.
/// Throws FileError or DataError for a model or a pack that cannot be read, and UsageError where
/// the model and the pack have different sizes.
std::vector<std::string> complete_input(FaceTraining& options, const InputGiven& given);

}  // namespace amnet

// What a run takes its images for where nobody has said it: what the model expects that it starts
// from, and the size of the images in its packed file. A preset says nothing here: its mean is of a
// network that begins from nothing.
//
//   FaceTraining options{.pack = "faces.pack", .init_from = "runs/a"};
//   for (const std::string& note : complete_input(options, {.mean = true})) fmt::print("{}\n", note);   // the mean was asked for
#pragma once

#include <amnet/faces/face_training.h>

#include <string>
#include <vector>

namespace amnet {

/// What of FaceTraining::input the user has said.
struct InputGiven {
  bool size = false, order = false, mean = false, scale = false;
};

/// Fills in the rest, and answers a sentence for each difference between the model and what would
/// have been or was asked for. A run that goes on takes the format of its checkpoint. Throws
/// FileError or DataError for a model or a pack that cannot be read, and UsageError where the model
/// and the pack are of two sizes.
std::vector<std::string> complete_input(FaceTraining& options, const InputGiven& given);

}  // namespace amnet

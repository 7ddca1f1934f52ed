// Synthesised photographs: a drawn face (faces/synthetic_faces.h) turned, scaled and put somewhere
// in front of a background, with its landmarks, so that alignment can be tried and tested without a
// download. A detector of real faces does not find them.
//
//   const SyntheticPhotograph photograph = synthetic_photograph({.seed = 1, .identity = 3});
//   const Image face = align_face(photograph.image, photograph.landmarks);
#pragma once

#include <amnet/faces/alignment.h>
#include <amnet/faces/synthetic_faces.h>

#include <filesystem>

namespace amnet {

struct SyntheticPhotograph {
  Image image;  ///< RGB, of 240 to 479 pixels a side
  /// where the template's landmarks of the drawn face are in it
  Landmarks landmarks;
};

/// Every pixel is a function of the key and the variation.
SyntheticPhotograph synthetic_photograph(const FaceKey& key, const FaceVariation& variation = {});

/// Writes directory/id_00012/id_00012_0003.jpg …, with the names of write_synthetic_faces, and
/// directory/landmarks.csv, a landmark table of them. Throws UsageError where there is nothing to
/// write, FileError where a file cannot be written.
void write_synthetic_photographs(const std::filesystem::path& directory, const SyntheticFaces& faces,
                                 const SynthesisProgress& progress = {});

}  // namespace amnet

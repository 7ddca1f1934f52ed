// A folder of photographs becomes a folder of aligned faces, as training takes them: the same
// folders and names, one picture for each photograph.
//
//   const AlignSummary summary = align_folder({.in = "photographs", .out = "faces", .mtcnn = "mtcnn"});
//   fmt::print("{} of {} photographs\n", summary.aligned, summary.photographs);
//
// `out` then has the faces; faces.csv, a landmark table (faces/landmark_table.h) of them with what
// they measure; rejected.csv, the photographs without a face and why; align.html, a page with both;
// and align.jsonl, what was done of which photograph. The next run with the same settings goes on
// there, also after it was killed: it takes only what is new.
#pragma once

#include <amnet/faces/alignment.h>
#include <amnet/faces/landmark_table.h>
#include <amnet/faces/mtcnn.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace amnet {

enum class PictureKind : unsigned char { jpg, png };
constexpr std::array<std::string_view, 2> names_of(PictureKind) { return {"jpg", "png"}; }

struct AlignFolder {
  std::filesystem::path in, out;
  /// Where the faces are: the folder of MTCNN's nets, or a table with landmarks for the paths below
  /// `in`. One of both.
  std::filesystem::path mtcnn = {}, landmarks = {};
  MtcnnOptions detector = {};
  FaceChoice choice = FaceChoice::nearest;
  AlignmentOptions alignment = {};
  PictureKind kind = PictureKind::jpg;
  int quality = 95;        ///< of a JPEG, in [1,100]
  double least_eyes = 10;  ///< pixels between the eyes of a photograph; with less it is rejected
  /// pixels of the aligned face by which its landmarks may miss the template's (root mean square)
  double most_misfit = 10;
  int threads = 0;  ///< 0: those that the process may use
  /// Called on the calling thread with the photographs done and those in all.
  std::function<void(std::int64_t, std::int64_t)> progress = {};
};

/// An aligned face.
struct AlignedFace {
  std::string photograph, picture;  ///< below `in` and `out`
  int number = 0;                   ///< among the faces of the photograph that were chosen
  DetectedFace face;
  double eyes = 0;    ///< pixels between the eyes in the photograph
  double roll = 0;    ///< by how many degrees the face is turned in the photograph, clockwise
  double misfit = 0;  ///< as AlignFolder::most_misfit
};

struct RejectedPhotograph {
  std::string photograph, reason;
};

struct AlignSummary {
  std::int64_t photographs = 0;  ///< in all
  std::int64_t aligned = 0;      ///< those with a face
  std::int64_t earlier = 0;      ///< those that an earlier run had done
  std::vector<AlignedFace> faces = {};
  std::vector<RejectedPhotograph> rejected = {};
};

/// Does it, with all threads. Throws UsageError naming the option that is out of range, FileError,
/// DataError of a damaged table or net, and UsageError where `out` has faces of other settings.
AlignSummary align_folder(const AlignFolder& options);

/// "faces.csv": a table that read_landmark_table reads, with the pictures and what they measure.
std::string faces_table(const std::vector<AlignedFace>& faces);
/// "rejected.csv".
std::string rejected_table(const std::vector<RejectedPhotograph>& rejected);

}  // namespace amnet

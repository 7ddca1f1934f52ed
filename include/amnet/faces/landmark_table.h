// A table of faces in photographs as a CSV file: what `train_face align` writes and takes, and what
// the results of other detectors are written into. Its first line names the columns, in any order:
// `file`, and for each landmark (PointName) two as left_eye_x and left_eye_y. `face` counts the
// faces of a photograph from 0, `x1`, `y1`, `x2` and `y2` are the corners of its box, and `score`
// is what the detector thinks of it; these may be missing, and other columns are skipped. A value
// with a comma, a quotation mark or a line's end stands in quotation marks, which are doubled
// inside (RFC 4180).
//
//   const LandmarkTable table = read_landmark_table("landmarks.csv");
//   for (const DetectedFace& face : table.faces_of("ann/01.jpg")) fmt::print("{}\n", face.landmarks[2].x);
#pragma once

#include <amnet/faces/mtcnn.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// The landmarks, as the columns name them: left_eye_x is that of the first.
enum class PointName : unsigned char { left_eye, right_eye, nose, mouth_left, mouth_right };
constexpr std::array<std::string_view, 5> names_of(PointName) { return {"left_eye", "right_eye", "nose", "mouth_left", "mouth_right"}; }

/// What a table says, photograph by photograph.
struct LandmarkTable {
  std::map<std::string, std::vector<DetectedFace>, std::less<>> photographs;

  /// Those of a photograph in the order of their numbers; none where the table does not name it.
  const std::vector<DetectedFace>& faces_of(std::string_view file) const;
};

/// Coordinates are pixel centres that count from 0, boxes reach from pixel x1 to x2 (both in the
/// box). A face without a box gets that of its landmarks, one without a score 1. Throws DataError
/// of one sentence, with file and line, for a table that is missing or wrong, FileError where it
/// cannot be read.
LandmarkTable read_landmark_table(const std::filesystem::path& path);
/// The same of a text, which messages call `name`.
LandmarkTable parse_landmark_table(std::string_view text, const std::string& name);

}  // namespace amnet

#include <amnet/core/error.h>
#include <amnet/core/path_hint.h>
#include <amnet/core/text.h>
#include <amnet/faces/landmark_table.h>
#include <amnet/io/durable_file.h>

#include "csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace amnet {
namespace {

constexpr std::size_t largest_table = std::size_t{1} << 30;
constexpr double farthest = 1e6;  // pixels from the first one

/// Where the columns are; those that are missing are -1.
struct Columns {
  int file = -1, face = -1, score = -1;
  std::array<int, 10> points{};
  std::array<int, 4> corners{};
  std::size_t count = 0;
};

std::string column_of_point(std::size_t i) { return fmt::format("{}_{}", names_of(PointName{})[i / 2], i % 2 == 0 ? 'x' : 'y'); }

Columns columns_of(const std::vector<std::string>& header, const std::string& where) {
  const auto place = [&](std::string_view name) {
    const auto found = std::ranges::find(header, name);
    require<DataError>(found == header.end() || std::find(found + 1, header.end(), name) == header.end(),
                       "{}: the column '{}' is there twice.", where, name);
    return found == header.end() ? -1 : static_cast<int>(found - header.begin());
  };
  Columns columns{.file = place("file"), .face = place("face"), .score = place("score"), .count = header.size()};
  std::vector<std::string> missing;
  if (columns.file < 0) missing.emplace_back("file");
  for (std::size_t i = 0; i < columns.points.size(); ++i) {
    const std::string name = column_of_point(i);
    columns.points[i] = place(name);
    if (columns.points[i] < 0) missing.push_back(name);
  }
  constexpr std::array<std::string_view, 4> corner_names = {"x1", "y1", "x2", "y2"};
  for (std::size_t i = 0; i < corner_names.size(); ++i) columns.corners[i] = place(corner_names[i]);
  require<DataError>(missing.empty(), "{}: expected the names of the columns, but {} {} missing.", where, one_line(joined(missing, ", ")),
                     missing.size() == 1 ? "is" : "are");
  return columns;
}

/// A number of a row. Throws DataError with the line and the column.
double number_of(const std::vector<std::string>& cells, int column, std::string_view name, const std::string& where) {
  std::string_view text = cells[static_cast<std::size_t>(column)];
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<DataError>(error == std::errc{} && end == text.data() + text.size() && std::isfinite(value) && std::abs(value) <= farthest,
                     "{}: expected a number of pixels up to {:.0f} for {} but got '{}'.", where, farthest, name,
                     one_line(text.substr(0, 40)));
  return value;
}

DetectedFace face_of(const std::vector<std::string>& cells, const Columns& columns, const std::string& where) {
  DetectedFace face{.box = {}, .score = 1, .landmarks = {}};
  for (std::size_t i = 0; i < columns.points.size(); ++i) {
    const double value = number_of(cells, columns.points[i], column_of_point(i), where);
    (i % 2 == 0 ? face.landmarks[i / 2].x : face.landmarks[i / 2].y) = value;
  }
  require<DataError>(std::ranges::any_of(face.landmarks, [&](const Point& point) { return point != face.landmarks[0]; }),
                     "{}: expected five landmarks but all are at ({}, {}).", where, face.landmarks[0].x, face.landmarks[0].y);
  if (columns.score >= 0) face.score = number_of(cells, columns.score, "score", where);
  if (std::ranges::all_of(columns.corners, [](int column) { return column >= 0; })) {
    std::array<double, 4> corners{};
    for (std::size_t i = 0; i < corners.size(); ++i) corners[i] = number_of(cells, columns.corners[i], "the box", where);
    require<DataError>(corners[2] >= corners[0] && corners[3] >= corners[1],
                       "{}: expected x2 >= x1 and y2 >= y1 but got the box {}, {}, {}, {}.", where, corners[0], corners[1], corners[2],
                       corners[3]);
    face.box = {.left = corners[0], .top = corners[1], .width = corners[2] - corners[0] + 1, .height = corners[3] - corners[1] + 1};
  } else {
    const auto [left, right] = std::ranges::minmax(face.landmarks, {}, &Point::x);
    const auto [top, bottom] = std::ranges::minmax(face.landmarks, {}, &Point::y);
    face.box = {.left = left.x, .top = top.y, .width = right.x - left.x + 1, .height = bottom.y - top.y + 1};
  }
  return face;
}

}  // namespace

const std::vector<DetectedFace>& LandmarkTable::faces_of(std::string_view file) const {
  static const std::vector<DetectedFace> none;
  const auto found = photographs.find(file);
  return found == photographs.end() ? none : found->second;
}

LandmarkTable parse_landmark_table(std::string_view text, const std::string& name) {
  require<DataError>(text.find('\0') == std::string_view::npos, "{}: expected a table of text but it has zero bytes.", name);
  CsvRows rows(text, name);
  require<DataError>(rows.next(), "{}: expected a table of landmarks but it is empty.", name);
  const Columns columns = columns_of(rows.cells(), rows.where());
  std::map<std::string, std::map<std::int64_t, DetectedFace>, std::less<>> found;
  while (rows.next()) {
    const std::vector<std::string>& cells = rows.cells();
    require<DataError>(cells.size() == columns.count, "{}: expected {} values, as the first line has, but got {}.", rows.where(),
                       columns.count, cells.size());
    const std::string& file = cells[static_cast<std::size_t>(columns.file)];
    require<DataError>(!file.empty(), "{}: expected the name of a file but it is empty.", rows.where());
    auto& faces = found[file];
    std::int64_t number = static_cast<std::int64_t>(faces.size());
    if (columns.face >= 0) {
      const double given = number_of(cells, columns.face, "face", rows.where());
      require<DataError>(given >= 0 && given == std::floor(given), "{}: expected a number from 0 on for face but got {}.", rows.where(),
                         given);
      number = static_cast<std::int64_t>(given);
    }
    const bool is_new = faces.emplace(number, face_of(cells, columns, rows.where())).second;
    require<DataError>(is_new, "{}: face {} of {} is there already.", rows.where(), number, one_line(file));
  }
  LandmarkTable table;
  for (const auto& [file, faces] : found) {
    for (const auto& [number, face] : faces) table.photographs[file].push_back(face);
  }
  return table;
}

LandmarkTable read_landmark_table(const std::filesystem::path& path) {
  require<DataError>(std::filesystem::exists(path), "{}: expected a table of landmarks but there is none{}.", path.string(),
                     path_hint(path.string()));
  return parse_landmark_table(read_file(path, largest_table), path.string());
}

}  // namespace amnet

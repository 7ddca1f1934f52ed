// The tables of known faces that lie beside the project.
#pragma once

#include <amnet/faces/mtcnn.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "catch.h"

namespace amnet {

/// The rows of a table with a header, each value by its column's name.
inline std::vector<std::map<std::string, std::string>> rows_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file.good());
  const auto split = [](const std::string& line) {
    std::vector<std::string> cells(1);
    for (const char c : line) {
      if (c == ',') {
        cells.emplace_back();
      } else if (c != '\r') {
        cells.back() += c;
      }
    }
    return cells;
  };
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> header = split(line);
  std::vector<std::map<std::string, std::string>> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = split(line);
    REQUIRE(cells.size() >= header.size());
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < header.size(); ++i) row[header[i]] = cells[i];
  }
  return rows;
}

/// The faces of each photograph of a `raw_landmarks.csv`.
inline std::map<std::string, std::vector<DetectedFace>> known_faces(const std::filesystem::path& table) {
  std::map<std::string, std::vector<DetectedFace>> known;
  for (const auto& row : rows_of(table)) {
    const auto number = [&row](const std::string& column) { return std::stod(row.at(column)); };
    DetectedFace face{.box = {number("x1") - 1, number("y1") - 1, number("x2") - number("x1") + 1, number("y2") - number("y1") + 1},
                      .score = number("score"),
                      .landmarks = {}};
    const std::array<std::string, 5> names = {"left_eye", "right_eye", "nose", "mouth_left", "mouth_right"};
    for (std::size_t i = 0; i < names.size(); ++i) face.landmarks[i] = {number(names[i] + "_x"), number(names[i] + "_y")};
    known[row.at("file")].push_back(face);
  }
  return known;
}

}  // namespace amnet

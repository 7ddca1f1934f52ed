#include <amnet/core/error.h>
#include <amnet/faces/align_folder.h>
#include <amnet/faces/landmark_table.h>
#include <amnet/io/durable_file.h>

#include <string>
#include <utility>
#include <vector>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

const std::string header =
    "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y";
const std::string points = ",1,2,3,4,5,6,7,8,9,10.5";

std::string refusal_of(const std::string& text) {
  try {
    parse_landmark_table(text, "t.csv");
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("landmark table: columns in any order, faces in that of their numbers", "[landmark_table]") {
  const LandmarkTable table =
      parse_landmark_table("\xEF\xBB\xBF" + header + ",face,remark\r\nb.jpg" + points +
                               ",1,x\r\nb.jpg,20,2,3,4,5,6,7,8,9,10,0,y\r\n\r\n\"a, \"\"b\"\"\nc.jpg\"" + points + ",0,\"1,2\"",
                           "t.csv");
  CHECK(table.photographs.size() == 2);
  const auto& faces = table.faces_of("b.jpg");
  REQUIRE(faces.size() == 2);
  CHECK(faces[0].landmarks[0] == Point{20, 2});
  CHECK(faces[1].landmarks == Landmarks{{{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10.5}}});
  CHECK((faces[1].box.left == 1 && faces[1].box.top == 2 && faces[1].box.width == 9 && faces[1].box.height == 9.5));
  CHECK(faces[1].score == 1);
  CHECK(table.faces_of("a, \"b\"\nc.jpg").size() == 1);
  CHECK(table.faces_of("c.jpg").empty());
  CHECK(parse_landmark_table(header, "t.csv").photographs.empty());

  const LandmarkTable boxed = parse_landmark_table("x1,y1,x2,y2,score," + header + "\n10,20,19,39,0.5,a" + points, "t.csv");
  const DetectedFace& face = boxed.faces_of("a").at(0);
  CHECK((face.box.left == 10 && face.box.top == 20 && face.box.width == 10 && face.box.height == 20 && face.score == 0.5));
}

TEST_CASE("landmark table: what cannot be is refused with its line", "[landmark_table]") {
  const std::string good = header + "\na.jpg" + points + "\n";
  REQUIRE(refusal_of(good).empty());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "t.csv: expected a table of landmarks but it is empty."},
      {"\n\n", "t.csv: expected a table of landmarks but it is empty."},
      {"file,nose_x\n", "t.csv, line 1: expected the names of the columns, but left_eye_x, left_eye_y,"},
      {header.substr(5) + "\n", "but file is missing"},
      {header + ",nose_x\n", "t.csv, line 1: the column 'nose_x' is there twice."},
      {good + "b.jpg,1,2\n", "t.csv, line 3: expected 11 values, as the first line has, but got 3."},
      {good + "b.jpg" + points + ",4\n", "expected 11 values, as the first line has, but got 12."},
      {good + "b.jpg,x,2,3,4,5,6,7,8,9,10\n", "t.csv, line 3: expected a number of pixels up to 1000000 for left_eye_x but got 'x'."},
      {good + "b.jpg,1,2,3,4,5,6,7,8,9,\n", "for mouth_right_y but got ''."},
      {good + "b.jpg,nan,2,3,4,5,6,7,8,9,10\n", "but got 'nan'."},
      {good + "b.jpg,1,inf,3,4,5,6,7,8,9,10\n", "but got 'inf'."},
      {good + "b.jpg,1,2,3e7,4,5,6,7,8,9,10\n", "but got '3e7'."},
      {good + "b.jpg,1,2,3,4,5,6 7,7,8,9,10\n", "for nose_y but got '6 7'."},
      {good + "b.jpg,5,5,5,5,5,5,5,5,5,5\n", "t.csv, line 3: expected five landmarks but all are at (5, 5)."},
      {good + "," + points.substr(1) + "\n", "t.csv, line 3: expected the name of a file but it is empty."},
      {header + ",face\na" + points + ",-1\n", "t.csv, line 2: expected a number from 0 on for face but got -1."},
      {header + ",face\na" + points + ",0.5\n", "for face but got 0.5."},
      {header + ",face\na" + points + ",0\na" + points + ",0\n", "t.csv, line 3: face 0 of a is there already."},
      {header + ",x1,y1,x2,y2\na" + points + ",5,5,4,9\n", "expected x2 >= x1 and y2 >= y1 but got the box 5, 5, 4, 9."},
      {header + ",score\na" + points + ",high\n", "for score but got 'high'."},
      {good + "\"b.jpg" + points + "\n", "t.csv, line 3: the quotation mark of value 1 is not closed."},
      {good + "\"b\"c.jpg" + points + "\n", "t.csv, line 3: expected a comma behind the closing quotation mark of value 1."},
      {good + std::string("b\0.jpg", 6) + points + "\n", "t.csv: expected a table of text but it has zero bytes."},
  };
  for (const auto& [text, sentence] : cases) {
    INFO(text);
    CHECK_THAT(refusal_of(text), Contains(sentence));
  }
  CHECK_THROWS_AS(read_landmark_table("there is no such table.csv"), DataError);
}

TEST_CASE("landmark table: a table cut anywhere, or with any byte changed, is read or refused", "[landmark_table]") {
  const std::string text =
      header + ",face,score,x1,y1,x2,y2\n\"a, b.jpg\"" + points + ",0,0.5,1,2,3,4\nc.jpg" + points + ",1,0.5,1,2,3,4\n";
  for (std::size_t size = 0; size < text.size(); ++size) refusal_of(text.substr(0, size));
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char other : {'\0', '"', ',', '\n', '-', 'e', '\xFF'}) {
      std::string changed = text;
      changed[at] = other;
      refusal_of(changed);
    }
  }
  CHECK(parse_landmark_table(text, "t.csv").photographs.size() == 2);
}

TEST_CASE("landmark table: what alignment writes is read again", "[landmark_table]") {
  const DetectedFace face{.box = {1.5, 2, 30, 40.25}, .score = 0.75, .landmarks = {{{1, 2}, {3.125, 4}, {5, 6}, {7, 8}, {9, -10.5}}}};
  const std::vector<AlignedFace> faces = {{.photograph = "a, b/\"1\".jpg", .picture = "a, b/\"1\".jpg", .number = 0, .face = face},
                                          {.photograph = "c.jpg", .picture = "c.jpg", .number = 2, .face = face}};
  const LandmarkTable table = parse_landmark_table(faces_table(faces), "faces.csv");
  for (const AlignedFace& one : faces) {
    const DetectedFace& again = table.faces_of(one.photograph).at(0);
    CHECK(again.landmarks == face.landmarks);
    CHECK((again.box.left == 1.5 && again.box.width == Approx(30) && again.box.height == Approx(40.25) && again.score == 0.75));
  }
  CHECK(rejected_table({{.photograph = "x,y", .reason = "it is \"damaged\""}}) == "file,reason\n\"x,y\",\"it is \"\"damaged\"\"\"\n");
}

#include "align_page.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/report/html.h>
#include <amnet/report/svg.h>

#include "data/paste.h"
#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace amnet {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t columns = 6, most_cells = 24;
constexpr std::int64_t cell = 176, face_cell = 116, gap = 6;  // pixels
constexpr std::uint8_t paper = 232;                           // between light and dark pages
constexpr int quality = 88;
constexpr std::size_t most_rows = 200;
using Colour = std::array<std::uint8_t, 3>;
constexpr Colour box_colour = {255, 214, 0}, point_colour = {0, 230, 118};

void paint(Image& image, std::int64_t x, std::int64_t y, Colour colour) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::ranges::copy(colour, image.pixels.begin() + (y * image.width + x) * 3);
}

void paint_box(Image& image, const Box& box, double scale) {
  const auto at = [scale](double coordinate) { return static_cast<std::int64_t>(std::lround(std::clamp(coordinate * scale, -1e4, 1e4))); };
  const std::int64_t left = at(box.left), right = at(box.left + box.width) - 1, top = at(box.top), bottom = at(box.top + box.height) - 1;
  for (const std::int64_t thick : {0, 1}) {
    for (std::int64_t x = left; x <= right; ++x) paint(image, x, top + thick, box_colour), paint(image, x, bottom - thick, box_colour);
    for (std::int64_t y = top; y <= bottom; ++y) paint(image, left + thick, y, box_colour), paint(image, right - thick, y, box_colour);
  }
}

void paint_point(Image& image, const Point& point, double scale) {
  const auto x = std::lround((point.x + 0.5) * scale - 0.5), y = std::lround((point.y + 0.5) * scale - 0.5);
  for (std::int64_t i = -1; i <= 1; ++i) {
    for (std::int64_t j = -1; j <= 1; ++j) paint(image, x + i, y + j, point_colour);
  }
}

/// A grid of pictures, each in the middle of its cell.
class Sheet {
 public:
  Sheet(std::size_t count, std::int64_t side) : side_(side) {
    const auto cells = static_cast<std::int64_t>(count), across = std::min(columns, cells), down = (cells + columns - 1) / columns;
    image_ = {.height = down * (side + gap) - gap, .width = across * (side + gap) - gap, .pixels = {}};
    image_.pixels.assign(static_cast<std::size_t>(image_.height * image_.width * 3), paper);
  }
  void put(const Image& picture) {
    const std::int64_t left = at_ % columns * (side_ + gap) + (side_ - picture.width) / 2,
                       top = at_ / columns * (side_ + gap) + (side_ - picture.height) / 2;
    paste(picture, top, left, image_);
    ++at_;
  }
  std::vector<std::byte> jpeg() const { return encode_jpeg(image_, ChannelOrder::rgb, quality); }

 private:
  Image image_;
  std::int64_t side_, at_ = 0;
};

/// The photograph in a cell, and how many times smaller it is.
std::pair<Image, double> in_cell(const Image& photograph) {
  const double scale = static_cast<double>(cell) / static_cast<double>(std::max(photograph.height, photograph.width));
  const auto side = [scale](std::int64_t length) {
    return std::clamp<std::int64_t>(std::lround(static_cast<double>(length) * scale), 1, cell);
  };
  return {resized(photograph, side(photograph.height), side(photograph.width)), scale};
}

/// Up to so many, evenly over all.
template <class T>
std::vector<const T*> some_of(const std::vector<T>& all, std::int64_t most) {
  std::vector<const T*> some;
  const auto count = static_cast<std::int64_t>(all.size()), taken = std::min(count, most);
  for (std::int64_t i = 0; i < taken; ++i) some.push_back(&all[static_cast<std::size_t>(i * count / taken)]);
  return some;
}

void add_faces(HtmlReport& report, const AlignFolder& options, const AlignSummary& summary) {
  std::map<std::string, std::vector<const AlignedFace*>> of_photograph;
  for (const AlignedFace& face : summary.faces) of_photograph[face.photograph].push_back(&face);
  std::vector<Image> photographs, faces;
  for (const AlignedFace* one : some_of(summary.faces, most_cells)) {
    try {
      auto [small, scale] = in_cell(read_image(options.in / one->photograph, ChannelOrder::rgb));
      for (const AlignedFace* face : of_photograph[one->photograph]) {
        paint_box(small, face->face.box, scale);
        for (const Point& point : face->face.landmarks) paint_point(small, point, scale);
      }
      Image aligned = read_image(options.out / one->picture, ChannelOrder::rgb);
      photographs.push_back(std::move(small));
      faces.push_back(std::move(aligned));
    } catch (const DataError&) {
      continue;  // it was removed meanwhile
    }
  }
  if (photographs.empty()) return;
  report.add_heading("Faces");
  Sheet before(photographs.size(), cell), after(faces.size(), face_cell);
  for (const Image& photograph : photographs) before.put(photograph);
  for (const Image& face : faces) after.put(face);
  report.add_image(
      before.jpeg(), "image/jpeg", "Photographs with a box around each face and its five landmarks",
      fmt::format("{} of {} faces, evenly over the folder: the box of each and its landmarks.", photographs.size(), summary.faces.size()));
  report.add_image(after.jpeg(), "image/jpeg", "The aligned faces of the photographs above", "The same faces, aligned.");
}

void add_measures(HtmlReport& report, const AlignFolder& options, const AlignSummary& summary) {
  if (summary.faces.empty()) return;
  const auto values = [&](double AlignedFace::*measure) {
    std::vector<double> all;
    for (const AlignedFace& face : summary.faces) all.push_back(face.*measure);
    return all;
  };
  report.add_heading("What they measure");
  report.add_figure(draw(Histogram{.title = "Distance of the eyes",
                                   .x = {.label = "pixels of the photograph"},
                                   .groups = {{.name = "faces", .values = values(&AlignedFace::eyes)}},
                                   .marks = {{.at = options.least_eyes, .label = "least"}}}),
                    "In an aligned face the eyes are 35 pixels apart: smaller faces are enlarged, and blurred.");
  report.add_figure(
      draw(Histogram{
          .title = "Roll", .x = {.label = "degrees, clockwise"}, .groups = {{.name = "faces", .values = values(&AlignedFace::roll)}}}),
      "By how much a face is turned in its photograph. Many beyond 90 degrees: the photographs lie on their side.");
  report.add_figure(draw(Histogram{.title = "Misfit",
                                   .x = {.label = "pixels of the aligned face"},
                                   .groups = {{.name = "faces", .values = values(&AlignedFace::misfit)}},
                                   .marks = {{.at = options.most_misfit, .label = "most"}}}),
                    "By how much the aligned landmarks miss the template's. Frontal faces are at 1 to 5, profiles at 4 to 10.");
}

void add_rejected(HtmlReport& report, const AlignFolder& options, const AlignSummary& summary) {
  if (summary.rejected.empty()) return;
  report.add_heading("Rejected");
  std::vector<Image> pictures;
  for (const RejectedPhotograph* one : some_of(summary.rejected, 2 * columns)) {
    try {
      pictures.push_back(in_cell(read_image(options.in / one->photograph, ChannelOrder::rgb)).first);
    } catch (const DataError&) {
      continue;  // that is why it was rejected
    }
  }
  if (!pictures.empty()) {
    Sheet sheet(pictures.size(), cell);
    for (const Image& picture : pictures) sheet.put(picture);
    report.add_image(sheet.jpeg(), "image/jpeg", "Photographs that were rejected",
                     fmt::format("{} of the {} rejected photographs.", pictures.size(), summary.rejected.size()));
  }
  std::vector<std::vector<std::string>> rows;
  for (const RejectedPhotograph& one : summary.rejected) {
    if (rows.size() == most_rows) break;
    rows.push_back({one_line(one.photograph), one_line(one.reason)});
  }
  report.add_table(std::vector<std::string>{"photograph", "reason"}, rows,
                   rows.size() < summary.rejected.size()
                       ? fmt::format("The first {} of {}; rejected.csv has all.", rows.size(), summary.rejected.size())
                       : "");
}

}  // namespace

std::string align_page(const AlignFolder& options, const AlignSummary& summary) {
  HtmlReport report("Aligned faces", one_line(options.in.string()));
  const double share = 100 * static_cast<double>(summary.aligned) / static_cast<double>(std::max<std::int64_t>(1, summary.photographs));
  report.add_key_figures(std::vector<HtmlReport::Figure>{
      {fmt::format("{}", summary.photographs), "photographs", ""},
      {fmt::format("{:.1f} %", share), "with a face", fmt::format("{} photographs", summary.aligned)},
      {fmt::format("{}", summary.faces.size()), "aligned faces", std::string(name_of(options.alignment.form)) + " pixels, height x width"},
      {fmt::format("{}", summary.rejected.size()), "rejected", ""}});
  add_faces(report, options, summary);
  add_measures(report, options, summary);
  add_rejected(report, options, summary);
  report.add_heading("Settings");
  std::vector<std::pair<std::string, std::string>> entries;
  if (options.landmarks.empty()) {
    const auto& thresholds = options.detector.thresholds;
    entries = {{"detection", "MTCNN, " + one_line(options.mtcnn.string())},
               {"smallest face", fmt::format("{:g} pixels", options.detector.min_face)},
               {"factor of the pyramid", fmt::format("{:g}", options.detector.factor)},
               {"thresholds", fmt::format("{:g}, {:g}, {:g}", thresholds[0], thresholds[1], thresholds[2])},
               {"of several faces", std::string(name_of(options.choice))}};
  } else {
    entries = {{"landmarks", one_line(options.landmarks.string())}, {"of several faces", std::string(name_of(options.choice))}};
  }
  entries.emplace_back("template", std::string(name_of(options.alignment.form)));
  entries.emplace_back("fit", std::string(name_of(options.alignment.method)));
  entries.emplace_back("pictures",
                       options.kind == PictureKind::png ? std::string("PNG") : fmt::format("JPEG, quality {}", options.quality));
  report.add_key_values(entries);
  return report.str();
}

}  // namespace amnet

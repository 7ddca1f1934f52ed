#include <amnet/core/error.h>
#include <amnet/faces/alignment.h>

#include <algorithm>
#include <cmath>
#include <complex>

namespace amnet {
namespace {

using Complex = std::complex<double>;

Complex complex_of(Point point) { return {point.x, point.y}; }

Complex mean_of(const Landmarks& points) {
  Complex sum = 0;
  for (const Point& point : points) sum += complex_of(point);
  return sum / static_cast<double>(points.size());
}

void require_spread(const Landmarks& points, const char* which) {
  for (const Point& point : points) {
    require<DataError>(std::isfinite(point.x) && std::isfinite(point.y), "[alignment] {}: expected finite coordinates but got ({}, {}).",
                       which, point.x, point.y);
  }
  require<DataError>(std::ranges::any_of(points, [&](const Point& point) { return point != points[0]; }),
                     "[alignment] {}: expected five landmarks but got ({}, {}) five times.", which, points[0].x, points[0].y);
}

/// A part of an image, in which pixel (0, 0) is (left, top) of the image.
struct Part {
  Image image;
  std::int64_t left, top;
};

/// The pixels that the warped picture shows, with two more on each side, and corners that stay on
/// whole pixels when the part is halved so many times.
Part part_for(const Image& image, const Similarity& back, std::int64_t height, std::int64_t width, int halvings) {
  double left = static_cast<double>(image.width), right = 0, top = static_cast<double>(image.height), bottom = 0;
  for (const Point corner : {Point{0, 0}, Point{static_cast<double>(width - 1), 0}, Point{0, static_cast<double>(height - 1)},
                             Point{static_cast<double>(width - 1), static_cast<double>(height - 1)}}) {
    const Point at = back(corner);
    left = std::min(left, at.x), right = std::max(right, at.x), top = std::min(top, at.y), bottom = std::max(bottom, at.y);
  }
  const std::int64_t step = std::int64_t{1} << halvings;
  const auto low = [&](double at, std::int64_t side) {
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(std::clamp(at, -1e9, 1e9))) - 2 * step, 0, side) / step * step;
  };
  const auto high = [&](double at, std::int64_t side) {
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(std::clamp(at, -1e9, 1e9))) + 1 + 2 * step, 0, side);
  };
  Part part{.image = {}, .left = low(left, image.width), .top = low(top, image.height)};
  part.image.width = std::max<std::int64_t>(0, high(right, image.width) - part.left);
  part.image.height = std::max<std::int64_t>(0, high(bottom, image.height) - part.top);
  part.image.pixels.resize(static_cast<std::size_t>(part.image.width * part.image.height * 3));
  for (std::int64_t y = 0; y < part.image.height; ++y) {
    std::copy_n(image.pixels.data() + ((part.top + y) * image.width + part.left) * 3, part.image.width * 3,
                part.image.pixels.data() + y * part.image.width * 3);
  }
  return part;
}

/// Means of 2x2 pixels; of the pixels that there are in the last row or column of an odd number.
Image halved(const Image& image) {
  Image half{.height = (image.height + 1) / 2, .width = (image.width + 1) / 2, .pixels = {}};
  half.pixels.resize(static_cast<std::size_t>(half.height * half.width * 3));
  for (std::int64_t y = 0; y < half.height; ++y) {
    const std::uint8_t* upper = image.pixels.data() + 2 * y * image.width * 3;
    const std::uint8_t* lower = 2 * y + 1 < image.height ? upper + image.width * 3 : upper;
    std::uint8_t* to = half.pixels.data() + y * half.width * 3;
    for (std::int64_t x = 0; x < half.width; ++x) {
      const std::int64_t left = 6 * x, right = 2 * x + 1 < image.width ? left + 3 : left;
      for (std::int64_t c = 0; c < 3; ++c) {
        *to++ = static_cast<std::uint8_t>((upper[left + c] + upper[right + c] + lower[left + c] + lower[right + c] + 2) / 4);
      }
    }
  }
  return half;
}

}  // namespace

Landmarks landmarks_of(FaceTemplate form) {
  Landmarks points = {{{30.2946, 51.6963}, {65.5318, 51.5014}, {48.0252, 71.7366}, {33.5493, 92.3655}, {62.7299, 92.2041}}};
  if (form == FaceTemplate::arcface) {
    for (Point& point : points) point.x += 8;
  }
  return points;
}

double Similarity::scale() const { return std::hypot(along, across); }
double Similarity::angle() const { return std::atan2(across, along); }

Similarity Similarity::inverse() const {
  const double square = along * along + across * across;
  const Similarity turn{.along = along / square, .across = -across / square};
  const Point shift = turn({right, down});
  return {.along = turn.along, .across = turn.across, .right = -shift.x, .down = -shift.y};
}

Similarity fit_similarity(const Landmarks& from, const Landmarks& to, AlignmentMethod method) {
  require_spread(from, "from");
  require_spread(to, "to");
  const Complex z_mean = mean_of(from), w_mean = mean_of(to);
  Complex zw = 0;
  double zz = 0, ww = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Complex z = complex_of(from[i]) - z_mean, w = complex_of(to[i]) - w_mean;
    zw += std::conj(z) * w;
    zz += std::norm(z);
    ww += std::norm(w);
  }
  require<DataError>(std::abs(zw) > 1e-12 * std::sqrt(zz * ww),
                     "[alignment] from: no turn brings these landmarks nearer to the template than another.");
  // w = a z + b by least squares, or z = (w - b) / a by least squares.
  const Complex a = method == AlignmentMethod::umeyama ? zw / zz : ww / std::conj(zw);
  Complex b = w_mean - a * z_mean;
  if (method == AlignmentMethod::cp2tform) {
    const Complex first(1, 1);  // the coordinates of the first pixel there
    b += a * first - first;
  }
  return {.along = a.real(), .across = a.imag(), .right = b.real(), .down = b.imag()};
}

double misfit(const Similarity& map, const Landmarks& from, const Landmarks& to) {
  double sum = 0;
  for (std::size_t i = 0; i < from.size(); ++i) sum += std::norm(complex_of(map(from[i])) - complex_of(to[i]));
  return std::sqrt(sum / static_cast<double>(from.size()));
}

Image warp(const Image& image, const Similarity& map, std::int64_t height, std::int64_t width, bool area) {
  require(height >= 1 && width >= 1, "[warp] expected a size of at least 1x1 but got {}x{}.", height, width);
  Similarity back = map.inverse();
  int halvings = 0;
  for (double step = back.scale(); area && step > 2 && halvings < 16; step /= 2) ++halvings;
  Part part = part_for(image, back, height, width, halvings);
  back.right -= static_cast<double>(part.left);
  back.down -= static_cast<double>(part.top);
  for (int i = 0; i < halvings; ++i) {
    part.image = halved(part.image);
    // (x + 1/2) / 2 - 1/2: the middle of two pixels becomes the centre of one
    back = {.along = back.along / 2, .across = back.across / 2, .right = (back.right - 0.5) / 2, .down = (back.down - 0.5) / 2};
  }

  const Image& source = part.image;
  Image warped{.height = height, .width = width, .pixels = {}};
  warped.pixels.resize(static_cast<std::size_t>(height * width * 3));
  std::uint8_t* to = warped.pixels.data();
  const double last_x = static_cast<double>(source.width), last_y = static_cast<double>(source.height);
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column, to += 3) {
      const Point at = back({static_cast<double>(column), static_cast<double>(row)});
      if (!(at.x > -1 && at.x < last_x && at.y > -1 && at.y < last_y)) continue;  // black
      const double x_floor = std::floor(at.x), y_floor = std::floor(at.y);
      const auto x = static_cast<std::int64_t>(x_floor), y = static_cast<std::int64_t>(y_floor);
      const auto x_share = static_cast<float>(at.x - x_floor), y_share = static_cast<float>(at.y - y_floor);
      std::array<float, 3> sum{};
      for (std::int64_t j = 0; j < 2; ++j) {
        for (std::int64_t i = 0; i < 2; ++i) {
          if (x + i < 0 || x + i >= source.width || y + j < 0 || y + j >= source.height) continue;
          const float share = (i == 0 ? 1 - x_share : x_share) * (j == 0 ? 1 - y_share : y_share);
          const std::uint8_t* pixel = source.pixels.data() + ((y + j) * source.width + x + i) * 3;
          for (std::size_t c = 0; c < 3; ++c) sum[c] += share * static_cast<float>(pixel[c]);
        }
      }
      for (std::size_t c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(std::lround(sum[c]));
    }
  }
  return warped;
}

Image align_face(const Image& photograph, const Landmarks& landmarks, const AlignmentOptions& options) {
  const Similarity map = fit_similarity(landmarks, landmarks_of(options.form), options.method);
  return warp(photograph, map, height_of(options.form), width_of(options.form), options.method == AlignmentMethod::umeyama);
}

}  // namespace amnet

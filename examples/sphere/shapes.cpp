#include "labelled_images.h"

#include <amnet/core/random.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

using namespace amnet;

namespace {

constexpr std::int64_t size = 28;

struct Point {
  double x, y;
};
using Stroke = std::vector<Point>;

Stroke arc(double from, double to, double radius_from, double radius_to) {
  constexpr int pieces = 14;
  Stroke stroke;
  for (int i = 0; i <= pieces; ++i) {
    const double share = static_cast<double>(i) / pieces, angle = std::numbers::pi * std::lerp(from, to, share);
    const double radius = std::lerp(radius_from, radius_to, share);
    stroke.push_back({radius * std::cos(angle), radius * std::sin(angle)});
  }
  return stroke;
}

// In [-1,1], y down. Neighbours in this list are alike, so that there is something to learn.
const std::array<std::vector<Stroke>, 10>& shapes() {
  static const std::array<std::vector<Stroke>, 10> all = {{
      // ring
      {arc(0, 2, 0.7, 0.7)},
      // square
      {{{-0.65, -0.65}, {0.65, -0.65}, {0.65, 0.65}, {-0.65, 0.65}, {-0.65, -0.65}}},
      // triangle
      {{{0, -0.75}, {0.7, 0.6}, {-0.7, 0.6}, {0, -0.75}}},
      // plus
      {{{0, -0.75}, {0, 0.75}}, {{-0.75, 0}, {0.75, 0}}},
      // T
      {{{0, -0.75}, {0, 0.75}}, {{-0.65, -0.75}, {0.65, -0.75}}},
      // L
      {{{-0.3, -0.75}, {-0.3, 0.65}, {0.5, 0.65}}},
      // Z
      {{{-0.6, -0.65}, {0.6, -0.65}, {-0.6, 0.65}, {0.6, 0.65}}},
      // N
      {{{-0.65, 0.65}, {-0.65, -0.65}, {0.65, 0.65}, {0.65, -0.65}}},
      // U
      {{{-0.6, -0.7}, {-0.6, 0.1}}, arc(1, 0, 0.6, 0.6), {{0.6, 0}, {0.6, -0.7}}},
      // spiral
      {arc(0, 3.2, 0.1, 0.8)},
  }};
  return all;
}

double distance_to(const Point& a, const Point& b, double x, double y) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double share = std::clamp(((x - a.x) * dx + (y - a.y) * dy) / std::max(dx * dx + dy * dy, 1e-12), 0.0, 1.0);
  return std::hypot(x - a.x - share * dx, y - a.y - share * dy);
}

void draw_shape(const std::vector<Stroke>& shape, const Random& random, std::span<float> pixels) {
  std::uint64_t next = 0;
  const auto between = [&](double low, double high) { return random.uniform(next++, low, high); };
  const double angle = between(-0.4, 0.4), shear = between(-0.3, 0.3), scale = between(7.0, 10.5), stretch = between(0.8, 1.2);
  const double left = size / 2.0 + between(-2.5, 2.5), top = size / 2.0 + between(-2.5, 2.5), width = between(0.7, 1.7);
  const double bend = between(-0.25, 0.25), wave = between(0, 2 * std::numbers::pi), noise = between(0.02, 0.12);
  std::vector<Stroke> strokes = shape;
  for (Stroke& stroke : strokes) {
    for (Point& point : stroke) {
      const double bent_x = point.x + bend * std::sin(2 * point.y + wave) + 0.05 * random.normal(next);
      const double bent_y = point.y + bend * std::cos(2 * point.x + wave) + 0.05 * random.normal(next + 1);
      next += 2;
      const double x = scale * stretch * (bent_x + shear * bent_y), y = scale / stretch * bent_y;
      point = {left + std::cos(angle) * x - std::sin(angle) * y, top + std::sin(angle) * x + std::cos(angle) * y};
    }
  }
  for (std::int64_t row = 0; row < size; ++row) {
    for (std::int64_t column = 0; column < size; ++column) {
      double nearest = std::numeric_limits<double>::max();
      for (const Stroke& stroke : strokes) {
        for (std::size_t i = 0; i + 1 < stroke.size(); ++i) {
          nearest =
              std::min(nearest, distance_to(stroke[i], stroke[i + 1], static_cast<double>(column) + 0.5, static_cast<double>(row) + 0.5));
        }
      }
      const double ink = std::clamp(width + 0.5 - nearest, 0.0, 1.0) + noise * random.normal(next++);
      pixels[static_cast<std::size_t>(row * size + column)] = static_cast<float>(2 * std::clamp(ink, 0.0, 1.0) - 1);
    }
  }
}

}  // namespace

LabelledImages draw_shapes(std::int64_t count, std::uint64_t seed) {
  LabelledImages drawn{Tensor({count, size, size, 1}, DType::f32), Tensor({count}, DType::i64), static_cast<std::int64_t>(shapes().size())};
  const auto labels = drawn.labels.data<std::int64_t>();
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t label = labels[static_cast<std::size_t>(n)] = n % drawn.classes;
    draw_shape(shapes()[static_cast<std::size_t>(label)], Random(seed, stream_of("shapes"), static_cast<std::uint64_t>(n)),
               drawn.images.slice(n, n + 1).data<float>());
  }
  return drawn;
}

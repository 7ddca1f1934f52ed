// What the synthesiser paints on: planes of floats in linear light, and anti-aliased painting by
// signed distance. The small functions are defined here and not taken from libm: they vectorise,
// and every machine gets the same picture.
#pragma once

#include <amnet/faces/synthetic_faces.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace amnet::synthetic {

inline constexpr int height = static_cast<int>(synthetic_face_height);
inline constexpr int width = static_cast<int>(synthetic_face_width);
inline constexpr int pixels = height * width;

inline float clamp01(float value) { return std::min(std::max(value, 0.0F), 1.0F); }
inline float mix(float from, float to, float share) { return from + (to - from) * share; }
/// 0 at or below `low`, 1 at or above `high`, smooth between.
inline float smooth_step(float low, float high, float value) {
  const float x = clamp01((value - low) / (high - low));
  return x * x * (3 - 2 * x);
}
/// A bump: 1 where `squared` is 0, falling smoothly to 0 where it is 1.
inline float bump(float squared) {
  const float x = std::max(1 - squared, 0.0F);
  return x * x;
}
/// Nearly the sine of 2 pi `turns`, by parabolas.
inline float wave(float turns) {
  const float x = turns - std::floor(turns + 0.5F);
  return 8 * x - 16 * x * std::abs(x);
}
/// base^exponent for base > 0, right to about 2e-3.
inline float power(float base, float exponent) {
  const auto bits = std::bit_cast<std::uint32_t>(base);
  const float mantissa = std::bit_cast<float>((bits & 0x7FFFFFU) | 0x3F800000U);  // in [1,2)
  const float whole = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 127);
  const float t = mantissa - 1;
  const float part = t * (1.42287F + t * (-0.58209F + t * 0.15922F));  // log2(1 + t), a cubic fit
  const float log2 = std::clamp(exponent * (whole + part), -120.0F, 120.0F);
  const float floor = std::floor(log2);
  const float rest = log2 - floor;
  const float scale = std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::int32_t>(floor) + 127) << 23);
  return scale * (1 + rest * (0.6951F + rest * (0.2262F + rest * 0.0787F)));
}

struct Colour {
  float r, g, b;  // linear light, 1 is white
};
inline Colour mix(const Colour& from, const Colour& to, float share) {
  return {mix(from.r, to.r, share), mix(from.g, to.g, share), mix(from.b, to.b, share)};
}
inline Colour operator*(const Colour& colour, float gain) { return {colour.r * gain, colour.g * gain, colour.b * gain}; }
/// From screen values [0,255], gamma 2.
constexpr Colour screen(float r, float g, float b) { return {r * r / 65025, g * g / 65025, b * b / 65025}; }

struct Point {
  float x, y;
};

/// Face coordinates have their origin between eyes and nose, x to the right, y down, in pixels of
/// an unscaled face.
struct Camera {
  float cosine = 1, sine = 0, scale = 1;  // roll and scale
  Point centre = {48, 62};                // where the origin lies in the image
  // how far yaw and pitch move the face's nearest point, pixels
  Point turn = {0, 0};

  /// How near to the viewer a place of the head is: 1 at the origin, 0 at its rim.
  static float nearness(float x, float y) { return std::max(1 - (x * x) / (42 * 42) - (y * y) / (54 * 54), 0.0F); }
};

/// The painted face: its own colours, where it covers the background, and its relief.
struct Canvas {
  using Plane = std::array<float, pixels>;
  Plane r, g, b;             // albedo of what is in front
  Plane cover;               // 1 where the person hides the background
  Plane head_x, head_y;      // face coordinates of each pixel on the turned head's outline
  Plane face_x, face_y;      // and on its surface, where features move with the turn
  Plane relief_x, relief_y;  // slope of the relief on the head's ellipsoid
  Camera camera;

  explicit Canvas(const Camera& with) : camera(with) {
    for (Plane* plane : {&r, &g, &b, &cover, &relief_x, &relief_y}) plane->fill(0);
    for (int row = 0; row < height; ++row) {
      for (int column = 0; column < width; ++column) {
        const float x = (static_cast<float>(column) + 0.5F - camera.centre.x) / camera.scale;
        const float y = (static_cast<float>(row) + 0.5F - camera.centre.y) / camera.scale;
        const int i = row * width + column;
        const auto at = static_cast<std::size_t>(i);
        head_x[at] = camera.cosine * x + camera.sine * y;
        head_y[at] = camera.cosine * y - camera.sine * x;
        const float near = Camera::nearness(head_x[at], head_y[at]);
        face_x[at] = head_x[at] - camera.turn.x * near;
        face_y[at] = head_y[at] - camera.turn.y * near;
      }
    }
  }
};

/// Pixels [left,right) x [top,bottom).
struct Box {
  int left = 0, top = 0, right = width, bottom = height;
};

/// The pixels in which a feature within `reach` of `centre` (face coordinates) can lie.
inline Box box_around(const Canvas& canvas, Point centre, Point reach) {
  const Camera& camera = canvas.camera;
  const float near = Camera::nearness(centre.x, centre.y);
  const float x = centre.x + camera.turn.x * near;
  const float y = centre.y + camera.turn.y * near;
  const float column = camera.centre.x + camera.scale * (camera.cosine * x - camera.sine * y);
  const float row = camera.centre.y + camera.scale * (camera.cosine * y + camera.sine * x);
  const float slant = std::abs(camera.sine);
  // the turn stretches and the roll tilts
  const float half_width = 1.2F * (reach.x + slant * reach.y) + 4;
  const float half_height = 1.2F * (reach.y + slant * reach.x) + 4;
  const auto pixel = [](float value, int end) { return static_cast<int>(std::clamp(value, 0.0F, static_cast<float>(end))); };
  return {pixel(column - half_width, width), pixel(row - half_height, height), pixel(column + half_width + 1, width),
          pixel(row + half_height + 1, height)};
}

/// Calls body(pixel, x, y) with the face coordinates of each pixel in the box.
template <class Body>
void for_each_pixel(const Canvas& canvas, const Box& box, Body&& body) {
  for (int row = box.top; row < box.bottom; ++row) {
    for (int column = box.left; column < box.right; ++column) {
      const auto i = static_cast<std::size_t>(row * width + column);
      body(i, canvas.face_x[i], canvas.face_y[i]);
    }
  }
}

inline void blend(Canvas& canvas, std::size_t i, const Colour& colour, float share) {
  canvas.r[i] = mix(canvas.r[i], colour.r, share);
  canvas.g[i] = mix(canvas.g[i], colour.g, share);
  canvas.b[i] = mix(canvas.b[i], colour.b, share);
}

/// Paints `colour` where share(x, y) in [0,1] says so.
template <class Share>
void paint(Canvas& canvas, const Box& box, const Colour& colour, Share&& share) {
  for_each_pixel(canvas, box, [&](std::size_t i, float x, float y) { blend(canvas, i, colour, share(x, y)); });
}

/// Multiplies what is there by 1 - share(x, y): a shadow.
template <class Share>
void shade(Canvas& canvas, const Box& box, Share&& share) {
  for_each_pixel(canvas, box, [&](std::size_t i, float x, float y) {
    const float keep = 1 - share(x, y);
    canvas.r[i] *= keep;
    canvas.g[i] *= keep * (1 - 0.15F * (1 - keep));  // skin in shadow turns redder
    canvas.b[i] *= keep * (1 - 0.25F * (1 - keep));
  });
}

/// Raises (or sinks) a bump of `rise` pixels on the relief, an ellipse of half axes `reach`.
inline void raise(Canvas& canvas, Point centre, Point reach, float rise) {
  for_each_pixel(canvas, box_around(canvas, centre, reach), [&](std::size_t i, float x, float y) {
    const float dx = (x - centre.x) / reach.x;
    const float dy = (y - centre.y) / reach.y;
    const float slope = -4 * rise * std::max(1 - dx * dx - dy * dy, 0.0F);
    canvas.relief_x[i] += slope * dx / reach.x;
    canvas.relief_y[i] += slope * dy / reach.y;
  });
}

/// How much of a pixel lies inside an outline at signed distance `distance` (negative inside),
/// `softness` pixels of blur.
inline float inside(float distance, float softness = 1) { return clamp01(0.5F - distance / softness); }

/// Signed distance, near its rim, to the closed curve |x/a|^p + |y/b|^q = 1.
inline float superellipse(float x, float y, float a, float b, float p, float q) {
  const float across = std::max(std::abs(x), 0.3F);
  const float along = std::max(std::abs(y), 0.3F);
  const float u = power(across / a, p);
  const float v = power(along / b, q);
  const float slope_x = p * u / across;
  const float slope_y = q * v / along;
  return (u + v - 1) / std::sqrt(slope_x * slope_x + slope_y * slope_y + 1e-6F);
}

}  // namespace amnet::synthetic

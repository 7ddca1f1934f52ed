// From traits and draws to geometry: what painting needs to know about a person, and about the
// moment of the photograph. Positions are face coordinates (synthetic_faces_canvas.h), lengths
// pixels.
#pragma once

#include "synthetic_faces_canvas.h"

namespace amnet::synthetic {

/// The moment: everything that changes from image to image.
struct Shot {
  Camera camera;
  // 0 at rest; smile and brow_raise in [-1,1], lids a factor
  float mouth_open, smile, brow_raise, lids;
  Point gaze;
  std::array<float, 3> light;  // unit vector towards the light; x right, y down, z to the viewer
  float ambient, exposure;     // share of light without direction; gain on screen values
  Colour tint;                 // colour of the light
  Colour sky, ground, clothes;
  Point backdrop;               // direction of the background's gradient
  std::array<float, 12> blobs;  // three blurred spots behind: x, y, radius, brightness
  float contrast, haze, blur, noise;
  std::uint64_t noise_key;
  int quality;
};

Shot draw_shot(const FaceKey& key, const FaceVariation& variation);

/// The person: sizes and colours at rest.
struct Looks {
  // head: half width, forehead and chin distance from the origin, exponents of the lower outline
  float head_width, brow_to_crown, chin, jaw_power, chin_power, cheekbones, ears;
  // eyes: half axes; the outer corner is `eye_tilt` higher
  Point eye;
  float eye_width, eye_opening, eye_tilt, iris, crease, lashes;
  Colour iris_colour;
  float brow_y, brow_thickness, brow_tilt, brow_arch, brow_length, brow_darkness;
  float nose_tip, nose_width, nose_bridge, nose_prominence;
  float mouth_y, mouth_width, upper_lip, lower_lip, mouth_curve;
  Colour lips;
  float hairline, hair_volume, hair_length, parting, fringe, waviness;
  Colour hair, skin;
  float blush, freckles, beard, age;
};

Looks looks_of(const FaceIdentity& person);

/// Paints the person into the canvas: albedo, cover and relief.
void paint_person(Canvas& canvas, const Looks& looks, const Shot& shot);
/// The parts of it, back to front, for paint_person.
void paint_hair_behind(Canvas& canvas, const Looks& looks);
void paint_bust(Canvas& canvas, const Looks& looks, const Shot& shot);
void paint_head(Canvas& canvas, const Looks& looks);
void paint_hair_before(Canvas& canvas, const Looks& looks);
void paint_eyes(Canvas& canvas, const Looks& looks, const Shot& shot);
void paint_nose(Canvas& canvas, const Looks& looks, const Shot& shot);
void paint_mouth(Canvas& canvas, const Looks& looks, const Shot& shot);

/// Signed distance to the head's outline, in head coordinates.
inline float head_outline(const Looks& looks, float x, float y) {
  const bool below = y > 0;
  return superellipse(x, y, looks.head_width, below ? looks.chin : looks.brow_to_crown, below ? looks.chin_power : 2.2F,
                      below ? looks.jaw_power : 2.2F);
}

}  // namespace amnet::synthetic

// Eyes, brows, nose and mouth.
#include "synthetic_faces_model.h"

namespace amnet::synthetic {
namespace {

void paint_eye(Canvas& canvas, const Looks& looks, const Shot& shot, float side) {
  constexpr Colour white = screen(236, 231, 226);
  constexpr Colour dark = screen(26, 18, 16);
  const Point centre = {side * looks.eye.x, looks.eye.y};
  const float upper = std::max(3.5F * looks.eye_opening * shot.lids, 0.4F);
  const float lower = 0.62F * upper;
  const Colour lid = {looks.skin.r * 0.6F, looks.skin.g * 0.48F, looks.skin.b * 0.44F};
  const Point iris = {side * shot.gaze.x, shot.gaze.y - 0.5F};
  const Box box = box_around(canvas, centre, {looks.eye_width + 3, 9});
  for_each_pixel(canvas, box, [&](std::size_t i, float face_x, float face_y) {
    // Out from the nose, and up from the line between the corners.
    const float x = side * (face_x - centre.x);
    const float y = face_y - centre.y + looks.eye_tilt * x / looks.eye_width;
    const float q = x / looks.eye_width;
    const float arc = 1 - q * q;
    const float slope = std::sqrt(1 + 4 * upper * upper * q * q / (looks.eye_width * looks.eye_width));
    const float above = (-upper * arc - y) / slope;
    const float below = (y - lower * arc) / slope;
    const float within = bump(0.8F * q * q);  // fades what follows the lid towards the corners

    const float fold = y + upper * arc + 2.4F;
    blend(canvas, i, lid, looks.crease * bump(fold * fold / 1.4F) * within);
    const float share = inside(std::max(above, below));
    const float off_x = x - iris.x;
    const float off_y = y - iris.y;
    const float radius = std::sqrt(off_x * off_x + off_y * off_y);
    Colour ball = mix(white, looks.iris_colour, inside(radius - looks.iris));
    ball = mix(ball, dark, 0.7F * bump((radius - looks.iris) * (radius - looks.iris) / 0.8F));
    ball = mix(ball, dark, inside(radius - 0.43F * looks.iris));
    const float glint_x = side * off_x - 2 * shot.light[0];
    const float glint_y = off_y - 2 * shot.light[1];
    ball = mix(ball, {1.3F, 1.3F, 1.3F}, inside(std::sqrt(glint_x * glint_x + glint_y * glint_y) - 0.8F));
    blend(canvas, i, ball * (1 - 0.45F * bump(above * above / 5)), share);

    const float lash = looks.lashes * (0.7F + 0.5F * clamp01(q + 0.4F));
    const float corners = inside(std::abs(x) - looks.eye_width - 0.8F, 2);
    blend(canvas, i, dark, 0.9F * inside(std::abs(above) - 0.5F * lash) * corners);
    blend(canvas, i, lid, 0.55F * inside(std::abs(below) - 0.4F) * corners);
  });
}

void paint_brow(Canvas& canvas, const Looks& looks, const Shot& shot, float side) {
  const Colour colour = mix(looks.hair * 0.55F, screen(36, 26, 22), 0.3F);
  const float level = looks.brow_y - 2.0F * shot.brow_raise;
  const Point centre = {side * (looks.eye.x + 0.5F), level};
  paint(canvas, box_around(canvas, centre, {looks.brow_length + 2, 9}), colour, [&](float face_x, float face_y) {
    const float q = side * (face_x - centre.x) / looks.brow_length;  // -1 at the nose, 1 outside
    const float rise = looks.brow_tilt * q + looks.brow_arch * (0.6F - (q - 0.25F) * (q - 0.25F));
    const float taper = 1 - 0.3F * q - 0.4F * q * q * q * q;
    const float distance = std::abs(face_y - centre.y + rise) - looks.brow_thickness * std::max(taper, 0.1F);
    const float grain = 0.88F + 0.12F * wave(0.3F * face_x * side + 0.12F * face_y);
    return looks.brow_darkness * grain * inside(distance, 1.5F) * inside((std::abs(q) - 1) * looks.brow_length, 2.5F);
  });
}

}  // namespace

void paint_eyes(Canvas& canvas, const Looks& looks, const Shot& shot) {
  for (const float side : {-1.0F, 1.0F}) {
    paint_eye(canvas, looks, shot, side);
    paint_brow(canvas, looks, shot, side);
  }
}

void paint_nose(Canvas& canvas, const Looks& looks, const Shot& shot) {
  // The tip projects from the face, so it moves further.
  const float across = 0.28F * looks.nose_prominence * shot.camera.turn.x;
  const float tip = looks.nose_tip + 0.28F * looks.nose_prominence * shot.camera.turn.y;
  const float wing = looks.nose_width;
  const float rise = looks.nose_prominence;
  const float root = looks.eye.y - 2;
  raise(canvas, {0.4F * across, (root + tip) / 2}, {looks.nose_bridge + 2, (tip - root) / 2 + 4}, 3.0F * rise);
  raise(canvas, {across, tip - 1}, {0.62F * wing + 1, 5.5F}, 3.0F * rise);
  for (const float side : {-1.0F, 1.0F}) {
    const Point wings = {across + side * 0.72F * wing, tip + 0.5F};
    raise(canvas, wings, {0.42F * wing + 1, 3.8F}, 1.6F);
    // The crease around the wing, and the side of the bridge.
    shade(canvas, box_around(canvas, wings, {0.5F * wing + 3, 6}), [&](float x, float y) {
      const float distance = superellipse(x - wings.x, y - wings.y, 0.38F * wing, 3.4F, 2, 2);
      return 0.38F * bump(distance * distance / 1.8F) * clamp01(0.2F + 0.5F * side * (x - wings.x));
    });
    const Point edge = {0.4F * across + side * (looks.nose_bridge + 1.5F), (root + tip) / 2 - 3};
    shade(canvas, box_around(canvas, edge, {3, (tip - root) / 2}), [&](float x, float y) {
      const float dx = (x - edge.x) / 2.6F;
      const float dy = (y - edge.y) / ((tip - root) / 2);
      return 0.16F * rise * bump(dx * dx + dy * dy);
    });
    const Point nostril = {across + side * 0.42F * wing, tip + 2.8F};
    shade(canvas, box_around(canvas, nostril, {3, 2}), [&](float x, float y) {
      return 0.75F *
             inside(superellipse(x - nostril.x, y - nostril.y + 0.2F * side * (x - nostril.x), 0.24F * wing + 0.3F, 1.1F, 2, 2), 1.6F);
    });
  }
  shade(canvas, box_around(canvas, {across, tip + 4.5F}, {wing, 4}), [&](float x, float y) {
    return 0.28F * bump((x - across) * (x - across) / (wing * wing) + (y - tip - 4.5F) * (y - tip - 4.5F) / 10);
  });
}

void paint_mouth(Canvas& canvas, const Looks& looks, const Shot& shot) {
  constexpr Colour inner = screen(58, 18, 20);
  constexpr Colour teeth = screen(232, 226, 214);
  constexpr Colour tongue = screen(158, 66, 68);
  const float half = looks.mouth_width + 1.8F * shot.smile - 1.2F * shot.mouth_open;
  // how far the corners lie above the middle
  const float curve = looks.mouth_curve + 2.0F * shot.smile;
  const float gap = 5.0F * shot.mouth_open;
  const Point centre = {0, looks.mouth_y};
  const Box box = box_around(canvas, centre, {half + 5, 16});
  const Colour lower_lip = looks.lips * 1.18F;
  shade(canvas, box, [&](float x, float y) {  // under the lower lip
    const float dy = y - centre.y - looks.lower_lip - gap - 3.5F;
    return 0.22F * bump(x * x / (0.6F * half * half) + dy * dy / 7);
  });
  for_each_pixel(canvas, box, [&](std::size_t i, float x, float y) {
    const float q = x / half;
    const float arc = 1 - q * q;
    const float line = y - centre.y + curve * (q * q - 0.35F);  // 0 on the line between the lips
    const float bow = 1 - 0.28F * bump(q * q * 9);
    const float slope = std::sqrt(1 + 0.15F * q * q * (looks.lower_lip + gap));
    const float top = (-looks.upper_lip * arc * bow - 0.35F * gap * arc - line) / slope;
    const float bottom = (line - looks.lower_lip * arc - 0.75F * gap * arc) / slope;
    const float open_top = -0.35F * gap * arc - line;
    const float open_bottom = line - 0.75F * gap * arc;
    const float lips = inside(std::max(top, bottom), 1.3F);
    blend(canvas, i, line < 0 ? looks.lips : lower_lip, lips * 0.9F);
    const float shine = line - 0.75F * gap * arc - 0.5F * looks.lower_lip;
    blend(canvas, i, {1, 0.9F, 0.88F}, 0.14F * bump(shine * shine / 1.8F) * bump(q * q * 1.8F));
    const float opening = inside(std::max(open_top, open_bottom)) * clamp01(gap);
    const float teeth_edge = line + 0.35F * gap * arc - std::min(2.6F, 0.55F * gap) * bump(0.6F * q * q);
    Colour mouth = mix(inner, tongue, inside(2.2F - (line - 0.1F * gap), 3) * bump(q * q * 2));
    mouth = mix(mouth, teeth, inside(teeth_edge));
    blend(canvas, i, mouth, opening);
    // The line between closed lips runs a little past their corners.
    const float seam = (1 - clamp01(gap)) * inside(std::abs(line) - 0.45F) * inside(std::abs(x) - half - 0.8F, 2);
    blend(canvas, i, {looks.lips.r * 0.22F, looks.lips.g * 0.16F, looks.lips.b * 0.16F}, 0.85F * seam);
  });
  for (const float side : {-1.0F, 1.0F}) {
    const Point corner = {side * (half + 1), looks.mouth_y - 0.65F * curve};
    shade(canvas, box_around(canvas, corner, {3, 3}),
          [&](float x, float y) { return 0.3F * bump(((x - corner.x) * (x - corner.x) + (y - corner.y) * (y - corner.y)) / 7); });
  }
}

}  // namespace amnet::synthetic

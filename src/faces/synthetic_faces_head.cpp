// Head, neck, ears, skin and hair.
#include "synthetic_faces_model.h"

namespace amnet::synthetic {
namespace {

/// The light and dark of strands that fan out from the crown.
float strands(const Looks& looks, float x, float y) {
  const float fan = (x - 0.6F * looks.parting) / (std::max(y, -60.0F) + 88) + looks.waviness * 0.035F * wave(y * 0.045F + 0.1F * x);
  const float gloss = bump((y + 42) * (y + 42) / 120);
  return 1 + 0.16F * wave(fan * 11) + 0.10F * wave(fan * 27 + 0.3F) + 0.35F * gloss * (1 + 0.5F * wave(fan * 17));
}

/// The hair's half width at `y`, which shrinks to the head's where the hair ends.
float hair_reach(const Looks& looks, float y, float end) {
  const float left = clamp01((end - y) / 14);
  return looks.head_width + 0.9F * looks.hair_volume * (1 - (1 - left) * (1 - left)) + looks.waviness * left * 1.8F * wave(y * 0.075F);
}

/// Well inside the head's outline: a test by an ellipse, which is cheaper than the outline itself.
bool surely_head(const Looks& looks, float x, float y) {
  const float across = x / looks.head_width;
  const float down = y / (y < 0 ? looks.brow_to_crown : looks.chin);
  return across * across + down * down < 0.55F;
}

void cover(Canvas& canvas, std::size_t i, const Colour& colour, float share) {
  blend(canvas, i, colour, share);
  canvas.cover[i] = std::max(canvas.cover[i], share);
}

/// Where the nth freckle sits on a cheek, by a sequence that fills the unit square evenly (Roberts'
/// R2).
Point freckle(int n) {
  const float x = 0.7548777F * static_cast<float>(n);
  const float y = 0.5698403F * static_cast<float>(n);
  return {x - std::floor(x), y - std::floor(y)};
}

void paint_freckles(Canvas& canvas, const Looks& looks) {
  const Colour brown = {looks.skin.r * 0.55F, looks.skin.g * 0.42F, looks.skin.b * 0.36F};
  constexpr int most = 26;
  for (int n = 0; n < most; ++n) {
    // Freckles become visible one after the other as the trait grows.
    const float strength = clamp01(looks.freckles * most - static_cast<float>(n)) * 0.75F;
    if (strength <= 0) break;
    const Point at = freckle(n + 1);
    const float side = n % 2 == 0 ? 1.0F : -1.0F;
    const Point centre = {side * (5 + 22 * at.x), 17 * at.y};
    paint(canvas, box_around(canvas, centre, {1.2F, 1.2F}), brown,
          [&](float x, float y) { return strength * bump(((x - centre.x) * (x - centre.x) + (y - centre.y) * (y - centre.y)) / 1.6F); });
  }
}

void paint_beard(Canvas& canvas, const Looks& looks) {
  if (looks.beard <= 0) return;
  const Colour colour = looks.hair * 0.55F;
  const float mouth = looks.mouth_y;
  const Box box = box_around(canvas, {0, 30}, {looks.head_width, 30});
  paint(canvas, box, colour, [&](float x, float y) {
    // Along the jaw and over the upper lip, the lips and the cheeks left free.
    const float side = std::abs(x) / looks.head_width;
    const float jaw = smooth_step(0, 9, y - (mouth - 3) + 34 * (0.62F - side) * smooth_step(0.3F, 0.75F, side) - 20 * side * side);
    const float lips =
        smooth_step(0.6F, 1.2F, (x * x) / ((looks.mouth_width + 1) * (looks.mouth_width + 1)) + (y - mouth) * (y - mouth) / 38);
    const float moustache = bump((x * x) / 230 + (y - mouth + 7.5F) * (y - mouth + 7.5F) / 16);
    const float grain = 0.9F + 0.1F * wave(x * 0.37F + 0.3F * wave(y * 0.11F));
    return looks.beard * 1.1F * std::max(jaw * lips, 0.9F * moustache) * grain;
  });
}

void paint_age(Canvas& canvas, const Looks& looks) {
  const float age = looks.age * 0.45F;
  for (const float side : {-1.0F, 1.0F}) {
    // From the wing of the nose to the corner of the mouth.
    const Point top = {looks.nose_width + 2.5F, looks.nose_tip + 1};
    const Point end = {looks.mouth_width + 4.5F, looks.mouth_y};
    const Point middle = {side * (top.x + end.x) / 2, (top.y + end.y) / 2};
    shade(canvas, box_around(canvas, middle, {6, (end.y - top.y) / 2 + 2}), [&](float x, float y) {
      const float along = clamp01((y - top.y) / (end.y - top.y));
      const float off = side * x - mix(top.x, end.x, along) - 2.2F * along * (1 - along);
      return age * bump(off * off / 2.6F) * bump((2 * along - 1) * (2 * along - 1) * 0.9F);
    });
    // Bags under the eyes.
    const Point bag = {side * looks.eye.x, looks.eye.y + 6.0F};
    shade(canvas, box_around(canvas, bag, {8, 3}), [&](float x, float y) {
      const float dx = (x - bag.x) / 8;
      const float dy = y - bag.y + 2.2F * dx * dx;
      return 0.8F * age * bump(dx * dx) * bump(dy * dy / 3);
    });
  }
}

}  // namespace

void paint_hair_behind(Canvas& canvas, const Looks& looks) {
  const float crown = looks.brow_to_crown + 0.8F * looks.hair_volume;
  const float widest = looks.head_width + looks.hair_volume + 3;
  for (std::size_t i = 0; i < pixels; ++i) {
    const float x = canvas.head_x[i];
    const float y = canvas.head_y[i];
    if (surely_head(looks, x, y) || std::abs(x) > widest || y > looks.hair_length + 4) continue;
    const float reach = hair_reach(looks, y, looks.hair_length);
    const float outline = superellipse(x, std::min(y, 0.0F), reach, crown, 2.3F, 2.3F);
    const float ends = y - looks.hair_length - 3 * wave(x * 0.09F);
    const float share = inside(std::max(outline, ends), 1.5F);
    if (share > 0) cover(canvas, i, looks.hair * (0.55F * strands(looks, x, y)), share);
  }
}

void paint_bust(Canvas& canvas, const Looks& looks, const Shot& shot) {
  const Colour neck = looks.skin * 0.62F;
  const Colour ear = {looks.skin.r * 0.9F, looks.skin.g * 0.78F, looks.skin.b * 0.74F};
  for (int row = height / 2; row < height; ++row) {
    for (int column = 0; column < width; ++column) {
      const auto i = static_cast<std::size_t>(row * width + column);
      const float x = canvas.head_x[i];
      const float y = canvas.head_y[i];
      cover(canvas, i, neck, inside(std::max(std::abs(x) - 0.62F * looks.head_width, 15 - y)));
      const float collar = 41 + 0.012F * (48 - std::abs(x)) * (48 - std::abs(x)) - y;
      cover(canvas, i, shot.clothes, inside(collar));
    }
  }
  for (const float side : {-1.0F, 1.0F}) {
    const Point centre = {side * (looks.head_width + 0.5F), 0};
    const Box box = box_around(canvas, centre, {looks.ears, 1.5F * looks.ears});
    for (int row = box.top; row < box.bottom; ++row) {
      for (int column = box.left; column < box.right; ++column) {
        const auto i = static_cast<std::size_t>(row * width + column);
        const float x = canvas.head_x[i] - centre.x;
        const float y = canvas.head_y[i] - centre.y;
        cover(canvas, i, ear, inside(superellipse(x, y, 0.55F * looks.ears, 1.35F * looks.ears, 2, 2)));
      }
    }
  }
}

void paint_head(Canvas& canvas, const Looks& looks) {
  const Colour rosy = {looks.skin.r * 1.02F, looks.skin.g * 0.66F, looks.skin.b * 0.64F};
  for (std::size_t i = 0; i < pixels; ++i) {
    const float head_x = canvas.head_x[i];
    const float head_y = canvas.head_y[i];
    const float share = surely_head(looks, head_x, head_y) ? 1.0F : inside(head_outline(looks, head_x, head_y));
    if (share <= 0) continue;
    const float x = canvas.face_x[i];
    const float y = canvas.face_y[i];
    const float cheek_x = std::abs(x) - 21;
    const float cheeks = bump(cheek_x * cheek_x / 150 + (y - 13) * (y - 13) / 120);
    const float tip = bump(x * x / 50 + (y - looks.nose_tip) * (y - looks.nose_tip) / 40);
    cover(canvas, i, mix(looks.skin, rosy, looks.blush * std::max(cheeks, 0.6F * tip)), share);
  }
  for (const float side : {-1.0F, 1.0F}) {
    raise(canvas, {side * looks.eye.x, looks.eye.y - 1}, {11, 8}, -1.8F);
    raise(canvas, {side * 23, 7}, {11, 9}, looks.cheekbones);
  }
  raise(canvas, {0, looks.mouth_y}, {20, 13}, 2.0F);
  raise(canvas, {0, looks.chin - 7}, {10, 7}, 2.0F);
  paint_freckles(canvas, looks);
  paint_age(canvas, looks);
  paint_beard(canvas, looks);
}

void paint_hair_before(Canvas& canvas, const Looks& looks) {
  const float crown = looks.brow_to_crown + 0.8F * looks.hair_volume;
  const float opening = looks.head_width - 1.5F;
  const float end = 0.8F * looks.hair_length;
  // short hair is cropped towards the ears
  const float fade = looks.hair_length < 0 ? 10.0F : 4.0F;
  // of the hairline
  const float lowest = looks.hairline + std::max(looks.fringe, 0.0F) + 1.4F * looks.waviness;
  const Box box = box_around(canvas, {0, -20}, {looks.head_width, 50});
  for (int row = 0; row < box.bottom; ++row) {
    for (int column = 0; column < width; ++column) {
      const auto i = static_cast<std::size_t>(row * width + column);
      const float x = canvas.face_x[i];
      const float y = canvas.face_y[i];
      // certainly bare face: the exact test is not needed
      if (y > 0.6F * lowest && std::abs(x) < 0.6F * opening) continue;
      const float from_parting = (x - looks.parting) / 17;
      const float hang = 1 - bump(from_parting * from_parting * 0.5F);
      const float hairline = looks.hairline + looks.fringe * hang + looks.waviness * 1.4F * wave(x * 0.085F + 0.2F);
      const float face = superellipse(x, std::min(y, 0.0F), opening, -hairline, 3.0F, 2.4F);
      if (face < -4) continue;  // beyond the hair's shadow too
      const float reach = hair_reach(looks, canvas.head_y[i], looks.hair_length);
      const float outer = superellipse(canvas.head_x[i], std::min(canvas.head_y[i], 0.0F), reach, crown, 2.3F, 2.3F);
      const float ends = inside(y - end, fade);
      if (outer > 1 || ends <= 0) continue;
      const float share = inside(std::max(outer, -face), 1.3F) * ends;
      if (share > 0) cover(canvas, i, looks.hair * strands(looks, x, y), share);
      const float near_hair = std::max(-face, 0.0F);
      // its shadow
      blend(canvas, i, {0, 0, 0}, 0.35F * bump(near_hair * near_hair / 12) * (1 - share) * ends * inside(outer));
    }
  }
}

void paint_person(Canvas& canvas, const Looks& looks, const Shot& shot) {
  paint_hair_behind(canvas, looks);
  paint_bust(canvas, looks, shot);
  paint_head(canvas, looks);
  paint_nose(canvas, looks, shot);
  paint_mouth(canvas, looks, shot);
  paint_eyes(canvas, looks, shot);
  paint_hair_before(canvas, looks);
}

}  // namespace amnet::synthetic

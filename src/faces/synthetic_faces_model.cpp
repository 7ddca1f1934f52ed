#include "synthetic_faces_model.h"

#include <amnet/core/error.h>
#include <amnet/core/random.h>

#include <cmath>

namespace amnet::synthetic {
namespace {

Colour skin_colour(float lightness, float warmth) {
  constexpr Colour dark = screen(88, 56, 42);
  constexpr Colour middle = screen(190, 134, 102);
  constexpr Colour light = screen(243, 208, 186);
  const Colour base = lightness < 0 ? mix(middle, dark, -lightness) : mix(middle, light, lightness);
  return {base.r * (1 - 0.05F * warmth), base.g * (1 + 0.10F * warmth), base.b * (1 - 0.18F * warmth)};
}

Colour hair_colour(float lightness, float redness, float greyness) {
  constexpr Colour black = screen(24, 20, 20);
  constexpr Colour brown = screen(92, 60, 38);
  constexpr Colour blond = screen(222, 184, 116);
  constexpr Colour red = screen(172, 74, 30);
  constexpr Colour grey = screen(172, 172, 176);
  const Colour base = lightness < 0 ? mix(brown, black, -lightness) : mix(brown, blond, lightness);
  return mix(mix(base, red, std::max(redness - 0.2F, 0.0F)), grey, std::max(greyness - 0.4F, 0.0F) * 1.4F);
}

Colour iris_colour(float hue, float lightness) {
  constexpr Colour brown = screen(104, 62, 30);
  constexpr Colour green = screen(92, 122, 70);
  constexpr Colour blue = screen(84, 130, 178);
  return (hue < 0 ? mix(green, brown, -hue) : mix(green, blue, hue)) * (1 + 0.6F * lightness);
}

}  // namespace

Looks looks_of(const FaceIdentity& person) {
  using enum FaceTrait;
  const auto around = [&](float average, float spread, FaceTrait trait) { return average + spread * person[trait]; };
  Looks looks{};
  looks.head_width = around(36.5F, 4.5F, face_width);
  looks.chin = around(45.5F, 4.0F, face_length);
  looks.brow_to_crown = around(50.0F, 3.5F, forehead_height);
  looks.jaw_power = around(2.5F, 0.7F, jaw_squareness);
  looks.chin_power = around(1.9F, 0.4F, chin_breadth);
  looks.cheekbones = around(1.3F, 1.2F, cheekbones);
  looks.ears = around(6.5F, 2.5F, ear_size);

  looks.eye = {around(17.6F, 2.0F, eye_distance), around(-10.4F, 2.2F, eye_level)};
  looks.eye_width = around(7.4F, 1.4F, eye_width);
  looks.eye_opening = around(1.0F, 0.35F, eye_opening);
  looks.eye_tilt = around(0.6F, 2.2F, eye_tilt);
  looks.iris = around(3.4F, 0.6F, iris_size);
  looks.iris_colour = iris_colour(person[iris_hue], person[iris_lightness]);
  looks.crease = around(0.35F, 0.3F, lid_crease);
  looks.lashes = around(1.2F, 0.6F, lash_weight);

  looks.brow_y = looks.eye.y - around(9.2F, 2.2F, brow_height);
  looks.brow_thickness = around(2.0F, 1.0F, brow_thickness);
  looks.brow_tilt = around(-0.2F, 2.2F, brow_tilt);
  looks.brow_arch = around(2.0F, 1.8F, brow_arch);
  looks.brow_length = around(9.5F, 2.0F, brow_length);
  looks.brow_darkness = around(0.7F, 0.28F, brow_darkness);

  looks.nose_tip = around(10.0F, 3.5F, nose_length);
  looks.nose_width = around(7.2F, 2.2F, nose_width);
  looks.nose_bridge = around(3.8F, 1.4F, nose_bridge);
  looks.nose_prominence = around(1.0F, 0.45F, nose_prominence);

  looks.mouth_y = around(29.0F, 2.5F, mouth_level);
  looks.mouth_width = around(13.5F, 3.0F, mouth_width);
  looks.upper_lip = around(2.5F, 1.4F, upper_lip);
  looks.lower_lip = around(3.4F, 1.6F, lower_lip);
  looks.mouth_curve = around(0.3F, 1.6F, mouth_curve);

  looks.hairline = around(-35.0F, 7.0F, hairline);
  looks.hair_volume = around(7.5F, 5.5F, hair_volume);
  looks.hair_length = around(8.0F, 34.0F, hair_length);
  looks.parting = around(0.0F, 20.0F, hair_parting);
  looks.fringe = around(6.0F, 8.0F, hair_fringe);
  looks.waviness = around(0.5F, 0.5F, hair_waviness);
  looks.hair = hair_colour(person[hair_lightness], person[hair_redness], person[hair_greyness]);

  looks.skin = skin_colour(person[skin_lightness], person[skin_warmth]);
  looks.blush = around(0.35F, 0.35F, blush);
  looks.freckles = around(0.0F, 1.0F, freckles);
  looks.beard = around(-0.1F, 0.8F, beard);
  looks.age = around(0.4F, 0.4F, age_lines);
  const float red = around(0.5F, 0.4F, lip_redness);
  looks.lips = mix({looks.skin.r * 0.85F, looks.skin.g * 0.6F, looks.skin.b * 0.6F}, screen(176, 44, 52), red * 0.65F);
  return looks;
}

Shot draw_shot(const FaceKey& key, const FaceVariation& variation) {
  for (const double strength : {variation.pose, variation.expression, variation.light, variation.background, variation.camera}) {
    require(strength >= 0 && strength <= 2, "[synth] expected every strength of variation from 0 to 2 but got {}.", strength);
  }
  // Draws have numbers, not an order, so that adding one changes no other.
  const Random person(key.seed, stream_of("synthetic face shot"), key.identity);
  const auto uniform = [&](std::uint64_t draw, double low, double high) {
    return static_cast<float>(person.uniform(key.image << 8 | draw, low, high));
  };
  const auto varied = [&](std::uint64_t draw, double strength, double middle, double spread) {
    return static_cast<float>(middle + strength * static_cast<double>(uniform(draw, -spread, spread)));
  };
  Shot shot{};

  const double pose = variation.pose;
  const float roll = varied(0, pose, 0, 0.10);
  shot.camera.cosine = 1 - 0.5F * roll * roll;
  shot.camera.sine = roll - roll * roll * roll / 6;
  shot.camera.scale = varied(1, pose, 1.0, 0.06);
  shot.camera.turn = {varied(2, pose, 0, 5.5), varied(3, pose, 0, 3.5)};
  // Alignment moves the eyes back to their place, except for a remainder.
  shot.camera.centre = {48 - 0.7F * shot.camera.turn.x + varied(4, pose, 0, 1.8), 62 - 0.7F * shot.camera.turn.y + varied(5, pose, 0, 1.8)};

  const double mood = variation.expression;
  shot.mouth_open = std::max(varied(6, mood, -0.35, 1.3), 0.0F);
  shot.smile = varied(7, mood, 0.25, 0.8);
  shot.brow_raise = varied(8, mood, 0, 1.0);
  shot.lids = std::max(varied(9, mood, 1.0, 0.22), 0.1F);
  shot.gaze = {varied(10, mood, 0, 1.6), varied(11, mood, 0, 0.7)};

  const double light = variation.light;
  const float across = varied(12, light, 0, 0.85);
  const float down = varied(13, light, -0.25, 0.5);
  const float ahead = 0.55F;
  const float length = std::sqrt(across * across + down * down + ahead * ahead);
  shot.light = {across / length, down / length, ahead / length};
  shot.ambient = std::max(varied(14, light, 0.45, 0.22), 0.0F);
  shot.exposure = static_cast<float>(std::exp2(static_cast<double>(varied(15, light, -0.12, 0.80))));
  const float warm = varied(16, light, 0, 0.55);
  const float green = varied(17, light, 0, 0.22);
  shot.tint = {1 + warm, 1 + green, 1 - warm};

  // Any brightness, a moderate chroma: strong colours do not make the images harder.
  const auto any_colour = [&](std::uint64_t draw, double low, double high) {
    const double value = 0.5 + variation.background * (static_cast<double>(uniform(draw, low, high)) - 0.5);
    const double redder = variation.background * static_cast<double>(uniform(draw + 1, -0.2, 0.2));
    const double greener = variation.background * static_cast<double>(uniform(draw + 2, -0.12, 0.12));
    const auto channel = [](double screen_value) {
      const double clamped = std::clamp(screen_value, 0.0, 1.0);
      return static_cast<float>(clamped * clamped);
    };
    return Colour{channel(value + redder - greener), channel(value + greener), channel(value - redder - greener)};
  };
  shot.sky = any_colour(20, 0.02, 1.0);
  shot.ground = any_colour(23, 0.02, 1.0);
  shot.clothes = any_colour(26, 0.05, 0.9);
  shot.backdrop = {uniform(29, -0.02, 0.02), uniform(30, -0.02, 0.02)};
  for (std::uint64_t blob = 0; blob < 3; ++blob) {
    float* at = shot.blobs.data() + 4 * blob;
    at[0] = uniform(31 + 4 * blob, 0, width);
    at[1] = uniform(32 + 4 * blob, 0, height);
    at[2] = uniform(33 + 4 * blob, 10, 40);
    at[3] = varied(34 + 4 * blob, variation.background, 0, 0.7);
  }

  const double camera = variation.camera;
  shot.contrast = varied(50, camera, 0.9, 0.15);
  shot.haze = varied(51, camera, 0, 0.07);
  // at most 0.44, so it only smooths
  shot.blur = static_cast<float>(camera) * std::max(uniform(52, -0.1, 0.22), 0.0F);
  shot.noise = static_cast<float>(camera) * uniform(53, 0, 5);
  shot.quality = static_cast<int>(std::clamp(95 - camera * static_cast<double>(uniform(54, 0, 30)), 5.0, 95.0));
  shot.noise_key = person.bits(key.image << 8 | 55);
  return shot;
}

}  // namespace amnet::synthetic

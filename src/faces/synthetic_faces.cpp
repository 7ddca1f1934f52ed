#include <amnet/core/random.h>
#include <amnet/faces/synthetic_faces.h>

#include <memory>

#include "synthetic_faces_model.h"

namespace amnet {
namespace {

using namespace synthetic;

/// The background's colour: a gradient with a few blurred spots in it.
Colour backdrop(const Shot& shot, float x, float y) {
  Colour colour = mix(shot.sky, shot.ground, clamp01(0.5F + shot.backdrop.x * (x - 48) + shot.backdrop.y * (y - 56)));
  for (std::size_t blob = 0; blob < shot.blobs.size(); blob += 4) {
    const float dx = (x - shot.blobs[blob]) / shot.blobs[blob + 2];
    const float dy = (y - shot.blobs[blob + 1]) / shot.blobs[blob + 2];
    colour = colour * (1 + shot.blobs[blob + 3] * bump(dx * dx + dy * dy));
  }
  return colour;
}

/// Lights the painted person, puts the background behind, and leaves screen values (about [0,1]) in
/// the canvas.
void light_scene(Canvas& canvas, const Looks& looks, const Shot& shot) {
  const auto& [light_x, light_y, light_z] = shot.light;
  // The half vector between light and viewer, for the sheen of the skin.
  const float half_length = std::sqrt(light_x * light_x + light_y * light_y + (light_z + 1) * (light_z + 1));
  const float across = 1 / (looks.head_width + 8);
  const float down = 1.0F / 62;
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) {
      const auto i = static_cast<std::size_t>(row * width + column);
      float normal_x = canvas.head_x[i] * across;
      float normal_y = canvas.head_y[i] * down;
      const float normal_z = std::sqrt(std::max(1 - normal_x * normal_x - normal_y * normal_y, 0.06F));
      normal_x -= canvas.relief_x[i];
      normal_y -= canvas.relief_y[i];
      const float inverse = 1 / std::sqrt(normal_x * normal_x + normal_y * normal_y + normal_z * normal_z);
      const float facing = inverse * (normal_x * light_x + normal_y * light_y + normal_z * light_z);
      const float lambert = std::max((facing + 0.15F) / 1.15F, 0.0F);
      const float mirror = std::max(inverse * (normal_x * light_x + normal_y * light_y + normal_z * (light_z + 1)) / half_length, 0.0F);
      const float mirror_4 = mirror * mirror * mirror * mirror;
      const float sheen = 0.07F * mirror_4 * mirror_4 * mirror_4 * mirror_4 * mirror_4;
      const float bright = shot.ambient + 1.25F * (1 - shot.ambient) * lambert;

      const float share = canvas.cover[i];
      const Colour back = share < 1 ? backdrop(shot, static_cast<float>(column), static_cast<float>(row)) : Colour{};
      // The camera's exposure acts on screen values, so its square on light.
      const float exposure = shot.exposure * shot.exposure;
      const auto screen_value = [&](float albedo, float behind, float tint) {
        const float value = mix(behind, albedo * bright + sheen, share) * tint * exposure;
        return 0.5F + (std::sqrt(std::max(value, 0.0F)) - 0.5F) * shot.contrast + shot.haze;
      };
      canvas.r[i] = screen_value(canvas.r[i], back.r, shot.tint.r);
      canvas.g[i] = screen_value(canvas.g[i], back.g, shot.tint.g);
      canvas.b[i] = screen_value(canvas.b[i], back.b, shot.tint.b);
    }
  }
}

/// A small blur: each pixel gives `share` to each neighbour, along rows and then along columns.
void blur(Canvas::Plane& plane, float share) {
  for (int row = 0; row < height; ++row) {
    float* line = plane.data() + row * width;
    float before = line[0];
    for (int column = 0; column < width; ++column) {
      const float here = line[column];
      const float after = line[std::min(column + 1, width - 1)];
      line[column] = here + share * (before + after - 2 * here);
      before = here;
    }
  }
  std::array<float, width> before;
  std::copy_n(plane.begin(), width, before.begin());
  for (int row = 0; row < height; ++row) {
    float* line = plane.data() + row * width;
    const float* next = plane.data() + std::min(row + 1, height - 1) * width;
    for (int column = 0; column < width; ++column) {
      const float here = line[column];
      line[column] = here + share * (before[static_cast<std::size_t>(column)] + next[column] - 2 * here);
      before[static_cast<std::size_t>(column)] = here;
    }
  }
}

Image develop(const Canvas& canvas, const Shot& shot) {
  Image image;
  image.height = height;
  image.width = width;
  image.pixels.resize(std::size_t{pixels} * 3);
  std::uint64_t state = shot.noise_key;
  const auto byte = [](float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F)); };
  for (std::size_t i = 0; i < pixels; ++i) {
    // SplitMix64 (Steele, Lea, Flood 2014): 16 bits each, two bytes whose difference is a
    // triangular draw.
    state += 0x9E3779B97F4A7C15ULL;
    std::uint64_t bits = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBULL;
    bits ^= bits >> 31;
    const auto noise = [&] {
      const auto draw = static_cast<float>(static_cast<int>(bits & 255) - static_cast<int>(bits >> 8 & 255));
      bits >>= 16;
      return draw * shot.noise * (1 / 104.0F);  // the difference's standard deviation is 104
    };
    const float grain = noise();
    image.pixels[3 * i] = byte(255 * canvas.r[i] + grain + 0.6F * noise());
    image.pixels[3 * i + 1] = byte(255 * canvas.g[i] + grain + 0.6F * noise());
    image.pixels[3 * i + 2] = byte(255 * canvas.b[i] + grain + 0.6F * noise());
  }
  return image;
}

Image photograph(const FaceIdentity& person, const Shot& shot) {
  // 430 KB: too much for a thread's stack
  const auto canvas = std::make_unique<Canvas>(shot.camera);
  const Looks looks = looks_of(person);
  paint_person(*canvas, looks, shot);
  light_scene(*canvas, looks, shot);
  if (shot.blur > 0) {
    for (Canvas::Plane* plane : {&canvas->r, &canvas->g, &canvas->b}) blur(*plane, shot.blur);
  }
  return develop(*canvas, shot);
}

}  // namespace

FaceIdentity synthetic_identity(std::uint64_t seed, std::uint64_t index) {
  const Random random(seed, stream_of("synthetic face identity"), index);
  FaceIdentity person;
  for (std::size_t trait = 0; trait < person.traits.size(); ++trait) {
    person.traits[trait] = static_cast<float>(random.uniform(trait, -1, 1));
  }
  return person;
}

Image render_face(const FaceIdentity& person, const FaceKey& key, const FaceVariation& variation) {
  return photograph(person, draw_shot(key, variation));
}

std::vector<std::byte> synthetic_face_jpeg(const FaceKey& key, const FaceVariation& variation) {
  const Shot shot = draw_shot(key, variation);
  return encode_jpeg(photograph(synthetic_identity(key.seed, key.identity), shot), ChannelOrder::rgb, shot.quality);
}

}  // namespace amnet

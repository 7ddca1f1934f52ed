// Synthesised faces: a procedural renderer of aligned faces, so that a first run and the tests need
// no download. A person is 48 continuous traits; pose, expression, light, background and camera are
// drawn again for every image and change the raw pixels more than the person does. Every byte is a
// function of (seed, identity, image), never of the order of rendering. These are drawings: the
// accuracy of a network on them says nothing about real faces.
//
//   write_synthetic_faces("faces", {.identities = 10, .images = 4, .seed = 1});
//   write_synthetic_pairs("faces/pairs.txt", {.first_identity = 4, .identities = 6, .images = 4, .folds = 2, .pairs = 8});
//   Image sheet = synthetic_contact_sheet({.identities = 4, .images = 4});
#pragma once

#include <amnet/data/image.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// The size of every synthesised face, pixels: that of the reference code's aligned faces. Eyes,
/// nose tip and mouth corners lie near (30.3,51.7) (65.5,51.5) (48.0,71.7) (33.6,92.4) (62.7,92.2),
/// with deviations by person and pose.
inline constexpr std::int64_t synthetic_face_height = 112;
inline constexpr std::int64_t synthetic_face_width = 96;

/// The traits of a person. A trait is a number in [-1,1], 0 the average; no single trait identifies
/// a person.
enum class FaceTrait : std::uint8_t {
  // head
  face_width,
  face_length,
  jaw_squareness,
  chin_breadth,
  forehead_height,
  cheekbones,
  ear_size,
  // eyes
  eye_distance,
  eye_level,
  eye_width,
  eye_opening,
  eye_tilt,
  iris_size,
  iris_hue,
  iris_lightness,
  lid_crease,
  lash_weight,
  // brows
  brow_height,
  brow_thickness,
  brow_tilt,
  brow_arch,
  brow_length,
  brow_darkness,
  // nose
  nose_length,
  nose_width,
  nose_bridge,
  nose_prominence,
  // mouth
  mouth_level,
  mouth_width,
  upper_lip,
  lower_lip,
  mouth_curve,
  lip_redness,
  // hair
  hairline,
  hair_volume,
  hair_length,
  hair_parting,
  hair_fringe,
  hair_lightness,
  hair_redness,
  hair_greyness,
  hair_waviness,
  // skin
  skin_lightness,
  skin_warmth,
  blush,
  freckles,
  beard,
  age_lines,
};
inline constexpr int face_trait_count = 48;

/// As in the enumeration: "face_width".
constexpr std::array<std::string_view, face_trait_count> names_of(FaceTrait) {
  return {"face_width",     "face_length",   "jaw_squareness", "chin_breadth",   "forehead_height", "cheekbones",      "ear_size",
          "eye_distance",   "eye_level",     "eye_width",      "eye_opening",    "eye_tilt",        "iris_size",       "iris_hue",
          "iris_lightness", "lid_crease",    "lash_weight",    "brow_height",    "brow_thickness",  "brow_tilt",       "brow_arch",
          "brow_length",    "brow_darkness", "nose_length",    "nose_width",     "nose_bridge",     "nose_prominence", "mouth_level",
          "mouth_width",    "upper_lip",     "lower_lip",      "mouth_curve",    "lip_redness",     "hairline",        "hair_volume",
          "hair_length",    "hair_parting",  "hair_fringe",    "hair_lightness", "hair_redness",    "hair_greyness",   "hair_waviness",
          "skin_lightness", "skin_warmth",   "blush",          "freckles",       "beard",           "age_lines"};
}

/// A person.
struct FaceIdentity {
  std::array<float, face_trait_count> traits{};

  float operator[](FaceTrait trait) const { return traits[static_cast<std::size_t>(trait)]; }
  float& operator[](FaceTrait trait) { return traits[static_cast<std::size_t>(trait)]; }
};

/// Person number `index` of `seed`: every trait uniform in [-1,1].
FaceIdentity synthetic_identity(std::uint64_t seed, std::uint64_t index);

/// How strongly the images of one person differ: 0 switches a cause off, 1 is the default, 2 the
/// most (UsageError beyond). With all of them 0 there is one picture per person.
struct FaceVariation {
  double pose = 1;        ///< yaw, pitch, roll, scale and shift
  double expression = 1;  ///< mouth, brows, lids and gaze
  double light = 1;       ///< direction, hardness, exposure and colour of the light
  double background = 1;  ///< contrast of the background's and the clothes' colours around grey
  double camera = 1;      ///< blur, noise, haze and JPEG artefacts
};

/// Which image of which person.
struct FaceKey {
  std::uint64_t seed = 1;
  std::uint64_t identity = 0;  ///< only keys the draws; the person's looks come from a FaceIdentity
  std::uint64_t image = 0;
};

/// RGB (112,96,3), before JPEG.
Image render_face(const FaceIdentity& person, const FaceKey& key, const FaceVariation& variation = {});

/// Image `key.image` of synthetic_identity(key.seed, key.identity) as a JPEG file of a quality
/// drawn for it.
std::vector<std::byte> synthetic_face_jpeg(const FaceKey& key, const FaceVariation& variation = {});

struct SyntheticFaces {
  /// start the test set where the training set ends, and no identity is in both
  std::uint64_t first_identity = 0;
  std::uint64_t identities = 200;
  std::uint64_t images = 40;  ///< for each identity
  std::uint64_t seed = 1;
  int threads = 1;  ///< no effect on the bytes
  FaceVariation variation = {};
};

/// "id_00012".
std::string synthetic_identity_name(std::uint64_t identity);
/// "id_00012/id_00012_0003.jpg"; as in LFW the images of a person count from 1.
std::string synthetic_face_path(std::uint64_t identity, std::uint64_t image_from_1);

/// Called after each identity with (images written, images in all); one call at a time, from a
/// worker thread.
using SynthesisProgress = std::function<void(std::uint64_t, std::uint64_t)>;

/// Writes directory/id_00012/id_00012_0003.jpg … and directory/list.txt with a line `path label`
/// each, labels from 0. Throws UsageError where there is nothing to write, FileError where a file
/// cannot be written.
void write_synthetic_faces(const std::filesystem::path& directory, const SyntheticFaces& faces, const SynthesisProgress& progress = {});

struct SyntheticPairs {
  std::uint64_t first_identity = 0;
  std::uint64_t identities = 50;
  std::uint64_t images = 40;  ///< for each identity, as written
  std::uint64_t folds = 10;   ///< no identity is in two folds
  std::uint64_t pairs = 100;  ///< of one person, and as many of two people, in each fold
  std::uint64_t seed = 1;
};

/// The text of a pairs file in LFW's format: the header `folds<TAB>pairs`, then in each fold
/// `name i j` and `nameA i nameB j`. No pair occurs twice. Throws UsageError where the identities
/// or images are too few.
std::string synthetic_pairs(const SyntheticPairs& pairs);
/// Writes synthetic_pairs to a file; throws FileError where it cannot.
void write_synthetic_pairs(const std::filesystem::path& file, const SyntheticPairs& pairs);

/// One picture, a row for each identity and a column for each image, RGB (identities*112,
/// images*96, 3).
Image synthetic_contact_sheet(const SyntheticFaces& faces = {.identities = 8, .images = 10});

}  // namespace amnet

// Alignment of a face by its five landmarks: the similarity (turn, scale, shift) that brings them
// nearest to those of a template, and the picture that it gives.
//
//   const Image photograph = read_image("ann.jpg", ChannelOrder::bgr);
//   const Image face = align_face(photograph, landmarks, {.form = FaceTemplate::arcface});
//
// Coordinates are those of pixel centres, and the first pixel is at (0, 0).
#pragma once

#include <amnet/core/named.h>
#include <amnet/data/image.h>

#include <array>
#include <cstdint>

namespace amnet {

struct Point {
  double x = 0, y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

/// Left eye, right eye, tip of the nose, left and right corner of the mouth; left is the picture's.
using Landmarks = std::array<Point, 5>;

/// Where the landmarks of an aligned face are: those of SphereFace and the reference code in 96x112
/// (width x height), and those of ArcFace, the same with 8 more columns on each side.
enum class FaceTemplate : unsigned char { sphereface, arcface };
/// Height x width, as --input writes it.
constexpr std::array<std::string_view, 2> names_of(FaceTemplate) { return {"112x96", "112x112"}; }

Landmarks landmarks_of(FaceTemplate form);
constexpr std::int64_t height_of(FaceTemplate) { return 112; }
constexpr std::int64_t width_of(FaceTemplate form) { return form == FaceTemplate::sphereface ? 96 : 112; }

/// (x, y) -> (along x - across y + right, across x + along y + down).
struct Similarity {
  double along = 1, across = 0;
  double right = 0, down = 0;

  Point operator()(Point point) const { return {along * point.x - across * point.y + right, across * point.x + along * point.y + down}; }
  /// How many times longer everything becomes.
  double scale() const;
  /// The angle by which everything is turned, in radians, clockwise in a picture.
  double angle() const;
  Similarity inverse() const;

  friend bool operator==(const Similarity&, const Similarity&) = default;
};

/// What of the fit is smallest. umeyama: the distances in the template (Umeyama, "Least-squares
/// estimation of transformation parameters between two point patterns", PAMI 1991, without its
/// reflection; skimage computes the same). cp2tform: the distances in the photograph, with
/// coordinates that count from 1 (MATLAB's cp2tform and imtransform, which the reference pipeline
/// calls): the picture moves by scale - 1 pixels to the right and down.
enum class AlignmentMethod : unsigned char { umeyama, cp2tform };
constexpr std::array<std::string_view, 2> names_of(AlignmentMethod) { return {"umeyama", "cp2tform"}; }

/// The similarity that maps the points `from` onto `to`, as well as it can, in pixels that count
/// from 0 whatever the method counts from. Throws DataError where all points of either are one, or
/// a coordinate is not finite.
Similarity fit_similarity(const Landmarks& from, const Landmarks& to, AlignmentMethod method = AlignmentMethod::umeyama);

/// The root of the mean squared distance between map(from) and `to`, in pixels.
double misfit(const Similarity& map, const Landmarks& from, const Landmarks& to);

/// The picture whose pixel p is what `image` shows at map.inverse()(p): bilinear, and black where
/// the image ends. Where the map makes things smaller than half, averages of 2x2 pixels are taken
/// first (`area`), as often as needed, because four neighbours then miss most of the pixels.
Image warp(const Image& image, const Similarity& map, std::int64_t height, std::int64_t width, bool area = true);

struct AlignmentOptions {
  FaceTemplate form = FaceTemplate::sphereface;
  AlignmentMethod method = AlignmentMethod::umeyama;
};

/// The aligned face; with cp2tform without averages, as MATLAB. Throws DataError as fit_similarity.
Image align_face(const Image& photograph, const Landmarks& landmarks, const AlignmentOptions& options = {});

}  // namespace amnet

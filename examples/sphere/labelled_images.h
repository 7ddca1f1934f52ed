// Grey images with a class each: read from IDX files, the format of MNIST, or drawn. LeCun, Cortes
// and Burges describe the format on MNIST's page: a magic number whose third byte is the type of
// the values (8: unsigned bytes) and whose fourth is the number of extents, the extents as
// big-endian numbers of four bytes, and the values in rows.
#pragma once

#include <amnet/core/tensor.h>

#include <cstdint>
#include <filesystem>

struct LabelledImages {
  amnet::Tensor images;  // (N,H,W,1) f32, in [-1,1]
  amnet::Tensor labels;  // (N) i64, from 0 on
  std::int64_t classes = 0;
};

/// Throws DataError for a file that is missing, packed, of another kind, cut short or too long, and
/// for files that do not belong together or do not have 2 to 10 classes.
LabelledImages read_idx(const std::filesystem::path& images, const std::filesystem::path& labels);

/// Ten shapes in turn, 28x28: strokes that are bent, turned, sheared, moved and of varying width,
/// with noise. A function of its arguments alone.
LabelledImages draw_shapes(std::int64_t count, std::uint64_t seed);

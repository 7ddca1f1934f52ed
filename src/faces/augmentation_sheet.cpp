#include <amnet/data/augment.h>
#include <amnet/data/image.h>
#include <amnet/data/sampler.h>
#include <amnet/faces/train_report.h>

#include "data/paste.h"
#include "data/resize.h"
#include "read_face.h"

#include <algorithm>
#include <set>

namespace amnet {
namespace {

constexpr std::int64_t most_people = 5, rounds = 6;
constexpr std::int64_t longest_side = 128;      // of an image on the sheet
constexpr std::int64_t gap = 4, wide_gap = 16;  // between two draws; after the original
constexpr std::uint8_t paper = 232;             // between light and dark pages
constexpr int quality = 90;

void mirror(Image& image) {
  const auto pixel_at = [&](std::int64_t y, std::int64_t x) { return image.pixels.begin() + (y * image.width + x) * 3; };
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width / 2; ++x) {
      std::swap_ranges(pixel_at(y, x), pixel_at(y, x) + 3, pixel_at(y, image.width - 1 - x));
    }
  }
}

/// An image as it is, and as it comes in the first rounds.
std::vector<Image> row_of(const Image& original, std::int64_t index, const FaceTraining& options) {
  std::vector<Image> row = {original};
  for (std::int64_t round = 0; round < rounds; ++round) {
    Image changed = original;
    const AugmentationKey key{.seed = options.seed, .round = round, .image = index};
    augment(changed, options.input.order, draw_augmentation(augmentation_of(options.augment), key, original));
    if (options.mirror && is_mirrored(options.seed, round, index)) mirror(changed);
    row.push_back(std::move(changed));
  }
  const std::int64_t side = std::max(original.height, original.width);
  if (side > longest_side) {
    const auto smaller = [side](std::int64_t length) { return std::max<std::int64_t>(1, length * longest_side / side); };
    for (Image& image : row) image = resized(image, smaller(image.height), smaller(image.width));
  }
  return row;
}

}  // namespace

std::vector<std::byte> augmentation_sheet(const FaceList& list, const FaceTraining& options) {
  std::vector<std::vector<Image>> rows;
  std::set<std::int64_t> people;
  std::vector<std::byte> buffer;
  for (std::int64_t n = 0; n < most_people; ++n) {
    const std::int64_t index = n * list.size() / most_people;
    if (people.contains(list.label(index))) continue;
    try {
      rows.push_back(row_of(read_face(list, index, options.input, buffer), index, options));
      people.insert(list.label(index));
    } catch (const DataError&) {
      continue;  // the loader reports it when its turn comes
    }
  }
  if (rows.empty()) return {};
  const Image& cell = rows.front().front();
  const auto count = static_cast<std::int64_t>(rows.size());
  Image sheet{
      .height = count * (cell.height + gap) - gap, .width = (rounds + 1) * cell.width + wide_gap + (rounds - 1) * gap, .pixels = {}};
  sheet.pixels.assign(static_cast<std::size_t>(sheet.height * sheet.width * 3), paper);
  for (std::int64_t row = 0; row < count; ++row) {
    std::int64_t left = 0;
    for (const Image& image : rows[static_cast<std::size_t>(row)]) {
      paste(image, row * (cell.height + gap), left, sheet);
      left += cell.width + (left == 0 ? wide_gap : gap);
    }
  }
  return encode_jpeg(sheet, options.input.order, quality);
}

bool is_augmentation_sheet(std::string_view beginning) {
  // the same encoder writes the same first segments for all pictures of one quality
  constexpr std::size_t enough = 150;
  const std::vector<std::byte> other = encode_jpeg({.height = 1, .width = 1, .pixels = {0, 0, 0}}, ChannelOrder::rgb, quality);
  return beginning.size() >= enough && beginning.substr(0, enough) == std::string_view(reinterpret_cast<const char*>(other.data()), enough);
}

}  // namespace amnet

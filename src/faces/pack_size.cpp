#include <amnet/data/image.h>
#include <amnet/faces/pack_size.h>
#include <amnet/faces/packed_faces.h>

#include <algorithm>

namespace amnet {

bool take_size_of_pack(const std::filesystem::path& pack, ImageFormat& format) {
  constexpr std::int64_t most_tried = 16;
  const PackedFaces faces(pack);
  std::vector<std::byte> buffer;
  for (std::int64_t i = 0; i < std::min(faces.size(), most_tried); ++i) {
    const std::string_view path = faces.path(i);
    try {
      const Image image = decode_image(faces.read(path, path, buffer), format.order, path);
      format.height = image.height;
      format.width = image.width;
      return true;
    } catch (const DataError&) {
      continue;
    }
  }
  return false;
}

}  // namespace amnet

// The images of a list as the bytes a model expects.
#pragma once

#include <amnet/data/image.h>
#include <amnet/faces/face_list.h>

namespace amnet {

/// Throws DataError naming the list line unless the image is of the format's size.
inline void require_size(const Image& image, const ImageFormat& format, std::string_view where) {
  require<DataError>(image.height == format.height && image.width == format.width,
                     "{0} is {1}x{2} pixels (height x width) but {3} are expected; align and resize it, or pass .input {1}x{2} where all "
                     "images are like that.",
                     where, image.height, image.width, size_text(format));
}

/// Image `i` of the list. `buffer` is the file's, to be used again. Throws DataError naming the
/// list line.
inline Image read_face(const FaceList& list, std::int64_t i, const ImageFormat& format, std::vector<std::byte>& buffer) {
  const std::string where = list.where(i);
  Image image = decode_image(list.images(i).read(list.path(i), where, buffer), format.order, where);
  require_size(image, format, where);
  return image;
}

}  // namespace amnet

// The size of the images in a packed file. They all have one: packing refuses others.
//
//   ImageFormat format;
//   if (take_size_of_pack("faces.pack", format)) fmt::print("{}\n", size_text(format));   // 112x96
#pragma once

#include <amnet/core/image_format.h>

#include <filesystem>

namespace amnet {

/// Puts it into the format; false, and nothing changed, where none of the first images can be
/// decoded, which a reader will tell. Throws DataError for a file that is no packed file.
bool take_size_of_pack(const std::filesystem::path& pack, ImageFormat& format);

}  // namespace amnet

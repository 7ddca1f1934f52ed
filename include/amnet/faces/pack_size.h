// The size of the images in a packed file. They all have the same size: packing refuses others.
//
//   ImageFormat format;
//   if (take_size_of_pack("faces.pack", format)) fmt::print("{}\n", size_text(format));   // 112x96
#pragma once

#include <amnet/core/image_format.h>

#include <filesystem>

namespace amnet {

/// Stores the size in the format. Returns false, and changes nothing, where none of the first
/// images can be decoded; reading the pack reports that later. Throws DataError for a file that is
/// not a packed file.
bool take_size_of_pack(const std::filesystem::path& pack, ImageFormat& format);

}  // namespace amnet

// An image at another size.
#pragma once

#include <amnet/data/image.h>

namespace amnet {

/// Each side by a tent filter whose half width is one pixel of the coarser side: linear
/// interpolation of what grows, a weighted mean without aliasing of what shrinks (Turkowski,
/// "Filters for common resampling tasks", Graphics Gems, 1990). Beyond the image nothing counts.
/// The same size gives the same bytes. Sides >= 1.
Image resized(const Image& image, std::int64_t height, std::int64_t width);

}  // namespace amnet

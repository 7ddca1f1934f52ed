// The page of `train_face align`.
#pragma once

#include <amnet/faces/align_folder.h>

#include <string>

namespace amnet {

/// What was found and rejected, with pictures of some photographs, which are read again.
std::string align_page(const AlignFolder& options, const AlignSummary& summary);

}  // namespace amnet

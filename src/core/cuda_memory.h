// What core/memory.h does for a GPU; defined by the CUDA backend (cuda/memory.cpp).
#pragma once

#include <cstddef>
#include <memory>

namespace amnet {

std::shared_ptr<std::byte> allocate_cuda(std::size_t bytes);
/// Either side may be in host memory.
void copy_cuda(std::byte* to, const std::byte* from, std::size_t bytes);
void clear_cuda(std::byte* bytes, std::size_t count);

}  // namespace amnet

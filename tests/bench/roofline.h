// The limits of this machine, measured in the same run as the kernels: the two roofs with which
// their figures are compared.
//
//   arithmetic   every thread repeats multiply-adds on registers alone; the widest vectors the compiler was allowed
//   memory       every thread copies its part of arrays that no cache holds; bytes read plus bytes written
//
// A share of the second may exceed 100 %: a kernel whose tensors stay in the last-level cache moves
// nothing through memory. Williams, Waterman, Patterson, "Roofline" (Communications of the ACM
// 52(4), 2009).
#pragma once

#include <cstddef>

namespace amnet::bench {

/// The best of several short runs of `threads` threads, in 1e9 floating-point operations a second;
/// a multiply-add is two.
double measure_multiply_add_gflops(int threads);

/// The best of several copies by `threads` threads, in 1e9 bytes a second. The lines that a store
/// reads before it writes them are not counted, here and for the kernels.
double measure_copy_gbytes(int threads, std::size_t array_bytes);

/// The bytes of the largest cache that a core can reach; 0 where the system does not report it.
std::size_t last_level_cache_bytes();

/// Bytes of physical memory.
std::size_t physical_memory_bytes();

/// The size of each of the two arrays that are copied: twice the last-level cache, at least 128
/// MiB, but never more than an eighth of the memory, so that both take a quarter of it at most. A
/// multiple of 4096.
std::size_t copy_array_bytes(std::size_t cache_bytes, std::size_t memory_bytes);

}  // namespace amnet::bench

// NumPy's .npy, version 1.0: one array per file, little-endian, C order, the header padded to 64
// bytes. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html Left out: Fortran
// order, big-endian, structured and other dtypes, the header versions 2.0 and 3.0.
//
//   write_npy("embeddings.npy", embeddings);   // (N,D) f32
//   Tensor again = read_npy("embeddings.npy");
#pragma once

#include <amnet/core/tensor.h>

#include <filesystem>

namespace amnet {

/// Writes `tensor` durably (io/durable_file.h). Throws UsageError unless it is defined and in host
/// memory, or FileError.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);

/// Reads an array of f32, f64, i64 or u8 of up to four dimensions. Throws FileError when the file
/// cannot be read and DataError, naming it, when it is anything else.
Tensor read_npy(const std::filesystem::path& path);

}  // namespace amnet

// Writing a file so that a crash leaves the old bytes or the new ones, never a mixture: write to a
// temporary name beside the target, fsync, rename, fsync the directory. Every failed or short write
// is an error. For a group of files that belong together, use io/checkpoint.h.
//
//   write_durably("report.json", R"({"accuracy": 98.5})");
//   write_durably("weights.bin", [&](const ByteSink& sink) { sink(std::as_bytes(tensor.data<float>())); });
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace amnet {

/// Receives the bytes of a file, piece by piece, in order. Throws FileError when they cannot be
/// written.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Replaces `path` by the bytes that `write` passes to its sink. On any failure (also when `write`
/// throws) `path` is as it was and the temporary file is gone. A symbolic link stays and its target
/// is replaced; a device or pipe, such as /dev/stdout, is written directly. Throws FileError with
/// the path and the system's reason.
void write_durably(const std::filesystem::path& path, const std::function<void(const ByteSink&)>& write);
void write_durably(const std::filesystem::path& path, std::string_view bytes);

/// Tests what write_durably(path) needs, before the work whose result it will write, and leaves no
/// file behind. Throws FileError where the folder is missing or cannot be written to.
void probe_output(const std::filesystem::path& path);

/// The bytes of a small file. Throws FileError when it cannot be read, DataError when it is larger
/// than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::size_t limit = std::size_t{64} << 20);

}  // namespace amnet

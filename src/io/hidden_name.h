// The hidden names of what is being written or removed: `.step_00000500.tmp-1234@node7`, with the
// process that wrote it and its machine, so that what ended processes left can be distinguished
// from what running ones use, also on a drive that several machines share.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace amnet {

enum class Hidden : unsigned char {
  temporary,  ///< "tmp": being written
  removed,    ///< "gone": being removed
  set_aside   ///< "old": whole, and being replaced
};

/// The hidden name of `path` for this process.
std::filesystem::path hidden_path(const std::filesystem::path& path, Hidden why);

struct HiddenName {
  std::string_view visible;  ///< "step_00000500"
  Hidden why;
  pid_t process;
  std::string_view machine;  ///< as machine_name() has it; empty in names of earlier versions
};
/// Undoes hidden_path; nothing for any other name. The views are of `name`.
std::optional<HiddenName> parse_hidden(std::string_view name);

/// Where process numbers mean the same as here: the host, and within it the container.
std::string machine_name();

/// The name of the host, "node7".
std::string host_name();

/// Whether another process that may be running wrote it. For a process of another machine this is
/// unknown: it counts as running while what it left is younger than a day.
bool may_be_in_use(const HiddenName& hidden, const std::filesystem::path& path);

}  // namespace amnet

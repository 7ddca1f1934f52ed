// How many processors this process may use: those of its affinity mask, no more than the quota of
// its control groups allows (what `docker run --cpus 2` and a batch system set, and what a count of
// the machine's cores does not include). Processors that other processes use are not subtracted.
//
//   Cpu cpu(usable_processors());  // which is what Cpu() takes
#pragma once

#include <filesystem>
#include <optional>

namespace amnet {

/// At least 1.
int usable_processors();

/// Threads that decode images where no number is given: usable_processors(), at most 8.
int default_workers();

/// The processor time that the control groups of this process allow, in processors, such as 1.5;
/// nothing where none of them sets a limit. Reads version 1 and version 2, each group and those
/// above it. `system` is where /proc and /sys are looked for.
std::optional<double> processor_quota(const std::filesystem::path& system = "/");

}  // namespace amnet

#include <amnet/core/build_info.h>
#include <amnet/core/device.h>
#include <amnet/version.h>

namespace amnet {

BuildInfo build_info() {
#if defined(__clang__)
  const std::string compiler = "Clang " __clang_version__;
#elif defined(__GNUC__)
  const std::string compiler = "GCC " __VERSION__;
#else
  const std::string compiler = "unknown";
#endif
#if !defined(AMNET_GIT_COMMIT)
#define AMNET_GIT_COMMIT "unknown"
#endif
  return {.version = AMNET_VERSION, .commit = AMNET_GIT_COMMIT, .compiler = compiler, .simd = simd_level()};
}

}  // namespace amnet

// What this library was built from and with: the first lines of every run.
//
//   const BuildInfo built = build_info();
//   fmt::print("amnet {} ({}), {}, {}\n", built.version, built.commit, built.compiler, built.simd);
#pragma once

#include <string>

namespace amnet {

struct BuildInfo {
  std::string version;   ///< "0.1.0"
  std::string commit;    ///< abbreviated git id, "unknown" outside a checkout
  std::string compiler;  ///< "GCC 12.2.0"
  std::string simd;      ///< simd_level()
};

BuildInfo build_info();

}  // namespace amnet

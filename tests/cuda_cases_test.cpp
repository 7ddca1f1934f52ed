// Checks that no operation of the GPU is without tests: each function of kernels/ that takes a
// Cuda& is called by a case of tests/cuda/, directly or through its helpers, in every precision in
// which its computation differs. This reads the sources, and so needs no CUDA.
#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "catch.h"
#include "source_tree.h"

namespace {

using Words = std::set<std::string>;
using source_tree::text_of;

Words matches(const std::string& text, const std::regex& pattern) {
  Words found;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) found.insert((*match)[1]);
  return found;
}

/// The test of an operation: what it and the headers of tests/cuda/ that it includes define at the
/// left margin, by the first line.
std::map<std::string, std::string> blocks_of(const std::string& stem) {
  const auto folder = source_tree::root / "tests/cuda";
  std::string text = text_of(folder / (stem + "_test.cpp"));
  for (const std::string& header : matches(text, std::regex("#include \"(\\w+\\.h)\""))) text += text_of(folder / header);
  static const std::regex block("(^|\n)((?!namespace)[A-Z_a-z][^\n]*\\{)\n((?:[^}\n][^\n]*\n|\n)*)\\}");
  std::map<std::string, std::string> blocks;
  for (std::sregex_iterator match(text.begin(), text.end(), block), end; match != end; ++match) blocks[(*match)[2]] += (*match)[3];
  return blocks;
}

bool uses(const std::string& body, const Words& names) {
  const Words words = matches(body, std::regex("(\\w+)"));
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return words.count(name) != 0; });
}

/// The precisions of the cases that call a function.
Words precisions_of(const std::map<std::string, std::string>& blocks, const std::string& function) {
  Words names{function}, precisions;
  for (std::size_t before = 0; before != names.size();) {  // helpers of helpers
    before = names.size();
    for (const auto& [line, body] : blocks) {
      if (line.find("TEST_CASE") == std::string::npos && uses(body, names)) names.merge(matches(line, std::regex("(\\w+)(?:\\(| \\{)")));
    }
  }
  for (const auto& [line, body] : blocks) {
    if (line.find("TEST_CASE") == std::string::npos || !uses(body, names)) continue;
    precisions.merge(matches(line, std::regex("\\b(F32|Tf32|Bf16)\\b")));
    precisions.merge(matches(body, std::regex("for_each_machine<(F32|Tf32|Bf16)>")));
  }
  return precisions;
}

/// f32; bf16 too where activations are an input, and tf32 where matrices are multiplied.
Words precisions_wanted(const std::string& stem) {
  static const Words products{"conv2d", "fully_connected"}, of_f32_or_bytes{"feature_statistics", "replay", "transfer"};
  if (products.count(stem) != 0) return {"F32", "Tf32", "Bf16"};
  return of_f32_or_bytes.count(stem) != 0 ? Words{"F32"} : Words{"F32", "Bf16"};
}

}  // namespace

TEST_CASE("cuda cases: every operation is tested on a GPU in every precision", "[cuda_cases]") {
  std::size_t operations = 0;
  for (const auto& header : std::filesystem::directory_iterator(source_tree::root / "include/amnet/kernels")) {
    const std::string stem = header.path().stem().string();
    const auto blocks = blocks_of(stem);
    for (const std::string& function : matches(text_of(header.path()), std::regex("(\\w+)\\(Cuda&"))) {
      ++operations;
      const Words precisions = precisions_of(blocks, function);
      for (const std::string& wanted : precisions_wanted(stem)) {
        INFO(function << " in " << wanted << ", tests/cuda/" << stem << "_test.cpp");
        CHECK(precisions.count(wanted) == 1);
      }
    }
  }
  CHECK(operations > 40);
}

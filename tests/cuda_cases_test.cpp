// That no operation of the GPU is without its tests: each function of kernels/ that takes a Cuda& is called by tests/cuda/, in every
// precision in which it computes something else. This reads the sources, and so holds where nothing of CUDA is.
#include "catch.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

const fs::path source_root = AMNET_SOURCE_DIR;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) found.insert((*match)[1]);
  return found;
}

/// The test of an operation, with the headers of tests/cuda/ that it includes.
std::string test_of(const std::string& stem) {
  const fs::path folder = source_root / "tests/cuda";
  std::string text = text_of(folder / (stem + "_test.cpp"));
  for (const std::string& header : matches(text, std::regex("#include \"(\\w+\\.h)\""))) text += text_of(folder / header);
  return text;
}

/// f32, and bf16 where activations come in; tf32 where matrices are multiplied.
std::set<std::string> precisions_wanted(const std::string& stem) {
  static const std::set<std::string> products{"conv2d", "fully_connected"};
  static const std::set<std::string> of_f32_or_bytes{"feature_statistics", "replay", "transfer"};
  if (products.count(stem) != 0) return {"F32", "Tf32", "Bf16"};
  if (of_f32_or_bytes.count(stem) != 0) return {};
  return {"F32", "Bf16"};
}

}  // namespace

TEST_CASE("cuda cases: every operation is tested on a GPU in every precision", "[cuda_cases]") {
  std::size_t operations = 0;
  for (const auto& header : fs::directory_iterator(source_root / "include/amnet/kernels")) {
    const std::string stem = header.path().stem().string(), test = test_of(stem);
    const std::set<std::string> names = matches(text_of(header.path()), std::regex("(\\w+)\\(Cuda&"));
    operations += names.size();
    if (names.empty()) continue;
    INFO("tests/cuda/" << stem << "_test.cpp");
    for (const std::string& name : names) {
      INFO(name);
      CHECK(test.find(name + "(") != std::string::npos);
    }
    const std::set<std::string> lists = matches(test, std::regex("TEMPLATE_TEST_CASE\\([^)]*\", ([^)\"]*)\\)"));
    std::set<std::string> precisions;
    for (const std::string& list : lists) precisions.merge(matches(list, std::regex("(\\w+)")));
    for (const std::string& wanted : precisions_wanted(stem)) CHECK(precisions.count(wanted) == 1);
  }
  CHECK(operations > 40);
}

// Every status of CUDA, cuBLAS and cuDNN is checked: every line of cuda/ that calls one of their
// functions either checks the result or discards it explicitly.
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "catch.h"

namespace fs = std::filesystem;

namespace {

bool is_source(const fs::path& path) { return path.extension() == ".cpp" || path.extension() == ".cu" || path.extension() == ".h"; }

/// Lines that call a function and ignore its status, "file:line: text".
std::vector<std::string> bare_calls(const fs::path& path) {
  // Functions that return text or a number cannot fail.
  static const std::regex call(R"(\b(cuda|cublas|cudnn)(?!Get(LastErrorString|ErrorString|StatusString|Version)\()[A-Z]\w*\()");
  static const std::regex looked_at(R"(\b(check|answered|static_cast<void>)\(|(Error|Status)_t answer = |\) == cudaSuccess)");
  static const std::regex goes_on(R"(( answer =|\b(check|answered)\()\s*$)");  // in the next line
  std::vector<std::string> bare;
  std::ifstream file(path);
  std::string line;
  bool expected = false;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string code = line.substr(0, line.find("//"));
    if (std::regex_search(code, call) && !expected && !std::regex_search(code, looked_at))
      bare.push_back(path.filename().string() + ":" + std::to_string(number) + ": " + line);
    expected = std::regex_search(code, goes_on);
  }
  return bare;
}

}  // namespace

TEST_CASE("cuda: the answer of every call is looked at", "[layering]") {
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(AMNET_SOURCE_DIR) / "cuda")) {
    if (!is_source(entry.path())) continue;
    ++files;
    for (const std::string& line : bare_calls(entry.path())) {
      INFO(line);
      CHECK(false);
    }
  }
  CHECK(files > 20);
}

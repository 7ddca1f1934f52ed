// The seeds of the fuzz targets, which are also the inputs that once made a reader crash, through
// the same functions as `./run fuzz` calls.
#include "catch.h"
#include "fuzz/targets.h"
#include "source_tree.h"

#include <set>

namespace {

namespace fs = std::filesystem;

const fs::path corpus = source_tree::root / "tests/fuzz/corpus";

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

}  // namespace

TEST_CASE("fuzz: every seed is read or refused with a sentence", "[fuzz]") {
  for (const fuzz::Target& target : fuzz::targets) {
    int read = 0, refused = 0;
    for (const std::string& name : names_in(corpus / target.name)) {
      INFO(target.name << "/" << name);
      const std::string bytes = source_tree::text_of(corpus / target.name / name);
      bool is_read = false;
      CHECK_NOTHROW(is_read = target.run({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
      ++(is_read ? read : refused);
    }
    INFO(target.name);
    CHECK(read > 0);
    CHECK(refused > 0);
  }
}

TEST_CASE("fuzz: every target has seeds, and all of them take less than 200 KB", "[fuzz]") {
  std::set<std::string> names;
  for (const fuzz::Target& target : fuzz::targets) names.emplace(target.name);
  CHECK(names_in(corpus) == names);
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(corpus)) bytes += entry.is_regular_file() ? entry.file_size() : 0;
  CHECK(bytes < 200'000);
}

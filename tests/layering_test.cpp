// docs/architecture.md says which folder may include which; this reads every include and holds the sources to it.
#include "catch.h"
#include "source_tree.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

using source_tree::text_of;

/// Folder -> the folders it may include, itself among them.
using Rules = std::map<std::string, std::set<std::string>>;

/// Reads the table of architecture.md: names, "first … last" for a range of rows, "all of the above".
Rules rules_of(const std::string& document) {
  const std::regex row(R"(\| `(\w+)/` \|.*\| ([^|]*) \|)");
  const std::regex range(R"((\w+) … (\w+))");
  const std::regex word(R"(\w+)");
  Rules rules;
  std::vector<std::string> order;
  std::istringstream lines(document);
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    const std::string folder = found[1];
    std::string allowed = found[2];
    std::set<std::string>& may = rules[folder];
    may.insert(folder);
    if (allowed == "all of the above") {
      may.insert(order.begin(), order.end());
      allowed.clear();
    }
    if (std::smatch ends; std::regex_search(allowed, ends, range)) {
      const auto first = std::find(order.begin(), order.end(), ends[1].str());
      const auto last = std::find(order.begin(), order.end(), ends[2].str());
      if (first == order.end() || last == order.end()) throw std::runtime_error("architecture.md: unknown range in the row of " + folder);
      may.insert(first, std::next(last));
    }
    for (std::sregex_iterator name(allowed.begin(), allowed.end(), word), end; name != end; ++name) may.insert(name->str());
    order.push_back(folder);
  }
  return rules;
}

/// The folder a source file counts as: the CPU definitions belong to their contracts. "" for a file at the top (amnet.h, version.h).
std::string folder_of(const fs::path& relative) {
  auto part = relative.begin();
  const bool is_header = *part == "include";
  std::advance(part, is_header ? 2 : 1);
  if (std::next(part) == relative.end()) return "";
  return *part == "cpu" ? "kernels" : part->string();
}

/// What is wrong with the includes of one file, whose path is relative to the source root.
std::vector<std::string> violations(const Rules& rules, const fs::path& relative, const std::string& text) {
  std::vector<std::string> found;
  const std::string folder = folder_of(relative);
  if (!folder.empty() && rules.count(folder) == 0) return {relative.string() + ": its folder is not in the table of docs/architecture.md"};
  const bool is_public = *relative.begin() == "include";
  const std::regex include(R"([ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"].*)");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, include)) continue;
    const bool quoted = match[1] == "\"";
    const fs::path target(match[2].str());
    const std::string arrow = relative.string() + " includes " + target.string();
    if (*target.begin() == "amnet") {
      const std::string to = folder_of("include" / target);
      const bool umbrella = target == "amnet/amnet.h";
      if (quoted || umbrella) found.push_back(arrow + ": write <amnet/folder/file.h>");
      if (!folder.empty() && !to.empty() && rules.at(folder).count(to) == 0)
        found.push_back(arrow + ": " + folder + " may not include " + to);
    } else if (is_public) {
      const bool standard = target.extension().empty() && !target.has_parent_path();
      if (quoted || (!standard && *target.begin() != "fmt"))
        found.push_back(arrow + ": a public header includes the standard library, fmt and amnet");
    } else if (quoted && target.has_parent_path()) {
      const std::string to = folder_of("src" / target);
      if (rules.count(to) == 0 || rules.at(folder).count(to) == 0) found.push_back(arrow + ": " + folder + " may not include " + to);
    }
  }
  return found;
}

std::vector<fs::path> sources() {
  std::vector<fs::path> found;
  for (const char* top : {"include", "src"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_tree::root / top)) {
      if (entry.is_regular_file()) found.push_back(fs::relative(entry.path(), source_tree::root));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

const Rules& rules() {
  static const Rules read = rules_of(text_of(source_tree::root / "docs/architecture.md"));
  return read;
}

}  // namespace

TEST_CASE("layering: every include follows docs/architecture.md", "[layering]") {
  const std::vector<fs::path> files = sources();
  REQUIRE(files.size() > 20);
  for (const fs::path& file : files) {
    for (const std::string& violation : violations(rules(), file, text_of(source_tree::root / file))) FAIL_CHECK(violation);
  }
}

TEST_CASE("layering: the table names every folder that exists, and no other", "[layering]") {
  std::set<std::string> folders;
  for (const auto& entry : fs::directory_iterator(source_tree::root / "include/amnet")) {
    if (entry.is_directory() && !fs::is_empty(entry)) folders.insert(entry.path().filename().string());
  }
  std::set<std::string> documented;
  for (const auto& [folder, allowed] : rules()) documented.insert(folder);
  CHECK(folders == documented);
}

TEST_CASE("layering: an arrow that points the wrong way is caught", "[layering]") {
  const auto count = [](const char* file, const char* text) { return violations(rules(), file, text).size(); };
  CHECK(count("include/amnet/net/net.h", "#include <amnet/layers/layer.h>\n#include <vector>\n#include <fmt/core.h>\n") == 0);
  CHECK(count("include/amnet/layers/prelu.h", "#include <amnet/net/net.h>\n") == 1);
  CHECK(count("include/amnet/data/image.h", "#include <amnet/kernels/prelu.h>\n") == 1);
  CHECK(count("src/cpu/prelu.cpp", "#include \"parallel.h\"\n#include <amnet/kernels/prelu.h>\n#include <Eigen/Core>\n") == 0);
  CHECK(count("src/cpu/prelu.cpp", "#include <amnet/layers/prelu.h>\n") == 1);
  CHECK(count("src/data/image.cpp", "#include \"cpu/parallel.h\"\n") == 1);
  CHECK(count("src/faces/pairs.cpp", "#include <amnet/io/npy.h>\n#include <amnet/report/svg.h>\n") == 0);
  CHECK(count("src/model/embed.cpp", "#include <amnet/train/solver.h>\n") == 1);
  CHECK(count("include/amnet/train/trainer.h", "#include <amnet/faces/face_list.h>\n") == 1);
  CHECK(count("src/net/net.cpp", "#include <amnet/faces/sphere_face.h>\n") == 1);
  CHECK(count("src/io/checkpoint.cpp", "#include <amnet/net/net.h>\n") == 1);
  CHECK(count("include/amnet/io/model.h", "# include <nlohmann/json.hpp>\n") == 1);
  CHECK(count("include/amnet/core/tensor.h", "#include <Eigen/Core>\n") == 1);
  CHECK(count("include/amnet/core/tensor.h", "#include <amnet/amnet.h>\n") == 1);
  CHECK(count("include/amnet/colours/red.h", "") == 1);
}

TEST_CASE("layering: amnet.h includes every public header", "[layering]") {
  const std::string umbrella = text_of(source_tree::root / "include/amnet/amnet.h");
  for (const fs::path& file : sources()) {
    if (*file.begin() != "include" || file == "include/amnet/amnet.h") continue;
    const std::string line = "#include <" + fs::relative(file, "include").string() + ">";
    INFO("amnet.h lacks " << line);
    CHECK(umbrella.find(line) != std::string::npos);
  }
}

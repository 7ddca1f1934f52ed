// docs/architecture.md states which folder may include which; this test reads every include and
// compares the sources, and the picture of that page, with it.
#include "catch.h"
#include "source_tree.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;

using source_tree::text_of;

/// Folder -> the folders it may include, itself among them.
using Rules = std::map<std::string, std::set<std::string>>;

/// Reads the table of architecture.md: names, "first … last" for a range of rows, "all of the
/// above".
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

/// The folder that a source file belongs to: the definitions of a backend belong to their
/// contracts. "" for a file at the top (amnet.h, version.h).
std::string folder_of(const fs::path& relative) {
  auto part = relative.begin();
  if (*part == "cuda") return "kernels";
  const bool is_header = *part == "include";
  std::advance(part, is_header ? 2 : 1);
  if (std::next(part) == relative.end()) return "";
  return *part == "cpu" ? "kernels" : part->string();
}

/// The faults in the includes of one file, whose path is relative to the source root.
std::vector<std::string> violations(const Rules& rules, const fs::path& relative, const std::string& text) {
  std::vector<std::string> found;
  const std::string folder = folder_of(relative);
  if (!folder.empty() && rules.count(folder) == 0) return {relative.string() + ": its folder is not in the table of docs/architecture.md"};
  const bool is_public = *relative.begin() == "include";
  const fs::path emulator = "emulation/emulator.h";  // in tests/cuda
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
    } else if (quoted && target.has_parent_path() && target != emulator) {
      const std::string to = folder_of("src" / target);
      if (rules.count(to) == 0 || rules.at(folder).count(to) == 0) found.push_back(arrow + ": " + folder + " may not include " + to);
    }
  }
  return found;
}

std::vector<fs::path> sources() {
  std::vector<fs::path> found;
  for (const char* top : {"include", "src", "cuda"}) {
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

/// A folder in docs/architecture.svg: a room of the table, or another folder beside them.
struct Box {
  std::string folder;
  bool room;
  int x, y, width, height;
  int bottom() const { return y + height; }
  bool has_column(int at) const { return x < at && at < x + width; }
};

struct Picture {
  std::vector<Box> boxes;
  std::set<std::pair<std::string, std::string>> may_include, defines;
  std::vector<std::string> faults;  // of the drawing
};

/// The folder of the box with an edge where an arrow ends; "" where there is none.
std::string folder_at(const std::vector<Box>& boxes, int x, int y, bool at_top) {
  const auto found = std::ranges::find_if(boxes, [&](const Box& box) { return box.has_column(x) && (at_top ? box.y : box.bottom()) == y; });
  return found == boxes.end() ? "" : found->folder;
}

/// Uses only what is visible: a box has the name that is written inside it, and an arrow, which is
/// a vertical line, goes from the edge where it begins to the edge where it ends.
Picture picture_of(const std::string& svg) {
  const std::regex box(R"re(<rect class="(room|other)" x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"/>)re");
  const std::regex name(R"re(<text class="name" x="(\d+)" y="(\d+)">([\w/]+)/</text>)re");
  const std::regex arrow(R"re(<path class="(may|defines)" d="M(\d+) (\d+)V(\d+)"/>)re");
  const auto each = [&svg](const std::regex& what, const auto& body) {
    for (std::sregex_iterator found(svg.begin(), svg.end(), what), end; found != end; ++found) {
      body([&found](std::size_t i) { return (*found)[i].str(); }, [&found](std::size_t i) { return std::stoi((*found)[i].str()); });
    }
  };
  Picture picture;
  each(box, [&](const auto& text, const auto& number) {
    picture.boxes.push_back({"", text(1) == "room", number(2), number(3), number(4), number(5)});
  });
  each(name, [&](const auto& text, const auto& number) {
    const int x = number(1), y = number(2);
    const auto around =
        std::ranges::find_if(picture.boxes, [&](const Box& one) { return one.has_column(x) && one.y < y && y < one.bottom(); });
    if (around == picture.boxes.end() || !around->folder.empty()) {
      picture.faults.push_back("the name " + text(3) + " has no box of its own");
    } else {
      around->folder = text(3);
    }
  });
  each(arrow, [&](const auto& text, const auto& number) {
    const int x = number(2), begin = number(3), end = number(4);
    const bool down = begin < end;
    const std::string from = folder_at(picture.boxes, x, begin, !down), to = folder_at(picture.boxes, x, end, down);
    if (from.empty() || to.empty()) picture.faults.push_back("the arrow " + text(0) + " does not join two boxes");
    const auto is_crossed = [&](const Box& one) {
      return one.has_column(x) && std::min(begin, end) < one.bottom() && one.y < std::max(begin, end);
    };
    if (std::ranges::any_of(picture.boxes, is_crossed)) picture.faults.push_back("the arrow " + text(0) + " crosses a box");
    (text(1) == "may" ? picture.may_include : picture.defines).emplace(from, to);
  });
  return picture;
}

/// The rooms that arrows reach from each room, including itself.
Rules rules_of(const Picture& picture) {
  Rules rules;
  for (const Box& box : picture.boxes) {
    if (!box.room) continue;
    std::set<std::string>& may = rules[box.folder];
    std::vector<std::string> open = {box.folder};
    while (!open.empty()) {
      const std::string folder = open.back();
      open.pop_back();
      if (!may.insert(folder).second) continue;
      for (const auto& [from, to] : picture.may_include) {
        if (from == folder) open.push_back(to);
      }
    }
  }
  return rules;
}

Picture drawn() { return picture_of(text_of(source_tree::root / "docs/architecture.svg")); }

}  // namespace

TEST_CASE("layering: every include follows docs/architecture.md", "[layering]") {
  const std::vector<fs::path> files = sources();
  REQUIRE(files.size() > 20);
  for (const fs::path& file : files) {
    for (const std::string& violation : violations(rules(), file, text_of(source_tree::root / file))) FAIL_CHECK(violation);
  }
}

TEST_CASE("layering: only the room of faces knows the names of its networks' layers", "[layering]") {
  for (const fs::path& file : sources()) {
    const std::string text = text_of(source_tree::root / file);
    const bool names = text.find("fc5") != std::string::npos || text.find("fc6") != std::string::npos;
    if (names && folder_of(file) != "faces") FAIL_CHECK(file.string() << " names fc5 or fc6");
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

TEST_CASE("layering: the picture of docs/architecture.md says what its table says", "[layering]") {
  const Picture picture = drawn();
  for (const std::string& fault : picture.faults) FAIL_CHECK(fault);
  const Rules seen = rules_of(picture);
  CHECK(seen.size() == rules().size());
  for (const auto& [folder, allowed] : rules()) {
    INFO(folder << "/");
    REQUIRE(seen.count(folder) == 1);
    CHECK(seen.at(folder) == allowed);
  }
  std::set<std::string> others;
  for (const Box& box : picture.boxes) {
    if (!box.room) others.insert(box.folder);
  }
  CHECK(others == std::set<std::string>{"cuda", "examples/train_face", "src/cpu"});
  for (const std::string& folder : others) CHECK(fs::is_directory(source_tree::root / folder));
  CHECK(picture.may_include.count({"examples/train_face", "faces"}) == 1);
  CHECK(picture.defines == std::set<std::pair<std::string, std::string>>{{"cuda", "kernels"}, {"src/cpu", "kernels"}});
  CHECK(text_of(source_tree::root / "docs/architecture.md").find("](architecture.svg)") != std::string::npos);
}

TEST_CASE("layering: a picture that says something else is caught", "[layering]") {
  const std::string svg = text_of(source_tree::root / "docs/architecture.svg");
  const auto with = [&svg](const std::string& from, const std::string& to) {
    const std::size_t at = svg.find(from);
    REQUIRE(at != std::string::npos);
    return picture_of(std::string(svg).replace(at, from.size(), to));
  };
  const std::string arrow = "M295 422V448";  // from net to layers
  const auto problems = [&](const std::string& to) { return with(arrow, to).faults.size(); };
  CHECK(rules_of(with(arrow, "M295 448V422")) != rules());  // the other way round
  CHECK(rules_of(with(arrow, "M80 422V448")) != rules());   // from testing
  CHECK(rules_of(with("class=\"may\" d=\"" + arrow, "class=\"may-key\" d=\"" + arrow)) != rules());
  CHECK(rules_of(with(">net/<", ">nets/<")) != rules());
  CHECK(problems("M295 422V447") == 1);  // ends outside any box
  // through layers to kernels
  CHECK(problems("M295 422V520") == 1);
  // outside its box, as are the arrows there
  CHECK(with("y=\"395\">net/<", "y=\"372\">net/<").faults.size() == 3);
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
  CHECK(count("src/caffe/weights.cpp", "#include \"caffe/caffe.pb.h\"\n#include \"io/posix_file.h\"\n") == 0);
  CHECK(count("src/caffe/weights.cpp", "#include <amnet/faces/heads.h>\n") == 1);
  CHECK(count("src/io/npy.cpp", "#include \"caffe/caffe.pb.h\"\n") == 1);
  CHECK(count("src/io/checkpoint.cpp", "#include <amnet/net/net.h>\n") == 1);
  CHECK(count("include/amnet/io/model.h", "# include <nlohmann/json.hpp>\n") == 1);
  CHECK(count("include/amnet/core/tensor.h", "#include <Eigen/Core>\n") == 1);
  CHECK(count("include/amnet/core/tensor.h", "#include <amnet/amnet.h>\n") == 1);
  CHECK(count("include/amnet/colours/red.h", "") == 1);
  CHECK(count("cuda/prelu.cu", "#include \"emulation/emulator.h\"\n#include \"kernels/arguments.h\"\n#include <amnet/kernels/prelu.h>\n") ==
        0);
  CHECK(count("cuda/prelu.cu", "#include <amnet/layers/prelu.h>\n#include \"layers/fusion.h\"\n") == 2);
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

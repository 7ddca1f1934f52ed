// What Caffe's text files say, as plain data: every field that a file sets, under its name there.
// Older forms are changed to the current one: V1 nets (`layers`), `input` fields (they become a
// layer of type Input), `solver_type`. Files with a field that Caffe does not have for any layer
// that amnet knows are refused with file and line; whether amnet has a layer of the type is not
// checked here.
//
//   if (caffe_file_kind("net.prototxt") == CaffeFile::net_prototxt) {
//     CaffeNet net = read_caffe_net("net.prototxt");
//     for (const CaffeLayer& layer : net.layers) fmt::print("{} ({}): {}\n", layer.name, layer.type, layer.phases);
//     const OptionValue* options = net.layers[0].options.find("convolution_param");
//   }
//   CaffeSolver solver = read_caffe_solver("solver.prototxt");
//   text_of(*solver.options.find("base_lr"));   // "0.1"
//
// In the trees of options enumerations are their names, repeated fields are lists, blocks are
// nested options, and a field that is not set is absent: defaults are not filled in. Caffe's
// numbers are floats; they are the nearest double to what the shortest decimal says (0.1, not
// 0.10000000149), and give the same float again. Texts are the bytes of the file, UTF-8 or not.
#pragma once

#include <amnet/core/named.h>
#include <amnet/core/options.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

enum class CaffeFile : std::uint8_t { net_prototxt, solver_prototxt, caffemodel, solverstate, mean };
constexpr std::array<std::string_view, 5> names_of(CaffeFile) {
  return {"net prototxt", "solver prototxt", "caffemodel", "solverstate", "mean"};
}

/// What kind of file it is, by its content alone, also where a part of it is damaged; nothing for a
/// file that is none of Caffe's. Throws FileError where it cannot be read.
std::optional<CaffeFile> caffe_file_kind(const std::filesystem::path& path);

struct CaffeLayer {
  std::string name, type;
  std::vector<std::string> bottoms, tops;  ///< names of what it reads and gives
  /// when it is in the net, for people: "TRAIN", "not TEST"; empty for always
  std::string phases;
  /// all other fields, such as `param`, `include` and `convolution_param`
  Options options;
  int line = 0;  ///< where it begins in the file, from 1
};

struct CaffeNet {
  std::string file;  ///< that it was read from, for messages
  std::string name;  ///< may be empty
  std::vector<CaffeLayer> layers;
  Options options;  ///< of the net itself, such as `force_backward`
};

struct CaffeSolver {
  Options options;
};

/// Throws FileError where the file cannot be read, and DataError of one sentence with file and line
/// for a mistake in it, weights with a name (`param { name: "shared" }`) and V0 nets among them.
CaffeNet read_caffe_net(const std::filesystem::path& path);
CaffeSolver read_caffe_solver(const std::filesystem::path& path);

/// The same of a text; `source` names it in messages.
CaffeNet caffe_net_of_text(std::string_view text, const std::string& source);
CaffeSolver caffe_solver_of_text(std::string_view text, const std::string& source);

}  // namespace amnet

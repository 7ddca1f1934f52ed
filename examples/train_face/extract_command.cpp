#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "memory_line.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/core/path_hint.h>
#include <amnet/faces/packed_faces.h>
#include <amnet/io/durable_file.h>
#include <amnet/io/npy.h>
#include <amnet/model/embed.h>
#include <amnet/model/model_file.h>

#include <fmt/format.h>

#include <fstream>
#include <optional>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

struct Listed {
  std::vector<std::string> paths;   // relative to the root
  std::vector<std::int64_t> lines;  // of the list; empty if there is none
  ListNotes notes = {};             // for a folder
};

// Where the label of `path label` begins, including the blanks before it; nothing where the line
// does not end in a number.
std::optional<std::size_t> label_of(const std::string& line) {
  const std::size_t blank = line.find_last_of(" \t");
  if (blank == std::string::npos || line.find_first_not_of("0123456789", blank + 1) != std::string::npos) return std::nullopt;
  const std::size_t path_end = line.find_last_not_of(" \t", blank);
  return path_end == std::string::npos ? std::nullopt : std::optional<std::size_t>(path_end + 1);
}

// Lines `path`, or `path label` as in a training list: the label is removed where the whole line is
// not the name of a file.
Listed read_paths(const std::shared_ptr<const ImageSource>& images, const fs::path& list_file) {
  Listed listed;
  if (list_file.empty()) {
    const auto pack = std::dynamic_pointer_cast<const PackedFaces>(images);
    const FaceList list = pack ? list_packed(pack) : list_folder(images->place());
    listed.notes = list.notes();
    for (std::int64_t i = 0; i < list.size(); ++i) listed.paths.emplace_back(list.path(i));
    return listed;
  }
  std::error_code unreadable;
  require<DataError>(fs::is_regular_file(list_file, unreadable), "{}: there is no such list{}.", list_file.string(),
                     path_hint(list_file.string()));
  std::ifstream lines(list_file);
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    if (++number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
    if (line.empty()) continue;
    if (const std::optional<std::size_t> label = label_of(line); label && !images->contains(line)) line.erase(*label);
    listed.paths.push_back(line);
    listed.lines.push_back(number);
  }
  require<DataError>(!listed.paths.empty(), "{}: the list names no image.", list_file.string());
  return listed;
}

std::size_t text_bytes(const Listed& listed) {
  std::size_t bytes = 0;
  for (const std::string& path : listed.paths) bytes += path.size() + 1;
  return bytes;
}

// The paths, the numbers of their lines, and the text written from them.
std::size_t bytes_of(const Listed& listed) {
  std::size_t bytes = text_bytes(listed) + listed.lines.size() * sizeof(std::int64_t);
  for (const std::string& path : listed.paths) bytes += sizeof(path) + (path.size() > 15 ? (path.size() + 24) / 16 * 16 : 0);
  return bytes;
}

// Each view, and the combined embedding.
std::size_t embedding_bytes(std::size_t images, std::int64_t size, FlipMode flip) {
  const std::size_t arrays = flip == FlipMode::none ? 2 : flip == FlipMode::sum ? 3 : 4;
  return images * static_cast<std::size_t>(size) * sizeof(float) * arrays;
}

}  // namespace

int extract_command(Arguments arguments) {
  fs::path model, root, pack, list, out;
  FlipMode flip = FlipMode::sum;
  BadImages bad_images = BadImages::fail;
  bool normalise = false;
  int workers = default_workers();
  ComputeOptions compute;
  CLI::App app("Embeddings of images as a .npy array and a file of their names.", "train_face extract");
  use_our_style(app, "  train_face extract --model runs/a --root faces --out faces.npy --normalize\n");
  begin_group(app, "Model and images");
  app.add_option("--model", model, "Model file, checkpoint folder or run folder")->required();
  app.add_option("--root", root, "Folder of the images");
  app.add_option("--pack", pack, "Packed file of the images, instead of --root");
  app.add_option("--list", list, "Lines `path` or `path label`; without it every image of the pack or of the sub-folders of --root");
  begin_group(app, "Embeddings");
  app.add_option("--out", out, "The .npy file, (images, D) of f32; names go to the same name with .txt")->required();
  add_named(app, "--flip", flip, "none: f(x); sum: f(x) + f(mirror x); concat: both, (images, 2D)");
  app.add_flag("--normalize", normalise, "Rows of length 1");
  add_named(app, "--bad-images", bad_images, "What an unreadable image does: fail, or skip (a row of zeros, named on stderr)");
  add_compute_options(app, compute);
  add_workers(app, workers);
  if (!parse_arguments(app, std::move(arguments))) return 0;
  require(out.extension() == ".npy", "--out: expected the name of a .npy file but got {}; the names go beside it.", out.string());

  const std::shared_ptr<const ImageSource> images = open_images("train_face extract", root, pack);

  const Listed listed = read_paths(images, list);
  for (const std::string& path : listed.paths) {
    require<DataError>(path.find('\n') == std::string::npos,
                       "{}: its name holds a line break, which the file of names cannot hold; rename it.", path);
  }
  const fs::path names_file = fs::path(out).replace_extension(".txt");
  Outputs outputs;
  outputs.reads("--model", model);
  outputs.reads("--list", list);
  outputs.reads("--pack", pack);
  outputs.reads_images("--root", root, static_cast<std::int64_t>(listed.paths.size()),
                       [&](std::int64_t i) { return listed.paths[static_cast<std::size_t>(i)]; });
  outputs.writes("--out", out);
  outputs.writes_beside("--out", names_file, "the names", are_names_of(names_file, out));

  Device device = make_device(compute, Purpose::embedding);
  Embedder embedder(load_model(model, {.until = Until::embedding}));
  const auto where = [&](std::size_t i) {
    const std::string file = (images->place() / listed.paths[i]).string();
    return listed.lines.empty() ? file : fmt::format("{}:{}: {}", list.string(), listed.lines[i], file);
  };
  tell_memory({{"names", bytes_of(listed)}, {"embeddings", embedding_bytes(listed.paths.size(), embedder.size(), flip)}});
  ProgressBar bar;
  const Views views = embedder.embed(device, {.images = images,
                                              .paths = listed.paths,
                                              .where = where,
                                              .mirrored = flip != FlipMode::none,
                                              .skip_bad_images = bad_images == BadImages::skip,
                                              .workers = workers,
                                              .progress = [&](std::int64_t done, std::int64_t all) {
                                                bar.show("embedding", done, all, -1);
                                                stop_if_asked();
                                              }});
  bar.clear();
  for (const std::string& reason : views.reasons) tell("skipped: " + reason);
  const Tensor features = combine(views, flip, normalise);
  stop_if_asked();  // before the first of its outputs: writes all or none
  write_npy(out, features);
  std::string names;
  names.reserve(text_bytes(listed));
  for (const std::string& path : listed.paths) names += path + "\n";
  write_durably(names_file, names);
  for (const std::string& sentence : sentences_of(listed.notes)) tell(sentence);
  answer(fmt::format("{} embeddings of {} values in {}, names in {}", listed.paths.size(), features.extent(1), out.string(),
                     names_file.string()));
  tell_convolutions(compute, device);
  return 0;
}

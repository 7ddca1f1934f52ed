#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "memory_line.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/faces/check.h>
#include <amnet/faces/packed_faces.h>
#include <amnet/faces/trainable.h>

#include <fmt/format.h>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

FaceList read_list(const fs::path& root, const fs::path& list_file, const fs::path& pack, const ListOptions& options) {
  require(pack.empty() != root.empty(), "train_face check-data: give either --root or --pack.");
  require(pack.empty() || list_file.empty(), "--train-list: a packed file holds its list; leave it out.");
  require(!options.relabel || !pack.empty() || !list_file.empty(), "--relabel: is for the labels of --train-list or --pack.");
  if (!pack.empty()) return list_packed(std::make_shared<PackedFaces>(pack), options);
  return list_file.empty() ? list_folder(root, options) : read_face_list(list_file, root, options);
}

}  // namespace

int check_data_command(Arguments arguments) {
  fs::path root, list_file, pack, exclude;
  std::string input = "112x96";
  int workers = default_workers();
  bool relabel = false;
  CLI::App app("Reads every image of a training set and names each that is unreadable, damaged, of the wrong size or there twice.",
               "train_face check-data");
  use_our_style(app, "  train_face check-data --root faces\n");
  begin_group(app, "Images");
  app.add_option("--root", root, "Folder of the images");
  app.add_option("--train-list", list_file, "Lines `path label`; without it the sub-folders of --root are the people");
  app.add_option("--pack", pack, "Packed file, instead of --root and --train-list");
  app.add_option("--exclude", exclude, "File of names of people to leave out");
  app.add_flag("--relabel", relabel, "Number the labels of the list from 0 on, as train --relabel does");
  app.add_option("--input", input, "Image size, height x width (default: that of --pack, else 112x96)");
  begin_group(app, computing);
  add_workers(app, workers);
  if (!parse_arguments(app, std::move(arguments))) return 0;

  ImageFormat format;
  const FaceList list = read_list(root, list_file, pack, {.exclude = exclude, .relabel = relabel});
  read_size(app, input, pack, format);
  // Each path and each hash of a file is kept, in two tables.
  constexpr std::size_t remembered = 120;
  tell_memory({{"list", list.bytes()}, {"files met", static_cast<std::size_t>(list.size()) * remembered}});
  ProgressBar bar;
  const Pace pace;
  const CheckReport report = check_data(list, format, {.workers = workers, .progress = [&](std::int64_t done, std::int64_t all) {
                                                         bar.show("checking", done, all, pace.seconds_left(done, all));
                                                         stop_if_asked();
                                                       }});
  bar.clear();

  for (const Finding& finding : report.findings) answer(finding.message);
  for (const std::string& sentence : sentences_of(list.notes())) answer(sentence);
  const std::int64_t unseen = list.notes().left_out_pictures();
  answer(fmt::format("{} images of {} people: {} good, {} unreadable, {} damaged, {} of the wrong size, {} duplicates, {} listed twice{}",
                     report.images, report.identities, report.good, report.count(Problem::unreadable), report.count(Problem::damaged),
                     report.count(Problem::wrong_size), report.count(Problem::duplicate), report.count(Problem::listed_twice),
                     unseen == 0   ? ""
                     : unseen == 1 ? ", 1 left out that looks like a picture"
                                   : fmt::format(", {} left out that look like pictures", unseen)));
  answer(fmt::format("images per person: fewest {}, median {}, most {}; {} people with a single image", report.fewest, report.median,
                     report.most, report.single_images));
  if (report.warned > 0) answer(fmt::format("{} with a decoder's warning, pixels whole", report.warned));
  if (report.unused.count > 0) {
    answer(fmt::format("labels that no image has: {}, the first {}", report.unused.count, report.unused.first.front()));
  }
  const std::string reason = why_not_trainable(list);
  if (!reason.empty()) answer("not to be trained on: " + reason);
  return report.findings.empty() && unseen == 0 && reason.empty() ? 0 : 3;
}

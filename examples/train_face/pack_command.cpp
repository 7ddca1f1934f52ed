#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "memory_line.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/faces/packed_faces.h>
#include <amnet/faces/trainable.h>
#include <amnet/io/durable_file.h>

#include <fmt/format.h>

using namespace amnet;
namespace fs = std::filesystem;

int pack_command(Arguments arguments) {
  fs::path root, list_file, exclude, out;
  std::string input = "112x96";
  PackOptions options{.workers = default_workers()};
  bool relabel = false;
  CLI::App app("Packs a training set into one file, for train --pack: quicker to open, copy and check than a folder of many.",
               "train_face pack");
  use_our_style(app,
                "  train_face pack --root faces --out faces.pack\n"
                "  train_face train --pack faces.pack --preset small --out runs/a\n");
  begin_group(app, "Images");
  app.add_option("--root", root, "Folder of the images")->required();
  app.add_option("--train-list", list_file, "Lines `path label`; without it the sub-folders of --root are the people");
  app.add_option("--exclude", exclude, "File of names of people to leave out");
  app.add_flag("--relabel", relabel, "Number the labels of the list from 0 on, in their order; --out with .labels.csv keeps the old ones");
  app.add_option("--input", input, "Image size, height x width");
  add_named(app, "--bad-images", options.bad_images, "What an unreadable image does: fail, or skip (left out, named on stderr)");
  begin_group(app, "Pack");
  app.add_option("--out", out, "The packed file")->required();
  begin_group(app, computing);
  add_workers(app, options.workers);
  if (!parse_arguments(app, std::move(arguments))) return 0;

  read_size_option(input, options.format);
  require(!relabel || !list_file.empty(), "--relabel: is for the labels of --train-list.");
  const ListOptions list_options{.exclude = exclude, .relabel = relabel};
  const FaceList list = list_file.empty() ? list_folder(root, list_options) : read_face_list(list_file, root, list_options);
  const fs::path labels_file = fs::path(out).concat(".labels.csv");
  Outputs outputs;
  outputs.reads("--train-list", list_file);
  outputs.reads("--exclude", exclude);
  outputs.reads_images("--root", root, list.size(), [&](std::int64_t i) { return std::string(list.path(i)); });
  outputs.writes("--out", out);
  if (relabel) outputs.writes_beside("--out", labels_file, "the labels", is_our_label_table(labels_file));
  tell_memory({{"list", list.bytes()}, {"index", packed_index_bytes(list)}});
  ProgressBar bar;
  const Pace pace;
  options.on_bad_image = [&](const BadImage& bad) { bar.print("skipped: " + bad.reason); };
  options.progress = [&](std::int64_t done, std::int64_t all) {
    bar.show("packing", done, all, pace.seconds_left(done, all));
    stop_if_asked();  // removes the unfinished file
  };

  PackSummary summary;
  write_durably(out, [&](const ByteSink& sink) { summary = write_packed_faces(list, options, sink); });
  bar.clear();
  for (const std::string& sentence : sentences_of(list.notes())) tell(sentence);
  if (const std::string reason = why_not_trainable(list); !reason.empty()) bar.print("not to be trained on: " + reason);
  if (relabel) write_durably(labels_file, label_table(list));
  const std::string skipped = summary.skipped > 0 ? fmt::format(", {} bad ones left out", summary.skipped) : "";
  conclude(fmt::format("{} images of {} classes{} in {}, {:.1f} MB", summary.images, list.classes(), skipped, out.string(),
                       static_cast<double>(summary.bytes) / 1e6));
  return 0;
}

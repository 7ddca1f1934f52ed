#include "commands.h"
#include "console.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/core/processors.h>
#include <amnet/faces/synthetic_photographs.h>
#include <amnet/io/folder_lock.h>

#include <fmt/format.h>

using namespace amnet;

int synth_command(Arguments arguments) {
  std::filesystem::path out;
  std::int64_t identities = 0;
  std::int64_t images = 0;
  std::uint64_t seed = 1;
  bool photographs = false;
  CLI::App app("Draws synthetic aligned faces: a training set that needs no download, and no measure of a model for real faces.",
               "train_face synth");
  use_our_style(app, "  train_face synth --out faces --identities 100 --images 20\n");
  begin_group(app, "Faces");
  app.add_option("--out", out, "Folder to write id_00000/id_00000_0001.jpg … and list.txt to")->required();
  app.add_option("--identities", identities, "Number of people")->required()->check(CLI::Range(1, 1'000'000));
  app.add_option("--images", images, "Images of each")->required()->check(CLI::Range(1, 9999));
  app.add_option("--seed", seed, "Every face follows from it")->check(seeds());
  app.add_flag("--photographs", photographs, "Photographs with a face somewhere in them, and landmarks.csv instead of list.txt: for align");
  if (!parse_arguments(app, std::move(arguments))) return 0;

  const std::string table = photographs ? "landmarks.csv" : "list.txt";
  Outputs().writes_into("--out", out, {table}, photographs ? is_our_landmark_table : is_our_list);
  std::error_code unreadable;
  const bool new_folder = !std::filesystem::exists(out, unreadable);
  const FolderLock lock(out);
  ProgressBar bar;
  if (!lock.held()) bar.print(lock.missing());
  try {
    const SyntheticFaces faces{.identities = static_cast<std::uint64_t>(identities),
                               .images = static_cast<std::uint64_t>(images),
                               .seed = seed,
                               .threads = usable_processors()};
    const auto progress = [&](std::uint64_t done, std::uint64_t all) {
      bar.show("drawing", static_cast<std::int64_t>(done), static_cast<std::int64_t>(all), -1);
      stop_if_asked();
    };
    if (photographs) {
      write_synthetic_photographs(out, faces, progress);
    } else {
      write_synthetic_faces(out, faces, progress);
    }
  } catch (const Interrupted&) {
    if (new_folder) std::filesystem::remove_all(out, unreadable);
    throw;
  }
  bar.clear();
  conclude(
      fmt::format("{} images of {} people under {}, listed in {}", identities * images, identities, out.string(), (out / table).string()));
  return 0;
}

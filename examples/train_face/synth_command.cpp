#include "commands.h"
#include "progress_bar.h"

#include <amnet/data/synthetic_faces.h>

#include <cstdio>
#include <thread>

using namespace amnet;

int synth_command(Arguments arguments) {
  std::filesystem::path out;
  std::int64_t identities = 0;
  std::int64_t images = 0;
  std::uint64_t seed = 1;
  CLI::App app("Draws synthetic aligned faces: a training set that needs no download, and no measure of a model for real faces.",
               "train_face synth");
  use_our_style(app);
  app.add_option("--out", out, "Folder to write id_00000/id_00000_0001.jpg … and list.txt to")->required();
  app.add_option("--identities", identities, "Number of people")->required()->check(CLI::Range(1, 1'000'000));
  app.add_option("--images", images, "Images of each")->required()->check(CLI::Range(1, 9999));
  app.add_option("--seed", seed, "Every face follows from it")->check(seeds());
  if (!parse_arguments(app, std::move(arguments))) return 0;

  ProgressBar bar;
  write_synthetic_faces(out,
                        {.identities = static_cast<std::uint64_t>(identities),
                         .images = static_cast<std::uint64_t>(images),
                         .seed = seed,
                         .threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))},
                        [&](std::uint64_t done, std::uint64_t all) {
                          bar.show("drawing", static_cast<std::int64_t>(done), static_cast<std::int64_t>(all), -1);
                        });
  bar.clear();
  std::printf("%lld images of %lld people under %s, listed in %s\n", static_cast<long long>(identities * images),
              static_cast<long long>(identities), out.c_str(), (out / "list.txt").c_str());
  return 0;
}

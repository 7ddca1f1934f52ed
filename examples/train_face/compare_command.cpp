#include "commands.h"
#include "progress_bar.h"

#include <amnet/eval/bootstrap.h>
#include <amnet/eval/embed.h>
#include <amnet/eval/pairs.h>
#include <amnet/eval/verification.h>
#include <amnet/io/durable_file.h>

#include <cstdio>
#include <nlohmann/json.hpp>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

// The models of one side, such as the seeds of one recipe: for each pair the share of them that told it right.
struct Side {
  std::vector<double> correct;
  std::vector<double> accuracies;  // percent, of each model
};

Side measure(const std::vector<fs::path>& models, const Pairs& pairs, const fs::path& root, Protocol protocol, Device& device,
             ProgressBar& bar) {
  Side side{.correct = std::vector<double>(pairs.pairs.size()), .accuracies = {}};
  for (const fs::path& model : models) {
    Embedder embedder(load_model(model));
    const Views views = embedder.embed(device, {.root = root, .paths = pairs.images, .progress = [&](std::int64_t done, std::int64_t all) {
                                                  bar.show("embedding", done, all, -1, model.string());
                                                }});
    const Verification result = verify(pairs, views.plain, views.mirrored, {.protocol = protocol});
    side.accuracies.push_back(result.accuracy_mean);
    for (std::size_t i = 0; i < side.correct.size(); ++i) side.correct[i] += result.correct[i] / static_cast<double>(models.size());
    bar.clear();
    std::printf("%-40s %6.2f +- %.2f %%\n", model.c_str(), result.accuracy_mean, result.accuracy_std);
  }
  return side;
}

}  // namespace

int compare_command(Arguments arguments) {
  std::vector<fs::path> a, b;
  fs::path pairs_file, root, json;
  std::string protocol = "amsoftmax";
  int threads = 0;
  std::uint64_t seed = 1;
  CLI::App app("Is one recipe better than another? A paired bootstrap over people, each side one or several models (its seeds).",
               "train_face compare");
  use_our_style(app);
  app.add_option("--a", a, "Models of one side")->required();
  app.add_option("--b", b, "Models of the other")->required();
  app.add_option("--pairs", pairs_file, "Pairs in the format of LFW's pairs.txt")->required();
  app.add_option("--root", root, "Folder of their images")->required();
  app.add_option("--protocol", protocol, "amsoftmax or sphereface")->check(CLI::IsMember({"amsoftmax", "sphereface"}));
  app.add_option("--threads", threads, "Compute threads; 0: all cores")->check(CLI::Range(0, 1024));
  app.add_option("--seed", seed, "Of the bootstrap's draws");
  app.add_option("--json", json, "File for the numbers");
  if (!parse_arguments(app, std::move(arguments))) return 0;

  const Pairs pairs = read_pairs(pairs_file, root);
  Device device = Cpu(threads);
  ProgressBar bar;
  const Side side_a = measure(a, pairs, root, protocol_of(protocol), device, bar);
  const Side side_b = measure(b, pairs, root, protocol_of(protocol), device, bar);
  const Bootstrap result = paired_bootstrap(pairs, side_a.correct, side_b.correct, {.seed = seed});
  std::printf("a - b: %+.2f points, 95 %% interval [%+.2f, %+.2f], a is better in %.1f %% of %d resamples of the people\n",
              result.difference, result.low, result.high, 100 * result.share_above_zero, result.resamples);
  if (!json.empty()) {
    const nlohmann::json numbers = {{"accuracies_a", side_a.accuracies},
                                    {"accuracies_b", side_b.accuracies},
                                    {"difference", result.difference},
                                    {"low", result.low},
                                    {"high", result.high},
                                    {"share_above_zero", result.share_above_zero},
                                    {"resamples", result.resamples}};
    write_durably(json, numbers.dump(2) + "\n");
  }
  return 0;
}

#include "first_lines.h"

#include "io/json.h"

#include <amnet/core/build_info.h>
#include <amnet/core/text.h>
#include <amnet/io/durable_file.h>

#include <fmt/format.h>

#include <algorithm>

namespace amnet {
namespace {

/// "faces", "faces, more": the folders or the packed file, each once.
std::string places_of(const FaceList& list) {
  std::vector<std::string> places;
  for (const FaceList::Part& part : list.parts()) {
    const std::string place = part.images->place().string();
    if (std::ranges::find(places, place) == places.end()) places.push_back(place);
  }
  return joined(places, ", ");
}

void write_data_notes(RunLog& log, const FaceList& list) {
  for (std::size_t i = 0; list.parts().size() > 1 && i < list.parts().size(); ++i) {
    const FaceList::Part& part = list.parts()[i];
    const bool is_last = i + 1 == list.parts().size();
    const std::int64_t images = is_last ? list.size() : list.parts()[i + 1].first_image;
    const std::int64_t labels = is_last ? list.classes() : list.parts()[i + 1].first_label;
    log.line(fmt::format("List {}, {}: {} images under {}, labels {} to {}", i + 1, part.source, images - part.first_image,
                         part.images->place().string(), part.first_label, labels - 1));
  }
  for (const std::string& sentence : sentences_of(list.notes())) log.line(sentence);
  if (const UnusedLabels unused = unused_labels(list); unused.count > 0) {
    log.line(fmt::format("Labels that no image has: {}, the first {}; does the list count from 1, or is .classes too large?", unused.count,
                         unused.first.front()));
  }
}

}  // namespace

void write_first_lines(RunLog& log, const FirstLines& run) {
  const BuildInfo build = build_info();
  const FaceTraining& options = run.options;
  const auto* cpu = std::get_if<Cpu>(&run.device);
  log.line(fmt::format("amnet {} ({}), {}, {}, {}{}", build.version, build.commit, build.compiler, build.simd, description_of(run.device),
                       cpu == nullptr ? "" : fmt::format(", convolutions {}", name_of(cpu->convolution()))));
  log.line(fmt::format("Data: {} images of {} people under {}, {} {}, mean {:g}{}, seed {}", run.list.size(), run.list.classes(),
                       places_of(run.list), size_text(options.input), name_of(options.input.order), options.input.mean,
                       options.input.scale == ImageFormat{}.scale ? "" : fmt::format(", pixel scale {:g}", options.input.scale),
                       options.seed));
  write_data_notes(log, run.list);
  const std::string network =
      options.caffe.solver.empty()
          ? fmt::format("depth {}, width {:g}, embedding {}", options.network.depth, options.network.width, options.network.embedding)
          : fmt::format("{}, {} layers", options.caffe.net.string(), run.net.layers().size());
  log.line(fmt::format("Network: {}, {} parameters; effective batch {}; {} steps", network, run.net.parameter_count(),
                       options.batch * options.accumulate, run.steps));
  if (options.augment != Augment::none || options.sampling != Sampling::shuffle) {
    log.line(fmt::format("Images: augment {}, sampling {}", name_of(options.augment), name_of(options.sampling)));
  }
  log.line(run.memory.str());
  if (run.device_forecast) log.line(run.device_forecast->str(run.device_free));
  Json environment = json_object({{"version", build.version},
                                  {"commit", build.commit},
                                  {"compiler", build.compiler},
                                  {"simd", build.simd},
                                  {"device", description_of(run.device)},
                                  {"seed", options.seed},
                                  {"images", run.list.size()},
                                  {"classes", run.list.classes()},
                                  {"parameters", run.net.parameter_count()},
                                  {"memory_forecast_bytes", run.memory.total()}});
  if (cpu != nullptr) {
    environment["threads"] = cpu->threads();
    environment["convolution"] = std::string(name_of(cpu->convolution()));
  }
  if (run.device_forecast) {
    environment["device_memory_forecast_bytes"] = run.device_forecast->total();
    environment["device_memory_free_bytes"] = run.device_free;
  }
  write_durably(options.out / "environment.json", json_text(sorted_json(environment)));
}

}  // namespace amnet

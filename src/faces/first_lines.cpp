#include "first_lines.h"

#include "io/json.h"

#include <amnet/core/build_info.h>
#include <amnet/core/text.h>
#include <amnet/io/durable_file.h>

#include <fmt/format.h>

namespace amnet {
namespace {

void write_data_notes(RunLog& log, const FaceList& list) {
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
                       run.list.root().string(), size_text(options.input), name_of(options.input.order), options.input.mean,
                       options.input.scale == ImageFormat{}.scale ? "" : fmt::format(", pixel scale {:g}", options.input.scale),
                       options.seed));
  write_data_notes(log, run.list);
  const std::string network =
      options.caffe.solver.empty()
          ? fmt::format("depth {}, width {:g}, embedding {}", options.network.depth, options.network.width, options.network.embedding)
          : fmt::format("{}, {} layers", options.caffe.net.string(), run.net.layers().size());
  log.line(fmt::format("Network: {}, {} parameters; effective batch {}; {} steps", network, run.net.parameter_count(),
                       options.batch * options.accumulate, run.steps));
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

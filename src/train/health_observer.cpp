#include <amnet/train/health_observer.h>
#include <amnet/train/step_log.h>

namespace amnet {

void HealthObserver::after_step(TrainRun& run) {
  Trainer& trainer = run.trainer();
  if (!log_is_due(trainer, every_)) return;
  trainer.settle();
  const Model& model = trainer.model();
  const std::int64_t samples = std::ssize(trainer.latest_samples());
  const auto on_host = [&](Value value) { return trainer.plan().value(value).slice(0, samples).to(Memory::host); };
  const Meters& meters = trainer.meters();
  const Signs signs{.step = trainer.step(),
                    .samples = meters.count() * trainer.source().batch(),
                    .accuracy = meters["accuracy"],
                    .feature_norm = meters["feature_norm"],
                    .gradient_norm = trainer.latest("gradient_norm") / static_cast<double>(trainer.options().accumulate),
                    .others_cosine = mean_cosine_between_classes(on_host(model.embedding()), on_host(model.labels()))};
  for (const std::string& warning : watch_.look(signs, health_)) log_.line(warning);
}

void HealthObserver::store(Options& state) const { state.set("health", {options_of(health_)}); }

void HealthObserver::restore(const TrainRun&, const Options& state) {
  const OptionValue* found = state.find("health");
  const Options* health = found != nullptr ? std::get_if<Options>(&found->value) : nullptr;
  // an older state has none
  if (health != nullptr) read_options(*health, "the state's health", health_);
}

}  // namespace amnet

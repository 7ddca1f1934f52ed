#include <amnet/kernels/sgd.h>

#include "kernels/arguments.h"
#include "scalar.h"

#include <limits>

namespace amnet {
namespace {

constexpr std::string_view who = "sgd";

struct SgdRow {
  const float* gradients;
  float *velocities, *values;
  std::int64_t count;
  std::int32_t first_block;
  float rate, keep, decay, scale;
};

/// One step of many parameters. Their table is passed in the kernel's arguments, which may have 4
/// KB on every GPU: no copy to the GPU is needed before a step, and more parameters than the table
/// holds take another launch.
struct SgdStep {
  static constexpr int threads = 256;
  static constexpr int packs_of_thread = 4;
  static constexpr std::int64_t elements_of_block = std::int64_t{threads} * packs_of_thread * Pack<float>::size;
  static constexpr int most_rows = (4096 - 16) / static_cast<int>(sizeof(SgdRow));
  const std::uint8_t* halted;  // or nullptr
  std::int32_t count;          // of the rows in use; their first blocks are in increasing order
  SgdRow rows[most_rows];

  /// The last row that begins at or before a block.
  AMNET_DEVICE int row_of(std::int64_t block) const {
    int row = 0;
    for (int step = 64; step > 0; step /= 2) {
      if (row + step < count && rows[row + step].first_block <= block) row += step;
    }
    return row;
  }

  AMNET_DEVICE void operator()(const Thread& thread) const {
    static_assert(most_rows <= 128);
    if (halted != nullptr && *halted != 0) return;
    const SgdRow row = rows[row_of(thread.block())];
    const auto move = [&row](float gradient, float& velocity, float& value) {
      velocity = row.keep * velocity + row.rate * (row.scale * gradient + row.decay * value);
      value -= velocity;
    };
    const std::int64_t begin = (thread.block() - row.first_block) * elements_of_block;
    const std::int64_t end = begin + elements_of_block < row.count ? begin + elements_of_block : row.count;
    const auto starts_a_pack = [](const float* at) { return reinterpret_cast<std::uintptr_t>(at) % 16 == 0; };
    const bool packed = starts_a_pack(row.gradients) && starts_a_pack(row.velocities) && starts_a_pack(row.values);
    constexpr int width = Pack<float>::size;
    const std::int64_t packs_end = packed ? begin + (end - begin) / width * width : begin;
    for (std::int64_t i = begin + thread.index() * width; i < packs_end; i += threads * width) {
      const Pack<float> gradients = load_pack(row.gradients + i);
      Pack<float> velocities = load_pack(row.velocities + i), values = load_pack(row.values + i);
      for (int e = 0; e < width; ++e) move(gradients.elements[e], velocities.elements[e], values.elements[e]);
      store_pack(row.velocities + i, velocities);
      store_pack(row.values + i, values);
    }
    for (std::int64_t i = packs_end + thread.index(); i < end; i += threads) move(row.gradients[i], row.velocities[i], row.values[i]);
  }
};
static_assert(sizeof(SgdStep) <= 4096);

}  // namespace

void sgd_step(Cuda& cuda, std::span<const SgdUpdate> updates, const Tensor& halted) {
  SgdStep step{};
  step.halted = elements_or_null<const std::uint8_t>(halted, who);
  std::int64_t blocks = 0;
  const auto launch_rows = [&] {
    launch(cuda, blocks, step);
    step.count = 0;
    blocks = 0;
  };
  for (const SgdUpdate& update : updates) {
    check_sgd(update);
    const auto& [options, gradient, momentum, value] = update;
    const std::int64_t own_blocks = (value.count() + SgdStep::elements_of_block - 1) / SgdStep::elements_of_block;
    if (own_blocks == 0) continue;
    if (step.count == SgdStep::most_rows || blocks + own_blocks > std::numeric_limits<std::int32_t>::max()) launch_rows();
    step.rows[step.count++] = {.gradients = elements<const float>(gradient, who),
                               .velocities = elements<float>(momentum, who),
                               .values = elements<float>(value, who),
                               .count = value.count(),
                               .first_block = static_cast<std::int32_t>(blocks),
                               .rate = static_cast<float>(options.learning_rate),
                               .keep = static_cast<float>(options.momentum),
                               .decay = static_cast<float>(options.weight_decay),
                               .scale = static_cast<float>(options.gradient_scale)};
    blocks += own_blocks;
  }
  launch_rows();
}

}  // namespace amnet

// One step of many parameters by a rule of updating (sgd.cu, adam.cu). The table of parameters is
// passed in the kernel's arguments, which may have 4 KB on every GPU: no copy to the GPU is needed
// before a step, and more parameters than the table holds take another launch.
//
// A rule holds the numbers of one parameter and moves one of its elements:
//
//   struct Rule {
//     static constexpr const char* name = "SgdStep";   // of the kernel, in profiles
//     static constexpr int states = 1;      // tensors beside the value that it keeps
//     float scale, decay;                   // and what else it needs
//     AMNET_DEVICE void operator()(float slope, Elements<states>& state, float& value) const;
//   };
#pragma once

#include "scalar.h"

#include <amnet/kernels/update_terms.h>

#include <limits>
#include <string_view>

namespace amnet {

/// One element of each state of a rule.
template <int count>
struct Elements {
  float of[count];
};

template <class Rule>
struct UpdateRow {
  const float* gradients;
  float* states[Rule::states];
  float* values;
  std::int64_t count;
  std::int32_t first_block;
  Rule rule;
};

template <class Rule, Regularization regularization>
struct UpdateStep {
  using Row = UpdateRow<Rule>;
  static constexpr const char* name = Rule::name;
  static constexpr int threads = 256;
  static constexpr int packs_of_thread = 4;
  static constexpr std::int64_t elements_of_block = std::int64_t{threads} * packs_of_thread * Pack<float>::size;
  static constexpr int most_rows = (4096 - 24) / static_cast<int>(sizeof(Row));
  const std::uint8_t* halted;  // or nullptr
  const double* clip;          // or nullptr
  std::int32_t count;          // of the rows in use; their first blocks are in increasing order
  Row rows[most_rows];

  /// The last row that begins at or before a block.
  AMNET_DEVICE int row_of(std::int64_t block) const {
    int row = 0;
    for (int step = 64; step > 0; step /= 2) {
      if (row + step < count && rows[row + step].first_block <= block) row += step;
    }
    return row;
  }

  AMNET_DEVICE static float sign(float value) { return value > 0 ? 1.0F : value < 0 ? -1.0F : 0.0F; }

  AMNET_DEVICE void operator()(const Thread& thread) const {
    static_assert(most_rows <= 128 && sizeof(UpdateStep) <= 4096);
    if (halted != nullptr && *halted != 0) return;
    const Row row = rows[row_of(thread.block())];
    const float scale = clip == nullptr ? row.rule.scale : static_cast<float>(row.rule.scale * *clip);
    const auto move = [&row, scale](float gradient, Elements<Rule::states>& state, float& value) {
      const float decayed = regularization == Regularization::l1 ? sign(value) : value;
      row.rule(scale * gradient + row.rule.decay * decayed, state, value);
    };
    const std::int64_t begin = (thread.block() - row.first_block) * elements_of_block;
    const std::int64_t end = begin + elements_of_block < row.count ? begin + elements_of_block : row.count;
    const auto starts_a_pack = [](const float* at) { return reinterpret_cast<std::uintptr_t>(at) % 16 == 0; };
    bool packed = starts_a_pack(row.gradients) && starts_a_pack(row.values);
    for (int s = 0; s < Rule::states; ++s) packed = packed && starts_a_pack(row.states[s]);
    constexpr int width = Pack<float>::size;
    const std::int64_t packs_end = packed ? begin + (end - begin) / width * width : begin;
    for (std::int64_t i = begin + thread.index() * width; i < packs_end; i += threads * width) {
      const Pack<float> gradients = load_pack(row.gradients + i);
      Pack<float> states[Rule::states], values = load_pack(row.values + i);
      for (int s = 0; s < Rule::states; ++s) states[s] = load_pack(row.states[s] + i);
      for (int e = 0; e < width; ++e) {
        Elements<Rule::states> state;
        for (int s = 0; s < Rule::states; ++s) state.of[s] = states[s].elements[e];
        move(gradients.elements[e], state, values.elements[e]);
        for (int s = 0; s < Rule::states; ++s) states[s].elements[e] = state.of[s];
      }
      for (int s = 0; s < Rule::states; ++s) store_pack(row.states[s] + i, states[s]);
      store_pack(row.values + i, values);
    }
    for (std::int64_t i = packs_end + thread.index(); i < end; i += threads) {
      Elements<Rule::states> state;
      for (int s = 0; s < Rule::states; ++s) state.of[s] = row.states[s][i];
      move(row.gradients[i], state, row.values[i]);
      for (int s = 0; s < Rule::states; ++s) row.states[s][i] = state.of[s];
    }
  }
};

/// Launches the step of `updates`; row(update) fills a row of the table, but its first block.
template <class Rule, Regularization regularization, class Updates, class RowOf>
void launch_update(Cuda& cuda, const Updates& updates, const UpdateTerms& terms, std::string_view who, RowOf&& row_of) {
  using Step = UpdateStep<Rule, regularization>;
  Step step{};
  step.halted = elements_or_null<const std::uint8_t>(terms.halted, who);
  step.clip = elements_or_null<const double>(terms.clip, who);
  std::int64_t blocks = 0;
  const auto launch_rows = [&] {
    launch(cuda, blocks, step);
    step.count = 0;
    blocks = 0;
  };
  for (const auto& update : updates) {
    UpdateRow<Rule> row = row_of(update);
    const std::int64_t own_blocks = (row.count + Step::elements_of_block - 1) / Step::elements_of_block;
    if (own_blocks == 0) continue;
    if (step.count == Step::most_rows || blocks + own_blocks > std::numeric_limits<std::int32_t>::max()) launch_rows();
    row.first_block = static_cast<std::int32_t>(blocks);
    step.rows[step.count++] = row;
    blocks += own_blocks;
  }
  launch_rows();
}

template <class Rule, class Updates, class RowOf>
void update_step(Cuda& cuda, const Updates& updates, const UpdateTerms& terms, std::string_view who, RowOf&& row_of) {
  if (terms.regularization == Regularization::l1) {
    launch_update<Rule, Regularization::l1>(cuda, updates, terms, who, row_of);
  } else {
    launch_update<Rule, Regularization::l2>(cuda, updates, terms, who, row_of);
  }
}

}  // namespace amnet

// The shapes of the 20-layer network at 112x96, full width, and the batch of the comparison.
#pragma once

#include <array>
#include <cstdint>

namespace amnet::bench {

inline constexpr std::int64_t batch = 32;
inline constexpr std::int64_t embedding = 512;

/// A stage's activation (batch,height,width,channels). Its stride-1 convolutions keep the shape.
struct Stage {
  const char* name;
  std::int64_t height, width, channels;
};
inline constexpr Stage image{"image", 112, 96, 3};
inline constexpr std::array<Stage, 4> stages{
    {{"stage1", 56, 48, 64}, {"stage2", 28, 24, 128}, {"stage3", 14, 12, 256}, {"stage4", 7, 6, 512}}};

/// The inputs of fc5.
inline constexpr std::int64_t flat = 7 * 6 * 512;
/// Numbers of classes of the heads that are measured: CASIA-WebFace's and a large one.
inline constexpr std::array<std::int64_t, 2> head_classes{10516, 100'000};

}  // namespace amnet::bench

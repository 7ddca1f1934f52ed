#include <amnet/faces/sphere_face.h>
#include <amnet/layers/add.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/prelu.h>

#include <cmath>

namespace amnet {

std::array<int, 4> sphere_face_blocks(int depth) {
  switch (depth) {
    case 4: return {0, 0, 0, 0};
    case 10: return {0, 1, 2, 0};
    case 20: return {1, 2, 4, 1};
    case 36: return {2, 4, 8, 2};
    case 64: return {3, 8, 16, 3};
    default: break;
  }
  throw UsageError(fmt::format("[sphere_face] expected a depth of 4, 10, 20, 36 or 64 but got {}.", depth));
}

Value sphere_face(Net& net, Value images, const SphereFaceOptions& options) {
  const std::array<int, 4> blocks = sphere_face_blocks(options.depth);
  require(std::isfinite(options.width) && options.width > 0 && options.width <= 16,
          "[sphere_face] expected a width multiplier in (0, 16] but got {}.", options.width);
  require(options.embedding >= 1, "[sphere_face] expected an embedding of at least 1 value but got {}.", options.embedding);

  Value value = images;
  for (int stage = 1; stage <= 4; ++stage) {
    const auto channels = std::max<std::int64_t>(1, std::llround(options.width * (32 << stage)));
    int number = 0;  // within the stage: conv<stage>_<number>
    const auto convolve = [&](Value input, bool reduces) {
      ++number;
      const std::string suffix = fmt::format("{}_{}", stage, number);
      Conv2dOptions convolution{.pad = 1};
      if (reduces) {
        convolution.stride = 2;
      } else {
        convolution.with_bias = false;
        convolution.weight.filler = Filler::gaussian(0.01);
      }
      return net.add("relu" + suffix, PRelu(), {net.add("conv" + suffix, Conv2d(channels, 3, convolution), {input})});
    };
    value = convolve(value, true);
    for (int block = 0; block < blocks[static_cast<std::size_t>(stage - 1)]; ++block) {
      const Value branch = convolve(convolve(value, false), false);
      value = net.add(fmt::format("res{}_{}", stage, number), Add(), {value, branch});
    }
  }
  const Value flat = net.add("flatten", Flatten(), {value});
  return net.add("fc5", FullyConnected(options.embedding), {flat});
}

Model face_network(const SphereFaceOptions& options, const ImageFormat& format, DType dtype) {
  check_image_format(format);
  Model model{.net = Net(dtype), .roles = {.image = ImageRole{.input = "data", .format = format}, .embedding = "fc5"}};
  sphere_face(model.net, model.net.input("data", {1, format.height, format.width, 3}), options);
  return model;
}

}  // namespace amnet

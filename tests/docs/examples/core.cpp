#include "example.h"

using namespace amnet;
using examples::values_of;

EXAMPLE("core/build_info.h") {
#include "example_of/core/build_info.h"
  CHECK(built.version == AMNET_VERSION);
}

EXAMPLE("core/device.h") {
  const Tensor x = Tensor::of<float>({2}, {-2, 3}), slope = Tensor::of<float>({1}, {0.5}), y({2}, DType::f32);
#include "example_of/core/device.h"
  CHECK(values_of(y) == std::vector<double>{-1, 3});
}

EXAMPLE("core/dtype.h") {
  const Tensor x = Tensor::of<float>({3}, {1, 2, 4});
  double sum = 0;
#include "example_of/core/dtype.h"
  CHECK(sum == 7);
}

EXAMPLE("core/duration.h") {
#include "example_of/core/duration.h"
  CHECK(taken == "0 s");
  CHECK(duration_text(750) == "12.5 min");
}

EXAMPLE("core/error.h") {
  const Tensor labels({4}, DType::i64);
  const std::string file = "list.txt", text = "ann/01.jpg 3";
  const int line = 1;
  const auto begin = text.begin(), end = text.end();
#include "example_of/core/error.h"
}

EXAMPLE("core/extents.h") {
#include "example_of/core/extents.h"
  CHECK(square == Extents(3, 3));
  CHECK((tall.height == 3 && tall.width == 1));
}

EXAMPLE("core/gradient.h") {
  Cpu cpu(1);
  const Tensor y = Tensor::of<float>({2}, {0, 3}), dy = Tensor::of<float>({2}, {5, 7}), dx({2}, DType::f32);
#include "example_of/core/gradient.h"
  CHECK(values_of(dx) == std::vector<double>{0, 14});
}

EXAMPLE("core/image_format.h") {
  const double pixel = 255;
  double value = 0;
#include "example_of/core/image_format.h"
  CHECK(value == 127.5 / 128);
}

EXAMPLE("core/memory.h") {
#include "example_of/core/memory.h"
  CHECK(block.get()[4095] == std::byte{0});
  CHECK(host_memory().bytes >= 4096);
}

EXAMPLE("core/memory_use.h") {
#include "example_of/core/memory_use.h"
  CHECK(memory_line({{"list", 480'000'000}, {"program", 11'000'000}}) == "Memory: 491 MB in all = list 480 MB + program 11 MB");
}

#define EXAMPLE_BLOCK 1
#include "example_of/core/named.h"
EXAMPLE("core/named.h") {
#define EXAMPLE_BLOCK 2
#include "example_of/core/named.h"
  CHECK(name_of(Fruit::pear) == "pear");
  CHECK_THROWS_WITH(named<Fruit>("plum", "[basket] fruit"), "[basket] fruit: expected 'apple' or 'pear' but got 'plum'.");
}

#define EXAMPLE_BLOCK 1
#include "example_of/core/options.h"
EXAMPLE("core/options.h") {
#define EXAMPLE_BLOCK 2
#include "example_of/core/options.h"
  CHECK(read.slope == 2);
  tree.set("slop", {1.0});
  CHECK_THROWS_AS(read_options(tree, "layer 'swish1'", read), DataError);
}

EXAMPLE("core/path_hint.h") {
  namespace fs = std::filesystem;
  const fs::path path = ".";
#include "example_of/core/path_hint.h"
}

EXAMPLE("core/processors.h") {
#include "example_of/core/processors.h"
  CHECK(cpu.threads() == Cpu().threads());
}

EXAMPLE("core/random.h") {
  const std::uint64_t seed = 1, epoch = 2, index = 3;
#include "example_of/core/random.h"
}

EXAMPLE("core/shape.h") {
#include "example_of/core/shape.h"
  CHECK(shape.count() == 1'032'192);
  CHECK(shape.with(0, 64) == Shape{64, 112, 96, 3});
}

EXAMPLE("core/tensor.h") {
  const Device device = Cpu(1);
#include "example_of/core/tensor.h"
  CHECK(first.shape() == Shape{1, 112, 96, 3});
  CHECK(first.raw() == x.raw());
  CHECK(there.raw() == x.raw());
}

EXAMPLE("core/text.h") {
#include "example_of/core/text.h"
  CHECK(one_line("ann\n\x1b[2J.jpg") == R"(ann\n\x1b[2J.jpg)");
  CHECK(valid_utf8("Zo\xeb") == "Zo\uFFFD");
}

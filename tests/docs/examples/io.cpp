#include "example.h"

using namespace amnet;
using examples::values_of;

EXAMPLE("io/checkpoint.h") {
  std::filesystem::create_directories("runs/a");
  const std::int64_t step = 500;
  const std::vector<CheckpointFile> files = {{"state.json", std::string("{}")}};
#include "example_of/io/checkpoint.h"
  CHECK(newest_intact("runs/a", notes)->step == 500);
  CHECK(notes.empty());
}

EXAMPLE("io/durable_file.h") {
  const Tensor tensor = Tensor::of<float>({2}, {1, 2});
#include "example_of/io/durable_file.h"
  CHECK(std::filesystem::file_size("weights.bin") == 8);
}

EXAMPLE("io/folder_lock.h") {
  RunLog log("train.log");
#include "example_of/io/folder_lock.h"
}

EXAMPLE("io/npy.h") {
  const Tensor embeddings = Tensor::of<float>({2, 1}, {1, 2});
#include "example_of/io/npy.h"
  CHECK(values_of(again) == values_of(embeddings));
}

EXAMPLE("io/safetensors.h") {
  const Tensor w = Tensor::of<float>({2}, {1, 2});
#include "example_of/io/safetensors.h"
  REQUIRE(file.tensors.size() == 1);
  CHECK(values_of(file.tensors[0].tensor) == values_of(w));
}

// How fast images become a batch: on faces drawn in memory, and on the real ones of ../shared where
// it exists. All figures are images a second of one core unless a benchmark names its workers; the
// goal is 5,000 for decoding, mirroring and normalising a 112x96 JPEG.
#include <amnet/data/augment.h>
#include <amnet/data/image.h>
#include <amnet/faces/loader.h>
#include <amnet/faces/packed_faces.h>
#include <amnet/faces/synthetic_faces.h>
#include <amnet/io/durable_file.h>
#include <amnet/kernels/image_input.h>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "shared_data.h"

namespace {

using namespace amnet;
namespace fs = std::filesystem;

constexpr std::int64_t batch = 64;
const ImageFormat format{.height = 112, .width = 96};

/// A set of faces as files in memory, in a folder and in a pack.
struct Faces {
  std::vector<std::vector<std::byte>> files;
  FaceList folder, pack;
};

/// Removed when the program ends.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("amnet_data_bench_" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

const fs::path& scratch() {
  static const Scratch owner;
  return owner.path;
}

Faces faces_of(const FaceList& list, const std::string& name) {
  Faces faces;
  faces.folder = list;
  const std::int64_t in_memory = std::min<std::int64_t>(list.size(), 1024);
  for (std::int64_t i = 0; i < in_memory; ++i) faces.files.push_back(read_image_file(list.file(i), list.where(i)));
  const fs::path pack = scratch() / (name + ".pack");
  write_durably(pack, [&](const ByteSink& sink) { write_packed_faces(list, {.format = format}, sink); });
  faces.pack = list_packed(std::make_shared<PackedFaces>(pack));
  return faces;
}

/// 2,560 drawn faces.
const Faces& synthetic() {
  static const Faces faces = [] {
    const fs::path root = scratch() / "synthetic";
    write_synthetic_faces(root, {.identities = 64, .images = 40});
    return faces_of(read_face_list(root / "list.txt", root), "synthetic");
  }();
  return faces;
}

/// The 6,647 faces for training.
const Faces& real() {
  static const Faces faces = [] {
    const fs::path root = shared_directory().value() / "data/faces";
    return faces_of(read_face_list(root / "train_list.txt", root), "real");
  }();
  return faces;
}

void decode(benchmark::State& state, const Faces& (*faces)()) {
  const auto& files = faces().files;
  std::size_t n = 0;
  for (auto _ : state) benchmark::DoNotOptimize(decode_image(files[n++ % files.size()], ChannelOrder::bgr, "face"));
  state.SetItemsProcessed(state.iterations());
}

/// Of decoded images: what a loader's thread does for each beside decoding it.
void augment_decoded(benchmark::State& state, const Faces& (*faces)(), Augment set) {
  std::vector<Image> images;
  for (const auto& file : faces().files) images.push_back(decode_image(file, ChannelOrder::bgr, "face"));
  const Augmentation augmentation = augmentation_of(set);
  std::int64_t n = 0;
  for (auto _ : state) {
    Image image = images[static_cast<std::size_t>(n) % images.size()];
    augment(image, ChannelOrder::bgr, draw_augmentation(augmentation, {.seed = 1, .round = 0, .image = n++}, image));
    benchmark::DoNotOptimize(image.pixels.data());
  }
  state.SetItemsProcessed(state.iterations());
}

/// One batch per iteration, every second image mirrored.
void decode_mirror_normalise(benchmark::State& state, const Faces& (*faces)()) {
  const auto& files = faces().files;
  Cpu cpu(1);
  const Tensor pixels({batch, format.height, format.width, 3}, DType::u8);
  const Tensor mirrored = Tensor::zeros({batch}, DType::u8);
  const Tensor input(pixels.shape(), DType::f32);
  for (std::size_t i = 0; i < batch; i += 2) mirrored.data<std::uint8_t>()[i] = 1;
  std::size_t n = 0;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < batch; ++i) {
      const Image image = decode_image(files[n++ % files.size()], ChannelOrder::bgr, "face");
      std::ranges::copy(image.pixels, pixels.slice(i, i + 1).data<std::uint8_t>().begin());
    }
    image_input(cpu, {}, pixels, mirrored, input);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * batch);
}

/// image_input alone, on a batch in which either every image or none is mirrored.
void normalise(benchmark::State& state) {
  Cpu cpu(1);
  const Tensor pixels = Tensor::zeros({batch, format.height, format.width, 3}, DType::u8);
  const Tensor mirrored({batch}, DType::u8);
  std::ranges::fill(mirrored.data<std::uint8_t>(), static_cast<std::uint8_t>(state.range(0)));
  const Tensor input(pixels.shape(), DType::f32);
  for (auto _ : state) {
    image_input(cpu, {}, pixels, mirrored, input);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * batch);
}

/// Batches as in training: read, checked, decoded, in a drawn order, by range(0) workers.
void load(benchmark::State& state, const Faces& (*faces)(), FaceList Faces::*source) {
  Loader loader(faces().*source, {.batch = batch, .format = format, .workers = static_cast<int>(state.range(0))});
  for (auto _ : state) benchmark::DoNotOptimize(loader.next());
  state.SetItemsProcessed(state.iterations() * batch);
}

void open_pack(benchmark::State& state, const Faces& (*faces)()) {
  const fs::path file = faces().pack.images(0).place();
  for (auto _ : state) benchmark::DoNotOptimize(list_packed(std::make_shared<PackedFaces>(file)));
  state.SetItemsProcessed(state.iterations() * faces().pack.size());
}

void register_for(const std::string& name, const Faces& (*faces)()) {
  const auto add = [&](const std::string& what, auto function, auto... arguments) {
    return benchmark::RegisterBenchmark(("data/" + what + "/" + name).c_str(), function, arguments...);
  };
  add("decode", decode, faces);
  add("augment_light", augment_decoded, faces, Augment::light);
  add("augment_strong", augment_decoded, faces, Augment::strong);
  add("decode_mirror_normalise", decode_mirror_normalise, faces);
  for (const auto& [what, source] : {std::pair{"load_from_folder", &Faces::folder}, std::pair{"load_from_pack", &Faces::pack}}) {
    // The workers' time is not counted in this thread's time.
    add(what, load, faces, source)->ArgName("workers")->Arg(1)->Arg(2)->UseRealTime();
  }
  add("open_pack", open_pack, faces);
}

BENCHMARK(normalise)->Name("data/normalise")->ArgName("mirrored")->Arg(0)->Arg(1);

[[maybe_unused]] const bool registered = [] {
  register_for("synthetic", synthetic);
  if (shared_directory()) register_for("real", real);
  return true;
}();

}  // namespace

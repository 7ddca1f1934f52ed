// Files of earlier versions: they must stay loadable. fixtures/README.md states which program wrote
// them.
#include <amnet/faces/packed_faces.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/io/npy.h>
#include <amnet/model/embed.h>
#include <amnet/model/model_file.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "catch.h"
#include "data/test_images.h"
#include "model/older_files.h"

namespace {

using namespace amnet;
using Catch::Matchers::Contains;
using test_images::TemporaryFolder;

std::filesystem::path fixtures() { return std::filesystem::path(AMNET_SOURCE_DIR) / "tests/model/fixtures"; }

/// The metadata of such a file, of the smallest network for images of 16x12.
Metadata older_metadata() {
  return {{"amnet.model", "sphere_face"}, {"amnet.depth", "4"},         {"amnet.width", "0.05"},     {"amnet.embedding_size", "5"},
          {"amnet.embedding", "fc5"},     {"amnet.input_height", "16"}, {"amnet.input_width", "12"}, {"amnet.channel_order", "bgr"},
          {"amnet.mean", "127.5"},        {"amnet.scale", "0.0078125"}};
}

}  // namespace

TEST_CASE("older files: metadata say what net it was", "[older_files]") {
  const Model expected = face_network({.depth = 4, .width = 0.05, .embedding = 5}, {.height = 16, .width = 12});
  CHECK(description_of_older(older_metadata(), "x") == describe(expected.net, expected.roles));
  CHECK_FALSE(description_of_older({}, "x").has_value());

  Metadata metadata = older_metadata();
  metadata["amnet.embedding"] = "flatten";
  metadata["amnet.channel_order"] = "rgb";
  metadata["amnet.mean"] = "127.5000000000001";
  const NetDescription description = description_of_older(metadata, "x").value();
  CHECK(description.roles.embedding == "flatten");
  CHECK(description.roles.image->format == ImageFormat{.height = 16, .width = 12, .order = ChannelOrder::rgb, .mean = 127.5000000000001});
}

TEST_CASE("older files: metadata that say nothing usable are refused by their key", "[older_files]") {
  for (const auto& [key, value] : older_metadata()) {
    if (key == "amnet.model") continue;  // without it the metadata are not of such a file
    Metadata missing = older_metadata();
    missing.erase(key);
    INFO(key);
    CHECK_THROWS_AS(description_of_older(missing, "a.safetensors"), DataError);
    CHECK_THROWS_WITH(description_of_older(missing, "a.safetensors"), Contains("a.safetensors: the metadata has no '" + key + "'"));
    for (const char* nonsense : {"", "x", "4x", " 4", "1,5"}) {
      Metadata bad = older_metadata();
      bad[key] = nonsense;
      INFO("'" << nonsense << "'");
      CHECK_THROWS_AS(description_of_older(bad, "a.safetensors"), DataError);
      CHECK_THROWS_WITH(description_of_older(bad, "a.safetensors"), Contains("a.safetensors: "));
    }
  }
  Metadata other = older_metadata();
  other["amnet.model"] = "resnet";
  CHECK_THROWS_WITH(description_of_older(other, "a"), "a: the model is 'resnet' but this version knows only 'sphere_face'.");
}

TEST_CASE("older files: metadata of a network that cannot be are the file's fault", "[older_files]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  const Model model = face_network({.depth = 4, .width = 0.05, .embedding = 5}, {.height = 16, .width = 12});
  const std::vector<std::pair<const char*, const char*>> impossible = {
      {"amnet.depth", "7"},         {"amnet.width", "nan"},     {"amnet.width", "-1"}, {"amnet.embedding_size", "0"},
      {"amnet.input_height", "-3"}, {"amnet.input_width", "0"}, {"amnet.mean", "nan"}, {"amnet.scale", "inf"},
      {"amnet.scale", "0"},         {"amnet.embedding", "fc9"},
  };
  for (const auto& [key, value] : impossible) {
    Metadata metadata = older_metadata();
    metadata[key] = value;
    write_safetensors(path, tensors_of(model.net), metadata);
    INFO(key << " = " << value);
    CHECK_THROWS_AS(load_model(path), DataError);
    CHECK_THROWS_WITH(load_model(path), Contains("model.safetensors: "));
  }
}

TEST_CASE("older files: checkpoints of each loss load, and embed as the program that wrote them did", "[older_files]") {
  const auto pack = std::make_shared<PackedFaces>(fixtures() / "faces.pack");
  const FaceList list = list_packed(pack);
  std::vector<std::string> paths;
  for (std::int64_t i = 0; i < list.size(); ++i) paths.emplace_back(list.path(i));
  REQUIRE(paths.size() == 8);
  for (const char* loss : {"amsoftmax", "softmax", "normface"}) {
    INFO(loss);
    const auto checkpoint = fixtures() / loss / "step_00000004";
    for (const auto& named : {checkpoint, checkpoint / "model.safetensors", fixtures() / loss}) {
      for (const Until until : {Until::all, Until::embedding}) {
        const Model model = load_model(named, {.until = until});
        CHECK(model.net.layers().back().name == "fc5");
        CHECK(model.roles.embedding == "fc5");
        CHECK(model.roles.loss.empty());
      }
    }
    CHECK(expected_input(read_safetensors(checkpoint / "model.safetensors"), "x") ==
          ImageFormat{.height = 32, .width = 32, .order = ChannelOrder::rgb, .mean = 120});

    Embedder embedder(load_model(checkpoint, {.until = Until::embedding}));
    Device device = Cpu(1, ConvolutionAlgorithm::direct);
    const Tensor found = combine(embedder.embed(device, {.images = pack, .paths = paths}), FlipMode::concat);
    const Tensor expected = read_npy(fixtures() / loss / "embeddings.npy");
    REQUIRE(found.shape() == expected.shape());
    for (std::int64_t row = 0; row < found.extent(0); ++row) {
      const std::span<const float> a = found.slice(row, row + 1).data<const float>(), b = expected.slice(row, row + 1).data<const float>();
      double difference = 0, length = 0;
      for (std::size_t i = 0; i < a.size(); ++i) difference += std::pow(a[i] - b[i], 2), length += std::pow(b[i], 2);
      CHECK(std::sqrt(difference) <= 1e-5 * std::sqrt(length));
      CHECK(length > 1e-3);
    }
  }
}

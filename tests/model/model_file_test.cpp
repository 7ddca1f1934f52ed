#include <amnet/io/checkpoint.h>
#include <amnet/io/durable_file.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/model/model_file.h>
#include <amnet/net/plan.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "catch.h"
#include "data/test_images.h"

namespace {

using namespace amnet;
using Catch::Matchers::Contains;
using test_images::TemporaryFolder;

/// The smallest network: four convolutions and an embedding of 5 for images of 16x12.
ModelDescription small_model() { return {.network = {.depth = 4, .width = 0.05, .embedding = 5}, .input = {.height = 16, .width = 12}}; }

BuiltModel learned_model(const ModelDescription& description, std::uint64_t seed) {
  BuiltModel model = build_model(description);
  model.net.initialise(seed);
  return model;
}

/// A convolution that is not square, of as many inputs as nothing else has.
Net odd_net() {
  Net net;
  const Value x = net.input("x", {1, 6, 7, 3});
  net.add("conv", Conv2d({.outputs = 2, .geometry = {.kernel_h = 2, .kernel_w = 5}}), {x});
  return net;
}

SafetensorsFile file_of(Net& net) { return {.metadata = {}, .tensors = tensors_of(net)}; }

NamedTensor& tensor_named(SafetensorsFile& file, const std::string& name) {
  for (NamedTensor& each : file.tensors) {
    if (each.name == name) return each;
  }
  throw std::runtime_error(name);
}

void remove(SafetensorsFile& file, const std::string& name) {
  std::erase_if(file.tensors, [&](const NamedTensor& each) { return each.name == name; });
}

bool same_parameters(Net& a, Net& b) {
  std::vector<Tensor> values;
  a.visit([&](const std::string&, Parameter& each) { values.push_back(each.value); });
  bool same = true;
  std::size_t i = 0;
  b.visit([&](const std::string&, Parameter& each) {
    const Tensor& other = values.at(i++);
    same = same && other.shape() == each.value.shape() && std::memcmp(other.raw(), each.value.raw(), other.size_bytes()) == 0;
  });
  return same && i == values.size();
}

}  // namespace

TEST_CASE("model file: a description comes back exactly as it was", "[model_file]") {
  const std::vector<ModelDescription> descriptions = {
      {},
      small_model(),
      {.network = {.depth = 64, .width = 1.0 / 3, .embedding = 128},
       .input = {.height = 112, .width = 112, .order = ChannelOrder::rgb, .mean = 127.5 + 1e-13, .scale = 1.0 / 127.5},
       .embedding = "flatten"},
  };
  for (const ModelDescription& description : descriptions) {
    const ModelDescription read = description_of(metadata_of(description), "x");
    CHECK(read.network.depth == description.network.depth);
    CHECK(read.network.width == description.network.width);
    CHECK(read.network.embedding == description.network.embedding);
    CHECK(read.input == description.input);
    CHECK(read.embedding == description.embedding);
  }
}

TEST_CASE("model file: metadata that says nothing usable is refused by its key", "[model_file]") {
  const Metadata good = metadata_of(small_model());
  for (const auto& [key, value] : good) {
    Metadata missing = good;
    missing.erase(key);
    INFO(key);
    CHECK_THROWS_AS(description_of(missing, "a.safetensors"), DataError);
    CHECK_THROWS_WITH(description_of(missing, "a.safetensors"), Contains("a.safetensors: the metadata has no '" + key + "'"));
    if (key == "amnet.embedding") continue;  // any layer's name
    for (const char* nonsense : {"", "x", "4x", " 4", "1,5"}) {
      Metadata bad = good;
      bad[key] = nonsense;
      INFO("'" << nonsense << "'");
      CHECK_THROWS_AS(description_of(bad, "a.safetensors"), DataError);
    }
  }
}

TEST_CASE("model file: convolutions lie in files as (out, in, kh, kw), everything else as it is", "[model_file]") {
  Net net = odd_net();
  net.visit([](const std::string&, Parameter& each) {
    float value = 0;
    for (float& element : each.value.data<float>()) element = value++;
  });
  SafetensorsFile file = file_of(net);
  const Tensor stored = tensor_named(file, "conv.weight").tensor;
  REQUIRE(stored.shape() == Shape{2, 3, 2, 5});
  CHECK(tensor_named(file, "conv.bias").tensor.shape() == Shape{2});
  std::size_t i = 0;
  for (int out = 0; out < 2; ++out) {
    for (int in = 0; in < 3; ++in) {
      for (int row = 0; row < 2; ++row) {
        for (int column = 0; column < 5; ++column) {
          REQUIRE(stored.data<float>()[i++] == static_cast<float>(((out * 2 + row) * 5 + column) * 3 + in));
        }
      }
    }
  }
  Net other = odd_net();
  load_tensors(other, file, "x");
  CHECK(same_parameters(net, other));
}

TEST_CASE("model file: a reader that knows nothing of amnet finds the field's layout", "[model_file]") {
  if (std::system("python3 -c pass > /dev/null 2>&1") != 0) {
    std::printf("SKIPPED model file: a reader that knows nothing of amnet finds the field's layout: python3 is absent\n");
    return;
  }
  const TemporaryFolder folder;
  Net net = odd_net();
  net.initialise(4);
  write_safetensors(folder.path() / "model.safetensors", tensors_of(net), metadata_of(small_model()));
  // What a convolution over (N,C,H,W) by those weights gives for one image, in Python, against what the net gives.
  const Value y = net.find("conv");
  Plan plan(net, {.keep = {y}});
  const Tensor& x = plan.value(net.find("x"));
  const Random random(5);
  std::uint64_t i = 0;
  for (float& value : x.data<float>()) value = static_cast<float>(random.below(i++, 7)) - 3;
  Device device = Cpu(1);
  plan.forward(device);
  std::string numbers;
  for (const float value : x.data<float>()) numbers += fmt::format("{},", value);
  std::string expected;
  for (const float value : plan.value(y).data<float>()) expected += fmt::format("{},", value);
  folder.write("check.py", fmt::format(R"(
import struct, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[2])
from read_safetensors import read
metadata, tensors = read(sys.argv[1])
assert metadata["amnet.input_height"] == "16" and metadata["amnet.channel_order"] == "bgr", metadata
dtype, (O, I, KH, KW), data = tensors["conv.weight"]
assert (dtype, O, I, KH, KW) == ("F32", 2, 3, 2, 5)
w = struct.unpack(f"<{{O * I * KH * KW}}f", data)
x, y = [{}], [{}]  # (6,7,3) and (5,3,2)
for i in range(5):
    for j in range(3):
        for o in range(O):
            total = sum(w[((o * I + c) * KH + a) * KW + b] * x[((i + a) * 7 + j + b) * 3 + c]
                        for c in range(I) for a in range(KH) for b in range(KW))
            assert abs(total - y[(i * 3 + j) * 2 + o]) < 1e-5, (i, j, o, total)
)",
                                       numbers, expected));
  const std::string command =
      fmt::format("python3 '{0}/check.py' '{0}/model.safetensors' '{1}/tests/io'", folder.path().string(), AMNET_SOURCE_DIR);
  CHECK(std::system(command.c_str()) == 0);
}

TEST_CASE("model file: a written model is rebuilt from the file alone", "[model_file]") {
  const TemporaryFolder folder;
  ModelDescription description = small_model();
  description.input.order = ChannelOrder::rgb;
  BuiltModel model = learned_model(description, 1);
  std::vector<NamedTensor> tensors = tensors_of(model.net);
  tensors.push_back({"fc6.weight", Tensor::zeros({3, 5}, DType::f32)});  // a training head, left out
  const auto path = folder.path() / "model.safetensors";
  write_safetensors(path, tensors, metadata_of(description));
  for (const auto& named : {path, folder.path()}) {
    LoadedModel loaded = load_model(named);
    CHECK(loaded.description.input == description.input);
    CHECK(same_parameters(model.net, loaded.net));
    CHECK(loaded.net.spec(loaded.embedding).shape[1] == 5);
    CHECK(loaded.net.spec(loaded.images).shape == Shape{1, 16, 12, 3});
  }
}

TEST_CASE("model file: metadata of a network that cannot be is the file's fault", "[model_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  BuiltModel model = learned_model(small_model(), 1);
  const std::vector<std::pair<const char*, const char*>> impossible = {
      {"amnet.depth", "7"},         {"amnet.width", "nan"},     {"amnet.width", "-1"}, {"amnet.embedding_size", "0"},
      {"amnet.input_height", "-3"}, {"amnet.input_width", "0"}, {"amnet.mean", "nan"}, {"amnet.scale", "inf"},
      {"amnet.scale", "0"},         {"amnet.embedding", "fc9"},
  };
  for (const auto& [key, value] : impossible) {
    Metadata metadata = metadata_of(small_model());
    metadata[key] = value;
    write_safetensors(path, tensors_of(model.net), metadata);
    INFO(key << " = " << value);
    CHECK_THROWS_AS(load_model(path), DataError);
    CHECK_THROWS_WITH(load_model(path), Contains("model.safetensors: "));
  }
}

TEST_CASE("model file: a run directory stands for its newest intact checkpoint", "[model_file]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(load_model(folder.path() / "nothing"), FileError);
  CHECK_THROWS_WITH(load_model(folder.path() / "nothing"), Contains("nothing: there is no such model file"));
  CHECK_THROWS_AS(load_model(folder.path()), FileError);
  CHECK_THROWS_WITH(load_model(folder.path()), Contains("no intact checkpoint"));
  for (const std::int64_t step : {9, 10}) {
    BuiltModel model = learned_model(small_model(), static_cast<std::uint64_t>(step));
    const SafetensorsFile file{.metadata = metadata_of(small_model()), .tensors = tensors_of(model.net)};
    const std::vector<CheckpointFile> files = {{"model.safetensors", file}};
    write_checkpoint(folder.path(), step, files);
  }
  BuiltModel tenth = learned_model(small_model(), 10);
  BuiltModel ninth = learned_model(small_model(), 9);
  LoadedModel newest = load_model(folder.path());
  CHECK(same_parameters(newest.net, tenth.net));
  folder.write(checkpoint_name(10) + "/model.safetensors", "damaged");
  LoadedModel intact = load_model(folder.path());
  CHECK(same_parameters(intact.net, ninth.net));

  // A checkpoint named outright is held against its manifest: one flipped bit of a weight is refused.
  const auto ninth_directory = folder.path() / checkpoint_name(9);
  LoadedModel named = load_model(ninth_directory);
  CHECK(same_parameters(named.net, ninth.net));
  std::string bytes = read_file(ninth_directory / "model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  folder.write(checkpoint_name(9) + "/model.safetensors", bytes);
  CHECK_THROWS_AS(load_model(ninth_directory), DataError);
}

TEST_CASE("model file: a tensor that is missing or of another shape is named", "[model_file]") {
  BuiltModel model = learned_model(small_model(), 1);
  const SafetensorsFile good = file_of(model.net);
  BuiltModel target = learned_model(small_model(), 2);
  for (const NamedTensor& each : good.tensors) {
    SafetensorsFile missing = good;
    remove(missing, each.name);
    INFO(each.name);
    CHECK_THROWS_AS(load_tensors(target.net, missing, "a.safetensors"), DataError);
    CHECK_THROWS_WITH(load_tensors(target.net, missing, "a.safetensors"),
                      Contains("a.safetensors: the tensor '" + each.name + "' is missing"));
    SafetensorsFile other = good;
    tensor_named(other, each.name).tensor = Tensor::zeros({7, 1, 2}, DType::f32);
    CHECK_THROWS_AS(load_tensors(target.net, other, "a.safetensors"), DataError);
    CHECK_THROWS_WITH(load_tensors(target.net, other, "a.safetensors"),
                      Contains("'" + each.name + "' is f32 (7,1,2) but this network needs f32 ("));
  }
  // The file's own layout is what is asked for, not the layout in memory.
  SafetensorsFile in_memory = good;
  NamedTensor& first = tensor_named(in_memory, "conv3_1.weight");
  const Shape shape = first.tensor.shape();
  first.tensor = first.tensor.reshaped({shape[0], shape[2], shape[3], shape[1]});
  CHECK_THROWS_WITH(load_tensors(target.net, in_memory, "x"), Contains("conv3_1.weight"));
  SafetensorsFile integers = good;
  tensor_named(integers, "fc5.bias").tensor = Tensor::zeros({5}, DType::i64);
  CHECK_THROWS_WITH(load_tensors(target.net, integers, "x"), Contains("'fc5.bias' is i64 (5) but this network needs f32 (5)"));
  // Doubles are taken, rounded.
  SafetensorsFile doubles = good;
  for (NamedTensor& each : doubles.tensors) each.tensor = each.tensor.cast(DType::f64);
  load_tensors(target.net, doubles, "x");
  CHECK(same_parameters(model.net, target.net));
}

TEST_CASE("model file: a backbone goes to other classes, and says what it did not bring", "[model_file]") {
  const auto with_head = [](std::int64_t classes, std::uint64_t seed) {
    BuiltModel model = build_model(small_model());
    model.net.add("fc6", FullyConnected({.outputs = classes, .with_bias = false}), {model.embedding});
    model.net.initialise(seed);
    return model;
  };
  BuiltModel old = with_head(11, 1), fresh = with_head(7, 2), same = with_head(11, 3), untouched = with_head(7, 2);
  const SafetensorsFile file = file_of(old.net);

  CHECK(load_known_tensors(same.net, file, "x").empty());
  CHECK(same_parameters(same.net, old.net));

  CHECK(load_known_tensors(fresh.net, file, "x") == std::vector<std::string>{"fc6.weight"});
  SafetensorsFile moved = file_of(fresh.net), before = file_of(untouched.net);
  for (const NamedTensor& each : file.tensors) {
    const Tensor& expected = each.name == "fc6.weight" ? tensor_named(before, each.name).tensor : each.tensor;
    INFO(each.name);
    CHECK(std::memcmp(tensor_named(moved, each.name).tensor.raw(), expected.raw(), expected.size_bytes()) == 0);
  }

  SafetensorsFile part = file;
  remove(part, "relu3_1.slope");
  CHECK(load_known_tensors(same.net, part, "x") == std::vector<std::string>{"relu3_1.slope"});
  // A backbone of another shape is another network, not a missing tensor.
  SafetensorsFile other = file;
  tensor_named(other, "fc5.weight").tensor = Tensor::zeros({6, 26}, DType::f32);
  CHECK_THROWS_WITH(load_known_tensors(fresh.net, other, "old.safetensors"), Contains("old.safetensors: 'fc5.weight' is f32 (6,26)"));
}

TEST_CASE("model file: a file of other names is refused with the one that looks alike", "[model_file]") {
  BuiltModel model = learned_model(small_model(), 1), target = learned_model(small_model(), 2);
  const SafetensorsFile good = file_of(model.net);
  const auto renamed = [&](const std::string& before, const std::string& behind, bool head_stays) {
    SafetensorsFile file = good;
    for (NamedTensor& each : file.tensors) {
      if (!head_stays || !each.name.starts_with("fc5")) each.name = before + each.name + behind;
    }
    return file;
  };
  CHECK_THROWS_AS(load_known_tensors(target.net, renamed("module.", "", false), "x"), DataError);
  CHECK_THROWS_WITH(load_known_tensors(target.net, renamed("module.", "", false), "x"),
                    Contains("not one of the") && Contains("`module.conv1_1.weight`") && Contains("begin with `module.`"));
  CHECK_THROWS_WITH(load_known_tensors(target.net, renamed("", "_ema", true), "x"),
                    Contains("convolutions") && Contains("end with `_ema`"));
  CHECK_THROWS_WITH(load_tensors(target.net, renamed("module.", "", false), "x"), Contains("is missing") && Contains("`module.`"));
  SafetensorsFile empty;
  CHECK_THROWS_AS(load_known_tensors(target.net, empty, "x"), DataError);
}

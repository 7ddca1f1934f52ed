#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/io/checkpoint.h>
#include <amnet/io/durable_file.h>
#include <amnet/layers/accuracy.h>
#include <amnet/layers/add.h>
#include <amnet/layers/angular_margin.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/binary_cross_entropy.h>
#include <amnet/layers/broadcast.h>
#include <amnet/layers/center_loss.h>
#include <amnet/layers/combine.h>
#include <amnet/layers/concat.h>
#include <amnet/layers/contrastive_loss.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/conv2d_transpose.h>
#include <amnet/layers/distance.h>
#include <amnet/layers/dropout.h>
#include <amnet/layers/euclidean_loss.h>
#include <amnet/layers/fill.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/flip.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/grey.h>
#include <amnet/layers/hard_margin.h>
#include <amnet/layers/lse_margin.h>
#include <amnet/layers/matrix_product.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/parameter.h>
#include <amnet/layers/permute.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/power.h>
#include <amnet/layers/prelu.h>
#include <amnet/layers/proxy_contrastive_loss.h>
#include <amnet/layers/proxy_triplet_loss.h>
#include <amnet/layers/reduce.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/reshape.h>
#include <amnet/layers/sample_scale.h>
#include <amnet/layers/scale_shift.h>
#include <amnet/layers/sigmoid.h>
#include <amnet/layers/slice.h>
#include <amnet/layers/softmax.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/layers/sphere_product.h>
#include <amnet/layers/stop_gradient.h>
#include <amnet/layers/tanh.h>
#include <amnet/layers/target_margin.h>
#include <amnet/layers/target_rescale.h>
#include <amnet/model/model_file.h>
#include <amnet/net/plan.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "blend.h"
#include "catch.h"
#include "data/test_images.h"
#include "net/fill_random.h"

namespace {

using namespace amnet;
using Catch::Matchers::Contains;
using test_images::TemporaryFolder;

/// The smallest network: four convolutions and an embedding of 5 for images of 16x12.
Model small_model(std::uint64_t seed) {
  Model model = face_network({.depth = 4, .width = 0.05, .embedding = 5}, {.height = 16, .width = 12});
  model.net.initialise(seed);
  return model;
}

/// A convolution that is not square, with a number of inputs that nothing else has.
Net odd_net() {
  Net net;
  const Value x = net.input("x", {1, 6, 7, 3});
  net.add("conv", Conv2d(2, {2, 5}), {x});
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
  save_model(folder.path() / "model.safetensors", net, {}, {{"by", "somebody"}});
  // The result of a convolution over (N,C,H,W) with those weights for one image, computed in
  // Python, compared with the net's result.
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
import json, struct, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[2])
from read_safetensors import read
metadata, tensors = read(sys.argv[1])
about = json.loads(metadata["amnet.net"])
assert about["layers"][0]["options"]["kernel"] == [2, 5] and about["roles"]["embedding"] == "" and metadata["by"] == "somebody", about
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

namespace {

/// The types that only nets of Caffe have.
void add_caffes_types(Net& net, Value data, Value features, Value logits, Value labels) {
  const auto add = [&net]<class L>(L layer, std::vector<Value> inputs) {
    const std::string name = "only_" + std::string(layer.type());
    return net.add(name, std::move(layer), std::move(inputs));
  };
  add(Grey(), {net.input("colour", {1, 4, 4, 3})});
  add(Conv2dTranspose(2, 2), {data});
  Value value = add(Tanh(), {add(Power({.power = 2, .scale = 0.1, .shift = 1}), {add(Sigmoid(), {features})})});
  value = add(Broadcast({.add = BroadcastFrom::parameter}), {add(Softmax(), {value})});
  value = add(StopGradient(), {add(Combine({.coefficients = {1, 2}}), {value, features})});
  add(Concat(), {value, add(Slice({.points = {2}}), {value})});
  add(Reduce(), {add(Reshape({.extents = {0, 8, 32}}), {add(Permute({.order = {0, 2, 1, 3}}), {data})})});
  add(Fill({.extents = {2, 3}, .filler = Filler::gaussian(1)}), {});
  const Value weights = add(ParameterLayer({.extents = {3, 5}}), {});
  const Value distances = add(Distance(3), {features});
  add(MatrixProduct(), {features, weights});
  add(SphereProduct(3), {features, labels});
  add(SampleScale(), {logits, net.input("scales", {1, 1})});
  for (const Value moved : {add(TargetMargin({.margin = 0.1}), {logits, labels}), add(AngularMargin({.margin = 10}), {logits, labels}),
                            add(HardMargin(), {logits, labels}), add(TargetRescale({.positive_weight = 0.9}), {logits, labels}),
                            add(LseMargin(), {logits, labels})}) {
    CHECK(net.spec(moved).shape == net.spec(logits).shape);
  }
  add(ContrastiveLoss(), {features, value, labels, labels});
  add(EuclideanLoss(), {features, value});
  add(CenterLoss(3), {features, labels});
  add(ProxyContrastiveLoss(), {distances, labels});
  add(ProxyTripletLoss(), {distances, labels});
}

/// Every type of the table.
Net net_of_every_type(DType dtype) {
  Net net(dtype);
  const Value data = net.input("data", {1, 8, 8, 4});
  const Value labels = net.input("labels", {1}, DType::i64);
  Value value = net.add("conv", Conv2d(6, {3, 2}, {.pad = {0, 1}, .groups = 2}), {data});
  value = net.add("scale", ScaleShift({.with_shift = true}), {net.add("norm", BatchNorm(), {value})});
  value = net.add("sum", Add(), {net.add("slope", PRelu(), {value}), net.add("mirror", Flip(), {value})});
  value = net.add("pool", Pool(PoolKind::average, {2, 3}), {net.add("active", Relu(), {value})});
  value = net.add("flat", Flatten(), {net.add("drop", Dropout({.ratio = 0.25, .stream = "drop"}), {value})});
  const Value features = net.add("features", FullyConnected(5), {value});
  const Value unit = net.add("unit", Normalize({.norm_output = true}), {features});
  const Value logits = net.add("classes", FullyConnected(3, {.with_bias = false, .row_norm = RowNorm::projected}), {unit});
  net.add("loss", SoftmaxCrossEntropy({.margin = 0.1, .sample_scale = true}), {logits, labels, net.output(unit, 1)});
  net.add("binary", BinaryCrossEntropy(), {logits, labels});
  net.add("right", Accuracy(), {logits, labels});
  add_caffes_types(net, data, features, logits, labels);
  std::uint64_t seed = 1;
  // buffers too
  net.visit([&](const std::string&, Parameter& each) { fill_random(each.value, seed++); });
  net.visit([&](const std::string& name, Parameter& each) {
    if (name == "norm.running_variance" || name == "norm.weight_of_past") each.value.fill(2);
  });
  return net;
}

Roles roles_of_every_type() {
  return {
      .labels = "labels", .embedding = "features", .loss = "loss", .metrics = {{"accuracy", "right"}}, .class_weights = "classes.weight"};
}

/// The bits of some values, for inputs that are the same every time.
std::vector<Tensor> outcome(const Net& net, const std::vector<std::string>& names, Phase phase) {
  std::vector<Value> kept;
  for (const std::string& name : names) kept.push_back(net.find(name));
  Plan plan(net, {.batch = 3, .keep = kept});
  std::uint64_t seed = 50;
  for (const NetInput& input : net.inputs()) {
    const Tensor& value = plan.value(net.find(input.name));
    is_floating(value.dtype()) ? fill_random(value, seed++) : value.clear();
  }
  Device device = Cpu(1);
  plan.forward(device, {.step = {.number = 3, .seed = 4}, .phase = phase});
  std::vector<Tensor> values;
  for (const Value value : kept) values.push_back(plan.value(value).clone());
  return values;
}

bool same_values(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) {
    return x.shape() == y.shape() && x.dtype() == y.dtype() && std::memcmp(x.raw(), y.raw(), x.size_bytes()) == 0;
  });
}

}  // namespace

TEST_CASE("model file: a net of every layer type comes back to the bit", "[model_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "every.safetensors";
  for (const DType dtype : {DType::f32, DType::f64}) {
    INFO(name_of(dtype));
    Net net = net_of_every_type(dtype);
    std::set<std::string_view> types;
    for (const NetLayer& one : net.layers()) types.insert(one.layer->type());
    CHECK(types.size() == layer_types().size());  // a new type makes this fail
    save_model(path, net, roles_of_every_type());
    Model loaded = load_model(path, {.dtype = dtype});
    CHECK(loaded.net.dtype() == dtype);
    CHECK(loaded.roles == roles_of_every_type());
    CHECK(loaded.file == path);
    CHECK(same_parameters(net, loaded.net));
    CHECK(describe(loaded.net, loaded.roles) == describe(net, roles_of_every_type()));
    std::vector<std::string> names = {"features", "unit:1", "loss", "right"};
    for (const NetLayer& one : net.layers()) {
      if (one.name.starts_with("only_")) names.push_back(one.name);
    }
    for (const Phase phase : {Phase::test, Phase::train}) CHECK(same_values(outcome(net, names, phase), outcome(loaded.net, names, phase)));
  }
}

TEST_CASE("model file: a layer type of one's own needs its row, and only it", "[model_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "own.safetensors";
  Net net;
  const Value blend =
      net.add("mix", Blend({.inner = {.weight = 0.1}, .second = BlendWeight{.weight = 3}, .negated = true}), {net.input("data", {1, 4})});
  net.add("sum", Add(), {blend, net.output(blend, 1)});
  std::uint64_t seed = 1;
  net.visit([&](const std::string&, Parameter& each) { fill_random(each.value, seed++); });
  save_model(path, net, {.embedding = "mix:1"});

  Model loaded = load_model(path, {.own = own});
  CHECK(same_parameters(net, loaded.net));
  CHECK(same_values(outcome(net, {"mix", "sum"}, Phase::test), outcome(loaded.net, {"mix", "sum"}, Phase::test)));
  REQUIRE(loaded.own.size() == 1);
  CHECK(loaded.own[0].type == "blend");
  CHECK(load_model(path, {.until = Until::embedding, .own = own}).net.layers().size() == 1);
  CHECK_THROWS_AS(load_model(path), DataError);
  CHECK_THROWS_WITH(load_model(path), Contains("own.safetensors: layer 'mix': there is no layer type 'blend'"));
  const LayerType shadow[] = {own[0], layer_type<Blend, BlendOptions>("add")};
  CHECK_THROWS_AS(load_model(path, {.own = shadow}), UsageError);
  CHECK_THROWS_WITH(load_model(path, {.own = shadow}), Contains("two rows of layer types are called 'add'"));
}

TEST_CASE("model file: until the embedding there is no more, and no other tensor is read", "[model_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  Model model = small_model(1);
  add_head(model, {.classes = 7});
  model.net.initialise(1);
  save_model(path, model.net, model.roles);
  Model whole = load_model(path), backbone = load_model(path, {.until = Until::embedding});
  CHECK(whole.roles == model.roles);
  CHECK(same_parameters(model.net, whole.net));
  Model expected = small_model(1);
  CHECK(backbone.roles == expected.roles);
  CHECK(same_parameters(expected.net, backbone.net));
  CHECK_THROWS_WITH(backbone.loss(), Contains("model.safetensors: the model has no loss"));

  // The file loses the tensors of the classes while the net is built, after their places are known:
  // reading them finds no bytes.
  Net net;
  const Value features = net.add("mix", Blend(), {net.input("data", {1, 5})});
  net.add("z_classes", FullyConnected(100, {.with_bias = false}), {features});
  net.initialise(1);
  save_model(path, net, {.embedding = "mix"});
  const auto size = std::filesystem::file_size(path);
  const LayerType cutting[] = {{"blend", [&](const Options& options, const std::string& where) {
                                  std::filesystem::resize_file(path, size - sizeof(float) * 100 * 5);
                                  return own[0].make(options, where);
                                }}};
  Model part = load_model(path, {.until = Until::embedding, .own = cutting});
  CHECK(part.net.parameter_count() == 1);
  save_model(path, net, {.embedding = "mix"});
  CHECK_THROWS_AS(load_model(path, {.own = cutting}), FileError);
  save_model(path, net);
  CHECK_THROWS_WITH(load_model(path, {.until = Until::embedding, .own = own}), Contains("the net has no embedding among its roles"));
}

TEST_CASE("model file: a net that cannot be described is written without its description, and says so", "[model_file]") {
  class Secret final : public Layer {
   public:
    std::string_view type() const override { return "secret"; }
    void build(std::span<const TensorSpec> inputs) override { create(weight_, "weight", {2}, inputs[0].dtype, {}); }
    LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}, .saved = {}}; }
    void forward(const ForwardArgs&) const override {}
    void backward(const BackwardArgs&) const override {}
    void visit(const ParameterVisitor& visitor) override { visitor(weight_); }

   private:
    Parameter weight_;
  };
  const TemporaryFolder folder;
  const auto path = folder.path() / "secret.safetensors";
  const auto net_with = [](float value) {
    Net net;
    net.add("hidden", Secret(), {net.input("data", {1, 4})});
    net.visit([&](const std::string&, Parameter& each) { each.value.fill(double{value}); });
    return net;
  };
  Net net = net_with(3), again = net_with(0);
  CHECK_THROWS_AS(save_model(path, net), UsageError);
  CHECK_THROWS_WITH(save_model(path, net), Contains("layer 'hidden': a secret states no options"));
  CHECK_FALSE(std::filesystem::exists(path));

  const SafetensorsFile content = model_content(net, {}, {{"amnet.step", "9"}});
  write_safetensors(path, content.tensors, content.metadata);
  CHECK_THROWS_AS(load_model(path), DataError);
  CHECK_THROWS_WITH(load_model(path), Contains("secret.safetensors: ") && Contains("layer 'hidden': a secret states no options"));
  const SafetensorsFile read = read_safetensors(path);
  CHECK(read.metadata.at("amnet.step") == "9");
  CHECK_FALSE(stored_description(read.metadata, "x").has_value());
  load_tensors(again, read, "x");
  CHECK(same_parameters(net, again));
}

TEST_CASE("model file: what a file says wrongly of its net is the file's fault", "[model_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  const Model model = small_model(1);
  const SafetensorsFile good = model_content(model.net, model.roles);
  const auto says = [&](const Metadata& metadata, const std::string& sentence) {
    write_safetensors(path, good.tensors, metadata);
    for (const Until until : {Until::all, Until::embedding}) {
      CHECK_THROWS_AS(load_model(path, {.until = until}), DataError);
      CHECK_THROWS_WITH(load_model(path, {.until = until}), Contains("model.safetensors: ") && Contains(sentence));
    }
  };
  const auto replaced = [&](const std::string& before, const std::string& now) {
    std::string text = good.metadata.at("amnet.net");
    const std::size_t at = text.find(before);
    REQUIRE(at != std::string::npos);
    return Metadata{{"amnet.net", text.replace(at, before.size(), now)}};
  };
  says({}, "the metadata has no 'amnet.net'; is this a model that amnet wrote?");
  says({{"amnet.net", "{"}}, "is no JSON");
  says(replaced("\"type\":\"conv2d\"", "\"type\":\"conv3d\""), "layer 'conv1_1': there is no layer type 'conv3d'");
  says(replaced("\"outputs\":3", "\"outputs\":4"), "'conv1_1.weight' is f32 (3,3,3,3) but this network needs f32 (4,3,3,3)");
  says(replaced("\"loss\":\"\"", "\"loss\":\"fc9\""), "the role 'loss' names 'fc9', which the net does not have");
  says(replaced("\"height\":16", "\"height\":17"), "the role 'image' says (N,17,12,3) but the input 'data' is (1,16,12,3)");
  CHECK_THROWS_AS(save_model(path, model.net, {.embedding = "fc9"}), UsageError);
  CHECK_THROWS_AS(save_model(path, model.net, {}, {{"amnet.net", "{}"}}), UsageError);

  CHECK(expected_input(good, "x") == model.roles.image->format);
  CHECK_FALSE(expected_input({.metadata = {}, .tensors = good.tensors}, "x").has_value());
  CHECK_FALSE(expected_input(model_content(model.net), "x").has_value());
}

TEST_CASE("model file: a run directory stands for its newest intact checkpoint", "[model_file]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(load_model(folder.path() / "nothing"), FileError);
  CHECK_THROWS_WITH(load_model(folder.path() / "nothing"), Contains("nothing: there is no such model file"));
  CHECK_THROWS_AS(load_model(folder.path()), FileError);
  CHECK_THROWS_WITH(load_model(folder.path()), Contains("no intact checkpoint"));
  for (const std::int64_t step : {9, 10}) {
    const Model model = small_model(static_cast<std::uint64_t>(step));
    const std::vector<CheckpointFile> files = {{"model.safetensors", model_content(model.net, model.roles)}};
    write_checkpoint(folder.path(), step, files);
  }
  Model tenth = small_model(10), ninth = small_model(9);
  Model newest = load_model(folder.path());
  CHECK(same_parameters(newest.net, tenth.net));
  folder.write(checkpoint_name(10) + "/model.safetensors", "damaged");
  Model intact = load_model(folder.path());
  CHECK(same_parameters(intact.net, ninth.net));

  // A checkpoint named explicitly is compared with its manifest: one flipped bit of a weight is
  // refused.
  const auto ninth_directory = folder.path() / checkpoint_name(9);
  Model named = load_model(ninth_directory);
  CHECK(same_parameters(named.net, ninth.net));
  std::string bytes = read_file(ninth_directory / "model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  folder.write(checkpoint_name(9) + "/model.safetensors", bytes);
  CHECK_THROWS_AS(load_model(ninth_directory), DataError);
}

TEST_CASE("model file: a tensor that is missing or of another shape is named", "[model_file]") {
  Model model = small_model(1);
  const SafetensorsFile good = file_of(model.net);
  Model target = small_model(2);
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
  // The file's own layout is required, not the layout in memory.
  SafetensorsFile in_memory = good;
  NamedTensor& first = tensor_named(in_memory, "conv3_1.weight");
  const Shape shape = first.tensor.shape();
  first.tensor = first.tensor.reshaped({shape[0], shape[2], shape[3], shape[1]});
  CHECK_THROWS_WITH(load_tensors(target.net, in_memory, "x"), Contains("conv3_1.weight"));
  SafetensorsFile integers = good;
  tensor_named(integers, "fc5.bias").tensor = Tensor::zeros({5}, DType::i64);
  CHECK_THROWS_WITH(load_tensors(target.net, integers, "x"), Contains("'fc5.bias' is i64 (5) but this network needs f32 (5)"));
  // Doubles are accepted, and rounded.
  SafetensorsFile doubles = good;
  for (NamedTensor& each : doubles.tensors) each.tensor = each.tensor.cast(DType::f64);
  load_tensors(target.net, doubles, "x");
  CHECK(same_parameters(model.net, target.net));
}

TEST_CASE("model file: a backbone goes to other classes, and says what it did not bring", "[model_file]") {
  const auto with_head = [](std::int64_t classes, std::uint64_t seed) {
    Model model = small_model(seed);
    model.net.add("fc6", FullyConnected(classes, {.with_bias = false}), {model.embedding()});
    model.net.initialise(seed);
    return model;
  };
  Model old = with_head(11, 1), fresh = with_head(7, 2), same = with_head(11, 3), untouched = with_head(7, 2);
  const SafetensorsFile file = file_of(old.net);

  const std::vector<std::string> head = {"fc6"};
  CHECK(load_backbone(same.net, file, "x", head).empty());
  CHECK(same_parameters(same.net, old.net));

  CHECK(load_backbone(fresh.net, file, "x", head) == std::vector<std::string>{"fc6.weight"});
  SafetensorsFile moved = file_of(fresh.net), before = file_of(untouched.net);
  for (const NamedTensor& each : file.tensors) {
    const Tensor& expected = each.name == "fc6.weight" ? tensor_named(before, each.name).tensor : each.tensor;
    INFO(each.name);
    CHECK(std::memcmp(tensor_named(moved, each.name).tensor.raw(), expected.raw(), expected.size_bytes()) == 0);
  }

  SafetensorsFile part = file;
  remove(part, "relu3_1.slope");
  CHECK(load_backbone(same.net, part, "x", std::vector<std::string>{"relu3_1.slope"}) == std::vector<std::string>{"relu3_1.slope"});
  CHECK_THROWS_WITH(load_backbone(same.net, part, "x", head), Contains("x: the tensor 'relu3_1.slope' is missing"));
  CHECK_THROWS_WITH(load_backbone(fresh.net, file, "x", {}), Contains("x: 'fc6.weight' is f32 (11,5) but this network needs f32 (7,5)"));
  for (const std::string unknown : {"fc9", "fc6.bias", "flatten"}) {
    CHECK_THROWS_AS(load_backbone(fresh.net, file, "x", std::span(&unknown, 1)), UsageError);
    CHECK_THROWS_WITH(load_backbone(fresh.net, file, "x", std::span(&unknown, 1)), Contains("the net has no parameter '" + unknown + "'"));
  }
  // A backbone of another shape is another network, not a missing tensor.
  SafetensorsFile other = file;
  tensor_named(other, "fc5.weight").tensor = Tensor::zeros({6, 26}, DType::f32);
  CHECK_THROWS_WITH(load_backbone(fresh.net, other, "old.safetensors", head), Contains("old.safetensors: 'fc5.weight' is f32 (6,26)"));
}

TEST_CASE("model file: a file of other names is refused with the one that looks alike", "[model_file]") {
  Model model = small_model(1), target = small_model(2);
  const SafetensorsFile good = file_of(model.net);
  const auto renamed = [&](const std::string& before, const std::string& behind, bool head_stays) {
    SafetensorsFile file = good;
    for (NamedTensor& each : file.tensors) {
      if (!head_stays || !each.name.starts_with("fc5")) each.name = before + each.name + behind;
    }
    return file;
  };
  std::vector<std::string> any;
  target.net.look([&](const std::string& name, const Parameter&) { any.push_back(name); });
  CHECK_THROWS_AS(load_backbone(target.net, renamed("module.", "", false), "x", any), DataError);
  CHECK_THROWS_WITH(load_backbone(target.net, renamed("module.", "", false), "x", any),
                    Contains("not one of the") && Contains("`module.conv1_1.weight`") && Contains("begin with `module.`"));
  CHECK_THROWS_WITH(load_backbone(target.net, renamed("", "_ema", true), "x", any),
                    Contains("convolutions") && Contains("end with `_ema`"));
  CHECK_THROWS_WITH(load_tensors(target.net, renamed("module.", "", false), "x"), Contains("is missing") && Contains("`module.`"));
  SafetensorsFile empty;
  CHECK_THROWS_AS(load_backbone(target.net, empty, "x", any), DataError);
}

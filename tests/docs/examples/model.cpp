#include "example.h"

using namespace amnet;

namespace {

struct SwishOptions {
  double slope = 1;
  template <class Fields>
  void fields(Fields& fields) {
    fields("slope", slope);
  }
};

class Swish final : public Layer {
 public:
  explicit Swish(SwishOptions options) : options_(options) {}
  std::string_view type() const override { return "swish"; }
  std::optional<Options> options() const override { return options_of(options_); }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}}; }
  void forward(const ForwardArgs&) const override {}
  void backward(const BackwardArgs&) const override {}

 private:
  SwishOptions options_;
};

/// data (N,112,96,3) -> features (N,8)
Net small_net() {
  Net net;
  const Value images = net.input("data", {1, 112, 96, 3});
  net.add("features", FullyConnected(8), {net.add("flat", Flatten(), {net.add("gap", Pool::global(PoolKind::average), {images})})});
  net.initialise(1);
  return net;
}

}  // namespace

EXAMPLE("model/embed.h") {
  examples::make_run("runs/a");
  examples::draw_faces("faces");
  const std::vector<std::string> paths = examples::face_paths();
  Device device = Cpu(1);
#include "example_of/model/embed.h"
  CHECK(features.shape() == Shape{3, 16});
}

EXAMPLE("model/layer_types.h") {
  const Options options = *FullyConnected(512).options();
#include "example_of/model/layer_types.h"
  CHECK(*layer->options() == options_of(SwishOptions{.slope = 2}));
}

EXAMPLE("model/model.h") {
#include "example_of/model/model.h"
  CHECK(load_model("face.safetensors").roles == model.roles);
}

EXAMPLE("model/model_file.h") {
  examples::make_run("runs/a");
  const Net net = small_net();
#include "example_of/model/model_file.h"
  CHECK(model.net.spec(model.embedding()).shape == Shape{1, 8});
}

EXAMPLE("model/net_description.h") {
  const Net net = small_net();
  const Roles roles{.embedding = "features"};
#include "example_of/model/net_description.h"
  CHECK(first_difference(describe(net), describe(again)).empty());
}

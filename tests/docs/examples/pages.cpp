#include "example.h"

using namespace amnet;

namespace {

struct Swish final : Layer {
  std::string_view type() const override { return "swish"; }
  std::optional<Options> options() const override { return Options(); }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}}; }
  void forward(const ForwardArgs&) const override {}
  void backward(const BackwardArgs&) const override {}
};

}  // namespace

EXAMPLE("README.md") {
  examples::make_run("runs/mine");
  examples::draw_faces("test");
  const std::vector<std::string> paths = examples::face_paths();
#include "example_of/README.md"
  CHECK(views.plain.shape() == Shape{3, 16});
}

EXAMPLE("docs/adding_a_layer.md") {
  Net net;
  net.add("swish1", Swish(), {net.input("points", {1, 2})});
#include "example_of/docs/adding_a_layer.md"
  CHECK(model.net.find("swish1").index == 1);
}

EXAMPLE("docs/formats.md") {
  examples::write_caffe_net("deploy.prototxt", "face.caffemodel");
#include "example_of/docs/formats.md"
  CHECK(plan.value("fc5").shape() == Shape{8, 1});
}

EXAMPLE("docs/training_faces.md") {
  examples::write_caffe_net("face_deploy.prototxt", "face.caffemodel");
#include "example_of/docs/training_faces.md"
  CHECK(load_model("face.safetensors").roles.embedding == "fc5");
}

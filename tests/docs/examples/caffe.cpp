#include "example.h"

using namespace amnet;

namespace {

// Field 1 of a LayerParameter "conv" with a blob of one float, in a NetParameter.
constexpr std::string_view caffemodel(
    "\xa2\x06\x0e\x0a\x04"
    "conv"
    "\x3a\x06\x2a\x04\0\0\x80\x3f",
    17);
// Step 6.
constexpr std::string_view solverstate("\x08\x06", 2);
// (1,1,1), one float.
constexpr std::string_view mean_image("\x3a\x05\x0a\x03\x01\x01\x01\x2a\x04\0\0\x80\x3f", 13);

}  // namespace

EXAMPLE("caffe/caffe_file.h") {
  examples::write_file("net.prototxt",
                       "layer { name: \"conv\" type: \"Convolution\" include { phase: TRAIN } convolution_param { num_output: 8 } }");
  examples::write_file("solver.prototxt", "base_lr: 0.1");
#include "example_of/caffe/caffe_file.h"
  CHECK(text_of(*solver.options.find("base_lr")) == "0.1");
}

EXAMPLE("caffe/image_data.h") {
  examples::draw_faces("drawn");
  std::filesystem::create_directories("faces/ann");
  std::filesystem::copy_file("drawn/" + examples::face_paths()[0], "faces/ann/01.jpg");
  const CaffeModel caffe =
      import_caffe_net(caffe_net_of_text("layer { name: \"data\" type: \"ImageData\" top: \"data\" top: \"label\""
                                         " transform_param { scale: 0.5 } image_data_param { new_height: 4 new_width: 3 } }",
                                         "net.prototxt"));
#include "example_of/caffe/image_data.h"
  CHECK(image.shape() == Shape{1, 4, 3, 3});
}

EXAMPLE("caffe/import.h") {
  examples::write_caffe_net("deploy.prototxt", "face.caffemodel");
#include "example_of/caffe/import.h"
  CHECK((loaded.missing.empty() && loaded.left_out.empty()));
}

EXAMPLE("caffe/solver_settings.h") {
  examples::write_file("solver.prototxt", "base_lr: 0.1 lr_policy: \"fixed\" max_iter: 10 iter_size: 2");
  Net net;
  const Value x = net.input("x", {1, 2}), labels = net.input("labels", {1}, DType::i64);
  const Value loss = net.add("loss", SoftmaxCrossEntropy(), {net.add("fc", FullyConnected(2), {x}), labels});
  net.initialise(1);
  Plan plan(net, {.batch = 1, .loss = loss});
  plan.value(x).fill(1);
  plan.value(labels).clear();
  Device device = Cpu(1);
  plan.forward(device);
  plan.backward(device);
#include "example_of/caffe/solver_settings.h"
  CHECK((settings.steps == 10 && settings.accumulate == 2));
}

EXAMPLE("caffe/weights.h") {
  examples::write_file("lenet.caffemodel", caffemodel);
  examples::write_file("lenet.solverstate", solverstate);
  examples::write_file("mean.binaryproto", mean_image);
#include "example_of/caffe/weights.h"
  CHECK(weights.layers.at(0).blobs.at(0).item() == 1);
  CHECK(state.step == 6);
  CHECK(mean.shape() == Shape{1, 1, 1});
}

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

EXAMPLE("caffe/weights.h") {
  examples::write_file("lenet.caffemodel", caffemodel);
  examples::write_file("lenet.solverstate", solverstate);
  examples::write_file("mean.binaryproto", mean_image);
#include "example_of/caffe/weights.h"
  CHECK(weights.layers.at(0).blobs.at(0).item() == 1);
  CHECK(state.step == 6);
  CHECK(mean.shape() == Shape{1, 1, 1});
}

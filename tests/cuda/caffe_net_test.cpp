// Imported nets on the GPU: a detector of several sizes gives what it gives on the CPU, and its
// plans are kept by size; heads of the reference code train to the same loss.
#include <amnet/caffe/import.h>
#include <amnet/net/plan_cache.h>

#include <string>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

/// The layers that MTCNN's nets have, with few channels.
const std::string detector = R"(input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "PReLU1" type: "PReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "PReLU2" type: "PReLU" bottom: "conv2" top: "conv2" }
layer { name: "conv4-1" type: "Convolution" bottom: "conv2" top: "conv4-1" convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "conv4-2" type: "Convolution" bottom: "conv2" top: "conv4-2" convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "prob1" type: "Softmax" bottom: "conv4-1" top: "prob1" })";

std::string head_with(const std::string& product, const std::string& margin) {
  return R"(layer { name: "in" type: "Input" top: "x" top: "label" input_param { shape { dim: 6 dim: 8 } shape { dim: 6 } } }
layer { name: "fc5" type: "InnerProduct" bottom: "x" top: "fc5" inner_product_param { num_output: 12 weight_filler { type: "xavier" } } }
)" + product +
         margin + R"(layer { name: "loss" type: "SoftmaxWithLoss" bottom: "logits" bottom: "label" top: "loss" })";
}
const std::string cosines =
    R"(layer { name: "norm" type: "Normalize" bottom: "fc5" top: "norm" top: "length" normalize_param { bp_norm: true } }
layer { name: "fc6" type: "InnerProduct" bottom: "norm" top: "fc6" inner_product_param { num_output: 9 normalize: true bias_term: false weight_filler { type: "xavier" } } }
)";
const std::vector<std::string> heads = {
    head_with(
        cosines,
        R"(layer { name: "m" type: "LabelSpecificAdd" bottom: "fc6" bottom: "label" top: "m" label_specific_add_param { bias: -0.35 } }
layer { name: "s" type: "Scale" bottom: "m" top: "logits" param { lr_mult: 0 } scale_param { filler { value: 8 } } }
)"),
    head_with(cosines, R"(layer { name: "m" type: "GlobalLSEMargin" bottom: "fc6" bottom: "label" top: "logits" }
)"),
    head_with(cosines, R"(layer { name: "m" type: "ChannelScale" bottom: "fc6" bottom: "length" top: "logits" }
)"),
    head_with("", R"(layer { name: "fc6" type: "MarginInnerProduct" bottom: "fc5" bottom: "label" top: "logits" top: "lambda"
  margin_inner_product_param { num_output: 9 type: QUADRUPLE base: 10 gamma: 0.12 lambda_min: 5 weight_filler { type: "xavier" } } }
)")};

/// The net, drawn from one seed, in a memory.
CaffeModel model_in(Memory memory, const std::string& text, Phase phase, DType dtype) {
  CaffeModel caffe = import_caffe_net(caffe_net_of_text(text, "net.prototxt"), {.phase = phase, .dtype = dtype});
  caffe.model.net.initialise(1);
  caffe.model.net.move_to(memory);
  return caffe;
}

}  // namespace

TEMPLATE_TEST_CASE("caffe: a detector of any size, its plans kept by size", "[gpu]", F32) {
  for_each_machine<TestType>("caffe: a detector of any size", [](Parity& parity) {
    CaffeModel host = model_in(Memory::host, detector, Phase::test, DType::f32);
    CaffeModel device = model_in(Memory::cuda, detector, Phase::test, parity.activations());
    Device cpu = Cpu(1, ConvolutionAlgorithm::direct), cuda = Cuda(CudaOptions{.precision = TestType::precision});
    PlanCache plans(device.model.net, std::size_t{1} << 30);
    for (int round = 0; round < 2; ++round) {
      for (const Shape& size : {Shape{1, 12, 12, 3}, Shape{2, 31, 17, 3}}) {
        INFO(size.str());
        const Both x = parity.activation(size);
        const auto options = [&](const CaffeModel& caffe) {
          return PlanOptions{
              .batch = size[0], .keep = {caffe.value("prob1"), caffe.value("conv4-2")}, .inputs = {{caffe.value("data"), size}}};
        };
        Plan here(host.model.net, options(host));
        const std::shared_ptr<Plan> there = plans.of(options(device));
        here.value(host.value("data")).copy_from(x.host);
        there->value(device.value("data")).copy_from(x.device);
        here.forward(cpu);
        there->forward(cuda);
        for (const char* blob : {"prob1", "conv4-2"}) {
          parity.check_same(Both{here.value(host.value(blob)), there->value(device.value(blob))});
        }
      }
    }
    CHECK(plans.made() == 2);
  });
}

TEMPLATE_TEST_CASE("caffe: heads of the reference code have the same loss and gradients", "[gpu]", F32) {
  for_each_machine<TestType>("caffe: heads of the reference code", [](Parity& parity) {
    for (const std::string& text : heads) {
      INFO(text);
      CaffeModel host = model_in(Memory::host, text, Phase::train, DType::f32),
                 device = model_in(Memory::cuda, text, Phase::train, DType::f32);
      Device cpu = Cpu(1), cuda = Cuda(CudaOptions{.precision = TestType::precision});
      const Both x = parity.parameter({6, 8});
      const Both labels = parity.same(Tensor::of<std::int64_t>({6}, {0, 8, 3, 3, 1, 7}));
      Plan here(host.model.net, {.batch = 6, .loss = host.model.loss()}),
          there(device.model.net, {.batch = 6, .loss = device.model.loss()});
      here.value("x").copy_from(x.host);
      here.value("label").copy_from(labels.host);
      there.value("x").copy_from(x.device);
      there.value("label").copy_from(labels.device);
      here.forward(cpu);
      here.backward(cpu);
      there.forward(cuda);
      there.backward(cuda);
      parity.check_same(Both{here.value(host.model.loss()), there.value(device.model.loss())});
      parity.check_same(Both{here.gradients(), there.gradients()});
    }
  });
}

// A net for the tests of plans: residual sums in every arrangement that a plan must distinguish.
#pragma once

#include <amnet/faces/heads.h>
#include <amnet/layers/add.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/prelu.h>
#include <amnet/net/plan.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "net/fill_random.h"

namespace amnet {

/// Residual sums in every arrangement that a plan must distinguish.
struct ResidualNet {
  Net net{DType::f64};
  Value images, labels;
  std::vector<Value> values = {};  // all between the images and the head
  Head head = {};

  ResidualNet(std::int64_t height, std::int64_t width) {
    images = net.input("data", {1, height, width, 16});
    labels = net.input("labels", {1}, DType::i64);
    Value value = convolve("a", images);
    // a block of one convolution: reads `value` twice
    value = add("one", {value, convolve("b", value)});
    value = add("two", {value, convolve("d", convolve("c", value))});      // a block of two
    value = add("swapped", {convolve("f", convolve("e", value)), value});  // the branch comes first
    value = add("three", {value, convolve("g", value), value});            // not a sum of two
    const Value before = value;
    // not the last to read `before`
    value = add("inner", {before, convolve("k", convolve("j", before))});
    value = add("outer", {before, convolve("l", value)});
    const Value early = convolve("h", value, 2);
    const Value late = convolve("i", value, 2);
    value = add("late", {early, late});  // the other side is made after the branch began, or before
    value = add("small", {value, convolve("n", convolve("m", value))});
    const Value flat = net.add("flat", Flatten(), {value});
    head = add_head(net, net.add("fc", FullyConnected(4), {flat}), labels, {.classes = 3});
    net.initialise(5);
  }
  Value convolve(const std::string& name, Value input, std::int64_t stride = 1) {
    values.push_back(net.add("conv_" + name, Conv2d(16, 3, {.stride = stride, .pad = 1}), {input}));
    values.push_back(net.add("relu_" + name, PRelu(), {values.back()}));
    return values.back();
  }
  Value add(const std::string& name, std::vector<Value> inputs) {
    values.push_back(net.add(name, Add(), std::move(inputs)));
    return values.back();
  }
  /// The gradients of all parameters, for samples (n,...) and their labels.
  std::map<std::string, Tensor> gradients(Plan& plan, const Tensor& samples, const Tensor& classes, Write write = Write::assign) {
    const std::int64_t count = samples.extent(0);
    plan.value(images).slice(0, count).copy_from(samples);
    plan.value(labels).slice(0, count).copy_from(classes);
    Device device = Cpu(1);
    plan.forward(device, {.samples = count});
    plan.backward(device, {.parameters = write});
    std::map<std::string, Tensor> gradients;
    plan.visit([&](const std::string& name, Parameter&, const Tensor& gradient) { gradients[name] = gradient.clone(); });
    return gradients;
  }
};

/// Eleven large samples and their classes: a plan runs them in groups of two sizes, and all
/// together.
struct LargeSamples {
  static constexpr std::int64_t count = 11, height = 96, width = 80;
  // (N,H,W,16)
  Tensor images{{count, height, width, 16}, DType::f64};
  Tensor classes = Tensor::of<std::int64_t>({count}, {2, 0, 1, 1, 2, 0, 0, 2, 2, 1, 0});  // (N)

  LargeSamples() { fill_random(images, 11); }
};

}  // namespace amnet

// A net of amnet under the names of the reference code's net: which value and which parameter
// correspond to which blob, and how.
#pragma once

#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/net/plan.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "golden/judge.h"

namespace golden {

/// What in amnet corresponds to a blob of the reference code, and how.
struct Blob {
  enum class Kind : unsigned char {
    plain,       ///< the parameter
    transposed,  ///< the parameter with its two extents exchanged
    /// a running statistic of amnet times its weight: the reference code stores the sum
    running,
    /// an option of amnet, the scale of a loss: the reference code has a frozen blob of that value
    constant
  } kind = Kind::plain;
  /// "conv1_1.weight"; for a running statistic also the name of its weight
  std::string parameter = {};
  std::string weight = {};
  float value = 0;  ///< of a constant
};

/// A margin step that may still be followed by a scale and a loss: in amnet the three are one
/// layer.
struct MarginStep {
  amnet::Value cosines;
  amnet::SoftmaxCrossEntropyOptions options;
};

/// A net with the reference code's names.
struct CaffeNet {
  amnet::Net net;
  std::optional<amnet::Plan> plan;
  /// by the name of the reference code's blob; the last writer of it
  std::map<std::string, amnet::Value> values;
  std::map<std::string, Blob> blobs;  ///< parameters by "layer/index"
  /// by the name of the margin step's output
  std::map<std::string, MarginStep> margins;
  /// outputs whose gradient the reference code ignores
  std::set<std::string> without_gradient;
  /// of the values that are to be tapped
  std::map<std::string, std::shared_ptr<amnet::Tensor>> gradients;
  /// output of the last layer: the loss of a whole net
  amnet::Value last;

  amnet::Parameter& parameter(const std::string& name) {
    amnet::Parameter* found = nullptr;
    net.visit([&](const std::string& each, amnet::Parameter& parameter) { found = each == name ? &parameter : found; });
    amnet::require(found != nullptr, "the net has no parameter {}.", name);
    return *found;
  }

  /// Fills the parameters from the reference code's arrays; `array_of(name)` returns the blob of
  /// that name.
  template <class ArrayOf>
  void load(ArrayOf&& array_of) {
    for (const auto& [name, blob] : blobs) {
      const Array array = array_of(name);
      if (blob.kind == Blob::Kind::constant) {
        INFO(name << " is an option of ours");
        REQUIRE(std::ranges::all_of(array.values, [wanted = blob.value](float value) { return value == wanted; }));
        continue;
      }
      const amnet::Tensor value = parameter(blob.parameter).value;
      amnet::Tensor filled = tensor_of(array);
      if (blob.kind == Blob::Kind::transposed) filled = transposed(filled);
      value.copy_from(filled.reshaped(value.shape()));
      if (blob.kind == Blob::Kind::running) {
        const float weight = array_of(name.substr(0, name.find('/')) + "/2").values.at(0);
        for (float& each : value.data<float>()) each = weight == 0 ? each : each / weight;
      }
    }
  }

  /// A tensor that belongs to the parameter of a blob (its value, gradient or momentum), in the
  /// form of the reference code's array of `shape`.
  amnet::Tensor as_blob(const std::string& name, const amnet::Tensor& tensor, const Array& shape) {
    const Blob& blob = blobs.at(name);
    if (blob.kind == Blob::Kind::transposed) return transposed(tensor);
    if (blob.kind == Blob::Kind::plain) return tensor;
    amnet::Tensor result = tensor_of(shape);
    result.fill(static_cast<double>(blob.value));
    if (blob.kind == Blob::Kind::constant) return result;
    result.copy_from(tensor.reshaped(result.shape()));
    const float weight = parameter(blob.weight).value.data<float>()[0];
    for (float& each : result.data<float>()) each *= weight;
    return result;
  }
  amnet::Tensor value_of(const std::string& name, const Array& shape) {
    const Blob& blob = blobs.at(name);
    return as_blob(name, blob.kind == Blob::Kind::constant ? amnet::Tensor() : parameter(blob.parameter).value, shape);
  }
  /// Zeros where the parameter has no gradient, as a buffer.
  amnet::Tensor gradient_of(const std::string& name, const Array& shape) {
    const Blob& blob = blobs.at(name);
    const bool learned = blob.kind != Blob::Kind::constant && parameter(blob.parameter).trainable();
    if (learned) return as_blob(name, plan->gradient(parameter(blob.parameter)), shape);
    return amnet::Tensor::zeros(tensor_of(shape).shape(), amnet::DType::f32);
  }

 private:
  static amnet::Tensor transposed(const amnet::Tensor& matrix) {
    amnet::Tensor result({matrix.extent(1), matrix.extent(0)}, amnet::DType::f32);
    const std::int64_t rows = matrix.extent(0), columns = matrix.extent(1);
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      result.data<float>()[static_cast<std::size_t>(i % columns * rows + i / columns)] = matrix.data<float>()[static_cast<std::size_t>(i)];
    }
    return result;
  }
};

}  // namespace golden

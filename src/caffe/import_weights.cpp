#include <amnet/caffe/import.h>
#include <amnet/core/text.h>

#include "model/file_order.h"

#include <algorithm>
#include <set>

namespace amnet {
namespace {

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  return text + ")";
}

std::vector<std::int64_t> extents_of(const Shape& shape) {
  std::vector<std::int64_t> extents;
  for (int i = 0; i < shape.rank(); ++i) extents.push_back(shape[i]);
  return extents;
}

/// Older files have four axes, with extents of 1 before the blob's own.
bool fits(const std::vector<std::int64_t>& wanted, const Shape& stored) {
  const std::vector<std::int64_t> found = extents_of(stored);
  if (found.size() < wanted.size()) return false;
  const std::size_t more = found.size() - wanted.size();
  const bool ones =
      std::all_of(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(more), [](std::int64_t each) { return each == 1; });
  return ones && std::equal(wanted.begin(), wanted.end(), found.begin() + static_cast<std::ptrdiff_t>(more));
}

Tensor transposed(const Tensor& matrix) {
  const std::int64_t rows = matrix.extent(0), columns = matrix.extent(1);
  const Tensor result({columns, rows}, matrix.dtype());
  with_float(matrix.dtype(), "caffe", [&]<class T>() {
    const auto from = matrix.data<T>();
    const auto to = result.data<T>();
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j)
        to[static_cast<std::size_t>(j * rows + i)] = from[static_cast<std::size_t>(i * columns + j)];
    }
  });
  return result;
}

Parameter& parameter_of(CaffeModel& model, const std::string& name) {
  Parameter* found = nullptr;
  model.model.net.visit([&](const std::string& each, Parameter& parameter) { found = each == name ? &parameter : found; });
  require(found != nullptr, "[caffe] the net has no parameter '{}'.", name);
  return *found;
}

const Parameter& parameter_of(const CaffeModel& model, const std::string& name) {
  const Parameter* found = nullptr;
  model.model.net.look([&](const std::string& each, const Parameter& parameter) { found = each == name ? &parameter : found; });
  require(found != nullptr, "[caffe] the net has no parameter '{}'.", name);
  return *found;
}

/// The weight that a running statistic has: how much past it is the mean of.
double weight_of_past(const CaffeModel& model, const CaffeParameter& statistic) {
  const std::string layer = statistic.parameter.substr(0, statistic.parameter.find('.'));
  return parameter_of(model, layer + ".weight_of_past").value.to(Memory::host).cast(DType::f64).data<double>()[0];
}

Tensor times(const Tensor& tensor, double factor) {
  const Tensor result = tensor.clone();
  with_float(tensor.dtype(), "caffe", [&]<class T>() {
    for (T& each : result.data<T>()) each = static_cast<T>(static_cast<double>(each) * factor);
  });
  return result;
}

}  // namespace

std::optional<std::int64_t> image_channels_of(const CaffeWeights& weights) {
  const auto convolves = [](const CaffeLayerBlobs& layer) { return !layer.blobs.empty() && layer.blobs[0].shape().rank() == 4; };
  const auto first = std::ranges::find_if(weights.layers, convolves);
  return first == weights.layers.end() ? std::nullopt : std::optional(first->blobs[0].shape()[1]);
}

Tensor caffe_blob_of(const CaffeModel& model, const CaffeParameter& parameter, const Tensor& values) {
  const Parameter& owner = parameter_of(model, parameter.parameter);
  Tensor blob = in_file_order(owner, values.to(Memory::host));
  if (parameter.form == CaffeParameter::Form::transposed) blob = transposed(blob);
  if (parameter.form == CaffeParameter::Form::sum_of_past) blob = times(blob, weight_of_past(model, parameter));
  return blob.reshaped(Shape(std::span(parameter.shape)));
}

Tensor values_of_caffe_blob(const CaffeModel& model, const CaffeParameter& parameter, const Tensor& blob, const std::string& file) {
  const Parameter& owner = parameter_of(model, parameter.parameter);
  require<DataError>(fits(parameter.shape, blob.shape()), "{}: blob {} of the layer '{}' is {} but the net of {} needs {}.", file,
                     parameter.index, parameter.layer, shape_text(extents_of(blob.shape())), model.file, shape_text(parameter.shape));
  const bool is_transposed = parameter.form == CaffeParameter::Form::transposed;
  Tensor values = is_transposed ? transposed(blob.reshaped(Shape(std::span(parameter.shape)))) : blob.reshaped(file_shape(owner));
  values = from_file_order(owner, values);
  return values.dtype() == owner.value.dtype() ? values : values.cast(owner.value.dtype());
}

CaffeLoaded load_caffe_weights(const CaffeWeights& weights, CaffeModel& to, const std::string& file, const CaffeLoadOptions& options) {
  CaffeLoaded loaded;
  std::map<std::string, const CaffeLayerBlobs*> stored;
  for (const CaffeLayerBlobs& layer : weights.layers) {
    if (layer.blobs.empty()) continue;
    require<DataError>(stored.emplace(layer.name, &layer).second, "{}: two of its layers are called '{}'.", file, layer.name);
  }
  std::map<std::string, std::vector<const CaffeParameter*>> wanted;
  for (const CaffeParameter& parameter : to.parameters) wanted[parameter.layer].push_back(&parameter);

  // All is checked before anything is changed.
  std::vector<std::pair<const CaffeParameter*, Tensor>> values;
  for (const auto& [name, parameters] : wanted) {
    const auto found = stored.find(name);
    if (found == stored.end()) {
      for (const CaffeParameter* each : parameters) loaded.missing.push_back(fmt::format("{}/{}", name, each->index));
      continue;
    }
    const std::vector<Tensor>& blobs = found->second->blobs;
    const bool count_fits = blobs.size() == parameters.size();
    const bool all_fit = count_fits && std::ranges::all_of(parameters, [&](const CaffeParameter* each) {
                           return fits(each->shape, blobs[static_cast<std::size_t>(each->index)].shape());
                         });
    if (!all_fit && options.keep_unlike) {
      loaded.unlike.push_back(name);
      continue;
    }
    require<DataError>(count_fits, "{}: the layer '{}' has {} blob(s) but the net of {} needs {}.", file, name, blobs.size(), to.file,
                       parameters.size());
    for (const CaffeParameter* each : parameters) {
      values.emplace_back(each, values_of_caffe_blob(to, *each, blobs[static_cast<std::size_t>(each->index)], file));
    }
  }
  for (const auto& [name, layer] : stored) {
    if (!wanted.contains(name)) loaded.left_out.push_back(name);
  }
  for (const auto& [parameter, tensor] : values) parameter_of(to, parameter->parameter).value.copy_from(tensor);
  // A running statistic is stored as a sum; its weight is the last blob of its layer.
  for (const auto& [parameter, tensor] : values) {
    if (parameter->form != CaffeParameter::Form::sum_of_past) continue;
    const double weight = weight_of_past(to, *parameter);
    if (weight != 0) parameter_of(to, parameter->parameter).value.copy_from(times(tensor, 1 / weight));
  }
  return loaded;
}

}  // namespace amnet

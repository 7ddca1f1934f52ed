#include "upgrade.h"
#include "core/nearest_names.h"

#include <amnet/core/error.h>

#include <algorithm>
#include <array>
#include <utility>

namespace amnet::caffe {
namespace {

using caffe_schema::LayerParameter;
using caffe_schema::NetParameter;
using caffe_schema::ParamSpec;
using caffe_schema::SolverParameter;
using caffe_schema::TransformationParameter;
using caffe_schema::V1LayerParameter;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::array<std::pair<V1LayerParameter::LayerType, std::string_view>, 47> v1_types = {{
    {V1LayerParameter::ABSVAL, "AbsVal"},
    {V1LayerParameter::ACCURACY, "Accuracy"},
    {V1LayerParameter::ARGMAX, "ArgMax"},
    {V1LayerParameter::BATCH_NORM, "BatchNorm"},
    {V1LayerParameter::BN, "BN"},
    {V1LayerParameter::BNLL, "BNLL"},
    {V1LayerParameter::CONCAT, "Concat"},
    {V1LayerParameter::CONTRASTIVE_LOSS, "ContrastiveLoss"},
    {V1LayerParameter::CONVOLUTION, "Convolution"},
    {V1LayerParameter::DATA, "Data"},
    {V1LayerParameter::DECONVOLUTION, "Deconvolution"},
    {V1LayerParameter::DROPOUT, "Dropout"},
    {V1LayerParameter::DUMMY_DATA, "DummyData"},
    {V1LayerParameter::ELTWISE, "Eltwise"},
    {V1LayerParameter::ELTWISE_AFFINE, "EltwiseAffine"},
    {V1LayerParameter::EUCLIDEAN_LOSS, "EuclideanLoss"},
    {V1LayerParameter::EXP, "Exp"},
    {V1LayerParameter::FLATTEN, "Flatten"},
    {V1LayerParameter::HDF5_DATA, "HDF5Data"},
    {V1LayerParameter::HDF5_OUTPUT, "HDF5Output"},
    {V1LayerParameter::HINGE_LOSS, "HingeLoss"},
    {V1LayerParameter::IM2COL, "Im2col"},
    {V1LayerParameter::IMAGE_DATA, "ImageData"},
    {V1LayerParameter::INFOGAIN_LOSS, "InfogainLoss"},
    {V1LayerParameter::INNER_PRODUCT, "InnerProduct"},
    {V1LayerParameter::INSANITY, "Insanity"},
    {V1LayerParameter::LOCAL, "Local"},
    {V1LayerParameter::LRN, "LRN"},
    {V1LayerParameter::MEMORY_DATA, "MemoryData"},
    {V1LayerParameter::MULTINOMIAL_LOGISTIC_LOSS, "MultinomialLogisticLoss"},
    {V1LayerParameter::MVN, "MVN"},
    {V1LayerParameter::NORMALIZE, "Normalize"},
    {V1LayerParameter::POOLING, "Pooling"},
    {V1LayerParameter::POWER, "Power"},
    {V1LayerParameter::RELU, "ReLU"},
    {V1LayerParameter::ROIPOOLING, "ROIPooling"},
    {V1LayerParameter::SIGMOID, "Sigmoid"},
    {V1LayerParameter::SIGMOID_CROSS_ENTROPY_LOSS, "SigmoidCrossEntropyLoss"},
    {V1LayerParameter::SILENCE, "Silence"},
    {V1LayerParameter::SLICE, "Slice"},
    {V1LayerParameter::SOFTMAX, "Softmax"},
    {V1LayerParameter::SOFTMAX_LOSS, "SoftmaxWithLoss"},
    {V1LayerParameter::SPLIT, "Split"},
    {V1LayerParameter::TANH, "TanH"},
    {V1LayerParameter::THRESHOLD, "Threshold"},
    {V1LayerParameter::TRIPLET_LOSS, "TripletLoss"},
    {V1LayerParameter::WINDOW_DATA, "WindowData"},
}};

constexpr std::array<std::pair<SolverParameter::SolverType, const char*>, 6> solver_types = {{
    {SolverParameter::SGD, "SGD"},
    {SolverParameter::NESTEROV, "Nesterov"},
    {SolverParameter::ADAGRAD, "AdaGrad"},
    {SolverParameter::RMSPROP, "RMSProp"},
    {SolverParameter::ADADELTA, "AdaDelta"},
    {SolverParameter::ADAM, "Adam"},
}};

/// Copies a field that both messages have under one name: names, rules, weights of losses, and the
/// options of a layer.
void copy_field(const Message& from, const FieldDescriptor& field, Message& to) {
  const FieldDescriptor* same = to.GetDescriptor()->FindFieldByName(field.name());
  const auto& reads = *from.GetReflection();
  const auto& writes = *to.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated()) {
    writes.MutableMessage(&to, same)->CopyFrom(reads.GetMessage(from, &field));
    return;
  }
  const int count = field.is_repeated() ? reads.FieldSize(from, &field) : 1;
  for (int i = 0; i < count; ++i) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      writes.AddMessage(&to, same)->CopyFrom(reads.GetRepeatedMessage(from, &field, i));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      writes.AddFloat(&to, same, reads.GetRepeatedFloat(from, &field, i));
    } else if (field.is_repeated()) {
      writes.AddString(&to, same, reads.GetRepeatedString(from, &field, i));
    } else {
      writes.SetString(&to, same, reads.GetString(from, &field));
    }
  }
}

/// Older data layers say themselves how an image is transformed.
template <class DataOptions>
void move_transform(DataOptions& options, TransformationParameter& transform) {
  if (options.has_scale()) transform.set_scale(options.scale());
  if (options.has_mean_file()) transform.set_mean_file(options.mean_file());
  if (options.has_crop_size()) transform.set_crop_size(options.crop_size());
  if (options.has_mirror()) transform.set_mirror(options.mirror());
  options.clear_scale();
  options.clear_mean_file();
  options.clear_crop_size();
  options.clear_mirror();
}
template <class DataOptions>
bool has_transform(const DataOptions& options) {
  return options.has_scale() || options.has_mean_file() || options.has_crop_size() || options.has_mirror();
}

LayerParameter layer_of(const V1LayerParameter& v1, const std::string& place) {
  require<DataError>(!v1.has_layer(), "{}: {}", place, v0_is_not_read);
  require<DataError>(v1.has_type() && v1.type() != V1LayerParameter::NONE, "{}: expected a type but layer '{}' has none.", place,
                     shown(v1.name()));
  LayerParameter layer;
  layer.set_type(type_of_v1(v1.type()));
  std::vector<const FieldDescriptor*> fields;
  v1.GetReflection()->ListFields(v1, &fields);
  for (const FieldDescriptor* field : fields) {
    switch (field->number()) {
      case V1LayerParameter::kTypeFieldNumber:
      case V1LayerParameter::kBlobsLrFieldNumber:
      case V1LayerParameter::kWeightDecayFieldNumber:
      case V1LayerParameter::kBlobShareModeFieldNumber: break;
      default: copy_field(v1, *field, layer);
    }
  }
  for (int i = 0; i < std::max({v1.blobs_lr_size(), v1.weight_decay_size(), v1.blob_share_mode_size()}); ++i) {
    ParamSpec& param = *layer.add_param();
    if (i < v1.blobs_lr_size()) param.set_lr_mult(v1.blobs_lr(i));
    if (i < v1.weight_decay_size()) param.set_decay_mult(v1.weight_decay(i));
    if (i < v1.blob_share_mode_size()) param.set_share_mode(static_cast<ParamSpec::DimCheckMode>(v1.blob_share_mode(i)));
  }
  if (has_transform(layer.data_param())) move_transform(*layer.mutable_data_param(), *layer.mutable_transform_param());
  if (has_transform(layer.image_data_param())) move_transform(*layer.mutable_image_data_param(), *layer.mutable_transform_param());
  return layer;
}

/// The layer that stands for `input`, `input_dim` and `input_shape`.
LayerParameter input_layer(const NetParameter& net, const std::string& place) {
  constexpr int axes = 4;  // of input_dim
  require<DataError>(net.input_size() > 0, "{}: expected the name of an input, `input: \"data\"`, for its shape but the net has none.",
                     place);
  require<DataError>(net.input_dim_size() == 0 || net.input_shape_size() == 0,
                     "{}: expected input_dim or input_shape but the net has both.", place);
  require<DataError>(net.input_dim_size() == 0 || net.input_dim_size() == axes * net.input_size(),
                     "{}: expected {} values of input_dim for {} inputs but there are {}.", place, axes * net.input_size(),
                     net.input_size(), net.input_dim_size());
  require<DataError>(net.input_shape_size() == 0 || net.input_shape_size() == net.input_size(),
                     "{}: expected one input_shape for each input but there are {} for {}.", place, net.input_shape_size(),
                     net.input_size());
  LayerParameter layer;
  layer.set_name("input");
  layer.set_type("Input");
  auto& options = *layer.mutable_input_param();
  for (int i = 0; i < net.input_size(); ++i) {
    layer.add_top(net.input(i));
    if (net.input_shape_size() > 0) *options.add_shape() = net.input_shape(i);
    if (net.input_dim_size() == 0) continue;
    auto& shape = *options.add_shape();
    for (int axis = 0; axis < axes; ++axis) shape.add_dim(net.input_dim(axes * i + axis));
  }
  return layer;
}

}  // namespace

std::string type_of_v1(std::int64_t number) {
  const auto found = std::ranges::find_if(v1_types, [&](const auto& type) { return type.first == number; });
  return found == v1_types.end() ? fmt::format("type {}", number) : std::string(found->second);
}

std::vector<int> upgrade_net(NetParameter& net, const std::string& file, const NetLines& lines) {
  const auto place = [&](int line) { return fmt::format("{}:{}", file, line); };
  std::vector<int> upgraded = lines.layer;
  if (net.layers_size() > 0) {
    const int second = std::max(lines.layers.front(), lines.layer.empty() ? 0 : lines.layer.front());
    require<DataError>(net.layer_size() == 0, "{}: expected `layer` or `layers` but the net has both.", place(second));
    for (int i = 0; i < net.layers_size(); ++i)
      *net.add_layer() = layer_of(net.layers(i), place(lines.layers[static_cast<std::size_t>(i)]));
    net.clear_layers();
    upgraded = lines.layers;
  }
  for (LayerParameter& layer : *net.mutable_layer()) {
    if (layer.type() != "BatchNorm" || layer.param_size() != 3) continue;
    for (ParamSpec& param : *layer.mutable_param()) {
      param.set_lr_mult(0);
      param.set_decay_mult(0);
    }
  }
  if (net.input_size() + net.input_dim_size() + net.input_shape_size() > 0) {
    *net.add_layer() = input_layer(net, place(lines.input));
    for (int i = net.layer_size() - 1; i > 0; --i) net.mutable_layer()->SwapElements(i, i - 1);
    upgraded.insert(upgraded.begin(), lines.input);
    net.clear_input();
    net.clear_input_dim();
    net.clear_input_shape();
  }
  return upgraded;
}

void upgrade_solver(SolverParameter& solver, const std::string& place) {
  require<DataError>(!solver.has_type(), "{}: expected type or solver_type but the solver has both; remove solver_type.", place);
  const auto found = std::ranges::find_if(solver_types, [&](const auto& type) { return type.first == solver.solver_type(); });
  solver.set_type(found->second);
  solver.clear_solver_type();
}

}  // namespace amnet::caffe

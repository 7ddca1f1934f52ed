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
#include <amnet/model/layer_types.h>

#include "describing.h"

#include <algorithm>
#include <vector>

namespace amnet {

std::span<const LayerType> layer_types() {
  static const std::vector<LayerType> types = {
      layer_type<Accuracy, AccuracyOptions>("accuracy"),
      layer_type<Add>("add"),
      layer_type<AngularMargin, AngularMarginLayerOptions>("angular_margin"),
      layer_type<BatchNorm, BatchNormOptions>("batch_norm"),
      layer_type<BinaryCrossEntropy, BinaryCrossEntropyOptions>("binary_cross_entropy"),
      layer_type<Broadcast, BroadcastOptions>("broadcast"),
      layer_type<CenterLoss, CenterLoss::Stated>("center_loss"),
      layer_type<Combine, CombineOptions>("combine"),
      layer_type<Concat, ConcatOptions>("concat"),
      layer_type<ContrastiveLoss, ContrastiveLossOptions>("contrastive_loss"),
      layer_type<Conv2d, Conv2d::Stated>("conv2d"),
      layer_type<Conv2dTranspose, Conv2dTranspose::Stated>("conv2d_transpose"),
      layer_type<Distance, Distance::Stated>("distance"),
      layer_type<Dropout, DropoutOptions>("dropout"),
      layer_type<EuclideanLoss>("euclidean_loss"),
      layer_type<Fill, FillOptions>("fill"),
      layer_type<Flatten>("flatten"),
      layer_type<Flip, FlipOptions>("flip"),
      layer_type<FullyConnected, FullyConnected::Stated>("fully_connected"),
      layer_type<Grey, GreyOptions>("grey"),
      layer_type<HardMargin, HardMarginOptions>("hard_margin"),
      layer_type<LseMargin, LseMarginLayerOptions>("lse_margin"),
      layer_type<MatrixProduct, MatrixProductOptions>("matrix_product"),
      layer_type<Normalize, NormalizeOptions>("normalize"),
      layer_type<ParameterLayer, ParameterLayerOptions>("parameter"),
      layer_type<Permute, PermuteOptions>("permute"),
      layer_type<Pool, Pool::Stated>("pool"),
      layer_type<Power, PowerOptions>("power"),
      layer_type<PRelu, PReluOptions>("prelu"),
      layer_type<ProxyContrastiveLoss, ProxyContrastiveLossOptions>("proxy_contrastive_loss"),
      layer_type<ProxyTripletLoss, ProxyTripletLossOptions>("proxy_triplet_loss"),
      layer_type<Reduce, ReduceOptions>("reduce"),
      layer_type<Relu, ReluOptions>("relu"),
      layer_type<Reshape, ReshapeOptions>("reshape"),
      layer_type<SampleScale, SampleScaleOptions>("sample_scale"),
      layer_type<ScaleShift, ScaleShiftOptions>("scale_shift"),
      layer_type<Sigmoid>("sigmoid"),
      layer_type<Slice, SliceOptions>("slice"),
      layer_type<Softmax>("softmax"),
      layer_type<SoftmaxCrossEntropy, SoftmaxCrossEntropyOptions>("softmax_cross_entropy"),
      layer_type<SphereProduct, SphereProduct::Stated>("sphere_product"),
      layer_type<StopGradient>("stop_gradient"),
      layer_type<Tanh>("tanh"),
      layer_type<TargetMargin, TargetMarginOptions>("target_margin"),
      layer_type<TargetRescale, TargetRescaleLayerOptions>("target_rescale"),
  };
  return types;
}

std::vector<const LayerType*> rows_with(std::span<const LayerType> own) {
  std::vector<const LayerType*> rows;
  for (const std::span<const LayerType> some : {layer_types(), own}) {
    for (const LayerType& row : some) {
      require(std::ranges::none_of(rows, [&](const LayerType* other) { return other->type == row.type; }),
              "[model] two rows of layer types are called '{}'; give yours another name.", row.type);
      rows.push_back(&row);
    }
  }
  return rows;
}

std::unique_ptr<Layer> make_layer(std::string_view type, const Options& options, const std::string& where, std::span<const LayerType> own) {
  const std::vector<const LayerType*> rows = rows_with(own);
  const auto found = std::ranges::find_if(rows, [&](const LayerType* row) { return row->type == type; });
  if (found == rows.end()) {
    std::string known;
    for (const LayerType* row : rows) known += (known.empty() ? "" : ", ") + std::string(row->type);
    throw DataError(fmt::format("{}: there is no layer type '{}'; there are {}. Pass a row for a type of your own.", where, type, known));
  }
  try {
    return (*found)->make(options, where);
  } catch (const UsageError& error) {
    throw DataError(fmt::format("{}: {}", where, error.what()));
  }
}

}  // namespace amnet

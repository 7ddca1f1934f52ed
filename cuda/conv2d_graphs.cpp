#include "conv2d_graphs.h"

namespace amnet {
namespace {

dnn::Dimensions dimensions_of(const Shape& shape) { return {shape[0], shape[3], shape[1], shape[2]}; }

/// y = residual + relu(z) + slope (z - relu(z)) with z = sums + bias, with the terms that the key
/// names.
void add_forward(dnn::GraphBuilder& builder, const ConvolutionGraph& key, std::int64_t alignment) {
  const dnn::Dimensions dimensions = dimensions_of(key.y());
  const bool activates = key.slope != Slope::none;
  builder.tensor(y_id, dimensions, key.dtype, alignment);
  if (key.keeps_sums) builder.tensor(sums_id, dimensions, key.dtype, alignment);
  const auto place = [&](bool holds_sums, bool is_last) {
    if (is_last) return std::int64_t{y_id};
    return holds_sums && key.keeps_sums ? std::int64_t{sums_id} : builder.between(dimensions);
  };

  std::int64_t z = place(!key.bias, !key.bias && !activates && !key.residual);
  builder.convolution(key.pass, key.geometry, {.x = x_id, .w = w_id, .y = z});
  if (key.bias) {
    builder.tensor(bias_id, {1, key.outputs, 1, 1}, DType::f32, key.aligned ? 16 : 4);
    const std::int64_t with_bias = place(true, !activates && !key.residual);
    builder.pointwise(CUDNN_POINTWISE_ADD, z, bias_id, with_bias);
    z = with_bias;
  }
  if (activates) {
    builder.tensor(slope_id, {1, key.slope == Slope::each ? key.outputs : 1, 1, 1}, DType::f32, key.aligned ? 16 : 4);
    const std::int64_t positive = builder.between(dimensions), negative = builder.between(dimensions), bent = builder.between(dimensions);
    builder.pointwise(CUDNN_POINTWISE_RELU_FWD, z, positive);
    builder.pointwise(CUDNN_POINTWISE_SUB, z, positive, negative);
    builder.pointwise(CUDNN_POINTWISE_MUL, negative, slope_id, bent);
    z = place(false, !key.residual);
    builder.pointwise(CUDNN_POINTWISE_ADD, positive, bent, z);
  }
  if (key.residual) {
    builder.tensor(residual_id, dimensions, key.dtype, alignment);
    builder.pointwise(CUDNN_POINTWISE_ADD, z, residual_id, y_id);
  }
}

void add_gradient(dnn::GraphBuilder& builder, const ConvolutionGraph& key, std::int64_t alignment) {
  const bool of_data = key.pass == dnn::Convolution::data_gradient;
  builder.tensor(y_id, dimensions_of(key.y()), key.dtype, alignment);
  builder.tensor(of_data ? x_id : w_id, dimensions_of(of_data ? key.x : key.w()), key.dtype, alignment);
  builder.convolution(key.pass, key.geometry, {.x = x_id, .w = w_id, .y = y_id}, key.adds ? Write::add : Write::assign);
}

std::string_view name_of(dnn::Convolution pass) {
  switch (pass) {
    case dnn::Convolution::forward: return "forward";
    case dnn::Convolution::data_gradient: return "data gradient";
    case dnn::Convolution::weight_gradient: return "weight gradient";
  }
  return "";
}

}  // namespace

std::string ConvolutionGraph::text() const {
  // without a dilation the text is that of files written before there was one
  const std::string dilation = geometry.dilation == 1 ? "" : fmt::format("-d{}", geometry.dilation);
  return fmt::format("{}-{}-{}-{}x{}x{}x{}-{}-k{}-s{}-p{}-g{}{}-{}-b{:d}p{:d}r{:d}k{:d}a{:d}", static_cast<int>(pass),
                     amnet::name_of(dtype), tf32 ? "tf32" : "exact", x[0], x[1], x[2], x[3], outputs, geometry.kernel, geometry.stride,
                     geometry.pad, geometry.groups, dilation, aligned ? "aligned" : "loose", bias, static_cast<int>(slope), residual,
                     keeps_sums, adds);
}

std::optional<dnn::Descriptor> build(const ConvolutionGraph& key, const dnn::Target& target, std::string& why) {
  const std::int64_t alignment = key.aligned ? 16 : static_cast<std::int64_t>(size_of(key.dtype));
  dnn::GraphBuilder builder;
  if (key.pass != dnn::Convolution::data_gradient) builder.tensor(x_id, dimensions_of(key.x), key.dtype, alignment);
  if (key.pass != dnn::Convolution::weight_gradient) builder.tensor(w_id, dimensions_of(key.w()), key.dtype, alignment);
  if (key.pass == dnn::Convolution::forward) {
    add_forward(builder, key, alignment);
  } else {
    add_gradient(builder, key, alignment);
  }
  return builder.finish(target, why);
}

std::vector<ConvolutionGraph> ways_of(const ConvolutionGraph& operation) {
  using dnn::Convolution;
  std::vector<ConvolutionGraph> ways{operation};
  ConvolutionGraph plain = operation;
  plain.bias = plain.residual = plain.keeps_sums = plain.adds = false;
  plain.slope = Slope::none;
  const bool is_plain = !operation.has_epilogue() && !operation.adds;
  // Where y is the sums, the graph needs no second output. And without tensor cores cuDNN has only
  // one engine that fuses: it takes up to half a minute to compile one kernel.
  const bool kept_alone = operation.keeps_sums && operation.slope == Slope::none && !operation.residual;
  const bool exact = operation.dtype == DType::f32 && !operation.tf32;
  if (operation.has_epilogue() && (kept_alone || exact)) ways.clear();
  if (!is_plain) ways.push_back(plain);

  const std::int64_t pack = 16 / static_cast<std::int64_t>(size_of(operation.dtype));
  const bool fills = operation.x[3] % pack != 0 && operation.geometry.groups == 1 && operation.pass != Convolution::data_gradient;
  if (!fills) return ways;
  const std::vector<ConvolutionGraph> as_they_are = ways;
  for (ConvolutionGraph way : as_they_are) {
    // The gradient of weights with added channels is larger than the caller's, so it is not written
    // there directly.
    if (way.adds) continue;
    way.x = way.x.with(3, (operation.x[3] + pack - 1) / pack * pack);
    ways.push_back(way);
  }
  return ways;
}

bool allowed(const dnn::Engine& engine, const ConvolutionGraph& key, bool deterministic) {
  if (deterministic && !engine.deterministic) return false;
  // Tensor cores round f32 inputs to tf32.
  return key.dtype != DType::f32 || key.tf32 || !(engine.tensor_cores || engine.rounds_inputs);
}

std::string describe(const ConvolutionGraph& key) {
  return fmt::format("{} {}->{}, {}/{} on {}x{}, {} images", name_of(key.pass), key.x[3], key.outputs, key.geometry.kernel,
                     key.geometry.stride.height, key.x[1], key.x[2], key.x[0]);
}

}  // namespace amnet

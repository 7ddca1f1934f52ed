#include "arguments.h"

#include <amnet/kernels/labels.h>

namespace amnet {
namespace {

// `tensor` has that shape and dtype, or is undefined where it may be.
void check_tensor(const Tensor& tensor, const Shape& shape, DType dtype, std::string_view what) {
  require(tensor.defined() && tensor.shape() == shape && tensor.dtype() == dtype, "[conv2d] expected {} {} {} but got {}.", what,
          name_of(dtype), shape, tensor.defined() ? fmt::format("{} {}", name_of(tensor.dtype()), tensor.shape()) : "none");
}
void check_optional(const Tensor& tensor, const Shape& shape, DType dtype, std::string_view what) {
  if (tensor.defined()) check_tensor(tensor, shape, dtype, what);
}

void check_slope(const Tensor& slope, std::int64_t outputs) {
  require(!slope.defined() || slope.count() == 1 || slope.count() == outputs,
          "[conv2d] expected one slope for each of {} channels, or one in all, but got {}.", outputs, slope.shape());
}

// (N,K classes)
void check_class_columns(const Tensor& logits, std::int64_t centres, std::string_view who) {
  require(logits.rank() == 2 && centres >= 1 && logits.extent(1) % centres == 0, "[{}] expected logits {} but got {}.", who,
          logits_text(centres), logits.shape());
}

}  // namespace

void check_accuracy(const Tensor& logits, const Tensor& labels, const AccuracyRule& rule) {
  check_class_columns(logits, rule.centres, "accuracy");
  const std::int64_t samples = logits.extent(0), classes = logits.extent(1) / rule.centres;
  const Tensor &weights = rule.weights, &per_class = rule.per_class;
  require(!weights.defined() || (weights.count() == samples && weights.dtype() == logits.dtype()),
          "[accuracy] expected one {} weight for each of {} rows but got {} {}.", name_of(logits.dtype()), samples,
          name_of(weights.dtype()), weights.shape());
  require(!per_class.defined() || (per_class.count() == classes && per_class.dtype() == logits.dtype()),
          "[accuracy] expected room for the {} accuracy of {} classes but got {} {}.", name_of(logits.dtype()), classes,
          name_of(per_class.dtype()), per_class.shape());
  check_labels(labels, samples, classes, "accuracy", rule.ignore_label);
}

void check_adam(const AdamUpdate& update) {
  const Shape& value = update.value.shape();
  require(update.gradient.shape() == value && update.mean.shape() == value && update.square.shape() == value,
          "[adam] expected a gradient, a mean and a square {} but got {}, {} and {}.", value, update.gradient.shape(), update.mean.shape(),
          update.square.shape());
}

void check_batch_norm(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& other) {
  const std::int64_t channels = x.extent(x.rank() - 1);
  require(mean.count() == channels && variance.count() == channels,
          "[batch_norm] expected a mean and a variance for each of {} channels but got {} and {}.", channels, mean.shape(),
          variance.shape());
  require(other.shape() == x.shape() && other.dtype() == x.dtype(), "[batch_norm] expected the other side as {} {} but got {} {}.",
          name_of(x.dtype()), x.shape(), name_of(other.dtype()), other.shape());
}

void check_bias(const Tensor& dy, const Tensor& dbias) {
  require(dy.rank() >= 1, "[bias] expected a gradient (..., C) but got {}.", dy.shape());
  const Shape wanted{dy.extent(dy.rank() - 1)};
  const DType exact = exact_dtype(dy.dtype());
  require(dbias.shape() == wanted && dbias.dtype() == exact, "[bias] expected a gradient of {} {} but got {} {}.", name_of(exact), wanted,
          name_of(dbias.dtype()), dbias.shape());
}

void check_combine(const CombineRule& rule, std::span<const Tensor> xs, const Tensor& other) {
  require(!xs.empty() && xs.size() <= most_combined, "[combine] expected 1 to {} tensors but got {}.", std::size_t{most_combined},
          xs.size());
  require(rule.coefficients.empty() || (rule.operation == Combination::sum && rule.coefficients.size() == xs.size()),
          "[combine] expected coefficients for a sum alone, one for each of {} tensors, but got {} for a {}.", xs.size(),
          rule.coefficients.size(), name_of(rule.operation));
  for (const Tensor& x : xs) {
    require(!x.defined() || (x.shape() == other.shape() && x.dtype() == other.dtype()),
            "[combine] expected tensors of one shape but got {} {} and {} {}.", name_of(x.dtype()), x.shape(), name_of(other.dtype()),
            other.shape());
  }
}

void check_conv2d_weights(const Conv2dGeometry& geometry, const Shape& x, const Tensor& w, DType dtype) {
  require(w.rank() == 4, "[conv2d] expected weights (O,kh,kw,C/groups) but got {}.", w.shape());
  geometry.output_shape(x, w.extent(0));
  check_tensor(w, geometry.weight_shape(x[3], w.extent(0)), exact_dtype(dtype), "weights");
}

void check_conv2d_forward(const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Conv2dEpilogue& epilogue,
                          const Tensor& y) {
  check_conv2d_weights(geometry, x.shape(), w, x.dtype());
  const std::int64_t outputs = w.extent(0);
  const Shape shape = geometry.output_shape(x.shape(), outputs);
  check_tensor(y, shape, x.dtype(), "outputs");
  check_optional(epilogue.bias, {outputs}, exact_dtype(x.dtype()), "a bias");
  check_optional(epilogue.residual, shape, x.dtype(), "a residual");
  check_optional(epilogue.sums, shape, x.dtype(), "room for the sums,");
  check_slope(epilogue.slope, outputs);
}

void check_conv2d_backward(const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Conv2dActivation& activation,
                           const Tensor& dy, const Conv2dGradients& gradients) {
  const auto check_pass = [&](const Tensor& input, const Tensor& weights) {
    check_tensor(input, input.shape(), dy.dtype(), "an input");
    check_conv2d_weights(geometry, input.shape(), weights, dy.dtype());
    check_tensor(dy, geometry.output_shape(input.shape(), weights.extent(0)), dy.dtype(), "output gradients");
  };
  if (gradients.dx) check_pass(gradients.dx.tensor, w);
  if (gradients.dw) check_pass(x, gradients.dw.tensor);
  const std::int64_t outputs = dy.extent(dy.rank() - 1);
  check_slope(activation.slope, outputs);
  check_optional(activation.sums, dy.shape(), dy.dtype(), "the sums of the forward pass,");
  check_optional(activation.dz, dy.shape(), dy.dtype(), "room for dz,");
  require(!activation.slope.defined() || (activation.sums.defined() && activation.dz.defined() && activation.dz.raw() != dy.raw()),
          "[conv2d] a backward pass through a PReLU needs the sums that forward kept, and room of its own for dz.");
  check_optional(gradients.dbias.tensor, {outputs}, exact_dtype(dy.dtype()), "a bias gradient");
  check_optional(gradients.dslope.tensor, activation.slope.shape(), exact_dtype(dy.dtype()), "a slope gradient");
}

FlattenedImages::FlattenedImages(const Shape& shape) {
  require(shape.rank() == 4 || shape.rank() == 2, "[flatten] expected (N,H,W,C) or (N,D) but got {}.", shape);
  samples = shape[0];
  pixels = shape.rank() == 4 ? shape[1] * shape[2] : 1;
  channels = shape[shape.rank() - 1];
}

void check_flip(const Tensor& from, const Tensor& to) {
  require(from.rank() == 4 && from.shape() == to.shape(), "[flip] expected two images (N,H,W,C) but got {} and {}.", from.shape(),
          to.shape());
}

FullyConnectedSizes fully_connected_sizes(const Tensor& x, const Tensor& w, const Tensor& y) {
  require(x.rank() == 2 && w.rank() == 2 && w.extent(1) == x.extent(1),
          "[fully_connected] expected x (N,I) and weights (O,I) with one I but got {} and {}.", x.shape(), w.shape());
  const Shape wanted{x.extent(0), w.extent(0)};
  require(y.shape() == wanted, "[fully_connected] expected outputs {} but got {}.", wanted, y.shape());
  return {x.extent(0), x.extent(1), w.extent(0)};
}

void check_output_values(const Tensor& values, std::string_view name, const FullyConnectedSizes& sizes) {
  require(!values.defined() || values.count() == sizes.outputs, "[fully_connected] expected one {} for each of {} outputs but got {}.",
          name, sizes.outputs, values.shape());
}

void check_image_input(const ImagePixels& pixels, const Tensor& mirror, const Tensor& y) {
  const Tensor &values = pixels.values, &indices = pixels.indices;
  const bool chosen = indices.defined();
  require(values.rank() == 4 && y.rank() == 4 && y.shape().with(0, values.extent(0)) == values.shape() &&
              (chosen || y.extent(0) == values.extent(0)),
          "[image_input] expected pixels and an output (N,H,W,C) but got {} and {}.", values.shape(), y.shape());
  require(mirror.count() == y.extent(0), "[image_input] expected one mirror flag for each of {} images but got {}.", y.extent(0),
          mirror.shape());
  require(!chosen || indices.count() == y.extent(0), "[image_input] expected one index for each of {} images but got {}.", y.extent(0),
          indices.shape());
}

void check_normalize(const Tensor& rows, const Tensor& other, const Tensor& norm) {
  require(rows.rank() >= 1 && other.count() == rows.count() && other.dtype() == rows.dtype(),
          "[normalize] expected two tensors (..., D) of one dtype but got {} {} and {} {}.", name_of(rows.dtype()), rows.shape(),
          name_of(other.dtype()), other.shape());
  const std::int64_t length = rows.extent(rows.rank() - 1), number = length == 0 ? 0 : rows.count() / length;
  const DType exact = exact_dtype(rows.dtype());
  require(norm.count() == number && norm.dtype() == exact, "[normalize] expected one {} norm for each of {} rows but got {} {}.",
          name_of(exact), number, name_of(norm.dtype()), norm.shape());
}

void check_prelu(const Tensor& x, const Tensor& slope, const Tensor& other) {
  const std::int64_t channels = x.extent(x.rank() - 1);
  require(slope.count() == channels || slope.count() == 1, "[prelu] expected one slope for each of {} channels, or one in all, but got {}.",
          channels, slope.shape());
  require(other.shape() == x.shape() && other.dtype() == x.dtype(), "[prelu] expected the other side as {} {} but got {} {}.",
          name_of(x.dtype()), x.shape(), name_of(other.dtype()), other.shape());
}

ReducedRows::ReducedRows(const Tensor& values, const Tensor& numbers)
    : rows(numbers.count()), columns(rows == 0 ? 0 : values.count() / rows) {
  require(rows * columns == values.count() && numbers.dtype() == exact_dtype(values.dtype()),
          "[reduce] expected one {} number for each row of {} but got {} {}.", name_of(exact_dtype(values.dtype())), values.shape(),
          name_of(numbers.dtype()), numbers.shape());
}

void check_scale_shift(const Tensor& value, const Tensor& scale) {
  const std::int64_t channels = value.rank() == 0 ? 1 : value.extent(value.rank() - 1);
  require(scale.count() == 1 || scale.count() == channels,
          "[scale_shift] expected one scale for each of {} channels, or one in all, but got {}.", channels, scale.shape());
}

void check_sgd(const SgdUpdate& update) {
  const Shape& value = update.value.shape();
  require(update.gradient.shape() == value && update.momentum.shape() == value,
          "[sgd] expected a gradient and a momentum {} but got {} and {}.", value, update.gradient.shape(), update.momentum.shape());
}

void check_softmax(const Tensor& x, const Tensor& other) {
  require(x.rank() >= 1 && other.shape() == x.shape() && other.dtype() == x.dtype(),
          "[softmax] expected two tensors (..., C) alike but got {} {} and {} {}.", name_of(x.dtype()), x.shape(), name_of(other.dtype()),
          other.shape());
}

void check_softmax_cross_entropy(const MarginOptions& options, const Tensor& logits, const Tensor& labels, const MarginInputs& inputs,
                                 const LossRows& rows) {
  constexpr std::string_view who = "softmax_cross_entropy";
  const MarginForm& form = options.form;
  check_class_columns(logits, form.centres, who);
  const std::int64_t samples = logits.extent(0);
  const auto check_rows = [&](const Tensor& tensor, std::string_view what) {
    require(!tensor.defined() || (tensor.count() == samples && tensor.dtype() == logits.dtype()),
            "[softmax_cross_entropy] expected one {} {} for each of {} rows but got {} {}.", name_of(logits.dtype()), what, samples,
            name_of(tensor.dtype()), tensor.shape());
  };
  check_rows(inputs.norms, "norm");
  check_rows(rows.weights, "weight");
  require(inputs.norms.defined() || (!form.has_norm_margin() && form.norm_penalty == NormPenalty::none),
          "[softmax_cross_entropy] expected the norms of the features, which the margin or the penalty follows from, but got none.");
  const auto check_running = [&](bool has, const Tensor& value, std::string_view what) {
    require(!has || (value.defined() && value.count() == 1 && value.dtype() == logits.dtype()),
            "[softmax_cross_entropy] expected the running {} as one {} but got {} {}.", what, name_of(logits.dtype()),
            name_of(value.dtype()), value.shape());
  };
  check_running(form.has_mean(), inputs.mean, "mean");
  check_running(form.has_deviation(), inputs.deviation, "deviation");
  check_labels(labels, samples, logits.extent(1) / form.centres, who, rows.ignore_label);
}

void check_row_values(const Tensor& row_values, const Tensor& logits, std::string_view who) {
  require(row_values.count() == logits.extent(0) * margin_row_values && row_values.dtype() == logits.dtype(),
          "[{}] expected room for {} {} values of each of {} rows but got {} {}.", who, margin_row_values, name_of(logits.dtype()),
          logits.extent(0), name_of(row_values.dtype()), row_values.shape());
}

void check_binary_cross_entropy(const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias) {
  constexpr std::string_view who = "binary_cross_entropy";
  check_class_columns(cosines, options.form.centres, who);
  require(bias.defined() && bias.count() == 1 && bias.dtype() == cosines.dtype(), "[{}] expected one {} bias but got {} {}.", who,
          name_of(cosines.dtype()), name_of(bias.dtype()), bias.shape());
  check_labels(labels, cosines.extent(0), cosines.extent(1) / options.form.centres, who);
}

}  // namespace amnet

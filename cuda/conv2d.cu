#include <amnet/kernels/conv2d.h>

#include "conv2d_kernels.h"
#include "conv2d_plans.h"
#include "conv2d_proof.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "conv2d";
using dnn::Convolution;

/// Pieces of the scratch memory that one operation uses at the same time.
class Pieces {
 public:
  /// Reserves `bytes`; the address is known when all pieces have been reserved.
  std::size_t add(std::size_t bytes) {
    const std::size_t begin = total_;
    total_ += (bytes + 255) / 256 * 256;
    return begin;
  }
  std::size_t total() const { return total_; }

 private:
  std::size_t total_ = 0;
};

std::size_t bytes_of(const Shape& shape, DType dtype) { return static_cast<std::size_t>(shape.count()) * size_of(dtype); }

// --- the operation ---

Slope slope_of(const Tensor& slope, std::int64_t outputs) {
  if (!slope.defined()) return Slope::none;
  return slope.count() == outputs ? Slope::each : Slope::shared;
}
ChannelSlopes slopes_of(const Tensor& slope) {
  return {elements_or_null<const float>(slope, who), slope.defined() && slope.count() > 1 ? 1 : 0};
}

ConvolutionGraph operation_of(const Cuda& cuda, Convolution pass, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs,
                              DType dtype) {
  return {.pass = pass,
          .geometry = geometry,
          .x = x,
          .outputs = outputs,
          .dtype = dtype,
          .tf32 = dtype == DType::f32 && cuda.precision() != ProductPrecision::f32};
}

/// All defined tensors begin at a multiple of 16 bytes: a slice of a batch of maps of odd size may
/// not.
bool all_aligned(std::initializer_list<const Tensor*> tensors) {
  return std::ranges::all_of(tensors, [](const Tensor* tensor) { return !tensor->defined() || starts_a_pack(*tensor); });
}

// --- the tensors as a graph needs them ---

/// Weights of `channels` input channels, from w (O,kh,kw,C/groups) f32.
template <class T>
void convert_weights(Cuda& cuda, const Tensor& w, std::int64_t channels, T* to) {
  const std::int64_t from_channels = w.extent(3);
  copy_channels(cuda, elements<const float>(w, who), from_channels, to, w.count() / from_channels, channels, Write::assign);
}

/// The scratch memory that a choice needs in addition to its workspace.
struct Needs {
  bool weights = false;  // a copy of the weights
  bool x = false;        // a copy of x with more channels
  bool target = false;   // room for the gradient that cuDNN writes
};

struct Places {
  void *weights = nullptr, *x = nullptr, *target = nullptr, *workspace = nullptr;
};

std::size_t cut(const ConvolutionGraph& graph, const Needs& needs, std::size_t workspace, std::byte* memory, Places& places) {
  Pieces pieces;
  const auto piece = [&](bool wanted, std::size_t bytes) -> void* {
    const std::size_t begin = pieces.add(wanted ? bytes : 0);
    return wanted && memory != nullptr ? memory + begin : nullptr;
  };
  const Shape target = graph.pass == Convolution::data_gradient ? graph.x : graph.w();
  places.weights = piece(needs.weights, bytes_of(graph.w(), graph.dtype));
  places.x = piece(needs.x, bytes_of(graph.x, graph.dtype));
  places.target = piece(needs.target, bytes_of(target, graph.dtype));
  places.workspace = piece(workspace > 0, workspace);
  return pieces.total();
}

Places scratch_for(Cuda& cuda, const ConvolutionChoice& choice, const Needs& needs) {
  Places places;
  const std::size_t bytes = cut(choice.graph, needs, choice.plan.workspace_bytes, nullptr, places);
  cut(choice.graph, needs, choice.plan.workspace_bytes, cuda.state().scratch(bytes), places);
  return places;
}

/// The prepared copy of the weights, if it has the form that the graph needs.
void* prepared_or_null(const ConvolutionGraph& graph, const Conv2dWeights& w) {
  if (w.prepared == nullptr || !w.prepared->transformed.defined()) return nullptr;
  const Tensor& made = w.prepared->transformed;
  return made.dtype() == graph.dtype && made.shape() == graph.w() ? made.raw() : nullptr;
}

/// The weights in the dtype and with the channels of the graph: used as they are, prepared earlier,
/// or `copied` now.
template <class T>
void* weights_for(Cuda& cuda, const ConvolutionGraph& graph, const Conv2dWeights& w, void* copied) {
  if (copied != nullptr) {
    convert_weights(cuda, w.values, graph.w()[3], static_cast<T*>(copied));
    return copied;
  }
  void* const prepared = prepared_or_null(graph, w);
  return prepared != nullptr ? prepared : w.values.raw();
}
bool copies_weights(const ConvolutionGraph& graph, const Conv2dWeights& w) {
  return prepared_or_null(graph, w) == nullptr && (graph.dtype != w.values.dtype() || graph.w() != w.values.shape());
}

template <class T>
void* x_for(Cuda& cuda, const ConvolutionGraph& graph, const Tensor& x, void* copied) {
  if (copied == nullptr) return x.raw();
  copy_channels(cuda, elements<const T>(x, who), x.extent(3), static_cast<T*>(copied), x.count() / x.extent(3), graph.x[3], Write::assign);
  return copied;
}

using GraphTensors = std::span<const std::pair<std::int64_t, void*>>;

/// Throws WrongSums where the plan's output is not what its graph defines.
template <class T>
void prove(Cuda& cuda, const ConvolutionChoice& choice, GraphTensors tensors, void* workspace) {
  const ConvolutionGraph& graph = choice.graph;
  ConvolutionPlaces places{};
  for (const auto& [id, place] : tensors) places.at(static_cast<std::size_t>(id)) = place;
  if (graph.adds) {
    const bool of_data = graph.pass == Convolution::data_gradient;
    clear_bytes(static_cast<std::byte*>(places[of_data ? x_id : w_id]), Memory::cuda, bytes_of(of_data ? graph.x : graph.w(), graph.dtype));
    dnn::run(choice.plan, cuda.state().dnn, tensors, workspace);
  }
  dnn::run(choice.plan, cuda.state().dnn, tensors, workspace);
  const double difference = difference_of_samples<T>(cuda, graph, places);
  require<WrongSums>(difference <= largest_difference(graph),
                     "[conv2d] {} computes something else: its sums are off by {:.2g} of what their products come to.", choice.name,
                     difference);
}

template <class T>
void run_plan(Cuda& cuda, const ConvolutionChoice& choice, GraphTensors tensors, void* workspace) {
  if (!choice.proven) return prove<T>(cuda, choice, tensors, workspace);
  timed(
      cuda.state(), [&] { return choice.name; }, [&] { dnn::run(choice.plan, cuda.state().dnn, tensors, workspace); });
}

// --- forward ---

template <class T>
void finish_forward(Cuda& cuda, const Tensor& z, const Conv2dEpilogue& epilogue, const Tensor& y) {
  // Without a bias, z already holds the sums.
  T* const sums = z.raw() == epilogue.sums.raw() && !epilogue.bias.defined() ? nullptr : elements_or_null<T>(epilogue.sums, who);
  const FinishForward<T> kernel{.z = elements<const T>(z, who),
                                .bias = elements_or_null<const float>(epilogue.bias, who),
                                .slopes = slopes_of(epilogue.slope),
                                .residual = elements_or_null<const T>(epilogue.residual, who),
                                .sums = sums,
                                .y = elements<T>(y, who),
                                .count = y.count(),
                                .channels = y.extent(3),
                                .packed = y.extent(3) % Pack<T>::size == 0 && all_aligned({&z, &epilogue.residual, &epilogue.sums, &y})};
  launch(cuda, blocks_for(cuda, kernel.packed ? kernel.count / Pack<T>::size : kernel.count, kernel.threads), kernel);
}

template <class T>
void run_forward(Cuda& cuda, const ConvolutionChoice& choice, const ConvolutionGraph& operation, const Tensor& x, const Conv2dWeights& w,
                 const Conv2dEpilogue& epilogue, const Tensor& y) {
  const ConvolutionGraph& graph = choice.graph;
  const Places places = scratch_for(cuda, choice, {.weights = copies_weights(graph, w), .x = graph.x != operation.x});
  const bool finishes = operation.has_epilogue() && !graph.has_epilogue();
  const Tensor& z = finishes && epilogue.sums.defined() ? epilogue.sums : y;
  std::vector<std::pair<std::int64_t, void*>> tensors{
      {x_id, x_for<T>(cuda, graph, x, places.x)}, {w_id, weights_for<T>(cuda, graph, w, places.weights)}, {y_id, z.raw()}};
  if (graph.bias) tensors.emplace_back(bias_id, epilogue.bias.raw());
  if (graph.slope != Slope::none) tensors.emplace_back(slope_id, epilogue.slope.raw());
  if (graph.residual) tensors.emplace_back(residual_id, epilogue.residual.raw());
  if (graph.keeps_sums) tensors.emplace_back(sums_id, epilogue.sums.raw());
  run_plan<T>(cuda, choice, tensors, places.workspace);
  if (finishes) finish_forward<T>(cuda, z, epilogue, y);
}

// --- backward ---

/// dz, dslope and dbias in one pass over dy.
template <class T>
void activation_backward(Cuda& cuda, const Conv2dActivation& activation, const Tensor& dy, const Conv2dGradients& gradients) {
  const bool active = activation.slope.defined();
  if (!active && !gradients.dbias) return;
  const std::int64_t outputs = dy.extent(3);
  const ActivationGradient<T> body{.slopes = slopes_of(activation.slope),
                                   .sums = active ? elements<const T>(activation.sums, who) : nullptr,
                                   .dy = elements<const T>(dy, who),
                                   .dz = active ? elements<T>(activation.dz, who) : nullptr};
  const bool packed = starts_a_pack(dy) && (!active || (starts_a_pack(activation.sums) && starts_a_pack(activation.dz)));
  column_sums<T>(cuda, body, column_rows(dy), outputs, packed,
                 {sums_to(gradients.dslope, outputs, who), sums_to(gradients.dbias, outputs, who)});
}

/// Memory that stands in for a gradient that is added to, while candidates are timed: the real
/// gradient must be added to only once.
std::byte* trial_room(std::shared_ptr<std::byte>& room, const Gradient& gradient) {
  if (room == nullptr) room = allocate(Memory::cuda, gradient.tensor.size_bytes());
  return room.get();
}

template <class T>
void run_data_gradient(Cuda& cuda, const ConvolutionChoice& choice, const ConvolutionGraph& operation, const Tensor& dz,
                       const Conv2dWeights& w, T* dx) {
  const ConvolutionGraph& graph = choice.graph;
  const bool adds_after = operation.adds && !graph.adds;
  const Places places = scratch_for(cuda, choice, {.weights = copies_weights(graph, w), .target = adds_after});
  const std::vector<std::pair<std::int64_t, void*>> tensors{
      {y_id, dz.raw()}, {w_id, weights_for<T>(cuda, graph, w, places.weights)}, {x_id, adds_after ? places.target : dx}};
  run_plan<T>(cuda, choice, tensors, places.workspace);
  if (adds_after) {
    const std::int64_t count = operation.x.count();
    copy_channels(cuda, static_cast<const T*>(places.target), count, dx, 1, count, Write::add);
  }
}

template <class T>
void run_weight_gradient(Cuda& cuda, const ConvolutionChoice& choice, const ConvolutionGraph& operation, const Tensor& x, const Tensor& dz,
                         float* dw, Write write) {
  const ConvolutionGraph& graph = choice.graph;
  const bool fills = graph.x != operation.x;
  // cuDNN writes the gradient of bf16 weights as bf16.
  const bool copies_after = fills || graph.adds != operation.adds || graph.dtype != DType::f32;
  const Places places = scratch_for(cuda, choice, {.x = fills, .target = copies_after});
  std::vector<std::pair<std::int64_t, void*>> tensors{
      {x_id, x_for<T>(cuda, graph, x, places.x)}, {y_id, dz.raw()}, {w_id, copies_after ? places.target : dw}};
  run_plan<T>(cuda, choice, tensors, places.workspace);
  if (copies_after) {
    const std::int64_t channels = operation.w()[3];
    copy_channels(cuda, static_cast<const T*>(places.target), graph.w()[3], dw, operation.w().count() / channels, channels, write);
  }
}

}  // namespace

Conv2dForm conv2d_form(const Cuda& cuda, const Conv2dGeometry&, const Shape&, std::int64_t, DType dtype, Conv2dPass) {
  return {.dtype = cuda.precision() == ProductPrecision::bf16 ? DType::bf16 : dtype};
}

void conv2d_prepare(Cuda& cuda, const Conv2dGeometry& geometry, const Shape& x, const Tensor& w, Conv2dPass pass,
                    Conv2dPrepared& prepared) {
  check_conv2d_weights(geometry, x, w, DType::f32);
  prepared.form = conv2d_form(cuda, geometry, x, w.extent(0), w.dtype(), pass);
  if (cuda.precision() != ProductPrecision::bf16) {
    prepared.transformed = {};
    return;
  }
  Tensor& made = prepared.transformed;
  if (!made.defined() || made.shape() != w.shape() || made.memory() != Memory::cuda) made = Tensor(w.shape(), DType::bf16, Memory::cuda);
  convert_weights(cuda, w, w.extent(3), elements<BFloat16>(made, who));
}

std::size_t conv2d_prepared_bytes(const Cuda& cuda, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType,
                                  Conv2dPass) {
  if (cuda.precision() != ProductPrecision::bf16) return 0;
  return bytes_of(geometry.weight_shape(x[3], outputs), DType::bf16);
}

void conv2d_forward(Cuda& cuda, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Conv2dEpilogue& epilogue,
                    const Tensor& y) {
  check_conv2d_forward(geometry, x, w.values, epilogue, y);
  const std::int64_t outputs = w.values.extent(0);
  ConvolutionGraph operation = operation_of(cuda, Convolution::forward, geometry, x.shape(), outputs, x.dtype());
  operation.bias = epilogue.bias.defined();
  operation.slope = slope_of(epilogue.slope, outputs);
  operation.residual = epilogue.residual.defined();
  operation.keeps_sums = epilogue.sums.defined();
  operation.aligned = all_aligned({&x, &w.values, &epilogue.bias, &epilogue.slope, &epilogue.residual, &epilogue.sums, &y});
  if (y.count() == 0) return;
  with_activation(x.dtype(), who, [&]<class T>() {
    const auto run = [&](const ConvolutionChoice& choice) { run_forward<T>(cuda, choice, operation, x, w, epilogue, y); };
    const ConvolutionChoice& choice = cuda.state().convolutions->choose(cuda, operation, run);
    cuda.count(choice.name);
    run(choice);
  });
}

void conv2d_backward(Cuda& cuda, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w,
                     const Conv2dActivation& activation, const Tensor& dy, const Conv2dGradients& gradients) {
  const Gradient &dx = gradients.dx, &dw = gradients.dw;
  const std::int64_t outputs = dy.extent(dy.rank() - 1);
  check_conv2d_backward(geometry, x, w.values, activation, dy, gradients);
  const bool active = activation.slope.defined();
  const Tensor& dz = active ? activation.dz : dy;
  ConvolutionPlans& plans = *cuda.state().convolutions;
  with_activation(dy.dtype(), who, [&]<class T>() {
    activation_backward<T>(cuda, activation, dy, gradients);
    if (dw && dy.count() == 0) {
      if (dw.write == Write::assign) clear_bytes(dw.tensor.raw(), Memory::cuda, dw.tensor.size_bytes());
    } else if (dw) {
      ConvolutionGraph operation = operation_of(cuda, Convolution::weight_gradient, geometry, x.shape(), outputs, dy.dtype());
      operation.adds = dw.write == Write::add && dy.dtype() == DType::f32;
      operation.aligned = all_aligned({&x, &dz, &dw.tensor});
      const auto run = [&](const ConvolutionChoice& choice, std::byte* to) {
        run_weight_gradient<T>(cuda, choice, operation, x, dz, reinterpret_cast<float*>(to), dw.write);
      };
      std::shared_ptr<std::byte> room;
      const ConvolutionChoice& choice = plans.choose(cuda, operation, [&](const ConvolutionChoice& trial) {
        run(trial, dw.write == Write::add ? trial_room(room, dw) : dw.tensor.raw());
      });
      cuda.count(choice.name);
      run(choice, dw.tensor.raw());
    }
    if (dx && dx.tensor.count() > 0) {
      ConvolutionGraph operation = operation_of(cuda, Convolution::data_gradient, geometry, dx.tensor.shape(), outputs, dy.dtype());
      operation.adds = dx.write == Write::add;
      operation.aligned = all_aligned({&dz, &w.values, &dx.tensor});
      const auto run = [&](const ConvolutionChoice& choice, std::byte* to) {
        run_data_gradient<T>(cuda, choice, operation, dz, w, reinterpret_cast<T*>(to));
      };
      std::shared_ptr<std::byte> room;
      const ConvolutionChoice& choice = plans.choose(cuda, operation, [&](const ConvolutionChoice& trial) {
        run(trial, dx.write == Write::add ? trial_room(room, dx) : dx.tensor.raw());
      });
      cuda.count(choice.name);
      run(choice, dx.tensor.raw());
    }
  });
}

ScratchBytes conv2d_scratch(const Cuda& cuda, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                            bool training) {
  const DType stored = cuda.precision() == ProductPrecision::bf16 ? DType::bf16 : dtype;
  ScratchBytes most;
  if (x.count() == 0) return most;
  for (const Convolution pass : {Convolution::forward, Convolution::data_gradient, Convolution::weight_gradient}) {
    if (pass != Convolution::forward && !training) continue;
    const ConvolutionGraph operation = operation_of(cuda, pass, geometry, x, outputs, stored);
    const ConvolutionGraph widest = ways_of(operation).back();
    const bool of_weights = pass == Convolution::weight_gradient;
    const Needs needs{.weights = !of_weights && (stored == DType::bf16 || widest.x != x), .x = widest.x != x, .target = of_weights};
    Places unused;
    const std::size_t workspace = cuda.state().convolutions->workspace_bytes(cuda.state(), operation);
    most = most.covering({cut(widest, needs, workspace, nullptr, unused), 0});
  }
  return most;
}

}  // namespace amnet

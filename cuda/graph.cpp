#include "graph.h"

#include <algorithm>

namespace amnet::dnn {
namespace {

cudnnDataType_t data_type(DType dtype) {
  require(dtype == DType::f32 || dtype == DType::bf16, "[cudnn] expected tensors of f32 or bf16 but got {}.", name_of(dtype));
  return dtype == DType::f32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
}

std::string last_words(cudnnStatus_t answer) {
  char message[512] = "";
  cudnnGetLastErrorString(message, sizeof message);
  return fmt::format("{}{}{}", cudnnGetErrorString(answer), message[0] == '\0' ? "" : ": ", message);
}

}  // namespace

Descriptor::Descriptor(cudnnBackendDescriptorType_t type, std::string_view what) : what_(what) {
  cudnnBackendDescriptor_t created = nullptr;
  answered(cudnnBackendCreateDescriptor(type, &created), "cudnnBackendCreateDescriptor");
  handle_ = {created, [](void* handle) { static_cast<void>(cudnnBackendDestroyDescriptor(handle)); }};
}

void Descriptor::answered(cudnnStatus_t answer, std::string_view function, std::source_location where) const {
  if (answer != CUDNN_STATUS_SUCCESS) check(answer, fmt::format("{} for {}", function, what_), where);
}

void Descriptor::set_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
  answered(cudnnBackendSetAttribute(get(), name, type, count, values), "cudnnBackendSetAttribute");
}

std::int64_t Descriptor::read_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                                    void* values) const {
  std::int64_t elements = 0;
  answered(cudnnBackendGetAttribute(get(), name, type, count, &elements, values), "cudnnBackendGetAttribute");
  return elements;
}

void Descriptor::refer(cudnnBackendAttributeName_t name, const Descriptor& to) { refer(name, std::span(&to, 1)); }

void Descriptor::refer(cudnnBackendAttributeName_t name, std::span<const Descriptor> to) {
  std::vector<cudnnBackendDescriptor_t> handles;
  for (const Descriptor& descriptor : to) handles.push_back(descriptor.get());
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span<const cudnnBackendDescriptor_t>(handles));
  references_.insert(references_.end(), to.begin(), to.end());
}

Descriptor Descriptor::follow(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const {
  Descriptor result(type, what_);
  cudnnBackendDescriptor_t handle = result.get();
  read(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span(&handle, 1));
  return result;
}

void Descriptor::finalize() { answered(cudnnBackendFinalize(get()), "cudnnBackendFinalize"); }

bool Descriptor::try_finalize(std::string& why) {
  const cudnnStatus_t answer = cudnnBackendFinalize(get());
  if (answer == CUDNN_STATUS_SUCCESS) return true;
  why = last_words(answer);
  return false;
}

Target Target::described(std::string_view json) {
  Target target;
  target.description_ = Descriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "the description of a GPU");
  target.description_.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::span<const char>(json));
  target.description_.finalize();
  return target;
}

void GraphBuilder::tensor(std::int64_t id, const Dimensions& dimensions, DType dtype, std::int64_t alignment) {
  const auto [n, c, h, w] = dimensions;
  const Dimensions strides{h * w * c, 1, w * c, c};
  Descriptor& made = tensors_.emplace_back(id, Descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor's descriptor")).second;
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, data_type(dtype));
  made.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span<const std::int64_t>(dimensions));
  made.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span<const std::int64_t>(strides));
  made.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
  made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  if (id >= 1000) made.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true);
  made.finalize();
}

std::int64_t GraphBuilder::between(const Dimensions& dimensions) {
  tensor(next_between_, dimensions, DType::f32);
  return next_between_++;
}

const Descriptor& GraphBuilder::named(std::int64_t id) const {
  return std::ranges::find(tensors_, id, &std::pair<std::int64_t, Descriptor>::first)->second;
}

void GraphBuilder::convolution(Convolution pass, const Conv2dGeometry& geometry, const ConvolutionTensors& tensors, Write write) {
  const auto set_pair = [](Descriptor& descriptor, cudnnBackendAttributeName_t name, const Extents& extents) {
    const std::array<std::int64_t, 2> values{extents.height, extents.width};
    descriptor.set(name, CUDNN_TYPE_INT64, std::span<const std::int64_t>(values));
  };
  Descriptor described(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "a convolution's descriptor");
  described.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  described.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  described.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2});
  set_pair(described, CUDNN_ATTR_CONVOLUTION_DILATIONS, geometry.dilation);
  set_pair(described, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, geometry.stride);
  set_pair(described, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, geometry.pad);
  set_pair(described, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, geometry.pad);
  described.finalize();

  struct Names {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
  };
  static constexpr Names of_passes[] = {
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};
  const Names& names = of_passes[static_cast<std::size_t>(pass)];
  Descriptor& operation = operations_.emplace_back(names.type, "the operation of a convolution");
  operation.refer(names.convolution, described);
  operation.refer(names.x, named(tensors.x));
  operation.refer(names.w, named(tensors.w));
  operation.refer(names.y, named(tensors.y));
  // Of the type of the sums: cuDNN also accepts a double here, but then reads its first four bytes
  // as a float, which for 1.0 is 0.
  operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0F);
  operation.set(names.beta, CUDNN_TYPE_FLOAT, write == Write::add ? 1.0F : 0.0F);
  operation.finalize();
}

Descriptor& GraphBuilder::add_pointwise(cudnnPointwiseMode_t mode, std::int64_t x, std::int64_t y) {
  Descriptor described(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "a pointwise operation's descriptor");
  described.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
  described.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  described.finalize();
  Descriptor& operation = operations_.emplace_back(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "a pointwise operation");
  operation.refer(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, described);
  operation.refer(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, named(x));
  operation.refer(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, named(y));
  return operation;
}

void GraphBuilder::pointwise(cudnnPointwiseMode_t mode, std::int64_t x, std::int64_t y) { add_pointwise(mode, x, y).finalize(); }

void GraphBuilder::pointwise(cudnnPointwiseMode_t mode, std::int64_t a, std::int64_t b, std::int64_t y) {
  Descriptor& operation = add_pointwise(mode, a, y);
  operation.refer(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, named(b));
  operation.finalize();
}

std::optional<Descriptor> GraphBuilder::finish(const Target& target, std::string& why) {
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "an operation graph");
  if (target.handle() != nullptr) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle());
  graph.refer(CUDNN_ATTR_OPERATIONGRAPH_OPS, std::span<const Descriptor>(operations_));
  if (!graph.try_finalize(why)) return {};
  return graph;
}

namespace {

/// Its number, notes and knobs.
Engine describe(Descriptor configuration) {
  Engine engine{.configuration = std::move(configuration), .index = 0, .name = {}};
  const Descriptor inner = engine.configuration.follow(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  inner.read(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, std::span(&engine.index, 1));
  engine.name = fmt::format("{}", engine.index);

  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const auto noted = inner.read(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, std::span<cudnnBackendNumericalNote_t>(notes));
  for (const cudnnBackendNumericalNote_t note : std::span(notes).first(static_cast<std::size_t>(noted))) {
    engine.tensor_cores |= note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    engine.rounds_inputs |= note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    engine.deterministic &= note != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
  }
  std::array<cudnnBackendBehaviorNote_t, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT> behaviours{};
  const auto behaves =
      inner.read(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, std::span<cudnnBackendBehaviorNote_t>(behaviours));
  for (const cudnnBackendBehaviorNote_t note : std::span(behaviours).first(static_cast<std::size_t>(behaves))) {
    engine.compiles |= note == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
  }

  std::vector<Descriptor> choices;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (int i = 0; i < CUDNN_KNOB_TYPE_COUNTS; ++i) {
    handles.push_back(choices.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, "the choice of a knob").get());
  }
  const auto chosen = engine.configuration.read(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span(handles));
  for (const Descriptor& choice : std::span(choices).first(static_cast<std::size_t>(chosen))) {
    cudnnBackendKnobType_t knob{};
    std::int64_t value = 0;
    choice.read(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, std::span(&knob, 1));
    choice.read(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, std::span(&value, 1));
    engine.name += fmt::format(",{}={}", static_cast<int>(knob), value);
  }
  return engine;
}

}  // namespace

std::vector<Engine> engines(const Descriptor& graph, const Target& target) {
  std::vector<Engine> found;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "the heuristics for engines");
    heuristics.refer(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (target.description()) heuristics.refer(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, target.description());
    std::string why;
    if (!heuristics.try_finalize(why)) continue;  // no engine in this mode
    const std::int64_t count =
        heuristics.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span<cudnnBackendDescriptor_t>());
    std::vector<Descriptor> configurations;
    std::vector<cudnnBackendDescriptor_t> handles;
    for (std::int64_t i = 0; i < count; ++i) {
      handles.push_back(configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "the configuration of an engine").get());
    }
    const std::int64_t written = heuristics.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span(handles));
    configurations.resize(static_cast<std::size_t>(std::min(written, count)));
    for (Descriptor& configuration : configurations) {
      Engine engine = describe(std::move(configuration));
      if (std::ranges::find(found, engine.name, &Engine::name) == found.end()) found.push_back(std::move(engine));
    }
  }
  return found;
}

std::optional<Plan> make_plan(const Engine& engine, const Target& target, std::string& why) {
  Plan made{.plan = Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "an execution plan")};
  if (target.handle() != nullptr) made.plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle());
  if (target.description()) made.plan.refer(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, target.description());
  made.plan.refer(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine.configuration);
  if (!made.plan.try_finalize(why)) return {};
  std::int64_t bytes = 0;
  made.plan.read(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, std::span(&bytes, 1));
  made.workspace_bytes = static_cast<std::size_t>(bytes);
  return made;
}

void run(const Plan& plan, cudnnHandle_t handle, std::span<const std::pair<std::int64_t, void*>> tensors, void* workspace) {
  std::vector<std::int64_t> ids;
  std::vector<void*> places;
  for (const auto& [id, place] : tensors) {
    ids.push_back(id);
    places.push_back(place);
  }
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "the tensors of a plan");
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::span<const std::int64_t>(ids));
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::span<void* const>(places));
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  pack.finalize();
  check(cudnnBackendExecute(handle, plan.plan.get(), pack.get()), "cudnnBackendExecute");
}

}  // namespace amnet::dnn

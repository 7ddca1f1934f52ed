// The functions of cuDNN that cuda/ calls. A descriptor keeps its attributes; a plan, when the
// stream reaches it, computes its operation graph with plain loops. What cuDNN refuses is refused
// here too: descriptors that are not finalised or incomplete, extents that do not follow from each
// other, tensors that are missing in the variant pack or not aligned. The heuristics return a few
// engines that differ in the relevant properties: one is exact, one rounds f32 to tf32 as tensor
// cores do, one is marked as nondeterministic, one needs more workspace than there is, and one
// overwrites the gradient to data of a 1x1 convolution that it should add to.
#include "fake_cuda.h"
#include "fake_cudnn_operations.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace {

using namespace fake_cudnn;

cudnnStatus_t answer(const char* function) {
  return static_cast<cudnnStatus_t>(amnet::fake::enter(function, CUDNN_STATUS_EXECUTION_FAILED));
}

/// Choices among made-up engines must not be written to the user's cache.
class CacheOfThisProcess {
 public:
  CacheOfThisProcess() : folder_(std::filesystem::temp_directory_path() / ("amnet-emulated-" + std::to_string(getpid()))) {
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  }
  ~CacheOfThisProcess() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

 private:
  std::filesystem::path folder_;
} const cache_of_this_process;

// --- engines ---

struct EngineKind {
  std::int64_t index;
  bool tensor_cores, deterministic, compiles;
  std::int64_t workspace;
};
constexpr EngineKind exact{0, false, true, false, 0}, on_tensor_cores{1, true, true, false, 512},
    nondeterministic{2, false, false, false, 1024}, of_much_workspace{3, false, true, false, std::int64_t{1} << 40},
    overwriting{5, true, true, false, 0}, compiled_on_tensor_cores{7, true, true, true, 256}, compiled{8, false, true, true, 0};

Contents configuration_of(const Contents& graph, const EngineKind& kind) {
  const auto make = [](cudnnBackendDescriptorType_t type) { return std::make_shared<Content>(Content{.type = type, .finalized = true}); };
  const Contents engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR), knob = make(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR),
                 configuration = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  engine->attributes[CUDNN_ATTR_ENGINE_OPERATION_GRAPH] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, {}, {graph}};
  engine->put(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, std::vector{kind.index});
  std::vector<cudnnBackendNumericalNote_t> notes;
  if (kind.tensor_cores) notes.push_back(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  if (!kind.deterministic) notes.push_back(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
  engine->put(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes);
  std::vector<cudnnBackendBehaviorNote_t> behaviours;
  if (kind.compiles) behaviours.push_back(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION);
  engine->put(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, behaviours);
  knob->put(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, std::vector{CUDNN_KNOB_TYPE_TILE_SIZE});
  knob->put(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, std::vector{kind.index + 10});
  configuration->attributes[CUDNN_ATTR_ENGINECFG_ENGINE] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, {}, {engine}};
  configuration->attributes[CUDNN_ATTR_ENGINECFG_KNOB_CHOICES] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, {}, {knob}};
  configuration->put(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, CUDNN_TYPE_INT64, std::vector{kind.workspace});
  return configuration;
}

std::vector<EngineKind> engines_of(const Content& graph, cudnnBackendHeurMode_t mode) {
  const std::vector<Contents>& operations = operations_of(graph);
  const Convolution convolution(*operations.at(0));
  const bool fused = operations.size() > 1;
  if (fused) return mode == CUDNN_HEUR_MODE_A ? std::vector{compiled_on_tensor_cores, compiled} : std::vector<EngineKind>{};
  // As cuDNN on an H100: no f32 result of bf16 products without a node in between.
  demand(convolution.written().type == convolution.first().type, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE);
  if (convolution.backward_filter && convolution.groups > 1) return {nondeterministic};
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {exact};
  if (convolution.backward_data && convolution.w.extents[2] == 1) return {overwriting, on_tensor_cores, exact};
  return {of_much_workspace, nondeterministic, on_tensor_cores, exact};
}

const Content& engine_of(const Content& plan) {
  return plan.descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).descriptor(CUDNN_ATTR_ENGINECFG_ENGINE);
}
bool has_tensor_cores(const Content& engine) {
  const auto notes = engine.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
  return std::ranges::find(notes, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) != notes.end();
}

// --- the checks of finalising ---

void finalize(const Contents& self) {
  Content& content = *self;
  switch (content.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: {
      const Tensor tensor(content);
      demand(tensor.extents.size() == 4 && tensor.strides.size() == 4);
      demand(std::ranges::all_of(tensor.extents, [](std::int64_t extent) { return extent > 0; }));
      demand(tensor.type == CUDNN_DATA_FLOAT || tensor.type == CUDNN_DATA_BFLOAT16, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE);
      const std::int64_t bytes = tensor.type == CUDNN_DATA_FLOAT ? 4 : 2;
      demand(tensor.alignment >= bytes && tensor.alignment % bytes == 0);
      break;
    }
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      demand(content.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 2);
      demand(content.value<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE);
      demand(
          std::ranges::all_of(content.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS), [](std::int64_t step) { return step >= 1; }));
      break;
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
      demand(content.value<cudnnDataType_t>(CUDNN_ATTR_POINTWISE_MATH_PREC) == CUDNN_DATA_FLOAT, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE);
      break;
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: static_cast<void>(Pointwise(content)); break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: static_cast<void>(Convolution(content)); break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      demand(content.value<cudnnHandle_t>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE) != nullptr);
      demand(!operations_of(content).empty());
      static_cast<void>(tensors_of(content));
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: {
      const Contents graph = content.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).descriptors.at(0);
      Attribute results{CUDNN_TYPE_BACKEND_DESCRIPTOR, {}, {}};
      for (const EngineKind& kind : engines_of(*graph, content.value<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE))) {
        results.descriptors.push_back(configuration_of(graph, kind));
      }
      content.attributes[CUDNN_ATTR_ENGINEHEUR_RESULTS] = std::move(results);
      break;
    }
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      demand(content.value<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE) != nullptr);
      const Content& engine = engine_of(content);
      if (has_tensor_cores(engine)) {
        // Tensor cores read whole packs of 16 bytes.
        for (const Tensor& tensor : tensors_of(engine.descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH))) {
          const std::int64_t pack = tensor.type == CUDNN_DATA_FLOAT ? 4 : 8;
          const bool channels = tensor.extents[1] % pack == 0 || tensor.extents[1] == 1;
          demand(tensor.is_virtual || (channels && tensor.alignment % 16 == 0), CUDNN_STATUS_NOT_SUPPORTED_LAYOUT);
        }
      }
      const auto workspace =
          content.descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).value<std::int64_t>(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE);
      content.put(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, std::vector{workspace});
      break;
    }
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      demand(content.values<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size() ==
             content.values<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size());
      break;
    default: throw std::logic_error("the fake cuDNN does not know this descriptor");
  }
  content.finalized = true;
}

void execute(cudnnHandle_t handle, const Contents& plan, const Content& pack) {
  demand(plan->finalized && pack.finalized, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED);
  const Content& engine = engine_of(*plan);
  const Content& graph = engine.descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
  const auto ids = pack.values<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.values<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<std::int64_t, void*> places;
  for (std::size_t i = 0; i < ids.size(); ++i)
    demand(places.emplace(ids[i], pointers[i]).second, CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES);
  for (const Tensor& tensor : tensors_of(graph)) {
    if (tensor.is_virtual) continue;
    demand(places.count(tensor.id) != 0 && places[tensor.id] != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER);
    demand(reinterpret_cast<std::uintptr_t>(places[tensor.id]) % static_cast<std::uintptr_t>(tensor.alignment) == 0,
           CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER);
  }
  const auto workspace_bytes = static_cast<std::size_t>(plan->value<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  void* const workspace = pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  demand(workspace_bytes == 0 || workspace != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER);
  const bool rounds = has_tensor_cores(engine);
  const bool overwrites = engine.value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) == overwriting.index;
  const cudaError_t error =
      amnet::fake::enqueue(handle->stream, "a plan of cuDNN", [plan, places, rounds, overwrites, workspace, workspace_bytes] {
        // Any data in the workspace is overwritten.
        if (workspace_bytes > 0) std::memset(workspace, 0xff, workspace_bytes);
        Run run(places, rounds, overwrites);
        for (const Contents& operation : operations_of(engine_of(*plan).descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH))) {
          if (convolution_names(*operation)) {
            run.convolve(Convolution(*operation));
          } else {
            run.map(Pointwise(*operation));
          }
        }
        run.store();
      });
  demand(error == cudaSuccess, CUDNN_STATUS_EXECUTION_FAILED);
}

/// The status of the function of that name, whose work is `body`.
template <class Body>
cudnnStatus_t call(const char* function, const Body& body) {
  if (const cudnnStatus_t error = answer(function); error != CUDNN_STATUS_SUCCESS) return error;
  try {
    body();
  } catch (const Refusal& refusal) {
    return refusal.status;
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return call("cudnnCreate", [&] {
    *handle = new cudnnContext;
    amnet::fake::count_alive("cuDNN handle", 1);
  });
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete handle;
  amnet::fake::count_alive("cuDNN handle", -1);
  return answer("cudnnDestroy");
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return answer("cudnnSetStream");
}
size_t cudnnGetVersion() { return CUDNN_VERSION; }
const char* cudnnGetErrorString(cudnnStatus_t) { return "a made-up status"; }
void cudnnGetLastErrorString(char* message, size_t size) { std::strncpy(message, "", size); }

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  return call("cudnnBackendCreateDescriptor", [&] {
    *descriptor = new Handle{std::make_shared<Content>(Content{.type = type})};
    amnet::fake::count_alive("cuDNN descriptor", 1);
  });
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<Handle*>(descriptor);
  amnet::fake::count_alive("cuDNN descriptor", -1);
  return answer("cudnnBackendDestroyDescriptor");
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return call("cudnnBackendFinalize", [&] { finalize(handle_of(descriptor).content); });
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  return call("cudnnBackendSetAttribute", [&] {
    Content& content = *handle_of(descriptor).content;
    demand(!content.finalized);
    demand(count > 0 && values != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER);
    Attribute attribute{type, {}, {}};
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
      for (std::int64_t i = 0; i < count; ++i) {
        attribute.descriptors.push_back(handle_of(static_cast<cudnnBackendDescriptor_t const*>(values)[i]).content);
        demand(attribute.descriptors.back()->finalized, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED);
      }
    } else {
      attribute.bytes.resize(static_cast<std::size_t>(count) * size_of(type));
      std::memcpy(attribute.bytes.data(), values, attribute.bytes.size());
    }
    content.attributes[name] = std::move(attribute);
  });
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t requested, int64_t* count, void* values) {
  return call("cudnnBackendGetAttribute", [&] {
    const Content& content = *handle_of(descriptor).content;
    demand(content.finalized, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED);
    const Attribute& attribute = content.at(name);
    demand(attribute.type == type, CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE);
    const bool of_descriptors = type == CUDNN_TYPE_BACKEND_DESCRIPTOR;
    *count = static_cast<std::int64_t>(of_descriptors ? attribute.descriptors.size() : attribute.bytes.size() / size_of(type));
    const auto given = static_cast<std::size_t>(std::min(requested, *count));
    if (!of_descriptors) {
      if (given > 0) std::memcpy(values, attribute.bytes.data(), given * size_of(type));
      return;
    }
    for (std::size_t i = 0; i < given; ++i) {
      Handle& into = handle_of(static_cast<cudnnBackendDescriptor_t*>(values)[i]);
      demand(into.content->type == attribute.descriptors[i]->type, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE);
      into.content = attribute.descriptors[i];
    }
  });
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  return call("cudnnBackendExecute", [&] { execute(handle, handle_of(plan).content, *handle_of(pack).content); });
}

}  // extern "C"

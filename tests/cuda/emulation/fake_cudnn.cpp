// The functions of cuDNN that cuda/ calls. A descriptor keeps what it was told; a plan, when the stream comes to it, works through its
// operation graph with plain loops. What cuDNN refuses is refused here too: descriptors that are not finalised or lack something, extents
// that do not follow from each other, tensors that the variant pack lacks or that lie askew. The heuristics answer a few engines that
// differ in what matters: one is exact, one rounds f32 to tf32 as tensor cores do, one is noted as nondeterministic, one wants more
// workspace than there is.
#include "fake_cuda.h"

#include <cudnn.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace {

cudnnStatus_t answer(const char* function) {
  return static_cast<cudnnStatus_t>(amnet::fake::enter(function, CUDNN_STATUS_EXECUTION_FAILED));
}

/// Choices among made-up engines are no use to anybody's cache.
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

/// What leads cuDNN to another answer than success.
struct Refusal {
  cudnnStatus_t status;
};
void demand(bool condition, cudnnStatus_t status = CUDNN_STATUS_BAD_PARAM) {
  if (!condition) throw Refusal{status};
}

struct Content;
using Contents = std::shared_ptr<Content>;

struct Attribute {
  cudnnBackendAttributeType_t type;
  std::vector<std::byte> bytes;       // of values
  std::vector<Contents> descriptors;  // or of descriptors
};

struct Content {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Attribute> attributes = {};

  bool has(cudnnBackendAttributeName_t name) const { return attributes.count(name) != 0; }
  const Attribute& at(cudnnBackendAttributeName_t name) const {
    demand(has(name), CUDNN_STATUS_BAD_PARAM);
    return attributes.at(name);
  }
  template <class T>
  std::vector<T> values(cudnnBackendAttributeName_t name) const {
    const Attribute& attribute = at(name);
    std::vector<T> result(attribute.bytes.size() / sizeof(T));
    if (!result.empty()) std::memcpy(result.data(), attribute.bytes.data(), result.size() * sizeof(T));
    return result;
  }
  template <class T>
  T value(cudnnBackendAttributeName_t name) const {
    const std::vector<T> all = values<T>(name);
    demand(all.size() == 1);
    return all[0];
  }
  const Content& descriptor(cudnnBackendAttributeName_t name) const {
    demand(at(name).descriptors.size() == 1);
    return *at(name).descriptors[0];
  }
  template <class T>
  void put(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type_of_values, const std::vector<T>& values_now) {
    Attribute attribute{type_of_values, std::vector<std::byte>(values_now.size() * sizeof(T)), {}};
    if (!values_now.empty()) std::memcpy(attribute.bytes.data(), values_now.data(), attribute.bytes.size());
    attributes[name] = std::move(attribute);
  }
};

/// What a cudnnBackendDescriptor_t points to.
struct Handle {
  Contents content;
};
Handle& handle_of(void* descriptor) {
  demand(descriptor != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER);
  return *static_cast<Handle*>(descriptor);
}

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE: return 8;
    default: return 4;
  }
}

// --- tensors ---

using Extents = std::vector<std::int64_t>;

struct Tensor {
  explicit Tensor(const Content& content)
      : id(content.value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        type(content.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        extents(content.values<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(content.values<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        alignment(content.value<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)),
        is_virtual(content.has(CUDNN_ATTR_TENSOR_IS_VIRTUAL) && content.value<char>(CUDNN_ATTR_TENSOR_IS_VIRTUAL) != 0) {}

  std::int64_t count() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : extents) product *= extent;
    return product;
  }
  /// Of the i-th element in the order of the extents: where it lies.
  std::int64_t place(std::int64_t i) const {
    std::int64_t offset = 0;
    for (std::size_t d = extents.size(); d-- > 0; i /= extents[d]) offset += i % extents[d] * strides[d];
    return offset;
  }

  std::int64_t id;
  cudnnDataType_t type;
  Extents extents, strides;
  std::int64_t alignment;
  bool is_virtual;
};

double read(const void* memory, cudnnDataType_t type, std::int64_t place) {
  if (type == CUDNN_DATA_FLOAT) return static_cast<const float*>(memory)[place];
  const std::uint32_t bits = std::uint32_t{static_cast<const std::uint16_t*>(memory)[place]} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
void write(void* memory, cudnnDataType_t type, std::int64_t place, double value) {
  const auto narrow = static_cast<float>(value);
  if (type == CUDNN_DATA_FLOAT) {
    static_cast<float*>(memory)[place] = narrow;
    return;
  }
  std::uint32_t bits = 0;
  std::memcpy(&bits, &narrow, sizeof bits);
  static_cast<std::uint16_t*>(memory)[place] = static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}
double as_tf32(double value) {
  const auto narrow = static_cast<float>(value);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &narrow, sizeof bits);
  bits = (bits + 0x1000U) & ~0x1fffU;
  float rounded = 0;
  std::memcpy(&rounded, &bits, sizeof rounded);
  return rounded;
}

// --- operations ---

struct ConvolutionNames {
  cudnnBackendAttributeName_t convolution, x, w, y, beta;
};
std::optional<ConvolutionNames> convolution_names(const Content& operation) {
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return ConvolutionNames{CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return ConvolutionNames{CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return ConvolutionNames{CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    default: return {};
  }
}

/// A convolution as its operation has it: which of the three tensors it writes, and the sum x(pixel) w(tap) y(pixel) runs over.
struct Convolution {
  explicit Convolution(const Content& operation)
      : names(*convolution_names(operation)),
        x(operation.descriptor(names.x)),
        w(operation.descriptor(names.w)),
        y(operation.descriptor(names.y)),
        beta(operation.value<double>(names.beta)) {
    const Content& geometry = operation.descriptor(names.convolution);
    stride = geometry.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    pad = geometry.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    demand(geometry.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS) == pad, CUDNN_STATUS_NOT_SUPPORTED);
    demand(geometry.value<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION, CUDNN_STATUS_NOT_SUPPORTED);
    demand(x.extents[1] % w.extents[1] == 0, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    groups = x.extents[1] / w.extents[1];
    demand(w.extents[0] % groups == 0 && y.extents[1] == w.extents[0] && y.extents[0] == x.extents[0],
           CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    for (const std::size_t d : {std::size_t{0}, std::size_t{1}}) {
      demand(y.extents[2 + d] == (x.extents[2 + d] + 2 * pad[d] - w.extents[2 + d]) / stride[d] + 1, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    }
    backward_data = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
    backward_filter = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
  }
  const Tensor& written() const { return backward_data ? x : backward_filter ? w : y; }
  const Tensor& first() const { return backward_data ? w : x; }
  const Tensor& second() const { return backward_data || backward_filter ? y : w; }

  std::vector<double> run(const std::vector<double>& a, const std::vector<double>& b) const {
    std::vector<double> result(static_cast<std::size_t>(written().count()));
    const std::int64_t per_group = w.extents[1], outputs_per_group = w.extents[0] / groups;
    for (std::int64_t n = 0; n < y.extents[0]; ++n) {
      for (std::int64_t o = 0; o < y.extents[1]; ++o) {
        for (std::int64_t i = 0; i < y.extents[2]; ++i) {
          for (std::int64_t j = 0; j < y.extents[3]; ++j) {
            const auto of_y = static_cast<std::size_t>(((n * y.extents[1] + o) * y.extents[2] + i) * y.extents[3] + j);
            for (std::int64_t c = 0; c < per_group; ++c) {
              for (std::int64_t s = 0; s < w.extents[2]; ++s) {
                for (std::int64_t t = 0; t < w.extents[3]; ++t) {
                  const std::int64_t row = i * stride[0] + s - pad[0], column = j * stride[1] + t - pad[1];
                  if (row < 0 || column < 0 || row >= x.extents[2] || column >= x.extents[3]) continue;
                  const std::int64_t channel = o / outputs_per_group * per_group + c;
                  const auto of_x = static_cast<std::size_t>(((n * x.extents[1] + channel) * x.extents[2] + row) * x.extents[3] + column);
                  const auto of_w = static_cast<std::size_t>(((o * per_group + c) * w.extents[2] + s) * w.extents[3] + t);
                  if (backward_data) {
                    result[of_x] += a[of_w] * b[of_y];
                  } else if (backward_filter) {
                    result[of_w] += a[of_x] * b[of_y];
                  } else {
                    result[of_y] += a[of_x] * b[of_w];
                  }
                }
              }
            }
          }
        }
      }
    }
    return result;
  }

  ConvolutionNames names;
  Tensor x, w, y;
  double beta;
  Extents stride, pad;
  std::int64_t groups = 1;
  bool backward_data = false, backward_filter = false;
};

struct Pointwise {
  explicit Pointwise(const Content& operation)
      : mode(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR).value<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE)),
        x(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC)),
        y(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC)) {
    const bool wants_second = mode == CUDNN_POINTWISE_ADD || mode == CUDNN_POINTWISE_SUB || mode == CUDNN_POINTWISE_MUL;
    demand(operation.has(CUDNN_ATTR_OPERATION_POINTWISE_BDESC) == wants_second);
    demand(x.extents == y.extents, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    if (!wants_second) return;
    b.emplace(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
    for (std::size_t d = 0; d < y.extents.size(); ++d) {
      demand(b->extents[d] == 1 || b->extents[d] == y.extents[d], CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    }
  }

  std::vector<double> run(const std::vector<double>& xs, const std::vector<double>& bs) const {
    std::vector<double> result(xs.size());
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const double second = b ? bs[static_cast<std::size_t>(of_second(static_cast<std::int64_t>(i)))] : 0;
      switch (mode) {
        case CUDNN_POINTWISE_ADD: result[i] = xs[i] + second; break;
        case CUDNN_POINTWISE_SUB: result[i] = xs[i] - second; break;
        case CUDNN_POINTWISE_MUL: result[i] = xs[i] * second; break;
        case CUDNN_POINTWISE_RELU_FWD: result[i] = std::max(xs[i], 0.0); break;
        case CUDNN_POINTWISE_IDENTITY: result[i] = xs[i]; break;
        default: throw std::logic_error("the fake cuDNN does not know this pointwise operation");
      }
    }
    return result;
  }
  /// The element of the second tensor, which is repeated along extents of 1, for the i-th of the first.
  std::int64_t of_second(std::int64_t i) const {
    std::int64_t index = 0, step = 1;
    for (std::size_t d = y.extents.size(); d-- > 0; i /= y.extents[d]) {
      if (b->extents[d] != 1) index += i % y.extents[d] * step;
      step *= b->extents[d];
    }
    return index;
  }

  cudnnPointwiseMode_t mode;
  Tensor x, y;
  std::optional<Tensor> b;
};

/// A plan at work: the values of its tensors by number, in the order of the extents.
class Run {
 public:
  Run(std::map<std::int64_t, void*> places, bool rounds) : places_(std::move(places)), rounds_(rounds) {}

  void convolve(const Convolution& convolution) {
    std::vector<double> a = values(convolution.first()), b = values(convolution.second());
    if (rounds_ && convolution.first().type == CUDNN_DATA_FLOAT) {
      std::ranges::transform(a, a.begin(), as_tf32);
      std::ranges::transform(b, b.begin(), as_tf32);
    }
    std::vector<double> result = convolution.run(a, b);
    if (convolution.beta != 0) {
      const std::vector<double> before = from_memory(convolution.written());
      for (std::size_t i = 0; i < result.size(); ++i) result[i] += convolution.beta * before[i];
    }
    keep(convolution.written(), std::move(result));
  }
  void map(const Pointwise& pointwise) {
    keep(pointwise.y, pointwise.run(values(pointwise.x), pointwise.b ? values(*pointwise.b) : std::vector<double>{}));
  }
  void store() const {
    for (const auto& [tensor, values] : written_) {
      if (tensor.is_virtual) continue;
      for (std::int64_t i = 0; i < tensor.count(); ++i) {
        write(places_.at(tensor.id), tensor.type, tensor.place(i), values[static_cast<std::size_t>(i)]);
      }
    }
  }

 private:
  std::vector<double> from_memory(const Tensor& tensor) const {
    std::vector<double> result(static_cast<std::size_t>(tensor.count()));
    for (std::int64_t i = 0; i < tensor.count(); ++i)
      result[static_cast<std::size_t>(i)] = read(places_.at(tensor.id), tensor.type, tensor.place(i));
    return result;
  }
  std::vector<double> values(const Tensor& tensor) const {
    for (const auto& [other, values] : written_) {
      if (other.id == tensor.id) return values;
    }
    return from_memory(tensor);
  }
  void keep(const Tensor& tensor, std::vector<double> values) { written_.emplace_back(tensor, std::move(values)); }

  std::map<std::int64_t, void*> places_;
  bool rounds_;
  std::vector<std::pair<Tensor, std::vector<double>>> written_;
};

const std::vector<Contents>& operations_of(const Content& graph) { return graph.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors; }

/// All tensors of a graph, each once.
std::vector<Tensor> tensors_of(const Content& graph) {
  std::vector<Tensor> all;
  const auto add = [&](const Tensor& tensor) {
    for (const Tensor& other : all) {
      if (other.id != tensor.id) continue;
      demand(other.extents == tensor.extents && other.type == tensor.type, CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES);
      return;
    }
    all.push_back(tensor);
  };
  for (const Contents& operation : operations_of(graph)) {
    if (convolution_names(*operation)) {
      const Convolution convolution(*operation);
      for (const Tensor* tensor : {&convolution.x, &convolution.w, &convolution.y}) add(*tensor);
    } else {
      const Pointwise pointwise(*operation);
      add(pointwise.x);
      add(pointwise.y);
      if (pointwise.b) add(*pointwise.b);
    }
  }
  return all;
}

// --- engines ---

struct EngineKind {
  std::int64_t index;
  bool tensor_cores, deterministic, compiles;
  std::int64_t workspace;
};
constexpr EngineKind exact{0, false, true, false, 0}, on_tensor_cores{1, true, true, false, 512},
    nondeterministic{2, false, false, false, 1024}, of_much_workspace{3, false, true, false, std::int64_t{1} << 40},
    compiled_on_tensor_cores{7, true, true, true, 256}, compiled{8, false, true, true, 0};

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
  // As cuDNN on an H100: no f32 of bf16 products without a node between.
  demand(convolution.written().type == convolution.first().type, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE);
  if (convolution.backward_filter && convolution.groups > 1) return {nondeterministic};
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {exact};
  return {of_much_workspace, nondeterministic, on_tensor_cores, exact};
}

const Content& engine_of(const Content& plan) {
  return plan.descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).descriptor(CUDNN_ATTR_ENGINECFG_ENGINE);
}
bool has_tensor_cores(const Content& engine) {
  const auto notes = engine.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
  return std::ranges::find(notes, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) != notes.end();
}

// --- what finalising checks ---

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
      demand(content.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS) == Extents{1, 1}, CUDNN_STATUS_NOT_SUPPORTED);
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
  const cudaError_t error = amnet::fake::enqueue(handle->stream, "a plan of cuDNN", [plan, places, rounds, workspace, workspace_bytes] {
    // Whatever lies in the workspace is lost.
    if (workspace_bytes > 0) std::memset(workspace, 0xff, workspace_bytes);
    Run run(places, rounds);
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

/// The answer of the function of that name, whose work is `body`.
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

// A thin layer over the descriptors of cuDNN's backend: operation graphs, the engines that can run
// one, and plans. All tensors are channels-last and packed, and each has a number as its name. What
// cuDNN cannot do is returned as a result (an empty optional and the reason), not thrown as an
// error. Graphs can be matched with engines and finalised for a GPU that is described but not
// present; only run() needs a GPU.
//
// This uses cuDNN's C API: Debian has no package of its C++ front end, so its headers would have to
// be copied into the project.
//
//   dnn::GraphBuilder builder;
//   builder.tensor(1, {n, c, h, w}, DType::f32);
//   builder.tensor(2, {o, c, 3, 3}, DType::f32);
//   builder.tensor(3, {n, o, h, w}, DType::f32);
//   builder.convolution(dnn::Convolution::forward, geometry, {.x = 1, .w = 2, .y = 3});
//   const dnn::Graph graph = builder.finish(target);
//   for (dnn::Engine& engine : dnn::engines(graph, target)) {
//     if (auto plan = dnn::make_plan(std::move(engine), target, why)) return dnn::run(*plan, handle, {{1, x}, {2, w}, {3, y}}, workspace);
//   }
#pragma once

#include "check.h"

#include <amnet/core/dtype.h>
#include <amnet/kernels/conv2d.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace amnet::dnn {

/// A descriptor, and those it refers to (cuDNN does not document that its own references stay
/// valid).
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(cudnnBackendDescriptorType_t type, std::string_view what);

  explicit operator bool() const { return handle_ != nullptr; }
  cudnnBackendDescriptor_t get() const { return handle_.get(); }

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::span<const T> values) {
    set_bytes(name, type, static_cast<std::int64_t>(values.size()), values.data());
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set_bytes(name, type, 1, &value);
  }
  void refer(cudnnBackendAttributeName_t name, const Descriptor& to);
  void refer(cudnnBackendAttributeName_t name, std::span<const Descriptor> to);

  /// How many elements the attribute has; writes at most values.size() of them.
  template <class T>
  std::int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::span<T> values) const {
    return read_bytes(name, type, static_cast<std::int64_t>(values.size()), values.data());
  }
  /// The descriptor of the given type that an attribute holds.
  Descriptor follow(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const;

  void finalize();
  /// Returns false, with cuDNN's message in `why`, where it cannot.
  bool try_finalize(std::string& why);

 private:
  /// check(), with the name of the function and of this descriptor.
  void answered(cudnnStatus_t answer, std::string_view function, std::source_location where = std::source_location::current()) const;
  void set_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count, const void* values);
  std::int64_t read_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count, void* values) const;

  std::shared_ptr<void> handle_;
  std::string_view what_;
  std::vector<Descriptor> references_;
};

/// The GPU that graphs are made for.
class Target {
 public:
  /// The GPU of a handle.
  explicit Target(cudnnHandle_t handle) : handle_(handle) {}
  /// A GPU described in JSON, in the format of CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION.
  static Target described(std::string_view json);

  cudnnHandle_t handle() const { return handle_; }
  const Descriptor& description() const { return description_; }

 private:
  Target() = default;
  cudnnHandle_t handle_ = nullptr;
  Descriptor description_;
};

using Dimensions = std::array<std::int64_t, 4>;  // (N,C,H,W), for any order in memory

enum class Convolution : unsigned char { forward, data_gradient, weight_gradient };

struct ConvolutionTensors {
  std::int64_t x, w, y;
};

/// Operations on tensors, in order. Sums and intermediate tensors are f32.
class GraphBuilder {
 public:
  /// A tensor in memory that begins at a multiple of `alignment` bytes.
  void tensor(std::int64_t id, const Dimensions& dimensions, DType dtype, std::int64_t alignment = 16);
  /// A tensor that exists only inside the graph.
  std::int64_t between(const Dimensions& dimensions);

  /// Writes y, x or w, depending on the pass: overwrites what is there, or adds to it.
  void convolution(Convolution pass, const Conv2dGeometry& geometry, const ConvolutionTensors& tensors, Write write = Write::assign);
  void pointwise(cudnnPointwiseMode_t mode, std::int64_t x, std::int64_t y);
  void pointwise(cudnnPointwiseMode_t mode, std::int64_t a, std::int64_t b, std::int64_t y);

  /// The graph, or no graph and the reason.
  std::optional<Descriptor> finish(const Target& target, std::string& why);

 private:
  const Descriptor& named(std::int64_t id) const;
  Descriptor& add_pointwise(cudnnPointwiseMode_t mode, std::int64_t x, std::int64_t y);

  std::vector<std::pair<std::int64_t, Descriptor>> tensors_;
  std::vector<Descriptor> operations_;
  std::int64_t next_between_ = 1000;
};

/// One way to run a graph.
struct Engine {
  Descriptor configuration;
  std::int64_t index = 0;
  std::string name;  ///< its number and the settings of its knobs: the same in every process
  bool tensor_cores = false, rounds_inputs = false, deterministic = true, compiles = false;
};

/// The engines that the heuristics return, the most promising first.
std::vector<Engine> engines(const Descriptor& graph, const Target& target);

struct Plan {
  Descriptor plan;
  std::size_t workspace_bytes = 0;
};

/// The plan of an engine, or no plan and the reason.
std::optional<Plan> make_plan(const Engine& engine, const Target& target, std::string& why);

/// Puts the plan into the stream of the handle. `tensors`: the address of each.
void run(const Plan& plan, cudnnHandle_t handle, std::span<const std::pair<std::int64_t, void*>> tensors, void* workspace);

}  // namespace amnet::dnn

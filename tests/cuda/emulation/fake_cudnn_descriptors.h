// The contents of a descriptor of the fake cuDNN: the attributes that were set.
#pragma once

#include <cudnn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace fake_cudnn {

/// Makes cuDNN return a status other than success.
struct Refusal {
  cudnnStatus_t status;
};
inline void demand(bool condition, cudnnStatus_t status = CUDNN_STATUS_BAD_PARAM) {
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
inline Handle& handle_of(void* descriptor) {
  demand(descriptor != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER);
  return *static_cast<Handle*>(descriptor);
}

inline std::size_t size_of(cudnnBackendAttributeType_t type) {
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

}  // namespace fake_cudnn

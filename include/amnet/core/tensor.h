// A tensor: a shape, a dtype and shared storage. Copying a Tensor shares the elements; clone()
// copies them. Elements lie in the order of the shape, last dimension fastest: an activation is
// channels-last, (N,H,W,C). There is no arithmetic here: kernels compute, tensors hold.
//
//   Tensor x({2, 112, 96, 3}, DType::f32);           // uninitialised
//   std::span<float> pixels = x.data<float>();
//   Tensor first = x.slice(0, 1);                    // (1,112,96,3), the same elements
//   Tensor there = x.to(memory_of(device));          // nothing moves between memories unless it is written
#pragma once

#include <amnet/core/dtype.h>
#include <amnet/core/memory.h>
#include <amnet/core/shape.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>

namespace amnet {

class Tensor {
 public:
  /// No elements at all; defined() is false.
  Tensor() = default;
  /// Uninitialised elements. Throws MemoryError.
  Tensor(Shape shape, DType dtype, Memory memory = Memory::host)
      : Tensor(shape, dtype, allocate(memory, static_cast<std::size_t>(shape.count()) * size_of(dtype)), memory) {}
  /// Elements in memory that was laid out elsewhere (the net's plan, a mapped file).
  Tensor(Shape shape, DType dtype, std::shared_ptr<std::byte> bytes, Memory memory)
      : shape_(shape), dtype_(dtype), memory_(memory), bytes_(std::move(bytes)) {}

  static Tensor zeros(Shape shape, DType dtype, Memory memory = Memory::host) {
    Tensor tensor(shape, dtype, memory);
    tensor.clear();
    return tensor;
  }
  /// A tensor of the given values, in order.
  template <class T>
  static Tensor of(Shape shape, std::initializer_list<T> values) {
    return of(shape, std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  static Tensor of(Shape shape, std::span<const T> values) {
    require(shape.count() == static_cast<std::int64_t>(values.size()), "[tensor] shape {} holds {} elements but {} values were given.",
            shape, shape.count(), values.size());
    Tensor tensor(shape, dtype_of<T>());
    if (!values.empty()) std::memcpy(tensor.raw(), values.data(), tensor.size_bytes());
    return tensor;
  }

  bool defined() const { return bytes_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  std::int64_t extent(int dimension) const { return shape_[dimension]; }
  std::int64_t count() const { return shape_.count(); }
  DType dtype() const { return dtype_; }
  Memory memory() const { return memory_; }
  std::size_t size_bytes() const { return static_cast<std::size_t>(count()) * size_of(dtype_); }

  std::byte* raw() const { return bytes_.get(); }
  /// The elements, in order. Throws UsageError if T is not the tensor's dtype or the memory is not
  /// the host's.
  template <class T>
  std::span<T> data() const {
    require(dtype_ == dtype_of<std::remove_const_t<T>>(), "[tensor] asked for {} elements of a tensor {} of {}.",
            name_of(dtype_of<std::remove_const_t<T>>()), shape_, name_of(dtype_));
    require(memory_ == Memory::host, "[tensor] the elements of {} lie on another device; bring them over first.", shape_);
    return {reinterpret_cast<T*>(raw()), static_cast<std::size_t>(count())};
  }

  /// The same elements under another shape with the same count.
  Tensor reshaped(Shape shape) const {
    require(shape.count() == count(), "[tensor] cannot view {} as {}: {} elements against {}.", shape_, shape, count(), shape.count());
    Tensor view = *this;
    view.shape_ = shape;
    return view;
  }
  /// Samples [begin, end) of the first dimension, sharing the elements.
  Tensor slice(std::int64_t begin, std::int64_t end) const {
    require(rank() >= 1 && 0 <= begin && begin <= end && end <= extent(0), "[tensor] cannot take samples [{}, {}) of {}.", begin, end,
            shape_);
    const auto offset = static_cast<std::size_t>(begin * shape_.count_from(1)) * size_of(dtype_);
    return Tensor(shape_.with(0, end - begin), dtype_, std::shared_ptr<std::byte>(bytes_, raw() + offset), memory_);
  }

  /// A deep copy, in the same memory.
  Tensor clone() const {
    Tensor copy(shape_, dtype_, memory_);
    copy.copy_from(*this);
    return copy;
  }
  /// This tensor where it already lies there, a copy of it otherwise.
  Tensor to(Memory memory) const {
    if (memory == memory_) return *this;
    Tensor copy(shape_, dtype_, memory);
    copy.copy_from(*this);
    return copy;
  }
  /// Copies the elements of a tensor of the same shape and dtype, from any memory.
  void copy_from(const Tensor& other) const {
    require(other.shape_ == shape_ && other.dtype_ == dtype_, "[tensor] cannot copy {} {} into {} {}.", name_of(other.dtype_), other.shape_,
            name_of(dtype_), shape_);
    copy_bytes(raw(), memory_, other.raw(), other.memory_, size_bytes());
  }
  /// The same values as f32 or f64, in host memory.
  Tensor cast(DType dtype) const;
  /// All bytes zero.
  void clear() const { clear_bytes(raw(), memory_, size_bytes()); }
  /// Every element of a floating-point tensor in host memory set to `value`.
  void fill(double value) const;
  /// The single value of a floating-point tensor of one element, fetched from any memory.
  double item() const;

 private:
  Shape shape_;
  DType dtype_ = DType::f32;
  Memory memory_ = Memory::host;
  std::shared_ptr<std::byte> bytes_;
};

}  // namespace amnet

// The scratch memory of a CPU kernel: one array that all workers share and one of each worker's
// own, both from Cpu::scratch.
#pragma once

#include <amnet/core/device.h>

#include <cstdint>
#include <vector>

namespace amnet {

/// How much: elements that all workers share, and of each worker's own.
template <class T>
struct WorkspaceSize {
  std::int64_t shared = 0, local = 0;

  static std::size_t bytes_of(std::int64_t elements) { return (static_cast<std::size_t>(elements) * sizeof(T) + 63) / 64 * 64; }
  ScratchBytes bytes() const { return {bytes_of(shared) + bytes_of(local), bytes_of(local)}; }
};

/// Valid until the next kernel asks the same Cpu for scratch. Nothing is initialised; each array
/// begins on a cache line.
template <class T>
class Workspace {
 public:
  Workspace(Cpu& cpu, std::int64_t shared_elements, std::int64_t local_elements) {
    const std::size_t shared_bytes = WorkspaceSize<T>::bytes_of(shared_elements), local_bytes = WorkspaceSize<T>::bytes_of(local_elements);
    std::byte* first = cpu.scratch(0, shared_bytes + local_bytes);
    shared_ = reinterpret_cast<T*>(first);
    locals_.push_back(reinterpret_cast<T*>(first + shared_bytes));
    for (int worker = 1; worker < cpu.threads(); ++worker) locals_.push_back(reinterpret_cast<T*>(cpu.scratch(worker, local_bytes)));
  }

  Workspace(Cpu& cpu, const WorkspaceSize<T>& size) : Workspace(cpu, size.shared, size.local) {}

  T* shared() const { return shared_; }
  T* local(int worker) const { return locals_[static_cast<std::size_t>(worker)]; }

 private:
  T* shared_ = nullptr;
  std::vector<T*> locals_;
};

}  // namespace amnet

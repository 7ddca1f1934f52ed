#include <amnet/kernels/transfer.h>

#include "state.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <utility>

namespace amnet {
namespace {

/// Page-locked host memory: the GPU reads and writes it directly, in parallel with the CPU's work.
Tensor page_locked(const Shape& shape, DType dtype) {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, std::max<std::size_t>(1, static_cast<std::size_t>(shape.count()) * size_of(dtype))), "cudaMallocHost");
  return Tensor(shape, dtype, {static_cast<std::byte*>(memory), [](std::byte* pointer) { static_cast<void>(cudaFreeHost(pointer)); }},
                Memory::host);
}

Event new_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  return Event(event);
}

Stream new_side_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return Stream(stream);
}

void copy_in_order(const Tensor& from, const Tensor& to, cudaStream_t stream) {
  if (from.size_bytes() == 0) return;
  check(cudaMemcpyAsync(to.raw(), from.raw(), from.size_bytes(), cudaMemcpyDefault, stream), "cudaMemcpyAsync");
}

bool are_alike(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && a.dtype() == b.dtype(); }

void require_alike(const Tensor& wanted, const Tensor& given, std::string_view who) {
  require(are_alike(wanted, given), "[{}] expected {} {} as in the first call but got {} {}.", who, name_of(wanted.dtype()), wanted.shape(),
          name_of(given.dtype()), given.shape());
}

class CudaUpload final : public Upload {
 public:
  explicit CudaUpload(const Cuda& cuda) : cuda_(cuda) {}
  // before the buffers are freed
  ~CudaUpload() override { static_cast<void>(cudaStreamSynchronize(copies_)); }
  CudaUpload(const CudaUpload&) = delete;
  CudaUpload& operator=(const CudaUpload&) = delete;

  std::vector<Tensor> bring(const std::vector<Tensor>& host) override {
    const cudaStream_t work = cuda_.state().stream;
    // All work that reads the result of the last call has been launched by now.
    if (last_ != nullptr) check(cudaEventRecord(last_->read, work), "cudaEventRecord");
    Buffers& next = last_ == &buffers_[0] ? buffers_[1] : buffers_[0];
    if (!next.staging.empty()) {
      check(cudaEventSynchronize(next.copied), "cudaEventSynchronize");
      check(cudaStreamWaitEvent(copies_, next.read, 0), "cudaStreamWaitEvent");
    }
    if (!std::ranges::equal(next.staging, host, are_alike)) {
      // before its memory is freed
      if (!next.staging.empty()) check(cudaEventSynchronize(next.read), "cudaEventSynchronize");
      next.staging.clear();
      next.there.clear();
      for (const Tensor& tensor : host) {
        next.staging.push_back(page_locked(tensor.shape(), tensor.dtype()));
        next.there.emplace_back(tensor.shape(), tensor.dtype(), Memory::cuda);
      }
    }
    for (std::size_t i = 0; i < host.size(); ++i) {
      next.staging[i].copy_from(host[i]);
      copy_in_order(next.staging[i], next.there[i], copies_);
    }
    check(cudaEventRecord(next.copied, copies_), "cudaEventRecord");
    check(cudaStreamWaitEvent(work, next.copied, 0), "cudaStreamWaitEvent");
    last_ = &next;
    return next.there;
  }

 private:
  struct Buffers {
    std::vector<Tensor> staging, there;
    Event copied = new_event(), read = new_event();
  };

  Cuda cuda_;
  Stream copies_ = new_side_stream();
  std::array<Buffers, 2> buffers_;
  Buffers* last_ = nullptr;
};

class CudaResults final : public Results {
 public:
  explicit CudaResults(const Cuda& cuda) : cuda_(cuda) {}
  ~CudaResults() override {
    // before its memory is freed
    for (const Put& put : queue_) static_cast<void>(cudaEventSynchronize(put.arrived));
  }
  CudaResults(const CudaResults&) = delete;
  CudaResults& operator=(const CudaResults&) = delete;

  void put(const std::vector<Tensor>& values) override {
    Put next;
    if (free_.empty()) {
      for (const Tensor& value : values) next.numbers.push_back(page_locked(value.shape(), value.dtype()));
    } else {
      next = std::move(free_.back());
      free_.pop_back();
    }
    require(values.size() == next.numbers.size(), "[results] expected {} tensors as in the first call but got {}.", next.numbers.size(),
            values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      require_alike(next.numbers[i], values[i], "results");
      copy_in_order(values[i], next.numbers[i], cuda_.state().stream);
    }
    check(cudaEventRecord(next.arrived, cuda_.state().stream), "cudaEventRecord");
    queue_.push_back(std::move(next));
  }

  std::size_t waiting() const override { return queue_.size(); }

  std::vector<Tensor> take() override {
    require(!queue_.empty(), "[results] nothing was put that has not been taken.");
    check(cudaEventSynchronize(queue_.front().arrived), "cudaEventSynchronize");
    std::vector<Tensor> numbers;
    for (const Tensor& number : queue_.front().numbers) numbers.push_back(number.clone());
    free_.push_back(std::move(queue_.front()));
    queue_.pop_front();
    return numbers;
  }

 private:
  struct Put {
    std::vector<Tensor> numbers;
    Event arrived = new_event();
  };

  Cuda cuda_;
  std::deque<Put> queue_;
  std::vector<Put> free_;
};

}  // namespace

std::unique_ptr<Upload> make_upload(Cuda& cuda) { return std::make_unique<CudaUpload>(cuda); }
std::unique_ptr<Results> make_results(Cuda& cuda) { return std::make_unique<CudaResults>(cuda); }

void copy(Cuda& cuda, const Tensor& from, const Tensor& to) {
  require_alike(to, from, "copy");
  copy_in_order(from, to, cuda.state().stream);
}

}  // namespace amnet

#include "fake_cuda.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <set>
#include <stdexcept>
#include <utility>

// The contents of the runtime's opaque handles.
struct CUevent_st {
  std::uint64_t recorded = 0;  // how often it was put into a stream
  std::uint64_t reached = 0;   // how often a stream reached it
  CUstream_st* stream = nullptr;
  bool has_time = true;           // not cudaEventDisableTiming
  std::int64_t milliseconds = 0;  // of the fake clock, when it was last reached
};

struct CUstream_st {
  struct Work {
    const char* what;
    std::function<void()> run;
    // of a piece of work, which may fail and takes time; 0 for an event or a wait
    std::int64_t number = 0;
    CUevent_st* awaited = nullptr;  // and the number of the record that it waits for
    std::uint64_t record = 0;
  };
  std::deque<Work> queue;
  bool blocking = true;            // not cudaStreamNonBlocking
  CUgraph_st* captured = nullptr;  // work is put there instead, from begin to end of a capture
};

// A recording is a chain: all of its work was put into one stream.
struct CUgraph_st {
  std::deque<CUstream_st::Work> chain;
  bool invalid = false;  // because of a call that a capture does not allow
};
struct CUgraphExec_st {
  std::deque<CUstream_st::Work> chain;
};

namespace amnet::fake {
namespace {

struct Runtime {
  Pace pace = Pace::late;
  std::map<std::string, int> calls;
  std::map<std::string, std::map<int, int>> failures;  // function -> call number -> error
  std::int64_t work_so_far = 0, failing_work = 0;
  bool broken = false;            // a piece of work has failed
  std::int64_t milliseconds = 0;  // every piece of work takes one
  std::map<std::string, int> alive;
  std::set<CUstream_st*> streams;
  std::map<std::uintptr_t, std::size_t> blocks;  // of device memory: begin and bytes
  std::size_t device_bytes = std::size_t{8} << 30, used = 0;
  int device = -1;
  cudaError_t last_error = cudaSuccess;
};

Runtime& runtime() {
  static Runtime one;
  return one;
}

void run_until(CUevent_st& event, std::uint64_t record);

void run_one(CUstream_st& stream) {
  CUstream_st::Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (work.awaited != nullptr) run_until(*work.awaited, work.record);
  if (work.number != 0) {
    ++runtime().milliseconds;
    if (work.number == runtime().failing_work) runtime().broken = true;
    if (runtime().broken) return;
  }
  if (work.run) work.run();
}

void run_until(CUevent_st& event, std::uint64_t record) {
  while (event.reached < record) {
    if (event.stream == nullptr || event.stream->queue.empty()) throw std::logic_error("an event is awaited that no stream will come to");
    run_one(*event.stream);
  }
}

void run_all(CUstream_st& stream) {
  while (!stream.queue.empty()) run_one(stream);
}

void run_blocking_streams() {
  for (CUstream_st* stream : runtime().streams) {
    if (stream->blocking) run_all(*stream);
  }
}

void run_everything() {
  for (CUstream_st* stream : runtime().streams) run_all(*stream);
}

/// For calls that are not allowed while a stream is captured: the capture is lost, as on a GPU.
bool refused_by_a_capture() {
  bool capturing = false;
  for (CUstream_st* stream : runtime().streams) {
    if (stream->captured == nullptr) continue;
    stream->captured->invalid = capturing = true;
  }
  if (capturing) runtime().last_error = cudaErrorStreamCaptureUnsupported;
  return capturing;
}

cudaError_t answer(const char* function) {
  const auto error = static_cast<cudaError_t>(enter(function, cudaErrorIllegalAddress));
  return error == cudaSuccess ? cudaSuccess : refuse(error);
}

CUstream_st* new_stream(unsigned flags) {
  auto* stream = new CUstream_st;
  stream->blocking = (flags & cudaStreamNonBlocking) == 0;
  runtime().streams.insert(stream);
  count_alive("stream", 1);
  return stream;
}

cudaError_t put(CUstream_st* stream, CUstream_st::Work work) {
  if (runtime().streams.count(stream) == 0) throw std::logic_error("work for a stream that does not exist");
  if (stream->captured != nullptr) {
    if (work.awaited != nullptr) throw std::logic_error("this fake does not record waits");
    stream->captured->chain.push_back(std::move(work));
    return cudaSuccess;
  }
  stream->queue.push_back(std::move(work));
  if (runtime().pace == Pace::side_streams_early && !stream->blocking) run_all(*stream);
  return cudaSuccess;
}

}  // namespace

void set_pace(Pace pace) {
  run_everything();
  runtime().pace = pace;
}

void fail(const std::string& function, int nth, int error) { runtime().failures[function][runtime().calls[function] + nth] = error; }
void fail_work(std::int64_t nth) { runtime().failing_work = runtime().work_so_far + nth; }
void fail_nothing() {
  runtime().failures.clear();
  runtime().failing_work = 0;
  runtime().broken = false;
  runtime().last_error = cudaSuccess;
}

int enter(const char* function, int broken) {
  const int call = ++runtime().calls[function];
  auto& failures = runtime().failures[function];
  if (const auto found = failures.find(call); found != failures.end()) return found->second;
  return runtime().broken ? broken : 0;
}
cudaError_t refuse(cudaError_t error) { return runtime().last_error = error; }
const std::map<std::string, int>& calls() { return runtime().calls; }

void set_device_bytes(std::size_t bytes) { runtime().device_bytes = bytes; }
std::size_t allocations() { return runtime().blocks.size(); }
void count_alive(const std::string& what, int change) {
  int& count = runtime().alive[what];
  count += change;
  if (count == 0) runtime().alive.erase(what);
}
const std::map<std::string, int>& alive() { return runtime().alive; }
std::int64_t work_so_far() { return runtime().work_so_far; }

cudaError_t enqueue(cudaStream_t stream, const char* what, std::function<void()> work) {
  if (const cudaError_t error = answer(what); error != cudaSuccess) return error;
  return put(stream, {.what = what, .run = std::move(work), .number = ++runtime().work_so_far});
}

}  // namespace amnet::fake

using namespace amnet::fake;

// The functions of the runtime, declared in its own header.
extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return answer("cudaGetDeviceCount");
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return answer("cudaDriverGetVersion");
}

cudaError_t cudaSetDevice(int device) {
  runtime().device = device;
  return answer("cudaSetDevice");
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "emulated GPU");
  properties->major = 9;
  properties->multiProcessorCount = 2;  // few: loops over a grid take more than one round
  properties->totalGlobalMem = runtime().device_bytes;
  return answer("cudaGetDeviceProperties");
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (const cudaError_t error = answer("cudaStreamCreateWithFlags"); error != cudaSuccess) return error;
  *stream = new_stream(flags);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  if (const cudaError_t error = answer("cudaStreamCreate"); error != cudaSuccess) return error;
  *stream = new_stream(cudaStreamDefault);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  run_all(*stream);
  runtime().streams.erase(stream);
  delete stream;
  count_alive("stream", -1);
  return answer("cudaStreamDestroy");
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (refused_by_a_capture()) return cudaErrorStreamCaptureUnsupported;
  run_all(*stream);
  return answer("cudaStreamSynchronize");
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (const cudaError_t error = answer("cudaStreamWaitEvent"); error != cudaSuccess) return error;
  return put(stream, {.what = "a wait for an event", .run = {}, .number = 0, .awaited = event, .record = event->recorded});
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const cudaError_t error = answer("cudaStreamBeginCapture"); error != cudaSuccess) return error;
  if (stream->captured != nullptr) throw std::logic_error("a capture within a capture");
  stream->captured = new CUgraph_st;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  CUgraph_st* const captured = std::exchange(stream->captured, nullptr);
  const cudaError_t error = captured == nullptr ? cudaErrorIllegalState
                            : captured->invalid ? cudaErrorStreamCaptureInvalidated
                                                : answer("cudaStreamEndCapture");
  *graph = error == cudaSuccess ? captured : nullptr;
  if (error == cudaSuccess) {
    count_alive("graph", 1);
  } else {
    delete captured;
  }
  return error;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t error = answer("cudaGraphInstantiate"); error != cudaSuccess) return error;
  *runnable = new CUgraphExec_st{graph->chain};
  count_alive("runnable graph", 1);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream) {
  if (const cudaError_t error = answer("cudaGraphLaunch"); error != cudaSuccess) return error;
  for (const CUstream_st::Work& work : runnable->chain) put(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  count_alive("graph", -1);
  return answer("cudaGraphDestroy");
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) {
  delete runnable;
  count_alive("runnable graph", -1);
  return answer("cudaGraphExecDestroy");
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (const cudaError_t error = answer("cudaEventCreateWithFlags"); error != cudaSuccess) return error;
  *event = new CUevent_st;
  (*event)->has_time = (flags & cudaEventDisableTiming) == 0;
  count_alive("event", 1);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  run_everything();
  delete event;
  count_alive("event", -1);
  return answer("cudaEventDestroy");
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t error = answer("cudaEventRecord"); error != cudaSuccess) return error;
  event->stream = stream;
  const std::uint64_t record = ++event->recorded;
  const auto reach = [event, record] {
    event->reached = record;
    event->milliseconds = runtime().milliseconds;
  };
  return put(stream, {.what = "an event", .run = reach});
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (const cudaError_t error = answer("cudaEventElapsedTime"); error != cudaSuccess) return error;
  if (!begin->has_time || !end->has_time || begin->recorded == 0 || end->recorded == 0) return refuse(cudaErrorInvalidResourceHandle);
  if (begin->reached < begin->recorded || end->reached < end->recorded) return refuse(cudaErrorNotReady);
  *milliseconds = static_cast<float>(end->milliseconds - begin->milliseconds);
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (refused_by_a_capture()) return cudaErrorStreamCaptureUnsupported;
  run_until(*event, event->recorded);
  return answer("cudaEventSynchronize");
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  if (refused_by_a_capture()) return cudaErrorStreamCaptureUnsupported;
  if (const cudaError_t error = answer("cudaMalloc"); error != cudaSuccess) return error;
  if (bytes > runtime().device_bytes - runtime().used) return refuse(cudaErrorMemoryAllocation);
  if (posix_memalign(memory, 256, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xff, bytes);
  runtime().blocks[reinterpret_cast<std::uintptr_t>(*memory)] = bytes;
  runtime().used += bytes;
  count_alive("device memory", 1);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (refused_by_a_capture()) return cudaErrorStreamCaptureUnsupported;
  run_everything();
  const auto found = runtime().blocks.find(reinterpret_cast<std::uintptr_t>(memory));
  if (found == runtime().blocks.end()) throw std::logic_error("cudaFree of what cudaMalloc did not give");
  runtime().used -= found->second;
  runtime().blocks.erase(found);
  std::free(memory);
  count_alive("device memory", -1);
  return answer("cudaFree");
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  if (const cudaError_t error = answer("cudaMallocHost"); error != cudaSuccess) return error;
  if (posix_memalign(memory, 64, bytes) != 0) return cudaErrorMemoryAllocation;
  count_alive("host memory", 1);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  run_everything();
  std::free(memory);
  count_alive("host memory", -1);
  return answer("cudaFreeHost");
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = runtime().device_bytes;
  *free = runtime().device_bytes - runtime().used;
  return answer("cudaMemGetInfo");
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (refused_by_a_capture()) return cudaErrorStreamCaptureUnsupported;
  run_blocking_streams();
  if (const cudaError_t error = answer("cudaMemcpy"); error != cudaSuccess) return error;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, "cudaMemcpyAsync", [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemset(void* memory, int value, std::size_t bytes) {
  if (refused_by_a_capture()) return cudaErrorStreamCaptureUnsupported;
  run_blocking_streams();
  if (const cudaError_t error = answer("cudaMemset"); error != cudaSuccess) return error;
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, "cudaMemsetAsync", [=] { std::memset(memory, value, bytes); });
}

cudaError_t cudaGetLastError() { return std::exchange(runtime().last_error, cudaSuccess); }
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : error == cudaErrorMemoryAllocation ? "out of memory" : "a made-up error";
}
cudaError_t cudaDeviceSynchronize() {
  run_everything();
  return answer("cudaDeviceSynchronize");
}

}  // extern "C"

// A CUDA runtime without a GPU: those of its functions that cuda/ calls, under their own names, so
// that the host code of the backend runs unchanged. Device memory is host memory of exact size,
// filled with NaN bits; work is put into streams and run only when a caller waits for it: a missing
// wait shows as a value that is not there yet, or that has been overwritten.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace amnet::fake {

/// When the work of streams is run: all of it as late as the rules of CUDA allow, or that of side
/// streams (cudaStreamNonBlocking) as early as possible.
enum class Pace : unsigned char { late, side_streams_early };
void set_pace(Pace pace);

/// Makes the n-th call from now on (counted from 1) of the function of that name return `error`, a
/// value of its library's enum.
void fail(const std::string& function, int nth, int error);
/// Makes the n-th piece of work that is put into a stream from now on fail when its stream reaches
/// it, like a kernel that writes to an invalid address: it and all later work is not done, and
/// every later call returns an error.
void fail_work(std::int64_t nth);
/// Resets fail() and fail_work() and the failures so far: as in a new process.
void fail_nothing();
/// For the functions of the fake libraries: counts the call; returns the error that the call must
/// return, which is `broken` after work has failed, or 0.
int enter(const char* function, int broken);
/// For calls that fail by the rules of CUDA: sets the error as the last one and returns it.
cudaError_t refuse(cudaError_t error);
/// Calls so far, by function.
const std::map<std::string, int>& calls();

/// The total bytes of device memory; allocations that exist must not exceed it.
void set_device_bytes(std::size_t bytes);
/// Blocks of device memory that have not been freed.
std::size_t allocations();
/// For the fake libraries: one more or one less object that must be released.
void count_alive(const std::string& what, int change);
/// What has not been released: "stream", "event", "device memory", "host memory", handles and
/// descriptors. Kinds with a count of zero are left out.
const std::map<std::string, int>& alive();
/// Pieces of work so far: kernels, copies, products and plans.
std::int64_t work_so_far();

/// Puts work into a stream, as a kernel's launch or a library's call does. `what` is for messages.
cudaError_t enqueue(cudaStream_t stream, const char* what, std::function<void()> work);

}  // namespace amnet::fake

// A CUDA runtime without a GPU: the functions of it that cuda/ calls, under their own names, so
// that the host code of the backend runs as it is. Device memory is host memory of exact size,
// filled with NaN bits; work is put into streams and done only when somebody waits for it: a
// missing wait shows as a value that is not there yet, or that has been overwritten.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace amnet::fake {

/// When the work of streams is done: all as late as the rules of CUDA allow, or that of side
/// streams (cudaStreamNonBlocking) as early.
enum class Pace : unsigned char { late, side_streams_early };
void set_pace(Pace pace);

/// Makes the n-th call from now on (counted from 1) of the function of that name answer `error`, as
/// its library's enum counts.
void fail(const std::string& function, int nth, int error);
/// Makes the n-th piece of work that is put into a stream from now on fail when its stream comes to
/// it, as a kernel does that writes where there is no memory: it and all later work is not done,
/// and every later call answers an error.
void fail_work(std::int64_t nth);
/// Forgets what fail() and fail_work() asked for, and what failed: as if another process began.
void fail_nothing();
/// For the functions of the fake libraries: counts the call; the error it is to answer, which is
/// `broken` after work has failed, or 0.
int enter(const char* function, int broken);
/// For what fails by the rules of CUDA: makes the error the last one and answers it.
cudaError_t refuse(cudaError_t error);
/// Calls so far, by function.
const std::map<std::string, int>& calls();

/// How many bytes of device memory there are; none allocated yet must exceed it.
void set_device_bytes(std::size_t bytes);
/// Blocks of device memory that have not been freed.
std::size_t allocations();
/// For the fake libraries: one more or one less of what has to be given back.
void count_alive(const std::string& what, int change);
/// What has not been given back: "stream", "event", "device memory", "host memory", handles and
/// descriptors. None has a zero.
const std::map<std::string, int>& alive();
/// Pieces of work so far: kernels, copies, products and plans.
std::int64_t work_so_far();

/// Puts work into a stream, as a kernel's launch or a library's call does. `what` is for messages.
cudaError_t enqueue(cudaStream_t stream, const char* what, std::function<void()> work);

}  // namespace amnet::fake

#include "profile.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <utility>

namespace amnet {

Event Profile::event() {
  if (free_.empty()) {
    cudaEvent_t created = nullptr;
    check(cudaEventCreateWithFlags(&created, cudaEventDefault), "cudaEventCreateWithFlags");
    return Event(created);
  }
  Event last = std::move(free_.back());
  free_.pop_back();
  return last;
}

void Profile::begin(std::string name) {
  open_ = {.name = std::move(name), .begin = event(), .end = event()};
  check(cudaEventRecord(open_.begin, stream_), "cudaEventRecord");
}

void Profile::end() {
  check(cudaEventRecord(open_.end, stream_), "cudaEventRecord");
  pieces_.push_back(std::move(open_));
}

std::vector<KernelTime> Profile::times() {
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  for (Piece& piece : pieces_) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, piece.begin, piece.end), "cudaEventElapsedTime");
    Sum& sum = sums_[piece.name];
    ++sum.calls;
    sum.seconds += static_cast<double>(milliseconds) / 1e3;
    free_.push_back(std::move(piece.begin));
    free_.push_back(std::move(piece.end));
  }
  pieces_.clear();
  std::vector<KernelTime> times;
  for (const auto& [name, sum] : sums_) times.push_back({.name = name, .calls = sum.calls, .seconds = sum.seconds});
  std::ranges::sort(times, std::ranges::greater{}, &KernelTime::seconds);
  return times;
}

std::string readable_kernel_name(std::string_view function) {
  // "… [with Kernel = amnet::{anonymous}::FindBad<float>; …]", "… [Kernel = amnet::(anonymous
  // namespace)::FindBad<float>]".
  constexpr std::string_view before = "Kernel = ";
  const std::size_t begin = function.find(before);
  if (begin == std::string_view::npos) return std::string(function);
  const std::string_view rest = function.substr(begin + before.size());
  std::string_view type = rest.substr(0, rest.find_first_of(";]"));
  constexpr std::string_view namespaces[] = {"amnet::", "std::", "{anonymous}::", "(anonymous namespace)::", "<unnamed>::"};
  std::string readable;
  while (!type.empty()) {
    const auto* const found = std::ranges::find_if(namespaces, [&](std::string_view name) { return type.starts_with(name); });
    if (found != std::end(namespaces)) {
      type.remove_prefix(found->size());
      // nvcc gives an anonymous namespace its own name
    } else if (type.starts_with("_GLOBAL__N__")) {
      type.remove_prefix(type.find("::") + 2);
    } else {
      readable += type.front();
      type.remove_prefix(1);
    }
  }
  return readable;
}

}  // namespace amnet

#include <amnet/core/random.h>
#include <amnet/train/tensor_source.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace amnet {
namespace {

std::int64_t samples_of(const std::vector<NamedTensor>& tensors) {
  require(!tensors.empty(), "[tensor source] expected at least one tensor but got none.");
  for (const NamedTensor& one : tensors) {
    require(one.tensor.defined() && one.tensor.memory() == Memory::host && one.tensor.shape().rank() >= 1,
            "[tensor source] expected tensors on the host with a row for each sample, but '{}' is none.", one.name);
    require(one.tensor.extent(0) == tensors.front().tensor.extent(0),
            "[tensor source] expected as many rows in '{}' as in '{}', {}, but got {}.", one.name, tensors.front().name,
            tensors.front().tensor.extent(0), one.tensor.extent(0));
  }
  return tensors.front().tensor.extent(0);
}

std::uint64_t fingerprint_of(const std::vector<NamedTensor>& tensors) {
  std::uint64_t hash = stream_of("tensors");
  for (const NamedTensor& one : tensors) {
    const auto* bytes = reinterpret_cast<const char*>(one.tensor.raw());
    hash = hash * 1099511628211ULL ^ stream_of(one.name);
    hash = hash * 1099511628211ULL ^ stream_of({bytes, one.tensor.size_bytes()});
  }
  return hash;
}

}  // namespace

TensorSource::TensorSource(std::vector<NamedTensor> tensors, TensorSourceOptions options)
    : tensors_(std::move(tensors)),
      options_(options),
      sampler_({.images = samples_of(tensors_), .seed = options.seed, .shuffle = options.shuffle, .mirror = false}),
      fingerprint_(fingerprint_of(tensors_)) {
  require(options.batch >= 1, "[tensor source] expected .batch of at least 1 but got {}.", options.batch);
}

Batch TensorSource::next() {
  Batch batch;
  for (std::int64_t n = 0; n < options_.batch; ++n) batch.samples.push_back(sampler_.at(cursor_++).image);
  for (const NamedTensor& one : tensors_) {
    const std::size_t row = one.tensor.size_bytes() / static_cast<std::size_t>(epoch());
    const Tensor rows(one.tensor.shape().with(0, options_.batch), one.tensor.dtype());
    for (std::size_t n = 0; n < batch.samples.size(); ++n) {
      std::memcpy(rows.raw() + n * row, one.tensor.raw() + static_cast<std::size_t>(batch.samples[n]) * row, row);
    }
    batch.tensors.push_back({one.name, rows});
  }
  return batch;
}

}  // namespace amnet

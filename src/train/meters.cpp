#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/train/meters.h>

#include <fmt/format.h>

#include <algorithm>

namespace amnet {

Meters::Meters(std::vector<std::string> names, std::vector<double> sums, std::int64_t count)
    : names_(std::move(names)), sums_(std::move(sums)), count_(count) {
  require(names_.size() == sums_.size(), "[meters] expected a sum for each of {} names but got {}.", names_.size(), sums_.size());
}

void Meters::add(std::span<const double> numbers) {
  require(numbers.size() == sums_.size(), "[meters] expected {} numbers, one for each name, but got {}.", sums_.size(), numbers.size());
  if (closed_) *this = Meters(std::move(names_));
  for (std::size_t i = 0; i < numbers.size(); ++i) sums_[i] += numbers[i];
  count_ += 1;
}

bool Meters::has(std::string_view name) const { return std::ranges::find(names_, name) != names_.end(); }

double Meters::operator[](std::string_view name) const {
  const auto found = std::ranges::find(names_, name);
  require(found != names_.end(), "[meters] expected one of '{}' but got '{}'.", joined(names_, "', '"), name);
  return sums_[static_cast<std::size_t>(found - names_.begin())] / static_cast<double>(std::max<std::int64_t>(count_, 1));
}

}  // namespace amnet

// What a user watches to see whether the net learns: means of the numbers that steps report, by
// name.
//
//   Meters meters({"loss", "accuracy"});
//   meters.add(std::vector{3.5, 0.25});
//   meters["loss"];
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

class Meters {
 public:
  Meters() = default;
  explicit Meters(std::vector<std::string> names) : names_(std::move(names)), sums_(names_.size()) {}
  /// Starts with sums that were added up before.
  Meters(std::vector<std::string> names, std::vector<double> sums, std::int64_t count);

  /// One number for each name. After close() the means start again.
  void add(std::span<const double> numbers);
  /// The means can still be read until something is added.
  void close() { closed_ = true; }

  std::int64_t count() const { return count_; }
  const std::vector<std::string>& names() const { return names_; }
  const std::vector<double>& sums() const { return sums_; }
  bool closed() const { return closed_; }
  bool has(std::string_view name) const;
  /// The mean of what was added; 0 where nothing was. Throws UsageError for another name.
  double operator[](std::string_view name) const;

 private:
  std::vector<std::string> names_;
  std::vector<double> sums_;
  std::int64_t count_ = 0;
  bool closed_ = false;
};

}  // namespace amnet

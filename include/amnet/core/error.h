// Errors of amnet: what went wrong decides the type, and with it the exit code of a program. The
// library throws these for a user's mistake or a failing machine, and never prints, exits or
// aborts.
//
//   require(labels.rank() == 1, "[accuracy] expected labels (N) but got {}.", labels.shape());
//   require<DataError>(end != begin, "{}:{}: expected `path label` but the label is missing.", file, line);
#pragma once

#include <fmt/format.h>  // not core.h: fmt 8 refuses format.h after a use of core.h

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace amnet {

/// The base class of every exception that amnet throws on purpose. what() is one whole sentence.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  /// The exit code a program ends with: 2 usage, 3 data, 4 file system, 5 non-finite, 6 memory or
  /// device.
  virtual int exit_code() const noexcept { return 2; }
};

/// A call, an option or a configuration that is not valid (exit code 2).
class UsageError : public Error {
 public:
  using Error::Error;
};

/// A list, an image or a data file that is missing or malformed (exit code 3).
class DataError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 3; }
};

/// A model that is not there, or an output that cannot be written (exit code 4).
class FileError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 4; }
};

/// A loss, an activation or a weight that is NaN or infinite (exit code 5).
class NonFiniteError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 5; }
};

/// Memory that could not be allocated (exit code 6).
class MemoryError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 6; }
};

/// GPU memory that could not be allocated: what was requested, and what was free (exit code 6).
class DeviceMemoryError : public MemoryError {
 public:
  DeviceMemoryError(const std::string& what, std::size_t wanted_bytes, std::size_t free_bytes)
      : MemoryError(what), wanted(wanted_bytes), free(free_bytes) {}

  std::size_t wanted, free;  ///< bytes
};

/// A device that failed (exit code 6).
class DeviceError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 6; }
};

namespace detail {

/// One function for each type of error, so that a check costs its caller a branch and a call.
template <class E>
[[noreturn]] void fail(fmt::string_view message, fmt::format_args args) {
  throw E(fmt::vformat(message, args));
}

}  // namespace detail

/// Throws E with the formatted sentence unless `condition` holds.
/// The message says what was expected, what was found, and what to do if that is known.
template <class E = UsageError, class... Args>
void require(bool condition, fmt::format_string<Args...> message, Args&&... args) {
  if (!condition) [[unlikely]]
    detail::fail<E>(message, fmt::make_format_args(args...));
}

}  // namespace amnet

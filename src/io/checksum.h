// XXH3-128, the checksum of a checkpoint's files: it detects damage, it does not authenticate.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace amnet {

class Checksum {
 public:
  Checksum();
  ~Checksum();
  void update(std::span<const std::byte> bytes);
  /// Of the bytes so far: 32 hexadecimal digits, as `xxhsum -H2` prints them.
  std::string hexadecimal() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace amnet

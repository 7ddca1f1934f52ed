// A file descriptor that is closed at the end of its scope.
#pragma once

#include <unistd.h>

namespace amnet {

class Descriptor {
 public:
  /// Takes over what open() returned, also a failure.
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  /// Below 0 where open() failed.
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace amnet

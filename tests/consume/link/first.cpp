// Together with second.cpp: every header of amnet in two files of one program, so that a function
// that lacks `inline` is defined twice and does not link.
#include <amnet/amnet.h>

std::string described_elsewhere(const amnet::Shape& shape);

int main() {
  const amnet::Shape shape{2, 3};
  return shape.str() == described_elsewhere(shape) ? 0 : 1;
}

#include <amnet/amnet.h>

std::string described_elsewhere(const amnet::Shape& shape);
std::string described_elsewhere(const amnet::Shape& shape) { return shape.str(); }

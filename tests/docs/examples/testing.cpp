#include "example.h"

using namespace amnet;

EXAMPLE("testing/gradcheck.h") {
#include "example_of/testing/gradcheck.h"
}

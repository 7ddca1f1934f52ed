#include <string>

#include "bad_launch.h"
#include "catch.h"
#include "parity.h"
#include "trainee.h"

using namespace amnet;

TEST_CASE("launch: one that the GPU refuses is told at once with file and line, and training goes on", "[gpu]") {
  for_each_machine<F32>("launch: refused", [](Parity& parity) {
    Trainee undisturbed(Cuda({.deterministic = true})), there(Cuda({.deterministic = true}));
    undisturbed.train(0, 2);
    there.train(0, 1);
    std::string message;
    try {
      launch_badly(std::get<Cuda>(there.device));
    } catch (const DeviceError& error) {
      message = error.what();
    }
    CHECK(message.find("[cuda] the launch of a kernel failed at bad_launch.cu:15: CUDA says \"") == 0);
    there.train(1, 2);
    CHECK(same_bits(undisturbed.parameters(), there.parameters()));
    static_cast<void>(parity);
  });
}

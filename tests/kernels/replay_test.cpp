#include <amnet/kernels/replay.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("replay: on a CPU work is done every time", "[replay]") {
  Cpu cpu(1);
  const auto replay = make_replay(cpu);
  int calls = 0;
  for (int time = 0; time < 3; ++time) replay->run([&] { return ++calls, true; });
  CHECK(calls == 3);
  CHECK(replay->refusal().empty());
}

// Plans kept by their purpose.
#include <amnet/layers/conv2d.h>
#include <amnet/layers/prelu.h>
#include <amnet/net/plan_cache.h>

#include <memory>

#include "catch.h"
#include "net/fill_random.h"

using namespace amnet;

TEST_CASE("net: a cache plans the sizes of a pyramid once, and lets the oldest go", "[net]") {
  Net net;
  const Value images = net.input("images", {1, 8, 8, 16});
  const Value scores = net.add("relu", PRelu(), {net.add("conv", Conv2d(16, 3), {images})});
  net.initialise(1);
  Device device = Cpu(2);
  PlanCache plans(net, std::size_t{64} << 20);
  const auto photograph = [&] {
    for (std::int64_t size = 12; size < 12 + 9 * 5; size += 5) {
      const std::shared_ptr<Plan> plan = plans.of({.keep = {scores}, .inputs = {{images, {1, size, size + 3, 16}}}});
      fill_random(plan->value(images), static_cast<std::uint64_t>(size));
      plan->forward(device);
      CHECK(plan->value(scores).shape() == Shape{1, size - 2, size + 1, 16});
    }
  };
  photograph();
  CHECK(plans.made() == 9);
  const HostMemory before = host_memory();
  photograph();
  CHECK(plans.made() == 9);
  CHECK(host_memory().blocks == before.blocks);

  // With room for about three of the nine, the plans used last stay.
  PlanCache small(net, plans.bytes() / 3);
  const auto of = [&](std::int64_t size) { return small.of({.keep = {scores}, .inputs = {{images, {1, size, size, 16}}}}); };
  const std::shared_ptr<Plan> held = of(40);
  for (const std::int64_t size : {20, 30, 40, 50}) of(size);
  CHECK(small.bytes() <= plans.bytes() / 3);
  const std::int64_t made = small.made();
  of(50);
  CHECK(small.made() == made);
  of(20);
  CHECK(small.made() == made + 1);
  held->forward(device);  // a caller that holds a plan keeps it
  PlanCache none(net, 0);
  none.of({.keep = {scores}})->forward(device);
  CHECK(none.bytes() == 0);
}

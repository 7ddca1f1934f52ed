// The machine under test: an emulated GPU.
#include <utility>

#include "catch.h"
#include "emulator.h"
#include "fake_cuda.h"
#include "parity.h"

namespace amnet {

const bool emulated_gpu = true;

void for_each_machine(std::string_view /*test*/, ProductPrecision precision, double bound, const std::function<void(Parity&)>& body) {
  using emulation::ThreadOrder;
  INFO("AMNET_TEST_SEED=" << test_seed());
  constexpr std::pair<ThreadOrder, fake::Pace> machines[] = {{ThreadOrder::rising, fake::Pace::late},
                                                             {ThreadOrder::falling, fake::Pace::side_streams_early},
                                                             {ThreadOrder::shuffled, fake::Pace::late}};
  for (const auto& [order, pace] : machines) {
    INFO("thread order " << static_cast<int>(order) << ", pace " << static_cast<int>(pace));
    emulation::set_thread_order(order);
    fake::set_pace(pace);
    const std::size_t before = fake::allocations();
    {
      Parity parity(precision, bound);
      body(parity);
    }
    CHECK(fake::allocations() == before);
  }
}

}  // namespace amnet

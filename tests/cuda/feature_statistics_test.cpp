#include <amnet/kernels/feature_statistics.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

TEST_CASE("feature_statistics: forward - F32", "[gpu]") {
  for_each_machine<F32>("feature_statistics: forward", [](Parity& parity) {
    for (const auto& [samples, size] : {std::pair{1, 1}, std::pair{5, 33}, std::pair{300, 64}}) {
      const Both features = parity.parameter({samples, size}), weights = parity.parameter({7, size});
      Tensor labels({samples}, DType::i64);
      for (std::int64_t n = 0; n < samples; ++n) labels.data<std::int64_t>()[static_cast<std::size_t>(n)] = n * 5 % 7;
      const Both classes = parity.same(labels);
      const Tensor wanted({2}, DType::f64), found({2}, DType::f64, Memory::cuda);
      const Both centres = parity.parameter({21, size});  // three of each class
      for (const std::int64_t of_class : {1, 3}) {
        const Both& rows = of_class == 1 ? weights : centres;
        feature_statistics(parity.cpu, features.host, rows.host, classes.host, wanted, of_class);
        feature_statistics(parity.cuda, features.device, rows.device, classes.device, found, of_class);
        const Tensor fetched = found.to(Memory::host);
        for (const std::size_t i : {0U, 1U}) CHECK(fetched.data<double>()[i] == Approx(wanted.data<double>()[i]).epsilon(1e-12));
      }
    }
  });
}

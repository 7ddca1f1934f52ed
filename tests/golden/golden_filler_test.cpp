// The reference code's fillers: mean and deviation of what they draw, through the importer.
#include <amnet/caffe/import.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "catch.h"
#include "shared_data.h"

using namespace amnet;
using Json = nlohmann::json;

namespace {

/// A layer that draws a blob of that shape.
std::string net_with(const std::vector<std::int64_t>& shape, const std::string& filler) {
  if (shape.size() == 4) {
    return fmt::format(
        "layer {{ name: \"in\" type: \"Input\" top: \"x\" input_param {{ shape {{ dim: 1 dim: {} dim: 9 dim: 9 }} }} }}\n"
        "layer {{ name: \"l\" type: \"Convolution\" bottom: \"x\" top: \"y\" convolution_param {{ num_output: {} kernel_h: {} kernel_w: {} "
        "weight_filler {{ {} }} }} }}",
        shape[1], shape[0], shape[2], shape[3], filler);
  }
  return fmt::format(
      "layer {{ name: \"in\" type: \"Input\" top: \"x\" input_param {{ shape {{ dim: 1 dim: {} }} }} }}\n"
      "layer {{ name: \"l\" type: \"InnerProduct\" bottom: \"x\" top: \"y\" inner_product_param {{ num_output: {} weight_filler {{ {} }} "
      "}} }}",
      shape[1], shape[0], filler);
}

}  // namespace

TEST_CASE("golden: fillers draw from the reference code's distributions", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: fillers draw from the reference code's distributions");
  const Json manifest = Json::parse(std::ifstream(*shared / "golden/manifest.json"));
  int ran = 0;
  for (const auto& [name, json] : manifest.at("fillers").items()) {
    INFO(name);
    CaffeModel caffe = import_caffe_net(caffe_net_of_text(net_with(json.at("shape"), json.at("filler")), "filler.prototxt"));
    caffe.model.net.initialise(5);
    Tensor weight;
    caffe.model.net.look(
        [&](const std::string& each, const Parameter& parameter) { weight = each == "l.weight" ? parameter.value : weight; });
    double sum = 0, squares = 0, low = 1e30, high = -1e30;
    for (const float each : weight.data<float>()) {
      sum += each;
      squares += static_cast<double>(each) * each;
      low = std::min<double>(low, each);
      high = std::max<double>(high, each);
    }
    const auto count = static_cast<double>(weight.count());
    const double mean = sum / count, deviation = std::sqrt(squares / count - mean * mean);
    const double their_mean = json.at("mean"), their_deviation = json.at("std"), their_low = json.at("min"), their_high = json.at("max");
    // Both are draws: the difference of two means has the error sqrt(2 / n) of the deviation, that
    // of two deviations of a normal sqrt(1 / n).
    CHECK(std::abs(mean - their_mean) <= 4 * their_deviation * std::sqrt(2 / count));
    CHECK(std::abs(deviation - their_deviation) <= 4 * their_deviation * std::sqrt(1 / count));
    const bool is_uniform = std::string(json.at("filler")).find("xavier") != std::string::npos || name == "uniform";
    if (is_uniform) {  // the ends of the range
      CHECK(std::abs(low - their_low) <= 0.01 * (their_high - their_low));
      CHECK(std::abs(high - their_high) <= 0.01 * (their_high - their_low));
    }
    ++ran;
  }
  std::printf("golden fillers: %d\n", ran);
  CHECK(ran == static_cast<int>(manifest.at("fillers").size()));
}

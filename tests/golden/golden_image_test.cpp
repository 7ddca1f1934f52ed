// Batches of the reference code's ImageData layer, from the options of an imported layer.
#include <amnet/caffe/image_data.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "golden/judge.h"
#include "shared_data.h"

using namespace amnet;
using namespace golden;
using Json = nlohmann::json;

TEST_CASE("golden: ImageData gives the reference code's batches", "[golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("golden: ImageData gives the reference code's batches");
  const std::filesystem::path folder = *shared / "golden";
  const Json manifest = Json::parse(std::ifstream(folder / "manifest.json"));
  const Npz file(folder / "imagedata.cpu.npz");
  int ran = 0;
  for (const auto& [name, json] : manifest.at("imagedata").items()) {
    INFO(name);
    const std::string of_data = json.at("image_data_param"), of_transform = json.at("transform_param");
    const Phase phase = json.at("phase") == "TEST" ? Phase::test : Phase::train;
    const CaffeModel caffe = import_caffe_net(
        caffe_net_of_text(fmt::format("layer {{ name: \"data\" type: \"ImageData\" top: \"data\" top: \"label\" transform_param {{ {} }} "
                                      "image_data_param {{ batch_size: 2 source: \"list.txt\" {} }} }}",
                                      of_transform, of_data),
                          "data.prototxt"),
        {.phase = phase, .image = CaffeImage{3, 112, 96}});
    const CaffeImageRules rules = caffe_image_rules(caffe.inputs.at(0), "data.prototxt");
    const int batches = json.at("batches");
    for (int batch = 0; batch < batches; ++batch) {
      const std::string prefix = batches > 1 ? fmt::format("{}/batch{}/", name, batch) : name + "/";
      const Tensor wanted = tensor_of(file.at(prefix + "data"));
      REQUIRE(caffe.model.net.spec(caffe.value("data")).shape == wanted.shape());
      std::ifstream list(folder / "imagedata/list.txt");
      std::size_t at = 0;
      for (std::int64_t image = 0; image < 2; ++image) {
        std::string path;
        float label = 0;
        REQUIRE(list >> path >> label);
        CHECK(file.at(prefix + "label").values.at(static_cast<std::size_t>(image)) == label);
        const bool mirrored =
            json.contains("mirrored") && json.at("mirrored").at(static_cast<std::size_t>(batch)).at(static_cast<std::size_t>(image));
        CHECK((!mirrored || rules.mirror));
        const Tensor found =
            caffe_image(read_image(folder / "imagedata" / path, ChannelOrder::bgr), rules, {.phase = phase, .mirrored = mirrored});
        // whole levels may differ by one where they are computed: resized or grey
        const double bar = rules.resize || rules.grey ? rules.scale * 1.001 : 1e-5 * rules.scale;
        double worst = 0;
        for (const float each : found.data<float>())
          worst = std::max(worst, std::abs(static_cast<double>(each) - wanted.data<float>()[at++]));
        INFO("worst " << worst);
        CHECK(worst <= bar);
      }
      CHECK(at == static_cast<std::size_t>(wanted.count()));
    }
    ++ran;
  }
  std::printf("golden ImageData: %d cases\n", ran);
  CHECK(ran == static_cast<int>(manifest.at("imagedata").size()));
}

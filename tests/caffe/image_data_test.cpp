// What a layer that reads images does to them, by hand-computed pixels.
#include <amnet/caffe/image_data.h>

#include <string>
#include <vector>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

CaffeImageRules rules_of(const std::string& transform, const std::string& data = "") {
  const CaffeModel caffe = import_caffe_net(caffe_net_of_text("layer { name: \"d\" type: \"ImageData\" top: \"data\" transform_param { " +
                                                                  transform + " } image_data_param { " + data + " } }",
                                                              "n.prototxt"),
                                            {.image = CaffeImage{3, 4, 6}});
  return caffe_image_rules(caffe.inputs.at(0), "n.prototxt");
}

/// 4 high, 6 wide; blue is 10 y + x, green 100, red 200.
Image image() {
  Image image{.height = 4, .width = 6, .pixels = {}};
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 6; ++x) {
      for (const int value : {10 * y + x, 100, 200}) image.pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

std::vector<float> blues_of(const Tensor& tensor) {
  std::vector<float> blues;
  for (std::int64_t i = 0; i < tensor.count(); i += tensor.extent(3)) blues.push_back(tensor.data<float>()[static_cast<std::size_t>(i)]);
  return blues;
}

}  // namespace

TEST_CASE("caffe image: the mean of each channel, and the scale", "[caffe]") {
  const Tensor all = caffe_image(image(), rules_of("mean_value: 1 mean_value: 90 mean_value: 100 scale: 0.5"));
  CHECK(all.shape() == Shape{1, 4, 6, 3});
  CHECK(all.data<float>()[0] == -0.5F);
  CHECK(all.data<float>()[1] == 5);
  CHECK(all.data<float>()[2] == 50);
  CHECK(caffe_image(image(), rules_of("mean_value: 100")).data<float>()[2] == 100);
}

TEST_CASE("caffe image: a crop is in the centre in a test, and where it is drawn in training", "[caffe]") {
  const CaffeImageRules rules = rules_of("crop_size: 2 mirror: true");
  CHECK(blues_of(caffe_image(image(), rules)) == std::vector<float>{12, 13, 22, 23});
  CHECK(blues_of(caffe_image(image(), rules, {.mirrored = true})) == std::vector<float>{13, 12, 23, 22});
  CHECK(blues_of(caffe_image(image(), rules, {.phase = Phase::train, .top = 2, .left = 4})) == std::vector<float>{24, 25, 34, 35});
  CHECK_THROWS_WITH(caffe_image(image(), rules, {.phase = Phase::train, .top = 3, .left = 0}),
                    Contains("the corner (3,0) of a crop of 2 lies outside"));
  CHECK_THROWS_WITH(caffe_image(image(), rules_of("crop_size: 5")), Contains("the image is 4x6 but a square of 5 is to be cut out."));
}

TEST_CASE("caffe image: resized between pixel centres, and grey, to whole levels", "[caffe]") {
  const Tensor wide = caffe_image(image(), rules_of("", "new_height: 4 new_width: 12"));
  // column 0 is left of the first centre; column 1 lies a quarter behind it
  const std::vector<float> blues = blues_of(wide);
  CHECK(std::vector<float>(blues.begin(), blues.begin() + 5) == std::vector<float>{0, 0, 1, 1, 2});
  // 5.5 of 0, 1, 10, 11
  CHECK(blues_of(caffe_image(image(), rules_of("", "new_height: 2 new_width: 3")))[0] == 6);
  const Tensor grey = caffe_image(image(), rules_of("", "is_color: false"));
  CHECK(grey.shape() == Shape{1, 4, 6, 1});
  CHECK(grey.data<float>()[0] == 119);  // 118.5 of 0, 100, 200
}

TEST_CASE("caffe image: what is not read is refused", "[caffe]") {
  CHECK_THROWS_WITH(rules_of("mean_file: \"m.binaryproto\""),
                    Contains("n.prototxt: the layer 'd' (ImageData): a mean_file is not subtracted"));
  CHECK_THROWS_WITH(rules_of("mean_value: 1 mean_value: 2"), Contains("it has 2 values of mean_value for 3 channel(s)"));
  CHECK_THROWS_WITH(rules_of("", "new_height: 5"), Contains("expected both new_height and new_width, or neither."));
}

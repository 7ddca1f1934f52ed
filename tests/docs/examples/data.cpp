#include "example.h"

using namespace amnet;

namespace {

void write_picture(const std::filesystem::path& path) {
  const auto file = encode_jpeg(test_images::picture(8, 6), ChannelOrder::rgb, 90);
  examples::write_file(path, {reinterpret_cast<const char*>(file.data()), file.size()});
}

}  // namespace

EXAMPLE("data/image.h") {
  write_picture("faces/ann/01.jpg");
  const std::int64_t y = 7, x = 5;
#include "example_of/data/image.h"
  CHECK((image.height == 8 && image.width == 6));
}

EXAMPLE("data/augment.h") {
  Image image{.height = 8, .width = 6, .pixels = std::vector<std::uint8_t>(8 * 6 * 3, 100)};
#include "example_of/data/augment.h"
  CHECK(image.pixels.size() == 8 * 6 * 3);
}

EXAMPLE("data/image_names.h") {
#include "example_of/data/image_names.h"
  CHECK(kind_of_name("01.JPG") == NameKind::image);
  CHECK(kind_of_name("01.heic") == NameKind::unread);
  CHECK(kind_of_name("._01.jpg") == NameKind::hidden);
}

EXAMPLE("data/image_source.h") {
  write_picture("faces/ann/01.jpg");
#include "example_of/data/image_source.h"
  CHECK(decode_image(file, ChannelOrder::rgb, "01.jpg").width == 6);
}

EXAMPLE("data/sampler.h") {
#include "example_of/data/sampler.h"
  CHECK(sample.image == 2540);
  CHECK(sample.mirror);
}

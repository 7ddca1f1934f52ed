#include <amnet/data/image.h>
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/model/embed.h>
#include <amnet/model/model_file.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "blend.h"
#include "catch.h"
#include "data/test_images.h"
#include "kernels/values.h"

namespace {

using namespace amnet;
using Catch::Matchers::Contains;
using test_images::TemporaryFolder;

constexpr std::int64_t height = 16, width = 12;

/// An RGB picture as PNG, so that every byte is known.
std::string add_picture(const TemporaryFolder& folder, const std::string& name, const Image& image) {
  folder.write(name, test_images::png_of(image));
  return name;
}

std::vector<std::string> some_pictures(const TemporaryFolder& folder, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    names.push_back(add_picture(folder, fmt::format("{}.png", i), test_images::picture(height, width, static_cast<std::uint64_t>(i + 1))));
  }
  return names;
}

/// The pixels in another order within each line: `from(x, channel)` returns the place from which
/// (x, channel) is taken.
template <class From>
Image rearranged(const Image& image, From&& from) {
  Image other = image;
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const auto [source_x, source_c] = from(x, c);
        other.pixels[static_cast<std::size_t>((y * image.width + x) * 3 + c)] =
            image.pixels[static_cast<std::size_t>((y * image.width + source_x) * 3 + source_c)];
      }
    }
  }
  return other;
}
Image mirrored(const Image& image) {
  return rearranged(image, [&](std::int64_t x, std::int64_t c) { return std::pair{image.width - 1 - x, c}; });
}
Image red_and_blue_swapped(const Image& image) {
  return rearranged(image, [](std::int64_t x, std::int64_t c) { return std::pair{x, 2 - c}; });
}

/// A network with weights, and embedders that use them.
struct Known {
  explicit Known(ChannelOrder order = ChannelOrder::bgr)
      : model(face_network({.depth = 4, .width = 0.05, .embedding = 6}, {.height = height, .width = width, .order = order})) {
    model.net.initialise(7);
  }
  Views embed(const TemporaryFolder& folder, const std::vector<std::string>& paths, std::int64_t batch = 64, bool skip = false) {
    Embedder embedder(model.net, model.roles, batch);
    return embedder.embed(device, {.root = folder.path(), .paths = paths, .skip_bad_images = skip});
  }
  Model model;
  Device device = Cpu(2);
};

bool same_bits(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0; }

double distance(const Tensor& a, const Tensor& b) {
  double square = 0;
  for (std::size_t i = 0; i < a.data<float>().size(); ++i) square += std::pow(double{a.data<float>()[i]} - double{b.data<float>()[i]}, 2);
  return std::sqrt(square);
}

}  // namespace

TEST_CASE("embed: with one algorithm the batch size does not change one bit of an embedding", "[embed]") {
  const TemporaryFolder folder;
  Known known;
  known.device = Cpu(2, ConvolutionAlgorithm::winograd_4);
  const std::vector<std::string> paths = some_pictures(folder, 7);
  const Views all = known.embed(folder, paths, 64);
  REQUIRE(all.plain.shape() == Shape{7, 6});
  REQUIRE(all.mirrored.shape() == Shape{7, 6});
  // other pictures, other embeddings
  CHECK(distance(all.plain.slice(0, 1), all.plain.slice(1, 2)) > 1e-6);
  for (const std::int64_t batch : {1, 2, 3, 7}) {
    const Views views = known.embed(folder, paths, batch);
    INFO("batch " << batch);
    CHECK(same_bits(views.plain, all.plain));
    CHECK(same_bits(views.mirrored, all.mirrored));
  }
}

TEST_CASE("embed: the mirrored view is the embedding of the mirrored picture", "[embed]") {
  const TemporaryFolder folder;
  Known known;
  const Image picture = test_images::picture(height, width, 3);
  const Views views = known.embed(folder, {add_picture(folder, "a.png", picture), add_picture(folder, "b.png", mirrored(picture))});
  CHECK(same_bits(views.mirrored.slice(0, 1), views.plain.slice(1, 2)));
  CHECK(same_bits(views.mirrored.slice(1, 2), views.plain.slice(0, 1)));
  CHECK(distance(views.plain.slice(0, 1), views.mirrored.slice(0, 1)) > 1e-6);
}

TEST_CASE("embed: channel order, mean and scale are those that the model states", "[embed]") {
  const TemporaryFolder folder;
  const Image picture = test_images::picture(height, width, 5);
  const std::vector<std::string> paths = {add_picture(folder, "rgb.png", picture),
                                          add_picture(folder, "bgr.png", red_and_blue_swapped(picture))};
  Known bgr(ChannelOrder::bgr), rgb(ChannelOrder::rgb);
  const Views one = bgr.embed(folder, paths), other = rgb.embed(folder, paths);
  CHECK(same_bits(one.plain.slice(0, 1), other.plain.slice(1, 2)));
  CHECK(same_bits(one.plain.slice(1, 2), other.plain.slice(0, 1)));
  CHECK(distance(one.plain.slice(0, 1), one.plain.slice(1, 2)) > 1e-6);

  // With the pixels themselves as features, the exact numbers can be checked.
  const ImageFormat format{.height = height, .width = width, .order = ChannelOrder::rgb, .mean = 100, .scale = 0.5};
  const Views pixels = pixel_views(format, {.root = folder.path(), .paths = paths});
  REQUIRE(pixels.plain.shape() == Shape{2, height * width * 3});
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
    REQUIRE(pixels.plain.data<float>()[i] == (picture.pixels[i] - 100.0F) * 0.5F);
    // a simple baseline
    REQUIRE(pixels.mirrored.data<float>()[i] == pixels.plain.data<float>()[i]);
  }
}

TEST_CASE("embed: a bad picture ends the run by name, or is skipped with its reason and rows of zero", "[embed]") {
  const TemporaryFolder folder;
  Known known;
  std::vector<std::string> paths = some_pictures(folder, 3);
  const Views good = known.embed(folder, paths);
  folder.write("text.png", "not a picture");
  add_picture(folder, "large.png", test_images::picture(height + 1, width));
  for (const std::string& bad : {std::string("text.png"), std::string("large.png"), std::string("absent.png")}) {
    std::vector<std::string> with_bad = paths;
    with_bad.insert(with_bad.begin() + 1, bad);
    INFO(bad);
    CHECK_THROWS_AS(known.embed(folder, with_bad), DataError);
    CHECK_THROWS_WITH(known.embed(folder, with_bad), Contains(bad));
    for (const std::int64_t batch : {1, 2, 64}) {
      const Views views = known.embed(folder, with_bad, batch, true);
      CHECK(views.failed == std::vector<std::uint8_t>{0, 1, 0, 0});
      REQUIRE(views.reasons.size() == 1);
      CHECK_THAT(views.reasons[0], Contains(bad));
      for (const Tensor& rows : {views.plain, views.mirrored}) CHECK(values_of<float>(rows.slice(1, 2)) == std::vector<float>(6));
      CHECK(same_bits(views.plain.slice(0, 1), good.plain.slice(0, 1)));
      CHECK(same_bits(views.plain.slice(2, 4), good.plain.slice(1, 3)));
      CHECK(same_bits(views.mirrored.slice(2, 4), good.mirrored.slice(1, 3)));
    }
  }
  CHECK_THROWS_WITH(known.embed(folder, {"large.png"}), Contains("17x12") && Contains("16x12"));
}

TEST_CASE("embed: an embedding that is not finite is refused with the image and the model", "[embed]") {
  const TemporaryFolder folder;
  Known known;
  const std::vector<std::string> paths = some_pictures(folder, 3);
  known.model.net.visit([](const std::string& name, Parameter& each) {
    if (name == "fc5.bias") each.value.data<float>()[4] = std::numeric_limits<float>::infinity();
  });
  CHECK_THROWS_AS(known.embed(folder, paths), NonFiniteError);
  CHECK_THROWS_WITH(known.embed(folder, paths), Contains("0.png is not finite"));
  save_model(folder.path() / "model.safetensors", known.model.net, known.model.roles);
  Embedder loaded(load_model(folder.path() / "model.safetensors"));
  const std::vector<std::string> names = {"absent.png", "2.png"};
  const EmbedRequest request{
      .root = folder.path(), .paths = names, .where = [](std::size_t i) { return fmt::format("line {}", i); }, .skip_bad_images = true};
  CHECK_THROWS_WITH(loaded.embed(known.device, request), Contains("model.safetensors: ") && Contains("line 1 is not finite"));

  Views large;
  large.plain = large.mirrored = Tensor::of<float>({2, 1}, {1, 3e38F});
  CHECK_THROWS_AS(combine(large, FlipMode::sum), NonFiniteError);
  CHECK(combine(large, FlipMode::concat).shape() == Shape{2, 2});
}

TEST_CASE("embed: one view where only one is asked for, and progress up to the last picture", "[embed]") {
  const TemporaryFolder folder;
  Known known;
  const std::vector<std::string> paths = some_pictures(folder, 5);
  Embedder embedder(known.model.net, known.model.roles, 2);
  std::vector<std::int64_t> done;
  const Views views = embedder.embed(
      known.device, {.root = folder.path(), .paths = paths, .mirrored = false, .progress = [&](std::int64_t now, std::int64_t all) {
                       CHECK(all == 5);
                       done.push_back(now);
                     }});
  CHECK(done == std::vector<std::int64_t>{2, 4, 5});
  CHECK_FALSE(views.mirrored.defined());
  CHECK(same_bits(views.plain, known.embed(folder, paths).plain));
  CHECK(embedder.embed(known.device, {.root = folder.path(), .paths = {}}).plain.shape() == Shape{0, 6});
  const PlanBytes measured = embedder.measure(known.device);
  CHECK(measured.values > 0);
  CHECK(embedder.planned_bytes() == measured.values);
  embedder.measure(known.device);
  // planned again
  CHECK(same_bits(embedder.embed(known.device, {.root = folder.path(), .paths = paths}).plain, views.plain));
}

TEST_CASE("embed: a shared net is seen as it is now, a loaded one as it was", "[embed]") {
  const TemporaryFolder folder;
  Known known;
  const std::vector<std::string> paths = some_pictures(folder, 2);
  save_model(folder.path() / "model.safetensors", known.model.net, known.model.roles);
  Embedder shared(known.model.net, known.model.roles), loaded(load_model(folder.path()));
  const EmbedRequest request{.root = folder.path(), .paths = paths};
  const Tensor before = shared.embed(known.device, request).plain;
  CHECK(same_bits(before, loaded.embed(known.device, request).plain));
  known.model.net.visit([](const std::string& name, Parameter& each) {
    if (name == "fc5.bias") each.value.fill(3);
  });
  const Tensor after = shared.embed(known.device, request).plain;
  CHECK(distance(before, after) > 1);
  CHECK(same_bits(before, loaded.embed(known.device, request).plain));

  Net other;
  other.input("data", {1, 2, 2, 3});
  CHECK_THROWS_AS(Embedder(other, known.model.roles), UsageError);  // has no such embedding
}

TEST_CASE("embed: the number of decoding threads changes nothing, and bad pictures are told in order", "[embed]") {
  const TemporaryFolder folder;
  Known known;
  std::vector<std::string> paths = some_pictures(folder, 23);
  for (const std::size_t at : {20U, 9U, 8U, 1U}) paths[at] = fmt::format("absent_{}.png", at);
  Embedder embedder(known.model.net, known.model.roles, 2);
  EmbedRequest request{.root = folder.path(), .paths = paths, .skip_bad_images = true, .workers = 1};
  const Views alone = embedder.embed(known.device, request);
  const std::vector<std::string> names = {"absent_1.png", "absent_8.png", "absent_9.png", "absent_20.png"};
  const auto are_told = [&](const Views& views) {
    return std::ranges::equal(views.reasons, names,
                              [](const std::string& reason, const std::string& name) { return reason.find(name) != std::string::npos; });
  };
  CHECK(are_told(alone));
  for (const int workers : {2, 7}) {
    INFO(workers);
    request.workers = workers;
    request.skip_bad_images = true;
    const Views views = embedder.embed(known.device, request);
    CHECK(same_bits(views.plain, alone.plain));
    CHECK(same_bits(views.mirrored, alone.mirrored));
    CHECK(views.failed == alone.failed);
    CHECK(views.reasons == alone.reasons);
    const ImageFormat format = known.model.roles.image->format;
    CHECK(pixel_views(format, request).reasons == alone.reasons);
    request.skip_bad_images = false;
    for (int i = 0; i < 5; ++i) CHECK_THROWS_WITH(embedder.embed(known.device, request), Contains("absent_1.png"));
    CHECK_THROWS_WITH(pixel_views(format, request), Contains("absent_1.png"));
  }
  request.workers = 0;
  CHECK_THROWS_AS(embedder.embed(known.device, request), UsageError);
  CHECK(embedder.decoded_bytes(4, 2) == 2 * 2 * 16 * 12 * 3);  // no more batches than exist
  // one for each worker, one that waits, one in use
  CHECK(embedder.decoded_bytes(50, 2) == 4 * 2 * 16 * 12 * 3);
}

TEST_CASE("embed: a model embeds with its own layer types, from a training graph, and in the dtype of the device", "[embed]") {
  const TemporaryFolder folder;
  const std::vector<std::string> paths = some_pictures(folder, 3);
  Device device = Cpu(1);
  Model model;
  model.net = Net(DType::f64);
  const Value images = model.net.input("pixels", {1, height, width, 3});
  const Value mixed = model.net.add("mix", Blend({.inner = {.weight = 0.25}}), {images});
  model.net.add("features", FullyConnected({.outputs = 4}), {model.net.add("flat", Flatten(), {mixed})});
  model.roles = {.image = ImageRole{.input = "pixels", .format = {.height = height, .width = width}}, .embedding = "features"};
  add_head(model, {.classes = 3});
  model.net.initialise(5);
  model.own = {own[0]};
  save_model(folder.path() / "model.safetensors", model.net, model.roles);
  Embedder whole(std::move(model)), part(load_model(folder.path(), {.until = Until::embedding, .own = own}));
  CHECK(whole.size() == 4);
  CHECK(whole.format().width == width);
  const EmbedRequest request{.root = folder.path(), .paths = paths};
  const Views views = whole.embed(device, request);
  CHECK(same_bits(views.plain, part.embed(device, request).plain));
  CHECK(distance(views.plain, views.mirrored) > 1e-3);

  const Known known;
  const auto refused = [&](const std::function<void(Roles&)>& change, const std::string& sentence) {
    Roles roles = known.model.roles;
    change(roles);
    CHECK_THROWS_AS(Embedder(known.model.net, roles), UsageError);
    CHECK_THROWS_WITH(Embedder(known.model.net, roles), Contains(sentence));
  };
  refused([](Roles& roles) { roles.embedding.clear(); }, "the model's roles do not name its embedding");
  refused([](Roles& roles) { roles.image.reset(); }, "the model's roles do not name the input that takes images");
  refused([](Roles& roles) { roles.embedding = "conv1_1"; }, "expected an embedding (N,D) but 'conv1_1' is (1,8,6,3)");
  refused([](Roles& roles) { roles.image->format.height = 12; }, "the role 'image' says (N,12,12,3)");
}

TEST_CASE("combine: none, sum and concat, with and without length 1", "[embed]") {
  const Views views{.plain = Tensor::of<float>({3, 2}, {3, 4, 1, -1, 0, 0}),
                    .mirrored = Tensor::of<float>({3, 2}, {5, 2, -1, 1, 0, 0}),
                    .failed = {},
                    .reasons = {}};
  CHECK(values_of<float>(combine(views, FlipMode::none)) == std::vector<float>{3, 4, 1, -1, 0, 0});
  CHECK(values_of<float>(combine(views, FlipMode::sum)) == std::vector<float>{8, 6, 0, 0, 0, 0});
  const Tensor concat = combine(views, FlipMode::concat);
  CHECK(concat.shape() == Shape{3, 4});
  CHECK(values_of<float>(concat) == std::vector<float>{3, 4, 5, 2, 1, -1, -1, 1, 0, 0, 0, 0});
  // Two views that cancel, and a picture that failed, have no direction: zeros, not NaN.
  CHECK(values_of<float>(combine(views, FlipMode::sum, true)) == std::vector<float>{0.8F, 0.6F, 0, 0, 0, 0});
  CHECK(values_of<float>(combine(views, FlipMode::concat, true).slice(1, 2)) == std::vector<float>{0.5F, -0.5F, -0.5F, 0.5F});
  // the input is unchanged
  CHECK(values_of<float>(views.plain) == std::vector<float>{3, 4, 1, -1, 0, 0});

  const Views one{.plain = views.plain, .mirrored = {}, .failed = {}, .reasons = {}};
  CHECK(values_of<float>(combine(one, FlipMode::none, true).slice(0, 1)) == std::vector<float>{0.6F, 0.8F});
  CHECK_THROWS_WITH(combine(one, FlipMode::sum), Contains("flip sum needs the mirrored view"));
  CHECK_THROWS_AS(combine(one, FlipMode::concat), UsageError);

  for (const FlipMode flip : {FlipMode::none, FlipMode::sum, FlipMode::concat}) CHECK(find_named<FlipMode>(name_of(flip)) == flip);
  CHECK_THROWS_WITH(named<FlipMode>("both", "[embed] flip"), "[embed] flip: expected 'none', 'sum' or 'concat' but got 'both'.");
}

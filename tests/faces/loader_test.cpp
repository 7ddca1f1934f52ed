#include <amnet/data/sampler.h>
#include <amnet/faces/loader.h>

#include "catch.h"
#include "data/test_images.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <thread>

using namespace amnet;
using test_images::TemporaryFolder;

namespace {

constexpr ImageFormat small{.height = 8, .width = 6};

/// `images` decodable images of three per identity, all different.
FaceList write_faces(const TemporaryFolder& folder, int images) {
  for (int i = 0; i < images; ++i) {
    const Image image = test_images::picture(small.height, small.width, static_cast<std::uint64_t>(i) + 1);
    folder.write("p" + std::to_string(10 + i / 3) + "/" + std::to_string(10 + i) + ".png", test_images::png_of(image));
  }
  return list_folder(folder.path());
}

std::vector<std::uint8_t> all_bytes(const FaceBatch& batch) {
  std::vector<std::uint8_t> bytes;
  for (const Tensor* tensor : {&batch.pixels, &batch.mirrored, &batch.labels}) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(tensor->raw());
    bytes.insert(bytes.end(), begin, begin + tensor->size_bytes());
  }
  return bytes;
}

LoaderOptions options_for(int workers) { return {.batch = 5, .format = small, .seed = 7, .workers = workers, .queue = 3}; }

std::string message_of(Loader& loader) {
  try {
    for (int i = 0; i < 100; ++i) loader.next();
  } catch (const DataError& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("sampler: each image once per epoch, in another order each time", "[sampler]") {
  Sampler sampler({.images = 101, .seed = 5});
  std::vector<std::vector<std::int64_t>> epochs(3);
  int mirrored = 0;
  for (std::int64_t s = 0; s < 303; ++s) {
    const Sample sample = sampler.at(s);
    epochs[static_cast<std::size_t>(s / 101)].push_back(sample.image);
    mirrored += sample.mirror ? 1 : 0;
  }
  for (const auto& epoch : epochs) CHECK(std::set<std::int64_t>(epoch.begin(), epoch.end()).size() == 101);
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[1] != epochs[2]);
  CHECK((mirrored > 100 && mirrored < 200));
  CHECK_THROWS_AS(Sampler({.images = 0}), UsageError);
}

TEST_CASE("sampler: a sample is a function of seed and number", "[sampler]") {
  Sampler forward({.images = 50, .seed = 9});
  std::vector<Sample> samples;
  for (std::int64_t s = 0; s < 150; ++s) samples.push_back(forward.at(s));
  Sampler backward({.images = 50, .seed = 9});
  Sampler other({.images = 50, .seed = 10});
  int same = 0;
  for (std::int64_t s = 149; s >= 0; --s) {
    const Sample& expected = samples[static_cast<std::size_t>(s)];
    const Sample sample = backward.at(s);
    REQUIRE((sample.image == expected.image && sample.mirror == expected.mirror));
    same += other.at(s).image == expected.image ? 1 : 0;
  }
  CHECK(same < 15);
  Sampler plain({.images = 50, .seed = 9, .shuffle = false, .mirror = false});
  for (std::int64_t s = 0; s < 150; ++s) REQUIRE((plain.at(s).image == s % 50 && !plain.at(s).mirror));
}

TEST_CASE("sampler: an image is mirrored in about half of the epochs", "[sampler]") {
  Sampler sampler({.images = 20, .seed = 3});
  std::vector<int> mirrored(20);
  for (std::int64_t s = 0; s < 20 * 200; ++s) {
    const Sample sample = sampler.at(s);
    mirrored[static_cast<std::size_t>(sample.image)] += sample.mirror ? 1 : 0;
  }
  for (const int count : mirrored) CHECK((count > 65 && count < 135));  // 5 standard deviations
}

TEST_CASE("sampler: all first places are equally likely", "[sampler]") {
  std::vector<int> counts(8);
  Sampler sampler({.images = 8, .seed = 2});
  for (std::int64_t epoch = 0; epoch < 8000; ++epoch) ++counts[static_cast<std::size_t>(sampler.at(epoch * 8).image)];
  double chi_squared = 0;
  for (const int count : counts) chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  CHECK(chi_squared < 24.3);  // 7 degrees of freedom, 0.1 %
}

namespace {

/// People with these numbers of images, whose images are not together.
std::vector<std::int64_t> mixed_people(const std::vector<int>& images) {
  std::vector<std::int64_t> people;
  for (int round = 0; round < *std::ranges::max_element(images); ++round) {
    for (std::size_t person = 0; person < images.size(); ++person) {
      if (round < images[person]) people.push_back(10 * static_cast<std::int64_t>(person));
    }
  }
  return people;
}

}  // namespace

TEST_CASE("sampler: balanced people come equally often, and all images of each before one again", "[sampler]") {
  const std::vector<std::int64_t> people = mixed_people({1, 2, 7, 30, 60});  // 100 images
  Sampler sampler({.images = 100, .seed = 5, .people = people});
  std::vector<std::vector<std::int64_t>> drawn(5);  // of each person
  std::vector<std::vector<std::size_t>> epochs;
  for (std::int64_t s = 0; s < 700; ++s) {
    const Sample sample = sampler.at(s);
    const auto person = static_cast<std::size_t>(people[static_cast<std::size_t>(sample.image)] / 10);
    if (s % 100 == 0) epochs.emplace_back(5);
    ++epochs.back()[person];
    CHECK(sample.round == std::ranges::count(drawn[person], sample.image));
    drawn[person].push_back(sample.image);
    const auto counts = [&](const auto& a, const auto& b) { return a.size() < b.size(); };
    const auto [least, most] = std::ranges::minmax_element(drawn, counts);
    REQUIRE(most->size() - least->size() <= 1);
  }
  for (const auto& epoch : epochs) CHECK(epoch == std::vector<std::size_t>(5, 20));
  std::set<std::vector<std::int64_t>> turns;
  for (std::int64_t turn = 0; turn < 20; ++turn) {
    std::vector<std::int64_t> order;
    for (std::int64_t n = 5 * turn; n < 5 * turn + 5; ++n) order.push_back(people[static_cast<std::size_t>(sampler.at(n).image)]);
    turns.insert(order);
  }
  CHECK(turns.size() > 15);  // of the 120 orders of five
  const std::vector<std::size_t> images = {1, 2, 7, 30, 60};
  for (std::size_t person = 0; person < 5; ++person) {
    for (std::size_t first = 0; first + images[person] <= 140; first += images[person]) {
      const auto begin = drawn[person].begin() + static_cast<std::ptrdiff_t>(first);
      const std::set<std::int64_t> round(begin, begin + static_cast<std::ptrdiff_t>(images[person]));
      REQUIRE(round.size() == images[person]);
    }
  }
  const auto round_of = [&](std::ptrdiff_t round) {
    return std::vector(drawn[3].begin() + 30 * round, drawn[3].begin() + 30 * (round + 1));
  };
  CHECK(round_of(0) != round_of(1));
  // where the people do not divide the epoch, they are less than two away from the mean in it
  Sampler uneven({.images = 11, .seed = 1, .people = mixed_people({1, 4, 6})});
  for (std::int64_t epoch = 0; epoch < 30; ++epoch) {
    std::vector<int> counts(11);
    for (std::int64_t n = 0; n < 11; ++n) ++counts[static_cast<std::size_t>(uneven.at(epoch * 11 + n).image)];
    CHECK(std::abs(counts[0] - 11.0 / 3) < 2);  // the person of one image
  }
}

TEST_CASE("sampler: a balanced sample is a function of seed and number", "[sampler]") {
  const std::vector<std::int64_t> people = mixed_people({3, 1, 9, 9});
  Sampler forward({.images = 22, .seed = 9, .people = people});
  std::vector<Sample> samples;
  for (std::int64_t s = 0; s < 300; ++s) samples.push_back(forward.at(s));
  Sampler backward({.images = 22, .seed = 9, .people = people});
  Sampler other({.images = 22, .seed = 10, .people = people});
  int same = 0;
  for (std::int64_t s = 299; s >= 0; --s) {
    const Sample& expected = samples[static_cast<std::size_t>(s)];
    const Sample sample = backward.at(s);
    REQUIRE((sample.image == expected.image && sample.round == expected.round && sample.mirror == expected.mirror));
    REQUIRE(sample.mirror == is_mirrored(9, sample.round, sample.image));
    same += other.at(s).image == expected.image ? 1 : 0;
  }
  CHECK(same < 80);
  CHECK_THROWS_WITH(Sampler({.images = 21, .people = people}), "[sampler] expected the person of each of 21 images but got 22.");
  CHECK_THROWS_AS(Sampler({.images = 22, .shuffle = false, .people = people}), UsageError);
}

TEST_CASE("loader: a batch holds the images, labels and flags it says", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  Loader loader(list, options_for(2));
  Sampler sampler({.images = 13, .seed = 7});
  for (std::int64_t b = 0; b < 6; ++b) {
    const FaceBatch batch = loader.next();
    CHECK(batch.first_sample == b * 5);
    REQUIRE(batch.pixels.shape() == Shape{5, 8, 6, 3});
    REQUIRE(batch.indices.size() == 5);
    for (std::int64_t n = 0; n < 5; ++n) {
      const auto at = static_cast<std::size_t>(n);
      const Sample sample = sampler.at(b * 5 + n);
      REQUIRE(batch.indices[at] == sample.image);
      CHECK(batch.labels.data<std::int64_t>()[at] == sample.image / 3);
      CHECK((batch.mirrored.data<std::uint8_t>()[at] != 0) == sample.mirror);
      const Image image = read_image(list.file(sample.image), ChannelOrder::bgr);
      const auto pixels = batch.pixels.slice(n, n + 1).data<std::uint8_t>();
      CHECK(std::equal(pixels.begin(), pixels.end(), image.pixels.begin()));
    }
  }
  CHECK(loader.wait_seconds() > 0);
  CHECK(loader.bad_images().empty());
}

TEST_CASE("loader: the bytes do not depend on the number of workers, also across resumes", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  std::vector<std::vector<std::uint8_t>> expected;
  std::vector<std::int64_t> seen(13);
  {
    Loader loader(list, options_for(1));
    for (int b = 0; b < 26; ++b) {  // 10 epochs
      const FaceBatch batch = loader.next();
      expected.push_back(all_bytes(batch));
      for (const std::int64_t image : batch.indices) ++seen[static_cast<std::size_t>(image)];
    }
  }
  CHECK(seen == std::vector<std::int64_t>(13, 10));
  CHECK(expected[0] != expected[1]);
  for (const int workers : {2, 8}) {
    Loader loader(list, options_for(workers));
    for (const auto& bytes : expected) REQUIRE(all_bytes(loader.next()) == bytes);
  }
  std::size_t b = 0;
  // stopped and resumed every 6 batches, in the middle of epochs
  for (const int workers : {8, 1, 2, 3}) {
    LoaderOptions options = options_for(workers);
    options.first_sample = static_cast<std::int64_t>(b) * options.batch;
    Loader loader(list, options);
    for (const std::size_t end = b + 6; b < end; ++b) REQUIRE(all_bytes(loader.next()) == expected[b]);
  }
}

TEST_CASE("loader: augmented and balanced batches do not depend on the workers either, also across resumes", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  LoaderOptions options = options_for(1);
  options.augmentation = augmentation_of(Augment::strong);
  options.sampling = Sampling::balanced;
  std::vector<std::vector<std::uint8_t>> expected;
  Loader first(list, options);
  Sampler sampler({.images = 13, .seed = 7, .people = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4}});
  int changed = 0;
  for (std::int64_t b = 0; b < 26; ++b) {
    const FaceBatch batch = first.next();
    expected.push_back(all_bytes(batch));
    for (std::int64_t n = 0; n < 5; ++n) {
      const Sample sample = sampler.at(b * 5 + n);
      REQUIRE(batch.indices[static_cast<std::size_t>(n)] == sample.image);
      Image image = read_image(list.file(sample.image), ChannelOrder::bgr);
      const std::vector<std::uint8_t> before = image.pixels;
      augment(image, ChannelOrder::bgr,
              draw_augmentation(options.augmentation, {.seed = 7, .round = sample.round, .image = sample.image}, image));
      const auto pixels = batch.pixels.slice(n, n + 1).data<std::uint8_t>();
      REQUIRE(std::equal(pixels.begin(), pixels.end(), image.pixels.begin()));
      changed += image.pixels != before ? 1 : 0;
    }
  }
  CHECK(changed > 100);
  for (const int workers : {4, 1}) {
    options.workers = workers;
    options.first_sample = 0;
    Loader whole(list, options);
    for (const auto& bytes : expected) REQUIRE(all_bytes(whole.next()) == bytes);
    options.first_sample = 7 * 5;
    Loader resumed(list, options);
    for (std::size_t b = 7; b < expected.size(); ++b) REQUIRE(all_bytes(resumed.next()) == expected[b]);
  }
  options.augmentation.rotation = 90;
  CHECK_THROWS_AS(Loader(list, options), UsageError);
  options.augmentation = augmentation_of(Augment::light);
  options.stand_ins = std::make_shared<std::vector<std::int64_t>>(13);
  CHECK_THROWS_AS(Loader(list, options), UsageError);
}

TEST_CASE("loader: a batch may be larger than the set", "[loader]") {
  const TemporaryFolder folder;
  Loader loader(write_faces(folder, 3), {.batch = 8, .format = small});
  const FaceBatch batch = loader.next();
  CHECK(std::set<std::int64_t>(batch.indices.begin(), batch.indices.begin() + 3).size() == 3);
  CHECK(std::set<std::int64_t>(batch.indices.begin() + 3, batch.indices.begin() + 6).size() == 3);
}

TEST_CASE("loader: a bad image ends the run at its batch, with its line", "[loader]") {
  const TemporaryFolder folder;
  write_faces(folder, 9);
  folder.write("p11/14.png", "not an image");
  const auto list_file = folder.write("list.txt", "p10/10.png 0\np10/11.png 0\np10/12.png 0\np11/13.png 1\np11/14.png 1\np11/15.png 1\n");
  const FaceList list = read_face_list(list_file, folder.path());
  for (const int workers : {1, 8}) {
    Loader loader(list, {.batch = 2, .format = small, .shuffle = false, .workers = workers, .queue = 2});
    CHECK(loader.next().indices == std::vector<std::int64_t>{0, 1});
    CHECK(loader.next().indices == std::vector<std::int64_t>{2, 3});
    const std::string what = message_of(loader);
    CHECK(what.starts_with(list_file.string() + ":5: "));
    CHECK(what.find("p11/14.png is not an image") != std::string::npos);
    CHECK(message_of(loader) == what);  // and repeats the message
  }
}

TEST_CASE("loader: skipped images are replaced and reported, whatever the number of workers", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  folder.write("p10/12.png", "");
  folder.write("p11/13.png", test_images::png_of(test_images::picture(9, 6)));
  std::filesystem::remove(list.file(12));
  std::vector<std::vector<std::uint8_t>> expected;
  for (const int workers : {1, 2, 8}) {
    LoaderOptions options = options_for(workers);
    options.bad_images = BadImages::skip;
    std::vector<std::int64_t> told;
    options.on_bad_image = [&](const BadImage& bad) { told.push_back(bad.image); };
    Loader loader(list, options);
    std::vector<std::int64_t> seen(13);
    for (std::size_t b = 0; b < 26; ++b) {  // 10 epochs
      const FaceBatch batch = loader.next();
      for (const std::int64_t image : batch.indices) ++seen[static_cast<std::size_t>(image)];
      for (std::size_t n = 0; n < 5; ++n) REQUIRE(batch.labels.data<std::int64_t>()[n] == list.label(batch.indices[n]));
      if (workers == 1) expected.push_back(all_bytes(batch));
      REQUIRE(all_bytes(batch) == expected[b]);
    }
    // 2 and 3 are bad and replaced by 4, 12 by 0.
    CHECK(seen == std::vector<std::int64_t>{20, 10, 0, 0, 30, 10, 10, 10, 10, 10, 10, 10, 0});
    REQUIRE(loader.bad_images().size() == 3);
    CHECK(told.size() == 3);
    CHECK(std::set<std::int64_t>(told.begin(), told.end()) == std::set<std::int64_t>{2, 3, 12});
    for (const BadImage& bad : loader.bad_images()) {
      const std::string reason = bad.image == 2 ? "is empty" : bad.image == 3 ? "is 9x6 pixels" : "is not there";
      CHECK(bad.reason.find(reason) != std::string::npos);
    }
  }
}

TEST_CASE("loader: batches whose pixels somebody holds are the same but for them", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  folder.write("p10/12.png", "");
  folder.write("p11/13.png", test_images::png_of(test_images::picture(9, 6)));
  std::filesystem::remove(list.file(12));
  for (const int workers : {1, 3}) {
    const Tensor held({13, small.height, small.width, 3}, DType::u8);
    auto stand_ins = std::make_shared<std::vector<std::int64_t>>();
    std::vector<std::int64_t> told;
    const ReadOptions reading{
        .batch = 4, .format = small, .workers = workers, .bad_images = BadImages::skip, .on_bad_image = [&](const BadImage& bad) {
          told.push_back(bad.image);
        }};
    for_each_batch(list, reading, [&](const FaceBatch& batch) {
      held.slice(batch.first_sample, batch.first_sample + batch.labels.count()).copy_from(batch.pixels);
      stand_ins->insert(stand_ins->end(), batch.indices.begin(), batch.indices.end());
    });
    CHECK(told == std::vector<std::int64_t>{2, 3, 12});  // in the list's order, each once
    CHECK(*stand_ins == std::vector<std::int64_t>{0, 1, 4, 4, 4, 5, 6, 7, 8, 9, 10, 11, 0});

    LoaderOptions options = options_for(workers);
    options.bad_images = BadImages::skip;
    Loader reader(list, options);
    options.stand_ins = stand_ins;
    Loader namer(list, options);
    for (int b = 0; b < 26; ++b) {  // 10 epochs
      const FaceBatch full = reader.next();
      FaceBatch named = namer.next();
      CHECK_FALSE(named.pixels.defined());
      CHECK((named.indices == full.indices && named.first_sample == full.first_sample));
      named.pixels = Tensor(full.pixels.shape(), DType::u8);
      for (std::int64_t n = 0; n < 5; ++n) {
        const std::int64_t image = named.indices[static_cast<std::size_t>(n)];
        named.pixels.slice(n, n + 1).copy_from(held.slice(image, image + 1));
      }
      REQUIRE(all_bytes(named) == all_bytes(full));
    }
    CHECK(namer.bad_images().empty());
  }
  LoaderOptions options = options_for(1);
  CHECK(Loader::bytes_of(options, 2) == 2 * 5 * (8 * 6 * 3 + 9));
  options.stand_ins = std::make_shared<std::vector<std::int64_t>>(12);
  CHECK(Loader::bytes_of(options, 2) == 2 * 5 * 9);
  CHECK_THROWS_WITH(Loader(list, options), "[loader] expected a stand-in for each of 13 images but got 12.");
}

TEST_CASE("loader: too many bad images, or none that is good, end the run", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 6);
  folder.write("p10/10.png", "x");
  folder.write("p10/11.png", "x");
  LoaderOptions options = options_for(2);
  options.bad_images = BadImages::skip;
  options.max_bad_share = 0.2;
  Loader strict(list, options);
  CHECK(message_of(strict).starts_with("2 of 6 images are bad"));
  options.max_bad_share = 0.34;
  Loader lenient(list, options);
  CHECK(message_of(lenient) == "nothing");
  for (std::int64_t i = 0; i < list.size(); ++i) std::filesystem::remove(list.file(i));
  options.max_bad_share = 1;
  Loader hopeless(list, options);
  CHECK(message_of(hopeless).starts_with("not one of the 6 images can be used"));
}

TEST_CASE("loader: stops at once, with a full queue and without one", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) {
    Loader loader(list, options_for(1 + i % 8));
    if (i % 3 == 1) loader.next();
    // long enough to fill the queue
    if (i % 50 == 2) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
}

TEST_CASE("loader: options out of range are refused", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 3);
  CHECK_THROWS_AS(Loader(FaceList(), options_for(1)), UsageError);
  CHECK_THROWS_AS(Loader(list, {.batch = 0}), UsageError);
  CHECK_THROWS_AS(Loader(list, {.workers = 0}), UsageError);
  CHECK_THROWS_AS(Loader(list, {.queue = 0}), UsageError);
  CHECK_THROWS_AS(Loader(list, {.first_sample = -1}), UsageError);
  CHECK_THROWS_AS(Loader(list, {.max_bad_share = 1.5}), UsageError);
  CHECK_THROWS_AS(Loader(list, {.format = {.height = 0}}), UsageError);
}

TEST_CASE("loader: for_each_batch gives a list in its order, the last batch small", "[loader]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  for (const int workers : {1, 3}) {
    std::vector<std::int64_t> order;
    std::vector<std::int64_t> sizes;
    for_each_batch(list, {.batch = 5, .format = small, .workers = workers}, [&](const FaceBatch& batch) {
      CHECK(batch.first_sample == static_cast<std::int64_t>(order.size()));
      sizes.push_back(batch.pixels.extent(0));
      order.insert(order.end(), batch.indices.begin(), batch.indices.end());
      for (const std::uint8_t flag : batch.mirrored.data<std::uint8_t>()) CHECK(flag == 0);
    });
    CHECK(sizes == std::vector<std::int64_t>{5, 5, 3});
    for (std::int64_t i = 0; i < 13; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  }
  struct Stop {};
  CHECK_THROWS_AS(for_each_batch(list, {.batch = 2, .format = small}, [](const FaceBatch&) { throw Stop(); }), Stop);
  std::filesystem::remove(list.file(12));
  CHECK_THROWS_AS(for_each_batch(list, {.batch = 5, .format = small}, [](const FaceBatch&) {}), DataError);
  for_each_batch(FaceList(), {.format = small}, [](const FaceBatch&) { FAIL("an empty list has no batches"); });
}

#include <amnet/faces/loader.h>

#include "data/pipeline.h"
#include "read_face.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <unordered_set>

namespace amnet {
namespace {

struct Decoded {
  FaceBatch batch;
  std::vector<BadImage> bad;  // found while decoding it
};

/// What to put into a batch, and how.
struct BatchPlan {
  std::int64_t first_sample;
  std::vector<Sample> samples;
};

/// How the images of a batch are made.
struct Reading {
  ImageFormat format;
  BadImages bad_images;
  Augmentation augmentation = {};
  std::uint64_t seed = 0;  // of the augmentation
};

struct Face {
  std::int64_t index;  // in the list
  Image image;
};

/// Decodes image `image`, or with skip the next good one after it.
Face decode_or_replace(const FaceList& list, std::int64_t image, const Reading& reading, std::vector<std::byte>& buffer,
                       std::vector<BadImage>& bad) {
  for (std::int64_t tried = 0; tried < list.size(); ++tried) {
    const std::int64_t candidate = (image + tried) % list.size();
    try {
      return {candidate, read_face(list, candidate, reading.format, buffer)};
    } catch (const DataError& error) {
      if (reading.bad_images == BadImages::fail) throw;
      bad.push_back({candidate, error.what()});
    }
  }
  throw DataError(fmt::format("not one of the {} images can be used; the first: {}", list.size(), bad.front().reason));
}

/// A batch with room for all but the pixels.
FaceBatch empty_batch(const BatchPlan& plan) {
  const auto count = static_cast<std::int64_t>(plan.samples.size());
  return {.pixels = {},
          .mirrored = Tensor({count}, DType::u8),
          .labels = Tensor({count}, DType::i64),
          .indices = std::vector<std::int64_t>(plan.samples.size()),
          .first_sample = plan.first_sample};
}

/// Image `image` as sample n.
void put_sample(FaceBatch& batch, std::size_t n, std::int64_t image, bool mirror, const FaceList& list) {
  batch.indices[n] = image;
  batch.mirrored.data<std::uint8_t>()[n] = mirror ? 1 : 0;
  batch.labels.data<std::int64_t>()[n] = list.label(image);
}

Decoded decode_batch(const FaceList& list, const Reading& reading, const BatchPlan& plan, const std::stop_token& stop) {
  Decoded decoded{.batch = empty_batch(plan), .bad = {}};
  FaceBatch& batch = decoded.batch;
  batch.pixels = Tensor({batch.labels.extent(0), reading.format.height, reading.format.width, 3}, DType::u8);
  const auto image_bytes = static_cast<std::size_t>(batch.pixels.shape().count_from(1));
  const auto pixels = batch.pixels.data<std::uint8_t>();
  for (const Sample& sample : plan.samples) list.images(sample.image).prefetch(list.path(sample.image));
  std::vector<std::byte> buffer;
  for (std::size_t n = 0; n < plan.samples.size() && !stop.stop_requested(); ++n) {
    const Sample& sample = plan.samples[n];
    Face face = decode_or_replace(list, sample.image, reading, buffer, decoded.bad);
    const AugmentationKey key{.seed = reading.seed, .round = sample.round, .image = sample.image};
    augment(face.image, reading.format.order, draw_augmentation(reading.augmentation, key, face.image));
    std::ranges::copy(face.image.pixels, pixels.subspan(n * image_bytes, image_bytes).begin());
    put_sample(batch, n, face.index, sample.mirror, list);
  }
  return decoded;
}

/// The batch of images whose pixels are held elsewhere.
Decoded name_batch(const FaceList& list, const std::vector<std::int64_t>& stand_ins, const BatchPlan& plan) {
  Decoded named{.batch = empty_batch(plan), .bad = {}};
  for (std::size_t n = 0; n < plan.samples.size(); ++n) {
    const Sample& sample = plan.samples[n];
    put_sample(named.batch, n, stand_ins[static_cast<std::size_t>(sample.image)], sample.mirror, list);
  }
  return named;
}

/// Of each image its person, for a balanced order.
std::vector<std::int64_t> people_of(const FaceList& list, Sampling sampling) {
  std::vector<std::int64_t> people;
  if (sampling == Sampling::shuffle) return people;
  people.reserve(static_cast<std::size_t>(list.size()));
  for (std::int64_t i = 0; i < list.size(); ++i) people.push_back(list.label(i));
  return people;
}

void check_options(const LoaderOptions& options) {
  check_image_format(options.format);
  check_augmentation(options.augmentation);
  require(options.batch >= 1 && options.batch <= 1 << 20, "[loader] expected a batch from 1 to {} but got {}.", 1 << 20, options.batch);
  require(options.queue <= 1 << 16, "[loader] expected a queue of at most {} batches but got {}.", 1 << 16, options.queue);
  require(options.first_sample >= 0, "[loader] expected a first sample >= 0 but got {}.", options.first_sample);
  require(options.max_bad_share >= 0 && options.max_bad_share <= 1, "[loader] expected a share of bad images in [0,1] but got {}.",
          options.max_bad_share);
}

}  // namespace

struct Loader::State {
  State(FaceList faces, const LoaderOptions& given)
      : options(given),
        list(std::move(faces)),
        sampler({.images = list.size(),
                 .seed = options.seed,
                 .shuffle = options.shuffle,
                 .mirror = options.mirror,
                 .people = people_of(list, options.sampling)}),
        pipeline(options.workers, options.queue, -1, [this](std::int64_t number) { return plan(number); }) {}

  Pipeline<Decoded>::Job plan(std::int64_t number) {
    BatchPlan plan{.first_sample = options.first_sample + number * options.batch, .samples = {}};
    for (std::int64_t n = 0; n < options.batch; ++n) plan.samples.push_back(sampler.at(plan.first_sample + n));
    return [this, plan = std::move(plan)](const std::stop_token& stop) {
      if (options.stand_ins) return name_batch(list, *options.stand_ins, plan);
      return decode_batch(list, {options.format, options.bad_images, options.augmentation, options.seed}, plan, stop);
    };
  }

  void note(BadImage bad) {
    if (!known_bad.insert(bad.image).second) return;
    if (options.on_bad_image) options.on_bad_image(bad);
    all_bad.push_back(std::move(bad));
    const auto count = static_cast<double>(all_bad.size());
    require<DataError>(count <= options.max_bad_share * static_cast<double>(list.size()),
                       "{} of {} images are bad, more than the share of {} that was allowed; the last: {}", all_bad.size(), list.size(),
                       options.max_bad_share, all_bad.back().reason);
  }

  const LoaderOptions options;
  const FaceList list;
  Sampler sampler;  // used by plan() alone
  std::vector<BadImage> all_bad;
  std::unordered_set<std::int64_t> known_bad;
  double waited = 0;
  Pipeline<Decoded> pipeline;  // last: its threads end before what they use
};

Loader::Loader(FaceList list, const LoaderOptions& options) {
  check_options(options);
  require(!list.empty(), "[loader] expected at least one image but the list is empty.");
  require(!options.stand_ins || static_cast<std::int64_t>(options.stand_ins->size()) == list.size(),
          "[loader] expected a stand-in for each of {} images but got {}.", list.size(), options.stand_ins ? options.stand_ins->size() : 0);
  require(!options.stand_ins || options.augmentation == Augmentation(),
          "[loader] expected no augmentation of images that are held elsewhere, whose pixels stay the same; leave one of the two out.");
  state_ = std::make_unique<State>(std::move(list), options);
}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

FaceBatch Loader::next() {
  const auto before = std::chrono::steady_clock::now();
  std::optional<Decoded> decoded = state_->pipeline.next();
  state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  for (BadImage& bad : decoded->bad) state_->note(std::move(bad));
  return std::move(decoded->batch);
}

const FaceList& Loader::list() const { return state_->list; }
const std::vector<BadImage>& Loader::bad_images() const { return state_->all_bad; }
double Loader::wait_seconds() const { return state_->waited; }

std::int64_t Loader::bytes_of(const LoaderOptions& options, std::int64_t batches) {
  const std::int64_t label_and_flag = 9;
  const std::int64_t pixels = options.stand_ins ? 0 : options.format.height * options.format.width * 3;
  return batches * options.batch * (pixels + label_and_flag);
}

void for_each_batch(const FaceList& list, const ReadOptions& options, const std::function<void(const FaceBatch&)>& body) {
  check_options({.batch = options.batch, .format = options.format});
  const std::int64_t batches = (list.size() + options.batch - 1) / options.batch;
  Pipeline<Decoded> pipeline(options.workers, options.workers + 1, batches, [&](std::int64_t number) {
    BatchPlan plan{.first_sample = number * options.batch, .samples = {}};
    const std::int64_t end = std::min(list.size(), plan.first_sample + options.batch);
    for (std::int64_t image = plan.first_sample; image < end; ++image)
      plan.samples.push_back({.image = image, .round = 0, .mirror = false});
    return [&, plan = std::move(plan)](const std::stop_token& stop) {
      return decode_batch(list, {options.format, options.bad_images}, plan, stop);
    };
  });
  // an image is found again where it could have replaced another
  std::unordered_set<std::int64_t> told;
  while (const std::optional<Decoded> decoded = pipeline.next()) {
    for (const BadImage& bad : decoded->bad) {
      if (told.insert(bad.image).second && options.on_bad_image) options.on_bad_image(bad);
    }
    body(decoded->batch);
  }
}

}  // namespace amnet

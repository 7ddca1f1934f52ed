#include <amnet/data/image.h>
#include <amnet/kernels/image_input.h>
#include <amnet/model/embed.h>
#include <amnet/model/net_description.h>

#include "data/pipeline.h"
#include "describing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace amnet {
namespace {

// Which side states the expected format of an image.
enum class ExpectedBy : unsigned char { model, options };

std::string where_of(const EmbedRequest& request, const ImageSource& images, std::size_t index) {
  return request.where ? request.where(index) : (images.place() / request.paths[index]).string();
}

// Images as batches of bytes, decoded ahead by threads and taken in order.
class DecodedImages {
 public:
  struct Batch {
    std::int64_t first, count;  // images of the request
    // u8 (batch,H,W,3); everything after the last image is black
    Tensor pixels;
    // images that are black too, and why
    std::vector<std::pair<std::size_t, std::string>> bad = {};
  };

  /// All of it must outlive this.
  DecodedImages(const EmbedRequest& request, const ImageFormat& format, ExpectedBy by, std::int64_t batch)
      : request_(request),
        format_(format),
        by_(by),
        batch_(batch),
        source_(request.images ? request.images : image_folder(request.root)),
        pipeline_(workers_for(batches(count(), batch), request.workers), ahead(batches(count(), batch), request.workers),
                  batches(count(), batch),
                  [this](std::int64_t number) { return [this, number](const std::stop_token& stop) { return decode(number, stop); }; }) {}

  /// Nothing after the last. Throws the DataError of the first bad image unless it is to be
  /// skipped.
  std::optional<Batch> next() { return pipeline_.next(); }

  static std::int64_t batches(std::int64_t images, std::int64_t batch) { return (images + batch - 1) / batch; }
  // For so many batches in total.
  static int workers_for(std::int64_t batches, int workers) {
    return static_cast<int>(std::min<std::int64_t>(workers, std::max<std::int64_t>(1, batches)));
  }
  static int ahead(std::int64_t batches, int workers) { return workers_for(batches, workers) + 1; }

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(request_.paths.size()); }

  Batch decode(std::int64_t number, const std::stop_token& stop) const {
    const std::int64_t first = number * batch_;
    Batch batch{.first = first,
                .count = std::min(batch_, count() - first),
                .pixels = Tensor({batch_, format_.height, format_.width, 3}, DType::u8)};
    if (batch.count < batch_) batch.pixels.clear();
    const auto index = [&](std::int64_t i) { return static_cast<std::size_t>(first + i); };
    for (std::int64_t i = 0; i < batch.count; ++i) source_->prefetch(request_.paths[index(i)]);
    std::vector<std::byte> buffer;
    for (std::int64_t i = 0; i < batch.count && !stop.stop_requested(); ++i) {
      const Tensor sample = batch.pixels.slice(i, i + 1);
      try {
        read(index(i), sample, buffer);
      } catch (const DataError& error) {
        if (!request_.skip_bad_images) throw;
        batch.bad.emplace_back(index(i), error.what());
        sample.clear();
      }
    }
    return batch;
  }

  void read(std::size_t index, const Tensor& sample, std::vector<std::byte>& buffer) const {
    const std::string where = where_of(request_, *source_, index);
    const Image image = decode_image(source_->read(request_.paths[index], where, buffer), format_.order, where);
    const std::string_view expected = by_ == ExpectedBy::model ? "the model expects" : "what is asked for is";
    const std::string_view remedy = by_ == ExpectedBy::model ? "take a model that was trained with" : "pass";
    require<DataError>(image.height == format_.height && image.width == format_.width,
                       "{0} is {1}x{2} pixels (height x width) but {3} {4}; align and resize it, or {5} .input {1}x{2}.", where,
                       image.height, image.width, expected, size_text(format_), remedy);
    std::ranges::copy(image.pixels, sample.data<std::uint8_t>().begin());
  }

  const EmbedRequest& request_;
  const ImageFormat& format_;
  ExpectedBy by_;
  std::int64_t batch_;
  std::shared_ptr<const ImageSource> source_;
  Pipeline<Batch> pipeline_;  // last: its threads end before what they use
};

Views empty_views(const EmbedRequest& request, std::int64_t size) {
  const auto images = static_cast<std::int64_t>(request.paths.size());
  Views views;
  views.plain = Tensor::zeros({images, size}, DType::f32);
  if (request.mirrored) views.mirrored = Tensor::zeros({images, size}, DType::f32);
  views.failed.assign(request.paths.size(), 0);
  return views;
}

// Calls use(batch) for the batches of the request in order, and notes what is bad among them.
template <class Use>
void for_each_batch(DecodedImages& images, const EmbedRequest& request, Views& views, Use&& use) {
  while (const std::optional<DecodedImages::Batch> batch = images.next()) {
    for (const auto& [index, reason] : batch->bad) {
      views.failed[index] = 1;
      views.reasons.push_back(reason);
    }
    use(*batch);
    if (request.progress) request.progress(batch->first + batch->count, static_cast<std::int64_t>(request.paths.size()));
  }
}

// Checks that the rows of a view from `first` on are finite, except those of images that failed,
// which have no meaning.
void require_finite(const EmbedRequest& request, const Views& views, const Tensor& rows, std::int64_t first,
                    const std::filesystem::path& model) {
  const std::span<const float> values = rows.data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t image = static_cast<std::size_t>(first) + i / static_cast<std::size_t>(rows.extent(1));
    if (std::isfinite(values[i]) || views.failed[image] != 0) continue;
    const std::shared_ptr<const ImageSource> source = request.images ? request.images : image_folder(request.root);
    throw NonFiniteError(fmt::format("{}the embedding of {} is not finite, the model has diverged; take an earlier checkpoint.",
                                     model.empty() ? "" : model.string() + ": ", where_of(request, *source, image)));
  }
}

// A failed image has no feature: its rows are zero, not those of a black picture.
void clear_failed(const Views& views, const Tensor& rows) {
  if (!rows.defined()) return;
  for (std::size_t i = 0; i < views.failed.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    if (views.failed[i] != 0) rows.slice(row, row + 1).clear();
  }
}

}  // namespace

Embedder::Embedder(Model model, std::int64_t batch) : model_(std::move(model)), batch_(batch) { find_values(); }

Embedder::Embedder(const Net& net, Roles roles, std::int64_t batch) : of_others_(&net), batch_(batch) {
  model_.roles = std::move(roles);
  find_values();
}

void Embedder::find_values() {
  Roles& roles = model_.roles;
  roles = {.image = roles.image, .embedding = roles.embedding};
  const std::string place = model_.file.empty() ? "" : model_.file.string() + ": ";
  require(roles.image && !roles.embedding.empty(), "[embed] {}the model's roles do not name {}, without which it embeds no images.", place,
          roles.image ? "its embedding" : "the input that takes images");
  check_roles(net(), roles);
  images_ = net().find(roles.image->input);
  embedding_ = net().find(roles.embedding);
  const Shape& shape = net().spec(embedding_).shape;
  require(shape.rank() == 2, "[embed] {}expected an embedding (N,D) but '{}' is {}.", place, roles.embedding, shape);
}

void Embedder::fit(const Device& device) {
  const DType dtype = activation_dtype(device);
  if (of_others_ != nullptr || (model_.net.memory() == memory_of(device) && model_.net.dtype() == dtype)) return;
  plan_.reset();
  if (model_.net.dtype() != dtype) {
    Net net = build_net(describe(model_.net, model_.roles), {.dtype = dtype, .until = {model_.roles.embedding}, .own = model_.own});
    copy_parameters(model_.net, net);
    model_.net = std::move(net);
    find_values();
  }
  model_.net.move_to(memory_of(device));
}

PlanOptions Embedder::options(std::int64_t batch) const {
  return {.batch = batch, .keep = {embedding_}, .keep_prepared = of_others_ == nullptr};
}

std::size_t Embedder::planned_bytes() {
  plan(batch_);
  return plan_->bytes();
}

PlanBytes Embedder::measure(Device& device) const { return Plan::measure(net(), device, options(batch_)); }

std::size_t Embedder::decoded_bytes(std::int64_t images, int workers) const {
  const std::int64_t batches = DecodedImages::batches(images, batch_);
  // and the one in use
  const std::int64_t at_a_time = std::min<std::int64_t>(batches, DecodedImages::ahead(batches, workers) + 1);
  return static_cast<std::size_t>(at_a_time * batch_ * format().height * format().width * 3);
}

void Embedder::plan(std::int64_t batch) {
  if (plan_ && plan_->options().batch == batch) return;
  plan_.reset();  // frees its memory first
  plan_.emplace(net(), options(batch));
}

Views Embedder::embed(Device& device, const EmbedRequest& request) {
  // One plan for all batches, the last one too: how a convolution is computed depends on the batch,
  // and with it the last bits.
  const std::int64_t batch = std::min(batch_, std::max<std::int64_t>(1, static_cast<std::int64_t>(request.paths.size())));
  Views views = empty_views(request, size());
  fit(device);
  plan(batch);
  std::array<Tensor, 2> flags;  // of images as they are, and mirrored
  for (const bool mirror : {false, true}) {
    const Tensor flag({batch}, DType::u8);
    std::ranges::fill(flag.data<std::uint8_t>(), static_cast<std::uint8_t>(mirror));
    flags[mirror ? 1 : 0] = flag.to(net().memory());
  }
  DecodedImages images(request, format(), ExpectedBy::model, batch);
  for_each_batch(images, request, views, [&](const DecodedImages::Batch& decoded) {
    const Tensor pixels = decoded.pixels.to(net().memory());
    for (const bool mirror : {false, true}) {
      if (mirror && !request.mirrored) break;
      on(device, [&](auto& backend) {
        image_input(backend, {format().mean, format().scale}, pixels, flags[mirror ? 1 : 0], plan_->value(images_));
      });
      plan_->forward(device, {.samples = decoded.count});
      const Tensor rows = (mirror ? views.mirrored : views.plain).slice(decoded.first, decoded.first + decoded.count);
      rows.copy_from(plan_->value(embedding_).slice(0, decoded.count));
      require_finite(request, views, rows, decoded.first, model_.file);
    }
  });
  clear_failed(views, views.plain);
  clear_failed(views, views.mirrored);
  return views;
}

Views pixel_views(const ImageFormat& format, EmbedRequest request) {
  request.mirrored = false;
  Views views = empty_views(request, format.height * format.width * 3);
  Cpu cpu(1);
  DecodedImages images(request, format, ExpectedBy::options, 64);
  for_each_batch(images, request, views, [&](const DecodedImages::Batch& decoded) {
    const Tensor pixels = decoded.pixels.slice(0, decoded.count), flags = Tensor::zeros({decoded.count}, DType::u8);
    const Tensor rows = views.plain.slice(decoded.first, decoded.first + decoded.count);
    image_input(cpu, {format.mean, format.scale}, pixels, flags, rows.reshaped(pixels.shape()));
  });
  clear_failed(views, views.plain);
  views.mirrored = views.plain;
  return views;
}

Tensor combine(const Views& views, FlipMode flip, bool normalise) {
  require(flip == FlipMode::none || views.mirrored.defined(), "[combine] flip {} needs the mirrored view too.", name_of(flip));
  const std::int64_t images = views.plain.extent(0);
  const std::int64_t size = views.plain.extent(1);
  const std::int64_t out_size = flip == FlipMode::concat ? 2 * size : size;
  const Tensor result({images, out_size}, DType::f32);
  const float* plain = views.plain.data<float>().data();
  const float* mirrored = flip == FlipMode::none ? plain : views.mirrored.data<float>().data();
  float* out = result.data<float>().data();
  for (std::int64_t n = 0; n < images; ++n) {
    float* row = out + n * out_size;
    std::copy_n(plain + n * size, size, row);
    if (flip == FlipMode::concat) std::copy_n(mirrored + n * size, size, row + size);
    if (flip == FlipMode::sum) {
      for (std::int64_t i = 0; i < size; ++i) row[i] += mirrored[n * size + i];
    }
    require<NonFiniteError>(std::all_of(row, row + out_size, [](float value) { return std::isfinite(value); }),
                            "[combine] the feature of image {} (from 0) is not finite: the model has diverged; take an earlier checkpoint.",
                            n);
    if (!normalise) continue;
    double square = 0;
    for (std::int64_t i = 0; i < out_size; ++i) square += double{row[i]} * double{row[i]};
    const double inverse = square > 0 ? 1 / std::sqrt(square) : 0;
    for (std::int64_t i = 0; i < out_size; ++i) row[i] = static_cast<float>(row[i] * inverse);
  }
  return result;
}

}  // namespace amnet

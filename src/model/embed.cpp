#include <amnet/data/image.h>
#include <amnet/kernels/image_input.h>
#include <amnet/model/embed.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace amnet {
namespace {

// Who says what an image is to be like.
enum class ExpectedBy : unsigned char { model, options };

std::string where_of(const EmbedRequest& request, const ImageSource& images, std::size_t index) {
  return request.where ? request.where(index) : (images.place() / request.paths[index]).string();
}

// Reads `path` into one sample of a batch of bytes; false, with the reason kept, where it is bad and may be skipped.
bool read_sample(const EmbedRequest& request, const ImageSource& images, const ImageFormat& format, ExpectedBy by, std::size_t index,
                 const Tensor& sample, Views& views) {
  const std::string& path = request.paths[index];
  const std::string where = where_of(request, images, index);
  std::vector<std::byte> buffer;
  try {
    const Image image = decode_image(images.read(path, where, buffer), format.order, where);
    const std::string_view expected = by == ExpectedBy::model ? "the model expects" : "what is asked for is";
    const std::string_view remedy = by == ExpectedBy::model ? "take a model that was trained with" : "pass";
    require<DataError>(image.height == format.height && image.width == format.width,
                       "{0} is {1}x{2} pixels (height x width) but {3} {4}; align and resize it, or {5} --input {1}x{2}.", where,
                       image.height, image.width, expected, size_text(format), remedy);
    std::ranges::copy(image.pixels, sample.data<std::uint8_t>().begin());
    return true;
  } catch (const DataError& error) {
    if (!request.skip_bad_images) throw;
    views.failed[index] = 1;
    views.reasons.emplace_back(error.what());
    sample.clear();
    return false;
  }
}

Views empty_views(const EmbedRequest& request, std::int64_t size) {
  const auto images = static_cast<std::int64_t>(request.paths.size());
  Views views;
  views.plain = Tensor::zeros({images, size}, DType::f32);
  if (request.mirrored) views.mirrored = Tensor::zeros({images, size}, DType::f32);
  views.failed.assign(request.paths.size(), 0);
  return views;
}

// Calls use(first, count, batch of bytes (batch,H,W,3)) for consecutive batches of the request; what is behind the last image is black.
template <class Use>
void for_each_batch(const EmbedRequest& request, const ImageFormat& format, ExpectedBy by, std::int64_t batch, Views& views, Use&& use) {
  const auto images = static_cast<std::int64_t>(request.paths.size());
  const std::shared_ptr<const ImageSource> source = request.images ? request.images : image_folder(request.root);
  for (std::int64_t first = 0; first < images; first += batch) {
    const std::int64_t count = std::min(batch, images - first);
    const Tensor pixels({batch, format.height, format.width, 3}, DType::u8);
    if (count < batch) pixels.clear();
    for (std::int64_t i = 0; i < count; ++i) {
      read_sample(request, *source, format, by, static_cast<std::size_t>(first + i), pixels.slice(i, i + 1), views);
    }
    use(first, count, pixels);
    if (request.progress) request.progress(first + count, images);
  }
}

// Holds the rows of a view from `first` on to be numbers, but for those of images that failed, which are nobody's.
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

std::string_view name_of(FlipMode flip) {
  switch (flip) {
    case FlipMode::none: return "none";
    case FlipMode::sum: return "sum";
    case FlipMode::concat: return "concat";
  }
  return "?";
}

FlipMode flip_of(std::string_view name) {
  for (const FlipMode flip : {FlipMode::none, FlipMode::sum, FlipMode::concat}) {
    if (name == name_of(flip)) return flip;
  }
  throw UsageError(fmt::format("--flip: expected 'none', 'sum' or 'concat' but got '{}'.", name));
}

Embedder::Embedder(LoadedModel model, std::int64_t batch) : model_(std::move(model)), batch_(batch) {}

Embedder::Embedder(ModelDescription description, const Net& net, std::int64_t batch) : of_others_(&net), batch_(batch) {
  model_.images = net.find(images_name);
  model_.embedding = net.find(description.embedding);
  model_.description = std::move(description);
}

void Embedder::fit(const Device& device) {
  if (of_others_ != nullptr || (model_.net.memory() == memory_of(device) && model_.net.dtype() == activation_dtype(device))) return;
  plan_.reset();
  BuiltModel model = build_model(model_.description, activation_dtype(device));
  copy_parameters(model_.net, model.net);
  model.net.move_to(memory_of(device));
  model_.net = std::move(model.net);
  model_.images = model.images;
  model_.embedding = model.embedding;
}

PlanOptions Embedder::options(std::int64_t batch) const {
  return {.batch = batch, .keep = {model_.embedding}, .keep_prepared = of_others_ == nullptr};
}

std::size_t Embedder::planned_bytes() {
  plan(batch_);
  return plan_->bytes();
}

PlanBytes Embedder::measure(Device& device) const { return Plan::measure(net(), device, options(batch_)); }

void Embedder::plan(std::int64_t batch) {
  if (plan_ && plan_->options().batch == batch) return;
  plan_.reset();  // its memory first
  plan_.emplace(net(), options(batch));
}

Views Embedder::embed(Device& device, const EmbedRequest& request) {
  const ImageFormat& format = model_.description.input;
  const std::int64_t size = model_.description.network.embedding;
  // One plan for all batches, the last one too: how a convolution is computed depends on the batch, and with it the last bits.
  const std::int64_t batch = std::min(batch_, std::max<std::int64_t>(1, static_cast<std::int64_t>(request.paths.size())));
  Views views = empty_views(request, size);
  fit(device);
  plan(batch);
  for_each_batch(request, format, ExpectedBy::model, batch, views, [&](std::int64_t first, std::int64_t count, const Tensor& pixels) {
    for (const bool mirror : {false, true}) {
      if (mirror && !request.mirrored) break;
      const Tensor flags({batch}, DType::u8);
      std::ranges::fill(flags.data<std::uint8_t>(), static_cast<std::uint8_t>(mirror));
      const Tensor brought = pixels.to(net().memory()), brought_flags = flags.to(net().memory());
      on(device, [&](auto& backend) {
        image_input(backend, {format.mean, format.scale}, brought, brought_flags, plan_->value(model_.images));
      });
      plan_->forward(device, {.samples = count});
      const Tensor rows = (mirror ? views.mirrored : views.plain).slice(first, first + count);
      rows.copy_from(plan_->value(model_.embedding).slice(0, count));
      require_finite(request, views, rows, first, model_.file);
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
  for_each_batch(request, format, ExpectedBy::options, 64, views, [&](std::int64_t first, std::int64_t count, const Tensor& pixels) {
    const Tensor images = pixels.slice(0, count), flags = Tensor::zeros({count}, DType::u8);
    image_input(cpu, {format.mean, format.scale}, images, flags, views.plain.slice(first, first + count).reshaped(images.shape()));
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

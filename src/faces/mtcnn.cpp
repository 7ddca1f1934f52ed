#include "mtcnn_boxes.h"
#include "resample.h"

#include <amnet/caffe/import.h>
#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/faces/mtcnn.h>
#include <amnet/net/plan_cache.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace amnet {
namespace {

using mtcnn::Candidate;
using mtcnn::Extent;
using mtcnn::Overlap;

constexpr std::int64_t batch = 64;  // boxes that R- and O-Net look at together

/// One of the nets: what it takes, and what its outputs are called.
struct Stage {
  const char* file;
  std::int64_t side;  // of its input
  const char *probability, *correction, *landmarks;
};
constexpr std::array<Stage, 3> stages = {Stage{"det1", 12, "prob1", "conv4-2", nullptr}, Stage{"det2", 24, "prob1", "conv5-2", nullptr},
                                         Stage{"det3", 48, "prob1", "conv6-2", "conv6-3"}};

struct StageNet {
  CaffeModel caffe;
  Value input, probability, correction, landmarks = {};
};

Value value_of(const CaffeModel& caffe, const char* blob, const std::string& file) {
  require<DataError>(caffe.blobs.contains(blob), "{}: expected MTCNN's net, with the blob '{}', but it has none of that name.", file, blob);
  return caffe.value(blob);
}

StageNet read_stage(const std::filesystem::path& folder, const Stage& stage) {
  const std::filesystem::path net = folder / (std::string(stage.file) + ".prototxt"),
                              weights = folder / (std::string(stage.file) + ".caffemodel");
  StageNet read;
  read.caffe = import_caffe_net(read_caffe_net(net));
  const std::string name = weights.string();
  const CaffeLoaded loaded = load_caffe_weights(read_caffemodel(weights), read.caffe, name);
  require<DataError>(loaded.missing.empty(), "{}: expected the weights of {} but those of {} are missing.", name, net.string(),
                     joined(loaded.missing, ", "));
  require<DataError>(read.caffe.inputs.size() == 1, "{}: expected MTCNN's net, with one input, but it has {}.", net.string(),
                     read.caffe.inputs.size());
  read.input = value_of(read.caffe, read.caffe.inputs[0].name.c_str(), net.string());
  read.probability = value_of(read.caffe, stage.probability, net.string());
  read.correction = value_of(read.caffe, stage.correction, net.string());
  if (stage.landmarks != nullptr) read.landmarks = value_of(read.caffe, stage.landmarks, net.string());
  return read;
}

/// Mirrors images (N, x, y, 3).
void mirror(const Tensor& images) {
  const std::int64_t columns = images.shape()[1], column = images.shape()[2] * 3;
  for (std::int64_t n = 0; n < images.shape()[0]; ++n) {
    float* image = images.data<float>().data() + n * columns * column;
    for (std::int64_t x = 0; x < columns / 2; ++x)
      std::swap_ranges(image + x * column, image + (x + 1) * column, image + (columns - 1 - x) * column);
  }
}

/// Averages landmarks (N, 10), five x and five y in [0,1], with those of the mirror images.
void add_mirrored(const Tensor& landmarks, const Tensor& mirrored) {
  constexpr std::array<std::size_t, 5> counterpart = {1, 0, 2, 4, 3};
  const std::span<float> values = landmarks.data<float>();
  const std::span<const float> others = mirrored.data<const float>();
  for (std::size_t face = 0; face < values.size(); face += 10) {
    for (std::size_t i = 0; i < 5; ++i) {
      values[face + i] = (values[face + i] + 1 - others[face + counterpart[i]]) / 2;
      values[face + 5 + i] = (values[face + 5 + i] + others[face + 5 + counterpart[i]]) / 2;
    }
  }
}

void check(const MtcnnOptions& options) {
  require(options.min_face >= 12 && std::isfinite(options.min_face), "[mtcnn] .min_face: expected at least 12 pixels but got {}.",
          options.min_face);
  require(options.factor > 0 && options.factor < 1, "[mtcnn] .factor: expected a number in (0,1) but got {}.", options.factor);
  for (const double threshold : options.thresholds) {
    require(threshold >= 0 && threshold <= 1, "[mtcnn] .thresholds: expected numbers in [0,1] but got {}.", threshold);
  }
}

}  // namespace

struct MtcnnNets::Parts {
  std::array<StageNet, 3> nets;
};

MtcnnNets read_mtcnn(const std::filesystem::path& folder, Memory memory) {
  auto parts = std::make_shared<MtcnnNets::Parts>();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    parts->nets[i] = read_stage(folder, stages[i]);
    parts->nets[i].caffe.model.net.move_to(memory);
  }
  return {std::move(parts)};
}

struct Mtcnn::State {
  std::shared_ptr<const MtcnnNets::Parts> parts;
  Device device;
  MtcnnOptions options;
  std::array<PlanCache, 3> plans;
  Resampler resampler = {};
  Tensor staged = {};  // an input of a net, in host memory

  State(std::shared_ptr<const MtcnnNets::Parts> the_parts, Device the_device, const MtcnnOptions& the_options)
      : parts(std::move(the_parts)),
        device(std::move(the_device)),
        options(the_options),
        plans{PlanCache(parts->nets[0].caffe.model.net, options.plan_bytes), PlanCache(parts->nets[1].caffe.model.net, options.plan_bytes),
              PlanCache(parts->nets[2].caffe.model.net, options.plan_bytes)} {}

  std::shared_ptr<Plan> plan(std::size_t stage, const Shape& input) {
    const StageNet& net = parts->nets[stage];
    PlanOptions wanted{.batch = input[0], .keep = {net.probability, net.correction}, .inputs = {{net.input, input}}};
    if (stages[stage].landmarks != nullptr) wanted.keep.push_back(net.landmarks);
    return plans[stage].of(wanted);
  }

  /// P-Net over the pyramid.
  std::vector<Candidate> windows(const Image& photograph, ChannelOrder order);
  /// What R- or O-Net says of each square: `receive(i, probability, correction, landmarks)`.
  template <class Receive>
  void look_at(std::size_t stage, const Image& photograph, ChannelOrder order, const std::vector<Candidate>& squares,
               const Receive& receive);
};

std::vector<Candidate> Mtcnn::State::windows(const Image& photograph, ChannelOrder order) {
  std::vector<Candidate> all;
  const Region whole{.left = 0, .top = 0, .width = photograph.width, .height = photograph.height};
  for (const double scale : mtcnn::pyramid_scales(photograph.height, photograph.width, options.min_face, options.factor)) {
    const auto side = [&](std::int64_t length) { return static_cast<std::int64_t>(std::ceil(static_cast<double>(length) * scale)); };
    const std::int64_t width = side(photograph.width), height = side(photograph.height);
    const Shape shape{1, width, height, 3};
    const std::shared_ptr<Plan> level = plan(0, shape);
    staged = Tensor(shape, DType::f32);
    resampler.resample(photograph, order, whole, width, height, staged.data<float>());
    level->value(parts->nets[0].input).copy_from(staged);
    level->forward(device);
    const Tensor probability = level->value(parts->nets[0].probability).to(Memory::host),
                 correction = level->value(parts->nets[0].correction).to(Memory::host);
    std::vector<Candidate> found;
    mtcnn::add_windows(probability.data<const float>(), correction.data<const float>(), probability.shape()[1], probability.shape()[2],
                       scale, options.thresholds[0], found);
    found = mtcnn::suppressed(std::move(found), 0.5, Overlap::of_union);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

template <class Receive>
void Mtcnn::State::look_at(std::size_t stage, const Image& photograph, ChannelOrder order, const std::vector<Candidate>& squares,
                           const Receive& receive) {
  const std::int64_t side = stages[stage].side, values = side * side * 3;
  const StageNet& net = parts->nets[stage];
  const std::shared_ptr<Plan> plan = this->plan(stage, {batch, side, side, 3});
  for (std::size_t first = 0; first < squares.size(); first += static_cast<std::size_t>(batch)) {
    const auto count = std::min(batch, static_cast<std::int64_t>(squares.size() - first));
    staged = Tensor({count, side, side, 3}, DType::f32);
    for (std::int64_t i = 0; i < count; ++i) {
      const Candidate& square = squares[first + static_cast<std::size_t>(i)];
      const auto whole = [](double coordinate) { return static_cast<std::int64_t>(coordinate); };
      const Region region{.left = whole(square.x1) - 1,
                          .top = whole(square.y1) - 1,
                          .width = whole(square.x2) - whole(square.x1) + 1,
                          .height = whole(square.y2) - whole(square.y1) + 1};
      resampler.resample(photograph, order, region, side, side,
                         staged.data<float>().subspan(static_cast<std::size_t>(i * values), static_cast<std::size_t>(values)));
    }
    plan->value(net.input).slice(0, count).copy_from(staged);
    plan->forward(device, {.samples = count});
    const auto fetched = [&](Value value) {
      const Tensor rows = plan->value(value).slice(0, count);
      // the next run writes over it
      return rows.memory() == Memory::host ? rows.clone() : rows.to(Memory::host);
    };
    const Tensor probability = fetched(net.probability), correction = fetched(net.correction);
    const Tensor landmarks = stages[stage].landmarks != nullptr ? fetched(net.landmarks) : Tensor();
    if (landmarks.defined() && options.mirrored_landmarks) {
      mirror(staged);
      plan->value(net.input).slice(0, count).copy_from(staged);
      plan->forward(device, {.samples = count});
      add_mirrored(landmarks, fetched(net.landmarks));
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      receive(first + at, static_cast<double>(probability.data<const float>()[2 * at + 1]),
              correction.data<const float>().subspan(4 * at, 4),
              landmarks.defined() ? landmarks.data<const float>().subspan(10 * at, 10) : std::span<const float>());
    }
  }
}

Mtcnn::Mtcnn(const MtcnnNets& nets, Device device, const MtcnnOptions& options) {
  check(options);
  state_ = std::make_unique<State>(nets.parts, std::move(device), options);
}
Mtcnn::~Mtcnn() = default;
Mtcnn::Mtcnn(Mtcnn&&) noexcept = default;
Mtcnn& Mtcnn::operator=(Mtcnn&&) noexcept = default;

std::int64_t Mtcnn::plans_made() const { return state_->plans[0].made() + state_->plans[1].made() + state_->plans[2].made(); }

std::vector<DetectedFace> Mtcnn::detect(const Image& photograph, ChannelOrder order) {
  State& state = *state_;
  std::vector<Candidate> boxes = mtcnn::suppressed(state.windows(photograph, order), 0.7, Overlap::of_union);
  const auto to_squares = [&boxes, &photograph](Extent extent) {
    for (Candidate& box : boxes) {
      mtcnn::correct(box, extent);
      mtcnn::make_square(box);
      mtcnn::truncate(box);
    }
    // Those that a correction turned inside out, or moved to where no face of the photograph is.
    const double far = 4 * static_cast<double>(std::max(photograph.width, photograph.height));
    std::erase_if(boxes, [far](const Candidate& box) {
      return !(box.x2 >= box.x1 && box.y2 >= box.y1 && box.x1 > -far && box.y1 > -far && box.x2 < far && box.y2 < far);
    });
  };
  to_squares(Extent::between_corners);

  const auto judged = [](Candidate box, double probability, std::span<const float> correction) {
    box.score = probability;
    for (std::size_t i = 0; i < 4; ++i) box.correction[i] = static_cast<double>(correction[i]);
    return box;
  };
  std::vector<Candidate> passed;
  state.look_at(1, photograph, order, boxes,
                [&](std::size_t i, double probability, std::span<const float> correction, std::span<const float>) {
                  if (probability > state.options.thresholds[1]) passed.push_back(judged(boxes[i], probability, correction));
                });
  boxes = mtcnn::suppressed(std::move(passed), 0.7, Overlap::of_union);
  to_squares(Extent::inclusive);

  passed.clear();
  std::vector<Landmarks> landmarks_of_passed;
  state.look_at(2, photograph, order, boxes,
                [&](std::size_t i, double probability, std::span<const float> correction, std::span<const float> points) {
                  if (!(probability > state.options.thresholds[2])) return;
                  const Candidate& square = boxes[i];
                  const double width = square.x2 - square.x1 + 1, height = square.y2 - square.y1 + 1;
                  Landmarks landmarks;
                  for (std::size_t k = 0; k < landmarks.size(); ++k) {
                    landmarks[k] = {width * static_cast<double>(points[k]) + square.x1 - 1,
                                    height * static_cast<double>(points[k + 5]) + square.y1 - 1};
                  }
                  passed.push_back(judged(square, probability, correction));
                  passed.back().index = landmarks_of_passed.size();
                  mtcnn::correct(passed.back(), Extent::inclusive);
                  landmarks_of_passed.push_back(landmarks);
                });
  std::vector<DetectedFace> detected;
  for (const Candidate& box : mtcnn::suppressed(std::move(passed), 0.7, Overlap::of_smaller)) {
    detected.push_back({.box = {.left = box.x1 - 1, .top = box.y1 - 1, .width = box.x2 - box.x1 + 1, .height = box.y2 - box.y1 + 1},
                        .score = box.score,
                        .landmarks = landmarks_of_passed[box.index]});
  }
  return detected;
}

std::vector<DetectedFace> chosen(const std::vector<DetectedFace>& faces, FaceChoice choice, const Image& photograph) {
  if (choice == FaceChoice::all || faces.empty()) return faces;
  const Point middle{static_cast<double>(photograph.width) / 2, static_cast<double>(photograph.height) / 2};
  const auto rank = [&](const DetectedFace& face) {
    if (choice == FaceChoice::largest) return -face.box.width * face.box.height;
    const Point centre = face.box.centre();
    return std::hypot(centre.x - middle.x, centre.y - middle.y);
  };
  return {*std::ranges::min_element(faces, {}, rank)};
}

}  // namespace amnet

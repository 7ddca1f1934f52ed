// What a loss does to features, seen where they can be seen: a small network with features of three
// dimensions is trained on ten classes with each loss, and the unit features of images that it was
// not trained on are drawn on the sphere, as in figure 4 of arXiv 1801.05599. Everything follows
// from the seed.
//
//   sphere --out runs/sphere                                                  # on shapes that it draws
//   sphere --images train-images-idx3-ubyte --labels train-labels-idx1-ubyte  # on IDX files, such as MNIST's
//
// Expect: a few minutes, runs/sphere/sphere.svg and report.html; with a margin the classes are
// smaller and further apart.
#include "labelled_images.h"

#include <amnet/amnet.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace amnet;
namespace fs = std::filesystem;

namespace {

constexpr double scale = 10;
constexpr std::int64_t held_out = 6;  // one in so many images is not trained on

struct Settings {
  fs::path images, labels, out = "runs/sphere";
  std::vector<std::string> losses;
  std::int64_t count = 12000, steps = 2000, batch = 128, points = 150;
  std::uint64_t seed = 1;
  double learning_rate = 0.02;
  int threads = 0;
};

struct Case {
  std::string name, title;
  HeadOptions head;
};

// What is annealed changes at the pace that it has in the 28,000 steps of the reference code.
std::vector<Case> cases_of(std::int64_t steps) {
  const double pace = 28000.0 / static_cast<double>(steps);
  using enum LossKind;
  return {
      {"softmax", "Softmax", {.loss = softmax}},
      {"normface", "NormFace", {.loss = normface, .scale = scale, .learned_scale = false}},
      {"sphereface", "A-Softmax, m = 4", {.loss = sphereface, .anneal_gamma = 0.12 * pace}},
      {"arcface", "ArcFace, m = 0.5", {.loss = arcface, .scale = scale}},
      {"amsoftmax-0.2", "AM-Softmax, m = 0.2", {.scale = scale, .margin = 0.2}},
      {"amsoftmax-0.35", "AM-Softmax, m = 0.35", {.scale = scale, .margin = 0.35}},
      {"amsoftmax-0.5", "AM-Softmax, m = 0.5", {.scale = scale, .margin = 0.5}},
      {"amsoftmax-wo-fn",
       "AM-Softmax without feature norm, m = 0.35",
       {.margin = 0.35, .anneal_gamma = 5e-5 * pace, .feature_norm = false}},
      {"curricularface", "CurricularFace, m = 0.5", {.loss = curricularface, .scale = scale}},
      {"adaface", "AdaFace, m = 0.4", {.loss = adaface, .scale = scale}},
  };
}

Model network(const LabelledImages& data, const HeadOptions& head) {
  Model model{.roles = {.embedding = "features"}};
  Net& net = model.net;
  Value value = net.input("images", data.images.shape().with(0, 1));
  std::int64_t channels = 16;
  for (const std::string stage : {"1", "2", "3"}) {
    value = net.add("conv" + stage, Conv2d(channels, 3, {.stride = 2, .pad = 1}), {value});
    value = net.add("relu" + stage, PRelu(), {value});
    channels *= 2;
  }
  net.add("features", FullyConnected(3), {net.add("flat", Flatten(), {value})});
  add_head(model, head);
  return model;
}

struct Measured {
  Sphere sphere;
  double accuracy = 0;      // of the held-out images, 0..1
  double own_cosine = 0;    // mean between their features and the centre of their class
  double other_cosine = 0;  // between a centre and the nearest other one, mean
};

using Point = std::array<double, 3>;

double dot(const Point& a, const Point& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Point unit(Point point) {
  const double length = std::sqrt(dot(point, point));
  for (double& value : point) value /= length;
  return point;
}

Point row_of(std::span<const float> rows, std::size_t i) { return {rows[3 * i], rows[3 * i + 1], rows[3 * i + 2]}; }

// Turns the first direction to the middle of the front, and the second to the right of it, so that
// spheres of different runs can be compared.
class Turn {
 public:
  Turn(const Point& first, const Point& second) : axes_{Point{}, Point{}, unit(first)} {
    const double along = dot(second, axes_[2]);
    axes_[0] = unit({second[0] - along * axes_[2][0], second[1] - along * axes_[2][1], second[2] - along * axes_[2][2]});
    const Point &x = axes_[0], &z = axes_[2];
    axes_[1] = {z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]};
  }
  Point operator()(const Point& point) const { return {dot(axes_[0], point), dot(axes_[1], point), dot(axes_[2], point)}; }

 private:
  std::array<Point, 3> axes_;
};

Measured measure(Device& device, const Model& model, const LabelledImages& data, std::int64_t from, std::int64_t points) {
  std::vector<Point> centres;
  model.net.look([&](const std::string& name, const Parameter& parameter) {
    if (name != model.roles.class_weights) return;
    for (std::int64_t i = 0; i < data.classes; ++i)
      centres.push_back(unit(row_of(parameter.value.data<float>(), static_cast<std::size_t>(i))));
  });
  Measured measured;
  for (std::size_t i = 0; i < centres.size(); ++i) {
    double nearest = -1;
    for (std::size_t k = 0; k < centres.size(); ++k) nearest = k == i ? nearest : std::max(nearest, dot(centres[i], centres[k]));
    measured.other_cosine += nearest / static_cast<double>(centres.size());
  }
  const Turn turn(centres[0], centres[1]);
  measured.sphere.groups.resize(centres.size());
  for (std::size_t i = 0; i < centres.size(); ++i) measured.sphere.groups[i].centre = turn(centres[i]);

  const std::int64_t count = data.labels.extent(0);
  constexpr std::int64_t batch = 256;
  Plan plan(model.net, {.batch = batch, .keep = {model.embedding(), model.net.find("accuracy")}});
  for (std::int64_t begin = from; begin < count; begin += batch) {
    const std::int64_t end = std::min(begin + batch, count), samples = end - begin;
    plan.value("images").slice(0, samples).copy_from(data.images.slice(begin, end));
    plan.value("labels").slice(0, samples).copy_from(data.labels.slice(begin, end));
    plan.forward(device, {.samples = samples});
    measured.accuracy += plan.value("accuracy").item() * static_cast<double>(samples) / static_cast<double>(count - from);
    const auto features = plan.value(model.embedding()).data<float>();
    const auto labels = data.labels.slice(begin, end).data<std::int64_t>();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const Point feature = unit(row_of(features, i));
      const auto label = static_cast<std::size_t>(labels[i]);
      measured.own_cosine += dot(feature, centres[label]) / static_cast<double>(count - from);
      std::vector<Point>& drawn = measured.sphere.groups[label].points;
      if (static_cast<std::int64_t>(drawn.size()) < points) drawn.push_back(turn(feature));
    }
  }
  return measured;
}

Measured run(Device& device, const Settings& settings, const LabelledImages& data, const Case& loss) {
  const std::int64_t count = data.labels.extent(0), trained = count - count / held_out;
  HeadOptions head = loss.head;
  head.classes = data.classes;
  Model model = network(data, head);
  TensorSource source({{"images", data.images.slice(0, trained)}, {"labels", data.labels.slice(0, trained)}},
                      {.batch = settings.batch, .seed = settings.seed});
  const std::int64_t steps = settings.steps;
  Trainer trainer(device, model, source,
                  {.steps = steps,
                   .schedule = {.base = settings.learning_rate, .steps = {steps * 6 / 10, steps * 8 / 10}, .warm_up = steps / 10},
                   .seed = settings.seed});
  while (trainer.run_step()) {
  }
  Measured measured = measure(device, model, data, trained, settings.points);
  measured.sphere.title = loss.title;
  measured.sphere.remark = fmt::format("{:.1f} %", 100 * measured.accuracy);
  fmt::print("{:<16} accuracy {:.2f} %, cosine to the own centre {:.3f}, of neighbouring centres {:.3f}\n", loss.name,
             100 * measured.accuracy, measured.own_cosine, measured.other_cosine);
  std::fflush(stdout);  // the next takes a while
  return measured;
}

// Twelve images of each class, a row for each.
Image sheet(const LabelledImages& data) {
  constexpr std::int64_t across = 12;
  const std::int64_t height = data.images.extent(1), width = data.images.extent(2);
  Image image{.height = data.classes * height, .width = across * width, .pixels = {}};
  image.pixels.resize(static_cast<std::size_t>(image.height * image.width * 3));
  const auto labels = data.labels.data<std::int64_t>();
  std::vector<std::int64_t> shown(static_cast<std::size_t>(data.classes));
  for (std::int64_t n = 0; n < data.labels.extent(0); ++n) {
    const std::int64_t label = labels[static_cast<std::size_t>(n)];
    const std::int64_t column = shown[static_cast<std::size_t>(label)]++;
    if (column >= across) continue;
    const auto from = data.images.slice(n, n + 1).data<float>();
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        const auto grey = static_cast<std::uint8_t>(std::lround(127.5F * (from[static_cast<std::size_t>(y * width + x)] + 1)));
        const std::int64_t pixel = (label * height + y) * image.width + column * width + x;
        for (std::int64_t channel = 0; channel < 3; ++channel) image.pixels[static_cast<std::size_t>(3 * pixel + channel)] = grey;
      }
    }
  }
  return image;
}

std::string page(const Settings& settings, const LabelledImages& data, std::string_view drawing, std::span<const Measured> all) {
  const bool own = settings.images.empty();
  HtmlReport report("Features on the sphere",
                    "The same network with features of three dimensions, and the loss exchanged: figure 4 of arXiv 1801.05599");
  report.add_figure(drawing, fmt::format("Unit features of images that the network was not trained on, at most {} of each class, and its "
                                         "accuracy on all of them. A number marks "
                                         "the weights of its class; every sphere is turned so that 0 is in front and 1 to the right of it.",
                                         settings.points));
  std::vector<std::vector<std::string>> rows;
  for (const Measured& measured : all) {
    rows.push_back({measured.sphere.title, measured.sphere.remark, fmt::format("{:.3f}", measured.own_cosine),
                    fmt::format("{:.3f}", measured.other_cosine)});
  }
  report.add_table(std::vector<std::string>{"loss", "accuracy", "cosine to the own centre", "cosine of neighbouring centres"}, rows,
                   "Mean cosine between features and the weights of their class, and between these weights and the nearest others.");
  report.add_heading("The images");
  report.add_image(encode_jpeg(sheet(data), ChannelOrder::rgb, 88), "image/jpeg", "A row of images for each class",
                   own ? "Drawn by the program." : settings.images.string());
  report.add_key_values(std::vector<std::pair<std::string, std::string>>{
      {"images", fmt::format("{}, of which one in {} is not trained on", data.labels.extent(0), held_out)},
      {"network", "three convolutions of stride 2 with PReLU (16, 32 and 64 channels), features of 3 values"},
      {"scale", fmt::format("{:g}", scale)},
      {"steps", fmt::format("{} of {} images", settings.steps, settings.batch)},
      {"learning rate", fmt::format("{:g}", settings.learning_rate)},
      {"seed", std::to_string(settings.seed)}});
  return report.str();
}

}  // namespace

int main(int argc, char** argv) try {
  Settings settings;
  CLI::App app("Draws what losses do to features of three dimensions.", "sphere");
  app.add_option("--images", settings.images, "IDX file of grey images, such as MNIST's; else shapes are drawn");
  app.add_option("--labels", settings.labels, "IDX file of their labels");
  app.add_option("--out", settings.out, "Folder for sphere.svg and report.html")->capture_default_str();
  app.add_option("--losses", settings.losses, "Which, separated by commas (default: all)")->delimiter(',');
  app.add_option("--count", settings.count, "Images that are drawn")->check(CLI::Range(120, 1000000))->capture_default_str();
  app.add_option("--steps", settings.steps, "Of each training")->check(CLI::Range(1, 1000000))->capture_default_str();
  app.add_option("--batch", settings.batch, "Images of a step")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--lr", settings.learning_rate, "Learning rate")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--points", settings.points, "The most points of a class that are drawn")
      ->check(CLI::Range(1, 1500))
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "Every random draw follows from it")->capture_default_str();
  app.add_option("--threads", settings.threads, "Of the computation; 0: all cores")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  require(settings.images.empty() == settings.labels.empty(), "--images, --labels: give both, or none of them.");
  std::vector<Case> cases = cases_of(settings.steps);
  for (const std::string& name : settings.losses) {
    std::vector<std::string> names;
    for (const Case& loss : cases) names.push_back(loss.name);
    require(std::ranges::find(names, name) != names.end(), "--losses: expected some of {} but got '{}'.", joined(names, ", "), name);
  }
  std::erase_if(cases, [&](const Case& loss) {
    return !settings.losses.empty() && std::ranges::find(settings.losses, loss.name) == settings.losses.end();
  });

  const LabelledImages data =
      settings.images.empty() ? draw_shapes(settings.count, settings.seed) : read_idx(settings.images, settings.labels);
  fs::create_directories(settings.out);
  probe_output(settings.out / "sphere.svg");
  probe_output(settings.out / "report.html");
  Device device = Cpu(settings.threads);
  std::vector<Measured> all;
  SphereChart chart{.title = fmt::format("Unit features of {} classes", data.classes),
                    .description = "For each loss the two hemispheres with the features of held-out images."};
  for (const Case& loss : cases) {
    all.push_back(run(device, settings, data, loss));
    chart.spheres.push_back(all.back().sphere);
  }
  const std::string drawing = draw(chart);
  write_durably(settings.out / "sphere.svg", drawing);
  write_durably(settings.out / "report.html", page(settings, data, drawing, all));
  fmt::print("{}, {}\n", (settings.out / "sphere.svg").string(), (settings.out / "report.html").string());
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "sphere: {}\n", error.what());
  return error.exit_code();
} catch (const fs::filesystem_error& error) {
  fmt::print(stderr, "sphere: {}\n", error.what());
  return 4;
}

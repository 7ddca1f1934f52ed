#include "train_settings.h"
#include "flags.h"
#include "toml.h"

#include <amnet/core/text.h>
#include <amnet/faces/input_format.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <functional>
#include <optional>
#include <type_traits>
#include <vector>

using namespace amnet;

namespace {

// Options whose values are words on the command line.
struct Words {
  std::string feature_norm, rows, input;
  BadImages bad_images;
  std::vector<std::string> lr_mult;  // "PATTERN=X"
};

Words words_of(const FaceTraining& options) {
  Words words;
  words.feature_norm = options.head.feature_norm ? "on" : "off";
  words.rows = options.head.rows == RowNorm::in_place ? "in-place" : "projected";
  words.input = size_text(options.input);
  words.bad_images = options.skip_bad_images ? BadImages::skip : BadImages::fail;
  for (const auto& [pattern, factor] : options.rates.lr_mult) words.lr_mult.push_back(fmt::format("{}={}", pattern, factor));
  return words;
}

RateFactor read_rate_factor(const std::string& text) {
  const std::size_t equals = text.rfind('=');
  double factor = 0;
  const char* const begin = text.data() + (equals == std::string::npos ? text.size() : equals + 1);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), factor);
  require(equals != std::string::npos && equals > 0 && error == std::errc() && end == text.data() + text.size(),
          "--lr-mult: expected PATTERN=X, such as conv*=0.1, but got '{}'.", text);
  return {.pattern = text.substr(0, equals), .factor = factor};
}

void understand(const Words& words, FaceTraining& options) {
  options.rates.lr_mult.clear();
  for (const std::string& text : words.lr_mult) options.rates.lr_mult.push_back(read_rate_factor(text));
  options.head.feature_norm = words.feature_norm == "on";
  options.head.rows = words.rows == "in-place" ? RowNorm::in_place : RowNorm::projected;
  read_size_option(words.input, options.input);
  options.skip_bad_images = words.bad_images == BadImages::skip;
}

// "caf\xe9": bytes that are not printable ASCII, as hexadecimal numbers.
std::string escaped_bytes(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += c > 0x1F && c < 0x7F ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return text;
}

// The command line of `train`, bound to an options object of its own. Must not be moved: the parser
// holds addresses of its members.
class Parser {
 public:
  explicit Parser(const std::string& preset = {}, const CaffeTraining& caffe = {}) {
    if (!preset.empty()) apply_preset(options_, preset);
    if (!caffe.solver.empty()) {
      const ImageFormat usual = options_.input;
      apply_caffe_solver(options_, caffe.solver, caffe.net);
      net_sets_size_ = size_text(usual) != size_text(options_.input);
      root_of_net_ = options_.root;
    }
    preset_loss_ = options_.head.loss;
    words_ = words_of(options_);
    use_our_style(app_,
                  "  train_face train --root faces --preset small --out runs/a\n"
                  "  train_face train --config runs/a/config.toml --out runs/a --resume auto\n");
    begin_group(app_, "Recipes and settings from a file");
    app_.add_option("--config", config_, "TOML file with any of these options; the command line overrides it");
    app_.add_option("--preset", preset_, "A whole recipe: amsoftmax (the reference code's) or small (hundreds to thousands of people)")
        ->check(CLI::IsMember({"amsoftmax", "small"}));
    add_caffe();
    add_data();
    add_validation();
    add_model();
    add_recipe();
    add_run();
    add_computing();
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  /// False when --help was printed.
  bool parse(const Arguments& arguments) { return parse_arguments(app_, arguments); }
  bool has(const std::string& key) const { return key != "config" && key != "resume" && key != "verbose" && find(key) != nullptr; }
  bool given(const std::string& key) const { return find(key)->count() > 0; }
  const std::string& config() const { return config_; }
  const std::string& preset() const { return preset_; }
  const CaffeTraining& caffe() const { return options_.caffe; }

  /// The parsed settings, checked.
  TrainSettings settings() {
    understand(words_, options_);
    // overrides a preset's epochs
    if (given("iterations") && !given("epochs")) options_.epochs = 0;
    require(!given("iterations") || options_.epochs <= 0, "--iterations, --epochs: give one of the two.");
    complete_head();
    std::vector<std::string> notes = complete_caffe();
    check_options(options_);
    if (!options_.caffe.solver.empty() && !given("input") && !net_sets_size_ && options_.pack.empty()) take_size_of_first_image(options_);
    const std::vector<std::string> of_input = complete_input(
        options_,
        {.size = given("input") || net_sets_size_, .order = given("channel-order"), .mean = given("mean"), .scale = given("pixel-scale")});
    notes.insert(notes.end(), of_input.begin(), of_input.end());
    words_.input = size_text(options_.input);
    return {options_, compute_, config_, toml(), notes};
  }

 private:
  struct Setting {
    std::string group, name;
    std::function<std::string()> text;          // "" where it is not set
    std::function<std::string()> comment = {};  // a line for what the text cannot express
  };

  const CLI::Option* find(const std::string& key) const { return app_.get_option_no_throw("--" + key); }

  template <class T>
  CLI::Option* add(const std::string& name, T& value, const std::string& description) {
    keep(name, value);
    if constexpr (NamedEnum<T>) {
      return add_named(app_, "--" + name, value, description)->group(group_);
    } else if constexpr (std::same_as<T, std::vector<std::filesystem::path>>) {
      // each flag has one value
      return app_.add_option("--" + name, value, description)->group(group_)->allow_extra_args(false)->default_str("");
    } else {
      return app_.add_option("--" + name, value, description)->group(group_);
    }
  }

  // Each flag takes one value, and commas separate values of one flag.
  void add_list(const std::string& name, std::vector<std::string>& values, const std::string& value, const std::string& description) {
    keep(name, values);
    said_if([&values] { return !values.empty(); });
    CLI::Option* option = app_.add_option("--" + name, values, description)->type_name(value)->delimiter(',');
    option->allow_extra_args(false)->default_str("")->group(group_);
  }

  // A parameter that a loss may have: what is not given is not set.
  template <class T>
  CLI::Option* add(const std::string& name, std::optional<T>& value, const std::string& description) {
    const std::string flag = "--" + name;
    settings_.push_back({group_, name, [&value]() -> std::string {
                           if (!value) return "";
                           if constexpr (NamedEnum<T>) {
                             return toml_text(std::string(name_of(*value)));
                           } else if constexpr (std::is_same_v<T, bool>) {
                             return toml_text(std::string(*value ? "on" : "off"));
                           } else {
                             return toml_text(*value);
                           }
                         }});
    if constexpr (NamedEnum<T>) {
      const auto names = names_of(T());
      return app_
          .add_option_function<std::string>(
              flag, [&value](const std::string& text) { value = *find_named<T>(text); }, description)
          ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())))
          ->group(group_);
    } else if constexpr (std::is_same_v<T, bool>) {
      return app_
          .add_option_function<std::string>(
              flag, [&value](const std::string& text) { value = text == "on"; }, description)
          ->check(CLI::IsMember({"on", "off"}))
          ->group(group_);
    } else {
      return app_
          .add_option_function<T>(
              flag, [&value](const T& number) { value = number; }, description)
          ->group(group_);
    }
  }

  static constexpr const char* own_network = "Network and loss";  // a net of Caffe has its own

  // The last setting is in the configuration file only where it has an effect.
  void said_if(std::function<bool()> has_effect) {
    settings_.back().text = [text = std::move(settings_.back().text), has_effect = std::move(has_effect)] {
      return has_effect() ? text() : std::string();
    };
  }

  // Makes it a setting of the configuration file.
  template <class T>
  void keep(const std::string& name, T& value) {
    settings_.push_back({group_, name, [&value] {
                           if constexpr (NamedEnum<T>) {
                             return toml_text(std::string(name_of(value)));
                           } else {
                             return toml_text(value);
                           }
                         }});
  }
  // A path may contain bytes that TOML cannot represent: then a comment states it, since the file
  // has no other name.
  void keep(const std::string& name, std::filesystem::path& value) {
    keep_paths(name, [&value] { return std::vector{value}; });
  }
  void keep(const std::string& name, std::vector<std::filesystem::path>& value) {
    keep_paths(name, [&value] { return value; });
  }
  void keep_paths(const std::string& name, std::function<std::vector<std::filesystem::path>()> paths) {
    const auto strange = [paths] {
      std::string bytes;
      for (const std::filesystem::path& path : paths()) {
        if (!amnet::is_valid_utf8(path.native())) bytes += (bytes.empty() ? "" : ", ") + escaped_bytes(path.native());
      }
      return bytes;
    };
    const auto text = [paths, strange] { return strange().empty() ? toml_text(paths()) : ""; };
    const auto comment = [name, strange] {
      const std::string bytes = strange();
      return bytes.empty() ? ""
                           : fmt::format("# {0} is not UTF-8, as TOML must be: {1} with each byte X as \\xX; give --{0} beside --config\n",
                                         name, bytes);
    };
    settings_.push_back({group_, name, text, comment});
  }

  void add_caffe() {
    group_ = "A net of Caffe";
    add("solver", options_.caffe.solver, "Solver prototxt: the recipe, with the net that it names; the settings below override it");
    add("net", options_.caffe.net, "Net prototxt, in the place of the solver's");
    add("weights", options_.caffe.weights,
        "caffemodel that a new run starts from; layers of another shape, as of another head, are drawn anew");
    add("snapshot", options_.caffe.snapshot, "solverstate that a new run goes on from");
    add("test-list", options_.caffe.test_list, "Lines `path label` for the net's own tests, every test_interval steps");
  }

  // What can only be decided once all settings are known: the paths of the prototxts, which are
  // often those of another machine.
  std::vector<std::string> complete_caffe() {
    const CaffeTraining& caffe = options_.caffe;
    if (caffe.solver.empty()) {
      for (const char* of_caffe : {"net", "weights", "snapshot", "test-list"}) {
        require(!given(of_caffe), "--{}: is for a net of Caffe; give its --solver too, or leave --{} out.", of_caffe, of_caffe);
      }
      return {};
    }
    require(preset_.empty(), "--preset, --solver: both are a whole recipe; give one of the two.");
    require(caffe.weights.empty() || caffe.snapshot.empty(), "--weights, --snapshot: a snapshot has its own weights; give one of the two.");
    for (const Setting& own : settings_) {
      require(own.group != own_network || !given(own.name), "--{}: the network and its loss are those of {}; leave --{} out.", own.name,
              caffe.net.string(), own.name);
    }
    std::vector<std::string> notes;
    std::error_code unreadable;
    if (!options_.pack.empty()) {
      if (!given("root")) options_.root.clear();
      if (!given("train-list")) options_.train_list.clear();
    } else if (given("root") && !given("train-list") && !options_.train_list.empty() &&
               !std::filesystem::exists(options_.train_list.front(), unreadable)) {
      notes.push_back(fmt::format("The net's list {} is not on this machine: the people are the sub-folders of {}",
                                  options_.train_list.front().string(), options_.root.front().string()));
      options_.train_list.clear();
    }
    if (options_.root != root_of_net_) options_.caffe.test_root.clear();
    if (!given("test-list") && !caffe.test_list.empty() && !std::filesystem::exists(caffe.test_list, unreadable)) {
      notes.push_back(
          fmt::format("The net's list of tests, {}, is not on this machine: it is not tested; give --test-list", caffe.test_list.string()));
      options_.caffe.test_list.clear();
    }
    return notes;
  }

  // A preset's parameters are those of its own loss. All parameters are then set, so that the
  // configuration file holds them.
  void complete_head() {
    if (!options_.caffe.solver.empty()) return;
    HeadOptions& head = options_.head;
    if (head.loss != preset_loss_) {
      if (!given("scale")) head.scale.reset();
      if (!given("margin")) head.margin.reset();
      if (!given("margin-rule")) head.margin_rule.reset();
    }
    const std::int64_t classes = head.classes;
    head.classes = std::max<std::int64_t>(1, classes);  // they may be unknown yet
    head = completed(head);
    head.classes = classes;
  }

  void add_data() {
    group_ = "Data";
    add("root", options_.root,
        "Folder of the images: one sub-folder per person, or what the paths of the lists start from: one for all, or one for each");
    add("train-list", options_.train_list, "Lines `path label`; given again: a further list, of other people");
    add("pack", options_.pack, "Packed file (train_face pack), instead of --root and --train-list");
    add("exclude", options_.exclude, "File of names of people to leave out");
    add("classes", options_.classes, "Number of people; 0: the largest label + 1");
    add("bad-images", words_.bad_images, "What an unreadable image does: fail or skip (logged)");
    app_.add_flag("--relabel", options_.relabel, "Number the labels of the list from 0 on, in their order; labels.csv keeps the old ones")
        ->group(group_);
    keep("relabel", options_.relabel);
    add("input", words_.input, "Image size, height x width (default: that of --pack or of the model of --init-from, else 112x96)");
    add("channel-order", options_.input.order, "bgr (the reference code's) or rgb");
    add("mean", options_.input.mean, "Subtracted from every pixel in [0,255]");
    add("pixel-scale", options_.input.scale, "Multiplies what is left of it; 0.0078125 is 1/128");
    add("sampling", options_.sampling, "shuffle: each image once an epoch; balanced: each person equally often");
    add("mirror", options_.mirror, "Mirror half of the images");
    add("augment", options_.augment, "Change the images anew in every epoch: light (place, colour) or strong (also grey, blur, erased)");
    add("workers", options_.workers, "Decoding threads; by default those the process may use, at most 8");
    add("cache", options_.cache, "device: all images are decoded once, into the memory of the GPU that trains; none: in every epoch");
  }

  void add_validation() {
    group_ = "Verification while training";
    add("val-pairs", options_.val_pairs, "Pairs in the format of LFW's pairs.txt");
    add("val-root", options_.val_root, "Folder of their images");
    add("val-pack", options_.val_pack, "Packed file of their images, instead of --val-root");
    add("val-every", options_.val_every, "Steps between verifications; 0 never, -1 once an epoch");
    add("protocol", options_.protocol, "amsoftmax or sphereface");
  }

  void add_model() {
    group_ = own_network;
    add("depth", options_.network.depth, "Layers")->check(depths());
    add("width", options_.network.width, "Multiplies the channels 64, 128, 256, 512");
    add("embedding", options_.network.embedding, "Size of the embedding");
    add("loss", options_.head.loss, "The loss (docs/losses.md); it has these parameters of its own values, and refuses those of others");
    HeadOptions& head = options_.head;
    add("scale", head.scale, "s, multiplies the cosines (amsoftmax, normface: 30; sphereface2: 40; sphereface_r: 60; others: 64)");
    add("margin", head.margin, "m: amsoftmax 0.35, combined 0.2, sphereface2, adaface 0.4; radians: arcface, curricularface 0.5");
    add("margin-rule", head.margin_rule, "Targets with a margin: always; cos_gt_m (the reference code) or cos_gt_0, where cos > m or 0");
    add("angle", head.angle, "combined: m2 of cos(m1 a + m2) - m, radians (0.3)");
    add("multiplier", head.multiplier, "m1: combined (1), sphereface (4), sphereface_r (1.4)");
    add("past-pi", head.past_pi, "How a target's logit goes on beyond 180 degrees (mirrored; adaface: clipped)");
    add("margin-gradient", head.gradient, "full, straight_through, or reference (sphereface)");
    add("centres", head.centres, "Centres of each class (1): amsoftmax, arcface, combined, curricularface");
    add("learned-scale", head.learned_scale, "normface: on (learned from --scale) or off (fixed)");
    add("sphereface-r", head.version, "sphereface_r: margin on the target (v1) or on the others (v2)");
    add("anneal-base", head.anneal_base, "sphereface: lambda is the larger of --anneal-least (5) and");
    add("anneal-gamma", head.anneal_gamma,
        "base / (1 + gamma step), 1000 and 0.12; with --feature-norm off: growth of the margin in a step (5e-5)");
    add("anneal-least", head.anneal_least, "its least value");
    add("norm-low", head.norm_low, "magface (10), adaface (0.001): smaller norms of features count as this");
    add("norm-high", head.norm_high, "magface (110), adaface (100): larger ones count as this");
    add("margin-low", head.margin_low, "magface: margin at --norm-low, radians (0.45)");
    add("margin-high", head.margin_high, "magface: margin at --norm-high, radians (0.8)");
    add("norm-penalty", head.norm_penalty, "magface: weight of the term that enlarges norms (35)");
    add("concentration", head.concentration, "adaface: h (0.333)");
    add("statistics-momentum", head.statistics_momentum, "adaface, curricularface: share of a batch in running values (0.01)");
    add("sharpness", head.sharpness, "sphereface2: t (3)");
    add("balance", head.balance, "sphereface2: weight of the target (0.7)");
    add("loss-weight", head.loss_weight, "sphereface_r, sphereface2: multiplies the loss (1)");
    add("feature-norm", words_.feature_norm, "on, or off: cosines times the feature's norm, margin annealed")
        ->check(CLI::IsMember({"on", "off"}));
    add("weight-norm", words_.rows, "Class weights: projected (true gradient) or in-place (the reference code's rule)")
        ->check(CLI::IsMember({"projected", "in-place"}));
  }

  void add_recipe() {
    group_ = "Recipe";
    add("batch", options_.batch, "Images of a micro-batch");
    add("accumulate", options_.accumulate, "Micro-batches of a step");
    add("iterations", options_.iterations, "Steps");
    settings_.back().text = [this] { return options_.epochs > 0 ? "" : toml_text(options_.iterations); };
    add("epochs", options_.epochs, "Passes over the data; 0: as --iterations says");
    settings_.back().text = [this] { return options_.epochs > 0 ? toml_text(options_.epochs) : ""; };
    add("lr", options_.learning_rate, "Learning rate");
    add("schedule", options_.schedule,
        "How it changes: fixed (a constant rate), step, exp, inv, multistep, poly or sigmoid, as in Caffe, or cosine");
    add("lr-steps", options_.lr_steps, "multistep: when it drops, in steps, or fractions of all steps below 1")->delimiter(',');
    add("lr-gamma", options_.lr_gamma, "What it is multiplied by there (multistep, step) or in every step (exp); inv, sigmoid: gamma");
    add("lr-power", options_.lr_power, "inv and poly: the power");
    said_if([this] { return options_.schedule == SchedulePolicy::inv || options_.schedule == SchedulePolicy::poly; });
    add("lr-step-size", options_.lr_step_size, "step: steps between drops; sigmoid: its middle; below 1 a fraction of all steps");
    said_if([this] { return options_.schedule == SchedulePolicy::step || options_.schedule == SchedulePolicy::sigmoid; });
    add("lr-least", options_.lr_least, "cosine: the rate at the end of the run");
    said_if([this] { return options_.schedule == SchedulePolicy::cosine; });
    add("warm-up", options_.warm_up, "Steps over which it climbs to --lr");
    add("method", options_.solver.method, "sgd (with momentum), nesterov, adam (Caffe's) or adamw");
    add("momentum", options_.solver.momentum, "Momentum; beta1 of adam and adamw");
    add("beta2", options_.solver.beta2, "adam, adamw: how much of the mean of squares is kept");
    said_if([this] { return moments_of(options_.solver.method) == 2; });
    add("epsilon", options_.solver.epsilon, "adam, adamw: added to the root of the mean of squares");
    said_if([this] { return moments_of(options_.solver.method) == 2; });
    add("weight-decay", options_.solver.weight_decay, "Weight decay");
    add("regularization", options_.solver.regularization, "What the decay pulls with: l2 (the weight) or l1 (its sign)");
    add("clip-norm", options_.solver.clip_norm, "Largest norm of all gradients of a step together; longer ones are scaled; 0: any");
    add_list("freeze", options_.rates.freeze, "PATTERN", "Parameters that stay as they are, by name: conv1_*, fc5.weight; may be repeated");
    add_list("lr-mult", words_.lr_mult, "PATTERN=X", "Multiplies the learning rate of parameters: conv*=0.1; may be repeated");
  }

  void add_run() {
    group_ = "Run";
    add("out", options_.out, "Folder to write the run to");
    add("seed", options_.seed, "Every random draw follows from it")->check(seeds());
    add("log-every", options_.log_every, "Steps between lines of the log");
    app_.add_flag("--tensorboard", options_.tensorboard, "Write the numbers of the log for TensorBoard, too: to tensorboard/ in --out")
        ->group(group_);
    keep("tensorboard", options_.tensorboard);
    add("checkpoint-every", options_.checkpoint_every, "Steps between checkpoints");
    add("keep-checkpoints", options_.keep_checkpoints, "Newest checkpoints kept, besides the best");
    app_.add_option("--resume", options_.resume, "auto: the newest intact checkpoint of --out; or a checkpoint folder")->group(group_);
    add("init-from", options_.init_from, "Model file to take the weights from; other people need no more than a new head");
  }

  void add_computing() {
    group_ = computing;
    add_compute_options(app_, compute_);
    keep("device", compute_.device);
    keep("precision", compute_.precision);
    keep("deterministic", compute_.deterministic);
    keep("no-graphs", compute_.no_graphs);
    keep("threads", compute_.threads);
    keep("convolution", compute_.convolution);
  }

  std::string toml() const {
    std::string text = preset_.empty() ? "" : fmt::format("preset = {}\n", toml_text(preset_));
    std::string group;
    for (const Setting& setting : settings_) {
      if (setting.group == own_network && !options_.caffe.solver.empty()) continue;
      const std::string value = setting.text();
      const std::string comment = setting.comment ? setting.comment() : "";
      if (comment.empty() && (value.empty() || value == "\"\"")) continue;
      if (setting.group != group) text += fmt::format("{}# {}\n", text.empty() ? "" : "\n", setting.group);
      group = setting.group;
      text += comment.empty() ? fmt::format("{} = {}\n", setting.name, value) : comment;
    }
    return text;
  }

  FaceTraining options_;
  ComputeOptions compute_;
  Words words_;
  std::string config_, preset_, group_;
  LossKind preset_loss_ = {};
  bool net_sets_size_ = false;                      // of its images
  std::vector<std::filesystem::path> root_of_net_;  // of Caffe: where the net's own list begins
  std::vector<Setting> settings_;
  CLI::App app_{"Trains on a folder or a list of aligned faces.", "train_face train"};
};

// An array is given as the flag again and again.
Arguments as_arguments(const TomlEntry& entry) {
  Arguments arguments;
  for (const std::string& value : entry.values) arguments.push_back(fmt::format("--{}={}", entry.key, value));
  return arguments;
}

// `exclude = ""` sets nothing.
bool is_empty(const TomlEntry& entry) { return entry.values.size() == 1 && entry.values.front().empty(); }

// Adds the file and line to errors that `body` throws about this entry.
template <class Body>
void with_line(const std::string& file, const TomlEntry& entry, Body&& body) {
  try {
    body();
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}:{}: {}", file, entry.line, error.what()));
  }
}

bool overridden(const std::string& key, const Parser& command_line) {
  const bool is_length = key == "iterations" || key == "epochs";
  return command_line.given(key) || (is_length && (command_line.given("iterations") || command_line.given("epochs")));
}

// The entries of the file that the command line does not override.
std::vector<TomlEntry> read_config(const Parser& command_line) {
  std::vector<TomlEntry> entries = read_toml(command_line.config());
  for (const TomlEntry& entry : entries) {
    with_line(command_line.config(), entry, [&] {
      require(command_line.has(entry.key), "there is no setting `{}`; train_face train --help lists them.", entry.key);
      require(!entry.values.empty(), "`{}` needs a value.", entry.key);
      if (!is_empty(entry)) Parser().parse(as_arguments(entry));
    });
  }
  std::erase_if(entries, [&](const TomlEntry& entry) { return is_empty(entry) || overridden(entry.key, command_line); });
  return entries;
}

}  // namespace

std::optional<TrainSettings> read_train_settings(const Arguments& arguments) {
  Parser command_line;
  if (!command_line.parse(arguments)) return std::nullopt;
  std::vector<TomlEntry> entries;
  if (!command_line.config().empty()) entries = read_config(command_line);
  Arguments all;
  for (const TomlEntry& entry : entries) {
    const Arguments of_entry = as_arguments(entry);
    all.insert(all.end(), of_entry.begin(), of_entry.end());
  }
  all.insert(all.end(), arguments.begin(), arguments.end());

  Parser preset;
  preset.parse(all);
  Parser resolved(preset.preset(), preset.caffe());
  resolved.parse(all);
  try {
    return resolved.settings();
  } catch (const UsageError& error) {
    const std::string what = with_flags(error.what());
    for (const TomlEntry& entry : entries) {
      if (what.starts_with("--" + entry.key + ":")) with_line(command_line.config(), entry, [&] { throw; });
    }
    throw;
  }
}

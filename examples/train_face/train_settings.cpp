#include "train_settings.h"
#include "flags.h"
#include "toml.h"

#include <amnet/core/text.h>
#include <amnet/faces/input_format.h>

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <functional>
#include <vector>

using namespace amnet;

namespace {

// Options whose values are words on the command line.
struct Words {
  std::string feature_norm, rows, input;
  BadImages bad_images;
};

Words words_of(const FaceTraining& options) {
  Words words;
  words.feature_norm = options.head.feature_norm ? "on" : "off";
  words.rows = options.head.rows == RowNorm::in_place ? "in-place" : "projected";
  words.input = size_text(options.input);
  words.bad_images = options.skip_bad_images ? BadImages::skip : BadImages::fail;
  return words;
}

void understand(const Words& words, FaceTraining& options) {
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
    add("loss", options_.head.loss, "amsoftmax, softmax or normface");
    add("scale", options_.head.scale, "s, multiplies the cosines");
    add("margin", options_.head.margin, "m, subtracted from the target cosine");
    add("margin-rule", options_.head.margin_rule, "always (the paper) or cos_gt_m (the reference code: only where cos > m)");
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
    add("schedule", options_.schedule, "How it changes: fixed, step, exp, inv, multistep, poly or sigmoid, as in Caffe");
    add("lr-steps", options_.lr_steps, "multistep: when it drops, in steps, or fractions of all steps below 1")->delimiter(',');
    add("lr-gamma", options_.lr_gamma, "What it is multiplied by there (multistep, step) or in every step (exp); inv, sigmoid: gamma");
    add("lr-power", options_.lr_power, "inv and poly: the power");
    said_if([this] { return options_.schedule == SchedulePolicy::inv || options_.schedule == SchedulePolicy::poly; });
    add("lr-step-size", options_.lr_step_size, "step: steps between drops; sigmoid: its middle; below 1 a fraction of all steps");
    said_if([this] { return options_.schedule == SchedulePolicy::step || options_.schedule == SchedulePolicy::sigmoid; });
    add("warm-up", options_.warm_up, "Steps over which it climbs to --lr");
    add("method", options_.solver.method, "sgd (with momentum), nesterov or adam");
    add("momentum", options_.solver.momentum, "Momentum; beta1 of adam");
    add("beta2", options_.solver.beta2, "adam: how much of the mean of squares is kept");
    said_if([this] { return options_.solver.method == SolverMethod::adam; });
    add("epsilon", options_.solver.epsilon, "adam: added to the root of the mean of squares");
    said_if([this] { return options_.solver.method == SolverMethod::adam; });
    add("weight-decay", options_.solver.weight_decay, "Weight decay");
    add("regularization", options_.solver.regularization, "What the decay pulls with: l2 (the weight) or l1 (its sign)");
    add("clip-norm", options_.solver.clip_norm, "Largest norm of all gradients of a step together; longer ones are scaled; 0: any");
  }

  void add_run() {
    group_ = "Run";
    add("out", options_.out, "Folder to write the run to");
    add("seed", options_.seed, "Every random draw follows from it")->check(seeds());
    add("log-every", options_.log_every, "Steps between lines of the log");
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

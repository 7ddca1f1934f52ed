#include <amnet/faces/input_format.h>
#include <amnet/faces/pack_size.h>
#include <amnet/io/checkpoint.h>
#include <amnet/model/model_file.h>

#include <fmt/format.h>
#include <optional>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// The model whose format a run takes: that of the checkpoint that it resumes from, else the one
// that it starts from.
fs::path model_of(const FaceTraining& options) {
  if (options.resume == "auto") {
    std::vector<std::string> notes;  // reported when the run looks for its checkpoint
    if (const auto found = newest_intact(options.out, notes)) return found->directory / "model.safetensors";
  } else if (!options.resume.empty()) {
    return model_file_of(options.resume);
  }
  return model_file_of(options.init_from);
}

// The value as a sentence shows it.
template <class T>
auto told(const T& value) {
  if constexpr (NamedEnum<T>) {
    return name_of(value);
  } else {
    return value;
  }
}

class Differences {
 public:
  explicit Differences(std::string model) : model_(std::move(model)) {}

  /// Takes what the model expects unless something else was asked for.
  template <class T>
  void settle(bool given, std::string_view name, std::string_view flag, T& wanted, const T& expected) {
    if (wanted == expected) return;
    notes_.push_back(
        given ? fmt::format("{} {} as {} says; {} expects {}, and its weights know nothing else", name, told(wanted), flag, model_,
                            told(expected))
              : fmt::format("{} {} as {} expects, in the place of {}; {} overrides it", name, told(expected), model_, told(wanted), flag));
    if (!given) wanted = expected;
  }

  std::vector<std::string> notes() { return std::move(notes_); }

 private:
  std::string model_;
  std::vector<std::string> notes_;
};

std::vector<std::string> take_over(const InputGiven& given, const std::string& model, const ImageFormat& expected, ImageFormat& input) {
  Differences differences(model);
  std::string size = size_text(input);
  // another is refused later, by FaceOpening or by require_same_model
  if (!given.size) differences.settle(false, "image size", ".input", size, size_text(expected));
  differences.settle(given.order, "channel order", ".input.order", input.order, expected.order);
  differences.settle(given.mean, "mean", ".input.mean", input.mean, expected.mean);
  differences.settle(given.scale, "pixel scale", ".input.scale", input.scale, expected.scale);
  parse_size(size, input);
  return differences.notes();
}

}  // namespace

std::vector<std::string> complete_input(FaceTraining& options, const InputGiven& given) {
  std::optional<std::string> pack_size;
  if (!options.pack.empty() && !given.size) {
    ImageFormat of_pack = options.input;
    if (take_size_of_pack(options.pack, of_pack)) pack_size = size_text(of_pack);
  }
  if (options.init_from.empty()) {
    if (pack_size) parse_size(*pack_size, options.input);
    return {};
  }
  const std::string model = model_of(options).string();
  const std::optional<ImageFormat> expected = expected_input(SafetensorsReader(model).read([](std::string_view) { return false; }), model);
  if (!expected) {
    if (pack_size) parse_size(*pack_size, options.input);
    return {fmt::format("{} does not say what it expects of an image; it is given {} {}, mean {:g}, pixel scale {:g}", model,
                        size_text(options.input), name_of(options.input.order), options.input.mean, options.input.scale)};
  }
  require(!pack_size || *pack_size == size_text(*expected),
          ".init_from: {} was trained on images of {} but those of {} are {}, and the shape of its fully connected layer depends on that; "
          "pack faces of {}, or leave .init_from out.",
          model, size_text(*expected), options.pack.string(), pack_size.value_or(""), size_text(*expected));
  return take_over(given, model, *expected, options.input);
}

}  // namespace amnet

// train_face: trains the face network of arXiv 1801.05599 and measures what it learned.
//
//   train_face                                          synthesises faces, trains on them, writes a report: no arguments needed
//   train_face train --root faces --out runs/a          trains on your own aligned faces
//   train_face eval --model runs/a --pairs pairs.txt --root faces
//
// Expect for the first command: two to five minutes, and above 95 % on pairs of people that are not
// in the training set.
#include "commands.h"
#include "console.h"
#include "signals.h"

#include <amnet/core/build_info.h>
#include <amnet/core/error.h>
#include <amnet/faces/pack_size.h>
#include <amnet/faces/packed_faces.h>

#include <charconv>
#include <functional>
#include <map>
#include <new>

using amnet::UsageError;

void use_our_style(CLI::App& app, const std::string& examples) {
  app.option_defaults()->always_capture_default();
  app.get_formatter()->column_width(34);
  app.footer((std::ranges::count(examples, '\n') > 1 ? "Examples:\n" : "Example:\n") + examples);
}

void begin_group(CLI::App& app, const std::string& title) { app.option_defaults()->group(title); }

bool parse_arguments(CLI::App& app, Arguments arguments) {
  try {
    std::ranges::reverse(arguments);  // CLI11 reads a vector from its end
    app.parse(std::move(arguments));
    return true;
  } catch (const CLI::CallForHelp&) {
    answer_text(app.help());
    return false;
  } catch (const CLI::CallForVersion&) {
    answer_text(app.version());
    return false;
  } catch (const CLI::FileError& error) {
    throw UsageError(error.what());
  } catch (const CLI::ParseError& error) {
    throw UsageError(std::string(error.what()) + "; see " + app.get_name() + " --help.");
  }
}

CLI::Validator depths() { return CLI::IsMember({4, 10, 20, 36, 64}); }

CLI::Validator seeds() {
  const auto check = [](const std::string& text) -> std::string {
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    return error == std::errc() && end == text.data() + text.size() ? "" : text + " is not a whole number from 0 to 18446744073709551615";
  };
  return CLI::Validator(check, "", "");
}

void read_size_option(const std::string& text, amnet::ImageFormat& format) {
  try {
    amnet::ImageFormat size;
    amnet::parse_size(text, size);
    format.height = size.height;
    format.width = size.width;
  } catch (const UsageError& error) {
    throw UsageError(std::string("--input: ") + error.what());
  }
}

void read_size(const CLI::App& app, const std::string& text, const std::filesystem::path& pack, amnet::ImageFormat& format) {
  if (app.count("--input") > 0 || pack.empty() || !amnet::take_size_of_pack(pack, format)) read_size_option(text, format);
}

std::shared_ptr<const amnet::ImageSource> open_images(const std::string& command, const std::filesystem::path& root,
                                                      const std::filesystem::path& pack) {
  amnet::require(root.empty() != pack.empty(), "{}: give either --root or --pack; see {} --help.", command, command);
  if (!pack.empty()) return std::make_shared<amnet::PackedFaces>(pack);
  amnet::require_image_folder(root);
  return amnet::image_folder(root);
}

namespace {

int run(Arguments arguments) {
  const std::map<std::string, std::function<int(Arguments)>> commands = {
      {"train", train_command},     {"eval", eval_command},       {"compare", compare_command},
      {"extract", extract_command}, {"inspect", inspect_command}, {"check-data", check_data_command},
      {"pack", pack_command},       {"synth", synth_command},     {"bench", bench_command},
      {"import", import_command},   {"align", align_command},
  };
  if (arguments.empty() || arguments.front().starts_with('-')) return first_run_command(std::move(arguments));
  const auto command = commands.find(arguments.front());
  amnet::require(
      command != commands.end(),
      "There is no command '{}'; the commands are train, eval, compare, extract, import, inspect, align, check-data, pack, synth and "
      "bench (see train_face --help).",
      arguments.front());
  arguments.erase(arguments.begin());
  return command->second(std::move(arguments));
}

constexpr int internal_error = 7;

// Reports exceptions of the libraries that are not expected.
int tell_internal_error(const char* what) noexcept {
  try {
    const amnet::BuildInfo build = amnet::build_info();
    tell(fmt::format("train_face: an error that nobody expected, `{}`: please report it, with the command, as one of amnet {} ({}).", what,
                     build.version, build.commit));
  } catch (const std::exception&) {
    tell("train_face: an error that nobody expected: please report it, with the command.");
  }
  return internal_error;
}

}  // namespace

int main(int argc, char** argv) {
  open_console();
  watch_signals();
  try {
    const int exit_code = run(Arguments(argv + 1, argv + argc));
    require_answers_written();
    return exit_code;
  } catch (const Interrupted&) {
    return signal_exit_code();
  } catch (const amnet::Error& error) {
    tell(std::string("train_face: ") + error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    tell("train_face: out of memory; use a smaller --batch or --width.");
    return 6;
  } catch (const std::exception& error) {
    return tell_internal_error(error.what());
  } catch (...) {
    return tell_internal_error("unknown");
  }
}

// train_face: trains the face network of arXiv 1801.05599 and measures what it learned.
//
//   train_face                                          synthesises faces, trains on them, writes a report: no arguments needed
//   train_face train --root faces --out runs/a          trains on your own aligned faces
//   train_face eval --model runs/a --pairs pairs.txt --root faces
//
// Expect of the first: two to five minutes, and above 95 % on pairs of people it never saw.
#include "commands.h"
#include "signals.h"

#include <amnet/core/error.h>
#include <amnet/data/pack_size.h>
#include <amnet/data/packed_faces.h>

#include <charconv>
#include <cstdio>
#include <functional>
#include <map>
#include <new>

using amnet::UsageError;

void use_our_style(CLI::App& app) {
  app.option_defaults()->always_capture_default();
  app.get_formatter()->column_width(34);
}

bool parse_arguments(CLI::App& app, Arguments arguments) {
  try {
    std::ranges::reverse(arguments);  // CLI11 takes a vector from its back
    app.parse(std::move(arguments));
    return true;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
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
  amnet::require<amnet::DataError>(std::filesystem::is_directory(root), "{}: expected the folder of the images but there is none.",
                                   root.string());
  return amnet::image_folder(root);
}

namespace {

int run(Arguments arguments) {
  const std::map<std::string, std::function<int(Arguments)>> commands = {
      {"train", train_command},           {"eval", eval_command}, {"compare", compare_command}, {"extract", extract_command},
      {"check-data", check_data_command}, {"pack", pack_command}, {"synth", synth_command},     {"bench", bench_command},
  };
  if (arguments.empty() || arguments.front().starts_with('-')) return first_run_command(std::move(arguments));
  const auto command = commands.find(arguments.front());
  amnet::require(command != commands.end(),
                 "There is no command '{}'; the commands are train, eval, compare, extract, check-data, pack, synth and bench (see "
                 "train_face --help).",
                 arguments.front());
  arguments.erase(arguments.begin());
  return command->second(std::move(arguments));
}

// What was printed is part of the work: a full disk behind `> file` is a failure.
int with_output_written(int exit_code) {
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  amnet::require<amnet::FileError>(written || exit_code != 0, "The standard output could not be written; is the disk full?");
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  ignore_file_size_signal();
  try {
    return with_output_written(run(Arguments(argv + 1, argv + argc)));
  } catch (const amnet::Error& error) {
    std::fprintf(stderr, "train_face: %s\n", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::fputs("train_face: out of memory; use a smaller --batch or --width.\n", stderr);
    return 6;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_face: %s\n", error.what());
    return 4;
  }
}

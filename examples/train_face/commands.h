// The commands of train_face. Each takes its own arguments (without the program and the command)
// and returns the exit code; errors are exceptions, which main() turns into one sentence and the
// exit code of their type.
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/core/named.h>
#include <amnet/data/image_source.h>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

using Arguments = std::vector<std::string>;

int first_run_command(Arguments arguments);
int train_command(Arguments arguments);
int eval_command(Arguments arguments);
int compare_command(Arguments arguments);
int extract_command(Arguments arguments);
int import_command(Arguments arguments);
int inspect_command(Arguments arguments);
int check_data_command(Arguments arguments);
int pack_command(Arguments arguments);
int align_command(Arguments arguments);
int synth_command(Arguments arguments);
int bench_command(Arguments arguments);

/// Parses; returns false when --help was requested and printed. Throws UsageError with CLI11's
/// message and how to get help.
bool parse_arguments(CLI::App& app, Arguments arguments);

/// Shows defaults in --help, with `examples` (lines "  train_face …") at its end.
void use_our_style(CLI::App& app, const std::string& examples);

/// Options added from now on, until the next call, appear under this title in --help.
void begin_group(CLI::App& app, const std::string& title);

/// An option that takes the names of an enumeration's values; `--help` lists them, and shows the
/// current value as the default.
template <amnet::NamedEnum E>
CLI::Option* add_named(CLI::App& app, const std::string& flag, E& value, const std::string& description) {
  const auto names = names_of(value);
  return app
      .add_option_function<std::string>(
          flag, [&value](const std::string& name) { value = *amnet::find_named<E>(name); }, description)
      ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())))
      ->default_str(std::string(amnet::name_of(value)));
}

/// The possible depths of a network, as a check of an option.
CLI::Validator depths();

/// The possible values of --seed, as a check of an option.
CLI::Validator seeds();

/// Reads the value of --input, "112x96", into the format's size. Throws UsageError that names the
/// option.
void read_size_option(const std::string& text, amnet::ImageFormat& format);

/// The image size in --input, else the size in the packed file, if one is given. Throws UsageError
/// that names the option.
void read_size(const CLI::App& app, const std::string& text, const std::filesystem::path& pack, amnet::ImageFormat& format);

/// The images of --root or --pack. Throws UsageError naming `command` unless exactly one of them is
/// given, DataError when it does not exist.
std::shared_ptr<const amnet::ImageSource> open_images(const std::string& command, const std::filesystem::path& root,
                                                      const std::filesystem::path& pack);

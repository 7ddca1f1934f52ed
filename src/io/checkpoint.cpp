#include "checkpoint_manifest.h"
#include "checksum.h"
#include "hidden_name.h"
#include "posix_file.h"
#include "run_directory.h"

#include <amnet/io/checkpoint.h>

#include <set>
#include <system_error>
#include <utility>

namespace amnet {
namespace {

namespace fs = std::filesystem;

/// Writes one file of a checkpoint to the disk and says what was written.
ManifestFile write_file(const fs::path& directory, const CheckpointFile& file, const std::function<void(CheckpointStage)>& stage) {
  OutputFile output(directory / file.name, OutputFile::Mode::create);
  Checksum checksum;
  std::uint64_t bytes = 0;
  const ByteSink sink = [&](std::span<const std::byte> piece) {
    output.write(piece);
    checksum.update(piece);
    bytes += piece.size();
  };
  if (const auto* tensors = std::get_if<SafetensorsFile>(&file.content)) {
    write_safetensors(sink, tensors->tensors, tensors->metadata);
  } else {
    sink(std::as_bytes(std::span(std::get<std::string>(file.content))));
  }
  stage(CheckpointStage::wrote_file);
  output.sync();
  output.close();
  stage(CheckpointStage::synced_file);
  return {file.name, bytes, checksum.hexadecimal()};
}

void check_files(std::span<const CheckpointFile> files) {
  std::set<std::string_view> names = {manifest_name};
  for (const CheckpointFile& file : files) {
    require(is_plain_name(file.name), "[checkpoint] expected a file name of letters, digits, '.', '_' and '-' but got `{}`.", file.name);
    require(names.insert(file.name).second, "[checkpoint] two files are named `{}`.", file.name);
  }
}

/// Gives a finished directory its name. Returns what had the name before, which can be removed once
/// the change is on the disk.
std::optional<fs::path> publish(const fs::path& temporary, const fs::path& target) {
  if (!is_there(target)) {
    rename_path(temporary, target);
    return std::nullopt;
  }
  if (exchange_paths(temporary, target)) return temporary;
  return replace_by_turns(temporary, target);  // clean_run_directory puts it back after a crash
}

}  // namespace

fs::path write_checkpoint(const fs::path& run_dir, std::int64_t step, std::span<const CheckpointFile> files,
                          const CheckpointOptions& options) {
  require(step >= 0, "[checkpoint] expected a step >= 0 but got {}.", step);
  check_files(files);
  const auto stage = [&](CheckpointStage reached) {
    if (options.on_stage) options.on_stage(reached);
  };
  stage(CheckpointStage::begin);

  make_directory(run_dir);
  const fs::path target = run_dir / checkpoint_name(step);
  const fs::path temporary = hidden_path(target, Hidden::temporary);
  remove_tree(temporary);  // of an earlier process with the same number
  TemporaryPath guard(temporary);
  std::error_code error;
  if (!fs::create_directory(temporary, error)) fail_file("create", temporary, error.value());

  Manifest manifest{.step = step, .files = {}};
  for (const CheckpointFile& file : files) manifest.files.push_back(write_file(temporary, file, stage));
  write_file(temporary, {std::string(manifest_name), format_manifest(manifest)}, stage);
  sync_directory(temporary);

  stage(CheckpointStage::before_rename);
  const std::optional<fs::path> replaced = publish(temporary, target);
  guard.dismiss();
  stage(CheckpointStage::after_rename);
  sync_directory(run_dir);
  if (replaced) const TemporaryPath removed_here(*replaced);
  return target;
}

std::int64_t verify_checkpoint(const fs::path& directory) {
  const fs::path path = directory / manifest_name;
  constexpr std::size_t longest = std::size_t{1} << 20;
  const Manifest manifest = parse_manifest(read_file(path, longest), path.string());
  std::error_code unresolved;  // a pointer such as `last` stands for the directory it names
  const fs::path resolved = fs::canonical(directory, unresolved);
  const std::string name = (unresolved ? directory : resolved).filename().string();
  require<DataError>(!step_of(name) || step_of(name) == manifest.step, "{}: the manifest is of step {} but the directory is named {}.",
                     path.string(), manifest.step, name);
  for (const ManifestFile& file : manifest.files) verify_manifest_file(directory, file);
  return manifest.step;
}

std::optional<FoundCheckpoint> newest_intact(const fs::path& run_dir, std::vector<std::string>& notes) {
  for (FoundCheckpoint& checkpoint : list_checkpoints(run_dir)) {
    try {
      verify_checkpoint(checkpoint.directory);
      return std::move(checkpoint);
    } catch (const Error& error) {
      notes.push_back(fmt::format("skipped the damaged checkpoint {}: {}", checkpoint.directory.filename().string(), error.what()));
    }
  }
  return std::nullopt;
}

}  // namespace amnet

// The program that kill_test.py kills: it advances a small state step by step, saves a checkpoint
// at every step, prints it, and resumes from the newest intact one. Killed at any moment and
// started again, it must end with the bytes of an uninterrupted run. With --in-place it is the
// control: it overwrites one directory without any protection.
//
//   kill_writer --out D [--steps N] [--resume auto] [--keep N] [--elements N] [--slow-ms T] [--in-place | --check]
#include <amnet/io/checkpoint.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace amnet;
namespace fs = std::filesystem;

struct Options {
  fs::path out;
  std::int64_t steps = 40;
  int keep = 3;
  std::int64_t elements = 20000;
  double slow_ms = 0;  ///< waited after each stage between the first write and the rename
  bool resume = false;
  bool in_place = false;
  bool check = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto value = [&]() -> std::string {
      require(i + 1 < argc, "{} needs a value.", name);
      return argv[++i];
    };
    if (name == "--out") {
      options.out = value();
    } else if (name == "--steps") {
      options.steps = std::stoll(value());
    } else if (name == "--keep") {
      options.keep = std::stoi(value());
    } else if (name == "--elements") {
      options.elements = std::stoll(value());
    } else if (name == "--slow-ms") {
      options.slow_ms = std::stod(value());
    } else if (name == "--resume") {
      require(value() == "auto", "--resume knows only auto.");
      options.resume = true;
    } else if (name == "--in-place") {
      options.in_place = true;
    } else if (name == "--check") {
      options.check = true;
    } else {
      throw UsageError(fmt::format("unknown option {}.", name));
    }
  }
  require(!options.out.empty(), "--out is missing.");
  return options;
}

// flushed: the line must be complete when the process is killed
void say(const std::string& line) { std::cout << line << std::endl; }

void wait_ms(double ms) { std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(ms)); }

/// Represents a training: two tensors, each new value depends on both.
struct State {
  std::int64_t step = 0;
  Tensor weights;   // (N)
  Tensor momentum;  // (N)

  explicit State(std::int64_t elements) : weights(Tensor::zeros({elements}, DType::i64)), momentum(Tensor::zeros({elements}, DType::i64)) {}

  void advance() {
    const auto w = weights.data<std::int64_t>();
    const auto m = momentum.data<std::int64_t>();
    std::uint64_t carry = static_cast<std::uint64_t>(++step);
    for (std::size_t i = 0; i < w.size(); ++i) {
      carry = (carry ^ static_cast<std::uint64_t>(w[i])) * 0x9e3779b97f4a7c15ULL;
      carry ^= carry >> 29;
      m[i] = static_cast<std::int64_t>(carry + static_cast<std::uint64_t>(m[i]));
      w[i] = static_cast<std::int64_t>(carry ^ static_cast<std::uint64_t>(m[i]));
    }
  }

  std::vector<CheckpointFile> files() const {
    return {{"model.safetensors", SafetensorsFile{{{"step", std::to_string(step)}}, {{"weights", weights}}}},
            {"solver.safetensors", SafetensorsFile{{}, {{"momentum", momentum}}}},
            {"state.json", fmt::format("{{\"step\": {}}}\n", step)}};
  }

  void load(const FoundCheckpoint& checkpoint) {
    const auto copy = [&](const char* file, const char* name, const Tensor& into) {
      const SafetensorsFile contents = read_safetensors(checkpoint.directory / file);
      const Tensor* tensor = contents.find(name);
      require<DataError>(tensor != nullptr, "{} holds no {}.", file, name);
      into.copy_from(*tensor);
    };
    copy("model.safetensors", "weights", weights);
    copy("solver.safetensors", "momentum", momentum);
    step = checkpoint.step;
  }
};

void save(const Options& options, const State& state) {
  const auto slow = [&](CheckpointStage stage) {
    if (stage != CheckpointStage::begin && stage != CheckpointStage::after_rename) wait_ms(options.slow_ms);
  };
  const fs::path saved = write_checkpoint(options.out, state.step, state.files(), {.on_stage = slow});
  say("saved " + saved.filename().string());
  set_pointer(options.out, "last", saved.filename().string());
  keep_newest(options.out, options.keep);
}

/// Truncates and overwrites the files of one directory, each in two halves: the case that the
/// atomic rename prevents.
void save_in_place(const Options& options, const State& state) {
  const fs::path source = write_checkpoint(options.out / "source", state.step, state.files());
  const fs::path target = options.out / "current";
  fs::create_directories(target);
  say(fmt::format("writing {}", state.step));
  for (const char* name : {"model.safetensors", "solver.safetensors", "state.json", "MANIFEST.json"}) {
    const std::string bytes = read_file(source / name);
    std::ofstream file(target / name, std::ios::binary | std::ios::trunc);
    file << bytes.substr(0, bytes.size() / 2) << std::flush;
    wait_ms(options.slow_ms);
    file << bytes.substr(bytes.size() / 2) << std::flush;
    wait_ms(options.slow_ms);
  }
  say("saved " + source.filename().string());
  fs::remove_all(source);
}

void run(const Options& options) {
  State state(options.elements);
  if (options.check) {
    say(fmt::format("intact {}", verify_checkpoint(options.out / "current")));
    return;
  }
  if (!options.in_place) {
    clean_run_directory(options.out);
    probe_run_directory(options.out, state.weights.size_bytes() + state.momentum.size_bytes());
    std::vector<std::string> notes;
    const auto found = options.resume ? newest_intact(options.out, notes) : std::nullopt;
    for (const std::string& note : notes) say(note);
    if (found) {
      state.load(*found);
      say("resumed " + checkpoint_name(state.step));
    }
  }
  while (state.step < options.steps) {
    state.advance();
    options.in_place ? save_in_place(options, state) : save(options, state);
  }
  say("done");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return error.exit_code();
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

#include "catch.h"

#include <amnet/io/checkpoint.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace amnet;
using Catch::Contains;
namespace fs = std::filesystem;

class RunDirectory {
 public:
  RunDirectory() : path_(fs::temp_directory_path() / fmt::format("amnet-checkpoint-test-{}", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directory(path_);
  }
  ~RunDirectory() { fs::remove_all(path_); }
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const fs::path& path() const { return path_; }
  fs::path of(std::int64_t step) const { return path_ / checkpoint_name(step); }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) names.insert(entry.path().filename().string());
    return names;
  }

 private:
  fs::path path_;
};

/// Three files whose contents depend on the step.
std::vector<CheckpointFile> files_of(std::int64_t step, std::int64_t elements = 300) {
  Tensor weights({elements}, DType::i64);
  for (std::int64_t i = 0; i < elements; ++i) weights.data<std::int64_t>()[static_cast<std::size_t>(i)] = step * 1000 + i;
  return {{"model.safetensors", SafetensorsFile{{{"step", std::to_string(step)}}, {{"w", weights}}}},
          {"solver.safetensors", SafetensorsFile{{}, {{"momentum/w", Tensor::zeros({7}, DType::f32)}}}},
          {"state.json", fmt::format("{{\"step\": {}}}\n", step)}};
}

fs::path write(const RunDirectory& run, std::int64_t step) { return write_checkpoint(run.path(), step, files_of(step)); }

void flip(const fs::path& path, std::uint64_t at, int mask) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ mask));
  REQUIRE(file.good());
}

void replace(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary | std::ios::trunc) << text; }

std::int64_t newest_step(const RunDirectory& run, std::vector<std::string>& notes) {
  notes.clear();
  const auto found = newest_intact(run.path(), notes);
  return found ? found->step : -1;
}

/// The checkpoint of step 2 is damaged: newest_intact must report it and fall back to step 1.
void require_falls_back(const RunDirectory& run) {
  std::vector<std::string> notes;
  const std::int64_t step = newest_step(run, notes);
  CAPTURE(step, notes);
  if (step != 1 || notes.size() != 1 || notes[0].find("skipped the damaged checkpoint step_00000002: ") != 0) FAIL("not detected");
}

TEST_CASE("checkpoint: what is written is found and read back", "[checkpoint]") {
  const RunDirectory run;
  std::vector<std::string> notes;
  REQUIRE(newest_step(run, notes) == -1);
  REQUIRE(write(run, 500) == run.path() / "step_00000500");
  REQUIRE(run.names() == std::set<std::string>{"step_00000500"});
  REQUIRE(newest_step(run, notes) == 500);
  REQUIRE(notes.empty());
  REQUIRE(verify_checkpoint(run.of(500)) == 500);

  const SafetensorsFile model = read_safetensors(run.of(500) / "model.safetensors");
  REQUIRE(model.metadata.at("step") == "500");
  REQUIRE(model.find("w")->data<std::int64_t>()[299] == 500299);
  REQUIRE(read_file(run.of(500) / "state.json") == "{\"step\": 500}\n");
}

TEST_CASE("checkpoint: the manifest is what its documentation says", "[checkpoint]") {
  const RunDirectory run;
  write_checkpoint(run.path(), 3, std::vector<CheckpointFile>{{"state.json", std::string("abc")}});
  // The checksum is that of `printf abc | xxhsum -H2`.
  REQUIRE(read_file(run.of(3) / "MANIFEST.json") == R"({
  "format": "amnet checkpoint",
  "version": 1,
  "step": 3,
  "files": [
    {"name": "state.json", "bytes": 3, "xxh3_128": "06b05ab6733a618578af5f94892f3950"}
  ]
}
)");
}

TEST_CASE("checkpoint: a directory that is not there holds no checkpoint", "[checkpoint]") {
  std::vector<std::string> notes;
  REQUIRE_FALSE(newest_intact("/no/such/run", notes).has_value());
  REQUIRE(notes.empty());
  REQUIRE_NOTHROW(clean_run_directory("/no/such/run"));
  REQUIRE_THROWS_AS(verify_checkpoint("/no/such/run"), FileError);
}

TEST_CASE("checkpoint: every flipped byte of the manifest is detected", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  write(run, 2);
  const fs::path manifest = run.of(2) / "MANIFEST.json";
  const std::uint64_t size = fs::file_size(manifest);
  for (std::uint64_t at = 0; at < size; ++at) {
    // 0x2a turns a blank into a line feed, which JSON allows
    for (const int mask : {0x01, 0x20, 0x2a, 0x80}) {
      INFO(at << " ^ " << mask);
      flip(manifest, at, mask);
      require_falls_back(run);
      flip(manifest, at, mask);
    }
  }
  REQUIRE(verify_checkpoint(run.of(2)) == 2);
}

TEST_CASE("checkpoint: flipped bits of any file are detected", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  write(run, 2);
  for (const char* name : {"model.safetensors", "solver.safetensors", "state.json"}) {
    const fs::path path = run.of(2) / name;
    const std::uint64_t size = fs::file_size(path);
    const std::uint64_t stride = std::max<std::uint64_t>(1, size / 150);
    for (std::uint64_t at = 0; at < size; at += stride) {
      INFO(name << " at " << at);
      const int mask = 1 << (at % 8);
      flip(path, at, mask);
      require_falls_back(run);
      flip(path, at, mask);
    }
  }
  REQUIRE(verify_checkpoint(run.of(2)) == 2);
}

TEST_CASE("checkpoint: cut, grown, emptied, missing and swapped files are detected", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  for (const char* name : {"model.safetensors", "solver.safetensors", "state.json", "MANIFEST.json"}) {
    write(run, 2);
    const fs::path path = run.of(2) / name;
    const std::uint64_t size = fs::file_size(path);
    INFO(name);
    for (const std::uint64_t length : {size - 1, size / 2, std::uint64_t{8}, std::uint64_t{0}, size + 1}) {
      fs::resize_file(path, length);
      require_falls_back(run);
    }
    fs::remove(path);
    require_falls_back(run);
    fs::create_directory(path);
    require_falls_back(run);
  }
  write(run, 2);
  fs::copy_file(run.of(1) / "model.safetensors", run.of(2) / "model.safetensors", fs::copy_options::overwrite_existing);
  require_falls_back(run);
}

TEST_CASE("checkpoint: a directory under another step's name is detected, a copy under a free name is not", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  fs::copy(run.of(1), run.of(2), fs::copy_options::recursive);
  require_falls_back(run);
  fs::copy(run.of(1), run.path() / "published", fs::copy_options::recursive);
  REQUIRE(verify_checkpoint(run.path() / "published") == 1);
}

TEST_CASE("checkpoint: a hostile manifest is refused", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  write(run, 2);
  const fs::path manifest = run.of(2) / "MANIFEST.json";
  const std::string good = read_file(manifest);
  const auto refused = [&](const std::string& text, const std::string& message) {
    INFO(text.substr(0, 200));
    replace(manifest, text);
    REQUIRE_THROWS_AS(verify_checkpoint(run.of(2)), DataError);
    REQUIRE_THROWS_WITH(verify_checkpoint(run.of(2)), Contains(message) && Contains("MANIFEST.json"));
    require_falls_back(run);
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  refused("", "not the manifest");
  refused("[]", "not the manifest");
  refused("null", "not the manifest");
  refused("{}", "not the manifest");
  refused(std::string(200000, '['), "not the manifest");
  refused(std::string(2 << 20, ' '), "at most");
  refused(changed("\"version\": 1", "\"version\": 2"), "newer amnet");
  refused(changed("\"version\": 1", "\"version\": \"1\""), "`version`");
  refused(changed("\"step\": 2", "\"step\": -2"), "`step`");
  refused(changed("\"step\": 2", "\"step\": 2.0"), "`step`");
  refused(changed("\"step\": 2", "\"step\": 18446744073709551615"), "`step`");
  refused(changed("\"step\": 2", "\"step\": 1, \"step\": 2"), "damaged");
  refused(changed("\"step\": 2", "\"stop\": 2"), "`step`");
  refused(changed("\"state.json\"", "\"../state.json\""), "file name");
  refused(changed("\"state.json\"", "\"/etc/passwd\""), "file name");
  refused(changed("\"state.json\"", "3"), "`name`");
  refused(changed("\"files\": [", "\"files\": [1, "), "`files`");
  refused(changed("\"files\"", "\"fires\""), "`files`");
  refused(good + " ", "damaged");
  replace(manifest, good);
  REQUIRE(verify_checkpoint(run.of(2)) == 2);
}

TEST_CASE("checkpoint: files that the manifest does not name do no harm", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  write(run, 2);
  replace(run.of(2) / "notes.txt", "mine");
  replace(run.path() / "step_00000009", "a file, not a directory");
  fs::create_directory(run.path() / "step_3");
  fs::create_directory(run.path() / "step_00000004.bak");
  std::vector<std::string> notes;
  REQUIRE(newest_step(run, notes) == 2);
  REQUIRE(notes.empty());
}

TEST_CASE("checkpoint: the newest is the highest number, not the last name", "[checkpoint]") {
  const RunDirectory run;
  std::vector<std::string> notes;
  for (const std::int64_t step : {100'000'000, 99'999'999, 20'000'000}) write(run, step);
  REQUIRE(newest_step(run, notes) == 100'000'000);
  flip(run.of(100'000'000) / "state.json", 0, 1);
  REQUIRE(newest_step(run, notes) == 99'999'999);
  flip(run.of(99'999'999) / "state.json", 0, 1);
  REQUIRE(newest_step(run, notes) == 20'000'000);
  REQUIRE(notes.size() == 2);
  flip(run.of(20'000'000) / "state.json", 0, 1);
  REQUIRE(newest_step(run, notes) == -1);
  REQUIRE(notes.size() == 3);
}

TEST_CASE("checkpoint: saving a step again replaces it whole", "[checkpoint]") {
  const RunDirectory run;
  write(run, 2);
  replace(run.of(2) / "stale.txt", "of the checkpoint before");
  write_checkpoint(run.path(), 2, std::vector<CheckpointFile>{{"state.json", std::string("new")}});
  REQUIRE(verify_checkpoint(run.of(2)) == 2);
  REQUIRE(read_file(run.of(2) / "state.json") == "new");
  REQUIRE_FALSE(fs::exists(run.of(2) / "stale.txt"));
  REQUIRE(run.names() == std::set<std::string>{"step_00000002"});
}

TEST_CASE("checkpoint: a failure at any stage leaves the checkpoints there were and nothing else", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  std::vector<CheckpointStage> stages;
  write_checkpoint(run.path(), 2, files_of(2), {.on_stage = [&](CheckpointStage stage) { stages.push_back(stage); }});
  using enum CheckpointStage;
  REQUIRE(stages == std::vector{begin, wrote_file, synced_file, wrote_file, synced_file, wrote_file, synced_file, wrote_file, synced_file,
                                before_rename, after_rename});

  for (const std::int64_t step : {2, 3}) {  // 2 exists, 3 does not
    for (std::size_t fail_at = 0; fail_at + 1 < stages.size(); ++fail_at) {
      INFO(step << " fails at " << fail_at);
      std::size_t reached = 0;
      const auto throwing = [&](CheckpointStage) {
        if (reached++ == fail_at) throw std::runtime_error("injected");
      };
      REQUIRE_THROWS_AS(write_checkpoint(run.path(), step, std::vector<CheckpointFile>(files_of(9)), {.on_stage = throwing}),
                        std::runtime_error);
      REQUIRE(run.names() == std::set<std::string>{"step_00000001", "step_00000002"});
      REQUIRE(verify_checkpoint(run.of(2)) == 2);
      REQUIRE(read_file(run.of(2) / "state.json") == "{\"step\": 2}\n");
    }
  }
}

/// Runs in a child that may write files of `limit` bytes at most: 0 if write_checkpoint failed as
/// documented, else the error.
int write_under_limit(const RunDirectory& run, std::int64_t step, rlim_t limit) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limits{limit, limit};
    if (::setrlimit(RLIMIT_FSIZE, &limits) != 0) ::_exit(10);
    try {
      write_checkpoint(run.path(), step, files_of(9));
      ::_exit(11);
    } catch (const FileError& error) {
      const std::string message = error.what();
      const bool says_it = message.find(run.path().string()) != std::string::npos && message.find("File too large") != std::string::npos;
      ::_exit(says_it ? 0 : 12);
    } catch (...) {
      ::_exit(13);
    }
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("checkpoint: writes that fail or fall short keep the old checkpoint and remove the new one", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  write(run, 2);
  const std::uint64_t largest = fs::file_size(run.of(2) / "model.safetensors");
  for (const std::int64_t step : {2, 3}) {
    for (const rlim_t limit : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{8}, std::uint64_t{100}, largest / 2, largest - 1}) {
      INFO(step << " at most " << limit);
      REQUIRE(write_under_limit(run, step, limit) == 0);
      REQUIRE(run.names() == std::set<std::string>{"step_00000001", "step_00000002"});
      REQUIRE(verify_checkpoint(run.of(2)) == 2);
    }
  }
}

TEST_CASE("checkpoint: unusable names and steps are refused before anything is written", "[checkpoint]") {
  const RunDirectory run;
  const auto refused = [&](std::int64_t step, std::vector<CheckpointFile> files) {
    REQUIRE_THROWS_AS(write_checkpoint(run.path(), step, files), UsageError);
    REQUIRE(run.names().empty());
  };
  refused(-1, {});
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "../up", "MANIFEST.json", "a b", "a\"b", "ü"}) {
    INFO(name);
    refused(1, {{name, std::string()}});
  }
  refused(1, {{"a", std::string()}, {"a", std::string()}});
  refused(1, {{"a", SafetensorsFile{{}, {{"undefined", Tensor()}}}}});
}

TEST_CASE("checkpoint: keep_newest removes the oldest, but never a pointed one or the newest intact", "[checkpoint]") {
  const RunDirectory run;
  for (std::int64_t step = 1; step <= 6; ++step) write(run, step);
  set_pointer(run.path(), "best", checkpoint_name(2));
  const std::vector<std::string> protect = {checkpoint_name(3)};
  REQUIRE(keep_newest(run.path(), 2, protect) == std::vector<std::string>{"step_00000004", "step_00000001"});
  REQUIRE(run.names() == std::set<std::string>{"best", "step_00000002", "step_00000003", "step_00000005", "step_00000006"});

  flip(run.of(6) / "model.safetensors", 200, 1);
  flip(run.of(5) / "model.safetensors", 200, 1);
  REQUIRE(keep_newest(run.path(), 1).size() == 1);  // 5; 3 is the newest intact, 2 the best
  REQUIRE(run.names() == std::set<std::string>{"best", "step_00000002", "step_00000003", "step_00000006"});

  flip(run.of(3) / "model.safetensors", 200, 1);
  flip(run.of(2) / "model.safetensors", 200, 1);
  REQUIRE(keep_newest(run.path(), 1).empty());  // nothing is intact: nothing is removed
  REQUIRE_THROWS_AS(keep_newest(run.path(), 0), UsageError);
}

TEST_CASE("checkpoint: pointers are replaced and read like the directory they name", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  write(run, 2);
  REQUIRE_FALSE(read_pointer(run.path(), "last").has_value());
  set_pointer(run.path(), "last", checkpoint_name(1));
  set_pointer(run.path(), "last", checkpoint_name(2));
  REQUIRE(read_pointer(run.path(), "last") == checkpoint_name(2));
  REQUIRE(verify_checkpoint(run.path() / "last") == 2);
  REQUIRE(run.names() == std::set<std::string>{"last", "step_00000001", "step_00000002"});
  REQUIRE_THROWS_AS(set_pointer(run.path(), "last", "../elsewhere"), UsageError);
  fs::create_directory(run.path() / "best");
  REQUIRE_THROWS_AS(set_pointer(run.path(), "best", checkpoint_name(1)), FileError);
  REQUIRE_THROWS_WITH(probe_run_directory(run.path(), 1), Contains("best") && Contains("move it away"));
  REQUIRE(run.names().size() == 4);
}

TEST_CASE("checkpoint: a pointer may be a file with a name in it, and is replaced by a link", "[checkpoint]") {
  const RunDirectory run;
  for (std::int64_t step = 1; step <= 4; ++step) write(run, step);
  for (const char* text : {"step_00000001\n", "step_00000001", "step_00000001\r\n"}) {
    replace(run.path() / "best", text);
    REQUIRE(read_pointer(run.path(), "best") == checkpoint_name(1));
    REQUIRE(through_pointers(run.path() / "best") == run.of(1));
    REQUIRE(through_pointers(run.path() / "best" / "model.safetensors") == run.of(1) / "model.safetensors");
  }
  REQUIRE(keep_newest(run.path(), 1) == std::vector<std::string>{"step_00000003", "step_00000002"});
  REQUIRE(read_pointer(run.path(), "best") == checkpoint_name(1));
  set_pointer(run.path(), "best", checkpoint_name(4));
  REQUIRE(fs::is_symlink(run.path() / "best"));
  REQUIRE(read_pointer(run.path(), "best") == checkpoint_name(4));

  for (const std::string& text : {std::string(), std::string("two words"), std::string("../step_00000001"), std::string(5000, 's')}) {
    INFO(text.substr(0, 20));
    fs::remove(run.path() / "best");
    replace(run.path() / "best", text);
    REQUIRE_FALSE(read_pointer(run.path(), "best").has_value());
    REQUIRE(through_pointers(run.path() / "best") == run.path() / "best");
  }
}

TEST_CASE("checkpoint: a whole copy of a checkpoint in the place of a pointer is read and replaced", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  write(run, 2);
  const auto copied = [&] {
    fs::remove_all(run.path() / "best");
    fs::copy(run.of(1), run.path() / "best", fs::copy_options::recursive);
  };
  copied();
  REQUIRE(read_pointer(run.path(), "best") == checkpoint_name(1));
  REQUIRE(probe_run_directory(run.path(), 1).empty());
  set_pointer(run.path(), "best", checkpoint_name(2));
  REQUIRE(fs::is_symlink(run.path() / "best"));
  REQUIRE(run.names() == std::set<std::string>{"best", "step_00000001", "step_00000002"});

  // It stays where something would be lost: another file, other bytes, or the only copy.
  const auto stays = [&] {
    REQUIRE_THROWS_AS(set_pointer(run.path(), "best", checkpoint_name(2)), FileError);
    REQUIRE(fs::is_directory(fs::symlink_status(run.path() / "best")));
  };
  copied();
  replace(run.path() / "best" / "notes.txt", "mine");
  stays();
  copied();
  flip(run.path() / "best" / "state.json", 0, 1);
  stays();
  copied();
  fs::remove_all(run.of(1));
  stays();
}

TEST_CASE("checkpoint: the start of a run removes what dead processes left, and only that", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  REQUIRE(::waitpid(dead, nullptr, 0) == dead);
  const auto hidden = [&](const std::string& name, pid_t process) { return run.path() / fmt::format(".{}-{}", name, process); };
  fs::create_directory(hidden("step_00000002.tmp", dead));
  replace(hidden("step_00000002.tmp", dead) / "model.safetensors", "half");
  // of an earlier process with the same process number
  fs::create_directory(hidden("step_00000002.tmp", ::getpid()));
  fs::create_directory(hidden("step_00000000.gone", dead));
  fs::create_symlink("step_00000001", hidden("last.tmp", dead));
  replace(hidden("report.json.tmp", dead), "{");
  // A replacement that was interrupted between its two renames: the old checkpoint is restored.
  fs::copy(run.of(1), hidden("step_00000001.old", dead), fs::copy_options::recursive);
  fs::remove_all(run.of(1));
  // Not amnet's temporary files: another living process, and names that are only similar.
  fs::create_directory(hidden("step_00000003.tmp", ::getppid()));
  fs::create_directory(hidden("cache.tmp", dead));
  fs::create_directory(run.path() / ".step_00000005.tmp");

  clean_run_directory(run.path());
  REQUIRE(run.names() == std::set<std::string>{"step_00000001", hidden("step_00000003.tmp", ::getppid()).filename().string(),
                                               hidden("cache.tmp", dead).filename().string(), ".step_00000005.tmp"});
  REQUIRE(verify_checkpoint(run.of(1)) == 1);

  // the replacement was finished
  fs::copy(run.of(1), hidden("step_00000001.old", dead), fs::copy_options::recursive);
  clean_run_directory(run.path());
  REQUIRE_FALSE(fs::exists(hidden("step_00000001.old", dead)));
}

TEST_CASE("checkpoint: what processes of other machines are writing stays, unless nobody else can be writing", "[checkpoint]") {
  const RunDirectory run;
  write(run, 1);
  const fs::path theirs = run.path() / ".step_00000002.tmp-1@elsewhere", report = run.path() / ".report.json.tmp-1@elsewhere";
  const fs::path replaced = run.path() / ".step_00000001.old-1@elsewhere", old_report = run.path() / ".old.json.tmp-1@elsewhere";
  fs::create_directory(theirs);
  replace(report, "{");
  replace(old_report, "{");
  fs::last_write_time(old_report, fs::file_time_type::clock::now() - std::chrono::hours(25));
  clean_run_directory(run.path());
  REQUIRE(fs::exists(theirs));
  REQUIRE(fs::exists(report));
  REQUIRE_FALSE(fs::exists(old_report));

  fs::rename(run.of(1), replaced);
  clean_run_directory(run.path(), true);
  REQUIRE_FALSE(fs::exists(theirs));
  REQUIRE(fs::exists(report));  // possibly written by eval
  REQUIRE(verify_checkpoint(run.of(1)) == 1);
}

TEST_CASE("checkpoint: the probe creates the directory, leaves nothing in it and asks for room", "[checkpoint]") {
  const RunDirectory run;
  const fs::path nested = run.path() / "a" / "b";
  probe_run_directory(nested, 1000);
  REQUIRE(fs::is_directory(nested));
  REQUIRE(fs::is_empty(nested));
  REQUIRE_THROWS_AS(probe_run_directory(nested, std::uint64_t{1} << 62), FileError);
  REQUIRE_THROWS_WITH(probe_run_directory(nested, std::uint64_t{1} << 62), Contains("free some space"));
  replace(run.path() / "file", "");
  REQUIRE_THROWS_AS(probe_run_directory(run.path() / "file", 1), FileError);
  REQUIRE_THROWS_AS(probe_run_directory(run.path() / "file" / "x", 1), FileError);
}

}  // namespace

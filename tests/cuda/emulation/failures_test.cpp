// What a failing call does to a training run: the first, second, fourth ... and last call of every
// function of CUDA, cuBLAS and cuDNN fail, and pieces of work fail on the GPU itself. The run ends
// with one sentence that names the call and its place in the source, releases everything, and the
// process can train again.
#include <cublas_v2.h>
#include <cudnn.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "choice_file.h"
#include "fake_cuda.h"
#include "trainee.h"

using namespace amnet;

namespace {

constexpr int steps = 5;
using Calls = std::map<std::string, int>;

TraineeForm tiny() {
  return {.network = {.depth = 4, .width = 0.0625, .embedding = 8}, .format = {.height = 16, .width = 16}, .batch = 2, .classes = 5};
}

/// The counters of the fake libraries when a part of a run begins: the making of the net, each
/// step, reading the parameters back, and the end.
struct Mark {
  Calls calls;
  std::int64_t work = 0;
};

/// A process that trains on a GPU, up to the part that it reached.
struct Course {
  bool graphs = false;  // a recorded step makes few calls
  int part = -1;        // 0 for making the net, 1 + s for step s, then reading back, then the end
  std::vector<Mark> marks = {};
  std::vector<double> losses = {};

  void begins(int next) {
    part = next;
    marks.push_back({fake::calls(), fake::work_so_far()});
  }
};

void train(Course& course) {
  course.begins(0);
  {
    Trainee trainee(Cuda({.precision = ProductPrecision::bf16, .deterministic = true, .graphs = course.graphs}), tiny());
    for (int s = 0; s < steps; ++s) {
      course.begins(1 + s);
      trainee.step->run({trainee.batch_of(s)}, {.number = s, .seed = Trainee::seed}, 0.05);
      trainee.take_losses(course.losses, false);
    }
    course.begins(1 + steps);
    trainee.take_losses(course.losses, true);
    trainee.parameters();
    course.begins(2 + steps);
  }
  course.begins(3 + steps);
}

int calls_of(const std::string& function, const Calls& calls) {
  const auto found = calls.find(function);
  return found == calls.end() ? 0 : found->second;
}

/// The part of a run in which the n-th call of a function comes, according to the marks of a run
/// without failures.
int part_of_call(const std::string& function, int nth, const Course& whole) {
  int part = 0;
  const int before = calls_of(function, whole.marks.front().calls);
  while (calls_of(function, whole.marks[static_cast<std::size_t>(part) + 1].calls) - before < nth) ++part;
  return part;
}
int part_of_work(std::int64_t nth, const Course& whole) {
  int part = 0;
  while (whole.marks[static_cast<std::size_t>(part) + 1].work - whole.marks.front().work < nth) ++part;
  return part;
}

/// The words that name a function of the fakes in a message.
std::string words_for(const std::string& function) {
  if (function == "a kernel") return "the launch of a kernel";
  if (function == "a product") return "cublasGemmEx";
  if (function == "a plan of cuDNN") return "cudnnBackendExecute";
  return function;
}
/// The error that a function of the library returns.
int error_of(const std::string& function) {
  if (function.starts_with("cudnn")) return CUDNN_STATUS_INTERNAL_ERROR;
  if (function.starts_with("cublas")) return CUBLAS_STATUS_INTERNAL_ERROR;
  return cudaErrorUnknown;
}

/// "layer 'conv1_1': [cuda] cudaMemcpyAsync failed at transfer.cpp:35: ..."
bool names_call_and_place(const std::string& message, const std::string& words) {
  return std::regex_search(message, std::regex(R"(^(layers? '[^']+'( to '[^']+')?: )?\[cuda\] )" + words +
                                               R"(( for [a-z' ]+)? failed at [a-z0-9_]+\.(cpp|cu|h):[1-9][0-9]*: )"));
}

/// The device error that ended a run, or nothing; any other exception is passed on to the test.
template <class E = DeviceError>
std::string error_of_run(Course& course) {
  try {
    train(course);
  } catch (const E& error) {
    return error.what();
  }
  return {};
}

/// Keeps the choices of convolutions as one process leaves them for the next, so that a run makes
/// the same calls as the last and times no engine.
class KeptChoices {
 public:
  KeptChoices() {
    std::filesystem::remove(choices_path());
    Course first;
    train(first);
    choices_ = read_choices(choices_path());
  }
  void restore() const { write_choices(choices_path(), choices_); }

 private:
  Choices choices_;
};

/// 1, 2, 4 ... and the last.
std::vector<int> some_of(int count) {
  std::vector<int> numbers;
  for (int n = 1; n < count; n *= 2) numbers.push_back(n);
  if (count > 0) numbers.push_back(count);
  return numbers;
}

}  // namespace

TEST_CASE("failures: a call that fails ends a run with its name and place, and the next run goes well", "[gpu][long]") {
  const KeptChoices choices;
  const Calls alive = fake::alive();
  Course whole;
  train(whole);
  REQUIRE(whole.losses.size() == steps);
  CHECK(fake::alive() == alive);

  // An error when something is released belongs to earlier work, and was reported there; a
  // descriptor that cannot be finalised is a normal answer where another engine can be used; and
  // the absence of a GPU has its own message.
  const std::set<std::string> tolerated{"cudaFree",          "cudaFreeHost", "cudaEventDestroy",     "cudaStreamDestroy",
                                        "cublasDestroy",     "cudnnDestroy", "cudnnBackendFinalize", "cudnnBackendDestroyDescriptor",
                                        "cudaGetDeviceCount"};
  int failed_runs = 0;
  for (const auto& [function, count] : whole.marks.back().calls) {
    const int in_all = count - calls_of(function, whole.marks.front().calls);
    for (const int nth : some_of(in_all)) {
      INFO(function << ", call " << nth << " of " << in_all);
      choices.restore();
      Course course;
      fake::fail(function, nth, error_of(function));
      const std::string message = error_of_run<Error>(course);
      fake::fail_nothing();
      INFO(message);
      CHECK(fake::alive() == alive);
      const int part = part_of_call(function, nth, whole);
      if (!message.empty() && function != "cudaGetDeviceCount") {
        ++failed_runs;
        CHECK(names_call_and_place(message, words_for(function)));
        CHECK(course.part == part);
      } else {
        // The run must not depend on what a destructor can no longer do.
        CHECK((tolerated.count(function) == 1 || part == 2 + steps));
        if (message.empty()) CHECK(course.losses.size() == steps);
      }
      if (nth > 1) continue;
      Course next;
      choices.restore();
      train(next);
      CHECK(next.losses == whole.losses);
    }
  }
  CHECK(failed_runs > 100);
}

TEST_CASE("failures: work that fails on the GPU ends a run at most two steps later, with a name and a place", "[gpu]") {
  const KeptChoices choices;
  const Calls alive = fake::alive();
  Course whole;
  train(whole);
  const std::int64_t first = whole.marks[2].work, end = whole.marks[4].work, begin = whole.marks.front().work;
  REQUIRE(end - first > 40);
  for (std::int64_t work = first; work < end; work += 9) {
    const std::int64_t nth = work - begin + 1;
    const int part = part_of_work(nth, whole);
    INFO("piece " << nth << ", in part " << part);
    choices.restore();
    Course course;
    fake::fail_work(nth);
    const std::string message = error_of_run(course);
    fake::fail_nothing();
    INFO(message);
    CHECK(names_call_and_place(message, "[A-Za-z ]+"));
    CHECK(course.part >= part);
    CHECK(course.part <= part + 2);
    CHECK(fake::alive() == alive);
  }
  choices.restore();
  Course next;
  train(next);
  CHECK(next.losses == whole.losses);
}

TEST_CASE("failures: every memory that cannot be had is told as such, and nothing is lost", "[gpu]") {
  const KeptChoices choices;
  const Calls alive = fake::alive();
  Course whole;
  train(whole);
  for (const std::string function : {"cudaMalloc", "cudaMallocHost"}) {
    const int count = calls_of(function, whole.marks.back().calls) - calls_of(function, whole.marks.front().calls);
    for (const int nth : some_of(count)) {
      INFO(function << ", call " << nth << " of " << count);
      choices.restore();
      Course course;
      fake::fail(function, nth, cudaErrorMemoryAllocation);
      const std::string message = error_of_run<MemoryError>(course);
      fake::fail_nothing();
      INFO(message);
      CHECK(!message.empty());
      CHECK(fake::alive() == alive);
    }
  }
  choices.restore();
  Course next;
  train(next);
  CHECK(next.losses == whole.losses);
}

TEST_CASE("failures: a step that cannot be recorded is launched, and a graph that cannot be launched ends the run", "[gpu]") {
  const KeptChoices choices;
  const Calls alive = fake::alive();
  Course whole{.graphs = true};
  train(whole);
  for (const std::string function : {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"}) {
    INFO(function);
    choices.restore();
    Course course{.graphs = true};
    fake::fail(function, 1, cudaErrorUnknown);
    CHECK(error_of_run(course).empty());
    fake::fail_nothing();
    CHECK(course.losses == whole.losses);
    CHECK(fake::alive() == alive);
  }
  choices.restore();
  Course course{.graphs = true};
  fake::fail("cudaGraphLaunch", 2, cudaErrorUnknown);
  CHECK(names_call_and_place(error_of_run(course), "cudaGraphLaunch"));
  fake::fail_nothing();
  CHECK(course.part == 3);
  CHECK(fake::alive() == alive);
}

TEST_CASE("failures: while engines are timed, one that fails is left out", "[gpu]") {
  const Calls alive = fake::alive();
  for (const char* function : {"cudnnBackendExecute", "a plan of cuDNN", "cudaStreamSynchronize"}) {
    INFO(function);
    std::filesystem::remove(choices_path());
    Course course;
    fake::fail(function, 3, error_of(function));
    CHECK(error_of_run(course).empty());
    fake::fail_nothing();
    CHECK(course.losses.size() == steps);
    CHECK(fake::alive() == alive);
  }
}

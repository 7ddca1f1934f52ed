// The test program: Catch2's main, and `--ctest-script FILE [PREFIX]`, which writes one ctest test
// for each test case, its tags as labels and "PREFIX: " before its name: two programs may have the
// same cases. (Catch2's own CMake script knows labels only from version 3 on.) Of the tags,
//   [alone]  no other test runs at the same time;
//   [slow]   `./run test fast` leaves it out;
//   [long]   it computes for long with code that other cases run too: slow under sanitizers.
// Long and slow cases start first, so that none runs by itself at the end.
#define CATCH_CONFIG_RUNNER
#include "catch.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace {

struct Case {
  std::string name;
  std::vector<std::string> tags;
};

std::vector<Case> registered_cases(const Catch::Config& config) {
  std::vector<Case> cases;
  for (const auto& test : Catch::getAllTestCasesSorted(config)) {
    const auto& info = test.getTestCaseInfo();
    Case found{std::string(info.name), {}};
    for (const auto& tag : info.tags) {
#if defined(CATCH_VERSION_MAJOR) && CATCH_VERSION_MAJOR >= 3
      found.tags.emplace_back(tag.original);
#else
      found.tags.push_back(tag);
#endif
    }
    cases.push_back(std::move(found));
  }
  return cases;
}

/// The name in the syntax of Catch2's test specification.
std::string escaped(const std::string& name) {
  std::string spec;
  for (const char c : name) {
    if (std::strchr(",[]\\\"", c) != nullptr) spec += '\\';
    spec += c;
  }
  return spec;
}

/// Catch2 2 passes when a name matches no test unless told otherwise; Catch2 3 always fails then.
#if defined(CATCH_VERSION_MAJOR) && CATCH_VERSION_MAJOR >= 3
constexpr const char* strict = "";
#else
constexpr const char* strict = " --warn NoTests";
#endif

#ifdef AMNET_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

int write_ctest_script(const char* program, const char* path, const std::string& prefix, const Catch::Config& config) {
  std::ofstream script(path);
  for (const Case& test : registered_cases(config)) {
    const auto is = [&test](const char* tag) { return std::ranges::find(test.tags, tag) != test.tags.end(); };
    std::string labels = is("long") && sanitized ? "slow" : "";
    for (const std::string& tag : test.tags) labels += labels.empty() ? tag : ";" + tag;
    const std::string name = prefix + test.name;
    script << "add_test([==[" << name << "]==] [==[" << program << "]==] [==[" << escaped(test.name) << "]==]" << strict << ")\n"
           << "set_tests_properties([==[" << name << "]==] PROPERTIES LABELS [==[" << labels << "]==]"
           << (is("alone") ? " RUN_SERIAL TRUE" : "") << (is("long") || is("slow") ? " COST 100" : "") << " ${amnet_test_properties})\n";
  }
  script.close();
  return script.good() ? 0 : 1;
}

}  // namespace

int main(int argc, char* argv[]) {
  Catch::Session session;
  if (argc >= 3 && std::strcmp(argv[1], "--ctest-script") == 0) {
    return write_ctest_script(argv[0], argv[2], argc > 3 ? std::string(argv[3]) + ": " : std::string(), session.config());
  }
  return session.run(argc, argv);
}

#include <string>
#include <vector>

#include "catch.h"
#include "faces/settings_changes.h"

using namespace amnet;

TEST_CASE("settings: those that change what is learned are told, others not", "[settings]") {
  const std::string then = "# Data\nworkers = 1\ncache = \"none\"\n# Recipe\nlr = 0.1\nwarm-up = 0\n";
  CHECK(changed_settings(then, then).empty());
  CHECK(changed_settings(then, "workers = 8\ncache = \"device\"\nlr = 0.1\nwarm-up = 0\n").empty());
  CHECK(changed_settings(then, then + "tensorboard = true\n").empty());
  CHECK(changed_settings(then + "freeze = [\"a\"]\n", then) ==
        std::vector<std::string>{"Setting changed since the checkpoint: freeze is not set, was [\"a\"]"});
  CHECK(changed_settings(then, "lr = 0.2\n") ==
        std::vector<std::string>{"Setting changed since the checkpoint: lr = 0.2, was 0.1",
                                 "Setting changed since the checkpoint: warm-up is not set, was 0"});
  // older configurations, and those with several lists
  CHECK(changed_settings(then, then + "sampling = \"shuffle\"\naugment = \"none\"\ntrain-list = [\"a.txt\", \"b.txt\"]\n").empty());
  CHECK(changed_settings(then, then + "sampling = \"balanced\"\naugment = \"light\"\n") ==
        std::vector<std::string>{"Setting changed since the checkpoint: augment = \"light\", was \"none\"",
                                 "Setting changed since the checkpoint: sampling = \"balanced\", was \"shuffle\""});
}

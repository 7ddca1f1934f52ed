#!/usr/bin/env python3
"""What ./run gpu-bundle gathers from this system: every header and CMake package that configuring amnet needs, and no more than the size
limit."""
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MIB = 30  # of 60 in all: the rest is for faces
# What the sources include and CMake finds, one file of each package.
WANTED = ("include/eigen3/Eigen/Dense", "include/fmt/format.h", "include/nlohmann/json.hpp", "include/jpeglib.h", "include/stb/stb_image.h",
          "include/xxhash.h", "include/CLI/CLI.hpp", "include/catch2/catch*.hpp", "**/Eigen3Config.cmake", "**/fmt-config.cmake",
          "**/nlohmann_jsonConfig.cmake", "**/CLI11Config.cmake", "**/Catch2Config.cmake", "include/*/jconfig.h",
          "include/webp/decode.h", "lib/*/libjpeg.a", "lib/*/libwebp.a", "lib/*/libfmt.so", "lib/*/libfmt.so.[0-9]*",
          "include/google/protobuf/text_format.h", "lib/*/libprotobuf.so", "lib/*/libprotobuf.so.[0-9]*", "lib/*/libprotoc.so.[0-9]*",
          "bin/protoc")


def packages_are_debians():
    if shutil.which("dpkg") is None:
        return False
    return subprocess.run(["dpkg", "-L", "libeigen3-dev", "libfmt-dev", "catch2"], capture_output=True).returncode == 0


@unittest.skipUnless(packages_are_debians(), "SKIPPED: the packages are not Debian's")
class Gathering(unittest.TestCase):
    def assert_libraries_are_there(self, targets, usr):
        """A CMake package is refused as a whole where one of the libraries that it names is missing."""
        for file in targets.parent.glob(targets.stem + "-*.cmake"):
            for name in re.findall(r'IMPORTED_LOCATION_\w+ "\$\{_IMPORT_PREFIX\}/([^"]+)"', file.read_text()):
                self.assertTrue((usr / name).is_file(), f"{file.name} names {name}, which is not in the bundle")

    def test_everything_that_a_build_asks_of_the_system(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["bash", "-c", 'source "$1"; gather_packages "$2"', "bash", ROOT / "run", folder], check=True, capture_output=True)
            usr = Path(folder) / "usr"
            for pattern in WANTED:
                found = [file for file in usr.glob(pattern) if file.is_file() and not file.is_symlink()]
                self.assertTrue(found, f"{pattern}: not in the bundle, or a link that leads out of it")
            for targets in usr.glob("**/*Targets.cmake"):
                self.assert_libraries_are_there(targets, usr)
            size = sum(file.stat().st_size for file in usr.rglob("*") if file.is_file())
            self.assertLess(size, LIMIT_MIB << 20)


if __name__ == "__main__":
    unittest.main()

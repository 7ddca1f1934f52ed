"""Builds and runs examples/embed as a user would: from an installed amnet, from a prefix that was moved, or as a sub-directory.

    consume_test.py install|subdirectory --source DIR --build DIR --generator G --compiler CXX
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*command, **options):
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, **options)


def configure_build_run(arguments, source, build, *definitions):
    run("cmake", "-S", source, "-B", build, "-G", arguments.generator, f"-DCMAKE_CXX_COMPILER={arguments.compiler}",
        "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", *definitions)
    run("cmake", "--build", build)
    program = next(path for path in build.rglob("embed") if path.is_file() and os.access(path, os.X_OK))
    run(program)


def from_install(arguments, scratch):
    first, second = scratch / "first", scratch / "moved" / "second"
    embed = arguments.source / "examples" / "embed"
    run("cmake", "--install", arguments.build, "--prefix", first)
    configure_build_run(arguments, embed, scratch / "build1", f"-DCMAKE_PREFIX_PATH={first}")
    second.parent.mkdir()
    shutil.move(first, second)
    configure_build_run(arguments, embed, scratch / "build2", f"-DCMAKE_PREFIX_PATH={second}")
    for file in second.rglob("*.cmake"):
        text = file.read_text()
        for path in (arguments.source, arguments.build, first):
            if str(path) in text:
                sys.exit(f"{file.name} of the installed package names {path}")


def from_subdirectory(arguments, scratch):
    configure_build_run(arguments, arguments.source / "tests" / "consume" / "subdirectory", scratch / "build",
                        f"-DAMNET_SOURCE_DIR={arguments.source}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["install", "subdirectory"])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--compiler", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="amnet_consume_") as scratch:
        (from_install if arguments.mode == "install" else from_subdirectory)(arguments, Path(scratch))


if __name__ == "__main__":
    main()

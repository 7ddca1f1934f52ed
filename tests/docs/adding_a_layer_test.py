"""Compares docs/adding_a_layer.md with the program: builds the project it shows against an installed amnet, runs it and compares the
output.

    adding_a_layer_test.py --source DIR --build DIR --generator G --compiler CXX

A fenced block that starts with a comment naming a file is that file. The first `text` block is the program's output; the `diff` block is an
edit that the gradient check must catch, with the second `text` block.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def blocks_of(markdown):
    """[(language, text)] of the fenced blocks, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


def files_of(blocks):
    files = {}
    for _, text in blocks:
        named = re.match(r"(?://|#) ([\w.]+\.(?:h|cpp|txt)):", text)
        if named:
            files[named.group(1)] = text
    return files


def edited(text, diff):
    """`text` with the one line of the diff replaced."""
    old, = (line[1:] for line in diff.splitlines() if line.startswith("-"))
    new, = (line[1:] for line in diff.splitlines() if line.startswith("+"))
    if text.count(old + "\n") != 1:
        sys.exit(f"the line of the diff stands {text.count(old)} times in the header, expected once: {old}")
    return text.replace(old + "\n", new + "\n")


def same(said, got):
    """The same words, and numbers within 2 % or 0.002: other instruction sets round differently."""
    if NUMBER.sub("#", said).split() != NUMBER.sub("#", got).split():
        return False
    pairs = zip(map(float, NUMBER.findall(said)), map(float, NUMBER.findall(got)))
    return all(abs(a - b) <= max(0.02 * abs(a), 0.002) for a, b in pairs)


def expect(result, said, code, what):
    print(result.stdout, end="", flush=True)
    if result.returncode != code:
        sys.exit(f"{what}: expected exit code {code} but got {result.returncode}: {result.stderr}")
    if not same(said, result.stdout):
        sys.exit(f"{what}: the page says\n{said}\nbut the program\n{result.stdout}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("source", "build"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("generator", "compiler"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()

    blocks = blocks_of((arguments.source / "docs" / "adding_a_layer.md").read_text())
    files = files_of(blocks)
    output, broken_output = (text for language, text in blocks if language == "text")
    diff, = (text for language, text in blocks if language == "diff")

    with tempfile.TemporaryDirectory(prefix="amnet_docs_") as scratch:
        project, build, prefix = (Path(scratch) / name for name in ("project", "build", "prefix"))
        project.mkdir()
        for name, text in files.items():
            (project / name).write_text(text)

        def run(*command):
            print("+", *command, flush=True)
            subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)

        run("cmake", "--install", arguments.build, "--prefix", prefix)
        run("cmake", "-S", project, "-B", build, "-G", arguments.generator, f"-DCMAKE_CXX_COMPILER={arguments.compiler}",
            "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wconversion -Wshadow -Werror", f"-DCMAKE_PREFIX_PATH={prefix}")

        def build_and_run():
            run("cmake", "--build", build)
            program = next(path for path in build.rglob("swish") if path.is_file() and os.access(path, os.X_OK))
            return subprocess.run([str(program)], capture_output=True, text=True)

        expect(build_and_run(), output, 0, "the example")
        (project / "swish.h").write_text(edited(files["swish.h"], diff))
        expect(build_and_run(), broken_output, 1, "the example with a wrong derivative")


if __name__ == "__main__":
    main()

"""The examples at the beginning of public headers, and those of Markdown pages that no other test compiles, as files to include.

    examples.py --source DIR --pages PAGE... --out DIR           writes each as OUT/<room>/<stem>.h, or OUT/<page>
    examples.py --source DIR --pages PAGE... --program PROGRAM   whether each is there, short and run; then runs the program, which runs them

The example of a header is the part of its opening comment that is indented by three spaces after an empty comment line.
tests/docs/examples/<room>.cpp includes it, in a function that defines the objects which it uses.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

# Headers that declare nothing to use.
WITHOUT_EXAMPLE = ("amnet.h", "version.h")
LINES = 9  # without those that only close a bracket
INDENT = "//   "


def blocks_of_header(text):
    """[(number of the first line, [code])]"""
    blocks, apart = [], False
    for number, line in enumerate(text.split("#pragma once")[0].splitlines(), 1):
        if line.startswith(INDENT) and (apart or (blocks and blocks[-1][0] + len(blocks[-1][1]) == number)):
            if apart:
                blocks.append((number, []))
            blocks[-1][1].append(line[len(INDENT):])
        apart = line == "//"
    return blocks


def blocks_of_page(text):
    """The same for the blocks of C++ that are neither a file nor a program of another test."""
    blocks, code = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if code is not None and line == "```":
            if not re.match(r"// (program \w+|[\w.]+\.(h|cpp)):", code[0]):
                blocks.append((first, code))
            code = None
        elif code is not None:
            code.append(line)
        elif line == "```cpp":
            first, code = number + 1, []
    return blocks


def examples_of(source, pages):
    """{name: (file, blocks)}"""
    include = source / "include/amnet"
    examples = {str(file.relative_to(include)): (file, blocks_of_header(file.read_text())) for file in sorted(include.rglob("*.h"))}
    return examples | {page: (source / page, blocks_of_page((source / page).read_text())) for page in pages}


def text_of(file, blocks):
    """The text to include: all blocks, or the one with the number EXAMPLE_BLOCK. Errors name the line of the header."""
    parts = ["#ifndef EXAMPLE_BLOCK\n#define EXAMPLE_BLOCK 0\n#endif\n"]
    for index, (first, code) in enumerate(blocks, 1):
        parts.append(f'#if EXAMPLE_BLOCK == 0 || EXAMPLE_BLOCK == {index}\n#line {first} "{file}"\n' + "\n".join(code) + "\n#endif\n")
    parts.append("#undef EXAMPLE_BLOCK\n")
    return "".join(parts)


def write_all(examples, out):
    for name, (file, blocks) in examples.items():
        path = out / name
        text = text_of(file, blocks)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def faults_of(examples, runners):
    """A sentence for each example that is missing, too long or not run. `runners`: the text of all files that run some."""
    faults = []
    for name, (file, blocks) in examples.items():
        if name in WITHOUT_EXAMPLE:
            continue
        if not blocks:
            faults.append(f"{file}: there is no example; show a use after an empty comment line, indented by three spaces")
            continue
        lines = sum(line.strip() not in ("}", "};", "});") for _, code in blocks for line in code)
        if file.suffix == ".h" and lines > LINES:
            faults.append(f"{file}:{blocks[0][0]}: the example has {lines} lines, expected at most {LINES}; show less")
        if not re.search(rf'^EXAMPLE\("{re.escape(name)}"\)', runners, re.MULTILINE) or f'#include "example_of/{name}"' not in runners:
            faults.append(f'{file}:{blocks[0][0]}: nothing runs the example; add EXAMPLE("{name}") to tests/docs/examples/')
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--pages", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--program")
    arguments = parser.parse_args()
    examples = examples_of(arguments.source, arguments.pages)
    if arguments.out:
        write_all(examples, arguments.out)
        return
    runners = "".join(path.read_text() for path in sorted((arguments.source / "tests/docs/examples").glob("*.cpp")))
    faults = faults_of(examples, runners)
    print(*faults, sep="\n", flush=True)
    sys.exit(subprocess.run([arguments.program]).returncode or bool(faults))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs clang-tidy on every source of the library, several files at a time.

    python3 tools/lint.py BUILD [JOBS]      BUILD has compile_commands.json, without precompiled headers

clang-tidy spends most of its time on headers, so files are put together: a group of files is one translation unit that includes them. Files whose
unnamed namespaces have a name in common are in different groups. Where a group does not pass, its files are checked one by one: what is reported
never depends on the groups.
"""
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES_OF_GROUP = 12
CHECKS = "--checks=-bugprone-suspicious-include"  # what a group consists of


def sources(build):
    """[(file, flags)] of the library's own files. Files with flags of their own, for code of other projects, are left out."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = Path(entry["file"]).resolve()
        if ROOT / "src" not in file.parents:
            continue
        words = shlex.split(entry["command"])
        skip = words.index("-o")
        flags = [word for word in words[1:skip] + words[skip + 2:] if word not in ("-c", entry["file"])]
        if "-w" not in flags:
            found[file] = flags
    return sorted(found.items())


def unnamed(file):
    """The names that a file declares in its unnamed namespaces, and more: a name too many costs a little time."""
    names = set()
    for block in re.findall(r"^namespace \{\n(.*?)^\}  // namespace$", file.read_text(), re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^(?!namespace )[^\s/#}].*", block, re.MULTILINE):
            names.update(re.findall(r"([A-Za-z_]\w*)\s*(?=[({=;\[]|$)", line))
    return names - {"template", "const", "noexcept", "requires"}


def groups_of(files):
    """[[(file, flags)]] of the same flags each."""
    groups = []
    for file, flags in files:
        names = unnamed(file)
        for group in groups:
            if group["flags"] == flags and len(group["files"]) < FILES_OF_GROUP and not names & group["names"]:
                break
        else:
            group = {"flags": flags, "files": [], "names": set()}
            groups.append(group)
        group["files"].append((file, flags))
        group["names"] |= names
    return [group["files"] for group in groups]


def tidy(file, flags):
    """What is wrong with a file; empty: nothing."""
    command = ["clang-tidy", "--quiet", "--warnings-as-errors=*", CHECKS, f"--config-file={ROOT / '.clang-tidy'}", str(file), "--", *flags,
               "-Wno-unknown-warning-option"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    return f"{done.stdout}{done.stderr}{file}: clang-tidy ended with exit code {done.returncode}\n"


def check(folder, number, group):
    """What is wrong with a group, and how many files had to be checked alone."""
    unit = folder / f"group_{number}.cpp"
    unit.write_text("".join(f'#include "{file}"\n' for file, _ in group))
    if not tidy(unit, [*group[0][1], "-Wno-shadow"]):  # of names of other files
        return "", 0
    return "".join(tidy(file, flags) for file, flags in group), len(group)


def main():
    build = Path(sys.argv[1])
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count()
    files = sources(build)
    if not files:
        sys.exit(f"lint: {build}/compile_commands.json names no file of src/")
    groups = groups_of(files)
    folder = build / "groups"
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda item: check(folder, *item), enumerate(groups)))
    alone = sum(count for _, count in results)
    for output, _ in results:
        print(output, end="")
    print(f"lint: {len(files)} files in {len(groups)} groups, {alone} of them one by one", file=sys.stderr)
    return 1 if any(output for output, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main())

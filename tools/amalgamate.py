#!/usr/bin/env python3
"""Writes amnet as one header in the manner of stb: declarations, and the definitions where AMNET_IMPLEMENTATION is defined.

    amalgamate.py [--out FILE]     default: build/single/amnet.h

Files follow each other in the order in which they include one another. What is local to a .cpp file (everything in its unnamed
namespace) gets the file's name as a suffix, so that the definitions of 90 files can be in one.
"""
import argparse
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

# The rooms that are included, with the files of them that are not.
ROOMS = ("core", "kernels", "cpu", "layers", "testing", "net", "io", "model", "train")
LEFT_OUT = {
    "core/cuda_memory.h",  # GPUs
    "model/embed.h", "model/embed.cpp",  # decodes pictures
}
# Single files from other rooms: the order of samples, the network and the heads of the paper, and
# the reader of older files, which contain such networks.
FURTHER = ("data/sampler", "faces/sphere_face", "faces/heads", "faces/older_files")

BANNER = '''// amnet {version} (commit {commit}) in one header: tensors, CPU kernels, layers, nets and their
// plans, model files, solver, trainer, gradient check.
//
// In one file of a program:
//
//   #define AMNET_IMPLEMENTATION
//   #include "amnet.h"
//
// and in all others the second line alone. It needs a C++20 compiler, the headers of fmt,
// nlohmann-json and xxHash, and nothing to link but threads:
//
//   g++ -std=c++20 -O3 -march=native -fno-math-errno -fno-trapping-math main.cpp -pthread
//
// Made from the sources by tools/amalgamate.py: change those, not this.
'''

# Warnings of GCC about a header that is compiled once and about its own optimised library code.
WARNINGS = """#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsubobject-linkage"  // types without linkage are meant to have none
#if __GNUC__ < 13  // false alarms: GCC bugs 105329 and 105593
#pragma GCC diagnostic ignored "-Wrestrict"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Warray-bounds"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#endif
#endif

"""
WARNINGS_END = """#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

"""


class Amalgam(NamedTuple):
    text: str
    headers: list  # names of the public headers in it


# ---- C++ as tokens --------------------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'''
    (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<raw>R"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)")
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+')
  | (?P<number>\.?[0-9](?:[eEpP][+-]|'[0-9a-zA-Z]|[0-9a-zA-Z_.])*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<sign>::|->|\.\.\.|[^\w\s])
''', re.VERBOSE | re.DOTALL)


class Token(NamedTuple):
    kind: str
    text: str
    begin: int
    end: int


def tokens_and_comments(text):
    return [Token(found.lastgroup if found.lastgroup != "mark" else "raw", found.group(), found.start(), found.end())
            for found in TOKEN.finditer(text)]


def tokens_of(text):
    return [token for token in tokens_and_comments(text) if token.kind != "comment"]


def without_directives(text):
    """The text with preprocessor lines blanked, so that positions stay."""
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda found: re.sub(r"[^\n]", " ", found.group()), text, flags=re.MULTILINE)


PAIRS = {"(": ")", "[": "]", "{": "}"}


def skip_group(tokens, at):
    """The position after the bracket that closes the one at `at`."""
    depth = 0
    while True:
        depth += tokens[at].text in PAIRS
        depth -= tokens[at].text in PAIRS.values()
        at += 1
        if depth == 0:
            return at


def skip_angles(tokens, at):
    """The position after the `>` that closes the `<` at `at`."""
    depth = 0
    while True:
        text = tokens[at].text
        if text in PAIRS:
            at = skip_group(tokens, at)
            continue
        depth += (text == "<") - (text == ">")
        at += 1
        if depth == 0:
            return at


def name_declared(tokens, at):
    """(the names that the declaration at `at` declares, where the next one begins)"""
    while tokens[at].text in ("template", "[", "inline", "constexpr", "const", "static", "extern", "requires"):
        keyword = tokens[at].text
        if keyword == "[":
            at = skip_group(tokens, at)
        elif keyword == "template":
            at = skip_angles(tokens, at + 1)
        elif keyword == "requires":  # a conjunction of atoms: concepts with arguments, or a parenthesis
            at += 1
            while True:
                at = skip_group(tokens, at) if tokens[at].text == "(" else at + 1
                if tokens[at].text == "<":
                    at = skip_angles(tokens, at)
                if tokens[at].text == "::":
                    at += 1
                elif tokens[at].text == "&" and tokens[at + 1].text == "&":
                    at += 2
                else:
                    break
        else:
            at += 1

    def end_of(at):
        """The position after the `;` or the body that ends the declaration."""
        while tokens[at].text != ";":
            if tokens[at].text == "{":
                at = skip_group(tokens, at)
                return at + (tokens[at].text == ";") if at < len(tokens) else at
            at = skip_group(tokens, at) if tokens[at].text in PAIRS else at + 1
        return at + 1

    first = tokens[at].text
    if first in ("struct", "class", "union", "enum"):
        name = at + 1 + (tokens[at + 1].text in ("class", "struct"))
        names = [tokens[name].text] if tokens[name].kind == "word" else []
        is_special = tokens[name + 1].text == "<"
        body = name
        while tokens[body].text not in ("{", ";"):
            body += 1
        if first == "enum" and name == at + 1 and tokens[body].text == "{":
            inside = skip_group(tokens, body)
            names += [tokens[i].text for i in range(body + 1, inside) if tokens[i].kind == "word" and tokens[i - 1].text in ("{", ",")]
        while tokens[body].text != ";":
            body = skip_group(tokens, body) if tokens[body].text == "{" else body + 1
        return [] if is_special else names, body + 1
    if first in ("using", "concept", "namespace"):
        is_alias = first == "concept" or tokens[at + 2].text in ("=", "{")
        return [tokens[at + 1].text] if is_alias else [], end_of(at)
    if first in ("static_assert", "friend"):
        return [], end_of(at)
    i = at  # a function or a variable: its name is before the first of these
    while tokens[i].text not in ("(", "=", "{", ";", "["):
        if tokens[i].text == "operator":
            return [], end_of(at)
        i = skip_angles(tokens, i) if tokens[i].text == "<" else skip_group(tokens, i + 1) if tokens[i].text == "decltype" else i + 1
    name = tokens[i - 1]
    is_new = name.kind == "word" and tokens[i - 2].text != "::"
    if tokens[i].text == "=" or (tokens[i].text == "{" and is_new and tokens[i - 1].kind == "word"):  # a variable's value
        while tokens[i].text != ";":
            i = skip_group(tokens, i) if tokens[i].text in PAIRS else i + 1
        return [name.text] if is_new else [], i + 1
    return [name.text] if is_new else [], end_of(at)


def kept_names(text):
    """The names that are local to the file: those in its unnamed namespaces."""
    tokens, names, at, closes = tokens_of(without_directives(text)), set(), 0, []
    while at < len(tokens):
        if tokens[at].text == "}":
            closes.pop()
            at += 1
        elif tokens[at].text == "namespace" and tokens[at + 1].text == "{":
            closes.append("kept")
            at += 2
        elif tokens[at].text == "namespace" and tokens[at + 2].text in ("{", "::") and "kept" not in closes:
            while tokens[at].text != "{":
                at += 1
            closes.append("open")
            at += 1
        else:
            declared, at = name_declared(tokens, at)
            if closes and closes[-1] == "kept":
                names.update(declared)
    return names


def with_suffix(text, names, suffix, file):
    """The text with all uses of those names renamed. Exits where one of them is also a member's name."""
    tokens = tokens_of(text)
    for owner, before, token in zip(tokens, tokens[1:], tokens[2:]):
        is_member = (before.text == "." and owner.text not in ("{", ",")) or (before.text == "->" and token.text[0].islower())
        if token.text in names and is_member:  # not `{.name = value}`, nor the return type after `->`
            raise Clash(f"{file}: '{token.text}' is the name of something that the file keeps to itself, and of a member: one of the two "
                        "needs another name")
    parts, done = [], 0
    for i, token in enumerate(tokens):
        if token.kind != "word" or token.text not in names:
            continue
        before = tokens[i - 1].text if i > 0 else ""
        if before == "." or (before == "::" and not (i > 1 and tokens[i - 2].text == "amnet")):
            continue
        parts += [text[done:token.end], suffix]
        done = token.end
    return "".join(parts) + text[done:]


class Clash(Exception):
    pass


# ---- files ----------------------------------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^#include (<[^>]+>|"[^"]+")[^\n]*\n', re.MULTILINE)


def path_of(included, including):
    """The file of amnet that an #include names; None for other projects' files."""
    name = included[1:-1]
    candidates = [ROOT / "include" / name] if included[0] == "<" else [including.parent / name, ROOT / "src" / name]
    return next((path for path in candidates if path.is_file()), None)


class Writer:
    """Puts files after those that they include, each once."""

    def __init__(self):
        self.system, self.parts, self.seen = {}, [], set()

    def add(self, path, change=lambda text: text):
        if path in self.seen:
            return
        self.seen.add(path)
        text = path.read_text()
        stays = behind_directives(text)
        for found in INCLUDE.finditer(text):
            own = path_of(found.group(1), path)
            if own is not None:
                self.add(own)
            elif not stays(found.start()):
                self.system.setdefault(found.group(1), None)

        def keep(found):
            return found.group() if path_of(found.group(1), path) is None and stays(found.start()) else ""

        body = change(INCLUDE.sub(keep, text).replace("#pragma once\n", ""))
        self.parts.append(f"// ---- {path.relative_to(ROOT)} ".ljust(100, "-") + "\n\n" + body.strip("\n") + "\n")


def behind_directives(text):
    """Whether an #include may have another meaning at another place: it is inside an #if, or after a #define."""
    spans, depth, begin = [], 0, 0
    for found in re.finditer(r"^#\s*(if|endif)\w*", text, re.MULTILINE):
        if found.group(1) == "if":
            begin = found.start() if depth == 0 else begin
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                spans.append((begin, found.end()))
    define = re.search(r"^#\s*define", text, re.MULTILINE)
    return lambda at: any(first <= at < last for first, last in spans) or (define is not None and define.start() < at)


def room_files(kind, suffix):
    files = []
    for room in ROOMS:
        files += sorted((ROOT / kind / room).glob(f"*{suffix}"))
    base = ROOT / kind
    files = [file for file in files if str(file.relative_to(base)) not in LEFT_OUT]
    return files + [base / f"{stem}{suffix}" for stem in FURTHER if (base / f"{stem}{suffix}").is_file()]


def includes_text(writer):
    return "".join(f"#include {name}\n" for name in sorted(writer.system))


def commit():
    told = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
    return told.stdout.strip() if told.returncode == 0 else "unknown"


def amalgamate():
    public = Writer()
    headers = room_files("include/amnet", ".h")
    public.add(ROOT / "include/amnet/version.h")
    for header in headers:
        public.add(header)
    version = re.search(r'define AMNET_VERSION "([^"]+)"', (ROOT / "include/amnet/version.h").read_text()).group(1)

    private = Writer()
    private.seen |= public.seen
    suffixes = defaultdict(list)
    for source in room_files("src", ".cpp"):
        names = kept_names(source.read_text())
        suffix = "_of_" + "_".join(source.relative_to(ROOT / "src").with_suffix("").parts)
        suffixes[suffix].append(source)
        private.add(source, lambda text, names=names, suffix=suffix, source=source: with_suffix(text, names, suffix, source.relative_to(ROOT)))
    strangers = sorted(str(path.relative_to(ROOT)) for path in private.seen | public.seen
                       if path.relative_to(ROOT).parts[-2] not in (*ROOMS, "amnet") and not any(stem in str(path) for stem in FURTHER))
    if strangers:
        raise Clash(f"these are included, but of rooms that are not in the single header: {', '.join(strangers)}")
    for name in public.system:
        private.system.pop(name, None)

    text = BANNER.format(version=version, commit=commit())
    text += "#if !defined(AMNET_SINGLE_HEADER)\n#define AMNET_SINGLE_HEADER 1\n\n"
    text += "#if !defined(FMT_HEADER_ONLY)\n#define FMT_HEADER_ONLY 1\n#endif\n\n"
    text += includes_text(public) + "\n" + "\n".join(public.parts)
    text += "\n#endif  // AMNET_SINGLE_HEADER\n\n"
    text += "#if defined(AMNET_IMPLEMENTATION) && !defined(AMNET_IMPLEMENTED)\n#define AMNET_IMPLEMENTED 1\n\n"
    text += f'#if !defined(AMNET_GIT_COMMIT)\n#define AMNET_GIT_COMMIT "{commit()}"\n#endif\n\n'
    text += includes_text(private) + "\n" + WARNINGS + "\n".join(private.parts) + "\n" + WARNINGS_END + "#endif  // AMNET_IMPLEMENTATION\n"
    return Amalgam(text, [str(header.relative_to(ROOT / "include")) for header in headers])


def main():
    parser = argparse.ArgumentParser(prog="./run amalgamate", description="Writes amnet as one header.")
    parser.add_argument("--out", type=Path, default=ROOT / "build/single/amnet.h", help="where to (default: build/single/amnet.h)")
    arguments = parser.parse_args()
    try:
        amalgam = amalgamate()
    except Clash as clash:
        sys.exit(f"{clash}.")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(amalgam.text)
    print(f"{arguments.out}: {len(amalgam.text.splitlines()):,} lines, {len(amalgam.text) / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()

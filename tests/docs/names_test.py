"""Checks that every file, flag, name, test and section that a page or the comment of a public header names exists.

    names_test.py --source DIR --train-face PROGRAM

The test reads the Markdown pages (code spans, links, and commands in fences) and the comments of include/amnet (every word that has the
form of a file, a flag or a name of C++; the examples at the beginning of headers are compiled elsewhere); and in all other comments of C++
the pages, sections and decisions that they cite. CHANGELOG.md and docs/measurements are history and may name what no longer exists.

    file      from the root, the folder of the page, include/, include/amnet/ or src/, a bare name anywhere, `*` and `…` for any part; one
              that a run writes is there if the program has its name as a string
    flag      of the --help of the command that the same line names, else of any
    name      a word of the code of include/, src/ and cuda/ without their comments; of A::b a file that declares A must hold b
    test      `words: words`, in a program of tests/ or a CMakeLists.txt, `…` for any part
    section   "Title" behind the name of a page; "decision 3" is a number of docs/architecture.md

Correct names that are none of these are in a table below, with the reason.
"""
import argparse
import fnmatch
import re
import subprocess
import sys
import unittest
from pathlib import Path

from examples import blocks_of_header

arguments = None

PAGES = ("README.md", "docs/*.md", "cuda/README.md", "third_party/README.md", "tests/model/fixtures/README.md")
FOLDERS = ("cmake", "cuda", "docs", "examples", "include", "src", "tests", "third_party", "tools")
CODE = (".h", ".cpp", ".cu")
SOURCES = "h|hpp|cpp|cu|c|py|md|cmake|prototxt|m"
ENDINGS = SOURCES + "|txt|json|csv|toml|log|html|svg|png|jpg|npy|npz|safetensors|pack"
ROOMS = "core|kernels|layers|testing|net|data|report|io|model|train|caffe|faces|cpu"

# Files that are not in the tree and may be named: a pattern, and the reason.
FILES = {
    "fmt/*.h": "headers of fmt",
    "core.h": "fmt's, in core/error.h",
    "format.h": "fmt's, in core/error.h",
    "._01.jpg": "a file of macOS",
    "*_layer.cpp": "the reference code's",
    "*_layer.cu": "the reference code's",
    "layers/label_specific_*.c*": "the reference code's",
    "*_solver.cpp": "the reference code's",
    "face_train_test*.prototxt": "the reference code's",
    "evaluation.m": "SphereFace's",
    "*swish*": "what adding_a_layer.md adds",
    "p[03]/p[03]_000[12].png": "in a pack of tests/model/fixtures",
    "*id_000*/id_000*_*.jpg": "drawn by synth",
    "table.md": "what ./run experiment losses writes",
    "recipes.txt": "the user's, for ./run experiment recipes",
    "recipes.csv": "what ./run experiment recipes writes",
    "NAME.face2.jpg": "a further face of a photograph NAME",
    "result.json": "of a command that the README shows",
    "build/single/amnet.h": "what ./run amalgamate writes",
}
FLAGS = {
    "--benchmark_filter": "Google Benchmark's",
    "--threads": "tests/bench/kernels_bench.cpp takes it out of Google Benchmark's arguments",
    "--cpus": "Docker's",
    "--images": "of examples/sphere",
    "--labels": "of examples/sphere",
    "--install": "CMake's",
    "--prefix": "CMake's",
    "--logdir": "TensorBoard's",
}
NAMES = {
    "std::*": "the standard library",
    "amnet::single": "a target of CMake",
    "NaN": "a number",
    "nohup": "a command of the system",
    "ReLU": "a layer's name in prose",
    "WebP": "an image format",
    "NumPy": "another library",
    "PyTorch": "another library",
    "AdamW": "a method of a paper",
    "SessionLog": "a message of TensorBoard's",
    "OpenCV": "another library",
    "LeCun": "an author",
    "InnerProduct": "Caffe's",
    "LabelSpecific*": "Caffe's",
    "ChannelScale": "Caffe's",
    "GlobalLSEMargin": "Caffe's",
    "InnerDistance": "Caffe's",
    "MarginInnerProduct": "Caffe's",
    "ArcFace": "a paper",
    "EvalROC": "BLUFR's",
    "upgrade_net_proto_text": "a program of Caffe's",
    "SphereFace": "a paper",
    "NormFace": "a paper",
    "CosFace": "a paper",
    "CurricularFace": "a paper",
    "MagFace": "a paper",
    "AdaFace": "a paper",
    "SphereFace2": "a paper",
    "OpenSphere": "code of a paper",
    "arcface_torch": "code of a paper",
    "lambda_g": "MagFace's letter",
    "wo_fn": "the end of a file name of the reference code, in layers/softmax_cross_entropy.h",
    "clip": "a function of formulas",
    "PascalCase": "a style",
    "snake_case": "a style",
    "trailing_": "a style",
}
TESTS = {
    "train_face: …": "the beginning of an error message",
    "normalize: true": "an option in Caffe's files",
    "snapshot_format: BINARYPROTO": "an option in Caffe's files",
    "solver_type: ADAM": "an option in Caffe's files",
    "type: \"Adam\"": "an option in Caffe's files",
    "gradcheck: swish": "what adding_a_layer.md adds",
}

FILE = re.compile(rf"(?<![\w./<>*…-])(?:[\w.<>*…-]+/)*[\w.<>*…-]+\.(?:{ENDINGS})(?![\w/])(?!\.\w)")
FOLDER = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)}|{ROOMS})/(?:[\w-]+/)*(?:[\w-]+(?![\w.*…<]))?")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9_-]*")
COMMAND = re.compile(r"\btrain_face(?: +([a-z][a-z-]*))?(?= |$)")
SCRIPT = re.compile(r"\bbench (?:compare|gpu|turns)\b|\./run mutants\b")
SCRIPTS = {"bench compare": "tests/bench/compare.py", "bench gpu": "tests/bench/gpu.py", "bench turns": "tests/bench/two_builds.py",
           "./run mutants": "tests/mutants/mutants.py"}
NAME = re.compile(r"""(?<![\w./<-])(?:
    (?:\w+::)+~?\w+                          # A::b
  | [A-Za-z_]\w*(?=\()                       # call(
  | [a-z0-9]+(?:_[a-z0-9]+)+                 # snake_case
  | [A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+     # CamelCase
  | [A-Z]+(?:_[A-Z0-9]+)+                    # AMNET_CUDA
)(?![\w-]|[./]\w)""", re.VERBOSE)
NUMBERED = re.compile(r"\w+_(?:[ijky]|ij|\d+)")  # x_i of a formula, a name with its number


def allowed(table, word):
    return any(fnmatch.fnmatchcase(word, pattern) for pattern in table)


def matches(names, pattern):
    if not re.search(r"[*…]", pattern):
        return pattern in names
    return bool(fnmatch.filter(names, re.sub(r"[?\[]", "?", pattern).replace("…", "*")))


def words_of(text):
    return set(re.findall(r"\w+", text))


class Tree:
    """Everything that may be named."""

    def __init__(self, root):
        from amalgamate import tokens_and_comments

        paths = [path for path in root.iterdir() if path.is_file()]
        paths += [path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        self.root = root
        self.files = {path.relative_to(root).as_posix() for path in paths}
        self.bare = {Path(name).name for name in self.files}
        self.folders = {parent.as_posix() for name in self.files for parent in Path(name).parents}
        self.names = set()  # words of the code of include/, src/ and cuda/
        self.declaring = {}  # {type or namespace: words of the files that declare it}
        self.strings = ""  # string literals of the program
        self.words = set()  # of all code, scripts and literals
        self.tests = set()
        for name in sorted(self.files):
            path = root / name
            in_library = name.startswith(("include/", "src/", "cuda/"))
            if path.suffix in CODE:
                tokens = [token for token in tokens_and_comments(path.read_text()) if token.kind != "comment"]
                words = {token.text for token in tokens if token.kind == "word"}
                literals = [token.text for token in tokens if token.kind in ("string", "raw")]
                self.words |= words | words_of(" ".join(literals))
                if in_library:
                    self.names |= words
                    for before, token in zip(tokens, tokens[1:]):
                        if before.text in ("struct", "class", "union", "namespace", "using", "enum") and token.kind == "word":
                            self.declaring.setdefault(token.text, set()).update(words)
                if in_library or name.startswith("examples/"):
                    self.strings += "\n".join(literals) + "\n"
                if name.startswith("tests/"):
                    self.tests |= {literal.strip('"') for literal in literals}
            elif path.suffix == ".proto":
                words = words_of(re.sub(r"//.*", "", path.read_text()))
                self.words |= words
                self.names |= words
            elif name.startswith("tests/docs/") and path.suffix == ".py":
                continue  # the tables above
            elif path.suffix in (".py", ".cmake", ".in") or path.name in ("run", "CMakeLists.txt", "CMakePresets.json"):
                text = path.read_text()
                self.words |= words_of(text)
                if path.name == "CMakeLists.txt":
                    self.tests |= set(re.findall(r'"([^"\n]*)"', text))
                    self.tests |= {f"{prefix}: " for prefix in re.findall(r'register_cuda_tests\(\w+ "(\w+)"', text)}

    def has_path(self, name, folder, there):
        return any(matches(there, place + name) for place in ("", f"{folder}/", "include/", "include/amnet/", "src/"))

    def has_file(self, name, folder):
        name = re.sub(r"<\w+>|(?<![\w/])[A-Z]+(?=/)", "*", name)
        if self.has_path(name, folder, self.files) or ("/" not in name and matches(self.bare, name)):
            return True
        # A file that a run writes; FILE is its name in the usage text.
        return not re.search(rf"\.(?:{SOURCES})$", name) and name.split("/")[-1].replace("FILE", "") in self.strings

    def has_folder(self, name, folder):
        return self.has_path(name.rstrip("/"), folder, self.folders | self.files)

    def has_name(self, name, words):
        parts = [part.lstrip("~") for part in name.split("::")]
        if len(parts) == 1:
            return name in words
        return all(part in self.names for part in parts) and all(b in self.declaring.get(a, ()) for a, b in zip(parts, parts[1:]))


class Flags:
    """{command of train_face: its flags}, and those of the scripts."""

    def __init__(self, root, program):
        def told(*command):
            return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout

        commands = re.search(r"its own --help: (.*)\.\n", told(program, "--help")).group(1).split(", ")
        self.of_command = {command: set(FLAG.findall(told(program, *command.split(), "--help"))) for command in ["", *commands]}
        self.of_script = {name: self.added(root / path) for name, path in SCRIPTS.items()}
        self.any = set(FLAG.findall(told("bash", root / "run", "--help")))
        for script in [*root.glob("tests/**/*.py"), *root.glob("tools/*.py")]:
            self.any |= self.added(script)
        for flags in self.of_command.values():
            self.any |= flags

    @staticmethod
    def added(script):
        return set(re.findall(r'"(--[a-z0-9-]+)"', " ".join(re.findall(r"add_argument\(([^)]*)", script.read_text())))) | {"--help"}

    def faults(self, text):
        """Checks the flags in a line; a command applies until the next one."""
        faults, known, of = [], self.any, ""
        for found in re.finditer(rf"{COMMAND.pattern}|{SCRIPT.pattern}|{FLAG.pattern}", text):
            word = found.group()
            if word in self.of_script:
                known, of = self.of_script[word], f" of {word}"
            elif not word.startswith("--"):
                command = found.group(1) or ""
                if command not in self.of_command:
                    faults.append(f"no command {word}")
                known, of = self.of_command.get(command, self.any), f" of {word}"
            elif word not in known and not allowed(FLAGS, word):
                faults.append(f"no flag {word}{of}")
        return faults


class Checker:
    def __init__(self, root, program):
        sys.path.insert(0, str(root / "tools"))
        self.root, self.tree, self.flags = root, Tree(root), Flags(root, program)
        self.headings = {path.relative_to(root).as_posix(): set(re.findall(r"^#+ (.*)", path.read_text().replace("`", ""), re.MULTILINE))
                         for pattern in PAGES for path in root.glob(pattern)}
        self.decisions = set(re.findall(r"^(\d+)\. ", (root / "docs/architecture.md").read_text(), re.MULTILINE))

    def path_faults(self, text, folder):
        faults = [f"no file {word}" for word in FILE.findall(text) if not allowed(FILES, word) and not self.tree.has_file(word, folder)]
        without = FILE.sub(" ", text)
        return faults + [f"no folder {word}" for word in FOLDER.findall(without)
                         if not allowed(FILES, word) and not self.tree.has_folder(word, folder)]

    def name_faults(self, text, words):
        return [f"no name {word}" for word in NAME.findall(FILE.sub(" ", text))
                if not allowed(NAMES, word) and not NUMBERED.fullmatch(word) and not self.tree.has_name(word, words)]

    def citation_faults(self, text):
        """Checks the sections and decisions that running text cites."""
        faults = [f"no decision {number}" for number in re.findall(r"\bdecision (\d+)", text) if number not in self.decisions]
        for page, title in re.findall(r'([\w/]+\.md)`?,? "([^"]+)"', text):
            if not any(title in headings for path, headings in self.headings.items() if path.endswith(page)):
                faults.append(f'no section "{title}" of {page}')
        return faults

    def cited_faults(self, text):
        """Checks a source outside of include/amnet: the pages, sections and decisions that its comments cite."""
        from amalgamate import tokens_and_comments

        running = " ".join(re.sub(r"^//[/<]* ?", "", token.text) for token in tokens_and_comments(text) if token.kind == "comment")
        pages = re.findall(r"\bdocs/[\w/.-]+\.md\b", running)
        return [f"no file {page}" for page in pages if page not in self.tree.files] + self.citation_faults(running)

    def page_faults(self, name, text):
        """[sentence] on a Markdown page; `name` is its path from the root."""
        folder = Path(name).parent.as_posix()
        faults, prose, fence = [], [], None
        fenced = []  # (line, language, text), lines that are continued joined
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("```"):
                fence = None if fence is not None else line.strip("` ")
                line = ""
            elif fence is not None:
                if fenced and fenced[-1][2].endswith("\\"):
                    fenced[-1] = (*fenced[-1][:2], fenced[-1][2][:-1] + line)
                else:
                    fenced.append((number, fence, line))
                line = ""
            prose.append(line)
        prose = "\n".join(prose)

        def line_at(position):
            return prose.count("\n", 0, position) + 1

        # A page may show code of its own.
        own = words_of(" ".join(line for _, language, line in fenced if language in ("cpp", "cmake")))
        words = self.tree.words | own
        for found in re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose):
            span, line = re.sub(r"\s+", " ", found.group(1)), line_at(found.start())
            if re.match(r"[a-z0-9_ ]+: ", span) and not span.startswith("http"):
                new = [f"no test {span}"] if span not in TESTS and not matches(self.tree.tests, span) else []
            else:
                new = self.flags.faults(span) + self.path_faults(span, folder) + self.name_faults(span, words)
                if re.fullmatch(r"[a-z]\w*", span) and span not in words and not new and span not in NAMES:
                    new = [f"no word {span}"]
            faults += [f"{name}:{line}: {fault}" for fault in new]
        for number, language, line in fenced:
            if language not in ("cpp", "cmake", "diff"):
                faults += [f"{name}:{number}: {fault}" for fault in self.flags.faults(re.sub(r"\s#\s.*", "", line))]
        for found in re.finditer(r"""(?:\]\(|<img src=")([^)"#\s]+)""", re.sub(r"`[^`]+`", lambda span: re.sub(r"[^\n]", " ", span.group()), prose)):
            if "://" not in found.group(1) and not (self.root / folder / found.group(1)).exists():
                faults.append(f"{name}:{line_at(found.start())}: no file {found.group(1)}")
        return faults + [f"{name}: {fault}" for fault in self.citation_faults(re.sub(r"\s+", " ", prose))]

    def header_faults(self, name, text):
        """[sentence] on the comments of a header."""
        from amalgamate import tokens_and_comments

        examples = {first + index for first, code in blocks_of_header(text) for index in range(len(code))}
        folder = Path(name).parent.as_posix()
        words = self.tree.names | words_of(self.tree.strings)
        faults, running = [], []
        for token in tokens_and_comments(text):
            line = text.count("\n", 0, token.begin) + 1
            if token.kind != "comment" or line in examples:
                continue
            running.append(re.sub(r"^//[/<]* ?", "", token.text))
            new = self.path_faults(token.text, folder) + self.name_faults(token.text, words)
            new += [f"no flag {flag}" for flag in FLAG.findall(token.text) if flag not in self.flags.any and flag not in FLAGS]
            faults += [f"{name}:{line}: {fault}" for fault in new]
        return faults + [f"{name}: {fault}" for fault in self.citation_faults(" ".join(running))]


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.checker = Checker(arguments.source, arguments.train_face)

    def expect_none(self, faults):
        self.assertFalse(faults, "\n" + "\n".join(faults))

    def test_pages(self):
        pages = sorted(path.relative_to(arguments.source).as_posix() for pattern in PAGES for path in arguments.source.glob(pattern))
        self.assertGreater(len(pages), len(PAGES))
        self.expect_none([fault for name in pages for fault in self.checker.page_faults(name, (arguments.source / name).read_text())])

    def test_headers(self):
        headers = sorted(path.relative_to(arguments.source).as_posix() for path in arguments.source.glob("include/amnet/**/*.h"))
        self.assertGreater(len(headers), 50)
        self.expect_none([fault for name in headers for fault in self.checker.header_faults(name, (arguments.source / name).read_text())])

    def test_citations_of_sources(self):
        sources = sorted(name for name in self.checker.tree.files if Path(name).suffix in CODE)
        self.expect_none([f"{name}: {fault}" for name in sources for fault in self.checker.cited_faults((arguments.source / name).read_text())])

    def test_what_is_not_there_is_found(self):
        """Each kind of name, wrong, in a page and in a header."""
        page = ("`net/plans.h` `src/cpu/` `src/gpu/` `tests/absent_test.py` `core/named.h` [x](absent.md) [y](data.md)\n<img src=\"absent.png\">\n"
                "`--no-such-flag` `--lr` `train_face eval --lr` `train_face evaluate` `bench compare --lr`\n"
                "`Plan::forwards` `Plan::forward` `Absent::forward` `absent_name` `load_model` `no_such_call(net)` `AbsentType` `absentword`\n"
                "`net: no such test` `net: float gradients …` data.md, \"Nowhere\" data.md, \"Pairs\" decision 999 decision 1\n"
                "```\ntrain_face train --root a \\\n    --identities 4\n```\n")
        self.assertEqual([fault.split(": ", 1)[1] for fault in self.checker.page_faults("docs/x.md", page)], [
            "no file net/plans.h", "no folder src/gpu/", "no file tests/absent_test.py",
            "no flag --no-such-flag", "no flag --lr of train_face eval", "no command train_face evaluate", "no flag --lr of bench compare",
            "no name Plan::forwards", "no name Absent::forward", "no name absent_name", "no name no_such_call", "no name AbsentType",
            "no word absentword", "no test net: no such test", "no flag --identities of train_face train", "no file absent.md", "no file absent.png",
            "no decision 999", 'no section "Nowhere" of data.md'])
        header = ("// absent.h, plan.h and core/shape.h: a Plan::forwards, AbsentType, absent_name (--absent), absent_call().\n//\n"
                  "//   absent_example();\n#pragma once\n/// Decision 1, decision 999.\n")
        self.assertEqual([fault.split(": ", 1)[1] for fault in self.checker.header_faults("include/amnet/net/x.h", header)], [
            "no file absent.h", "no name Plan::forwards", "no name AbsentType", "no name absent_name", "no name absent_call",
            "no flag --absent", "no decision 999"])
        self.assertEqual(self.checker.cited_faults('// docs/absent.md and docs/data.md,\n// "Nowhere", decision 999.\n"docs/text.md"'),
                         ["no file docs/absent.md", "no decision 999", 'no section "Nowhere" of docs/data.md'])

    def test_the_tables_name_what_is_needed(self):
        """An entry that no text needs any more must be removed."""
        texts = [(arguments.source / path).read_text() for pattern in PAGES for path in arguments.source.glob(pattern)]
        texts += [path.read_text() for path in arguments.source.glob("include/amnet/**/*.h")]
        text = "\n".join(texts)
        words = set(FILE.findall(text)) | set(FOLDER.findall(FILE.sub(" ", text))) | set(FLAG.findall(text)) | set(NAME.findall(text))
        words |= set(re.findall(r"`([^`\n]+)`", text))
        unused = [pattern for table in (FILES, FLAGS, NAMES, TESTS) for pattern in table if not fnmatch.filter(words, pattern)]
        self.assertEqual(unused, [])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--train-face", type=Path, required=True)
    arguments, rest = parser.parse_known_args()
    arguments.source, arguments.train_face = arguments.source.resolve(), arguments.train_face.resolve()
    unittest.main(argv=[__file__, *rest])

#!/usr/bin/env python3
"""Compares docs/command_line.md with the program: its commands with their examples, exit codes, signals and files."""

import os
import re
import signal
import subprocess
import tempfile
import time

import harness
from harness import CliTest, faces, finish, pairs, path, read, run, start, train_arguments, wait_for_log, write

# A net of Caffe and its weights, a row of three: what `train_face import` takes.
NET = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 112 dim: 96 } } }
layer { name: "gap" type: "Pooling" bottom: "data" top: "gap" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc5" type: "InnerProduct" bottom: "gap" top: "fc5" inner_product_param { num_output: 1 bias_term: false } }
"""
CAFFEMODEL = b"\xa2\x06\x1b\n\x03fc5:\x14*\x0c" + 3 * b"\0\0\x80?" + b":\x04\n\x02\x01\x03"

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "command_line.md")


def sections():
    with open(PAGE) as file:
        parts = re.split(r"^## (.*)\n", file.read(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def tables(section):
    """The tables of a section: lists of rows, which are lists of cells."""
    found, rows = [], []
    for line in [*sections()[section].splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found.append(rows[2:])
            rows = []
    return found


def code(cell):
    return re.findall(r"`([^`]*)`", cell)


def command_sections():
    """[(command, its section)] in the order of the page; the command of the first run is ""."""
    parts = re.split(r"^### `train_face ?([a-z-]*)`\n", sections()["Each command"], flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2]))


def examples(section):
    """[(command line, [lines shown])] of the fences `console`."""
    found = []
    for fence in re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        for line in fence.replace("\\\n", "").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def pattern_of(lines):
    """A pattern for the output in the lines shown: `…` is any text within a line, a line of only `…` any number of lines."""
    any_lines = r"(?:[^\n]*\n)*?"
    return "".join(any_lines if line == "…" else "[^\n]*".join(map(re.escape, line.split("…"))) + "\n" for line in lines)


class Page(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("model", "--val-pairs", "pairs.txt", "--val-root", "faces", "--augment", "light")
        write("net.prototxt", NET)
        write("net.caffemodel", CAFFEMODEL)

    def shell(self, command):
        """Runs a line of the page, from the scratch directory."""
        environment = {**os.environ, "PATH": os.path.dirname(harness.binary()) + os.pathsep + os.environ["PATH"]}
        return subprocess.run(command, shell=True, cwd=harness.scratch(), env=environment, capture_output=True, text=True,
                              timeout=harness.PATIENCE)  # fmt: skip

    def test_commands(self):
        (rows,) = tables("Commands")
        named = [code(row[0])[0].split()[1:] for row in rows]
        told = re.search(r"the commands are (.*) \(see", run("nonsense").err).group(1)
        self.assertEqual(sorted(name[0] for name in named if name), sorted(re.split(r", | and ", told)))
        for name, row in zip(named, rows):
            text = self.ok(*name, "--help").out
            with self.subTest(command=name):
                examples = re.search(r"\nExamples?:\n((?:  train_face .*\n)+)", text)
                self.assertIsNotNone(examples, text)
                for example in examples.group(1).splitlines():
                    command = re.match(r"  train_face ?([a-z-]*)", example).group(1)
                    command = [] if command.startswith("-") else [command]
                    flags = set(re.findall(r"(?<= )(--[a-z0-9-]+)", example))
                    known = set(re.findall(r"(?<=[ ,])(--[a-z0-9-]+)", self.ok(*command, "--help").out))
                    self.assertLessEqual(flags, known, example)
                # Every option is in a group with one of our titles; CLI11's own title is only for
                # --help.
                own = re.search(r"^Options:\n((?:  .*\n)+)", text, re.MULTILINE)
                self.assertLessEqual(set(re.findall(r"^ +(?:-h,)?(--[a-z0-9-]+)", own.group(1), re.MULTILINE)), {"--help", "--version"})
                self.assertRegex(text, r"\n[A-Z][a-z ]+:\n +--")
            self.assertIn(row[2], ["results", "a last line"])

    def test_each_command_has_a_section(self):
        found = command_sections()
        listed = [(code(row[0])[0].split()[1:] or [""])[0] for row in tables("Commands")[0]]
        self.assertEqual(sorted(command for command, _ in found), sorted(listed))
        for command, section in found:
            with self.subTest(command=command):
                known = set(re.findall(r"(?<=[ ,])(--[a-z0-9-]+)", self.ok(*[command] if command else [], "--help").out))
                self.assertLessEqual({span.split()[0] for span in code(section) if span.startswith("--")}, known)
                own = [line for line, _ in examples(section) if re.match(rf"train_face {command}\b" if command else r"train_face( --|$)", line)]
                self.assertTrue(own, "the section has no example of its command")
                for line, shown in examples(section):
                    self.assertTrue([words for words in shown if words not in ("…", "^C")], f"nothing is shown of what {line} prints")

    def test_the_examples_print_what_is_shown(self):
        """In the order of the page, in an empty folder."""
        folder = tempfile.mkdtemp(dir=harness.scratch())
        for _, section in command_sections():
            for line, shown in examples(section):
                code, printed = self.run_example(line, shown, folder)
                self.assertRegex(printed, rf"\A{pattern_of([words for words in shown if words != '^C'])}\Z", line)
                self.assertEqual(code, 130 if "^C" in shown else 0, printed)

    def run_example(self, line, shown, folder):
        """Exit code and output, stdout and stderr mixed as on a terminal; stopped where `^C` is shown, once the lines above it have been
        printed."""
        before_stop = pattern_of(shown[: shown.index("^C")]) if "^C" in shown else None
        environment = {**os.environ, "PATH": os.path.dirname(harness.binary()) + os.pathsep + os.environ["PATH"]}
        with tempfile.TemporaryFile() as file:
            process = subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=file)  # fmt: skip
            try:
                deadline = time.monotonic() + 5 * harness.PATIENCE  # the first run draws its faces
                while process.poll() is None:
                    printed = os.pread(file.fileno(), 1 << 20, 0).decode("utf-8", "replace")
                    self.assertLess(time.monotonic(), deadline, f"{line} hung:\n{printed}")
                    if before_stop and re.match(before_stop, printed):
                        process.send_signal(signal.SIGINT)
                        before_stop = None
                    time.sleep(0.005)
                return process.returncode, os.pread(file.fileno(), 1 << 20, 0).decode("utf-8", "replace")
            finally:
                process.kill()
                process.wait()

    def test_stdout(self):
        """Lost results are a failure, lost closing messages are not."""
        arguments = {"eval": ["--model", "model", "--pairs", "pairs.txt", "--root", "faces"],
                     "compare": ["--a", "model", "--b", "model", "--pairs", "pairs.txt", "--root", "faces"],
                     "extract": ["--model", "model", "--root", "faces", "--out", "lost.npy"], "inspect": ["model"],
                     "import": ["--net", "net.prototxt", "--weights", "net.caffemodel", "--out", "lost.safetensors"],
                     "check-data": ["--root", "faces"],
                     "bench": ["--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 1, "--classes", 2],
                     "train": train_arguments("lost")[1:], "pack": ["--root", "faces", "--out", "lost.pack"],
                     "synth": ["--out", "lost-faces", "--identities", 1, "--images", 1],
                     "align": ["--in", "photographs", "--landmarks", "photographs/landmarks.csv", "--out", "lost-aligned"]}  # fmt: skip
        self.ok("synth", "--out", "photographs", "--identities", 1, "--images", 1, "--photographs")
        for row in tables("Commands")[0][1:]:  # the first run takes minutes
            name = code(row[0])[0].split()[1]
            with self.subTest(command=name), open("/dev/full", "wb") as full:
                self.assertEqual(finish(start(name, *arguments[name], stdout=full)).code, 4 if row[2] == "results" else 0)

    def test_version(self):
        self.assertRegex(self.ok("--version").out, r"^amnet \d+\.\d+\.\d+\ncommit: \S+\ncompiler: (GCC|Clang) .+\n"
                         r"vector instructions: (AVX-512|AVX2|AVX|SSE2|NEON|scalar)\ndevices: cpu with \d+ thread\(s\).*\n$")  # fmt: skip

    def test_exit_codes(self):
        (rows,) = tables("Exit codes")
        self.assertEqual([row[0] for row in rows], ["0", "2", "3", "4", "5", "6", "7", "129", "130", "143"])
        for exit_code, _, example in rows:
            if not code(example) or (harness.SANITIZED and exit_code == "6"):
                continue
            with self.subTest(example=example):
                result = self.shell(code(example)[0])
                self.assertEqual(str(result.returncode), exit_code, result.stderr)
        # Exit code 7 is provoked in bytes_test.py, because it needs a seeded fault; the others are
        # those of the signals.
        self.assertEqual({row[0] for row in rows if not code(row[2])}, {"7", *(row[4] for row in tables("Signals")[0])} - {"–"})

    def test_signals(self):
        for name, _, training, _, exit_code in tables("Signals")[0]:
            with self.subTest(signal=name):
                out = f"signal-{name}"
                process = start(*train_arguments(out, "--iterations", 1_000_000))
                wait_for_log(out, " Step 2/", process)
                process.send_signal(getattr(signal, name))
                if exit_code == "–":
                    self.assertEqual(training, "save and go on")
                    wait_for_log(out, "saved step_", process)
                    self.assertIsNone(process.poll())
                    process.kill()
                    finish(process)
                else:
                    self.assertEqual(training, "save and end")
                    self.assertEqual(str(finish(process).code), exit_code)
                    self.assertTrue(os.path.exists(path(out, "last/model.safetensors")))
            with self.subTest(signal=name, command="bench"):
                process = start("bench", "--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 1_000_000, "--json", "never.json")
                while not self.watches(process, getattr(signal, name)):
                    self.assertIsNone(process.poll())
                process.send_signal(getattr(signal, name))
                if exit_code == "–":
                    process.send_signal(signal.SIGINT)
                self.assertEqual(str(finish(process).code), exit_code.replace("–", "130"))
                self.assertFalse(os.path.exists(path("never.json")))

    def watches(self, process, one):
        with open(f"/proc/{process.pid}/status") as file:
            caught = int(re.search(r"SigCgt:\s*(\w+)", file.read()).group(1), 16)
        return caught >> (one - 1) & 1

    def test_files_of_a_run(self):
        of_run, of_checkpoint = tables("Files of a run")
        listed = [code(row[0])[0] for row in of_run]
        found = {re.sub(r"step_\d{8}", "step_NNNNNNNN/", name) for name in os.listdir(path("model"))}
        self.assertEqual(found, set(listed) - {"non_finite_batch.json", "faces/", "test.csv", "tensorboard/"})
        run(*train_arguments("infinite", "--lr", 1e30, "--iterations", 50))
        self.assertIn("non_finite_batch.json", os.listdir(path("infinite")))
        self.assertEqual(set(os.listdir(path("model/last"))), {code(row[0])[0] for row in of_checkpoint})

    def test_files_of_other_commands(self):
        rows = {code(row[0])[0]: row[1] for row in tables("Files of other commands")[0]}
        evaluate = ["--pairs", "../pairs.txt", "--root", "../faces"]
        written = {
            "eval": (["--model", "../model", *evaluate, "--json", "FILE.json", "--scores", "FILE.csv"], {"FILE.json", "FILE.html", "FILE.csv"}),
            "compare": (["--a", "../model", "--b", "../model", *evaluate, "--json", "c.json", "--report", "c.html", "--drawings", "drawn"],
                        {"c.json", "c.html", "drawn"}),
            "extract": (["--model", "../model", "--root", "../faces", "--out", "FILE.npy"], {"FILE.npy", "FILE.txt"}),
            "import": (["--net", "../net.prototxt", "--weights", "../net.caffemodel", "--out", "FILE"], {"FILE"}),
            "inspect": (["../model"], set()),
            "check-data": (["--root", "../faces"], set()),
            "pack": (["--root", "../faces", "--out", "FILE"], {"FILE"}),
            "synth": (["--out", "FOLDER", "--identities", 1, "--images", 1], {"FOLDER"}),
            "align": (["--in", "../photographs", "--landmarks", "../photographs/landmarks.csv", "--out", "FOLDER"], {"FOLDER"}),
            "bench": (["--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 1, "--classes", 2, "--json", "FILE"], {"FILE"}),
        }  # fmt: skip
        self.assertEqual(set(rows), set(written))
        self.ok("synth", "--out", "photographs", "--identities", 1, "--images", 1, "--photographs")
        for command, (arguments, names) in written.items():
            with self.subTest(command=command):
                folder = f"of-{command}"
                os.makedirs(path(folder), exist_ok=True)
                done = subprocess.run([harness.binary(), command, *map(str, arguments)], cwd=path(folder), capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(set(os.listdir(path(folder))), names)
                for flag in code(rows[command]):
                    if flag.startswith("--") and flag != "--report":
                        self.assertIn(flag, arguments)
                for name in names:
                    if name.startswith("F"):
                        self.assertIn(name, rows[command])
        drawn = {name for name in code(rows["compare"]) if name.endswith(".svg")}
        self.assertEqual(set(os.listdir(path("of-compare/drawn"))), drawn)
        self.assertEqual(set(os.listdir(path("of-synth/FOLDER"))), {"list.txt", "id_00000"})
        self.assertEqual(set(os.listdir(path("of-align/FOLDER"))) - {"id_00000"}, set(code(rows["align"])[1:]))
        self.assertEqual(os.listdir(path("of-synth/FOLDER/id_00000")), [os.path.basename(code(rows["synth"])[2])])


if __name__ == "__main__":
    harness.main()

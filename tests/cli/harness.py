"""What the tests of the command line share: running train_face, a small data set, and readers of what it writes.

Each file tests/cli/*_test.py is a program:  python3 usage_test.py --train-face build/release/examples/train_face/train_face
or set AMNET_TRAIN_FACE. Further arguments go to unittest (a test's name, -v). Standard library only, Python 3.8.
"""

import atexit
import csv
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

IDENTITIES, IMAGES = 12, 6
# Seconds, also for a slow or sanitized build; all tests stay far below it.
PATIENCE = 120
# Memory use differs under a sanitizer; CMake sets this variable.
SANITIZED = os.environ.get("AMNET_SANITIZED", "") != ""

_scratch = None
_binary = None


def binary():
    return _binary or os.path.abspath(os.environ["AMNET_TRAIN_FACE"])


def scratch():
    """A directory of this process, removed at its end."""
    global _scratch
    if _scratch is None:
        _scratch = tempfile.mkdtemp(prefix="amnet-cli-")
        atexit.register(shutil.rmtree, _scratch, ignore_errors=True)
    return _scratch


def main():
    global _binary
    if "--train-face" in sys.argv:
        at = sys.argv.index("--train-face")
        _binary = os.path.abspath(sys.argv[at + 1])
        del sys.argv[at : at + 2]
    if not os.path.exists(binary()):
        sys.exit(f"there is no program {binary()}; build it or name it with --train-face PATH")
    unittest.main(module="__main__")


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def error(self):
        """The lines that are errors, without the log that train shows on stderr and without the entries that a list left out."""
        return [line for line in self.err.splitlines() if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |Ignored ", line)]

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def start(*arguments, **popen):
    """Runs in the background, from the scratch directory, so that messages show relative paths."""
    environment = dict(os.environ)
    return subprocess.Popen([binary(), *map(str, arguments)], cwd=scratch(), env=environment, stdin=subprocess.DEVNULL,
                            stdout=popen.pop("stdout", subprocess.PIPE), stderr=popen.pop("stderr", subprocess.PIPE), **popen)


def finish(process):
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{process.args} hung:\n{err.decode('utf-8', 'replace')}")
    out, err = ((text or b"").decode("utf-8", "replace") for text in (out, err))
    return Result(128 - process.returncode if process.returncode < 0 else process.returncode, out, err)


def run(*arguments):
    return finish(start(*arguments))


def path(*parts):
    return os.path.join(scratch(), *parts)


def write(name, content):
    target = path(name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return name


def read(name, mode="r"):
    with open(path(name), mode) as file:
        return file.read()


def sha(name):
    return hashlib.sha256(read(name, "rb")).hexdigest()


def image_of(identity, image):
    return f"id_{identity:05}/id_{identity:05}_{image + 1:04}.jpg"


def faces():
    """12 people with 6 images each, drawn once for this process."""
    if not os.path.exists(path("faces")):
        done = run("synth", "--out", "faces", "--identities", IDENTITIES, "--images", IMAGES)
        if done.code != 0:
            raise AssertionError(repr(done))
    return "faces"


def pairs():
    """3 folds of 4 pairs of one person and 4 of two, over faces()."""
    if not os.path.exists(path("pairs.txt")):
        lines = ["3\t4"]
        for fold in range(3):
            people = list(range(4 * fold, 4 * fold + 4))
            lines += [f"id_{p:05}\t1\t2" for p in people]
            lines += [f"id_{p:05}\t1\tid_{q:05}\t2" for p, q in zip(people, people[1:] + people[:1])]
        write("pairs.txt", "\n".join(lines) + "\n")
    return "pairs.txt"


# A recipe that takes milliseconds. Later flags do not override earlier ones, so a test that sets
# one of these leaves it out here.
TINY = {
    "--root": "faces", "--train-list": "faces/list.txt", "--depth": 4, "--width": 0.0625, "--embedding": 16, "--batch": 8,
    "--iterations": 3, "--lr": 0.01, "--log-every": 1, "--threads": 1,
}  # fmt: skip


def train_arguments(out, *flags, without=()):
    flags = [str(flag) for flag in flags]
    given = set(flags) | set(without)
    if "--epochs" in given or "--preset" in given:
        given.add("--iterations")
    recipe = [str(part) for flag, value in TINY.items() if flag not in given for part in (flag, value)]
    return ["train", "--out", out, *recipe, *flags]


def newest(out):
    return f"{out}/last/model.safetensors"


def metrics(out):
    """Rows of metrics.csv as dictionaries of numbers."""
    with open(path(out, "metrics.csv")) as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def column(out, name):
    return [row[name] for row in metrics(out)]


def validated_steps(out):
    with open(path(out, "validation.csv")) as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def checkpoints(out):
    return sorted(name for name in os.listdir(path(out)) if name.startswith("step_"))


def environment(out):
    return json.loads(read(f"{out}/environment.json"))


def model(name):
    """(metadata, {tensor name: (shape, [numbers])}) of a safetensors file of floats."""
    data = read(name, "rb")
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for key, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[key] = (entry["shape"], struct.unpack(f"<{(end - begin) // 4}f", data[begin:end]))
    return metadata, tensors


def described(name):
    """The description of the net in a model file."""
    return json.loads(model(name)[0]["amnet.net"])


def read_npy(name):
    """Rows of a (N, D) array of f32."""
    data = read(name, "rb")
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    (length,) = struct.unpack_from("<H", data, 8)
    header = data[10 : 10 + length].decode()
    assert "'descr': '<f4'" in header and "'fortran_order': False" in header, header
    rows, columns = map(int, re.search(r"\((\d+), (\d+)\)", header).groups())
    values = struct.unpack(f"<{rows * columns}f", data[10 + length :])
    return [values[i * columns : (i + 1) * columns] for i in range(rows)]


def norm(values):
    return sum(value * value for value in values) ** 0.5


def flip_byte(name, at=-100):
    data = bytearray(read(name, "rb"))
    data[at] ^= 0x40
    write(name, bytes(data))


def wait_for_log(out, text, process, seconds=PATIENCE):
    """Waits until train.log contains `text`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.path.exists(path(out, "train.log")) and text in read(f"{out}/train.log"):
            return
        if process.poll() is not None:
            raise AssertionError(f"ended before `{text}`: {finish(process)!r}")
        time.sleep(0.002)
    process.kill()
    raise AssertionError(f"`{text}` never came")


class CliTest(unittest.TestCase):
    maxDiff = None

    def ok(self, *arguments):
        result = run(*arguments)
        self.assertEqual(result.code, 0, f"{arguments}\n{result!r}")
        return result

    def train(self, out, *flags, without=()):
        """Trains in a new directory."""
        shutil.rmtree(path(out), ignore_errors=True)
        return self.ok(*train_arguments(out, *flags, without=without))

    def refused(self, code, arguments, *contents):
        """Ends with `code` and one sentence on stderr that contains each of `contents`."""
        result = run(*arguments)
        self.assertEqual(result.code, code, f"{arguments}\n{result!r}")
        self.assert_one_sentence(result, *contents)
        return result

    def assert_one_sentence(self, result, *contents):
        self.assertEqual(len(result.error), 1, repr(result))
        sentence = result.error[0]
        self.assertRegex(sentence, r"^train_face: .*[.?]$")
        self.assertNotRegex(sentence, r"\. [A-Z]", "more than one sentence")
        for content in contents:
            self.assertIn(content, sentence)

    def refused_training(self, code, flags, *contents, without=()):
        out = tempfile.mkdtemp(prefix="refused-", dir=scratch())
        os.rmdir(out)
        return self.refused(code, train_arguments(out, *flags, without=without), *contents)

    def assert_same(self, one, other, files=("model.safetensors", "solver.safetensors", "state.json")):
        for file in files:
            self.assertEqual(sha(f"{one}/last/{file}"), sha(f"{other}/last/{file}"), f"{file} of {one} and {other}")

    def assert_differs(self, one, other):
        self.assertNotEqual(sha(newest(one)), sha(newest(other)), f"{one} and {other}")

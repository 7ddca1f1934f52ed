#!/usr/bin/env python3
"""Names of any bytes, and exceptions of libraries: the output stays valid JSON, HTML, SVG and TOML, and an error stays one sentence."""

import html.parser
import json
import os
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

import harness
from harness import CliTest, faces, finish, image_of, pairs, path, read, run, start, train_arguments, write

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None

LATIN = os.fsdecode(b"caf\xe9")
NASTY = os.fsdecode(b"a \"b\" <c> & 'd', e\n\t\x01\x7f\\ f")
ODD = [LATIN, NASTY]


def copy_of_faces(name):
    """faces() in a folder of that name, each image with an odd name too; the pairs name only folders."""
    shutil.copytree(path(faces()), path(name), dirs_exist_ok=True)
    return name


class Parsed(html.parser.HTMLParser):
    def error(self, message):
        raise AssertionError(message)


class Names(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("model")

    def assert_page(self, name):
        text = read(name, "rb").decode()  # strict decoding
        Parsed().feed(text)
        self.assertNotIn("<c>", text, "a name is no element")
        self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f]")

    def test_a_divergence_is_told_whatever_its_images_are_called(self):
        for number, odd in enumerate(ODD):
            root = f"diverging-{number}/{odd}"
            os.makedirs(path(root), exist_ok=True)
            copy_of_faces(root)
            out = f"diverged-{number}"
            result = run(*train_arguments(out, "--root", root, "--lr", 1e30, "--iterations", 50, without=["--train-list"]))
            self.assertEqual(result.code, 5, repr(result))
            self.assert_one_sentence(result, "non_finite_batch.json")
            dump = json.loads(read(f"{out}/non_finite_batch.json", "rb").decode())
            self.assertEqual(len(dump["images"]), 8)
            if odd == NASTY:
                self.assertIn(NASTY, dump["images"][0]["image"])
            else:
                self.assertIn("caf\ufffd", dump["images"][0]["image"])

    @unittest.skipIf(tomllib is None, "there is no tomllib before Python 3.11")
    def test_the_configuration_is_toml_and_gives_the_same_run(self):
        for number, odd in enumerate(ODD):
            copy_of_faces(f"toml-{number}/{odd}")
            out = f"toml-{number}/run"
            self.train(out, "--root", f"toml-{number}/{odd}", without=["--train-list"])
            config = tomllib.loads(read(f"{out}/config.toml", "rb").decode())
            self.assertEqual(config["out"], out)
            again = ["train", "--config", f"{out}/config.toml", "--out", f"{out}-again"]
            if odd == NASTY:
                self.assertEqual(config["root"], f"toml-{number}/{odd}")
                self.ok(*again)
            else:
                self.assertNotIn("root", config)
                self.assertIn(r"# root is not UTF-8", read(f"{out}/config.toml"))
                self.assertIn(r"/caf\xe9", read(f"{out}/config.toml"))
                self.refused(2, again, "--root")
                self.ok(*again, "--root", f"toml-{number}/{odd}")
            self.assert_same(out, f"{out}-again")

    def test_what_a_run_with_odd_names_writes(self):
        for odd in ODD:
            validate = ["--val-pairs", "pairs.txt", "--val-root", "faces"]
            self.train(odd, *validate)
            self.assert_page(f"{odd}/report.html")
            read(f"{odd}/train.log", "rb").decode()
            for name in ["environment.json", "last/state.json", "last/MANIFEST.json"]:
                json.loads(read(f"{odd}/{name}", "rb").decode())
            compare = ["compare", "--a", odd, "--b", "model", "--pairs", "pairs.txt", "--root", "faces", "--report", "c.html"]
            self.ok(*compare, "--drawings", "drawn", "--json", "c.json")
            self.assert_page("c.html")
            for name in os.listdir(path("drawn")):
                xml.etree.ElementTree.fromstring(read(f"drawn/{name}", "rb"))
            self.ok("eval", "--model", odd, "--pairs", "pairs.txt", "--root", "faces", "--json", "e.json", "--report", "e.html")
            self.assert_page("e.html")
            json.loads(read("e.json", "rb").decode())

    def test_names_file_of_extract(self):
        people = os.path.join("extracted", "people")
        shutil.copytree(path("faces", "id_00000"), path(people, LATIN))
        self.ok("extract", "--model", "model", "--root", people, "--out", "latin.npy")
        self.assertTrue(read("latin.txt", "rb").startswith(b"caf\xe9/"), "a name in a list of files is what opens the file")
        shutil.copytree(path("faces", "id_00001"), path(people, NASTY))
        self.refused(3, ["extract", "--model", "model", "--root", people, "--out", "nasty.npy"], "line break")


class Exceptions(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("model")

    def test_paths_that_no_file_can_have(self):
        """The file system's error is reported with the path, and not with a library's text."""
        os.makedirs(path("loops"), exist_ok=True)
        if not os.path.islink(path("loops/a")):
            os.symlink("b", path("loops/a"))
            os.symlink("a", path("loops/b"))
        evaluate = ["--pairs", "pairs.txt", "--root", "faces"]
        too_long = f"{'y' * 200}/" * 30 + "z"  # of few folders, because those above the limit of a path are made
        for bad in ["x" * 300, "loops/a", "faces/list.txt/below", too_long]:
            for arguments in [
                ["eval", "--model", bad, *evaluate],
                ["eval", "--model", "model", "--pairs", bad, "--root", "faces"],
                ["eval", "--model", "model", "--pairs", "pairs.txt", "--root", bad],
                ["eval", "--model", "model", "--pairs", "pairs.txt", "--pack", bad],
                ["eval", "--model", "model", *evaluate, "--json", bad],
                ["eval", "--model", "model", *evaluate, "--report", bad],
                ["compare", "--a", bad, "--b", "model", *evaluate],
                ["compare", "--a", "model", "--b", "model", *evaluate, "--drawings", bad],
                ["extract", "--model", "model", "--root", "faces", "--list", bad, "--out", "x.npy"],
                ["extract", "--model", "model", "--root", bad, "--out", "x.npy"],
                ["extract", "--model", "model", "--root", "faces", "--out", f"{bad}/x.npy"],
                ["check-data", "--root", bad],
                ["check-data", "--root", "faces", "--train-list", bad],
                ["check-data", "--root", "faces", "--exclude", bad],
                ["pack", "--root", bad, "--out", "x.pack"],
                ["pack", "--root", "faces", "--out", bad],
                ["synth", "--out", bad, "--identities", 1, "--images", 1],
                ["bench", "--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 1, "--classes", 2, "--json", bad],
                ["--out", bad, "--threads", 1],
                ["--out", bad, "--resume", "--threads", 1],
                train_arguments("x", "--root", bad, without=["--train-list"]),
                train_arguments("x", "--train-list", bad),
                train_arguments("x", "--exclude", bad),
                train_arguments("x", "--init-from", bad),
                train_arguments("x", "--resume", bad),
                train_arguments("x", "--config", bad),
                train_arguments("x", "--val-pairs", bad, "--val-root", "faces"),
                train_arguments("x", "--val-pairs", "pairs.txt", "--val-root", bad),
                train_arguments(bad),
                train_arguments(bad, "--resume", "auto"),
            ]:
                with self.subTest(bad=bad[:12], arguments=" ".join(map(str, arguments))[:200]):
                    result = run(*arguments)
                    self.assertIn(result.code, [2, 3, 4], repr(result)[:2000])
                    result.err = "".join(line for line in result.err.splitlines(True) if not line.startswith("amnet "))  # the first run's
                    self.assert_one_sentence(result)
                    self.assertNotIn("filesystem error", result.err)

    @unittest.skipIf(harness.SANITIZED, "a sanitizer wants to be loaded first")
    def test_an_exception_that_nobody_expected(self):
        compiler = shutil.which("c++") or shutil.which("g++")
        if compiler is None:
            self.skipTest("there is no compiler")
        write("seed.cpp", """
            #include <cstdarg>
            #include <cstring>
            #include <dlfcn.h>
            #include <fcntl.h>
            #include <stdexcept>
            extern "C" int open(const char* path, int flags, ...) {
              if (std::strstr(path, "seeded")) throw std::logic_error("a fault that\\na test seeded");
              va_list more; va_start(more, flags); const int mode = va_arg(more, int); va_end(more);
              return reinterpret_cast<int (*)(const char*, int, ...)>(dlsym(RTLD_NEXT, "open"))(path, flags, mode);
            }
            extern "C" int open64(const char* path, int flags, ...) {
              va_list more; va_start(more, flags); const int mode = va_arg(more, int); va_end(more);
              return open(path, flags, mode);
            }""")
        subprocess.run([compiler, "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", path("seed.so"), path("seed.cpp"), "-ldl"], check=True)
        environment = {**os.environ, "LD_PRELOAD": path("seed.so")}
        write("seeded.safetensors", "x")
        for arguments in [["eval", "--model", "seeded.safetensors", "--pairs", "pairs.txt", "--root", "faces"],
                          train_arguments("seeded-run", "--init-from", "seeded.safetensors")]:  # fmt: skip
            done = subprocess.run([harness.binary(), *map(str, arguments)], cwd=harness.scratch(), env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 7, done.stderr)
            last = done.stderr.splitlines()[-1]
            self.assertRegex(last, r"^train_face: .*a fault that\\na test seeded.*report.*amnet \d+\.\d+\.\d+ \(.+\)\.$")


if __name__ == "__main__":
    harness.main()

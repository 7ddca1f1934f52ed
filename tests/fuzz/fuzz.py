#!/usr/bin/env python3
"""Runs the fuzz targets of tests/fuzz/targets.h, or counts the lines that their seeds reach.

    ./run fuzz                         lists the targets
    ./run fuzz NAME [RUNS]             runs a target, or `all` one after the other, RUNS times (1,000,000)
    ./run fuzz NAME --coverage         line coverage of the reader's files by the seeds, tests/fuzz/corpus/NAME

A crash, a leak, an input that takes more than a second or more than 256 MB ends the run with 1; the input stays in build/fuzz/found.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/fuzz/corpus"
SECONDS, MEMORY_MB, BLOCK_MB = 1, 256, 64

TEXT = [f"src/caffe/{name}.cpp" for name in ["caffe_file", "prototxt", "prototxt_mistakes", "upgrade"]] + ["src/core/nearest_names.cpp"]
BINARY = ["caffe_file", "weights", "whole_file", "wire"]
# The files of each reader, without what many parts of the library use.
READERS = {
    "caffemodel": [f"src/caffe/{name}.cpp" for name in BINARY],
    "face_list": ["src/faces/face_list.cpp", "src/faces/list_builder.h", "src/faces/exclusions.h"],
    "landmark_table": ["src/faces/csv.cpp", "src/faces/landmark_table.cpp"],
    "mean_binaryproto": [f"src/caffe/{name}.cpp" for name in BINARY],
    "net_prototxt": TEXT,
    "npy": ["src/io/npy.cpp"],
    "pairs": ["src/faces/pairs.cpp"],
    "safetensors": ["src/io/safetensors.cpp", "src/io/safetensors_header.cpp"],
    "solver_prototxt": TEXT,
    "solverstate": [f"src/caffe/{name}.cpp" for name in BINARY],
}


def words_of(name):
    """What a file of this format is made of, for libFuzzer to insert."""
    if name.endswith("prototxt"):
        schema = re.sub(r"//.*", "", (ROOT / "src/caffe/caffe.proto").read_text())
        return sorted(set(re.findall(r"(\w+) = \d+", schema))) + ["{", "}", "<", ">", "[", "]", ":", "true", "inf", "#", "\"", "0x1F", "1e9"]
    if name == "safetensors":
        return ["__metadata__", '"dtype":', '"shape":[', '"data_offsets":[0,', '"F32"', '"F64"', '"I64"', '"U8"', '"F16"', '"F4"']
    if name == "npy":
        return ["\x93NUMPY\x01", "'descr':", "'fortran_order':", "'shape':(", "<f4", "<f8", "<i8", "|u1", "True", "False"]
    if name in ("face_list", "pairs"):
        return ["\t", "\r\n", "\xef\xbb\xbf", "\f", "0", "1", "-1", "2147483648", "9223372036854775807", "2\t1\n", "a\t1\t2\n", "a\t1\tb\t1\n"]
    if name == "landmark_table":
        points = [f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right") for axis in "xy"]
        return ["file", "face", "score", "x1", "y1", "x2", "y2", *points, ",", "\"", "\"\"", "\r\n", "\xef\xbb\xbf", "1e6", "-1e7", "nan", "inf", "0.5"]
    return ["\xa2\x06", "\x12", "\x3a", "\x2a\x04", "\x0d\x00", "\x42\x08", "\x0a\x01", "\x08\x01", "\x89HDF\r\n"]


def write_dictionary(path, name):
    lines = ['"' + "".join(c if c.isascii() and c.isalnum() else f"\\x{ord(c):02x}" for c in word) + '"\n' for word in words_of(name)]
    path.write_text("".join(lines))


class Scratch(tempfile.TemporaryDirectory):
    """In memory where the system has a folder for that: a run writes a file for each input."""

    def __init__(self):
        super().__init__(prefix="amnet_fuzz_", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def fuzz(build, name, runs):
    """Whether the target ran without a finding."""
    found, log, program = build / "found", build / f"{name}.log", str(build / f"tests/fuzz/fuzz_{name}")
    found.mkdir(exist_ok=True)
    executed = new = peak = 0
    kept, started = None, time.monotonic()
    with Scratch() as scratch:
        write_dictionary(Path(scratch) / "words", name)
        (Path(scratch) / "inputs").mkdir()
        environment = dict(os.environ, TMPDIR=scratch)
        # What was freed would count as memory of the reader; where a block was allocated takes a
        # quarter of the time, and a second run of one input tells it.
        environment.setdefault("ASAN_OPTIONS", "quarantine_size_mb=8:malloc_context_size=0")
        limits = [f"-timeout={SECONDS}", f"-rss_limit_mb={MEMORY_MB}", f"-malloc_limit_mb={BLOCK_MB}"]
        while executed < runs and kept is None:
            command = [program, f"-runs={runs - executed}", *limits, "-print_final_stats=1", f"-artifact_prefix={found}/{name}-",
                       f"-dict={scratch}/words", f"{scratch}/inputs", str(CORPUS / name)]
            with log.open("wb") as errors:
                code = subprocess.run(command, env=environment, stderr=errors, check=False).returncode
            text = log.read_text(errors="replace")
            stats = {key: int(value) for key, value in re.findall(r"^stat::(\w+):\s*(\d+)", text, re.MULTILINE)}
            executed += stats.get("number_of_executed_units", 0)
            new += stats.get("new_units_added", 0)
            peak = max(peak, stats.get("peak_rss_mb", 0))
            if code != 0:
                written = re.search(r"Test unit written to (\S+)", text)
                kept = written.group(1) if written else "not known"
                # On a machine that stood still for a second, any input takes that long.
                if "SUMMARY: libFuzzer: timeout" in text and subprocess.run([program, *limits, kept], env=environment, check=False,
                                                                            stderr=subprocess.DEVNULL).returncode == 0:
                    print(f"{name}: an input took a second, and does not when it is alone: going on", flush=True)
                    Path(kept).unlink()
                    kept = None
    print(f"{name}: {executed:,} executions in {time.monotonic() - started:.0f} s, {new:,} inputs that reached something new, at most {peak} MB: " +
          ("nothing found" if kept is None else "FOUND"), flush=True)
    if kept is None:
        return True
    print("\n".join(text.splitlines()[-60:]))
    print(f"The input is {kept}, all of the output is {log}; mend the reader, and put the input into tests/fuzz/corpus/{name}.")
    return False


def tool(compiler, name):
    """The program of the compiler's own version."""
    told = subprocess.run([compiler, f"-print-prog-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
    path = shutil.which(told) or shutil.which(name)
    if path is None:
        sys.exit(f"./run fuzz --coverage needs {name}, which belongs to {compiler}, and found none; install the package llvm.")
    return path


def coverage(build, names):
    """Prints the lines of each reader that the seeds of these targets reach."""
    compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE).group(1)
    profdata, cov = tool(compiler, "llvm-profdata"), tool(compiler, "llvm-cov")
    files = sorted({file for name in names for file in READERS[name]})
    with Scratch() as scratch:
        programs = []
        for name in names:
            programs.append(str(build / f"tests/fuzz/cover_{name}"))
            subprocess.run([programs[-1], "-runs=0", str(CORPUS / name)], check=True, stderr=subprocess.DEVNULL,
                           env=dict(os.environ, TMPDIR=scratch, LLVM_PROFILE_FILE=f"{scratch}/{name}.profraw"))
        merged = f"{scratch}/all.profdata"
        subprocess.run([profdata, "merge", "-o", merged, *[f"{scratch}/{name}.profraw" for name in names]], check=True)
        objects = [programs[0]] + [f"-object={program}" for program in programs[1:]]
        told = subprocess.run([cov, "export", *objects, f"-instr-profile={merged}", "-summary-only", *[str(ROOT / file) for file in files]],
                              check=True, capture_output=True, text=True).stdout
    lines = {Path(file["filename"]).resolve(): file["summary"]["lines"] for file in json.loads(told)["data"][0]["files"]}
    for file in files:
        of = lines[ROOT / file]  # llvm-cov also tells of files that were not asked for
        print(f"{file:<36} {of['covered']:>4} of {of['count']:>4} lines  {of['percent']:6.1f} %")
    covered, count = (sum(lines[ROOT / file][what] for file in files) for what in ("covered", "count"))
    print(f"{'all':<36} {covered:>4} of {count:>4} lines  {100 * covered / count:6.1f} %")


def main():
    parser = argparse.ArgumentParser(prog="./run fuzz", usage="./run fuzz [NAME [RUNS] | NAME --coverage]", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", metavar="NAME", choices=[*READERS, "all"])
    parser.add_argument("runs", nargs="?", metavar="RUNS", type=int, default=1_000_000)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.name is None:
        print("\n".join(READERS))
        return
    names = [*READERS] if arguments.name == "all" else [arguments.name]
    if arguments.build is None:  # asked by ./run: what to build
        print("\n".join(("cover_" if arguments.coverage else "fuzz_") + name for name in names))
    elif arguments.coverage:
        coverage(arguments.build, names)
    elif not all([fuzz(arguments.build, name, arguments.runs) for name in names]):
        sys.exit(1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Holds amnet's speed and memory against PyTorch on this machine, and against what the machine can do.

    ./run bench compare [--quick] [--rows NAME…] [--pairs N] [--isa native|avx2] [--json FILE] [--markdown FILE]

amnet and PyTorch run alternately, A B A B, each run in a process of its own that starts when the machine is idle; a ratio is that of two
neighbouring runs. PyTorch (tests/bench/pytorch_rival.py) runs in the fastest of its modes, which is found first. The first call installs it
under build/pytorch: on x86-64 Linux about 3 GB to download and 5.4 GB on disk, once. All measurements are also written to build/compare.json.
Ends with 1 if a bar is missed, else with 0.
"""
import argparse
import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, Optional

import loss_curves
import machine
import pytorch_python
import work
from pytorch_python import ENVIRONMENT
from running import ROOT, Failure, commit, execute, positive
from turns import Turns
from verdicts import (Line, comparison_table, competing_shares, is_disturbed, is_slow, number, patience, ratios, scaling_shares, spread, table,
                      verdict)

IDLE_SECONDS = 120  # the longest time that a run waits for an idle machine
SLOW_REPEATS = 2  # of a rival's run that stayed below 80 % of the peak

MODES = {"training": ("eager", "compile"), "embedding": ("eager", "compile", "freeze")}
MODE_NAMES = {"eager": "eager", "compile": "torch.compile", "freeze": "torch.compile, frozen"}


class Setting(NamedTuple):
    """What both programs run."""

    task: str  # training or embedding
    batch: int = 32
    threads: int = 2
    precision: str = "f32"

    def iterations(self):
        """Five to fifteen seconds of either program on two cores."""
        steps = {"training": {1: 60, 32: 8, 64: 4}, "embedding": {1: 200, 32: 20, 64: 10}}[self.task][self.batch]
        return max(2, steps // (2 if self.threads == 1 else 1))


class Row(NamedTuple):
    name: str
    kind: str  # ratio, scaling, competing, memory or curves
    setting: Setting
    rival_precision: str = "f32"
    bar: Optional[float] = None
    of: str = ""  # memory: the row whose runs provide the measurement


BAR_ROWS = (
    Row("training", "ratio", Setting("training"), bar=2.6),
    Row("training-vs-bf16", "ratio", Setting("training"), rival_precision="bf16", bar=1.35),
    Row("embedding", "ratio", Setting("embedding"), bar=3.0),
    Row("embedding-b1", "ratio", Setting("embedding", batch=1), bar=2.0),
    Row("embedding-bf16", "ratio", Setting("embedding", precision="bf16"), rival_precision="bf16", bar=2.0),
    Row("memory-training", "memory", Setting("training"), bar=1100, of="training"),
    Row("memory-embedding", "memory", Setting("embedding"), bar=570, of="embedding"),
    Row("scaling-training", "scaling", Setting("training"), bar=0.93),
    Row("scaling-embedding", "scaling", Setting("embedding"), bar=0.93),
    Row("loss-curves", "curves", Setting("training"), bar=1.0),
    Row("competing", "competing", Setting("training"), bar=0.9),
)
BARRED = {row.setting for row in BAR_ROWS if row.kind == "ratio"}
FREE_ROWS = tuple(
    Row(f"{task}-b{batch}-t{threads}", "ratio", Setting(task, batch, threads))
    for task in ("training", "embedding") for batch in (1, 32, 64) for threads in (1, 2) if Setting(task, batch, threads) not in BARRED
)
KERNELS = "kernels"
BAR_PAIRS, FREE_PAIRS = 5, 2


# ---- the two programs -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def busy_process():
    """A process that computes without pause and never sleeps."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Programs:
    """Runs amnet, PyTorch and the multiply-add loop; keeps all their output."""

    def __init__(self, arguments):
        self.train_face = arguments.build / "examples" / "train_face" / "train_face"
        self.amnet_bench = arguments.build / "tests" / "bench" / "amnet_bench"
        for program in (self.train_face, self.amnet_bench):
            if not program.exists():
                raise Failure(f"expected the program {program.name} under {arguments.build} but it is not there; "
                              f"use ./run bench compare, which builds it")
        self.arguments = arguments
        self.runs = []
        self.limits = {}
        if arguments.isa == "avx2":
            self.limits = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

    def multiplies_bf16(self):
        """Whether this build supports it; a build that does not fails at once. Any other failure is reported by the row."""
        try:
            execute([self.train_face, "bench", "--device", "cpu", "--forward-only", "--precision", "bf16", "--batch", 1, "--iterations", 1,
                     "--width", 0.1])
        except Failure as failure:
            return "AVX512-BF16" not in str(failure)
        return True

    def peak(self, threads):
        """GFLOP/s of multiply-adds on registers, measured now."""
        return json.loads(execute([self.amnet_bench, "--peak", f"--threads={threads}"]))["multiply_add_gflops"]

    def amnet(self, setting, competing=False):
        """`competing`: together with a process that keeps a core busy."""
        extra = [] if setting.precision == "f32" else ["--precision", setting.precision]
        return self._measure("amnet", setting, "", [self.train_face, "bench", "--device", "cpu", *extra], competing=competing)

    def rival(self, setting, mode, iterations=None):
        command = [ENVIRONMENT / "bin" / "python", ROOT / "tests" / "bench" / "pytorch_rival.py", "--mode", mode, "--precision",
                   setting.precision]
        return self._measure("pytorch", setting, mode, command, self.rival_environment(setting.threads), iterations)

    def loss_curves(self):
        steps = max(self.arguments.iterations or loss_curves.STEPS, loss_curves.SMOOTHED_OVER)
        return loss_curves.measure(execute, self.train_face, loss_curves.shared_faces(), steps)

    def rival_environment(self, threads):
        # Code that torch.compile kept from a run under other limits gave NaN, so each instruction
        # set has its own directory. There is only one compiler process at a time, a child that is
        # waited for: its CPU time is then not counted as another program's.
        return dict(os.environ, OMP_NUM_THREADS=str(threads), TORCHINDUCTOR_COMPILE_THREADS="1",
                    TORCHINDUCTOR_CACHE_DIR=str(ENVIRONMENT / f"compiled-{self.arguments.isa}"), **self.limits)

    def _measure(self, program, setting, mode, command, environment=None, iterations=None, competing=False):
        steps = iterations or self.arguments.iterations or setting.iterations()
        with tempfile.TemporaryDirectory(prefix="amnet_bench_") as scratch:
            file = Path(scratch) / "result.json"
            command = [*command, "--batch", setting.batch, "--threads", setting.threads, "--iterations", steps, "--classes",
                       self.arguments.classes, "--width", self.arguments.width, "--json", file]
            if setting.task == "embedding":
                command.append("--forward-only")
            begun = time.monotonic()
            idle = machine.wait_until_idle(self.arguments.idle_seconds)
            peak = self.peak(setting.threads)
            watch = machine.OthersWatch()
            with busy_process() if competing else contextlib.nullcontext():
                execute(command, environment)
            others = watch.stop()
            disturbed = not idle or is_disturbed(others, machine.cores())
            peaks = [peak, self.peak(setting.threads)]
            numbers = json.loads(file.read_text())
        run = {**numbers, "program": program, "task": setting.task, "precision": setting.precision, "mode": mode,
               "started_idle": idle, "competing": competing, "disturbed": disturbed, "others": others,
               "peak_gflops_before_and_after": peaks, "peak_gflops": sum(peaks) / 2, "seconds": time.monotonic() - begun}
        self.runs.append(run)
        marks = (f" [{mode}]" if mode else "") + (", beside a busy process" if competing else "") + (", disturbed by other work" if disturbed else "")
        print(f"    {program:8}{run['images_per_second']:8.1f} images/s{marks}", file=sys.stderr, flush=True)
        return run


# ---- the rows -------------------------------------------------------------------------------------------------------------------


class Comparison(Turns):
    def __init__(self, programs, arguments):
        super().__init__(programs, arguments)
        self.stayed_slow = set()  # settings for which a run and all its repeats were slow

    def modes_of(self, setting):
        return MODES[setting.task]

    def trial_of(self, setting):
        task, precision, batch = self.mode_key(setting)
        return Setting(task, batch, min(2, machine.cores()), precision)

    def try_mode(self, setting, mode):
        """Images/s of a short run, and the better of two where the first was disturbed: the whole comparison depends on the choice."""
        steps = 20 if setting.batch == 1 else 3
        run = self.programs.rival(setting, mode, steps)
        again = [self.programs.rival(setting, mode, steps)] if run["disturbed"] else []
        return max(one["images_per_second"] for one in [run, *again])

    def measure_row(self, row, pairs):
        measure = {"scaling": self.measure_scaling, "competing": self.measure_competing, "curves": self.measure_curves}
        measure.get(row.kind, self.measure_ratio)(row, pairs)

    def empty_line(self, row, why):
        return Line(row.name, bar=bar_text(row), verdict=why)

    def bar_of(self, row):
        """Bars apply to the network at full width. Loss curves have their own width."""
        return row.bar if self.arguments.width == 1 or row.kind == "curves" else None

    def pairs_of(self, row):
        if row.kind == "curves":
            return 1
        if self.arguments.pairs:
            return self.arguments.pairs
        if self.arguments.quick:
            return 1
        return BAR_PAIRS if row.bar is not None else FREE_PAIRS

    def reason_to_skip(self, row):
        threads = row.setting.threads
        if threads > machine.cores():
            return f"skipped: needs {threads} cores and this machine has {machine.cores()}"
        if row.setting.precision == "bf16" and not self.programs.multiplies_bf16():
            return "skipped: amnet multiplies bf16 only on processors with AVX512-BF16"
        if row.kind == "curves" and loss_curves.shared_faces() is None:
            return "skipped: the shared data directory is absent (set AMNET_SHARED)"
        return None

    def cost(self, row):
        """[(kind of run, estimated seconds)] of one pair."""
        if row.kind == "curves":
            return [("curves", 420)]
        ours = (("amnet", row.setting), 20)
        if row.kind == "scaling":
            return [ours, (("amnet", row.setting._replace(threads=1)), 20)]
        if row.kind == "competing":
            return [ours, (("amnet", "competing"), 40)]
        return [ours, (("pytorch", self.rival_setting(row)), 45)]

    @staticmethod
    def mode_key(setting):
        """At batch 1 another mode may be the fastest than at larger batches, so there are two answers."""
        return setting.task, setting.precision, min(setting.batch, 32)

    def rival_setting(self, row):
        """None for a row that has no rival."""
        return row.setting._replace(precision=row.rival_precision) if row.kind == "ratio" else None

    def amnet(self, setting):
        return self.timed(("amnet", setting), lambda: self.programs.amnet(setting))

    def rival(self, setting, mode, steps):
        """One run; more of it where it looks disturbed. The fastest counts: a doubtful case is decided in favour of the rival. Where all
        repeats of a run were as slow, it is not a disturbance, and later runs have one repeat each, to leave time for other rows."""

        def body():
            run = self.programs.rival(setting, mode, steps)
            if setting.precision != "f32" or setting.batch != 32 or setting.threads != 2:
                return run
            flops = work.flops_per_image(setting.task, self.arguments.classes, self.arguments.width)
            tries = [run]
            repeats = 1 if setting in self.stayed_slow else SLOW_REPEATS
            while is_slow(tries[-1]["images_per_second"], flops, tries[-1]["peak_gflops"]):
                if len(tries) > repeats:
                    self.stayed_slow.add(setting)
                    break
                print(f"    below 80 % of the peak; again", file=sys.stderr)
                tries.append(self.programs.rival(setting, mode, steps))
            best = max(tries, key=lambda one: one["images_per_second"])
            best["repeats_below_80_percent_of_peak"] = len(tries) - 1
            return best

        return self.timed(("pytorch", setting), body)

    def measure_ratio(self, row, pairs):
        rival = self.rival_setting(row)
        mode = self.mode_of(rival)
        wanted, steps = pairs, self.arguments.iterations or rival.iterations()
        if rate := self.trials.get("/".join(map(str, self.mode_key(rival))), {}).get(mode):
            wanted = patience(pairs, rival.batch, rate)
        done = self.by_turns(row, wanted, lambda: (self.amnet(row.setting), self.rival(rival, mode, steps)))
        ratio = ratios((ours["images_per_second"], theirs["images_per_second"]) for ours, theirs in done)
        repeats = sum(theirs.get("repeats_below_80_percent_of_peak", 0) for _, theirs in done)
        notes = [f"{repeats} PyTorch runs repeated"] * bool(repeats) + notes_on(done, pairs)
        mode_name = MODE_NAMES[mode] + (", bf16" if rival.precision == "bf16" else "")
        self.lines[row.name] = Line(row.name, median_rate(ours for ours, _ in done), median_rate(theirs for _, theirs in done), mode_name, ratio,
                                    most_memory(ours for ours, _ in done), most_memory(theirs for _, theirs in done), bar_text(row),
                                    verdict(ratio.median, self.bar_of(row)), "; ".join(notes))

    def measure_scaling(self, row, pairs):
        def pair():
            one = self.amnet(row.setting._replace(threads=1))
            return self.amnet(row.setting), one

        done = self.by_turns(row, pairs, pair)
        share = scaling_shares((one["images_per_second"], two["images_per_second"], one["peak_gflops"], two["peak_gflops"]) for two, one in done)
        self.lines[row.name] = Line(row.name, median_rate(two for two, _ in done), median_rate(one for _, one in done), "amnet, 1 thread", share,
                                    bar=bar_text(row), verdict=verdict(share.median, self.bar_of(row)), note="; ".join(notes_on(done, pairs)))

    def measure_curves(self, row, _):
        gaps = self.timed("curves", self.programs.loss_curves)
        self.lines[row.name] = Line(row.name, bar=bar_text(row), verdict=verdict(gaps.share(), self.bar_of(row), at_most=True), note=str(gaps))

    def measure_competing(self, row, pairs):
        """amnet together with a process that never waits, compared with its fair share of the cores: a barrier that spins loses far
        more."""
        def pair():
            alone = self.amnet(row.setting)
            return self.timed(("amnet", "competing"), lambda: self.programs.amnet(row.setting, competing=True)), alone

        done = self.by_turns(row, pairs, pair)
        share = competing_shares(((ours["images_per_second"], alone["images_per_second"]) for ours, alone in done), row.setting.threads,
                                 machine.cores())
        self.lines[row.name] = Line(row.name, median_rate(ours for ours, _ in done), median_rate(one for _, one in done), "amnet, alone", share,
                                    bar=bar_text(row), verdict=verdict(share.median, self.bar_of(row)), note="; ".join(notes_on(done, pairs)))

    def conclude_memory(self, row):
        """Uses the runs that another row made."""
        done = self.pairs.get(row.of)
        if not done:
            self.lines[row.name] = Line(row.name, bar=bar_text(row), verdict=f"not run: it is told by the row {row.of}")
            return
        ours, theirs = most_memory(ours for ours, _ in done), most_memory(theirs for _, theirs in done)
        self.lines[row.name] = Line(row.name, ours_mb=ours, theirs_mb=theirs, bar=bar_text(row),
                                    verdict=verdict(ours, self.bar_of(row), at_most=True))


def bar_text(row):
    if row.bar is None:
        return ""
    return {"ratio": f">= {row.bar}x", "scaling": f">= {row.bar}", "competing": f">= {row.bar} of its share", "memory": f"<= {row.bar:,} MB",
            "curves": "<= perturbed starts"}[row.kind]


def notes_on(done, wanted):
    """Notes on a row's pairs for the reader: whether they are fewer than wanted, and how many runs shared the machine."""
    disturbed = sum(run["disturbed"] for pair in done for run in pair)
    fewer = [f"{len(done)} of {wanted} pairs"] * (len(done) < wanted)
    return fewer + [f"{disturbed} of {2 * len(done)} runs disturbed"] * bool(disturbed)


def median_rate(runs):
    rates = spread(run["images_per_second"] for run in runs)
    return rates.median if rates else None


def most_memory(runs):
    return max((run["peak_rss_mb"] for run in runs), default=None)


# ---- shares of the machine ------------------------------------------------------------------------------------------------------


def share_table(comparison):
    """Each row's arithmetic as a share of the multiply-add peak, and of the rate that the products of its Winograd tiles alone allow."""
    arguments, rows = comparison.arguments, []
    for row in (*BAR_ROWS, *FREE_ROWS):
        done = comparison.pairs.get(row.name) if row.kind == "ratio" else None
        if not done:
            continue
        direct = work.flops_per_image(row.setting.task, arguments.classes, arguments.width)
        products = work.flops_per_image(row.setting.task, arguments.classes, arguments.width, of=work.product_flops)
        peak = spread(ours["peak_gflops"] for ours, _ in done).median
        rate = median_rate(ours for ours, _ in done)
        theirs = median_rate(theirs for _, theirs in done)
        floor = peak * 1e9 / products
        rows.append([row.name, number(rate), number(rate * direct / 1e9), number(peak), f"{100 * rate * direct / 1e9 / peak:.0f} %",
                     f"{100 * theirs * direct / 1e9 / peak:.0f} %", number(floor), f"{100 * rate / floor:.0f} %"])
    head = ["row", "amnet, images/s", "direct GFLOP/s", "f32 peak GFLOP/s", "of the peak", "PyTorch, of the peak", "products alone, images/s",
            "of that"]
    return table(head, rows) if rows else ""


KERNEL_FILTER = "conv2d|fully_connected|prelu|softmax_cross_entropy/(forward|backward)|normalize|sgd"


def measure_kernels(programs, arguments):
    threads = min(2, machine.cores())
    print(f"kernels ({threads} threads)", file=sys.stderr, flush=True)
    idle = machine.wait_until_idle(arguments.idle_seconds)
    text = execute([programs.amnet_bench, f"--threads={threads}", f"--benchmark_filter={KERNEL_FILTER}", "--benchmark_min_time=0.1",
                    "--benchmark_repetitions=3", "--benchmark_format=json"])
    return {**json.loads(text), "started_idle": idle}


def kernel_table(report):
    """The fastest of the repetitions of each kernel."""
    peak = float(report["context"]["multiply_add_gflops"])
    convolutions = {c.name: c for c in work.convolutions()}
    best = {}
    for one in report["benchmarks"]:
        name = one["name"].replace("/real_time", "")
        if one.get("run_type", "iteration") == "iteration" and (name not in best or one["real_time"] < best[name]["real_time"]):
            best[name] = one
    rows = []
    for name, one in best.items():
        convolution = convolutions.get(name.split("/")[1]) if name.startswith("conv2d/") else None
        floor_ms = 32 * work.product_flops(convolution) / peak / 1e6 if convolution else None
        rows.append([name, f"{one['real_time']:.3f}", number(one.get("GFLOP/s")), percent(one.get("%FMA")), number(one.get("GB/s")),
                     percent(one.get("%copy")), number(floor_ms, 2), percent(100 * floor_ms / one["real_time"] if floor_ms else None)])
    head = ["kernel, batch 32", "ms", "GFLOP/s", "of the FMA peak", "GB/s", "of a copy", "products alone, ms", "of that"]
    return table(head, rows)


def percent(value):
    return "" if value is None else f"{value:.0f} %"


# ---- the report -----------------------------------------------------------------------------------------------------------------


def report_text(record, comparison, selected, kernels):
    about = record["machine"]
    versions = record["versions"]
    if kernels is not None:
        versions = {**versions, **dict(zip(("compiler", "simd"), kernels["context"]["amnet"].split(", ")[1:]))}
    said = [f"{about['cpu']}, {about['cores']} cores ({', '.join(about['instruction_sets'])}), {about['memory_gb']} GB; {about['system']}",
            f"amnet {record['commit']}, {versions.get('compiler', '?')}, {versions.get('simd', '?')}; PyTorch {versions.get('torch', '–')} "
            f"(oneDNN {versions.get('onednn', '–')}); {record['date']}"]
    if comparison.arguments.width != 1:
        said.append(f"Width {comparison.arguments.width}: not the network that the bars are for.")
    parts = ["\n".join(said)]
    lines = [comparison.lines[row.name] for row in selected if row.name in comparison.lines]
    if lines:
        parts.append(comparison_table(lines))
    shares = share_table(comparison)
    if shares:
        parts.append("Shares of the machine. A direct sum cannot exceed the peak; an algorithm with fewer multiplications can.\n\n" + shares)
    if kernels is not None:
        context = kernels["context"]
        busy = "" if kernels["started_idle"] else " (started on a busy machine)"
        parts.append(f"Kernels, {context['threads']} threads{busy}: "
                     f"peak {context['multiply_add_gflops']} GFLOP/s, copy {context['copy_gbytes']} GB/s. "
                     "A convolution is counted in the operations of the direct sum; tensors that stay in the cache may exceed a copy through "
                     "memory.\n\n" + kernel_table(kernels))
    return "\n\n".join(parts)


def record_of(programs, comparison, arguments, begun, kernels):
    versions = {}
    for run in programs.runs:
        versions.update({key: run[key] for key in ("compiler", "simd", "torch", "onednn", "capability") if key in run})
    return {
        "date": begun, "minutes": comparison.budget.elapsed() / 60, "commit": commit(), "machine": machine.describe(),
        "versions": versions, "options": {key: str(value) for key, value in vars(arguments).items()}, "mode_trials": comparison.trials,
        "rows": {name: {**line._asdict(), "ratio": line.ratio and line.ratio._asdict()} for name, line in comparison.lines.items()},
        "runs": programs.runs, "kernels": kernels,
    }


def parse(words):
    names = [row.name for row in (*BAR_ROWS, *FREE_ROWS)] + [KERNELS]
    parser = argparse.ArgumentParser(prog="./run bench compare", description=__doc__.split("\n\n", 1)[0],
                                     epilog="Rows: " + ", ".join(names) + ". Ends with 1 if a bar is missed.")
    parser.add_argument("--rows", nargs="+", metavar="NAME", choices=names, help="only these; see below")
    parser.add_argument("--pairs", type=positive, metavar="N", help=f"of every row (default: {BAR_PAIRS} with a bar, {FREE_PAIRS} without)")
    parser.add_argument("--quick", action="store_true", help="1 pair, rows with a bar only")
    parser.add_argument("--isa", choices=("native", "avx2"), default="native", help="avx2: both programs without AVX-512")
    parser.add_argument("--minutes", type=positive, default=60, metavar="N", help="for everything; rows that no longer fit are listed (default: 60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything measured (default: build/compare.json)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the tables")
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS, metavar="S", help="that a run waits for an idle machine (default: 120)")
    parser.add_argument("--width", type=float, default=1.0, metavar="W", help="width multiplier of the network, to try this out (default: 1)")
    parser.add_argument("--iterations", type=positive, metavar="N", help="of every run, to try this out")
    parser.add_argument("--classes", type=positive, default=10516, metavar="N", help="of the head (default: 10516)")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    arguments.json = arguments.json or ROOT / "build" / "compare.json"
    return arguments


def chosen_rows(arguments):
    """(rows, whether the kernels are measured). A memory row also selects the row whose runs provide its measurement."""
    if not arguments.rows:
        return (list(BAR_ROWS), False) if arguments.quick else ([*BAR_ROWS, *FREE_ROWS], True)
    wanted = set(arguments.rows)
    wanted |= {row.of for row in BAR_ROWS if row.name in wanted and row.of}
    return [row for row in (*BAR_ROWS, *FREE_ROWS) if row.name in wanted], KERNELS in wanted


def main():
    arguments = parse(sys.argv[1:])
    begun = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    rows, with_kernels = chosen_rows(arguments)
    try:
        programs = Programs(arguments)
        if any(row.kind == "ratio" for row in rows):
            pytorch_python.install()
    except Failure as failure:
        sys.exit(f"compare: {failure}.")
    comparison = Comparison(programs, arguments)
    print(f"At most {arguments.minutes} minutes.", file=sys.stderr)
    kernels = None

    def save():
        record = record_of(programs, comparison, arguments, begun, kernels)
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
        return record

    try:
        for row in (row for row in rows if row.kind != "memory" and row.bar is not None):
            comparison.measure(row)
            save()
        if with_kernels:
            kernels = measure_kernels(programs, arguments)
        for row in (row for row in rows if row.bar is None):
            comparison.measure(row)
            save()
    except KeyboardInterrupt:
        print("Interrupted; what was measured so far:", file=sys.stderr)
    except Failure as failure:
        print(f"compare: {failure}; what was measured so far:", file=sys.stderr)
    for row in rows:
        if row.kind == "memory":
            comparison.conclude_memory(row)
    text = report_text(save(), comparison, rows, kernels)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n")
    return 1 if any(line.verdict == "MISSED" for line in comparison.lines.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

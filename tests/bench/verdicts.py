"""The conclusions of compare.py from its measurements, without measuring anything: ratios, verdicts, the budget and the tables."""
import statistics
import time
from typing import NamedTuple, Optional


class Spread(NamedTuple):
    least: float
    median: float
    most: float

    def __str__(self):
        return f"{self.least:.2f} / {self.median:.2f} / {self.most:.2f}"


def spread(values):
    """None for an empty list."""
    values = list(values)
    return Spread(min(values), statistics.median(values), max(values)) if values else None


def ratios(pairs):
    """amnet's images/s divided by the rival's, pair by pair: the two runs of a pair follow each other."""
    return spread(ours / theirs for ours, theirs in pairs)


def scaling_shares(quadruples):
    """How much of the machine's own speed-up a program reaches. Each item is (one thread, two threads, peak of one, peak of two)."""
    return spread((two / one) / (peak_two / peak_one) for one, two, peak_one, peak_two in quadruples)


def competing_shares(pairs, threads, cores):
    """What a program keeps next to one busy process, as a share of what a fair scheduler would leave it. Each item is (rate next to it,
    rate alone)."""
    busy = threads + 1
    fair = min(cores, busy) * threads / busy / min(cores, threads)
    return spread(beside / alone / fair for beside, alone in pairs)


def verdict(value, bar, at_most=False):
    if bar is None:
        return "–"
    if value is None:
        return "not measured"
    return "met" if (value <= bar if at_most else value >= bar) else "MISSED"


def fastest(rates):
    """The key of the largest rate; None where there is none. `rates` has None for modes that failed."""
    rates = {key: rate for key, rate in rates.items() if rate is not None}
    return max(rates, key=rates.get) if rates else None


def is_slow(images_per_second, flops_per_image, peak_gflops, share=0.8):
    """Whether a run's arithmetic stayed so far below the peak measured around it that another program may have used the machine."""
    return images_per_second * flops_per_image / 1e9 < share * peak_gflops


LONG_STEP = 30  # seconds: bf16 takes longer on a processor without it. The second such step is already warm, and only one is timed.


def patience(pairs, images_per_step, images_per_second):
    """How many pairs to make with a rival of that rate: one where a step is long."""
    return pairs if images_per_step <= LONG_STEP * images_per_second else min(pairs, 1)


def is_disturbed(others, cores, share=0.05):
    """Whether other programs, or the hypervisor, used more than this share of the machine during a run. `others`: machine.OthersWatch, or
    None."""
    return others is not None and others["others_cpu_seconds"] + others["stolen_cpu_seconds"] > share * cores * others["seconds"]


class Budget:
    """Seconds for everything. The cost of a run is the time of the last one of its kind, or the estimate before there was one."""

    def __init__(self, seconds, clock=time.monotonic):
        self.seconds, self.clock = seconds, clock
        self.begun = clock()
        self.seen = {}

    def elapsed(self):
        return self.clock() - self.begun

    def left(self):
        return self.seconds - self.elapsed()

    def took(self, kind, seconds):
        self.seen[kind] = seconds

    def expected(self, kinds_and_guesses):
        return sum(self.seen.get(kind, guess) for kind, guess in kinds_and_guesses)

    def fits(self, kinds_and_guesses):
        return self.expected(kinds_and_guesses) <= self.left()


class Line(NamedTuple):
    """A row of the comparison's table."""

    name: str
    ours: Optional[float] = None  # images/s
    theirs: Optional[float] = None
    mode: str = ""  # of the rival, or the kind of run that `theirs` is
    ratio: Optional[Spread] = None
    ours_mb: Optional[float] = None
    theirs_mb: Optional[float] = None
    bar: str = ""
    verdict: str = "–"
    note: str = ""


def number(value, digits=1):
    return "" if value is None else f"{value:,.{digits}f}"


def comparison_table(lines):
    head = ["row", "amnet, images/s", "PyTorch, images/s", "ratio min / median / max", "peak MB, amnet / PyTorch", "bar", "verdict"]
    rows = []
    for line in lines:
        theirs = number(line.theirs) + (f" ({line.mode})" if line.mode else "")
        memory = " / ".join(number(value, 0) or "–" for value in (line.ours_mb, line.theirs_mb)) if line.ours_mb is not None else ""
        said = f"{line.verdict}: {line.note}" if line.note else line.verdict
        rows.append([line.name, number(line.ours), theirs, str(line.ratio or ""), memory, line.bar, said])
    return table(head, rows, left=(0, 6))


def table(head, rows, left=(0,)):
    """Markdown with aligned columns, so that it is also readable as plain text. Columns in `left` are words, the others numbers."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells):
        return "| " + " | ".join(cell.ljust(width) if i in left else cell.rjust(width)
                                 for i, (cell, width) in enumerate(zip(cells, widths))) + " |"

    rule = "|" + "|".join("-" * (width + 2) if i in left else "-" * (width + 1) + ":" for i, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *(line(row) for row in rows)])

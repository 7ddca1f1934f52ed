"""The rows of the comparison on a GPU, and the verdicts of their bars on measurements; nothing here measures."""
from typing import NamedTuple, Optional

from verdicts import Spread, number, table


class Setting(NamedTuple):
    """What both programs run."""

    task: str  # training, embedding, or loading: training on decoded images
    batch: int = 256
    classes: int = 10516
    precision: str = "bf16"

    def iterations(self):
        """Timed samples of STEPS_PER_WAIT steps: some seconds of either program on a data-centre GPU."""
        return 10 if self.precision == "bf16" else 4


STEPS_PER_WAIT = 10


class Bars(NamedTuple):
    ratio: Optional[float] = None  # of images/s, at least
    share: Optional[float] = None  # of the measured matrix rate, at least
    memory: Optional[float] = None  # of the rival's device memory, at most
    wait: Optional[float] = None  # share of the time spent waiting for data, less than

    def __str__(self):
        said = [(self.ratio, f">= {self.ratio}x"), (self.share, f">= {100 * (self.share or 0):.0f} % of the rate"),
                (self.memory, f"<= {self.memory}x memory"), (self.wait, f"< {100 * (self.wait or 0):.0f} % wait")]
        return ", ".join(text for bar, text in said if bar is not None)


class Row(NamedTuple):
    name: str
    setting: Setting
    bars: Bars = Bars()


TRAINING = Bars(ratio=1.2, share=0.4, memory=0.7)
EMBEDDING = Bars(ratio=1.3, share=0.4, memory=0.7)
BAR_ROWS = (
    Row("training-b256", Setting("training"), TRAINING),
    Row("embedding-b256", Setting("embedding"), EMBEDDING),
    Row("loading-b256", Setting("loading"), Bars(wait=0.01)),
    Row("training-b512", Setting("training", batch=512), TRAINING),
    Row("training-b256-c85742", Setting("training", classes=85742), TRAINING),
    Row("training-b512-c85742", Setting("training", batch=512, classes=85742), TRAINING),
    Row("embedding-b512", Setting("embedding", batch=512), EMBEDDING),
)
FREE_ROWS = tuple(Row(f"{task}-b256-{precision}", Setting(task, precision=precision))
                  for task in ("training", "embedding") for precision in ("tf32", "f32"))
QUICK = ("training-b256", "embedding-b256", "loading-b256")


def chosen_rows(names, quick):
    wanted = names or (QUICK if quick else [row.name for row in (*BAR_ROWS, *FREE_ROWS)])
    return [row for row in (*BAR_ROWS, *FREE_ROWS) if row.name in wanted]


class Line(NamedTuple):
    """A row of the table."""

    name: str
    ours: Optional[float] = None  # images/s
    theirs: Optional[float] = None
    mode: str = ""
    ratio: Optional[Spread] = None
    share: Optional[float] = None  # of the matrix rate
    ours_mb: Optional[float] = None  # of device memory
    theirs_mb: Optional[float] = None
    wait: Optional[float] = None
    theirs_wait: Optional[float] = None
    bars: Bars = Bars()
    verdict: str = "–"
    note: str = ""


def judged(line):
    """The line with its verdict: which of its bars were missed, or were not measured."""
    memory = line.ours_mb / line.theirs_mb if line.ours_mb is not None and line.theirs_mb else None
    bars = line.bars
    checks = [("ratio", bars.ratio, line.ratio and line.ratio.median, lambda value, bar: value >= bar),
              ("rate", bars.share, line.share, lambda value, bar: value >= bar),
              ("memory", bars.memory, memory, lambda value, bar: value <= bar),
              ("wait", bars.wait, line.wait, lambda value, bar: value < bar)]
    checks = [(name, value, value is not None and holds(value, bar)) for name, bar, value, holds in checks if bar is not None]
    missed = [name for name, value, met in checks if value is not None and not met]
    unmeasured = [name for name, value, _ in checks if value is None]
    if not checks:
        return line
    said = ["MISSED: " + ", ".join(missed)] if missed else [] if len(unmeasured) == len(checks) else ["met"]
    said += ["not measured: " + ", ".join(unmeasured)] if unmeasured else []
    return line._replace(verdict="; ".join(said))


def is_missed(line):
    return line.verdict.startswith("MISSED")


def percent(value, digits=0):
    return "" if value is None else f"{100 * value:.{digits}f} %"


def both(ours, theirs, words):
    """"1,080 / 1,660", with a dash for what was not measured; nothing where neither was."""
    return "" if ours is None and theirs is None else " / ".join(words(value) or "–" for value in (ours, theirs))


def comparison_table(lines):
    head = ["row", "amnet, images/s", "PyTorch, images/s", "ratio min / median / max", "of the matrix rate", "device MB, amnet / PyTorch",
            "data wait, amnet / PyTorch", "bars", "verdict"]
    rows = []
    for line in lines:
        theirs = number(line.theirs, 0) + (f" ({line.mode})" if line.mode else "")
        said = f"{line.verdict}; {line.note}" if line.note else line.verdict
        rows.append([line.name, number(line.ours, 0), theirs, str(line.ratio or ""), percent(line.share),
                     both(line.ours_mb, line.theirs_mb, lambda value: number(value, 0)),
                     both(line.wait, line.theirs_wait, lambda value: percent(value, 1)), str(line.bars), said])
    return table(head, rows, left=(0, 7, 8))


def profile_table(numbers):
    """From the output of `train_face bench --profile`: each kernel's part of a step, the longest first."""
    kernels = numbers["kernels"]
    whole = sum(kernel["ms"] for kernel in kernels)
    rows = [[kernel["name"], f"{kernel['calls']:.0f}", f"{kernel['ms']:.4f}", percent(kernel["ms"] / whole, 1)] for kernel in kernels]
    rows.append(["all", f"{sum(kernel['calls'] for kernel in kernels):.0f}", f"{whole:.4f}", ""])
    return table(["kernel", "calls a step", "ms a step", "of all"], rows)

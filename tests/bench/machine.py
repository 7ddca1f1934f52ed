"""The machine that a measurement ran on: whether it is idle, what it is, and what other programs used its time."""
import glob
import os
import platform
import subprocess
import sys
import time

# Of all cores together. The services of a quiet system stay below it.
IDLE_BUSY_SHARE = 0.04
WATCH_SECONDS = 0.5
GPU_BUSY_PERCENT = 5


def cpu_seconds():
    """(busy, stolen, idle) CPU seconds of all cores since the system started, None where the system does not report them."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / ticks, steal / ticks, (idle + iowait) / ticks


def busy_share():
    before = cpu_seconds()
    if before is None:
        return None
    time.sleep(WATCH_SECONDS)
    busy, stolen, idle = (after - first for after, first in zip(cpu_seconds(), before))
    return (busy + stolen) / max(busy + stolen + idle, 1e-9)


def wait_until_idle(bound_seconds):
    """Whether the machine became idle in time; reports on stderr that it waits."""
    deadline, told = time.monotonic() + bound_seconds, False
    while True:
        share = busy_share()
        if share is None or share <= IDLE_BUSY_SHARE:
            return share is not None
        if time.monotonic() >= deadline:
            print(f"  the machine is still {100 * share:.0f} % busy after {bound_seconds:.0f} s; going on, and marking the run", file=sys.stderr)
            return False
        if not told:
            print(f"  the machine is {100 * share:.0f} % busy; waiting up to {bound_seconds:.0f} s …", file=sys.stderr)
            told = True


class OthersWatch:
    """CPU seconds between start and stop that were used neither by this process nor by a child that it waited for: those of others and of
    the hypervisor."""

    def __init__(self):
        self.before, self.own, self.begun = cpu_seconds(), self._own(), time.monotonic()

    @staticmethod
    def _own():
        return sum(os.times()[:4])

    def stop(self):
        after = cpu_seconds()
        if after is None or self.before is None:
            return None
        busy, stolen = after[0] - self.before[0], after[1] - self.before[1]
        return {"others_cpu_seconds": max(0.0, busy - (self._own() - self.own)), "stolen_cpu_seconds": stolen,
                "seconds": time.monotonic() - self.begun}


def _first_value(path, key):
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(key):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""


def describe():
    """What a reader needs to know about the machine; no name or address of it."""
    flags = _first_value("/proc/cpuinfo", "flags").split() or _first_value("/proc/cpuinfo", "Features").split()
    interesting = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "bf16", "sve")
    memory = _first_value("/proc/meminfo", "MemTotal").split()
    return {
        "cpu": _first_value("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "cores": cores(),
        "instruction_sets": [flag for flag in interesting if flag in flags],
        "memory_gb": round(int(memory[0]) / 1e6, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def gpu():
    """Name, driver and memory of the first NVIDIA GPU, and whether it is busy; None where the system reports none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True).stdout
    except OSError:
        said = ""
    first = [word.strip() for word in (said.splitlines() or [""])[0].split(",")]
    if len(first) == 4:
        return {"name": first[0], "driver": first[1], "memory_mb": first[2], "busy": first[3].isdigit() and int(first[3]) > GPU_BUSY_PERCENT}
    if glob.glob("/dev/nvidia[0-9]*"):
        return {"name": "an NVIDIA GPU", "driver": "unknown", "memory_mb": "?", "busy": False}
    return None


def cores():
    """The number of CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

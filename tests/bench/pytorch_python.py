"""Which Python runs PyTorch: one that already has it, or a virtual environment under build/ where it is installed."""
import shutil
import subprocess
import sys

from running import ROOT, Failure, execute

ENVIRONMENT = ROOT / "build" / "pytorch"
HOUR = 3600
CAN_USE_GPU = "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)"


def answers(python, program):
    """Whether the program, run by that Python, ends with exit code 0."""
    try:
        return subprocess.run([str(python), "-c", program], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def install():
    """Installs PyTorch into ENVIRONMENT, unless it is there; returns its Python."""
    python = ENVIRONMENT / "bin" / "python"
    if answers(python, "import torch, numpy"):
        return python
    print("Installing PyTorch under build/pytorch: a download of about 3 GB on x86-64 Linux (5.4 GB on disk), once …", file=sys.stderr,
          flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    execute([sys.executable, "-m", "venv", ENVIRONMENT])
    execute([python, "-m", "pip", "install", "--no-input", "--quiet", "torch", "numpy"], seconds=HOUR)
    return python


def with_gpu(named=None):
    """A Python whose PyTorch can use the GPU: the named one, else the first of the system's that can, else one where it is installed. A
    machine with a GPU often has such a Python, and no network."""
    if named:
        if not answers(named, CAN_USE_GPU):
            raise Failure(f"--python: {named} has no PyTorch that reaches the GPU; name another, or leave it out")
        return named
    for python in (ENVIRONMENT / "bin" / "python", sys.executable, shutil.which("python3"), shutil.which("python")):
        if python and answers(python, CAN_USE_GPU):
            return python
    try:
        python = install()
    except Failure as failure:
        raise Failure(f"no Python here has a PyTorch that reaches the GPU, and it could not be installed ({failure}); name one with --python")
    if not answers(python, CAN_USE_GPU):
        raise Failure("the PyTorch that was installed under build/pytorch does not reach the GPU; name another Python with --python")
    return python

"""How much memory this process has, in bytes, as Linux counts it."""

from pathlib import Path

STATUS = Path("/proc/self/status")


def resident() -> int:
    """Returns the resident memory."""
    return _status("VmRSS")


def peak() -> int:
    """Returns the most resident memory since the last `forget_peak`, or since the start."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Lets `peak` begin anew; `getrusage` has no such thing, and its peak would be that of TensorFlow's import."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _status(name: str) -> int:
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024

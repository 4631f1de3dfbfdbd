"""The commands: flags to settings to a call, and nothing else."""

import os
import sys
from types import TracebackType

_show = sys.excepthook


def _say_stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Reports Ctrl-C during a command's imports, before `run_main` handles it: one line, no traceback."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(f"\n{os.path.basename(sys.argv[0])}: stopped before it began.\n")
    else:
        _show(kind, error, trace)


sys.excepthook = _say_stopped

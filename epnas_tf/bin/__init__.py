"""The binaries: flags to settings to the search; nothing else."""

import os
import sys
from types import TracebackType

_show = sys.excepthook


def _say_stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a command still imports what it needs, before `run_main` can answer it: a line, no traceback."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(f"\n{os.path.basename(sys.argv[0])}: stopped before it began.\n")
    else:
        _show(kind, error, trace)


sys.excepthook = _say_stopped

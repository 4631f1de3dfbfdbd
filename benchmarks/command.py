"""How a benchmark is run as a command."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import app, flags

from epnas_tf.errors import EPNASError


def run(main: Callable[[], None]) -> None:
    """Runs a benchmark that takes flags alone; what a user can cause is one line, and exit code 1."""

    def checked(arguments: Sequence[str]) -> None:
        name = Path(arguments[0]).stem
        if len(arguments) > 1:
            sys.exit(f"{name}: error: There are flags alone, see --help. Received: {' '.join(arguments[1:])}")
        try:
            main()
        except EPNASError as error:
            sys.exit(f"{name}: error: {error}")

    _show_all_flags()
    app.run(checked)


def _show_all_flags() -> None:
    """Has --help show the flags that benchmarks share as well, not those of the command's own file alone."""
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("benchmarks."):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)

"""How a benchmark is run as a command: like the binaries, with flags alone."""

import sys
from collections.abc import Callable
from pathlib import Path

from absl import flags

from epnas_tf.bin.console import refuse_arguments, run_main
from epnas_tf.flags import show_in_help


def run(main: Callable[[], None]) -> None:
    """Runs a benchmark that takes flags alone; `--help` shows those that benchmarks share as well."""

    def checked(arguments: list[str]) -> None:
        refuse_arguments(arguments)
        main()

    run_with_arguments(checked)


def run_with_arguments(main: Callable[[list[str]], None]) -> None:
    """Runs a benchmark that takes what is left beside the flags."""
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("benchmarks."):
            for flag in defined:
                show_in_help(flag.name)
    run_main(Path(sys.argv[0]).stem, main, sys.modules["__main__"].__doc__ or "")

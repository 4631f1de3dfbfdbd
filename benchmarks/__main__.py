"""Runs a benchmark: python -m benchmarks NAME [flags]; without a name it lists them."""

import ast
import importlib
import sys
from pathlib import Path

from absl import flags

from epnas_tf.bin.console import refuse_arguments, run_main
from epnas_tf.bin.flags import show_in_help

COMMANDS = {file.stem: file for file in sorted((Path(__file__).parent / "commands").glob("[!_]*.py"))}


def run() -> None:
    """Runs the benchmark that the first argument names, with the other arguments as its flags."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(__doc__)
        for known, file in COMMANDS.items():
            document = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            print(f"  {known:13}{document.splitlines()[0]}")
        return
    if name not in COMMANDS:
        sys.exit(f"benchmarks: error: NAME must be one of {', '.join(COMMANDS)}. Received: {name}")
    sys.argv = [name, *sys.argv[2:]]
    module = importlib.import_module(f"benchmarks.commands.{name}")
    for place, defined in flags.FLAGS.flags_by_module_dict().items():
        if place.startswith("benchmarks."):
            for flag in defined:
                show_in_help(flag.name)

    def main(arguments: list[str]) -> None:
        refuse_arguments(arguments)
        module.main()

    run_main(name, main, module.__doc__ or "")


if __name__ == "__main__":
    run()

"""The command `epnas-report`, which writes a run's report."""

from absl import flags

from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, only_argument, run_main
from epnas_tf.report import write_report

DESCRIPTION = """Writes RUN_DIR/report.html, one file that shows a search and its final training.

  epnas-report RUN_DIR
  epnas-report RUN_DIR --final_dir=other    with another final training; writes other/report.html
  epnas-report RUN_DIR --output=page        writes page/report.html

It reads what the run has written so far, so it can be called at any time, also while the run
goes on; the report that an earlier call left in the same folder is written over, but no page of
another kind, and no report of a search by one of a final training alone. The pictures are written
as SVG files too, into the folder report beside it.
"""


def main(arguments: list[str]) -> None:
    """Writes the report of the run that the argument names."""
    report = write_report(only_argument(arguments), flags.FLAGS.final_dir, flags.FLAGS.output)
    Terminal().print(str(report), soft_wrap=True)


def run() -> None:
    """The console script."""
    config_flags.define_path("final_dir", "the final training to show; RUN_DIR/final unless given")
    config_flags.define_path("output", "folder to write the report to; RUN_DIR unless given, or what --final_dir names")
    run_main("epnas-report", main, DESCRIPTION)


if __name__ == "__main__":
    run()

"""The command `epnas-cache`, which lists and removes the decoded images that are kept for later runs."""

import datetime
import time

from absl import flags

from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, make_table, refuse_arguments, run_main
from epnas_tf.data import decoded
from epnas_tf.errors import ConfigError

DESCRIPTION = """Lists the decoded images that are kept for later runs, and removes them.

  epnas-cache
  epnas-cache --clear                     all of them
  epnas-cache --clear --unused_days=30    those that no run has used for 30 days

The variable EPNAS_CACHE of the environment says in which folder they are, ~/.cache/epnas_tf unless it is set;
EPNAS_CACHE=off keeps none. Where they were removed, the next run decodes the image files anew.
"""
DAY = 24 * 60 * 60
"""Seconds."""


def main(arguments: list[str]) -> None:
    """Lists or removes what is kept."""
    refuse_arguments(arguments)
    console, where = Terminal(), decoded.folder()
    if where is None:
        console.say(f"No decoded images are kept: {decoded.VARIABLE}={decoded.OFF}.")
        return
    if where.exists() and not where.is_dir():
        raise ConfigError(f"{decoded.VARIABLE} must name a folder. Received: {where}, which is no folder.")
    before = time.time() - DAY * flags.FLAGS.unused_days
    entries = [entry for entry in decoded.entries(where) if entry.used <= before]
    if not entries:
        console.say(f"Nothing{' so old' * bool(flags.FLAGS.unused_days)} is kept in {where}.")
        return
    kept = [entry for entry in entries if not (flags.FLAGS.clear and decoded.remove(entry))]
    if flags.FLAGS.clear:
        freed = sum(entry.num_bytes for entry in entries) - sum(entry.num_bytes for entry in kept)
        console.say(f"Removed from {where}: {len(entries) - len(kept)} of {len(entries)}, {freed / 1e6:,.1f} MB.")
        if kept:
            console.say("What is left is just being written:")
    if kept:
        console.print(_table(kept))
        console.say(f"{sum(entry.num_bytes for entry in kept) / 1e6:,.1f} MB in {where}")


def _table(entries: list[decoded.Entry]) -> object:
    table = make_table("made from", "last used", numbers=["images", "size", "MB"])
    for entry in entries:
        images, *size = entry.shape or (0,)
        table.add_row(
            entry.made_from or "(not finished)",
            datetime.datetime.fromtimestamp(entry.used).isoformat(" ", "minutes"),
            f"{images:,}" if images else "-",
            "×".join(map(str, size)) or "-",
            f"{entry.num_bytes / 1e6:,.1f}",
        )
    return table


def run() -> None:
    """The console script."""
    flags.DEFINE_boolean("clear", False, "whether to remove what is listed")
    flags.DEFINE_float("unused_days", 0, "only what no run has used for so many days", lower_bound=0)
    config_flags.show_in_help("clear", "unused_days")
    run_main("epnas-cache", main, DESCRIPTION)


if __name__ == "__main__":
    run()

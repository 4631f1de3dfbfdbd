"""The command `epnas-rank`: flags, settings, comparison, result."""

from pathlib import Path
from typing import Any

from absl import flags

from epnas_tf import data
from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, interruptible, make_table, only_argument, run_main, start_tensorflow
from epnas_tf.config import RankConfig, WorkersConfig, check_ray
from epnas_tf.metrics import percent_of_images
from epnas_tf.storage.rank_directory import CAPTIONS, FOLDER, RESULT
from epnas_tf.storage.run_directory import read_config

DESCRIPTION = """Tells how far a search's scores on shared weights can be trusted: trains a sample of its architectures
on weights of their own, and compares the orders, also with that of their sizes.

  epnas-rank RUN_DIR
  epnas-rank RUN_DIR --architectures=50 --own_epochs=60

The same command goes on with a comparison that was stopped; epnas-report shows it.
"""


def main(arguments: list[str]) -> None:
    """Runs the comparison that the flags describe."""
    run_dir = Path(only_argument(arguments))
    config = config_flags.to_config(RankConfig)
    rank_dir = Path(flags.FLAGS.rank_dir or run_dir / FOLDER)
    search = read_config(run_dir)
    data.check(search.data)
    workers = config_flags.to_config(WorkersConfig)
    check_ray(workers)
    console = Terminal()
    console.print_settings(config, {"rank_dir": str(rank_dir)})

    start_tensorflow(search.child.xla)
    from epnas_tf.run.comparison import run_rank

    display = _display(console)
    result = interruptible(lambda: run_rank(run_dir, config, rank_dir=rank_dir, listener=display, workers=workers))
    if result.already_finished:
        console.say(f"This comparison is finished; give another --rank_dir than {rank_dir} for a new one.")
    failed = sum(record["own"] is None for record in result.records)
    if failed:
        console.say(f"{failed} architectures diverged in their own training and are left out.")
    table = make_table("shared weights against own training", "Kendall's τ", "Spearman's ρ")
    for way, both in result.agreement.items():
        table.add_row(CAPTIONS[way], *(str(both[name]) for name in ("kendall", "spearman")))
    console.print(table)
    console.say(f"of {len(result.records) - failed} architectures, with 95 % intervals from 10 on")
    console.say(result.conclusion)
    console.print(f"  {rank_dir / RESULT}", soft_wrap=True)
    if rank_dir == run_dir / FOLDER:  # a page shows no other
        console.print_next({"epnas-report": "a page to look at"}, run_dir)


def _display(console: Terminal) -> Any:
    from epnas_tf.run.comparison import RankListener

    class Display(RankListener):
        """A display of one line per architecture."""

        def started(self, data: Any, num_architectures: int, num_done: int) -> None:
            self.count, self.done, self.num_validation = num_architectures, num_done, len(data.validation)
            for note in data.notes:
                console.say(note)
            if num_done:
                console.say(f"Going on after {num_done} of {num_architectures} architectures.")

        def architecture_ended(self, record: dict[str, Any]) -> None:
            self.done += 1
            own = "diverged" if record["own"] is None else percent_of_images(record["own"], self.num_validation)
            shared = percent_of_images(record["shared"]["search"], self.num_validation)
            console.say(
                f"{self.done}/{self.count}  child {record['child']}: {shared} on shared weights, {own} on its "
                f"own, {record['seconds']:.0f} s"
            )

    return Display()


def run() -> None:
    """The console script."""
    config_flags.define(RankConfig)
    config_flags.define(WorkersConfig)
    config_flags.define_path("rank_dir", "where the comparison keeps its files; RUN_DIR/rank unless given")
    config_flags.define_verbose()
    run_main("epnas-rank", main, DESCRIPTION, on_interrupt="The same command goes on from the last architecture.")


if __name__ == "__main__":
    run()

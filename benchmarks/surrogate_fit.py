"""The surrogate's fit between two levels (200 steps of 64 rows, macro 12), against `model.fit` of the same LSTM.

python -m benchmarks.surrogate_fit --rows=6,31,281,1000

The default surrogate and the paper's are each fitted on tables of different sizes, the first fit with its tracing; then
both sides fit the paper's on the largest table in turns. Tables of other sizes must not make a graph be traced again:
the last column counts the traces so far.
"""

from absl import flags

from benchmarks import checks, command
from benchmarks.turns import compare, show_table
from benchmarks.worker import Worker
from epnas_tf.config import SurrogateConfig

_ROWS = flags.DEFINE_list("rows", ["6", "31", "281", "1000"], "rows of the tables that are fitted one after the other")
_LAYERS = flags.DEFINE_integer("layers", 12, "layers of the macro space", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "fits on the last table", lower_bound=1)

checks.numbers("rows", int, least=1)


def show_fits(name: str, fits: Worker, rows: list[int]) -> None:
    """Fits on each table in turn and prints the seconds and the traces so far."""
    lines = []
    for table, count in enumerate(rows):
        seconds = fits.seconds("fit", table)
        which = "first fit" if table == 0 else "a later fit"
        lines.append([f"{which}, {count:,} rows", f"{seconds:.2f} s", str(fits.call("num_traces"))])
    title = f"fits of {name}, macro {_LAYERS.value}, one after the other"
    show_table(title, ["", "time", "traces so far"], lines, "aim: less than 3 s, and no more traces after the first")


def main() -> None:
    rows, layers = [int(count) for count in _ROWS.value], _LAYERS.value
    with Worker("benchmarks.sides.fits:OurFits", layers, rows, SurrogateConfig()) as default:
        show_fits("the default surrogate", default, rows)
    with (
        Worker("benchmarks.sides.fits:OurFits", layers, rows) as ours,
        Worker("benchmarks.sides.fits:KerasFits", layers, rows) as theirs,
    ):
        show_fits("the paper's surrogate", ours, rows)
        compare(
            f"a fit of the paper's surrogate on {rows[-1]:,} rows, macro {layers}",
            lambda: ours.seconds("fit", len(rows) - 1),
            lambda: theirs.seconds("fit", len(rows) - 1),
            _TURNS.value,
            ("Surrogate.fit", "model.fit"),
        )


if __name__ == "__main__":
    command.run(main)

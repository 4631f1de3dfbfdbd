"""Memory and files of a long search, after 20 children against after 320: what it keeps from child to child.

python -m benchmarks.long_search --children=320

`run_search` in a fresh process, on the digits, with the settings of `epnas-search`; a listener notes the resident
memory and the sizes of the run's files after every child. The last lines say what there is more of at the end: Python
objects by type, and whether memory is only kept by the allocator (`malloc_trim` gives that back).
"""

from absl import flags

from benchmarks import command
from benchmarks.moments import History, Moment
from benchmarks.turns import show_table
from benchmarks.worker import Worker

_CHILDREN = flags.DEFINE_integer("children", 320, "children to train", lower_bound=2)
_FIRST = flags.DEFINE_integer("first", 20, "children after which memory should no longer grow", lower_bound=1)
_LAYERS = flags.DEFINE_integer("layers", 4, "layers of the deepest networks", lower_bound=1)
_CHANNELS = flags.DEFINE_integer("channels", 8, "channels of the networks", lower_bound=2)
_K = flags.DEFINE_integer("k", 25, "architectures of a level, K", lower_bound=1)


def megabytes(number: float) -> str:
    return f"{number / 1e6:.2f} MB"


def shown_moments(history: History, first: int) -> list[Moment]:
    """Returns the moments that are printed: after `first` children, and at the end of each third of those after it."""
    last = history.moments[-1].children
    wanted = {first, first + (last - first) // 3, first + 2 * (last - first) // 3, last}
    return [moment for moment in history.moments if moment.children in wanted]


def main() -> None:
    with Worker("benchmarks.sides.long_search:LongSearch", _LAYERS.value, _CHANNELS.value, _K.value) as worker:
        history: History = worker.call("run", _CHILDREN.value, min(_FIRST.value, _CHILDREN.value - 1))
    moments = shown_moments(history, min(_FIRST.value, _CHILDREN.value - 1))
    rows = [
        [
            f"after {m.children} children",
            megabytes(m.resident),
            f"{m.objects:,}",
            *(megabytes(size) for size in (m.state, m.logs, m.records)),
            str(m.files),
        ]
        for m in moments
    ]
    first, last = moments[0], moments[-1]
    rows.append(
        [
            "growth",
            megabytes(last.resident - first.resident),
            f"{last.objects - first.objects:,}",
            *(
                megabytes(b - a)
                for a, b in ((first.state, last.state), (first.logs, last.logs), (first.records, last.records))
            ),
            str(last.files - first.files),
        ]
    )
    columns = ["", "resident", "objects", "state/", "logs/", "trials.jsonl", "files"]
    case = f"macro {_LAYERS.value} layers, C = {_CHANNELS.value}, K = {_K.value}"
    title = f"a search of {last.children} children, digits, {case}"
    show_table(title, columns, rows, "aim: less than 100 MB after the first 20 children, and flat")
    trimmed = history.resident_after_trim - last.resident
    show_table(
        "more objects at the end, by type",
        ["", "more"],
        [*([name, f"{count:,}"] for name, count in history.grown), ["resident after malloc_trim", megabytes(trimmed)]],
    )


if __name__ == "__main__":
    command.run(main)

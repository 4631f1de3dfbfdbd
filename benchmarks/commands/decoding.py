"""Images a second that a folder of JPEG files is decoded at, against one thread of Pillow and against `tf.data`.

python -m benchmarks decoding --images=20000
python -m benchmarks decoding --images=2000 --width=640

The files are parts of photographs, of 160×120 pixels, in ten class folders, and in the page cache, as each competitor
reads them once before it counts. Ours decodes them as a person's first run does: into an empty cache (`EPNAS_CACHE`),
with a look for files that are broken, turned, transparent or there twice. Pillow opens, converts and fits them in a
loop; `tf.data` decodes, crops and resizes them in parallel. All run in this process, in turns.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks.interleaved import SPREAD, interleave, seconds, show_table, spread, timed
from epnas_tf.bin.console import quiet_tensorflow
from epnas_tf.data.pixels import UInt8Array

_IMAGES = flags.DEFINE_integer("images", 20_000, "files; from 1,000 on they are kept decoded", lower_bound=20)
_WIDTH = flags.DEFINE_integer("width", 160, "pixels of their width; three quarters of it are their height", 16)
_TURNS = flags.DEFINE_integer("turns", 5, "how often each competitor runs", lower_bound=1)
_SIDE = flags.DEFINE_integer("image_size", 32, "pixels a side that they are brought to", lower_bound=8)

COMPARED = 1000
"""Images whose pixels are compared."""


def main() -> None:
    with quiet_tensorflow():
        from benchmarks.competitors import decoding
    with tempfile.TemporaryDirectory() as name:
        folder, side, size = Path(name), _SIDE.value, (_WIDTH.value, 3 * _WIDTH.value // 4)
        decoding.make_photos(folder, _IMAGES.value, size)

        def ours() -> float:
            with decoding.fresh_cache():
                return seconds(lambda: decoding.by_epnas_tf(folder, side))

        others: dict[str, Callable[[], UInt8Array]] = {
            "one thread of Pillow": lambda: decoding.by_pillow(folder, side),
            "tf.data": lambda: decoding.by_tf_data(folder, side),
        }
        with decoding.fresh_cache():
            expected = decoding.by_epnas_tf(folder, side)[:COMPARED].astype(np.float32)
        off = [f"{name}'s by {np.abs(expected - read()[:COMPARED]).mean():.2g}" for name, read in others.items()]
        figures = interleave([ours, *map(timed, others.values())], _TURNS.value)
    rates = [[_IMAGES.value / taken for taken in of_one] for of_one in figures]
    rows = [[name, *spread(rate, "{:,.0f}")] for name, rate in zip(("epnas_tf", *others), rates, strict=True)]
    for name, rate in zip(others, rates[1:], strict=True):
        rows.append([f"epnas_tf / {name}", *spread([a / b for a, b in zip(rates[0], rate, strict=True)], "{:.3g}")])
    title = f"images a second: {_IMAGES.value:,} JPEG files of {size[0]}×{size[1]} to {side}×{side}, page cache warm"
    note = (
        f"{_TURNS.value} turns; aim: 1.8 of one thread of Pillow; in the mean our pixels differ from "
        f"{' and '.join(off)} of 255"
    )
    show_table(title, ["", *SPREAD], rows, note)

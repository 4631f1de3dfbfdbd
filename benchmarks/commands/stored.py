"""Images in a file against images in memory: a child's training, and what memory a process needs.

python -m benchmarks stored --gigabytes=1,8

A small macro network, one epoch on shared weights, on images in memory and on the same in a file that was read just
before, in turns, each in a process of its own. Then a process for each size of `--gigabytes` makes a file's statistics
and checksum and reads some batches at random; the peak of its memory is shown. The files are random and removed.
"""

import functools
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import checks
from benchmarks.competitors.stored import peak_megabytes
from benchmarks.interleaved import interleave, show, show_table
from benchmarks.worker import Worker, side_by_side

_IMAGES = flags.DEFINE_integer("images", 6400, "images that are trained on", lower_bound=64)
_SIDE = flags.DEFINE_integer("image_size", 32, "pixels a side of all images", lower_bound=8)
_TURNS = flags.DEFINE_integer("turns", 5, "pairs of trainings", lower_bound=1)
_GIGABYTES = flags.DEFINE_list("gigabytes", ["1", "8"], "sizes of the files that are read")
_BATCHES = flags.DEFINE_integer("batches", 500, "batches of 64 that are read of each", lower_bound=1)

checks.numbers("gigabytes", float, least=0.001)

WRITTEN = 2**26
"""Bytes that are written at a time."""


def random_file(path: Path, count: int) -> Path:
    """Writes so many random images in colour."""
    shape = (count, _SIDE.value, _SIDE.value, 3)
    size = int(np.prod(shape[1:]))
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        noise = np.random.default_rng(0).integers(0, 256, WRITTEN, np.uint8)
        for left in range(size * count, 0, -WRITTEN):
            noise[:left].tofile(file)
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = random_file(Path(folder) / "images.npy", _IMAGES.value)
        title = f"one epoch of {_IMAGES.value:,} images of {_SIDE.value}×{_SIDE.value} in colour, page cache warm"
        with (
            Worker("benchmarks.competitors.stored:Training", file, False) as stored,
            Worker("benchmarks.competitors.stored:Training", file, True) as memory,
        ):
            measures = [functools.partial(worker.seconds, "train") for worker in (stored, memory)]
            names = ("in a file", "in memory")
            for measure in measures:
                measure()  # traced
            figures = interleave(measures, _TURNS.value)
            show(title, figures, names, "1.05 or less", inverse=True)
        rows = []
        for gigabytes in map(float, _GIGABYTES.value):
            count = int(gigabytes * 1e9 / (3 * _SIDE.value**2))
            file = random_file(Path(folder) / "images.npy", count)
            (peak,) = side_by_side(peak_megabytes, [(file, _BATCHES.value)], 1)
            rows.append([f"{gigabytes:g}", f"{count:,}", f"{peak:,.0f}"])
        show_table("resident memory, TensorFlow's included", ["gigabytes", "images", "peak, MB"], rows)

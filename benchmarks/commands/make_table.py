"""Trains every network of a small space on its own, several times, and writes a table of their accuracies.

python -m benchmarks make_table --space=macro --layers=3 --operations=conv_3x3,max_pool_3x3 --table=macro.json

The table has the networks of all levels, as a search sees them, each with the accuracies on the validation and on the
test images of every training, its parameters and its multiply-adds. `python -m benchmarks tabular --table=macro.json`
then runs searches on it. The same command goes on with a table that was stopped.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import flags
from rich.progress import track

from benchmarks.table.own import Job, Network, train
from benchmarks.worker import side_by_side
from epnas_tf import data
from epnas_tf.config import RunConfig
from epnas_tf.errors import RunDirectoryError
from epnas_tf.options import from_values, values_of
from epnas_tf.space import make_space
from epnas_tf.space.base import SearchSpace
from epnas_tf.storage.records import parsed
from epnas_tf.storage.state_files import write_whole
from epnas_tf.surrogate.table import Indices

_TABLE = flags.DEFINE_string("table", None, "the table's file; a stopped one goes on from FILE.networks", required=True)
_SPACE = flags.DEFINE_string("space", "macro", "search space")
_LAYERS = flags.DEFINE_integer("layers", 3, "layers of the deepest network", lower_bound=1)
_BLOCKS = flags.DEFINE_integer("blocks", 2, "micro: blocks of the largest cell", lower_bound=1)
_OPERATIONS = flags.DEFINE_list("operations", [], "operations to choose from; empty for the space's default list")
_CHANNELS = flags.DEFINE_integer("channels", 8, "channels of the networks", lower_bound=2)
_CELLS = flags.DEFINE_integer("normal_cells", 1, "micro: normal cells before, between and after the two reductions")
_DATASET = flags.DEFINE_string("dataset", "digits", "data set")
_MANUAL_DIR = flags.DEFINE_string("manual_dir", "", "folder of the four IDX files")
_IMAGES = flags.DEFINE_integer("train_images", 0, "training images, validation included; 0 for all")
_SIDE = flags.DEFINE_integer("image_size", 0, "pixels a side; 0 for the images' own")
_FRACTION = flags.DEFINE_float("validation_fraction", 0.2, "fraction of the training images for validation")
_EPOCHS = flags.DEFINE_integer("epochs", 15, "epochs of a training", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch_size", 64, "images a training step", lower_bound=1)
_TRAININGS = flags.DEFINE_integer("trainings", 3, "trainings of each network", lower_bound=1)
_PROCESSES = flags.DEFINE_integer("processes", 2, "trainings side by side", lower_bound=1)


def config() -> RunConfig:
    """Returns the settings of the trainings."""
    names = ["space", "layers", "blocks", "operations", "channels", "normal_cells", "dataset", "manual_dir"]
    names += ["train_images", "image_size", "validation_fraction", "epochs", "batch_size"]
    return from_values(RunConfig, {name: flags.FLAGS[name].value for name in names})


def all_networks(space: SearchSpace[Any, Any]) -> Iterator[Indices]:
    """Yields the networks of all levels, the shallowest first."""
    for depth in range(1, space.num_levels + 1):
        yield from itertools.product(*(range(space.num_extensions(level)) for level in range(1, depth + 1)))


def trained_before(file: Path, settings: dict[str, Any]) -> dict[Indices, Network]:
    """Reads the networks of a stopped table, and leaves its file without a line that was cut off.

    Raises:
        RunDirectoryError: if they were trained with other settings.
    """
    first, *records = parsed(file, dict) or (settings,)
    if first != settings:
        differing = sorted(name for name in settings if settings[name] != first.get(name))
        raise RunDirectoryError(
            f"{file} has networks of other settings. Give another --table, or remove the file. Received: other "
            f"{', '.join(differing)}"
        )
    write_whole(file, "".join(json.dumps(record) + "\n" for record in (first, *records)).encode())
    return {tuple(record.pop("indices")): Network(**record) for record in records}


def main() -> None:
    settings = config()
    data.check(settings.data)
    table, space = Path(_TABLE.value), make_space(settings.space)
    described = json.loads(json.dumps({**values_of(settings), "trainings": _TRAININGS.value}))
    table.parent.mkdir(parents=True, exist_ok=True)
    partial = table.with_name(f"{table.name}.networks")
    done = trained_before(partial, described)
    jobs = [Job(settings, indices, _TRAININGS.value) for indices in all_networks(space) if indices not in done]
    trainings = side_by_side(train, [(job,) for job in jobs], _PROCESSES.value)
    with open(partial, "a", encoding="utf-8", buffering=1) as file:
        for indices, network in track(trainings, "networks", total=len(jobs)):
            file.write(json.dumps({"indices": indices, **network.to_dict()}) + "\n")
            done[indices] = network
    networks = {",".join(map(str, indices)): done[indices].to_dict() for indices in all_networks(space)}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(network)}" for name, network in networks.items())
    write_whole(table, f'{{"settings": {json.dumps(described)},\n"networks": {{\n{lines}\n}}}}\n'.encode())
    print(f"{len(networks):,} networks: {table}")

"""Any image classification data set of TensorFlow Datasets (TFDS), by its name."""

import contextlib
import difflib
import functools
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.config import DataConfig
from epnas_tf.data import scale
from epnas_tf.data.pixels import UInt8Array
from epnas_tf.data.sources import decoding, pictures
from epnas_tf.data.sources.base import Arrays, Size, Source, asked_size, choose_size, make_source
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

_READ_BATCH = 512  # images a step while reading; only speed depends on it
_READ_BYTES = 2**26  # of a step's images, at most, so that large ones do not fill the memory
_CONNECT_SECONDS = 5.0  # to wait for a host or a proxy
_DOWNLOAD_RETRIES = 2
_SPLITS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}


def base_name(name: str) -> str:
    """A data set's name without its configuration and version: `emnist` of `emnist/letters:3.1.0`."""
    return re.split("[/:]", name, maxsplit=1)[0]


def is_known(name: str, data_dir: str) -> bool:
    """Whether TFDS knows a data set, or `data_dir` holds one under that name that was prepared elsewhere.

    Args:
        name: a name without configuration and version.
        data_dir: where TFDS keeps its data; empty for its own default.
    """
    import tensorflow_datasets as tfds  # does not import TensorFlow yet

    root = Path(os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")))
    return name in tfds.list_builders(with_community_datasets=False) or bool(name and os.path.isdir(root / name))


def check(config: DataConfig) -> None:
    """Refuses a name that TFDS does not know, with the names that are near to it; does not import TensorFlow."""
    import tensorflow_datasets as tfds

    name = base_name(config.dataset)
    if is_known(name, config.data_dir):
        return
    names = [*tfds.list_builders(with_community_datasets=False), "digits"]
    near = difflib.get_close_matches(name.lower(), names, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Try digits, mnist, fashion_mnist or cifar10."
    raise DataError(
        "`dataset` must be digits, a name of TensorFlow Datasets, a folder or an .npz file. "
        f"Received: dataset={config.dataset!r}, which is none of them. {hint}"
    )


def read(config: DataConfig, trained: Preparation | None = None) -> Source:
    """Reads the splits `train`, `validation` (or `val`, `valid`) and `test`; downloads the data if need be.

    Images of more than 8 bits are brought to 8 by the one scale of all parts, or that of `trained`, a model's training
    images. `choose_size` decides the images' size.

    Raises:
        DataError: if the configuration is unknown, the data set is not one of labelled images, has no `train` split, or
            could not be downloaded or prepared.
    """
    from epnas_tf.data.sources.tfds.features import choose_features

    builder = _builder(config)
    image_key, label_key, notes = choose_features(builder.info, config.dataset)
    _prepare(builder, config)
    names = sorted(builder.info.splits)
    present = {part: [name for name in known if name in names] for part, known in _SPLITS.items()}
    splits = {part: found[0] for part, found in present.items() if found}
    reader = _Reader(builder, image_key, label_key)
    labels = {part: reader.labels(split) for part, split in splits.items()}
    unused = [name for name in names if name not in splits.values()]
    for part, numbers in list(labels.items()):
        if missing := np.count_nonzero(numbers < 0):  # imagenet2012 and others keep the labels of `test` to themselves
            notes.append(f"the split {splits[part]} is not used: {missing:,} of its images have no label")
            del labels[part], splits[part]
    if "train" not in splits:
        raise DataError(
            f"A data set must have a split `train`, in which every image has a label. Received: {config.dataset} with "
            f"{'; '.join([str(names), *notes])}. Choose another, or save its images as an .npz file."
        )
    if unused:
        notes.append(f"splits that are not used: {', '.join(unused)}")
    size, size_note = choose_size(reader.sizes(splits.values()), asked_size(config, trained))
    found = reader.find_scale(splits.values(), config.dataset, trained.known_range if trained else None)
    counts = {part: builder.info.splits[split].num_examples for part, split in splits.items()}
    images, kept_note = decoding.gathered(
        Path(builder.data_dir),
        " ".join(f"{file.name} {decoding.state_of(file)}" for file in sorted(Path(builder.data_dir).iterdir())),
        f"{size} {found.low} {found.high}",
        counts,
        (*size, reader.channels),
        lambda part: reader.images(splits[part], size, found),
    )
    parts: dict[str, Arrays] = {part: (images[part], labels[part]) for part in splits}
    value_range = Preparation.low, found.high if found.high > 255 else Preparation.high
    notes += [size_note, found.note, *scale.constant_notes(images), kept_note]
    class_names = builder.info.features[label_key].names
    return make_source(config.dataset, parts, class_names, value_range, notes, deep=found.high > 255)


def _builder(config: DataConfig) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(config.dataset, data_dir=os.path.expanduser(config.data_dir) or None)
    except Exception as error:  # TFDS raises several kinds for a configuration or a version that it does not know
        raise DataError(
            f"`dataset` must name a data set of TensorFlow Datasets, as name, name/config or name:version. Received: "
            f"dataset={config.dataset!r}, which TFDS refuses ({_first_line(error)}). Look it up in TFDS's catalog."
        ) from error


def _prepare(builder: Any, config: DataConfig) -> None:
    import tensorflow_datasets as tfds

    if builder.is_prepared():
        return
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()  # in a file its bars are a line for every step
    download_config = tfds.download.DownloadConfig(
        manual_dir=os.path.expanduser(config.manual_dir) or None,
        try_download_gcs=False,  # Google's bucket answers slowly or never behind a firewall; the original host suffices
    )
    try:
        with _fail_fast():
            builder.download_and_prepare(download_config=download_config)
    except Exception as error:  # whatever the data set's own script raises, the data are not there
        raise DataError(
            f"{config.dataset} could not be downloaded or prepared: no network? Expected: its files, or a way to its "
            f"host. Received: {_first_line(error)}. Prepare it on a machine with a network and give that folder as "
            "--data_dir, or give a folder of images or an .npz file as --dataset."
        ) from error


@contextlib.contextmanager
def _fail_fast() -> Iterator[None]:
    """Lets a download fail within seconds if its host cannot be reached; TFDS alone tries for three and a half minutes.

    Files that are there already need no network.
    """
    from tensorflow_datasets.core.download import downloader

    original = downloader._open_url, downloader.MAX_RETRIES
    downloader._open_url = functools.partial(downloader._open_url, timeout=(_CONNECT_SECONDS, None))
    downloader.MAX_RETRIES = _DOWNLOAD_RETRIES
    try:
        yield
    finally:
        downloader._open_url, downloader.MAX_RETRIES = original


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


class _Reader:
    """Reads the splits of a prepared data set, a batch at a time.

    Args:
        builder: the data set's builder.
        image_key: the name of the image's feature.
        label_key: the name of the label's feature.
    """

    def __init__(self, builder: Any, image_key: str, label_key: str) -> None:
        self._builder, self._image_key, self._label_key = builder, image_key, label_key
        self._height, self._width, self.channels = builder.info.features[image_key].shape
        self._fixed = self._height is not None and self._width is not None
        self._type = np.dtype(builder.info.features[image_key].np_dtype)

    def labels(self, split: str) -> Int64Array:
        """Returns the labels of a split, int64 [n]; negative ones stand for none."""
        batches = self._batches(split, self._label_key, _READ_BATCH)
        return np.concatenate([np.asarray(batch, np.int64) for batch in batches])

    def sizes(self, splits: Iterable[str]) -> set[tuple[int, int]]:
        """Returns the (height, width) that the images have, each once; from the headers where they differ."""
        from PIL import Image

        if self._fixed:
            return {(self._height, self._width)}
        sizes = set()
        for split in splits:
            for batch in self._batches(split, self._image_key, _READ_BATCH, decode=False):
                sizes |= {Image.open(io.BytesIO(content)).size for content in batch}
        return {(height, width) for width, height in sizes}

    def find_scale(self, splits: Iterable[str], name: str, trained: tuple[float, float] | None) -> scale.Scale:
        """Decides the scale of all splits, or takes a model's; 8 bits need no look at the data."""
        if self._type == np.uint8:
            return scale.Scale(0, 255, "")
        extents = [scale.measure(part, f"{name}: {split}") for split in splits for part in self._image_batches(split)]
        return scale.as_trained(scale.choose(extents, name), trained, self._type)

    def images(self, split: str, size: Size, found: scale.Scale) -> Iterator[UInt8Array]:
        """Yields the images of a split, batch by batch.

        Args:
            split: its name.
            size: to bring them to.
            found: their scale.

        Yields:
            uint8 [n, height, width, channels].
        """
        for batch in self._image_batches(split):
            yield np.asarray(pictures.resize(found.apply(batch), *size))

    def _image_batches(self, split: str) -> Iterable[npt.NDArray[Any]]:
        if not self._fixed:
            return self._batches(split, self._image_key, 1)
        size = self._height * self._width * self.channels * self._type.itemsize
        return self._batches(split, self._image_key, max(1, min(_READ_BATCH, _READ_BYTES // size)))

    def _batches(self, split: str, key: str, size: int, decode: bool = True) -> Iterable[npt.NDArray[Any]]:
        """Yields a feature of all examples, in one order, `size` at a time."""
        import tensorflow_datasets as tfds

        from epnas_tf.data.pipeline import made_ahead

        dataset = self._builder.as_dataset(
            split=split,
            shuffle_files=False,
            # Only what is needed is decoded: some data sets carry large features beside the image.
            decoders=tfds.decode.PartialDecoding(
                {key: True}, decoders=None if decode else {key: tfds.decode.SkipDecoding()}
            ),
            read_config=tfds.ReadConfig(try_autocache=False),
        )
        for batch in tfds.as_numpy(made_ahead(dataset.batch(size))):
            yield batch[key]

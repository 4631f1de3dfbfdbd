"""Any image classification data set of TensorFlow Datasets (TFDS), by its name."""

import difflib
import os
import re
import socket
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.config import DataConfig
from epnas_tf.data.sources import pictures
from epnas_tf.data.sources.base import DEFAULT_SIDE, Source, make_source
from epnas_tf.errors import DataError

_READ_BATCH = 512  # images a step while reading; only speed depends on it
_CONNECT_SECONDS = 5.0
_HOSTS_TRIED = 3
_PORTS = {"http": 80, "https": 443, "ftp": 21}

_Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


def is_known(name: str, data_dir: str) -> bool:
    """Tells whether TFDS knows a data set, or `data_dir` holds one under that name that was prepared elsewhere.

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

    name = re.split("[/:]", config.dataset, maxsplit=1)[0]
    if is_known(name, config.data_dir):
        return
    names = [*tfds.list_builders(with_community_datasets=False), "digits"]
    near = difflib.get_close_matches(name.lower(), names, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Try digits, mnist, fashion_mnist or cifar10."
    raise DataError(
        "`dataset` must be digits, a name of TensorFlow Datasets, a folder or an .npz file. "
        f"Received: dataset={config.dataset!r}, which is none of them. {hint}"
    )


def read(config: DataConfig) -> Source:
    """Reads the `train` split and, if labelled, `test` or else `validation`; downloads the data if need be.

    Images of several sizes are brought to squares of `image_size` pixels, 32 if it is 0.

    Raises:
        DataError: if the configuration is unknown, the data set is not one of labelled images, has no `train` split, or
            could not be downloaded or prepared.
    """
    builder = _builder(config)
    image_key, label_key = _keys(builder, config.dataset)
    _prepare(builder, config)
    if "train" not in builder.info.splits:
        raise DataError(
            f"A data set must have a split `train`. Received: {config.dataset} with {sorted(builder.info.splits)}. "
            "Choose another, or save its images as an .npz file."
        )
    train = _read_split(builder, "train", image_key, label_key, config.image_size)
    if train[1].min() < 0:
        raise DataError(
            f"Every training image must have a label. Received: {config.dataset}, whose split `train` has unlabelled "
            "images. Choose another data set or another configuration of it."
        )
    test = None
    for split in ("test", "validation"):
        if test is None and split in builder.info.splits:
            part = _read_split(builder, split, image_key, label_key, config.image_size)
            test = (
                part if part[1].min() >= 0 else None
            )  # imagenet2012 and others keep the labels of `test` to themselves
    return make_source(config.dataset, train, test, builder.info.features[label_key].names)


def _builder(config: DataConfig) -> Any:
    import tensorflow_datasets as tfds

    check(config)
    data_dir = os.path.expanduser(config.data_dir) if config.data_dir else None
    try:
        return tfds.builder(config.dataset, data_dir=data_dir)
    except Exception as error:  # TFDS raises several kinds for a configuration or a version that it does not know
        raise DataError(
            f"`dataset` must name a data set of TensorFlow Datasets, as name, name/config or name:version. Received: "
            f"dataset={config.dataset!r}, which TFDS refuses ({_first_line(error)}). Look it up in TFDS's catalog."
        ) from error


def _keys(builder: Any, dataset: str) -> tuple[str, str]:
    """Finds the features that are the image and the label, without needing the data."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    keys = builder.info.supervised_keys or ("image", "label")
    found: dict[str, Any] = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    if len(keys) == 2 and all(isinstance(key, str) for key in keys):
        image, label = found.get(keys[0]), found.get(keys[1])
        if (
            isinstance(image, tfds.features.Image)
            and isinstance(label, tfds.features.ClassLabel)
            and image.shape[-1] in (1, 3)
            and image.np_dtype == np.uint8
        ):
            return keys[0], keys[1]
    raise DataError(
        "A data set must have an image (8 bits, 1 or 3 channels) and one class label for it. Received: "
        f"dataset={dataset!r} with the features {sorted(found)}, made for something other than image classification. "
        "Choose an image classification data set of TFDS's catalog."
    )


def _prepare(builder: Any, config: DataConfig) -> None:
    import tensorflow_datasets as tfds

    if builder.is_prepared():
        return
    _require_network(builder, config)
    download_config = tfds.download.DownloadConfig(
        manual_dir=os.path.expanduser(config.manual_dir) if config.manual_dir else None,
        try_download_gcs=False,  # Google's bucket answers slowly or never behind a firewall; the original host suffices
    )
    try:
        builder.download_and_prepare(download_config=download_config)
    except Exception as error:  # whatever the data set's own script raises, the data are not there
        raise _unavailable(config.dataset, _first_line(error)) from error


def _require_network(builder: Any, config: DataConfig) -> None:
    """Fails within seconds where there is no network: TFDS alone tries for three and a half minutes.

    Says nothing where the answer is not certain: behind a proxy, with files in the download folder already, or for a
    data set whose hosts are not listed.
    """
    downloads = Path(builder.data_dir_root) / "downloads"
    if config.manual_dir or urllib.request.getproxies() or (downloads.is_dir() and any(downloads.iterdir())):
        return
    urls = [urllib.parse.urlsplit(url) for url in builder.url_infos or {}]
    hosts = sorted({(url.hostname, url.port or _PORTS[url.scheme]) for url in urls if url.scheme in _PORTS})
    problem = None
    for host in hosts[:_HOSTS_TRIED]:
        try:
            socket.create_connection(host, timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            problem = f"{host[0]}: {error}"
        else:
            return
    if problem:
        raise _unavailable(config.dataset, problem)


def _unavailable(dataset: str, reason: str) -> DataError:
    return DataError(
        f"{dataset} could not be downloaded or prepared: no network? Expected: its files, or a way to its host. "
        f"Received: {reason}. Prepare it on a machine with a network and give that folder as --data_dir, or give a "
        "folder of images or an .npz file as --dataset."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


def _read_split(builder: Any, split: str, image_key: str, label_key: str, image_size: int) -> _Part:
    import tensorflow_datasets as tfds

    from epnas_tf.data.pipeline import made_ahead

    height, width, channels = builder.info.features[image_key].shape
    dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        # Only what is needed is decoded: some data sets carry large features beside the image.
        decoders=tfds.decode.PartialDecoding({image_key: True, label_key: True}),
        read_config=tfds.ReadConfig(try_autocache=False),
    )
    count = builder.info.splits[split].num_examples
    fixed = height is not None and width is not None
    side = max(image_size, 0) or (0 if fixed else DEFAULT_SIDE)
    images = np.empty((count, side or height, side or width, channels), np.uint8)
    labels = np.empty(count, np.int64)
    start = 0
    for batch in tfds.as_numpy(made_ahead(dataset.batch(_READ_BATCH if fixed else 1))):
        part = batch[image_key]
        images[start : start + len(part)] = pictures.resize(part, side) if side else part
        labels[start : start + len(part)] = batch[label_key]
        start += len(part)
    return images, labels

"""A folder of JPEG files as an array: by our decoder into its cache, by one thread of Pillow, and by `tf.data`."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from epnas_tf.config import DataConfig
from epnas_tf.data import decoded, sources
from epnas_tf.data.pixels import UInt8Array

CLASSES = 10

BATCH = 256
"""Images that `tf.data` hands over at a time."""


def make_photos(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Writes photographs into a folder for each class: parts of scikit-learn's two, brought to a size.

    Args:
        folder: where the folders are made.
        count: photographs.
        size: their width and height.
    """
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / str(label)).mkdir(parents=True)

    def write(number: int, scale: float, left: float, top: float) -> None:
        photo = photos[number % len(photos)]
        width, height = (scale * min(photo.width / size[0], photo.height / size[1]) * side for side in size)
        left, top = left * (photo.width - width), top * (photo.height - height)
        part = photo.resize(size, Image.Resampling.BILINEAR, (left, top, left + width, top + height))
        part.save(folder / str(number % CLASSES) / f"{number:06d}.jpg", quality=90)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(count), rng.uniform(0.4, 1, count), *rng.uniform(size=(2, count))))


def files_of(folder: Path) -> list[Path]:
    """Returns the files in the order that we give them: class by class."""
    return sorted(folder.glob("*/*.jpg"))


@contextlib.contextmanager
def fresh_cache() -> Iterator[Path]:
    """Keeps what is decoded in an empty folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, {decoded.VARIABLE: cache}):
        yield Path(cache)


def by_epnas_tf(folder: Path, side: int) -> UInt8Array:
    """Decodes a folder as a run does, into the cache, and reads it from there."""
    return np.asarray(sources.read(DataConfig(dataset=str(folder), image_size=side)).train.images)


def by_pillow(folder: Path, side: int) -> UInt8Array:
    """Decodes a folder in one thread."""
    files = files_of(folder)
    images = np.empty((len(files), side, side, 3), np.uint8)
    for index, file in enumerate(files):
        with Image.open(file) as photo:
            images[index] = ImageOps.fit(photo.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    return images


def by_tf_data(folder: Path, side: int) -> UInt8Array:
    """Decodes a folder by TensorFlow's own operations, in as many threads as it takes."""

    def read(path: tf.Tensor) -> tf.Tensor:
        photo = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        shorter = tf.reduce_min(tf.shape(photo)[:2])
        square = tf.image.resize_with_crop_or_pad(photo, shorter, shorter)
        return tf.cast(tf.round(tf.image.resize(square, (side, side), antialias=True)), tf.uint8)

    files = tf.data.Dataset.from_tensor_slices([str(file) for file in files_of(folder)])
    batches = files.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return np.concatenate(list(batches.as_numpy_iterator()))

"""Image files that several tests share."""

import numpy as np
from PIL import Image

from epnas_tf.config import DataConfig
from epnas_tf.data import sources


def pixels(seed, shape=(6, 6, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def fill(root, counts, shape=(6, 6, 3)):
    """Writes PNG files, and returns their pixels by class."""
    written = {}
    for name, count in counts.items():
        written[name] = [pixels(len(name) * 100 + index, shape) for index in range(count)]
        for index, array in enumerate(written[name]):
            save(root / name / f"{index:03}.png", array)
    return written


def read(root, **settings):
    config = DataConfig(dataset=str(root), **settings)
    sources.check(config)
    return sources.read(config)

"""The digits that scikit-learn ships: 1,797 grey images of 8 × 8 pixels in ten classes. No test part of their own."""

import numpy as np

from epnas_tf.config import DataConfig
from epnas_tf.data.sources.base import Source, make_source
from epnas_tf.data.values import Preparation

_LARGEST = 16  # scikit-learn's grey levels are 0 to 16


def check(config: DataConfig) -> None:
    """Accepts everything: the digits are always there."""
    del config


def read(config: DataConfig, trained: Preparation | None = None) -> Source:
    """Reads the digits, their grey levels scaled from 0 … 16 to 0 … 255."""
    del trained  # all are of one size and of 8 bits
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / _LARGEST)).astype(np.uint8)[..., np.newaxis]
    return make_source(config.dataset, {"train": (images, bunch.target)}, None)

"""Small data sets that several tests share."""

import numpy as np

from epnas_tf.data.augmentation import Augmentation
from epnas_tf.data.values import ImageData, Images, statistics


def make_images(count, shape=(8, 8, 1), classes=10, seed=0):
    generator = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int32)
    return Images(generator.integers(0, 256, (count, *shape), dtype=np.uint8), labels)


def make_data(count=50, shape=(8, 8, 1), classes=10, augmentation="crop(1),mirror"):
    train = make_images(count, shape, classes)
    mean, std = statistics(train.images)
    return ImageData(
        name="noise",
        train=train,
        validation=make_images(20, shape, classes, seed=1),
        test=make_images(20, shape, classes, seed=2),
        class_names=tuple(str(label) for label in range(classes)),
        mean=mean,
        std=std,
        augmentation=Augmentation.parse(augmentation),
    )

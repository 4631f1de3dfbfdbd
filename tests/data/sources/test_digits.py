import numpy as np
from sklearn.datasets import load_digits

from epnas_tf.config import DataConfig
from epnas_tf.data import sources


def test_digits_are_those_of_scikit_learn():
    source = sources.read(DataConfig(dataset="digits"))
    bunch = load_digits()
    assert source.train.images.shape == (1797, 8, 8, 1)
    assert source.test is None
    assert source.class_names == tuple("0123456789")
    np.testing.assert_array_equal(source.train.labels, bunch.target)
    assert source.train.images.max() == 255
    np.testing.assert_allclose(source.train.images[..., 0] / 255 * 16, bunch.images, atol=0.04)


def test_image_size_brings_any_source_to_that_size():
    source = sources.read(DataConfig(dataset="digits", image_size=12))
    assert source.train.images.shape == (1797, 12, 12, 1)
    small = load_digits().images[0] * 255 / 16
    assert abs(source.train.images[0].mean() - small.mean()) < 10

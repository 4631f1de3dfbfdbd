import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.data import batches
from epnas_tf.data.augmentation import Augmentation, Crop, Mirror
from epnas_tf.data.batches import (
    DatasetBatches,
    as_batches,
    checked_arrays,
    data_error,
    labels_of,
    num_batches,
)
from epnas_tf.data.pipeline import evaluation_batches
from epnas_tf.errors import ConfigError, DataError
from epnas_tf.space import NetworkShape

SHAPE = NetworkShape((8, 8, 1), 10, 4, 2)


def arrays(count=23, dtype=np.float32):
    images = np.arange(count, dtype=dtype)[:, None, None, None] * np.ones((1, 8, 8, 1), dtype)
    return images, np.arange(count) % 10


def collect(dataset):
    batches = [(images.numpy(), labels.numpy()) for images, labels in dataset]
    return np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches])


LABEL_FORMS = {
    "numbers": lambda labels: labels,
    "column": lambda labels: labels[:, None],
    "one-hot": lambda labels: np.eye(10)[labels],
    "floats": lambda labels: labels.astype(np.float32),
    "list": lambda labels: labels.tolist(),
}


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_labels_of_arrays(form):
    images, labels = arrays()
    given, classes = collect(evaluation_batches(checked_arrays(images, LABEL_FORMS[form](labels), SHAPE)))
    np.testing.assert_array_equal(given, images)
    np.testing.assert_array_equal(classes, labels)


@pytest.mark.parametrize("form", ["numbers", "column", "one-hot", "floats"])
def test_labels_of_datasets(form):
    images, labels = arrays(dtype=np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices((images, LABEL_FORMS[form](labels))).batch(5)
    given, classes = collect(as_batches(dataset, SHAPE))
    assert given.dtype == np.float32
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(given, images)
    np.testing.assert_array_equal(classes, labels)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, tf.bfloat16.as_numpy_dtype, np.float64])
def test_right_batches_of_datasets_are_not_left_to_numpy(monkeypatch, dtype):
    """Python's lock would hold up a training whose next network is being traced."""
    monkeypatch.setattr(batches, "class_numbers", lambda *_: pytest.fail("the graph is enough"))
    images, labels = arrays(dtype=np.uint8)
    for given in (np.eye(10)[labels], labels[:, None] % 2):
        dataset = tf.data.Dataset.from_tensor_slices((images, given.astype(dtype))).batch(5)
        expected = labels if given.shape[1] == 10 else labels % 2
        np.testing.assert_array_equal(labels_of(as_batches(dataset, SHAPE)), expected)


def test_no_pass_waits_for_the_thread_that_tunes():
    images, labels = arrays()
    own = tf.data.Dataset.from_tensor_slices((images, labels)).batch(5)
    for augmentation in (Augmentation(), Augmentation((Mirror(),))):
        batches = DatasetBatches(own, SHAPE, 1, augmentation).batches(0)
        assert batches.options().autotune.enabled is False


def test_labels_of_a_width_that_is_not_known():
    spec = (tf.TensorSpec([None, 8, 8, 1]), tf.TensorSpec([None, None], tf.int64))
    images, labels = arrays(4)
    dataset = tf.data.Dataset.from_generator(lambda: iter([(images, labels[:, None])]), output_signature=spec)
    with pytest.raises(DataError, match=r"10 columns, one a class. Received: an unknown number"):
        as_batches(dataset, SHAPE)


class TestDatasetBatches:
    def test_tuning_that_the_user_turned_on_stays_on(self):
        options = tf.data.Options()
        options.autotune.enabled = True
        own = tf.data.Dataset.from_tensor_slices(arrays()).batch(5).with_options(options)
        assert DatasetBatches(own, SHAPE, epochs=1).batches(0).options().autotune.enabled is True

    def test_goes_over_the_data_again_for_each_epoch(self):
        dataset = tf.data.Dataset.from_tensor_slices(arrays()).batch(5)
        training = DatasetBatches(dataset, SHAPE, epochs=3)
        assert training.steps == 15
        _, classes = collect(training.batches(0).take(training.steps))
        np.testing.assert_array_equal(classes, np.tile(np.arange(23) % 10, 3))

    def test_images_are_augmented_by_the_seed_and_anew_in_each_epoch(self):
        images = np.random.default_rng(0).normal(size=(23, 8, 8, 1)).astype(np.float32)
        dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(23) % 10)).batch(5)
        training = DatasetBatches(dataset, SHAPE, 2, Augmentation((Mirror(),)))
        assert training.batches(0).element_spec == training.element_spec
        first, again, other = (collect(training.batches(seed).take(10))[0] for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
        assert not np.array_equal(first[:23], first[23:])
        plain, turned = (np.all(first[:23] == form, axis=(1, 2, 3)) for form in (images, images[:, :, ::-1]))
        assert np.all(plain != turned)

    def test_augmentation_that_does_not_fit_is_refused(self):
        dataset = tf.data.Dataset.from_tensor_slices(arrays()).batch(5)
        with pytest.raises(ConfigError, match="shorter side, 8 pixels"):
            DatasetBatches(dataset, SHAPE, 1, Augmentation((Crop(8),)))

    def test_unknown_size_is_counted(self):
        dataset = tf.data.Dataset.from_tensor_slices(arrays()).filter(lambda image, label: label < 5).batch(2)
        assert dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY
        assert num_batches(dataset) == 7

    def test_unknown_shape_is_completed(self):
        images, labels = arrays(4)
        spec = (tf.TensorSpec([None, None, None, None]), tf.TensorSpec([None], tf.int64))
        dataset = tf.data.Dataset.from_generator(lambda: iter([(images, labels)]), output_signature=spec)
        assert DatasetBatches(dataset, SHAPE, epochs=1).element_spec[0].shape == [None, 8, 8, 1]


class TestRefusals:
    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (np.zeros((4, 8, 8)), np.zeros(4), r"shape \(8, 8, 1\). Received: \(8, 8\)"),
            (np.zeros((4, 8, 9, 1)), np.zeros(4), r"shape \(8, 8, 1\). Received: \(8, 9, 1\)"),
            (np.zeros((4, 8, 8, 1)), np.zeros(3), "one label for each image, 4. Received: 3 labels"),
            (np.zeros((0, 8, 8, 1)), np.zeros(0), "n at least 1"),
            (np.full((4, 8, 8, 1), np.nan), np.zeros(4), "finite numbers. Received: nan"),
            (np.full((4, 8, 8, 1), -np.inf), np.zeros(4), "finite numbers. Received: -inf"),
            (np.zeros((4, 8, 8, 1)), np.full(4, 10), "0 … 9. Received: labels from 10 to 10"),
            (np.zeros((4, 8, 8, 1)), np.full((4, 1), -1), "0 … 9. Received: labels from -1 to -1"),
            (np.zeros((4, 8, 8, 1)), np.full(4, np.nan), "whole numbers, the classes. Received: nan"),
            (np.zeros((4, 8, 8, 1)), np.full(4, 0.5), r"whole numbers, the classes. Received: 0\.5"),
            (np.zeros((4, 8, 8, 1)), np.zeros((4, 7)), "10 columns, one a class. Received: 7"),
            (np.zeros((4, 8, 8, 1)), np.array(["cat"] * 4), "Labels must be class numbers.*Received: <U3"),
            (iter([]), np.zeros(4), "array of numbers.*Received: an array of type object"),
            (np.full((4, 8, 8, 1), "a"), np.zeros(4), "array of numbers.*Received: an array of type <U1"),
        ],
    )
    def test_arrays(self, images, labels, message):
        with pytest.raises(DataError, match=message):
            checked_arrays(images, labels, SHAPE)

    @pytest.mark.parametrize(
        ("elements", "message"),
        [
            ((np.zeros((4, 8, 8, 1)),), r"batches of \(images, labels\)"),
            (np.zeros((4, 8, 8, 1)), r"batches of \(images, labels\)"),
            ({"image": np.zeros((4, 8, 8, 1))}, r"batches of \(images, labels\)"),
            ((np.zeros((4, 8, 8, 1)), np.zeros(4), np.ones(4)), "sample weights are not understood"),
            ((np.zeros((4, 8, 9, 1)), np.zeros(4)), r"shape \(8, 8, 1\). Received: \(8, 9, 1\)"),
            ((np.zeros((4, 8, 8, 1)), np.zeros((4, 7))), "10 columns"),
        ],
    )
    def test_datasets(self, elements, message):
        with pytest.raises(DataError, match=message):
            DatasetBatches(tf.data.Dataset.from_tensor_slices(elements).batch(2), SHAPE, 1)

    def test_unbatched_dataset(self):
        with pytest.raises(DataError, match=r"batches of \(images, labels\)"):
            DatasetBatches(tf.data.Dataset.from_tensor_slices(arrays()), SHAPE, 1)

    def test_dataset_without_end(self):
        with pytest.raises(DataError, match="must end after one epoch"):
            DatasetBatches(tf.data.Dataset.from_tensor_slices(arrays()).batch(2).repeat(), SHAPE, 1)

    def test_empty_dataset(self):
        with pytest.raises(DataError, match="at least one batch"):
            DatasetBatches(tf.data.Dataset.from_tensor_slices(arrays()).batch(2).take(0), SHAPE, 1)

    def test_images_of_a_dataset_are_numbers(self):
        dataset = tf.data.Dataset.from_tensor_slices((np.full((4, 8, 8, 1), "a"), np.zeros(4))).batch(2)
        with pytest.raises(DataError, match=r"Images must be an array of numbers.*Received: images of type string"):
            as_batches(dataset, SHAPE)
        dataset = tf.data.Dataset.from_tensor_slices((np.zeros((4, 8, 8, 1)), np.full(4, "cat"))).batch(2)
        with pytest.raises(DataError, match=r"Labels must be class numbers.*Received: string"):
            as_batches(dataset, SHAPE)


def rows(value, count=5):
    changed = np.eye(10)[np.arange(count)]
    changed[1] = value
    return changed


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (0, np.array([0, 10, 1]), "Labels must be in 0 … 9. Received: labels from 0 to 10"),
        (0, np.array([[0], [-1]]), "Labels must be in 0 … 9. Received: labels from -1 to 0"),
        (0, np.array([1, 0.5]), "Labels must be whole numbers.*Received: 0.5"),
        (0, np.array([[1], [np.nan]]), "Labels must be whole numbers.*Received: nan"),
        (0, np.array([2.0**31, 1]), "Labels must be in 0 … 9. Received: labels from 1 to 2147483648"),
        (0, rows(0), "Labels as one-hot rows .* a single 1.*Received: 0 ones and a sum of 0 in row 1"),
        (0, rows(1), "Labels as one-hot rows .* a single 1.*Received: 10 ones and a sum of 10 in row 1"),
        (0, rows(0.5), "Labels as one-hot rows .*Received: 0 ones and a sum of 5 in row 1"),
        (0, rows(np.nan), "Labels as one-hot rows .*Received: 0 ones and a sum of nan in row 1"),
        (0, rows(-1).astype(np.int64), "Labels as one-hot rows .*Received: 0 ones and a sum of -10 in row 1"),
        (np.nan, np.arange(3), "Images must hold finite numbers. Received: nan"),
        (-np.inf, np.arange(3), "Images must hold finite numbers. Received: -inf"),
    ],
    ids=str,
)
def test_arrays_and_datasets_say_the_same(images, labels, message):
    """The refusal of an array is that of a `tf.data.Dataset`, to the letter."""
    images = np.full((len(labels), 8, 8, 1), images, np.float32)
    dataset = as_batches(tf.data.Dataset.from_tensor_slices((images, labels)).batch(5), SHAPE)
    with pytest.raises(DataError, match=message) as of_arrays:
        checked_arrays(images, labels, SHAPE)
    with pytest.raises(DataError) as of_dataset:
        labels_of(dataset)
    assert str(of_dataset.value) == str(of_arrays.value)


def test_one_hot_rows_of_whole_types():
    for dtype in (bool, np.int64, np.float32):
        dataset = tf.data.Dataset.from_tensor_slices((arrays(10)[0], np.eye(10, dtype=dtype))).batch(4)
        assert labels_of(as_batches(dataset, SHAPE)).tolist() == list(range(10))


def test_errors_of_other_kinds_are_left_as_they_are():
    assert data_error(tf.errors.InvalidArgumentError(None, None, "ValueError: Labels must")) is None
    assert data_error(tf.errors.InvalidArgumentError(None, None, "DataError: of a pipeline of one's own")) is None
    assert data_error(ValueError("Labels must")) is None

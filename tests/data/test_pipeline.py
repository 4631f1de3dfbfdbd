import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.data import TrainingPipeline, evaluation_batches
from epnas_tf.data.augmentation import Augmentation, Mirror
from epnas_tf.data.pipeline import ArrayData, Arrays, made_ahead, normalise
from epnas_tf.errors import ConfigError
from tests.bin import runs
from tests.data.helpers import make_data, make_images

ROOT = Path(__file__).parents[2]
DETERMINISM = """
import numpy as np, tensorflow as tf
tf.config.experimental.enable_op_determinism()
from epnas_tf.data import TrainingPipeline
from tests.data.helpers import make_data
pipeline = TrainingPipeline(make_data(augmentation="crop(1),mirror,cutout(3)"), 16, 2)
first, second = ([image.numpy() for image, _ in pipeline.batches(5)] for _ in range(2))
np.testing.assert_array_equal(first, second)
assert len(first) == pipeline.steps == 6
"""


ALL = "crop(1),mirror,cutout(3)"


def arrays(pipeline, seed):
    batches = [(images.numpy(), labels.numpy()) for images, labels in pipeline.batches(seed)]
    return np.stack([images for images, _ in batches]), np.stack([labels for _, labels in batches])


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 9, 3), (1, 1, 1)])
def test_normalise_subtracts_and_divides(shape):
    images = make_images(5, shape).images
    mean = np.linspace(90, 130, shape[2]).astype(np.float32)
    std = np.linspace(40, 70, shape[2]).astype(np.float32)
    normal = normalise(tf.constant(images), mean, std)
    assert normal.dtype == tf.float32
    np.testing.assert_allclose(normal, (images - mean) / std, rtol=1e-6, atol=1e-6)


def test_batches_have_the_announced_number_and_form():
    pipeline = TrainingPipeline(make_data(50, (8, 6, 3)), 16, 2)
    assert pipeline.steps == 6
    assert pipeline.element_spec == (tf.TensorSpec([16, 8, 6, 3], tf.float32), tf.TensorSpec([16], tf.int32))
    batches = pipeline.batches(0)
    assert batches.element_spec == pipeline.element_spec
    assert int(batches.cardinality()) == 6
    assert sum(1 for _ in batches) == 6


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    pipeline = TrainingPipeline(make_data(augmentation=ALL), 16, 2)
    first, second, other = (arrays(pipeline, seed) for seed in (11, 11, 12))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])
    again = TrainingPipeline(make_data(augmentation=ALL), 16, 2)
    np.testing.assert_array_equal(first[0], arrays(again, 11)[0])


def test_nothing_is_traced_again_for_another_seed():
    class Counting(Augmentation):
        traced = 0

        def __call__(self, images, seed):
            Counting.traced += 1
            return super().__call__(images, seed)

    pipeline = TrainingPipeline(dataclasses.replace(make_data(), augmentation=Counting((Mirror(),))), 16, 2)
    for seed in range(5):
        assert len(arrays(pipeline, seed)[0]) == 6
    assert Counting.traced == 1


def test_several_pipelines_of_one_program_are_no_reason_to_warn(caplog):
    for _ in range(8):
        TrainingPipeline(make_data(), 16, 1).batches(0)
    assert "retracing" not in caplog.text


def test_every_epoch_has_a_new_order_and_no_image_twice():
    data = make_data(50, augmentation="none")
    images, labels = arrays(TrainingPipeline(data, 16, 3), 0)
    place = {
        image.tobytes(): index for index, image in enumerate(normalise(data.train.images, data.mean, data.std).numpy())
    }
    order = [[place[image.tobytes()] for image in batch] for batch in images]
    np.testing.assert_array_equal(data.train.labels[order], labels)
    epochs = np.reshape(order, [3, 48])
    assert all(len(set(epoch)) == 48 for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    # The two images left out of an epoch are others in the next: that all three agree has a chance of (1/1225)².
    assert len({frozenset(epoch) for epoch in epochs.tolist()}) > 1


def test_every_epoch_augments_anew():
    data = make_data(4, (16, 16, 1), classes=2, augmentation="crop(4),mirror,cutout(4)")
    images, _ = arrays(TrainingPipeline(data, 4, 6), 0)
    # 24 images, each in one of 162 places with one of 256 holes: two that agree would be a wonder, twelve a bug.
    assert len({image.tobytes() for image in images.reshape(-1, 16, 16, 1)}) > 12


def test_without_a_whole_batch_all_images_make_one():
    pipeline = TrainingPipeline(make_data(50), 128, 2)
    assert pipeline.steps == 2
    assert pipeline.element_spec[1] == tf.TensorSpec([50], tf.int32)
    _, labels = arrays(pipeline, 0)
    np.testing.assert_array_equal(np.sort(labels, axis=1), np.sort([make_data(50).train.labels] * 2, axis=1))


def test_batches_pass_through_a_function_with_a_signature():
    pipeline = TrainingPipeline(make_data(), 16, 2)

    @tf.function(input_signature=[tf.data.DatasetSpec(pipeline.element_spec)])
    def count(batches):
        total = 0
        for _, labels in batches:
            total += tf.size(labels)
        return total

    assert [int(count(pipeline.batches(seed))) for seed in range(3)] == [96, 96, 96]
    assert count.experimental_get_tracing_count() == 1


def test_batches_are_the_same_under_op_determinism():
    """In a process of its own: determinism cannot be switched off again."""
    done = runs.code(DETERMINISM)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, "none"), "`batch_size` .*Received: batch_size=0"),
        ((16, 0, "none"), "`epochs` .*Received: epochs=0"),
        ((16, 1, "cutout(9)"), "`cutout` .*Received: cutout=9"),
        ((16, 1, "crop(8)"), "`crop_padding` .*Received: crop_padding=8"),
    ],
)
def test_a_pipeline_refuses_settings_that_do_not_fit(arguments, message):
    batch_size, epochs, augmentation = arguments
    with pytest.raises(ConfigError, match=message):
        TrainingPipeline(make_data(augmentation=augmentation), batch_size, epochs)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_arrays_are_taken_as_they_are(dtype):
    part = make_images(50, (8, 6, 3)).images.astype(dtype)
    data = ArrayData(Arrays(tf.constant(part), tf.range(50)))
    images, numbers = arrays(TrainingPipeline(data, 16, 2), 0)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, part[numbers])
    (whole, _), *_ = evaluation_batches(data.train)
    np.testing.assert_array_equal(whole, part)


def test_images_are_no_constant_of_the_graph():
    data = ArrayData(Arrays(tf.zeros([20_000, 8, 8, 1]), tf.zeros([20_000], tf.int32)))
    graph = (
        TrainingPipeline(data, 5000, 1)
        .batches(0)
        ._as_serialized_graph(external_state_policy=tf.data.experimental.ExternalStatePolicy.IGNORE)
    )
    assert tf.compat.v1.GraphDef.FromString(graph.numpy()).library.ByteSize() < 1_000_000


def test_evaluation_goes_through_all_images_in_order():
    data = make_data(50, (8, 6, 3))
    batches = evaluation_batches(data.train, data.mean, data.std, 16)
    spec = (tf.TensorSpec([None, 8, 6, 3], tf.float32), tf.TensorSpec([None], tf.int32))
    assert batches.element_spec == spec
    assert int(batches.cardinality()) == 4
    images, labels = zip(*batches, strict=True)
    assert [len(part) for part in labels] == [16, 16, 16, 2]
    np.testing.assert_array_equal(np.concatenate(labels), data.train.labels)
    whole = np.concatenate(images)
    np.testing.assert_array_equal(whole, normalise(data.train.images, data.mean, data.std))
    np.testing.assert_allclose(whole.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(whole.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_no_pass_waits_for_the_thread_that_tunes():
    data = make_data()
    for batches in (
        TrainingPipeline(data, 16, 1).batches(0),
        evaluation_batches(data.test, data.mean, data.std),
        made_ahead(tf.data.Dataset.range(3).map(tf.identity, num_parallel_calls=tf.data.AUTOTUNE)),
    ):
        assert batches.options().autotune.enabled is False


def test_evaluation_refuses_an_empty_batch():
    data = make_data()
    with pytest.raises(ConfigError, match="Received: batch_size=0"):
        evaluation_batches(data.test, data.mean, data.std, 0)

import pytest

from epnas_tf.config import RunConfig
from epnas_tf.cost.workload import CostModel, DataSize, workload
from epnas_tf.options import from_values, values_of
from epnas_tf.run.forecast import shorter_by
from epnas_tf.run.shortening import shortened

# As 2 cores without GPU have them, about: docs/scaling.md.
MODEL = CostModel(step_node=1e-3, step_multiply_add=2e-11, step_output=3e-9, graph=0.1, graph_node=0.01)
PHOTOS = DataSize(486, 54, (300, 300, 3), 3)
CIFAR = DataSize(45_000, 5_000, (32, 32, 3), 10)


def seconds(config, data):
    return MODEL.seconds(workload(config, data))


@pytest.mark.parametrize("space", ["macro", "micro", "staged"])
@pytest.mark.parametrize("data", [PHOTOS, CIFAR], ids=["photos", "cifar"])
def test_flags_bring_the_search_to_the_target_and_none_of_them_could_be_left_out(space, data):
    config = from_values(RunConfig, {"space": space})
    target = 1200
    assert seconds(config, data) > 10 * target
    found = shortened(config, data, seconds, target, shorter_by(config))
    assert seconds(found.config, found.data) <= target
    assert values_of(found.config) == values_of(config) | found.changes
    for name in found.changes:
        fewer = from_values(RunConfig, {"space": space} | {n: v for n, v in found.changes.items() if n != name})
        images = found.data if name not in ("image_size", "train_images") else data
        assert seconds(fewer, images) > target, name


def test_what_the_images_become_is_measured():
    seen = []

    def measure(config, data):
        seen.append(data)
        return data.num_train * data.image_shape[0]

    found = shortened(RunConfig(), PHOTOS, measure, 486 * 32, ("image_size",))
    assert found.changes == {"image_size": 32}
    assert found.data == DataSize(486, 54, (32, 32, 3), 3)
    found = shortened(RunConfig(), CIFAR, measure, 32 * 3_600, ("train_images",))
    assert found.changes == {"train_images": 4_000}
    assert found.data == DataSize(3_600, 400, (32, 32, 3), 10)


def test_where_nothing_helps_nothing_is_proposed_and_classes_keep_some_images():
    assert shortened(RunConfig(), PHOTOS, lambda *_: 5.0, 1.0, shorter_by(RunConfig())) is None
    many = DataSize(45_000, 5_000, (32, 32, 3), 300)  # no fewer than 20 images a class
    found = shortened(RunConfig(), many, lambda c, d: d.num_train, 10, ("train_images",))
    assert found.changes == {"train_images": 6_000}

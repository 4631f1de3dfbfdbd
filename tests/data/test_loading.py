import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import check, load, loading
from epnas_tf.data.augmentation import Mirror
from epnas_tf.data.sources import Source
from epnas_tf.data.values import Preparation
from epnas_tf.errors import ConfigError, DataError, TooFewImagesError
from tests.data.helpers import make_images

ROOT = Path(__file__).parents[2]


def keys(part):
    return {image.tobytes() for image in part.images}


def write_npz(path, count=60, side=16, classes=3, **arrays):
    """Images that all differ, so that each can be recognised."""
    images = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(count) % classes, **arrays)
    return str(path)


def test_digits_are_split_three_ways_by_class():
    data = load(DataConfig(), seed=0)
    assert data.name == "digits"
    assert (len(data.train), len(data.validation), len(data.test)) == (1455, 162, 180)
    assert data.image_shape == (8, 8, 1)
    assert data.num_classes == 10
    assert str(data.augmentation) == "crop(-1),mirror(0),cutout(0)"
    for part in (data.train, data.validation, data.test):
        share = np.bincount(part.labels) / len(part)
        assert np.all(np.abs(share - 0.1) < 0.01)


def test_the_statistics_are_of_the_training_part_alone():
    data = load(DataConfig(), seed=0)
    np.testing.assert_allclose(data.mean[0], data.train.images.mean(), rtol=1e-5)
    np.testing.assert_allclose(data.std[0], data.train.images.std(), rtol=1e-5)


def test_the_seed_moves_the_validation_part_and_never_the_test(tmp_path):
    config = DataConfig(dataset=write_npz(tmp_path / "noise.npz"))
    first, again, other = (load(config, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.validation.images, again.validation.images)
    assert keys(first.validation) != keys(other.validation)
    np.testing.assert_array_equal(first.test.images, other.test.images)
    for data in (first, other):
        parts = [keys(part) for part in (data.train, data.validation, data.test)]
        assert [len(part) for part in parts] == [49, 5, 6]
        assert len(set.union(*parts)) == 60


def test_fractions_are_of_what_is_left(tmp_path):
    path = write_npz(tmp_path / "noise.npz", 100, classes=2)
    data = load(DataConfig(dataset=path, test_fraction=0.2, validation_fraction=0.25), seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (60, 20, 20)


def test_train_images_limits_training_and_validation_but_not_the_test(tmp_path):
    path = write_npz(tmp_path / "noise.npz", 200, classes=2)
    whole = load(DataConfig(dataset=path), seed=0)
    data = load(DataConfig(dataset=path, train_images=40), seed=0)
    assert (len(data.train), len(data.validation)) == (36, 4)
    np.testing.assert_array_equal(np.bincount(data.train.labels), [18, 18])
    np.testing.assert_array_equal(data.test.images, whole.test.images)
    other = load(DataConfig(dataset=path, train_images=40), seed=1)
    assert keys(other.train) | keys(other.validation) != keys(data.train) | keys(data.validation)


def test_train_images_is_an_upper_bound_and_a_line_says_that_all_are_used(tmp_path):
    path = write_npz(tmp_path / "noise.npz")
    whole, exact, bounded = (load(DataConfig(dataset=path, mirror="no", train_images=n), seed=0) for n in (0, 54, 55))
    assert bounded.digest == whole.digest
    assert bounded.notes == ("`train_images` is 55, and there are 54: all are used",)
    assert exact.notes == whole.notes == ()


def test_a_class_of_one_image_is_named(tmp_path):
    images = np.zeros((7, 8, 8), np.uint8)
    path = tmp_path / "few.npz"
    np.savez(path, x_train=images, y_train=[0, 0, 0, 1, 1, 1, 2], class_names=["ant", "bee", "cat"])
    with pytest.raises(DataError, match="Received: 1 of class 'cat'"):
        load(DataConfig(dataset=str(path)), seed=0)


def test_too_few_images_for_a_test_part_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"few.npz: a class needs three images.*Received: 4 images in 2 classes"):
        load(DataConfig(dataset=write_npz(tmp_path / "few.npz", 4, classes=2)), seed=0)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "crop(-1),mirror(0.5),cutout(0)"),
        ({"crop_padding": 2, "mirror": "no", "cutout": 3}, "crop(2),mirror(0),cutout(3)"),
        ({"augmentation": "rotate(5),mirror"}, "rotate(5),mirror(0.5)"),
        ({"augmentation": "none"}, "none"),
    ],
)
def test_augmentation_is_that_of_its_setting_or_of_the_three_before_it(tmp_path, settings, text):
    config = DataConfig(dataset=write_npz(tmp_path / "noise.npz"), **settings)
    assert str(load(config, seed=0).augmentation) == text


@pytest.mark.parametrize("older", [{"crop_padding": 0}, {"mirror": "no"}, {"cutout": 2}])
def test_augmentation_set_in_two_ways_is_refused(older):
    (name, value), *_ = older.items()
    with pytest.raises(ConfigError, match=rf"give one or the other. Received: augmentation=crop and {name}={value}"):
        DataConfig(augmentation="crop", **older)


def test_unknown_step_is_refused_before_any_image_is_read(tmp_path):
    with pytest.raises(ConfigError, match=r"of these: crop, .* Received: 'zoom'"):
        check(DataConfig(dataset=str(tmp_path / "none.npz"), augmentation="zoom"))


def test_crop_padding_beyond_the_image_is_refused(tmp_path):
    config = DataConfig(dataset=write_npz(tmp_path / "noise.npz"), crop_padding=16)
    with pytest.raises(ConfigError, match=r"shorter side, 16 pixels.*Received: crop_padding=16"):
        load(config, seed=0)


@pytest.mark.parametrize(
    ("name", "mirror", "resolved"),
    [("photos", "auto", True), ("photos", "no", False), ("mnist", "auto", False), ("mnist", "yes", True)],
)
def test_digits_and_letters_are_not_mirrored_unless_asked_for(tmp_path, name, mirror, resolved):
    config = DataConfig(dataset=write_npz(tmp_path / f"{name}.npz"), mirror=mirror)
    assert (load(config, seed=0).augmentation.steps[1] == Mirror(0.5)) is resolved


@pytest.mark.parametrize("dataset", ["digits", "noise.npz"])
def test_manual_dir_is_refused_where_it_would_be_ignored(tmp_path, monkeypatch, dataset):
    monkeypatch.chdir(tmp_path)
    write_npz(tmp_path / "noise.npz")
    with pytest.raises(ConfigError, match=r"`manual_dir` is only read .*Received: manual_dir='here'"):
        check(DataConfig(dataset=dataset, manual_dir="here"))


@pytest.mark.parametrize("dataset", ["./nowhere", "photos/birds", "~/no/such/folder", "/no/such/folder"])
def test_a_path_that_is_not_there_is_refused_as_a_path(tmp_path, dataset):
    with pytest.raises(DataError, match="which does not exist"):
        check(DataConfig(dataset=dataset, data_dir=str(tmp_path)))


@pytest.mark.parametrize("dataset", ["digits", "cifar10", "emnist/letters", "mnist:3.0.1"])
def test_known_names_are_accepted_without_reading_anything(dataset):
    check(DataConfig(dataset=dataset))


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT, capture_output=True, text=True
    )


def test_importing_the_package_imports_no_heavy_library():
    heavy = {"tensorflow", "tensorflow_datasets", "sklearn", "PIL"}
    code = f"import sys, epnas_tf.data; print({heavy} & set(sys.modules))"
    assert run(code).stdout.strip() == "set()"


def test_a_wrong_name_is_refused_without_tensorflow():
    code = (
        "import sys\nfrom epnas_tf.config import DataConfig\nfrom epnas_tf.data import check\n"
        "try:\n    check(DataConfig(dataset='cifar11'))\n"
        "except ValueError as error:\n    print('cifar10' in str(error), 'tensorflow' in sys.modules)"
    )
    assert run(code).stdout.strip() == "True False"


def test_a_validation_part_of_its_own_scores_the_children(monkeypatch):
    part = [make_images(12, classes=3, seed=seed) for seed in range(3)]
    notes = ("pixels 0 … 4095, scaled to 0 … 255",)
    source = Source("own", part[0], part[1], ("a", "b", "c"), part[2], (0.0, 4095.0), notes, deep=True)
    monkeypatch.setattr(loading.sources, "read", lambda config, trained: source)
    data = loading.load(DataConfig(), seed=3)
    assert (data.train, data.test, data.validation) == (part[0], part[1], part[2])
    assert not data.validation_is_drawn
    assert data.preparation == Preparation(8, 8, 1, 0.0, 4095.0)
    own = "validation: 12 images of the data set's own, so --validation_fraction is not used"
    assert data.notes == (*notes, own)


def with_validation(path, count=3, **changes):
    """A data set of which each class has one training image."""
    images = np.random.default_rng(1).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    values = {"x_train": images[:count], "y_train": np.arange(count) % 3, "x_val": images[6:], "y_val": [0, 2]}
    np.savez(path, **(values | changes))
    return DataConfig(dataset=str(path)), images


def test_a_class_needs_one_training_image_where_the_validation_part_is_given(tmp_path):
    test = {"x_test": np.zeros((2, 16, 16), np.uint8), "y_test": [0, 1]}
    config, images = with_validation(tmp_path / "few.npz", **test)
    data = load(config, seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 2, 2)
    assert any(note.startswith("warning: no validation image is of 1 of the classes (1)") for note in data.notes)
    limited = load(dataclasses.replace(config, train_images=3), seed=0)
    np.testing.assert_array_equal(limited.validation.images[..., 0], images[6:])
    assert "train_images: 3 training images are used, and all validation images" in limited.notes
    with pytest.raises(DataError, match=r"at least one a class, 3 for 3 classes\. Received: train_images=2"):
        load(dataclasses.replace(config, train_images=2), seed=0)
    whole = loading.with_all_training_images(data)
    assert keys(whole.train) == keys(data.train) | keys(data.validation)


def test_a_test_part_is_drawn_beside_a_given_validation_part(tmp_path):
    config, _ = with_validation(tmp_path / "some.npz", 6)
    data = load(config, seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 2, 3)
    assert data.test_is_drawn
    assert keys(data.validation).isdisjoint(keys(data.train) | keys(data.test))
    assert "test: 3 images drawn from the training images, as the data set has no test part" in data.notes
    few, _ = with_validation(tmp_path / "few.npz", 3)
    with pytest.raises(DataError, match="a class needs two images or more, or none is left for the test"):
        load(few, seed=0)


def test_classes_without_a_test_image_and_an_unused_fraction_are_told(tmp_path):
    test = {"x_test": np.eye(16, dtype=np.uint8)[np.newaxis] * 255, "y_test": [1]}
    config, _ = with_validation(tmp_path / "some.npz", 6, **test)
    assert any(
        note.startswith("warning: no test image is of 2 of the classes (0, 2)") for note in load(config, 0).notes
    )
    assert not any("--test_fraction" in note for note in load(config, 0).notes)
    notes = load(dataclasses.replace(config, test_fraction=0.5), seed=0).notes
    assert "test: 1 images of the data set's own, so --test_fraction is not used" in notes


def test_settings_of_another_kind_of_data_set_are_named(tmp_path):
    config = DataConfig(dataset=write_npz(tmp_path / "some.npz"), data_dir="there", skip_broken=True, mirror="no")
    assert load(config, seed=0).notes == (
        f"--data_dir is not used: {config.dataset} is no data set of TensorFlow Datasets",
        f"--skip_broken is not used: {config.dataset} is no folder of images",
    )


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("some", {}, 1),
        ("some", {"mirror": "yes"}, 0),
        ("some", {"augmentation": "mirror"}, 0),
        ("mnist", {}, 0),
    ],
)
def test_mirroring_that_nobody_asked_for_is_told(tmp_path, name, settings, told):
    notes = load(DataConfig(dataset=write_npz(tmp_path / f"{name}.npz"), **settings), seed=0).notes
    assert sum("--mirror=no where left and right differ" in note for note in notes) == told


def test_a_single_class_can_be_evaluated_on_but_not_trained_on(tmp_path):
    config = DataConfig(dataset=write_npz(tmp_path / "one.npz", classes=1))
    assert loading.sources.read(config).class_names == ("0",)
    with pytest.raises(TooFewImagesError, match=r"two classes or more.*Received: 1 class among 60"):
        load(config, seed=0)

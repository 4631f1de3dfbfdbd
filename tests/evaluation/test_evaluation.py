import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from epnas_tf.config import DataConfig, RecipeConfig
from epnas_tf.data import load
from epnas_tf.data.sources.pictures import resize
from epnas_tf.errors import ConfigError, DataError
from epnas_tf.evaluation import ModelError, evaluate, measure
from epnas_tf.evaluation.matching import BY_NAME, BY_NUMBER, SAME, SOME, TO_GREY
from epnas_tf.evaluation.settings import SPLITS, EvaluationConfig, base_settings, may_have_trained_on
from epnas_tf.options import same_place, values_of
from tests.evaluation import artifacts


@pytest.mark.parametrize("split", ["test", "validation", "train"])
def test_run_is_evaluated_on_the_parts_of_its_own_data_set(final, digits, split):
    part = {"test": digits.test, "validation": digits.validation, "train": digits.train}[split]
    expected = final.model.predict((part.images - digits.mean) / digits.std, verbose=0)
    result = evaluate(final.path, split=split)
    assert result.metrics.num_images == len(part)
    assert result.metrics.confusion == measure(part.labels, expected, digits.class_names).confusion
    assert result.metrics.loss == pytest.approx(measure(part.labels, expected, digits.class_names).loss, abs=1e-5)
    assert (result.split, result.matching, result.latency) == (split, SAME, None)
    assert (result.config.data, result.config.seed) == (artifacts.CONFIG.data, artifacts.CONFIG.seed)


def test_mirror_averages_the_probabilities_of_both_views(final, digits):
    images = (digits.test.images - digits.mean) / digits.std
    expected = (final.expected + final.model.predict(images[:, :, ::-1], verbose=0)) / 2
    result, single = evaluate(final.path, views="mirror"), evaluate(final.path)
    assert result.metrics.confusion == measure(digits.test.labels, expected, digits.class_names).confusion
    assert result.metrics.loss == pytest.approx(
        measure(digits.test.labels, expected, digits.class_names).loss, abs=1e-5
    )
    assert result.metrics.loss != pytest.approx(single.metrics.loss, abs=1e-3)
    assert [one.to_dict()["views"] for one in (result, single)] == ["mirror", "single"]
    with pytest.raises(ConfigError, match=r"`views` must be one of single, mirror. Received: views='both'"):
        evaluate(final.path, views="both")


def test_every_form_of_a_model_has_the_same_figures(plain, digits):
    expected = measure(digits.test.labels, plain.expected, artifacts.NAMES)
    for form in ("model.keras", "saved_model", "model.tflite"):
        result = evaluate(plain.folder / form, DataConfig())
        assert result.matching == BY_NUMBER  # the digits' classes are called by their numbers
        assert result.metrics.confusion == expected.confusion
        assert result.metrics.class_names == artifacts.NAMES
        assert result.metrics.loss == pytest.approx(expected.loss, abs=1e-5)


def save_dark(folder, digits):
    """Writes test digits of an eighth of their brightness as files of 16 bits; returns their 8 bits."""
    dark = digits.test.images // 8
    for index, (image, label) in enumerate(zip(dark, digits.test.labels, strict=True)):
        place = folder / digits.class_names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0].astype(np.uint16) * 257).save(place / f"{index}.png")
    return dark


@pytest.mark.parametrize("told", [True, None])  # an older version did not tell, and took the range for known
def test_files_of_16_bits_are_scaled_as_those_of_the_training(told, final, digits, tmp_path):
    dark, run = save_dark(tmp_path / "dark", digits), shutil.copytree(final.path, tmp_path / "run")
    file = run / "final" / "data.json"
    document = json.loads(file.read_text())
    assert document.pop("deep") is False
    file.write_text(json.dumps(document | ({} if told is None else {"deep": told})))
    result = evaluate(run, DataConfig(dataset=str(tmp_path / "dark")), split="all")
    expected = final.model.predict((dark - digits.mean) / digits.std, verbose=0)
    # By their own scale, that of 14 bits, they would be four times as bright.
    assert result.metrics.confusion == measure(digits.test.labels, expected, digits.class_names).confusion
    assert "warning: the pixels look like 0 … 16383, but are scaled from 0 … 65535" in " ".join(result.notes)


def test_files_of_16_bits_have_their_own_scale_where_the_training_had_none(final, digits, tmp_path):
    dark = save_dark(tmp_path / "dark", digits)
    result = evaluate(final.path, DataConfig(dataset=str(tmp_path / "dark")), split="all")
    bright = np.rint(dark * (257 * 255 / 16383))
    expected = final.model.predict((bright - digits.mean) / digits.std, verbose=0)
    assert result.metrics.confusion == measure(digits.test.labels, expected, digits.class_names).confusion
    assert result.notes[-1] == (
        "no image file of the training had more than 8 bits, and these have: pixels 0 … 16383 are scaled to 0 … 255"
    )


def test_images_are_brought_to_the_size_of_a_model_that_takes_no_squares(digits, tmp_path):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4, 6, 1), dtype="uint8"), keras.layers.Rescaling(1 / 99), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.save(tmp_path / "wide.keras")
    result = evaluate(tmp_path / "wide.keras", DataConfig())
    expected = model.predict(resize(digits.test.images, 4, 6), verbose=0)
    assert result.metrics.confusion == measure(digits.test.labels, expected, digits.class_names).confusion
    assert "images of 8×8 are brought to 4×6 (the part of that shape at their centre)" in result.notes
    with pytest.raises(DataError, match=r"--image_size=-1 \(`image_size`\) brings the images to that size"):
        evaluate(tmp_path / "wide.keras", DataConfig(image_size=6))


def save_renamed(file, data, names):
    """Writes a data set whose class i is the digit i, under other names, its classes in the order of the names."""
    numbers = np.argsort(np.argsort(names))
    parts = {"train": data.train, "test": data.test}
    arrays = {f"x_{name}": part.images for name, part in parts.items()}
    arrays |= {f"y_{name}": numbers[part.labels] for name, part in parts.items()}
    np.savez(file, class_names=np.sort(names), **arrays)
    return DataConfig(dataset=str(file))


def test_classes_in_another_order_are_matched_by_name(plain, digits, tmp_path):
    config = save_renamed(tmp_path / "sorted.npz", digits, np.array(artifacts.NAMES))
    result = evaluate(plain.folder / "saved_model", config)
    assert result.matching == BY_NAME
    assert result.metrics == evaluate(plain.folder / "saved_model", DataConfig()).metrics


def test_some_classes_in_colour_are_evaluated_on_their_own(plain, digits, tmp_path):
    """Their order is another one, so that a label taken for the model's would show."""
    kept = [(7, 0), (2, 1)]
    arrays = {"class_names": np.array([artifacts.NAMES[digit] for digit, _ in kept])}
    for name, part in {"train": digits.train, "test": digits.test}.items():
        chosen = np.isin(part.labels, [digit for digit, _ in kept])
        arrays[f"x_{name}"] = part.images[chosen].repeat(3, axis=3)
        arrays[f"y_{name}"] = np.array([dict(kept)[digit] for digit in part.labels[chosen]])
    np.savez(tmp_path / "some.npz", **arrays)
    result = evaluate(plain.folder / "saved_model", DataConfig(dataset=str(tmp_path / "some.npz")), latency=True)
    chosen = np.isin(digits.test.labels, [7, 2])
    expected = measure(digits.test.labels[chosen], plain.expected[chosen], artifacts.NAMES)
    assert result.metrics.confusion == expected.confusion
    assert result.metrics.accuracy == expected.accuracy > 0.5
    document = result.to_dict()["data"]
    assert (document["classes_matched"], document["channels_changed"]) == (SOME, TO_GREY)
    assert document["classes_absent"] == [name for name in artifacts.NAMES if name not in ("seven", "two")]


def test_another_data_set_is_brought_to_the_size_of_the_model(final, plain, digits, tmp_path):
    large = digits.test.images.repeat(3, axis=1).repeat(3, axis=2)
    np.savez(tmp_path / "large.npz", x_train=large, y_train=digits.test.labels)
    config = DataConfig(dataset=str(tmp_path / "large.npz"))
    small = resize(large, 8, 8)
    of_final = final.model.predict((small - digits.mean) / digits.std, verbose=0)
    of_plain = plain.model.predict(small, verbose=0)
    for model, expected in ((final.path, of_final), (plain.folder / "model.tflite", of_plain)):
        result = evaluate(model, config, split="all")
        assert result.notes == ("images of 24×24 are brought to 8×8",)
        assert result.metrics.confusion == measure(digits.test.labels, expected, digits.class_names).confusion
    with pytest.raises(DataError, match=r"takes images of 8×8×1\. Received: large\.npz with 24×24×1"):
        evaluate(final.path, dataclasses.replace(config, image_size=0))


def test_a_few_new_images_need_not_be_split(final, plain, digits, tmp_path):
    few = [int(np.flatnonzero(digits.test.labels == label)[0]) for label in range(10)]
    np.savez(tmp_path / "few.npz", x_train=digits.test.images[few], y_train=np.arange(10))
    config = DataConfig(dataset=str(tmp_path / "few.npz"))
    for model in (final.path, plain.folder / "saved_model"):
        result = evaluate(model, config)
        assert (result.split, result.metrics.num_images, result.may_be_trained_on) == ("all", 10, False)
    with pytest.raises(DataError, match="Every class needs two training images"):
        evaluate(final.path, config, "validation")


def test_a_folder_of_one_class_is_evaluated_on(plain, digits, tmp_path):
    (tmp_path / "seven").mkdir()
    chosen = np.flatnonzero(digits.test.labels == 7)
    for index in chosen:
        Image.fromarray(digits.test.images[index, :, :, 0]).save(tmp_path / "seven" / f"{index:04}.png")
    result = evaluate(plain.folder / "saved_model", DataConfig(dataset=str(tmp_path)))
    assert (result.metrics.num_images, result.matching) == (len(chosen), SOME)
    assert result.metrics.accuracy == (plain.expected[chosen].argmax(axis=1) == 7).mean()
    with pytest.raises(DataError, match="one folder for each class, two or more"):
        evaluate(plain.folder / "saved_model", DataConfig(dataset=str(tmp_path)), "validation")


def test_classes_of_other_names_are_refused(plain, digits, tmp_path):
    config = save_renamed(tmp_path / "other.npz", digits, np.array([f"a {name}" for name in artifacts.NAMES]))
    with pytest.raises(DataError, match=r"zero, one, .*Received: other\.npz with 10 classes: a eight, a five"):
        evaluate(plain.folder / "saved_model", config)


def test_all_images_of_another_data_set_without_a_test_part_are_taken(final, digits, tmp_path):
    images, labels = digits.test.images, digits.test.labels
    np.savez(tmp_path / "more.npz", x_train=images, y_train=labels)
    result = evaluate(final.path, DataConfig(dataset=str(tmp_path / "more.npz")))
    assert (result.split, result.metrics.num_images) == ("all", len(images))
    assert result.metrics.accuracy == evaluate(final.path).metrics.accuracy
    assert evaluate(final.path, split="all").metrics.num_images == 1797


def test_everything_goes_to_json(final):
    result = evaluate(final.path, latency=True)
    document = json.loads(json.dumps(result.to_dict()))
    assert document["accuracy"] == result.metrics.accuracy
    assert document["model"] == str(final.path)
    assert document["split"] == "test"
    assert document["may_be_trained_on"] is False
    assert document["data"] == {
        "name": "digits",
        "image_shape": [8, 8, 1],
        "channels_changed": None,
        "classes_matched": SAME,
        "classes_absent": [],
        "notes": [],
    }
    assert document["settings"] == {**values_of(artifacts.CONFIG.data), "seed": artifacts.CONFIG.seed}
    assert [batch["batch_size"] for batch in document["latency"]["batches"]] == [1, 64]


def test_data_set_of_the_run_is_known_beside_its_exports(final, plain, tmp_path):
    shutil.copytree(final.path, tmp_path / "run")
    shutil.copytree(plain.folder, tmp_path / "run" / "export")
    result = evaluate(tmp_path / "run" / "export" / "model.keras", split="validation")
    assert result.config.seed == artifacts.CONFIG.seed
    other = evaluate(plain.folder / "model.keras", DataConfig(), split="validation")
    assert other.config.seed == 0
    assert result.metrics != other.metrics  # the seed draws the validation images


def test_settings_of_a_run_hold_for_another_data_set_where_they_are_not_its_own():
    own = {**values_of(DataConfig(dataset="mnist", manual_dir="there", image_size=32, train_images=9)), "seed": 4}
    assert base_settings(own, None) == own
    assert base_settings(own, "mnist") == own
    assert base_settings(own, "photos/") == {"data_dir": "", "seed": 4}


HELD_OUT = dataclasses.replace(artifacts.CONFIG, recipe=RecipeConfig(held_out=True))


@pytest.mark.parametrize(
    ("training", "changes", "split", "expected"),
    [
        (artifacts.CONFIG, {}, "test", False),
        (artifacts.CONFIG, {}, "validation", True),  # all training images are used unless some are held out
        (HELD_OUT, {}, "validation", False),
        (HELD_OUT, {}, "train", True),
        (HELD_OUT, {"validation_fraction": 0.5}, "validation", True),
        (HELD_OUT, {"test_fraction": 0.5}, "test", True),
        (artifacts.CONFIG, {"dataset": "mnist"}, "train", False),
    ],
)
def test_images_that_the_network_may_have_been_trained_on_are_known(training, changes, split, expected):
    config = EvaluationConfig(dataclasses.replace(training.data, **changes), training.seed)
    assert may_have_trained_on(training, config, split) == expected


def test_the_same_images_at_another_place_are_known(final, digits, tmp_path):
    parts = {"train": digits.train, "val": digits.validation, "test": digits.test}
    values = {f"x_{name}": part.images for name, part in parts.items()}
    values |= {f"y_{name}": part.labels for name, part in parts.items()}
    np.savez(tmp_path / "copy.npz", **values)
    config = DataConfig(dataset=str(tmp_path / "copy.npz"))
    assert [evaluate(final.path, config, split).may_be_trained_on for split in (None, "train")] == [False, True]


def test_folders_that_lie_in_one_another_share_images(tmp_path):
    (tmp_path / "photos" / "train" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "Testing").mkdir()

    def may(dataset, own, split="all", *, test_is_drawn=True):
        data, trained = (dataclasses.replace(artifacts.CONFIG.data, dataset=str(tmp_path / p)) for p in (dataset, own))
        training = dataclasses.replace(artifacts.CONFIG, data=trained)
        return may_have_trained_on(training, EvaluationConfig(data, 3), split, test_is_drawn=test_is_drawn)

    assert may("photos/train", "photos")
    assert not may("photos/Testing", "photos")  # the part that was kept from the training
    assert may("photos", "photos/train", "test")  # drawn from all of photos
    assert not may("photos", "photos/train", "test", test_is_drawn=False)
    assert not may("photos/Testing", "photos/train")


def test_other_seed_draws_other_validation_images():
    assert may_have_trained_on(HELD_OUT, EvaluationConfig(HELD_OUT.data, HELD_OUT.seed + 1), "validation")


def test_parts_that_the_data_set_brings_are_the_same_by_every_seed_and_fraction():
    config = EvaluationConfig(dataclasses.replace(HELD_OUT.data, validation_fraction=0.3, test_fraction=0.3), 77)
    own = {"test_is_drawn": False, "validation_is_drawn": False}
    found = {split: may_have_trained_on(HELD_OUT, config, split, **own) for split in SPLITS}
    assert found == {"test": False, "validation": False, "train": True, "all": True}
    assert may_have_trained_on(artifacts.CONFIG, config, "validation", **own) != artifacts.CONFIG.recipe.held_out


def test_a_validation_part_of_its_own_is_evaluated_on(plain, digits, tmp_path):
    parts = {"train": digits.train, "val": digits.validation, "test": digits.test}
    values = {f"x_{name}": part.images for name, part in parts.items()}
    values |= {f"y_{name}": part.labels for name, part in parts.items()}
    np.savez(tmp_path / "own.npz", **values)
    result = evaluate(plain.folder / "model.keras", DataConfig(dataset=str(tmp_path / "own.npz")), "validation", seed=9)
    expected = evaluate(plain.folder / "model.keras", DataConfig(), "validation", seed=artifacts.CONFIG.seed)
    assert result.metrics.confusion == expected.metrics.confusion


def test_one_folder_is_one_data_set_however_it_is_written(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert same_place("photos/", str(tmp_path / "photos"))
    assert not same_place("photos", "photographs")


def test_what_cannot_be_evaluated_is_refused(plain, final):
    with pytest.raises(ConfigError, match=r"`data`\) must say .*Received: none"):
        evaluate(plain.folder / "model.keras")
    with pytest.raises(ConfigError, match=r"`split` must be one of test, .*, all\. Received: split='no'"):
        evaluate(final.path, split="no")
    with pytest.raises(DataError, match=r"nowhere\.npz"):
        evaluate(final.path, DataConfig(dataset="nowhere.npz"))
    config = dataclasses.replace(artifacts.CONFIG.data, image_size=9)
    with pytest.raises(DataError, match=r"takes images of 8×8×1\. Received: digits with 9×9×1"):
        evaluate(final.path, config)


def test_data_set_without_a_test_part_has_one_drawn(plain, digits, tmp_path):
    whole = load(DataConfig(), 0)
    np.savez(tmp_path / "more.npz", x_train=whole.train.images[:500], y_train=whole.train.labels[:500])
    result = evaluate(plain.folder / "model.keras", DataConfig(dataset=str(tmp_path / "more.npz"), test_fraction=0.5))
    assert result.metrics.num_images == 250


def test_a_model_of_other_than_grey_or_colour_images_is_refused(tmp_path):
    inputs = keras.Input((8, 8, 4))
    outputs = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match=r"of three colours\. Received: .*model\.keras, which takes 4 channels"):
        evaluate(tmp_path / "model.keras", DataConfig(dataset="digits"))

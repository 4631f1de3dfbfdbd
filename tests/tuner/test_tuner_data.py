import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildResult
from epnas_tf.config import ChildConfig, SearchConfig
from epnas_tf.errors import DataError, RunDirectoryError, StateError
from epnas_tf.tuner.tuner_data import keep_identity, search_data
from tests.tuner.kt_helpers import make_hypermodel, make_tuner, split_digits

SHAPE = make_hypermodel().shape
CHILD = ChildConfig(epochs=1, batch_size=20)


def identity(x, y, validation):
    return search_data(x, y, validation, 0.0, SHAPE, CHILD).identity


def datasets(x, y, validation, shuffle=False):
    training = tf.data.Dataset.from_tensor_slices((x, y)).batch(20)
    scored = tf.data.Dataset.from_tensor_slices(validation)
    scored = scored.shuffle(100, seed=3) if shuffle else scored
    return training, None, scored.batch(30)


class TestIdentity:
    def test_is_that_of_what_the_networks_see(self):
        x, y, (xv, yv) = split_digits(100)
        x, xv = (x * 16).round(), (xv * 16).round()
        same = identity(x, y, (xv, yv))
        assert same == identity(x.astype(np.uint8), np.eye(10)[y], [xv.tolist(), yv[:, None]])
        assert identity(x[::-1], y[::-1], (xv, yv))["training"] != same["training"]
        assert identity(x, y, (xv, yv))["validation"] == same["validation"]

    def test_of_a_dataset_does_not_depend_on_the_order(self):
        data = split_digits(100)
        known = identity(*datasets(*data))
        assert known == identity(*datasets(*data, shuffle=True))
        assert known["validation"]["labels"] == np.bincount(data[2][1], minlength=10).tolist()
        assert known["training"]["batches"] == 4


def changed(where):
    """The digits with one value changed."""
    x, y, (xv, yv) = split_digits(100)
    x, y, xv, yv = x.copy(), y.copy(), xv.copy(), yv.copy()
    if where == "a pixel":
        x[3, 1, 1, 0] += 1e-6
    elif where == "a label":
        y[7] = (y[7] + 1) % 10
    elif where == "a validation pixel":
        xv[0, 0, 0, 0] += 1
    elif where == "fewer images":
        x, y = x[:-1], y[:-1]
    return x, y, (xv, yv)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A finished search on the digits; nothing is trained."""
    directory = tmp_path_factory.mktemp("tuning")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChildTrainer, "train", lambda *_: ChildResult(0.5, 1.0, 1.0, 1, 100, 0.0, 0.0, 0.0))
        tuner = make(directory)
        x, y, validation = changed("nothing")
        tuner.search(x, y, validation_data=validation, verbose=0)
        assert tuner.remaining_trials == 0
        yield directory


def make(directory, **kwargs):
    return make_tuner(directory, make_hypermodel(layers=1), search=SearchConfig(k=1, iterations=1), **kwargs)


class TestDoubts:
    """Data with which a search would run to its end and say nothing, or too much."""

    def of(self, x, y, validation):
        return search_data(x, y, validation, 0.0, SHAPE, CHILD).doubts

    def test_none(self):
        x, y, (xv, yv) = split_digits(200)
        assert not self.of(x, y, (xv, yv))
        assert not self.of(x * 255, y, (xv * 255, yv))
        assert not self.of(x * 255, y, (xv * 0, yv))

    @pytest.mark.parametrize("factors", [(255, 1), (1, 255), (-255, 1)])
    def test_scales(self, factors):
        x, y, (xv, yv) = split_digits(200)
        with pytest.raises(DataError, match=r"must be prepared alike\. Received: values that span .*255"):
            self.of(x * factors[0], y, (xv * factors[1], yv))

    def test_training_images_as_validation_images(self):
        x, y, _ = split_digits(200)
        assert self.of(x, y, (x, y)) == [
            "The validation images are the training images, so scores do not say what is right on others."
        ]

    def test_constant_images(self):
        x, y, validation = split_digits(200)
        assert "Every pixel of every training image is 0" in self.of(x * 0, y, validation)[0]

    def test_are_warned_of(self, project, tmp_path):
        del project  # nothing is trained
        x, y, _ = split_digits(100)
        with warnings.catch_warnings(record=True) as caught:  # KerasTuner has warnings of its own
            warnings.simplefilter("always")
            make(tmp_path).search(x, y, validation_data=(x, y), verbose=0)
        assert any("The validation images are the training images" in str(warning.message) for warning in caught)

    def test_classes_without_training_images(self):
        x, y, validation = split_digits(200)
        with pytest.raises(DataError, match=r"validation images of \[9\], which no training image has"):
            self.of(x[y != 9], y[y != 9], validation)
        order = np.argsort(y, kind="stable")
        with pytest.raises(DataError, match="shuffle them before"):
            search_data(x[order], y[order], None, 0.2, SHAPE, CHILD)

    def test_masks(self):
        x, y, validation = split_digits(200)
        with pytest.raises(DataError, match=r"Images must not be masked. Received: 1 masked values"):
            self.of(np.ma.masked_array(x, np.arange(x.size).reshape(x.shape) == 5), y, validation)
        with pytest.raises(DataError, match="Labels must not be masked"):
            self.of(x, np.ma.masked_array(y, y == 3), validation)
        assert not self.of(np.ma.masked_array(x), y, validation)

    def test_two_ways_to_score(self):
        x, y, validation = split_digits(200)
        with pytest.raises(DataError, match="Give `validation_data` or `validation_split`"):
            search_data(x, y, validation, 0.2, SHAPE, CHILD)

    def test_labels_of_other_rows_with_a_split(self):
        x, y, _ = split_digits(200)
        with pytest.raises(DataError, match=r"one label for each image, 30. Received: 27 labels"):
            search_data(x, y[:-3], None, 0.2, SHAPE, CHILD)


class TestProject:
    @pytest.mark.parametrize(
        ("where", "message"),
        [
            ("a pixel", "training: as many images, but other pixels or labels$"),
            ("a label", "training: as many images, but other pixels or labels$"),
            ("a validation pixel", "validation: as many images, but other pixels or labels$"),
            ("fewer images", "training: images 75 there, 74 now$"),
        ],
    )
    def test_other_data_are_refused(self, project, where, message):
        x, y, validation = changed(where)
        with pytest.raises(StateError, match=rf"another `project_name`, or `overwrite=True`.*Received: {message}"):
            make(project).search(x, y, validation_data=validation, verbose=0)

    def test_another_form_is_refused(self, project):
        training, _, validation = datasets(*changed("nothing"))
        with pytest.raises(StateError, match=r"training: arrays there, a tf.data.Dataset now; validation: arr"):
            make(project).search(training, validation_data=validation, verbose=0)

    def test_same_data_go_on(self, project):
        x, y, validation = changed("nothing")
        make(project).search(x.astype(np.float64), y, validation_data=validation, verbose=0)

    def test_overwrite_starts_anew(self, project, tmp_path):
        shutil.copytree(project, tmp_path, dirs_exist_ok=True)
        x, y, validation = changed("a pixel")
        make(tmp_path, overwrite=True).search(x, y, validation_data=validation, verbose=0)
        make(tmp_path).search(x, y, validation_data=validation, verbose=0)

    def test_what_is_known_of_a_dataset(self, project, tmp_path, capsys):
        """Other labels are noticed among the validation images, and said to be unknown among the others."""
        data = changed("nothing")
        training, _, validation = datasets(*data)
        make(tmp_path).search(training, validation_data=validation, verbose=0)
        assert capsys.readouterr().err.count("Of a tf.data.Dataset only the number of batches") == 1
        make(tmp_path).search(training, validation_data=validation, verbose=0)
        assert "Of a tf.data.Dataset" not in capsys.readouterr().err
        with pytest.raises(StateError, match=r"training: batches 4 there, 3 now"):
            make(tmp_path).search(training.take(3), validation_data=validation, verbose=0)
        xv, yv = data[2]
        other = tf.data.Dataset.from_tensor_slices((xv, (yv + 1) % 10)).batch(30)
        with pytest.raises(StateError, match=r"validation: labels \[.*\] there, \[.*\] now"):
            make(tmp_path).search(training, validation_data=other, verbose=0)

    @pytest.mark.parametrize("text", ["", "{}", '{"format": "epnas_tf.tuner_data", "version": 1}'])
    def test_broken_file(self, project, tmp_path, text):
        shutil.copytree(project, tmp_path, dirs_exist_ok=True)
        (tmp_path / "project" / "data.json").write_text(text)
        x, y, validation = changed("nothing")
        with pytest.raises(RunDirectoryError, match=r"data.json is not one that EPNASTuner wrote. Received"):
            make(tmp_path).search(x, y, validation_data=validation, verbose=0)

    def test_data_of_a_search_without_trials_are_replaced(self, tmp_path):
        known = identity(*changed("nothing"))
        keep_identity(tmp_path, known, compared=False)
        keep_identity(tmp_path, identity(*changed("a pixel")), compared=False)
        assert json.loads((tmp_path / "data.json").read_text())["training"] != known["training"]
        with pytest.raises(StateError):  # of a worker, whose chief alone knows of trials
            keep_identity(tmp_path, known, compared=True)


def test_workers_that_begin_at_once(tmp_path):
    """All but the first one find its file whole; those with other data are refused."""
    known = [{"training": {"form": "arrays", "images": n % 2, "digest": ""}} for n in range(16)]

    def keep(identity):
        try:
            keep_identity(tmp_path, identity, True)
        except StateError:
            return "refused"
        return "kept"

    with ThreadPoolExecutor(len(known)) as threads:
        assert sorted(threads.map(keep, known)) == ["kept"] * 8 + ["refused"] * 8


class TestSecondProcess:
    def test_is_refused(self, project):
        x, y, validation = changed("nothing")
        tuner = make(project)
        with (
            tuner._locked(),
            pytest.raises(RunDirectoryError, match=r"Another process is running in .*/project\. Wait"),
        ):
            make(project).search(x, y, validation_data=validation, verbose=0)
        make(project).search(x, y, validation_data=validation, verbose=0)

    def test_workers_have_names_of_their_own(self, tmp_path, monkeypatch):
        for name, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1"), ("TUNER_ID", "worker0")):
            monkeypatch.setenv(f"KERASTUNER_{name}", value)
        first, same = make(tmp_path), make(tmp_path)
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker1")
        other = make(tmp_path)
        with first._locked(), other._locked(), pytest.raises(RunDirectoryError, match="KERASTUNER_TUNER_ID of its own"):
            same._locked().__enter__()

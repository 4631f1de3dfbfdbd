import dataclasses

import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import check
from epnas_tf.data.checks.places import absolute_places, resolved
from epnas_tf.errors import DataError
from epnas_tf.options import values_of


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("first/photos", "first/idx", "second"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "first"))
    monkeypatch.chdir(tmp_path / "first")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dataset": "photos/"}, {"dataset": "photos"}),
        ({"dataset": "~/photos"}, {"dataset": "photos"}),
        ({"dataset": "new.npz"}, {"dataset": "new.npz"}),
        ({"dataset": "cifar10", "data_dir": "later"}, {"data_dir": "later"}),
        ({"dataset": "mnist", "manual_dir": "idx"}, {"manual_dir": "idx"}),
        ({"dataset": "/somewhere/else", "data_dir": "/there"}, {}),
        ({"dataset": "digits"}, {}),
        ({}, {}),
    ],
)
def test_relative_paths_have_an_absolute_one_beside_them(folders, settings, expected):
    values = values_of(dataclasses.replace(DataConfig(), **settings))
    assert absolute_places(values) == {name: str(folders / "first" / path) for name, path in expected.items()}


def test_settings_without_data_have_no_places():
    assert absolute_places({"architectures": 4}) == {}


def test_data_are_where_they_were_or_where_the_given_path_leads(folders, monkeypatch):
    monkeypatch.chdir(folders / "second")
    places = {"dataset": str(folders / "first" / "photos")}
    assert resolved({"dataset": "photos", "seed": 1}, places) == {**places, "seed": 1}
    (folders / "first" / "photos").rename(folders / "second" / "photos")
    assert resolved({"dataset": "photos"}, places) == {"dataset": "photos"}


@pytest.mark.parametrize("name", ["dataset", "data_dir", "manual_dir"])
def test_data_that_are_nowhere_are_refused_with_both_places(folders, monkeypatch, name):
    monkeypatch.chdir(folders / "second")
    there = str(folders / "first" / "gone")
    settings = {"dataset": "fashion_mnist"} | resolved({name: "gone"}, {name: there})
    with pytest.raises(DataError) as caught:
        check(DataConfig(**settings))
    for words in (f"--{name}=gone", there, str(folders / "second" / "gone")):
        assert words in str(caught.value)

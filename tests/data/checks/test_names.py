import os
import re
import unicodedata

import numpy as np
import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import sources
from epnas_tf.data.checks.names import LONGEST, check_class_names, check_path, printable
from epnas_tf.data.sources.base import make_source
from epnas_tf.errors import DataError, RunDirectoryError

CAFE = os.fsdecode(b"caf\xe9")
"""As Python has the name of a folder that was written in Latin-1."""

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("names", "received"),
    [
        ([CAFE, "tea"], "must be UTF-8, and old zip files hold others. Received: b'caf\\xe9'."),
        (["tea", "\ud800"], "must be UTF-8, and old zip files hold others. Received: b'\\\\ud800'."),
        (["tea", ""], "or line breaks. Received: '', of 0 characters."),
        (["tea", " \t"], "or line breaks. Received: ' \\t', of 2 characters."),
        (["tea", "a\nb"], "not blank and without control characters or line breaks. Received: 'a\\nb'"),
        (["tea", "a\u2028b"], "not blank and without control characters or line breaks. Received: 'a\\u2028b'"),
        (["tea", "\x1b[31mred"], "not blank and without control characters or line breaks. Received: '\\x1b[31mred'"),
        (["tea", "x" * (LONGEST + 1)], f"of 1 to {LONGEST} characters, "),
        (["tea", "ant", "tea"], "every class needs a name of its own. Received: 'tea' and 'tea', which read alike."),
        ([COMPOSED, DECOMPOSED], "Received: 'caf\\xe9' and 'cafe\\u0301', which read alike."),
        (["tea", "tea "], "Received: 'tea' and 'tea ', which read alike."),
    ],
)
def test_class_names_that_nothing_can_hold_or_tell_apart_are_refused(names, received):
    with pytest.raises(DataError, match=f"^photos.*{re.escape(received)}"):
        check_class_names(names, "photos")
    images, labels = np.zeros((len(names), 8, 8, 1), np.uint8), np.arange(len(names))
    with pytest.raises(DataError, match=f"^photos.*{re.escape(received)}"):
        make_source("photos", {"train": (images, labels)}, names)


def test_class_names_in_any_language_are_taken():
    check_class_names(
        ["Katze", "кошка", "猫", "🐈", "chat noir", "Chat noir", "x" * LONGEST, COMPOSED, "👩\u200d🔬"], "photos"
    )


def test_a_name_of_a_label_that_no_image_has_does_not_matter():
    images, labels = np.zeros((2, 8, 8, 1), np.uint8), np.array([1, 2])
    assert make_source("photos", {"train": (images, labels)}, ["", "ant", "bee"]).class_names == ("ant", "bee")


def test_a_data_set_in_a_folder_that_is_not_utf_8_has_a_name_that_is():
    images, labels = np.zeros((2, 8, 8, 1), np.uint8), np.arange(2)
    assert make_source(CAFE, {"train": (images, labels)}, ["ant", "bee"]).name == r"caf\xe9"
    assert printable("café … 猫") == "café … 猫"


def test_a_path_that_tensorflow_would_write_otherwise_is_refused(monkeypatch):
    check_path("café/猫", "a run directory")
    with pytest.raises(
        RunDirectoryError, match=re.escape(r"a run directory must be UTF-8. Received: b'caf\xe9'. Rename")
    ):
        check_path(CAFE, "a run directory")
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "iso8859-9")
    check_path("plain", "a run directory")
    with pytest.raises(RunDirectoryError, match="Set PYTHONUTF8=1: file names are taken for iso8859-9 here"):
        check_path("café", "a run directory")


@pytest.mark.parametrize("train", ["", "train"])
def test_a_class_folder_that_is_not_utf_8_is_refused_before_an_image_is_opened(train, tmp_path):
    for name in (CAFE, "tea"):
        folder = tmp_path / train / name
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a class name must be UTF-8.*Received: b'caf\\xe9'\. Rename it; `convmv"):
        sources.check(DataConfig(dataset=str(tmp_path)))


def test_two_equal_class_names_of_a_file_are_refused(tmp_path):
    images, labels = np.zeros((3, 8, 8, 1), np.uint8), np.arange(3)
    np.savez(tmp_path / "data.npz", x_train=images, y_train=labels, class_names=np.array(["ant", "bee", "ant"]))
    with pytest.raises(
        DataError, match=r"data\.npz: every class needs a name of its own. Received: 'ant' and 'ant', which"
    ):
        sources.read(DataConfig(dataset=str(tmp_path / "data.npz")))

import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import load
from epnas_tf.data.sources import layout
from epnas_tf.errors import DataError
from tests.data.sources.image_files import pixels, read, save


def fill(root, *folders, count=1):
    for folder in folders:
        for index in range(count):
            save(root / folder / f"{index}.png", pixels(len(folder) + index))


@pytest.mark.parametrize(
    ("folders", "note"),
    [
        (["Train/a", "Train/b", "Test/a"], "Train/: training, Test/: test"),
        (["training/a", "training/b", "testing/a"], "training/: training, testing/: test"),
        (["Training_Set/a", "Training_Set/b", "Test_Set/a"], "Training_Set/: training, Test_Set/: test"),
        (["train_data/a", "train_data/b", "testdata/b"], "train_data/: training, testdata/: test"),
        (["seg_train/a", "seg_train/b", "seg_test/a"], "seg_train/: training, seg_test/: test"),
        (
            ["seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a"],
            "seg_train/seg_train/: training, seg_test/seg_test/: test",
        ),
        (["train_birds/a", "train_birds/b", "dev_birds/a"], "train_birds/: training, dev_birds/: validation"),
        (["train/a", "train/b", "valid/a"], "train/: training, valid/: validation"),
        (["TRAIN/a", "TRAIN/b", "Val/a", "test/b"], "TRAIN/: training, Val/: validation, test/: test"),
        (
            ["training/a", "training/b", "validation/a", "evaluation/b"],
            "training/: training, validation/: validation, evaluation/: test",
        ),
        (["train/a", "train/b"], "train/: training"),
        (["bullet_train/a", "bullet_train/b", "car/c"], None),
        (["train", "bus", "a"], None),
        (["n01/images", "n02/images"], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_parts_are_told_by_the_names_in_use(tmp_path, folders, note):
    fill(tmp_path, *folders)
    found = layout.find(tmp_path)
    if note:
        assert found.class_names == ("a", "b")
        assert found.notes[0] == note
        assert found.classes.keys() == {item.split(": ")[1].replace("training", "train") for item in note.split(", ")}
    else:
        assert found.class_names == tuple(sorted({folder.split("/")[0] for folder in folders}))
        assert (list(found.classes), found.notes) == (["train"], ())


def test_a_validation_part_scores_and_a_missing_class_is_told(tmp_path):
    fill(tmp_path, "train/a", "train/b", "valid/a", "valid/b", "test/b", count=2)
    fill(tmp_path, "extra/a")
    source = read(tmp_path)
    assert [len(part) for part in (source.train, source.validation, source.test)] == [4, 4, 2]
    assert source.test.labels.tolist() == [1, 1]
    assert source.notes[:2] == (
        "train/: training, valid/: validation, test/: test",
        "not used, as no part is called so: extra/",
    )
    notes = load(DataConfig(dataset=str(tmp_path)), seed=0).notes
    assert "warning: no test image is of 1 of the classes (a), so nothing is known of these at the end" in notes


@pytest.mark.parametrize("place", ["test", "test/test"])
def test_images_without_classes_are_no_test(tmp_path, place):
    fill(tmp_path, "train/a", "train/b", place)
    source = read(tmp_path)
    assert source.test is None
    assert source.notes[1].startswith(f"warning: {place}/ holds images (1) but no class folders, so it is not used")


def test_a_folder_around_the_classes_or_parts_is_gone_into(tmp_path):
    fill(tmp_path / "photos", "photos/a", "photos/b", "__MACOSX/photos")
    assert layout.find(tmp_path / "photos").class_names == ("a", "b")
    assert layout.find(tmp_path / "photos").notes == (
        f"the class folders are read from {tmp_path / 'photos' / 'photos'}",
    )
    fill(tmp_path / "other", "dataset/train/a", "dataset/train/b", "dataset/val/b")
    assert layout.find(tmp_path / "other").notes[1] == "train/: training, val/: validation"


def test_folders_beside_a_training_part_alone_are_a_warning(tmp_path):
    fill(tmp_path, "train/steam", "train/diesel", "bus")
    assert layout.find(tmp_path).notes[1] == "warning: not used, as no part is called so: bus/"


@pytest.mark.parametrize(
    ("folders", "received"),
    [
        (
            ["train/a", "train/b", "test/a", "Testing/a"],
            r"must have one test part at most\. Received: .* Testing, test",
        ),
        (["learn/a", "learn/b", "check/a", "check/b", "check/c"], r"whose folders check, learn all hold .* \(a, b\)"),
        (["cat/train", "cat/test", "dog/train", "dog/test"], r"whose folders cat, dog all hold .* \(test, train\)"),
        (["Train", "Test"], r"Received: .*Train with 0 folders"),
        (["train/A", "train/b", "test/a"], "'a' and 'A' must be written alike"),
        (["train/a", "train/b", "val/c"], r"The validation folder must .* with the folders \['c'\], expected among"),
        (["train/a", "train/b", "test/unknown"], r"The test folder must .* with the folders \['unknown'\]"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_open_is_refused(tmp_path, folders, received):
    fill(tmp_path, *folders)
    with pytest.raises(DataError, match=received):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"), [("cafe\u0301", r"'cafe\\u0301' and 'caf\\xe9'"), ("caf\u00e9 ", r"'caf\\xe9 ' and")]
)
def test_names_of_two_parts_that_only_read_alike_are_shown_as_they_are_written(tmp_path, name, shown):
    fill(tmp_path, "train/caf\u00e9", "train/x", f"val/{name}", "val/x")
    with pytest.raises(DataError, match=rf"{shown}.* must be written alike: rename one as the other"):
        layout.find(tmp_path)

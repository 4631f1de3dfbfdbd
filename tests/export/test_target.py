import os
import stat

import pytest

from epnas_tf.errors import RunDirectoryError
from epnas_tf.export import ExportError
from epnas_tf.export.target import Target, write_export_file
from tests.bin.runs import snapshot


def fill(target, text="new"):
    with target.staging() as folder:
        (folder / "model.keras").write_text(text)
        write_export_file(folder, {"text": text})


def fill_partly(target, error):
    with target.staging() as folder:
        (folder / "model.keras").write_text("new")
        raise error


@pytest.fixture
def export(tmp_path):
    """An export that is there."""
    fill(Target(tmp_path / "export"), "old")
    return tmp_path / "export"


def test_folder_appears_when_all_of_it_is_there(tmp_path):
    target = Target(tmp_path / "deep" / "export")
    with target.staging() as folder:
        assert not target.path.exists()
        assert folder.parent.parent == target.path.parent  # so on the same disk
        (folder / "model.keras").write_text("new")
    assert snapshot(tmp_path).keys() == {"deep/export/model.keras"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["export"]


def test_folder_may_be_read_by_whom_the_user_lets(tmp_path):
    mask = os.umask(0o022)
    try:
        fill(Target(tmp_path / "export"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == 0o755


def test_two_exports_at_a_time_do_not_disturb_one_another(tmp_path):
    at_work = Target(tmp_path / "export").staging()
    folder = at_work.__enter__()
    fill(Target(tmp_path / "export"))
    assert folder.exists()
    assert not at_work.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize("error", [ExportError, KeyboardInterrupt])
@pytest.mark.parametrize("overwrite", [False, True])
def test_failure_leaves_what_was_there(tmp_path, error, overwrite):
    if overwrite:
        fill(Target(tmp_path / "export"), "old")
    before = snapshot(tmp_path)
    with pytest.raises(error):
        fill_partly(Target(tmp_path / "export", overwrite), error)
    assert snapshot(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == overwrite


def test_existing_export_is_refused(export):
    before = snapshot(export)
    with pytest.raises(ExportError, match=r"exists\. Give --overwrite"):
        Target(export)
    assert snapshot(export) == before


def test_overwrite_replaces_an_export(export):
    fill(Target(export, overwrite=True))
    assert (export / "model.keras").read_text() == "new"
    assert list(export.parent.iterdir()) == [export]


def test_overwrite_replaces_nothing_but_an_export(export):
    (export / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"Received: notes\.txt"):
        Target(export, overwrite=True)
    (export / "notes.txt").unlink()
    (export / "export.json").write_text('{"format": "mine"}')
    with pytest.raises(ExportError, match=r"Received: no export\.json of an export"):
        Target(export, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_place_is_refused(tmp_path, overwrite):
    (tmp_path / "export").write_text("mine")
    with pytest.raises(ExportError):
        Target(tmp_path / "export", overwrite)
    assert (tmp_path / "export").read_text() == "mine"


def test_export_that_came_in_between_is_left(tmp_path):
    with pytest.raises(ExportError, match="exists"), Target(tmp_path / "export").staging():
        fill(Target(tmp_path / "export"), "theirs")
    assert (tmp_path / "export" / "model.keras").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_link_to_another_disk_is_followed(export, tmp_path):
    (tmp_path / "link").symlink_to(export)
    fill(Target(tmp_path / "link", overwrite=True))
    assert (tmp_path / "link").is_symlink()
    assert (export / "model.keras").read_text() == "new"


def test_place_inside_a_file_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunDirectoryError, match="cannot be written: Not a directory"):
        Target(tmp_path / "file" / "deep" / "export")

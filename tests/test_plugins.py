"""Modules of a person's own operations and spaces; the whole path with one is in tests/bin/test_plugin.py."""

import importlib.metadata
import sys

import pytest

from epnas_tf import plugins
from epnas_tf.config import RunConfig, SpaceConfig, TrainingConfig
from epnas_tf.errors import ConfigError, RunDirectoryError
from epnas_tf.nn import operation, registry
from epnas_tf.storage.run_directory import RunDirectory, read_config, recalled

REGISTERS = "from epnas_tf.nn import convolution, register\nregister(convolution({name!r}, 7))\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that one is in; what is registered and imported meanwhile is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(registry, "_OPERATIONS", dict(registry._OPERATIONS))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_module_of_the_current_folder_is_found_behind_all_libraries(folder):
    (folder / "my_first.py").write_text(REGISTERS.format(name="my_conv"))
    (folder / "numpy.py").write_text("raise RuntimeError")
    SpaceConfig(plugins=("my_first",))
    assert operation("my_conv").name == "my_conv"
    assert sys.path[-1] == str(folder)
    TrainingConfig(plugins=("my_first",))  # a second time, it is there


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "Received: my_second: ModuleNotFoundError.*start in the folder"),
        ("1 / 0", "Received: my_second: ZeroDivisionError: division by zero"),
        ("from epnas_tf.nn import convolution, register; register(convolution('conv_3x3', 3))", "once.*'conv_3x3'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused(folder, text, words):
    if text is not None:
        (folder / "my_second.py").write_text(text)
    with pytest.raises(ConfigError, match=words):
        SpaceConfig(plugins=("my_second",))


def test_a_run_brings_its_plugins(folder):
    (folder / "my_third.py").write_text(REGISTERS.format(name="my_third_conv"))
    config = RunConfig(space=SpaceConfig(plugins=("my_third",), operations=("my_third_conv",)))
    with RunDirectory("run", config) as directory:
        directory.append_record({"child": 1})
    with RunDirectory("run", RunConfig(space=SpaceConfig(operations=("my_third_conv",)))):
        pass  # where a plugin comes from is no setting that a result depends on
    assert recalled(RunConfig(), "run").space.plugins == ("my_third",)
    registry._OPERATIONS.pop("my_third_conv")
    del sys.modules["my_third"]
    assert read_config("run").space.plugins == ("my_third",)
    assert operation("my_third_conv")
    (folder / "my_third.py").unlink()
    del sys.modules["my_third"]
    with pytest.raises(RunDirectoryError, match=r"run/config.json .*Received: my_third: ModuleNotFoundError"):
        read_config("run")


def test_what_installed_packages_name_is_imported_once_it_is_asked_for(folder, monkeypatch):
    (folder / "my_fourth.py").write_text(REGISTERS.format(name="my_fourth_conv"))
    monkeypatch.syspath_prepend(str(folder))
    entry = importlib.metadata.EntryPoint("mine", "my_fourth", plugins.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    plugins.load_installed.cache_clear()
    assert operation("conv_3x3")
    assert "my_fourth" not in sys.modules
    assert operation("my_fourth_conv").label == "my fourth conv"
    plugins.load_installed.cache_clear()

import functools
import json
import subprocess
import sys

import pytest
from absl import flags

from epnas_tf.bin import flags as config_flags
from epnas_tf.config import RunConfig, SpaceConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import fields_of, from_values, values_of


@pytest.fixture
def command_line(monkeypatch):
    """Absl's flags, all of a run's settings among them and nothing else; returns what a command line gives."""
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    for kind in ("enum", "list", "boolean", "integer", "float", "string"):
        name = f"DEFINE_{kind}"
        define = getattr(flags, name)
        monkeypatch.setattr(flags, name, lambda *given, define=define: define(*given, flag_values=values))
    config_flags.define(RunConfig)

    def parse(*arguments):
        values(["program", *arguments])
        return config_flags.to_config(RunConfig)

    return parse


def test_no_flags_give_the_dataclasses_defaults(command_line):
    assert command_line() == RunConfig()


def test_each_setting_has_a_flag_with_its_help_and_no_other(command_line):
    fields = {field.name: field for field in fields_of(RunConfig)}
    assert set(flags.FLAGS) == set(fields)
    for name, field in fields.items():
        assert flags.FLAGS[name].help.endswith(field.metadata["help"])
        assert tuple(getattr(flags.FLAGS[name].parser, "enum_values", ())) == field.metadata["choices"]


def test_flags_of_each_type_reach_their_setting(command_line):
    config = command_line(
        "--space=micro", "--blocks=3", "--operations=conv_3x3,identity", "--l2=1e-3", "--dataset=x", "--seed=5"
    )
    given = {
        "space": "micro",
        "blocks": 3,
        "operations": ("conv_3x3", "identity"),
        "l2": 1e-3,
        "dataset": "x",
        "seed": 5,
    }
    assert values_of(config) == {**values_of(RunConfig()), **given}
    assert config.space == SpaceConfig("micro", blocks=3, operations=("conv_3x3", "identity"))


def test_flag_file_and_flags_after_it(command_line, tmp_path):
    (tmp_path / "a.cfg").write_text("# a comment\n--k=3\n--layers=4\n")
    flags.DEFINE_string("flagfile", "", "a file of flags")
    config = command_line(f"--flagfile={tmp_path / 'a.cfg'}", "--k=2")
    assert config == from_values(RunConfig, {"k": 2, "layers": 4})


@pytest.mark.parametrize("arguments", [["--k=abc"], ["--k=1.5"], ["--l2=x"], ["--kk=3"]])
def test_flags_that_cannot_be_read_are_refused(command_line, arguments):
    with pytest.raises(flags.Error, match=arguments[0].split("=")[0].strip("-")):
        command_line(*arguments)


def test_value_out_of_bounds_is_refused(command_line):
    with pytest.raises(ConfigError, match="`k` must be at least 1"):
        command_line("--k=0")


def test_a_path_begins_at_home_where_it_says_so(monkeypatch):
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    monkeypatch.setattr(flags, "DEFINE", functools.partial(flags.DEFINE, flag_values=values))
    monkeypatch.setenv("HOME", "/home/somebody")
    config_flags.define_path("place", "where")
    config_flags.define_path("other", "where else")
    values(["program", "--place=~/runs/a"])
    assert (values.place, values.other) == ("/home/somebody/runs/a", None)


def test_the_module_defines_no_flag_when_it_is_imported():
    code = "import json, sys; from absl import flags; before = set(flags.FLAGS); import epnas_tf.bin.flags; "
    code += "print(json.dumps([sorted(set(flags.FLAGS) - before), 'tensorflow' in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(result.stdout) == [[], False]

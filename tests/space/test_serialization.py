"""Architectures as JSON: exact both ways, easy to write by hand, clear about what is wrong."""

import dataclasses
import json
import os

import numpy as np
import pytest

from epnas_tf.errors import ArchitectureError
from epnas_tf.space import (
    MacroSpace,
    MicroSpace,
    StagedSpace,
    architecture_from_dict,
    architecture_from_json,
    architecture_to_dict,
    architecture_to_json,
    definition_of_space,
    load_architecture,
    save_architecture,
)
from epnas_tf.space.definition import _SPACES
from tests.space.test_architecture import MACRO, MICRO

MACRO_JSON = """{
  "format": "epnas_tf.architecture",
  "version": 1,
  "space": "macro",
  "layers": [
    {"operation": "conv_3x3", "skips": []},
    {"operation": "sep_conv_5x5", "skips": [0]},
    {"operation": "max_pool_3x3", "skips": [0, 1]},
    {"operation": "conv_5x5", "skips": []}
  ]
}
"""
MICRO_JSON = """{
  "format": "epnas_tf.architecture",
  "version": 1,
  "space": "micro",
  "blocks": [
    {"left": {"operation": "identity", "input": -2}, "right": {"operation": "conv_3x3", "input": -1}},
    {"left": {"operation": "max_pool_3x3", "input": -1}, "right": {"operation": "sep_conv_3x3", "input": 1}},
    {"left": {"operation": "identity", "input": 1}, "right": {"operation": "identity", "input": 1}}
  ]
}
"""
HEADER = {"format": "epnas_tf.architecture", "version": 1}
SIDE = {"operation": "conv_3x3", "input": -1}


def macro(*layers, **changes):
    return {**HEADER, "space": "macro", "layers": list(layers), **changes}


def micro(*blocks, **changes):
    return {**HEADER, "space": "micro", "blocks": list(blocks), **changes}


@pytest.mark.parametrize(("architecture", "text"), [(MACRO, MACRO_JSON), (MICRO, MICRO_JSON)], ids=["macro", "micro"])
def test_golden(architecture, text):
    assert architecture_to_json(architecture) == text
    assert architecture_from_json(text) == architecture
    assert json.loads(text) == architecture_to_dict(architecture)


@pytest.mark.parametrize("space", [MacroSpace(), MicroSpace(), StagedSpace(stages=4)], ids=["macro", "micro", "staged"])
def test_round_trip_of_random_architectures(space):
    rng = np.random.default_rng(0)
    for level in range(1, space.num_levels + 1):
        for _ in range(20):
            architecture = space.sample(rng, level)
            text = architecture_to_json(architecture)
            assert architecture_from_json(text) == architecture
            assert architecture_to_json(architecture_from_json(text)) == text
            assert architecture_from_dict(json.loads(json.dumps(architecture_to_dict(architecture)))) == architecture


def test_by_hand():
    text = '{"space": "macro", "format": "epnas_tf.architecture", "layers": [{"operation": "conv_3x3"}], "version": 1}'
    assert str(architecture_from_json(text)) == "1 conv_3x3"
    mirrored = micro({"left": {"input": -1, "operation": "a"}, "right": {"input": -2, "operation": "b"}})
    assert str(architecture_from_dict(mirrored)) == "1 b(c-2) + a(c-1)"


BAD_VALUES = [
    ([], ["JSON object", "Received: []"]),
    (None, ["JSON object", "Received: None"]),
    ({}, ['`format` must be "epnas_tf.architecture"', "no such key"]),
    (macro({"operation": "a"}, format="onnx"), ["`format`", "Received: 'onnx'"]),
    (macro({"operation": "a"}, version=2), ["understands `version` 1", "Received: version=2"]),
    (macro({"operation": "a"}, version=True), ["understands `version` 1", "Received: version=True"]),
    (macro({"operation": "a"}, version="1"), ["understands `version` 1", "Received: version='1'"]),
    (macro({"operation": "a"}, space="nano"), ["macro or micro", "Received: space='nano'"]),
    (macro({"operation": "a"}, space=["macro"]), ["macro or micro", "Received: space=['macro']"]),
    ({**HEADER}, ["macro or micro", "Received: space=None"]),
    ({**HEADER, "space": "macro"}, ["keys format, version, space, layers", "Received: format, version, space"]),
    (macro({"operation": "a"}, blocks=[]), ["keys format, version, space, layers.", "blocks"]),
    (macro(), ["`layers`", "at least one", "Received: layers=[]"]),
    (macro(layers={"operation": "a"}), ["`layers` must be a list", "Received: layers={"]),
    (micro(), ["`blocks`", "Received: blocks=[]"]),
    (macro({"operation": "a"}, "conv_3x3"), ["layers[1]: ", "operation (and optionally skips)", "'conv_3x3'"]),
    (macro({"skips": []}), ["layers[0]: ", "Received: skips"]),
    (macro({"operation": "a", "skip": [0]}), ["layers[0]: ", "Received: operation, skip"]),
    (macro({}), ["layers[0]: ", "Received: no keys"]),
    (macro({"operation": 5}), ["layers[0]: ", "Received: operation=5"]),
    (macro({"operation": "a", "skips": None}), ["layers[0]: ", "list of integers", "skips=None"]),
    (macro({"operation": "a", "skips": {}}), ["layers[0]: ", "list of integers", "skips={}"]),
    (macro({"operation": "a"}, {"operation": "a", "skips": [False]}), ["layers[1]: ", "integer", "Received: False"]),
    (macro({"operation": "a"}, {"operation": "a", "skips": [0.0]}), ["layers[1]: ", "integer", "Received: 0.0"]),
    (macro({"operation": "a", "skips": [0]}), ["Layer 1", "Received: skips=[0]"]),
    (macro({"operation": "a", "skips": [10**30]}), ["Layer 1", f"skips=[{10**30}]"]),
    (micro({"left": SIDE}), ["blocks[0]: ", "keys left, right", "Received: left"]),
    (micro({"left": SIDE, "right": ["conv_3x3", -1]}), ["blocks[0]: right: ", "operation, input", "['conv_3x3', -1]"]),
    (micro({"left": {"operation": "a"}, "right": SIDE}), ["blocks[0]: left: ", "Received: operation"]),
    (micro({"left": SIDE, "right": {**SIDE, "input": True}}), ["blocks[0]: right: ", "Received: True"]),
    (micro({"left": SIDE, "right": {**SIDE, "input": 0}}), ["blocks[0]: right: ", "Received: input=0"]),
    (micro({"left": SIDE, "right": {**SIDE, "input": 1}}), ["Block 1", "Received: input=1"]),
]


@pytest.mark.parametrize(("value", "parts"), BAD_VALUES)
def test_refuses_values(value, parts, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(value))
    for read in (lambda: architecture_from_dict(value), lambda: load_architecture(path)):
        with pytest.raises(ArchitectureError) as info:
            read()
        for part in [*parts, "Received: "]:
            assert part in str(info.value)
    assert str(info.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["line 1, column 1", "Received: ''"]),
        ("[1,\n 2,\n oops]", ["line 3, column 2", "Received: ' oops]'"]),
        (MACRO_JSON[:-30], ["Expected JSON", "line 9, column 19"]),
        ('{"format": "x", "format": "y"}', ["each key once", "Received: 'format' twice"]),
        ("[" * 100_000, ["Expected JSON", "Received: '[["]),
        ("1" * 10_000, ["Expected JSON", "Received: '111"]),
    ],
)
def test_refuses_texts(text, parts):
    with pytest.raises(ArchitectureError) as info:
        architecture_from_json(text)
    for part in parts:
        assert part in str(info.value)
    assert len(str(info.value)) < 400


def test_refuses_what_is_no_architecture():
    with pytest.raises(ArchitectureError, match="Received: 'conv_3x3'"):
        architecture_to_json("conv_3x3")


@pytest.mark.parametrize("architecture", [MACRO, MICRO], ids=["macro", "micro"])
def test_save_and_load(architecture, tmp_path):
    path = tmp_path / "architecture.json"
    save_architecture(MACRO, path)
    save_architecture(architecture, str(path))
    assert load_architecture(path) == load_architecture(str(path)) == architecture
    assert path.read_text() == architecture_to_json(architecture)
    assert os.listdir(tmp_path) == ["architecture.json"]


def test_load_takes_a_byte_order_mark(tmp_path):
    path = tmp_path / "architecture.json"
    path.write_bytes(b"\xef\xbb\xbf" + MICRO_JSON.encode())
    assert load_architecture(path) == MICRO


def test_load_refuses_files(tmp_path):
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'{"format": "\xe9"}')
    cut = tmp_path / "cut.json"
    cut.write_text(MACRO_JSON[:50])
    for path, part in (
        (tmp_path / "missing.json", "No such file"),
        (tmp_path, "Is a directory"),
        (latin, "byte 12"),
        (cut, "line 3"),
    ):
        with pytest.raises(ArchitectureError) as info:
            load_architecture(path)
        assert str(path) in str(info.value)
        assert part in str(info.value)


def test_a_failed_save_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "architecture.json"
    save_architecture(MACRO, path)

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(ArchitectureError, match="No space left") as info:
        save_architecture(MICRO, path)
    assert str(path) in str(info.value)
    assert load_architecture(path) == MACRO
    assert os.listdir(tmp_path) == ["architecture.json"]


def test_save_refuses_a_missing_folder(tmp_path):
    with pytest.raises(ArchitectureError, match=r"No such file.*Received: .*nowhere"):
        save_architecture(MACRO, tmp_path / "nowhere" / "architecture.json")


class Word(str):
    """An architecture of a space whose `from_json` looks at nothing."""

    __slots__ = ()


def test_what_another_spaces_reader_stumbles_over_is_refused(monkeypatch):
    words = dataclasses.replace(
        definition_of_space("macro"), name="words", architecture=Word, from_json=lambda items: Word("".join(items))
    )
    monkeypatch.setitem(_SPACES, "words", words)
    assert architecture_from_dict({**HEADER, "space": "words", "layers": ["a", "b"]}) == "ab"
    with pytest.raises(ArchitectureError, match=r"layers must be those .* words space, but TypeError.*Received: \[1\]"):
        architecture_from_dict({**HEADER, "space": "words", "layers": [1]})

import dataclasses
import json
import math
import re

import pytest

from epnas_tf.config import (
    ChildConfig,
    DataConfig,
    LimitConfig,
    NetworkConfig,
    RunConfig,
    SearchConfig,
    SpaceConfig,
    SurrogateConfig,
)
from epnas_tf.errors import ConfigError
from epnas_tf.options import fields_of, from_values, require, values_of

GROUPS = (SpaceConfig, NetworkConfig, DataConfig, ChildConfig, SurrogateConfig, SearchConfig, LimitConfig)
FIELDS = list(fields_of(RunConfig))
BOUNDS = ("minimum", "maximum", "above")
SOURCES = r"\[(the )?(paper|ENAS|PNAS)[^]]*\]"
DATA_FIELDS = list(fields_of(DataConfig))


def bounded(*names):
    return [(field, name) for field in FIELDS for name in names if field.metadata[name] is not None]


def beyond(field, bound):
    """Returns the nearest value that is out of a bound."""
    value = field.metadata[bound]
    if bound == "above":
        return value
    whole = isinstance(field.default, int)
    towards = -math.inf if bound == "minimum" else math.inf
    return value + (1 if towards > 0 else -1) if whole else math.nextafter(value, towards)


def make(field, value):
    return from_values(RunConfig, {field.name: value})


def case_name(value):
    return getattr(value, "name", None) or str(value)


@pytest.mark.parametrize(("field", "bound"), bounded(*BOUNDS), ids=case_name)
def test_value_out_of_a_bound_is_refused_by_name(field, bound):
    value = beyond(field, bound)
    words = {"minimum": "at least", "maximum": "at most", "above": "greater than"}[bound]
    expected = f"`{field.name}` must be {words} {field.metadata[bound]}. Received: {field.name}={value!r}"
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        make(field, value)


@pytest.mark.parametrize(("field", "bound"), bounded("minimum", "maximum"), ids=case_name)
def test_value_at_a_bound_is_taken(field, bound):
    value = field.metadata[bound]
    assert values_of(make(field, value))[field.name] == value


@pytest.mark.parametrize("field", [f for f in FIELDS if isinstance(f.default, float)], ids=case_name)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_must_be_finite(field, value):
    with pytest.raises(ConfigError, match=f"^`{field.name}` must be .* Received: {field.name}={value}$"):
        make(field, value)


def test_a_childs_accuracy_is_said_to_be_on_the_weights_that_it_had():
    assert ChildConfig().on_weights == "on the shared weights"
    assert ChildConfig(share_weights=False).on_weights == "on weights of its own"


@pytest.mark.parametrize("field", [f for f in FIELDS if f.metadata["choices"]], ids=case_name)
def test_only_choices_are_taken(field):
    choices = field.metadata["choices"]
    assert [values_of(make(field, choice))[field.name] for choice in choices] == list(choices)
    expected = f"`{field.name}` must be one of {', '.join(choices)}. Received: {field.name}='other'"
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        make(field, "other")


@pytest.mark.parametrize("field", FIELDS, ids=case_name)
def test_every_number_has_a_lower_bound(field):
    if isinstance(field.default, int | float) and not isinstance(field.default, bool):
        assert field.metadata["minimum"] is not None or field.metadata["above"] is not None


@pytest.mark.parametrize("field", FIELDS, ids=case_name)
def test_every_help_text_names_its_source_or_for_the_data_its_unit(field):
    text = field.metadata["help"]
    assert not text.endswith(".")
    if field in DATA_FIELDS:
        assert isinstance(field.default, str) or re.search("pixels|images|part", text)
    elif field.name != "seed":
        assert re.search(SOURCES, text)


def test_field_names_are_distinct_so_each_can_be_a_flag():
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    assert {name for group in GROUPS for name in (f.name for f in dataclasses.fields(group))} | {
        "seed",
        "round",
    } == set(names)


def other(field):
    """Returns a value that is not the default."""
    if field.metadata["choices"]:
        return field.metadata["choices"][-1 if field.default != field.metadata["choices"][-1] else 0]
    if isinstance(field.default, tuple):
        return ("json",) if field.name == "plugins" else ("conv_3x3", "conv_5x5")
    if isinstance(field.default, str):
        return "something"
    if isinstance(field.default, bool):
        return not field.default
    return field.default + 1 if isinstance(field.default, int) else field.default / 2


def test_settings_survive_json():
    values = {field.name: other(field) for field in FIELDS} | {
        "mirrored": False,
        "augmentation": "",
    }  # not to be had beside others
    config = from_values(RunConfig, values)
    assert values_of(config) == values
    assert config != RunConfig()
    again = from_values(RunConfig, json.loads(json.dumps(values_of(config))))
    assert again == config
    assert hash(again) == hash(config)


def test_what_is_no_settings_object_is_refused():
    require(RunConfig, "config", RunConfig())
    with pytest.raises(ConfigError, match=r"`config` must be a RunConfig\. Received: 'digits'"):
        require(RunConfig, "config", "digits")


def test_absent_values_keep_their_defaults():
    assert from_values(RunConfig, {}) == RunConfig()
    assert from_values(RunConfig, {"k": 7}) == RunConfig(search=SearchConfig(k=7))


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"k": 2.5}, "a whole number"),
        ({"k": True}, "a whole number"),
        ({"l2": "a"}, "a number"),
        ({"space": 1}, "a text"),
    ],
)
def test_value_of_another_type_is_refused(values, expected):
    ((name, value),) = values.items()
    with pytest.raises(ConfigError, match=f"`{name}` must be {expected}. Received: {name}={value!r}"):
        from_values(RunConfig, values)


def test_group_of_another_type_is_refused():
    with pytest.raises(ConfigError, match=r"`space` must be a SpaceConfig. Received: NetworkConfig"):
        RunConfig(NetworkConfig())

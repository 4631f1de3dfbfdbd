import numpy as np
import pytest

from epnas_tf.errors import ConfigError
from epnas_tf.export.formats import FORMATS, MAX_DIFFERENCE, ExportError, Parity, compare, select


def test_comparison_counts_differences_by_hand():
    expected = np.array([[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]], np.float32)
    found = np.array([[0.45, 0.55], [0.2, 0.8], [0.2, 0.8]], np.float32)
    parity = compare(expected, found)
    assert (parity.num_images, parity.num_differing, parity.num_far) == (3, 1, 1)
    found[0] = [0.5, 0.5]  # of equal ones the first
    assert (compare(expected, found).num_differing, compare(expected, found).num_far) == (0, 0)
    expected[0] = [0.47, 0.53]
    assert (compare(expected, found).num_differing, compare(expected, found).num_far) == (1, 0)
    assert parity.max_difference == pytest.approx(0.15)
    assert parity.equal_predictions == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", ["saved_model", "keras", "tflite"])
def test_float_forms_are_held_to_a_difference(name):
    FORMATS[name].check(Parity(100, MAX_DIFFERENCE, 1, 0))  # a tie may fall either way within it
    for difference in (1.01 * MAX_DIFFERENCE, float("nan")):
        with pytest.raises(ExportError, match=f"{FORMATS[name].file} does not answer"):
            FORMATS[name].check(Parity(100, difference, 0, 0))


def test_rounded_weights_are_held_to_the_share_of_equal_classes():
    entry = FORMATS["tflite_int8"]
    entry.check(Parity(200, 0.3, 4, 4))
    with pytest.raises(ExportError, match=r"all but 4 of 200 images.*5 of 200 images"):
        entry.check(Parity(200, 0.3, 5, 0))
    entry.check(Parity(10, 0.3, 1, 1))
    with pytest.raises(ExportError, match="all but 1 of 10 images"):
        entry.check(Parity(10, 0.3, 2, 2))


def test_rounded_activations_may_decide_between_classes_that_are_nearly_equal():
    entry = FORMATS["tflite_full_int8"]
    entry.check(Parity(200, 0.3, 40, 4))
    with pytest.raises(ExportError, match=r"as probable to within 0\.1, for all but 4 of 200 images.*5 of 200 images"):
        entry.check(Parity(200, 0.3, 40, 5))


def test_formats_are_chosen_by_name_each_once():
    assert [entry.name for entry in select(["tflite", "keras", "tflite"])] == ["keras", "tflite"]
    assert [entry.name for entry in select(FORMATS)] == list(FORMATS)


@pytest.mark.parametrize("names", [[], ["onnx"], ["keras", ""]])
def test_other_formats_are_refused(names):
    with pytest.raises(ConfigError, match="`format` must be one or more of saved_model, keras, tflite, tflite_int8"):
        select(names)

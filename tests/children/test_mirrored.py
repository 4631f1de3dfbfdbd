"""Children on two devices that share each batch, against children on one."""

import json

import numpy as np
import pytest

from epnas_tf.children.child import child_store
from epnas_tf.config import ChildConfig
from epnas_tf.errors import ConfigError
from tests.bin import runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirrored")
    done = runs.program("tests.children.mirrored", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_batch_norm_on_two_devices_keeps_the_variance_of_values_far_from_zero(trained):
    """As on one device (`tests/nn/test_batch_norm.py`); a value's last bit is 6e-5 at 1000, of a deviation of 0.1."""
    far = np.load(trained / "far.npz")
    inputs = far["inputs"].astype(np.float64)
    variance = inputs.var(axis=(0, 1, 2, 3))
    wanted = (inputs - inputs.mean(axis=(0, 1, 2, 3))) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(far["outputs"], wanted, atol=1e-2)
    np.testing.assert_allclose(far["variance"], 0.9 + 0.1 * variance, rtol=1e-5)


def test_two_devices_with_half_of_each_batch_give_what_one_gives(trained):
    one, two = (json.loads((trained / f"{mirrored}.json").read_text()) for mirrored in (False, True))
    assert one["index"] == two["index"]
    for name, value in one["result"].items():
        if not name.endswith("seconds"):
            # float32 sums of a batch in two parts; four steps do not let that grow.
            assert two["result"][name] == pytest.approx(value, rel=1e-4), name
    with np.load(trained / "False.npz") as expected, np.load(trained / "True.npz") as found:
        for name in ("weights", "momentum"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4)


def test_a_batch_that_is_not_shared_evenly_is_refused(trained):
    message = (trained / "odd.txt").read_text()
    assert "every batch must have a multiple of 2 images" in message
    assert "Received: 33" in message


def test_one_device_is_refused():
    with pytest.raises(ConfigError, match=r"`mirrored` needs two GPUs at least. Received: /device:CPU:0"):
        child_store(ChildConfig(mirrored=True), 0)


def test_xla_and_several_devices_are_refused():
    with pytest.raises(ConfigError, match="`xla` and `mirrored` do not go together"):
        ChildConfig(xla=True, mirrored=True)


def test_the_command_says_so_before_the_search(tmp_path):
    result = runs.drive("search", "--dataset=digits", "--mirrored", f"--run_dir={tmp_path / 'run'}")
    runs.assert_clear_error(result, "`mirrored` needs two GPUs at least", "Leave it out")
    assert not (tmp_path / "run").exists()

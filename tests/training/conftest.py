import pytest
import tensorflow as tf

from tests.training import helpers


@pytest.fixture(autouse=True, scope="package")
def as_the_commands_start_it():
    """Grappler off, as `prepare_tensorflow` has it; its other changes cannot be undone in a process."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="package")
def finished(tmp_path_factory):
    """A finished final training with everything that is random; its result. Its files are not changed."""
    return helpers.train(tmp_path_factory.mktemp("finished") / "run", helpers.FINISHED, helpers.SKIPS)

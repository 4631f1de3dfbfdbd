"""Full float32 precision during evaluation."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Disables TensorFloat-32, a GPU's default, which changes probabilities by up to some thousandths."""
    import tensorflow as tf

    enabled = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(enabled)

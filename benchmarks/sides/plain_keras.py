"""The same networks in plain Keras layers, for comparison: what a KerasTuner user would write."""

from typing import Any

import keras

from epnas_tf.export.plain import plain_model
from epnas_tf.space import NetworkShape, build_graph


def build_model(architecture: Any, shape: NetworkShape) -> keras.Model:
    """Returns a compiled model of an architecture, node for node with Keras's own layers."""
    model = plain_model(build_graph(architecture, shape), shape.image_shape)
    optimizer = keras.optimizers.SGD(0.05, 0.9, nesterov=True, global_clipnorm=5.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

"""Writes a plain Keras model in each of the forms."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

SIGNATURE = "serving_default"


def write_saved_model(model: keras.Model, class_names: tuple[str, ...], path: Path) -> None:
    """Writes a SavedModel that needs TensorFlow alone.

    Its signature `serving_default` takes `images`, uint8 [n, height, width, channels], raw pixels of any number of
    images, and returns `probabilities`, float32 [n, classes], `class_name`, string [n], the most probable class's, and
    `class_names`, string [n, classes], the name of each probability.

    The names are repeated for each image, as in the answer of TensorFlow's classification signature: TensorFlow Serving
    takes its answers apart image by image and refuses an output that has no row for each.

    Args:
        model: takes raw pixels.
        class_names: the name of each class.
        path: the folder, which is made.
    """
    predict = _frozen(model)

    @tf.function(input_signature=[_pixels(model)], autograph=False)
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        names, probabilities = tf.constant(class_names), predict(images)
        return {
            "probabilities": probabilities,
            "class_name": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "class_names": tf.tile(names[tf.newaxis], [tf.shape(images)[0], 1]),
        }

    tf.saved_model.save(tf.Module(), str(path), signatures={SIGNATURE: serve})


def write_keras(model: keras.Model, class_names: tuple[str, ...], path: Path) -> None:
    """Writes a .keras file, which plain Keras loads; its class names stand in the export.json beside it.

    Args:
        model: takes raw pixels.
        class_names: are not written.
        path: the file.
    """
    del class_names
    model.save(path)


def write_tflite(model: keras.Model, class_names: tuple[str, ...], path: Path) -> None:
    """Writes a .tflite file with float32 weights: `images`, uint8 [n, …], to `probabilities`, float32 [n, classes].

    Args:
        model: takes raw pixels.
        class_names: are not written.
        path: the file.
    """
    del class_names
    path.write_bytes(_converter(model).convert())


def write_tflite_int8(model: keras.Model, class_names: tuple[str, ...], path: Path) -> None:
    """Writes a .tflite file with weights of 8 bits, dynamic-range quantised; input and output as in `write_tflite`.

    TensorFlow leaves kernels of fewer than 1,024 weights in float32.

    Args:
        model: takes raw pixels.
        class_names: are not written.
        path: the file.
    """
    del class_names
    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())


WRITERS: Mapping[str, Callable[[keras.Model, tuple[str, ...], Path], None]] = {
    "saved_model": write_saved_model,
    "keras": write_keras,
    "tflite": write_tflite,
    "tflite_int8": write_tflite_int8,
}
"""How each of `epnas_tf.export.formats.FORMATS` is written."""


def _converter(model: keras.Model) -> Any:
    predict = _frozen(model)

    @tf.function(input_signature=[_pixels(model)], autograph=False)
    def probabilities(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": predict(images)}

    return tf.lite.TFLiteConverter.from_concrete_functions([probabilities.get_concrete_function()], tf.Module())


def _pixels(model: keras.Model) -> tf.TensorSpec:
    return tf.TensorSpec(model.input_shape, tf.uint8, name="images")


def _frozen(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the model with its values as constants.

    TensorFlow then merges batch norm into the convolution before it, which makes a network a fifth to a third faster on
    a CPU, and nothing has to be restored when the file is loaded.
    """
    trainable, others = ([v.numpy() for v in group] for group in _variables(model))

    def predict(images: tf.Tensor) -> tf.Tensor:
        values = ([tf.constant(value) for value in group] for group in (trainable, others))
        probabilities, _ = model.stateless_call(*values, tf.cast(images, tf.float32), training=False)
        return probabilities

    return predict


def _variables(model: keras.Model) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables

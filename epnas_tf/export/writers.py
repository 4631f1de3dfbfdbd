"""Writers of a plain Keras model, one for each format."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.data.values import Preparation
from epnas_tf.evaluation.models import first_line, no_deprecation_of_tflite
from epnas_tf.export.decoding import FILES_SIGNATURE, decode_files
from epnas_tf.export.formats import ExportError
from epnas_tf.export.portable import save_portable

SIGNATURE = "serving_default"


class ServedModel(tf.Module):
    """A network with constant weights and its class names, in the form that a SavedModel stores.

    The loaded model is called like its signature, but accepts only uint8: a function with an `input_signature` would
    silently cast NumPy arrays, and floats in [0, 1] to black images. All signatures share one saved network.

    Args:
        model: takes raw pixels.
        class_names: the name of each class.
    """

    def __init__(self, model: keras.Model, class_names: tuple[str, ...]) -> None:
        super().__init__(name="served_model")
        self._pixels = tf.TensorSpec(model.input_shape, tf.uint8, name="images")
        self._names, self._predict = np.array(class_names), _frozen(model)
        self.signature = tf.function(self.answer, input_signature=[self._pixels], autograph=False)
        self.__call__ = tf.function(lambda images: self.signature(images), autograph=False)
        self.__call__.get_concrete_function(self._pixels)

    def answer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the outputs described in `write_saved_model` from raw pixels."""
        # A signature checks no shapes when it is called, and convolutions take images of any size.
        images = tf.ensure_shape(images, self._pixels.shape)
        count = tf.shape(images)[0]
        # TensorFlow's fused convolutions fail on no images, so these become one, whose answer is cut off again.
        filled = tf.pad(images, [[0, tf.cast(count == 0, tf.int32)], [0, 0], [0, 0], [0, 0]])
        names, probabilities = tf.constant(self._names), self._predict(filled)[:count]
        return {
            "probabilities": probabilities,
            "class_name": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "class_names": tf.tile(names[tf.newaxis], [count, 1]),
        }


def write_saved_model(model: keras.Model, path: Path, class_names: tuple[str, ...], preparation: Preparation) -> None:
    """Writes a SavedModel that needs only TensorFlow.

    Called, or by its signature `serving_default`, it takes `images`, uint8 [n, height, width, channels], raw pixels of
    any number of images, and returns `probabilities`, float32 [n, classes], `class_name`, string [n], the most probable
    class's, and `class_names`, string [n, classes], the name of each probability. Images of another shape are refused.

    The names are repeated for each image, as in TensorFlow's classification signature: TensorFlow Serving splits its
    outputs by image and refuses an output that does not have a row for each.

    Its signature `classify_files` takes `files`, string [n], the contents of JPEG and PNG files, prepares them as in
    training, and returns the same outputs.

    Args:
        model: takes raw pixels.
        path: the folder to create.
        class_names: the name of each class.
        preparation: the steps from a file to the model's input.
    """
    served = ServedModel(model, class_names)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="files")], autograph=False)
    def classify_files(files: tf.Tensor) -> dict[str, tf.Tensor]:
        # The other signature's function, so that the network's values are saved once.
        return served.signature(decode_files(files, preparation))

    served.classify_files = classify_files
    signatures = {SIGNATURE: served.signature, FILES_SIGNATURE: served.classify_files}
    tf.saved_model.save(served, str(path), signatures=signatures)


def write_tflite(model: keras.Model, path: Path, quantised: bool = False) -> None:
    """Writes a .tflite file: `images`, uint8 [n, …], to `probabilities`, float32 [n, classes].

    Args:
        model: takes raw pixels.
        path: the file.
        quantised: whether weights are 8-bit integers, by dynamic range, and not float32. TensorFlow leaves kernels with
            fewer than 1,024 of them in float32.
    """
    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if quantised else []
    path.write_bytes(converter.convert())


def write_tflite_full_int8(model: keras.Model, path: Path, calibration: npt.NDArray[np.uint8]) -> None:
    """Writes an integer-only .tflite file: weights, activations, input and output.

    It takes one image at a time, uint8 [1, height, width, channels], raw pixels, and gives `probabilities`, uint8
    [1, classes], in steps of 1/256. Microcontrollers and the Edge TPU need fixed shapes.

    Args:
        model: takes raw pixels.
        path: the file.
        calibration: uint8 [n, height, width, channels], typical images, which determine the ranges of all
            activations.

    Raises:
        ExportError: if a layer has no integer form.
    """
    images = calibration.copy()
    images[0].flat[:2] = 0, 255  # so that the input's range is that of pixels, and a step of it one grey level
    converter = _converter(model, batch=1, dtype=tf.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ({"images": image[np.newaxis].astype(np.float32)} for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    needed = f"{path.name} cannot be made: every layer must have an integer form in TFLite"
    try:
        with no_deprecation_of_tflite():  # an interpreter calibrates
            content = converter.convert()
            interpreter = tf.lite.Interpreter(model_content=content)
    except Exception as error:  # TensorFlow's converter and calibrator have no public error of their own
        raise ExportError(f"{needed}. Received: {first_line(error)}.") from error
    # The converter leaves some operators in float32 whatever it was told.
    floats = [tensor["name"] for tensor in interpreter.get_tensor_details() if tensor["dtype"] == np.float32]
    if floats:
        raise ExportError(f"{needed}. Received: float32 numbers in {', '.join(floats[:3])}.")
    path.write_bytes(content)


WRITERS: Mapping[str, Callable[..., None]] = {
    "saved_model": write_saved_model,
    "keras": save_portable,
    "tflite": write_tflite,
    "tflite_int8": functools.partial(write_tflite, quantised=True),
    "tflite_full_int8": write_tflite_full_int8,
}
"""How each of `epnas_tf.export.formats.FORMATS` is written; one that takes files takes `class_names` and `preparation`
too, one that is calibrated `calibration`. The class names of the others are in the export.json beside them."""


def _converter(model: keras.Model, batch: int | None = None, dtype: tf.DType = tf.uint8) -> Any:
    predict = _frozen(model)
    pixels = tf.TensorSpec((batch, *model.input_shape[1:]), dtype, name="images")

    @tf.function(input_signature=[pixels], autograph=False)
    def probabilities(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": predict(images)}

    return tf.lite.TFLiteConverter.from_concrete_functions([probabilities.get_concrete_function()], tf.Module())


def _frozen(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the model with its weights as constants.

    TensorFlow then merges batch norm into the convolution before it, which speeds a network up by a fifth to a third on
    a CPU, and loading the file restores no variables.
    """
    variables = model.trainable_variables, model.non_trainable_variables
    trainable, others = ([v.numpy() for v in group] for group in variables)

    def predict(images: tf.Tensor) -> tf.Tensor:
        values = ([tf.constant(value) for value in group] for group in (trainable, others))
        probabilities, _ = model.stateless_call(*values, tf.cast(images, tf.float32), training=False)
        return probabilities

    return predict

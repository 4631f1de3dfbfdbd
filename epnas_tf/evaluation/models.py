"""Classifiers loaded from files: the checkpoint of a run, .keras, SavedModel, .tflite. All take raw pixels.

Each form imports only what it needs: a SavedModel needs TensorFlow, but none of the package's own layers.
"""

import contextlib
import functools
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array
from epnas_tf.environment import check_environment
from epnas_tf.evaluation.classifier import Classifier, ModelError
from epnas_tf.evaluation.location import Location, broken, locate

if TYPE_CHECKING:
    from epnas_tf.training.trained import TrainedNetwork

Shape = tuple[int | None, ...]
"""The shape of an input or output, batch included; None for a variable size."""

SIGNATURE = "serving_default"
PROBABILITIES = "probabilities"
CLASS_NAMES = "class_names"
"""The name of the outputs that a SavedModel of `epnas-export` has; of another's, its one output is taken."""
_TFLITE_NUMBERS = {np.dtype(name) for name in ("uint8", "int8", "float32")}


def load_classifier(path: str | os.PathLike[str]) -> Classifier:
    """Loads a trained classifier.

    Args:
        path: a run directory (for its final training's newest checkpoint), the final/ directory itself, a .keras file,
            a SavedModel folder or a .tflite file. Each must take raw pixels, 0 to 255, and end in a softmax. The class
            names of a .keras or .tflite file are read from the export.json beside it.

    Returns:
        The classifier.

    Raises:
        ConfigError: if `check_environment` refuses this process.
        ModelError: if there is no model, it is broken, or it is not a classifier of images of one size.
        RunDirectoryError: if a run directory has no final training, or one that cannot be read.

    Example:
        >>> import numpy as np
        >>> import epnas_tf
        >>> classifier = epnas_tf.load_classifier("runs/demo")
        >>> classifier.run(np.zeros([2, 8, 8, 1], np.uint8)).shape
        (2, 10)
    """
    check_environment()
    location = locate(path)
    return _LOADERS[location.kind](location)


class FunctionClassifier(Classifier):
    """A TensorFlow function of one tensor of images.

    Args:
        function: maps a tensor [n, height, width, channels] to probabilities [n, classes].
        input_type: the input's type.
        *arguments: of `Classifier`.
        **options: of `Classifier`.
    """

    def __init__(self, function: Callable[[Any], Any], input_type: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._function, self._type = function, input_type

    def run(self, images: npt.NDArray[np.uint8]) -> Float32Array:
        import tensorflow as tf

        return self._function(tf.cast(tf.constant(images), self._type)).numpy()


class CheckpointClassifier(FunctionClassifier):
    """The network of a final training.

    Args:
        trained: the network and its data set's description.
        name: its name in error texts.
    """

    def __init__(self, trained: "TrainedNetwork", name: str = "the trained network") -> None:
        import tensorflow as tf

        from epnas_tf.data.pipeline import normalise

        description, network = trained.description, trained.network
        shape, names = network.shape.image_shape, tuple(description.class_names)
        mean, std = (tf.constant(value, tf.float32) for value in (description.mean, description.std))

        @tf.function(input_signature=[tf.TensorSpec([None, *shape], tf.uint8)], autograph=False)
        def probabilities(images: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(tf.cast(network(normalise(images, mean, std), training=False), tf.float32))

        super().__init__(probabilities, tf.uint8, shape, network.shape.num_classes, names, name=name)


class TFLiteClassifier(Classifier):
    """A TFLite model, run by TensorFlow's interpreter on the CPU.

    Args:
        interpreter: a `tf.lite.Interpreter`.
        class_names: the name of each class; None if they are not known.
        name: its name in error texts.

    Raises:
        ModelError: if it is not a classifier of images of one size, or its input is not raw pixels.
    """

    def __init__(self, interpreter: Any, class_names: tuple[str, ...] | None, name: str) -> None:
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        shapes = list(map(_tflite_shape, inputs))
        image_shape, num_classes = check_shapes(shapes, list(map(_tflite_shape, outputs)), name)
        self._interpreter, self._input, self._output = interpreter, inputs[0], outputs[0]
        self._allocated = tuple(inputs[0]["shape"])
        # Unrounded numbers have the scale 0.
        (self._scale, self._zero), (step, _) = (details["quantization"] for details in (inputs[0], outputs[0]))
        super().__init__(image_shape, num_classes, class_names, fixed_batch=shapes[0][0], step=step, name=name)
        self._check_numbers()

    def _check_numbers(self) -> None:
        pixels, probabilities = (np.dtype(details["dtype"]) for details in (self._input, self._output))
        if not {pixels, probabilities} <= _TFLITE_NUMBERS:
            raise ModelError(
                "A .tflite model must take raw pixels and give probabilities, each as uint8, int8 or float32. "
                f"Received: {pixels} and {probabilities} in {self.name}. Export it with epnas-export."
            )
        if pixels == np.float32:
            return
        step = self._scale or 1
        lowest, highest = ((limit - self._zero) * step for limit in _limits(pixels))
        # Calibration images need not have held the darkest and the brightest grey level.
        if lowest > step or highest < 255 - 2 * step:
            raise ModelError(
                f"A .tflite model must take raw pixels, 0 to 255. Received: {self.name}, whose {pixels} input stands "
                f"for {lowest:.3g} to {highest:.3g}. Export it with epnas-export."
            )

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU: never."""
        return False

    def run(self, images: npt.NDArray[np.uint8]) -> Float32Array:
        index, interpreter = self._input["index"], self._interpreter
        if images.shape != self._allocated:
            interpreter.resize_tensor_input(index, images.shape)
            interpreter.allocate_tensors()
            self._allocated = images.shape
        interpreter.set_tensor(index, self._numbers(images))
        interpreter.invoke()
        answers = interpreter.get_tensor(self._output["index"])
        scale, zero = self._output["quantization"]
        return (answers.astype(np.float32) - zero) * np.float32(scale) if scale else answers

    def _numbers(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Converts raw pixels to the numbers of the model's input."""
        pixels = np.dtype(self._input["dtype"])
        if not self._scale or (self._scale, self._zero, pixels) == (1, 0, np.uint8):
            return images.astype(pixels, copy=False)
        return np.clip(np.rint(images / self._scale + self._zero), *_limits(pixels)).astype(pixels)


def _limits(integers: np.dtype[Any]) -> tuple[int, int]:
    return int(np.iinfo(integers).min), int(np.iinfo(integers).max)


def check_shapes(inputs: Sequence[Shape], outputs: Sequence[Shape], name: str) -> tuple[tuple[int, int, int], int]:
    """Checks the shapes of a model's inputs and outputs, and returns its image shape and number of classes.

    Raises:
        ModelError: if there is not one input [n, height, width, channels] of fixed sizes and one output [n, classes].
    """
    match [*inputs], [*outputs]:
        case [(_, int(height), int(width), int(channels))], [(_, int(classes))]:
            return (height, width, channels), classes
    raise ModelError(
        "A classifier of images has one input [n, height, width, channels] of a fixed size and one output of "
        f"probabilities [n, classes]. Received: {_shown(inputs, 'input')} and {_shown(outputs, 'output')} in {name}. "
        "Use another model."
    )


def _shown(shapes: Sequence[Shape], what: str) -> str:
    texts = [f"[{', '.join('n' if size is None else str(size) for size in shape)}]" for shape in shapes]
    return f"an {what} {texts[0]}" if len(texts) == 1 else f"{len(texts)} {what}s"


def _load_checkpoint(location: Location) -> Classifier:
    from epnas_tf.training.trained import load_trained

    return CheckpointClassifier(load_trained(location.path), str(location.path))


def _load_keras(location: Location) -> Classifier:
    import keras
    import tensorflow as tf

    try:
        model = keras.models.load_model(location.path, compile=False)
    except Exception as error:  # a broken archive, an unknown layer, …: Keras has no error of its own for them
        raise broken(location.path, "a plain Keras model", first_line(error)) from error
    if model.dtype_policy.quantization_mode:  # the process's own; a file holds none for a whole model
        model.dtype_policy = "float32"
    shapes, outputs = ([tuple(tensor.shape) for tensor in group or ()] for group in (model.inputs, model.outputs))
    name = str(location.path)
    image_shape, num_classes = check_shapes(shapes, outputs, name)
    signature = [tf.TensorSpec(shapes[0], model.inputs[0].dtype)]
    function = tf.function(functools.partial(model, training=False), signature, autograph=False)
    options = {"class_names": location.class_names(), "fixed_batch": shapes[0][0], "name": name}
    return FunctionClassifier(function, signature[0].dtype, image_shape, num_classes, **options)


def _load_saved_model(location: Location) -> Classifier:
    import tensorflow as tf

    name = str(location.path)
    try:
        loaded = tf.saved_model.load(name)
    except Exception as error:  # TensorFlow raises what its readers of several formats meet
        raise broken(location.path, "a SavedModel", first_line(error)) from error
    signature = getattr(loaded, "signatures", {}).get(SIGNATURE)
    if signature is None:
        raise ModelError(
            f"A SavedModel is called by its signature {SIGNATURE}. Received: {name} with the signatures "
            f"{sorted(getattr(loaded, 'signatures', {}))}. Export it with epnas-export."
        )
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    taken = {PROBABILITIES: outputs[PROBABILITIES]} if PROBABILITIES in outputs else outputs
    shapes, answers = ([_tensor_shape(value) for value in group.values()] for group in (inputs, taken))
    image_shape, num_classes = check_shapes(shapes, answers, name)
    ((argument, spec),), (output,) = inputs.items(), taken
    names = location.class_names()
    if CLASS_NAMES in outputs:
        blank = tf.zeros([shapes[0][0] or 1, *image_shape], spec.dtype)
        # One row for each image, or for all of them.
        rows = signature(**{argument: blank})[CLASS_NAMES].numpy().reshape(-1, num_classes)
        names = tuple(text.decode() for text in rows[0])

    def function(images: Any, *, model: Any = loaded) -> Any:  # a signature does not keep the model's variables alive
        return model.signatures[SIGNATURE](**{argument: images})[output]

    return FunctionClassifier(
        function, spec.dtype, image_shape, num_classes, names, fixed_batch=shapes[0][0], name=name
    )


def _tensor_shape(tensor: Any) -> Shape:
    return tuple(tensor.shape) if tensor.shape.rank is not None else ()


def _load_tflite(location: Location) -> Classifier:
    import tensorflow as tf

    try:
        threads = len(os.sched_getaffinity(0))
        with no_deprecation_of_tflite():
            interpreter = tf.lite.Interpreter(model_content=location.path.read_bytes(), num_threads=threads)
        interpreter.allocate_tensors()
    except (OSError, ValueError, RuntimeError) as error:
        raise broken(location.path, "a .tflite file", first_line(error)) from error
    return TFLiteClassifier(interpreter, location.class_names(), str(location.path))


@contextlib.contextmanager
def no_deprecation_of_tflite() -> Iterator[None]:
    """Hides the deprecation of TensorFlow's interpreter; the bounds of our dependencies still include it."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated", category=UserWarning
        )
        yield


def _tflite_shape(details: dict[str, Any]) -> Shape:
    signature = details["shape_signature"]
    return tuple(None if size < 0 else int(size) for size in (signature if len(signature) else details["shape"]))


def first_line(error: Exception) -> str:
    """Returns the first line of an error text, or the name of the error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_LOADERS: dict[str, Callable[[Location], Classifier]] = {
    "checkpoint": _load_checkpoint,
    "keras": _load_keras,
    "saved_model": _load_saved_model,
    "tflite": _load_tflite,
}

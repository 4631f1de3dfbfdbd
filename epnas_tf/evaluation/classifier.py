"""The interface of every trained image classifier, whatever file it comes from."""

import abc

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array
from epnas_tf.errors import DataError, EPNASError

SUM_TOLERANCE = 0.01
"""The tolerance of the sum of an image's probabilities around 1; half-precision softmaxes stay well within."""


class ModelError(EPNASError, ValueError):
    """The error for a model that is missing, broken or not an image classifier."""


class Classifier(abc.ABC):
    """A trained network that maps raw images to class probabilities.

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: the number of classes.
        class_names: the name of each class in the order of the probabilities; None if the model does not know them.
        fixed_batch: the only batch size that it takes; None for any.
        step: the step of its rounded probabilities; 0 if they are not rounded.
        name: its name in error texts, such as its path.

    Raises:
        ModelError: if there are fewer than two classes, or not exactly one name for each.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        class_names: tuple[str, ...] | None = None,
        *,
        fixed_batch: int | None = None,
        step: float = 0.0,
        name: str = "the model",
    ) -> None:
        if num_classes < 2:
            raise ModelError(f"A classifier tells two classes or more apart. Received: {name} with {num_classes}")
        if class_names is not None and len(class_names) != num_classes:
            raise ModelError(
                f"A model needs one name for each of its classes, {num_classes}. "
                f"Received: {name} with {len(class_names)} names. Export it again."
            )
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.class_names = class_names
        self.name = name
        self._fixed_batch = fixed_batch
        # Each probability may be half a step off.
        self._sum_tolerance = SUM_TOLERANCE + step * num_classes / 2

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))

    @abc.abstractmethod
    def run(self, images: npt.NDArray[np.uint8]) -> Float32Array:
        """Runs the model on one batch and returns its own output, float [n, classes]."""

    def predict(self, images: npt.NDArray[np.uint8], batch_size: int = 256) -> Float32Array:
        """Computes the probabilities of the classes.

        Args:
            images: uint8 [n, height, width, channels], raw pixels; n may be 0.
            batch_size: images per batch, at least 1. It affects the memory needed, not the result. A model of one fixed
                batch size gets batches of that size.

        Returns:
            float32 [n, classes].

        Raises:
            DataError: if the images do not have the model's shape, or are not raw pixels.
            ModelError: if the model's output is not probabilities.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != self.image_shape:
            raise DataError(
                f"{self.name} takes images uint8 [n, {', '.join(map(str, self.image_shape))}]. "
                f"Received: {images.dtype} {list(images.shape)}. Give raw pixels of that size."
            )
        if not len(images):
            return np.zeros((0, self.num_classes), np.float32)
        size = self._fixed_batch or batch_size
        parts = [self._run_batch(images[start : start + size]) for start in range(0, len(images), size)]
        probabilities = np.concatenate(parts).astype(np.float32, copy=False)
        self._check(probabilities, len(images))
        return probabilities

    def _run_batch(self, images: npt.NDArray[np.uint8]) -> Float32Array:
        missing = 0 if self._fixed_batch is None else self._fixed_batch - len(images)
        if not missing:
            return self.run(images)
        filled = np.concatenate([images, np.zeros((missing, *self.image_shape), np.uint8)])
        return self.run(filled)[: len(images)]

    def _check(self, probabilities: Float32Array, count: int) -> None:
        if probabilities.shape != (count, self.num_classes):
            raise ModelError(
                f"A classifier gives probabilities [{count}, {self.num_classes}] for {count} images. "
                f"Received: {list(probabilities.shape)} from {self.name}. Use another model."
            )
        if not np.all(np.isfinite(probabilities)):
            raise ModelError(
                f"Probabilities must be finite. Received: NaN or infinity from {self.name}. The training of this model "
                "may have diverged."
            )
        sums = probabilities.sum(axis=1)
        if probabilities.min() < 0 or np.abs(sums - 1).max() > self._sum_tolerance:
            raise ModelError(
                "A classifier gives probabilities, at least 0 and 1 in sum. Received: values down to "
                f"{probabilities.min():.3g} and sums from {sums.min():.3g} to {sums.max():.3g} from {self.name}. "
                "Let the model end in a softmax."
            )

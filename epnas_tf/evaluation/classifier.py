"""What every trained classifier of images can do, whatever file it came from."""

import abc

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array
from epnas_tf.errors import DataError, EPNASError

SUM_TOLERANCE = 0.01
"""How far the probabilities of an image may be from a sum of 1; half-precision softmaxes stay well within."""


class ModelError(EPNASError, ValueError):
    """A model that is missing, broken or no classifier of images."""


class Classifier(abc.ABC):
    """A trained network that takes raw images and gives probabilities.

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: how many classes it tells apart.
        class_names: the name of each class in the order of the probabilities, None where the model does not know them.
        fixed_batch: the only number of images that it takes at a time, None if any.
        step: what its probabilities are multiples of, 0 for those that are not rounded.
        name: what error texts call it, such as its path.

    Raises:
        ModelError: if there are fewer than two classes, or not one name for each.
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
        """Returns what the model itself gives for one batch, float [n, classes]."""

    def predict(self, images: npt.NDArray[np.uint8], batch_size: int = 256) -> Float32Array:
        """Returns the probabilities of the classes.

        Args:
            images: uint8 [n, height, width, channels], raw pixels; of none the answer is empty.
            batch_size: images at a time, at least 1; decides the memory needed, not the result. A model that takes
                batches of one size only gets that.

        Returns:
            float32 [n, classes].

        Raises:
            DataError: if the images are not of the model's shape, or not raw pixels.
            ModelError: if what the model gives are no probabilities.
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

"""Trains one architecture for a few epochs on the shared weights and scores it (paper, sections 4 and 5)."""

import dataclasses
import math
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from epnas_tf.children.ahead import TracedAhead
from epnas_tf.config import ChildConfig
from epnas_tf.devices import Step, compiled, mean_over_replicas, mirrored_strategy, on_all_devices, part_of_replica
from epnas_tf.errors import EPNASError
from epnas_tf.memory import free_memory
from epnas_tf.network.evaluate import make_evaluate
from epnas_tf.network.functions import CallLayer, LayerFunctions, call_layer, class_scores
from epnas_tf.network.gradient import loss_and_gradients
from epnas_tf.network.layout import FlatValues, Layout
from epnas_tf.network.network import Network
from epnas_tf.network.optimizer import cosine, decay_of, moved
from epnas_tf.network.store import VariableStore, dtype_policy
from epnas_tf.seeds import CHILD, derived_seed
from epnas_tf.space.graph import NetworkShape

PROFILED_STEPS = 5

DIVERGED_LOSS = 100.0
"""Validation loss, in nats an image, beyond which a child has destroyed its weights, whatever its training loss says.

Batch norm keeps the training loss finite and small while weights grow without bound, and gradients that are rounding
noise make them: where a channel is constant, batch norm multiplies the noise by up to 316, layer after layer. Of 22,000
children of searches on digits and Fashion-MNIST 7 were beyond this, and all scored as by chance.
"""

CHILDREN_BETWEEN_COLLECTIONS = 5
"""After how many children the memory of their graphs is given back: a child of 4 layers leaves some 10 MB."""


class ChildDiverged(EPNASError):  # noqa: N818  (an outcome of a trial, not a mistake)
    """A child's loss or variables became NaN, infinite or absurd; the shared weights are as they were before it."""


class TrainingBatches(Protocol):
    """Where a child's training batches come from; `epnas_tf.data.TrainingPipeline` is one."""

    @property
    def steps(self) -> int:
        """Training steps of a child, over all its epochs."""

    @property
    def element_spec(self) -> Any:
        """What a batch is: float32 images [batch, height, width, channels] and integer labels [batch]."""

    def batches(self, seed: int) -> tf.data.Dataset:
        """Returns at least `steps` batches, shuffled and augmented anew for each seed."""


@dataclasses.dataclass(frozen=True)
class ChildResult:
    """What the training of a child gave.

    Attributes:
        score: accuracy on the validation images, in [0, 1].
        validation_loss: mean cross-entropy on the validation images, in nats.
        training_loss: mean cross-entropy over all training steps, in nats.
        steps: training steps.
        parameters: trainable parameters of the child's network.
        build_seconds: making layers and tracing; where it was traced ahead, what was still to be waited for.
        train_seconds: training.
        evaluate_seconds: validation.
    """

    score: float
    validation_loss: float
    training_loss: float
    steps: int
    parameters: int
    build_seconds: float
    train_seconds: float
    evaluate_seconds: float


class ChildTrainer:
    """Trains children one after the other on one store.

    Each child has a cosine of its own from `learning_rate` to `final_learning_rate`, SGD with Nesterov momentum, whose
    slots are kept with the shared variables, L2 and a bound on the gradient's global norm.

    Args:
        store: the shared variables.
        shape: the image shape, the number of classes and what else fixes the networks.
        config: epochs, learning rates and so on; the epochs and the batch size are the training batches' own.
        training: the training batches.
        validation: the validation batches, of the same structure.
    """

    def __init__(
        self,
        store: VariableStore,
        shape: NetworkShape,
        config: ChildConfig,
        training: TrainingBatches,
        validation: tf.data.Dataset,
    ) -> None:
        self.store = store
        self.shape = shape
        self.config = config
        self.training = training
        self.validation = validation
        self.strategy = mirrored_strategy() if config.mirrored else None
        self._num_trained = 0
        # Several devices meet within batch norm, which they could not in the middle of a function.
        self.call_layer = LayerFunctions() if config.reuse_traces and not config.mirrored else call_layer
        self._ahead = TracedAhead(self.functions)

    def train(self, architecture: Any, seed: int, following: Any = None) -> ChildResult:
        """Trains an architecture on the shared weights, or on its own, and scores it on the validation images.

        Args:
            architecture: the child.
            seed: decides the order of the images and their augmentation.
            following: the child after this one, to be traced meanwhile; None if it is not known.

        Raises:
            ChildDiverged: if a loss or a variable became NaN or infinite, or the validation loss is beyond
                `DIVERGED_LOSS`. The shared weights are then as before, bit for bit.
        """
        started = time.perf_counter()
        if self._num_trained and self._num_trained % CHILDREN_BETWEEN_COLLECTIONS == 0:
            free_memory()
        self._num_trained += 1
        network, (layout, fit, evaluate) = self._ahead.take(architecture) or self._made(architecture, seed)
        before = layout.read(self.config.keep_momentum)
        if following is not None and self._may_trace_ahead:
            self._ahead.begin(Network(following, self.shape, self.store))
        built = time.perf_counter()
        steps, loss_sum, values = fit(self.training.batches(seed), before)
        steps, training_loss = int(steps), float(loss_sum) / max(int(steps), 1)
        trained = time.perf_counter()
        correct, validation_sum, count = (float(value) for value in evaluate(self.validation, values))
        validation_loss = validation_sum / count
        evaluated = time.perf_counter()
        where = f"after {steps} of {self.training.steps} steps"
        if not math.isfinite(training_loss + validation_loss):
            raise ChildDiverged(f"The loss became {training_loss} {where}, {validation_loss} in validation.")
        arrays = FlatValues(*(value.numpy() for value in values))
        # Batch norm can keep the losses finite while a variance overflows, for good.
        if not all(np.isfinite(array).all() for array in arrays):
            raise ChildDiverged(f"The loss is {training_loss} {where}, but a variable became NaN or infinite.")
        if validation_loss > DIVERGED_LOSS:
            raise ChildDiverged(f"The loss is {training_loss} {where}, but {validation_loss:.6g} in validation.")
        layout.write(arrays, network.layers)
        layout.store.count_updates(network.layers, steps)
        return ChildResult(
            score=correct / count,
            validation_loss=validation_loss,
            training_loss=training_loss,
            steps=steps,
            parameters=network.num_parameters,
            build_seconds=built - started,
            train_seconds=trained - built,
            evaluate_seconds=evaluated - trained,
        )

    def wait(self) -> None:
        """Waits until the child that follows is traced."""
        self._ahead.wait()

    @property
    def _may_trace_ahead(self) -> bool:
        # Weights of a child's own come with its seed; several devices are entered by one thread.
        return self.config.trace_ahead and self.config.share_weights and self.strategy is None

    def _made(self, architecture: Any, seed: int) -> tuple[Network, "ChildFunctions"]:
        store = self.store if self.config.share_weights else child_store(self.config, seed)
        network = Network(architecture, self.shape, store)
        return network, self.functions(network, store)

    def score(self, architecture: Any) -> float:
        """Returns an architecture's validation accuracy in [0, 1] on the shared weights as they are, untrained."""
        network = Network(architecture, self.shape, self.store)
        layout = Layout(self.store, network.layers)
        correct, _, count = self._evaluate(network, layout)(self.validation, layout.read())
        return float(correct) / float(count)

    def profile(self, architecture: Any, seed: int, folder: str | os.PathLike[str]) -> None:
        """Writes a TensorBoard profile of a few training steps of an architecture. The shared weights are as before it.

        Args:
            architecture: the child.
            seed: decides the order of the images and their augmentation.
            folder: TensorBoard's log directory; the profile goes into `plugins/profile` in it.
        """
        network = Network(architecture, self.shape, self.store)
        layout = Layout(self.store, network.layers)
        fit = self._fit(network, layout, min(PROFILED_STEPS, self.training.steps))
        values = layout.read()
        fit(self.training.batches(seed), values)  # what happens once, before the first step, is not looked for
        tf.profiler.experimental.start(os.fspath(folder))
        try:
            fit(self.training.batches(seed), values)
        finally:
            tf.profiler.experimental.stop()

    def functions(self, network: Network, store: VariableStore | None = None) -> "ChildFunctions":
        """Returns the traced training and evaluation of a network whose variables are in a store, the shared one."""
        layout = Layout(self.store if store is None else store, network.layers)

        return ChildFunctions(
            layout,
            self._fit(network, layout, self.training.steps),
            self._evaluate(network, layout),
        )

    def _evaluate(self, network: Network, layout: Layout) -> Callable[..., Any]:
        """Returns the evaluation of a network's values, by batch norm's moving statistics."""

        def forward(images: tf.Tensor, values: FlatValues) -> tf.Tensor:
            weights, statistics = layout.weights.split(values.weights), layout.statistics.split(values.statistics)
            return class_scores(network, images, weights, statistics, self.call_layer)[0]

        validation = tf.data.DatasetSpec(self.validation.element_spec)
        traced: Callable[..., Any] = make_evaluate(forward).get_concrete_function(validation, layout.specs)
        return traced

    def _fit(self, network: Network, layout: Layout, steps: int) -> Callable[..., Any]:
        # XLA would take images and weights that go into functions for constants, and compile every step anew.
        call = call_layer if self.config.xla else self.call_layer
        fit = make_fit(network, layout, self.config, steps, call, self.strategy)
        spec = tf.data.DatasetSpec(self.training.element_spec)
        traced: Callable[..., Any] = fit.get_concrete_function(spec, layout.specs)
        return traced


class ChildFunctions(NamedTuple):
    """A child's training and evaluation, each a whole loop inside a traced graph; see `make_fit`, `make_evaluate`."""

    layout: Layout
    fit: Callable[..., Any]
    evaluate: Callable[..., Any]


def child_store(config: ChildConfig, seed: int) -> VariableStore:
    """Returns an empty store for children of these settings.

    Raises:
        ConfigError: if they are to be trained on several devices, and there are none.
    """
    if config.mirrored:
        mirrored_strategy()
    return VariableStore(seed, dtype_policy(config.mixed_precision))


def child_seed(seed: int, number: int) -> int:
    """Returns the seed of a trial's training: it follows from the run's seed and the trial's number alone."""
    return derived_seed(seed, CHILD, number)


def cosine_learning_rate(step: tf.Tensor, steps: int, config: ChildConfig) -> tf.Tensor:
    """Returns the learning rate of a step: a half cosine from the first to the final one (Loshchilov and Hutter).

    Args:
        step: int32 scalar, from 0.
        steps: steps of the child.
        config: gives the two learning rates.

    Returns:
        float32 scalar.
    """
    progress = tf.cast(step, tf.float32) / steps
    return cosine(progress, config.learning_rate, config.final_learning_rate)


def make_fit(
    network: Network,
    layout: Layout,
    config: ChildConfig,
    steps: int,
    call: CallLayer = call_layer,
    strategy: tf.distribute.Strategy | None = None,
) -> Any:
    """Returns the training of a network as one `tf.function` of the batches.

    Args:
        network: what to train.
        layout: where its variables lie.
        config: learning rates, momentum, L2, the gradient's bound, and whether XLA compiles the step.
        steps: training steps.
        call: calls a layer.
        strategy: the devices that share each batch; None for one device.

    Returns:
        A function from a dataset and the values before to (steps done, int32; summed cross-entropy, float32; the values
        after). It stops early once the loss is not finite.
    """
    # A tensor outside the graph, which then does not hold a copy of it.
    decay = tf.constant(layout.weights.filled(lambda shape: decay_of(shape, config)))

    def step(
        images: tf.Tensor, labels: tf.Tensor, number: tf.Tensor, values: FlatValues
    ) -> tuple[tf.Tensor, FlatValues]:
        images, labels = part_of_replica(images), part_of_replica(labels)

        def loss_of(scores: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))

        weights, statistics = layout.weights.split(values.weights), layout.statistics.split(values.statistics)
        loss, gradients, statistics = loss_and_gradients(network, images, weights, statistics, loss_of, call)
        gradient = mean_over_replicas(layout.weights.join(gradients))
        learning_rate = cosine_learning_rate(number, steps, config)
        after = moved(values.weights, values.momentum, gradient, learning_rate, decay, config)
        return mean_over_replicas(loss), FlatValues(*after, layout.statistics.join(statistics))

    take_step: Step = on_all_devices(step, strategy) if strategy else compiled(step) if config.xla else step

    @tf.function(autograph=False)
    def fit(batches: tf.data.Dataset, values: FlatValues) -> tuple[tf.Tensor, tf.Tensor, FlatValues]:
        iterator = iter(batches)

        def body(number: tf.Tensor, loss_sum: tf.Tensor, values: FlatValues) -> tuple[Any, ...]:
            loss, values = take_step(*next(iterator), number, values)
            return number + 1, loss_sum + loss, values

        return tf.while_loop(  # type: ignore[no-any-return]  # TensorFlow has no stubs
            lambda number, loss_sum, _: tf.logical_and(number < steps, tf.math.is_finite(loss_sum)),
            body,
            (tf.constant(0), tf.constant(0.0), values),
        )

    return fit

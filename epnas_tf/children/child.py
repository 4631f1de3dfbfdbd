"""Trains one architecture for a few epochs on the shared weights and scores it (paper, sections 4 and 5)."""

import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from epnas_tf.children.outcome import ChildDiverged, ChildOutcome, ChildResult, SharedValues
from epnas_tf.children.prefetch import TracePrefetcher
from epnas_tf.config import ChildConfig
from epnas_tf.devices import Step, compiled, mean_over_replicas, mirrored_strategy, on_all_devices, part_of_replica
from epnas_tf.memory import free_memory
from epnas_tf.network.evaluate import make_evaluate
from epnas_tf.network.functions import CallLayer, LayerFunctions, call_layer, class_scores
from epnas_tf.network.gradient import loss_and_gradients
from epnas_tf.network.layout import FlatValues, Layout
from epnas_tf.network.network import Network
from epnas_tf.network.optimizer import NesterovSGD, cosine, decay_of
from epnas_tf.network.store import VariableStore, dtype_policy
from epnas_tf.seeds import CHILD, derived_seed
from epnas_tf.space.graph import Key, NetworkShape

PROFILED_STEPS = 5

DIVERGED_LOSS = 100.0
"""Validation loss, in nats an image, above which a child counts as diverged, whatever its training loss.

Batch norm keeps the training loss small while weights grow without bound. Gradients of pure rounding noise cause this:
where a channel is constant, batch norm multiplies the noise by up to 316, layer after layer. Of 22,000 children of
searches on digits and Fashion-MNIST, 7 exceeded the bound, and all of them scored as by chance.
"""

CHILDREN_BETWEEN_COLLECTIONS = 5
"""Children between two releases of their graphs' memory: a child of 4 layers leaves about 10 MB."""


class TrainingBatches(Protocol):
    """A source of a child's training batches, such as `epnas_tf.data.TrainingPipeline`."""

    @property
    def steps(self) -> int:
        """Training steps of a child, over all its epochs."""

    @property
    def element_spec(self) -> Any:
        """The specification of a batch: float32 images [batch, height, width, channels], integer labels [batch]."""

    def batches(self, seed: int) -> tf.data.Dataset:
        """At least `steps` batches, shuffled and augmented by the seed."""


@dataclasses.dataclass(frozen=True)
class PreparedChild:
    """A traced child, which can be run any number of times.

    Attributes:
        network: its network.
        layout: the positions of its variables in flat values.
        fit: its training, a whole loop inside a traced graph; see `make_fit`.
        evaluate: its evaluation, likewise; see `make_evaluate`.
        training: the training batches.
        validation: the validation batches.
    """

    network: Network
    layout: Layout
    fit: Callable[..., Any]
    evaluate: Callable[..., Any]
    training: TrainingBatches
    validation: tf.data.Dataset

    def run(self, values: FlatValues, seed: int) -> ChildOutcome:
        """Trains and scores the child. A pure function of the values: it reads and changes no shared state.

        Args:
            values: the initial values, from `ChildTrainer.snapshot`.
            seed: decides the order of the images and their augmentation.
        """
        began = time.perf_counter()
        steps, loss_sum, after = self.fit(self.training.batches(seed), values)
        steps, training_loss = int(steps), float(loss_sum) / max(int(steps), 1)
        trained = time.perf_counter()
        correct, validation_sum, count = (float(value) for value in self.evaluate(self.validation, after))
        result = ChildResult(
            score=correct / count,
            validation_loss=validation_sum / count,
            training_loss=training_loss,
            steps=steps,
            parameters=self.network.num_parameters,
            build_seconds=0.0,
            train_seconds=trained - began,
            evaluate_seconds=time.perf_counter() - trained,
        )
        arrays = FlatValues(*(value.numpy() for value in after))
        return ChildOutcome(SharedValues(*self.layout.cut(arrays)), result, self._failure(result, arrays))

    def _failure(self, result: ChildResult, values: FlatValues) -> str | None:
        """The reason for divergence; None if the child did not diverge."""
        where = f"after {result.steps} of {self.training.steps} steps"
        if not math.isfinite(result.training_loss + result.validation_loss):
            return f"The loss became {result.training_loss} {where}, {result.validation_loss} in validation."
        # Batch norm can keep the losses finite while a variance overflows, for good.
        if not all(np.isfinite(array).all() for array in values):
            return f"The loss is {result.training_loss} {where}, but a variable became NaN or infinite."
        if result.validation_loss > DIVERGED_LOSS:
            return f"The loss is {result.training_loss} {where}, but {result.validation_loss:.6g} in validation."
        return None


class ChildTrainer:
    """Trains children one after the other on one store.

        child = trainer.prepare(architecture)                     # traces
        outcome = child.run(trainer.snapshot(child), seed)        # values in, values and scores out
        trainer.commit(outcome.values, steps)                     # the only step that changes shared state

    Each child trains with SGD: a cosine schedule from `learning_rate` to `final_learning_rate`, Nesterov momentum, L2
    and gradient clipping by global norm.

    Args:
        store: the shared variables.
        shape: fixes the networks beside their architecture.
        config: the settings of the training; epochs and batch size are those of the training batches.
        training: the training batches.
        validation: the validation batches, of the same structure.
        optimizer: keeps the momentum of the shared variables; a new one by default.
    """

    def __init__(
        self,
        store: VariableStore,
        shape: NetworkShape,
        config: ChildConfig,
        training: TrainingBatches,
        validation: tf.data.Dataset,
        optimizer: NesterovSGD | None = None,
    ) -> None:
        self.store = store
        self.shape = shape
        self.config = config
        self.training = training
        self.validation = validation
        self.optimizer = NesterovSGD(config) if optimizer is None else optimizer
        self.strategy = mirrored_strategy() if config.mirrored else None
        self._num_trained = 0
        # Several devices synchronise within batch norm, which is not possible inside a function.
        self.call_layer = LayerFunctions() if config.reuse_traces and not config.mirrored else call_layer
        self._prefetcher = TracePrefetcher(self.trace)

    def prepare(self, architecture: Any, store: VariableStore | None = None) -> PreparedChild:
        """Traces the child of an architecture, unless it was traced ahead.

        Args:
            architecture: the child's architecture.
            store: weights of its own; None for the shared ones.
        """
        ahead = self._prefetcher.take(architecture)  # even if it is not wanted: it waits for the thread
        if ahead is not None and store is None:
            return ahead
        store = self.store if store is None else store
        return self.trace(Network(architecture, self.shape, store), store)

    def prepare_ahead(self, architecture: Any) -> None:
        """Starts to trace the next child in a thread, if the settings allow it."""
        # Weights of a child's own come with its seed; several devices are entered by one thread.
        if self.config.trace_ahead and self.config.share_weights and self.strategy is None:
            self._prefetcher.begin(Network(architecture, self.shape, self.store))

    def shared(self, keys: Iterable[Key]) -> SharedValues:
        """The shared values of some layers; without those that no child has trained yet."""
        known = [key for key in keys if key in self.store]
        slots = self.optimizer.read(known) if self.config.keep_momentum else {}
        return SharedValues({key: self.store.values(key) for key in known}, slots)

    def snapshot(self, child: PreparedChild, shared: SharedValues | None = None) -> FlatValues:
        """A child's initial values.

        Args:
            child: the child.
            shared: the values of its layers; by default what its store has, and the momentum that the optimizer kept.
                A layer that is missing has its initial values.
        """
        layout = child.layout
        if shared is None:
            shared = self.shared(layout.keys) if layout.store is self.store else SharedValues({}, {})
        given = shared.variables
        variables = {key: given[key] if key in given else layout.store.values(key) for key in layout.keys}
        return layout.join(variables, shared.momentum)

    def outcome(
        self,
        architecture: Any,
        seed: int,
        meanwhile: Callable[[], None] | None = None,
        shared: SharedValues | None = None,
    ) -> ChildOutcome:
        """Prepares and runs a child, on the shared weights or on its own; the shared weights stay as they are.

        Args:
            architecture: the child's architecture.
            seed: decides the order of the images and their augmentation.
            meanwhile: called before the child's first step, to begin to trace the next one.
            shared: as for `snapshot`.
        """
        began = time.perf_counter()
        if self._num_trained and self._num_trained % CHILDREN_BETWEEN_COLLECTIONS == 0:
            free_memory()
        self._num_trained += 1
        own = not self.config.share_weights
        child = self.prepare(architecture, child_store(self.config, seed) if own else None)
        values = self.snapshot(child, None if own else shared)
        if meanwhile is not None:
            meanwhile()
        built = time.perf_counter() - began
        outcome = child.run(values, seed)
        left = SharedValues({}, {}) if own else outcome.values
        if not self.config.keep_momentum:
            left = left._replace(momentum={})
        return dataclasses.replace(
            outcome, values=left, result=dataclasses.replace(outcome.result, build_seconds=built)
        )

    def commit(self, values: SharedValues, steps: Mapping[Key, int]) -> None:
        """Writes trained values to the shared variables.

        Args:
            values: the values, of one child or merged ones.
            steps: the training steps that each layer took part in.
        """
        for key, arrays in values.variables.items():
            self.store.assign(key, arrays)
        self.optimizer.write(values.momentum)
        self.store.count_updates(steps)

    def train(self, architecture: Any, seed: int, following: Any = None) -> ChildResult:
        """Trains a child on the shared weights, or on its own, and scores it: `outcome`, then `commit`.

        Args:
            architecture: the child's architecture.
            seed: decides the order of the images and their augmentation.
            following: the architecture of the next child, to be traced meanwhile; None if it is not known.

        Raises:
            ChildDiverged: if a loss or a variable became NaN or infinite, or the validation loss exceeds
                `DIVERGED_LOSS`. The shared weights are then unchanged, bit for bit.
        """
        ahead = None if following is None else functools.partial(self.prepare_ahead, following)
        outcome = self.outcome(architecture, seed, ahead)
        if outcome.failure is not None:
            raise ChildDiverged(outcome.failure)
        self.commit(outcome.values, dict.fromkeys(outcome.values.variables, outcome.result.steps))
        return outcome.result

    def wait(self) -> None:
        """Waits until the next child is traced."""
        self._prefetcher.wait()

    def score(self, architecture: Any) -> float:
        """An architecture's validation accuracy in [0, 1] on the current shared weights, without training."""
        network = Network(architecture, self.shape, self.store)
        layout = Layout(self.store, network.layers)
        correct, _, count = self._evaluate(network, layout)(self.validation, layout.read())
        return float(correct) / float(count)

    def profile(self, architecture: Any, seed: int, folder: str | os.PathLike[str]) -> None:
        """Writes a TensorBoard profile of a few training steps; the shared weights stay unchanged.

        Args:
            architecture: the architecture to profile.
            seed: decides the order of the images and their augmentation.
            folder: TensorBoard's log directory; the profile goes into `plugins/profile` in it.
        """
        network = Network(architecture, self.shape, self.store)
        layout = Layout(self.store, network.layers)
        fit = self._fit(network, layout, min(PROFILED_STEPS, self.training.steps))
        values = layout.read()
        fit(self.training.batches(seed), values)  # not profiled: what happens once, before the first step
        tf.profiler.experimental.start(os.fspath(folder))
        try:
            fit(self.training.batches(seed), values)
        finally:
            tf.profiler.experimental.stop()

    def trace(self, network: Network, store: VariableStore | None = None) -> PreparedChild:
        """Traces the training and evaluation of a network; its variables are in `store`, by default the shared one."""
        layout = Layout(self.store if store is None else store, network.layers)
        return PreparedChild(
            network,
            layout,
            self._fit(network, layout, self.training.steps),
            self._evaluate(network, layout),
            self.training,
            self.validation,
        )

    def _evaluate(self, network: Network, layout: Layout) -> Callable[..., Any]:
        """Traces the evaluation of a network's values; batch norm uses its moving statistics."""

        def forward(images: tf.Tensor, values: FlatValues) -> tf.Tensor:
            weights, statistics = layout.weights.split(values.weights), layout.statistics.split(values.statistics)
            return class_scores(network, images, weights, statistics, self.call_layer)

        validation = tf.data.DatasetSpec(self.validation.element_spec)
        traced: Callable[..., Any] = make_evaluate(forward).get_concrete_function(validation, layout.specs)
        return traced

    def _fit(self, network: Network, layout: Layout, steps: int) -> Callable[..., Any]:
        # XLA would treat images and weights passed to functions as constants, and recompile every step.
        call = call_layer if self.config.xla else self.call_layer
        fit = make_fit(network, layout, self.config, self.optimizer, steps, call, self.strategy)
        spec = tf.data.DatasetSpec(self.training.element_spec)
        traced: Callable[..., Any] = fit.get_concrete_function(spec, layout.specs)
        return traced


def child_store(config: ChildConfig, seed: int) -> VariableStore:
    """An empty store for children with these settings.

    Raises:
        ConfigError: if they need several devices, and there are fewer than two.
    """
    if config.mirrored:
        mirrored_strategy()
    return VariableStore(seed, dtype_policy(config.mixed_precision))


def child_seed(seed: int, number: int) -> int:
    """The seed of a child's training; it follows from the run's seed and the child's number alone."""
    return derived_seed(seed, CHILD, number)


def cosine_learning_rate(step: tf.Tensor, steps: int, config: ChildConfig) -> tf.Tensor:
    """The learning rate of a step: a half cosine from the first to the final one (Loshchilov and Hutter).

    Args:
        step: int32 scalar, from 0.
        steps: the child's number of steps.
        config: holds the two learning rates.

    Returns:
        float32 scalar.
    """
    progress = tf.cast(step, tf.float32) / steps
    return cosine(progress, config.learning_rate, config.final_learning_rate)


def make_fit(
    network: Network,
    layout: Layout,
    config: ChildConfig,
    optimizer: NesterovSGD,
    steps: int,
    call: CallLayer = call_layer,
    strategy: tf.distribute.Strategy | None = None,
) -> Any:
    """Makes the training of a network, one `tf.function` of the batches.

    Args:
        network: the network to train.
        layout: the positions of its variables.
        config: learning rates, L2, and whether XLA compiles the step.
        optimizer: takes the steps; none of its slots is touched.
        steps: training steps.
        call: calls a layer.
        strategy: the devices that share each batch; None for one device.

    Returns:
        A function from a dataset and the initial values to (steps done, int32; summed cross-entropy, float32; the final
        values). It stops early once the loss is not finite.
    """
    # A tensor outside the graph, so that the graph holds no copy of it.
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
        after = optimizer.step(values.weights, values.momentum, gradient, learning_rate, decay)
        return mean_over_replicas(loss), FlatValues(*after, layout.statistics.join(statistics))

    take_step: Step = on_all_devices(step, strategy) if strategy else compiled(step) if config.xla else step

    @tf.function(autograph=False)
    def fit(batches: tf.data.Dataset, values: FlatValues) -> tuple[tf.Tensor, tf.Tensor, FlatValues]:
        iterator = iter(batches)

        def body(number: tf.Tensor, loss_sum: tf.Tensor, values: FlatValues) -> tuple[Any, ...]:
            loss, values = take_step(*next(iterator), number, values)
            return number + 1, loss_sum + loss, values

        return tf.while_loop(
            lambda number, loss_sum, _: tf.logical_and(number < steps, tf.math.is_finite(loss_sum)),
            body,
            (tf.constant(0), tf.constant(0.0), values),
        )

    return fit

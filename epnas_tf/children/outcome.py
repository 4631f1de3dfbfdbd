"""What comes of a child's training: its scores, and the values that it leaves on the layers it used."""

import dataclasses
from typing import NamedTuple

from epnas_tf.arrays import Arrays, Float32Array
from epnas_tf.errors import EPNASError
from epnas_tf.space.graph import Key


class ChildDiverged(EPNASError):  # noqa: N818  (an outcome of a trial, not a mistake)
    """A child's loss or variables became NaN, infinite or absurd; the shared weights are unchanged."""


@dataclasses.dataclass(frozen=True)
class ChildResult:
    """The result of a child's training.

    Attributes:
        score: accuracy on the validation images, in [0, 1].
        validation_loss: mean cross-entropy on the validation images, in nats.
        training_loss: mean cross-entropy over all training steps, in nats.
        steps: training steps.
        parameters: trainable parameters of the child's network.
        build_seconds: making layers and tracing; if the child was traced ahead, the remaining wait.
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

    @property
    def seconds(self) -> tuple[float, float, float]:
        """The time of its three parts: build, train, evaluate."""
        return self.build_seconds, self.train_seconds, self.evaluate_seconds


class SharedValues(NamedTuple):
    """The values of some layers that children share, by the layers' keys; plain values that another process can have.

    Attributes:
        variables: the layer's variables, batch norm's statistics included.
        momentum: the flat momentum of its trainable variables; missing where it is zero.
    """

    variables: dict[Key, Arrays]
    momentum: dict[Key, Float32Array]


@dataclasses.dataclass(frozen=True)
class ChildOutcome:
    """The outcome of a prepared child's run; nothing is shared before it is committed.

    Attributes:
        values: the values of its layers after the training; empty for a child with weights of its own.
        result: the scores.
        failure: the reason for divergence; None if the child did not diverge.
    """

    values: SharedValues
    result: ChildResult
    failure: str | None

    @property
    def scored(self) -> ChildResult | None:
        """The result; None if the child diverged."""
        return None if self.failure else self.result

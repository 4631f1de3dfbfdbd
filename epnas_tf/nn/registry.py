"""The registry of operations: one record each, with its layer, cost, plain form and appearance. No TensorFlow.

Everything else looks operations up here by name: the variable store, costs, export, report, and the checks of flags and
files. `catalogue` registers the paper's operations and the layers between them in the same way as a plugin does.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any

from epnas_tf import plugins
from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.nn.costs import CostFunction, InnerFunction

# Names become parts of store keys, of Keras variable names (which refuse "/") and of an architecture's one-line text.
_NAME = re.compile(r"[A-Za-z0-9_.\-]+")

WIDEST_LABEL, WIDEST_SHORT = 18, 4
"""The most characters of an operation's label and short name."""


@dataclasses.dataclass(frozen=True)
class Plain:
    """An operation in Keras's own layers, so that an exported model does not need this package.

    Attributes:
        build: takes a `plain.Maker` and the inputs, symbolic tensors, and returns the output.
        weights: takes the trained layer and a list of its source layers, and returns the values of each plain layer
            that has variables, in the order in which they are made.
    """

    build: Callable[[Any, list[Any]], Any]
    weights: Callable[[Any, list[Any]], list[Any]]


@dataclasses.dataclass(frozen=True)
class Operation:
    """The record of an operation.

    Attributes:
        name: its name in flags, files and architectures.
        make_layer: takes `channels`, `stride`, `seed`, `name` and `dtype`, and returns a Keras layer, not yet built.
            It imports Keras itself, so that a module of operations can be imported without Keras.
        cost: takes the channels of input and output, the stride and the input's (height, width), and returns a `Cost`;
            None for an operation that is rejected wherever costs are needed.
        plain: its exported form; None for a layer of Keras's own, or made of such layers alone.
        label: its name in the report; `name` unless given.
        short: its abbreviation, for narrow places.
        color: the colour of its boxes in the report.
        shortcut: the shortcut around it in the staged space: "equal" where its input and output have one shape
            (MobileNetV2), "always" (ResNet: projected where they differ, and a ReLU behind the sum), or "" for none.
        traits: words that several operations share, such as "kernel 5"; the staged space gives them to the surrogate.
        inner: takes the arguments of `cost`, and returns the number of values between its layers, for estimates of time
            and memory; None for none.
        keeps_channels: whether it needs as many input channels as it gives.
        internal: whether it is a layer between operations, which users cannot choose.
        vector: whether its output is [batch, channels] and not an image.

    Raises:
        ConfigError: if `name` is not a valid name.

    Example:
        >>> from epnas_tf.nn import Operation, convolution_cost
        >>> def make_layer(channels, stride, seed, name, dtype):
        ...     import keras
        ...     options = dict(padding="same", use_bias=False, name=name, dtype=dtype)
        ...     return keras.layers.Conv2D(channels, 7, stride, **options)
        >>> Operation("conv_7x7", make_layer, convolution_cost(7, batch_norm=False)).label
        'conv 7x7'
    """

    name: str
    make_layer: Callable[..., Any]
    cost: CostFunction | None = None
    plain: Plain | None = None
    label: str = ""
    short: str = ""
    color: str = "#e3c6da"
    shortcut: str = ""
    traits: tuple[str, ...] = ()
    inner: InnerFunction | None = None
    keeps_channels: bool = False
    internal: bool = False
    vector: bool = False

    def __post_init__(self) -> None:
        if not is_operation_name(self.name):
            raise ConfigError(
                f'An operation\'s name is made of letters, digits, "_", "." and "-". Received: {self.name!r}'
            )
        label = self.label or self.name.replace("_", " ")
        object.__setattr__(self, "label", _cut(label, WIDEST_LABEL))
        object.__setattr__(self, "short", self.short or _cut(self.name, WIDEST_SHORT))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


_OPERATIONS: dict[str, Operation] = {}


def register(operation: Operation) -> Operation:
    """Registers an operation under its name, and returns it.

    Raises:
        ConfigError: if the name is taken.

    Example:
        >>> from epnas_tf.nn import convolution, known, register
        >>> _ = register(convolution("conv_9x9", 9))
        >>> "conv_9x9" in known()
        True
    """
    if operation.name in _OPERATIONS:
        raise ConfigError(
            f"An operation's name is registered once. Received: {operation.name!r} a second time. Give it another name."
        )
    _OPERATIONS[operation.name] = operation
    return operation


def _find(name: object) -> Operation | None:
    if not isinstance(name, str):
        return None
    if name not in _OPERATIONS:
        plugins.load_installed()
    return _OPERATIONS.get(name)


def is_known(name: object) -> bool:
    """Whether there is an operation of this name that users can choose."""
    found = _find(name)
    return found is not None and not found.internal


def operation(name: str) -> Operation:
    """The record of an operation.

    Raises:
        ArchitectureError: if there is none of this name.
    """
    found = _find(name)
    if found is None:
        raise ArchitectureError(
            f"An operation must be one of {', '.join(known())}{suggestion(name, known())}. Received: {name!r}. A "
            "module that registers another is named with --plugins."
        )
    return found


def known(internal: bool = False) -> tuple[str, ...]:
    """The names of the operations that users can choose, the paper's first, in its order.

    Args:
        internal: whether to include the internal layers between operations.
    """
    return tuple(name for name, entry in _OPERATIONS.items() if internal or not entry.internal)


def make_layer(kind: str, channels: int, stride: int, seed: int, name: str, dtype_policy: str = "float32") -> Any:
    """Makes the layer of an operation, unbuilt.

    Args:
        kind: the operation's name.
        channels: output channels.
        stride: 1 or 2.
        seed: decides the initial values.
        name: Keras's name of the layer, without a slash.
        dtype_policy: the layer's Keras dtype policy.

    Raises:
        ArchitectureError: if there is no such operation.
    """
    return operation(kind).make_layer(channels=channels, stride=stride, seed=seed, name=name, dtype=dtype_policy)


def is_operation_name(value: object) -> bool:
    """Whether a value is a valid operation name: one or more letters, digits, "_", "." and "-"."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def check_operations(names: Sequence[str], registered: bool = False) -> tuple[str, ...]:
    """Checks the list of operations of a space.

    Args:
        names: the names of the operations to choose from.
        registered: whether each must be one that users can choose; otherwise any `is_operation_name` is accepted.

    Returns:
        The names, as a tuple.

    Raises:
        ConfigError: if the list is empty, names an operation twice, or holds a name that is not known.
    """
    if isinstance(names, str) or not names:  # a string would be split into letters
        raise ConfigError(f"`operations` must be a list of at least one operation. Received: operations={names!r}")
    for position, name in enumerate(names):
        if registered and not is_known(name):
            raise ConfigError(
                f"`operations` must be among {', '.join(known())}, separated by commas{suggestion(name, known())}. "
                f"Received: {name!r}. A module that registers another is named with --plugins."
            )
        if not is_operation_name(name):
            raise ConfigError(f'An operation\'s name is made of letters, digits, "_", "." and "-". Received: {name!r}')
        if name in names[:position]:
            raise ConfigError(f"`operations` must name each operation once. Received: {name!r} twice")
    return tuple(names)


def suggestion(name: object, names: Sequence[str]) -> str:
    """The name that was probably meant, for an error text; "" if none is close."""
    near = difflib.get_close_matches(str(name), names, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""

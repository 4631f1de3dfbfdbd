"""The names of the operations (paper, section 3) and the checks on lists of names.

A name is all that an architecture knows of an operation; the table from a name to its layer is in `epnas_tf.nn`.
"""

import difflib
import re
from collections.abc import Sequence

from epnas_tf.errors import ConfigError

MAX_POOL_3X3 = "max_pool_3x3"
AVERAGE_POOL_3X3 = "average_pool_3x3"
CONV_3X3 = "conv_3x3"
CONV_5X5 = "conv_5x5"
SEPARABLE_CONV_3X3 = "sep_conv_3x3"
SEPARABLE_CONV_5X5 = "sep_conv_5x5"
IDENTITY = "identity"

MACRO_OPERATIONS: tuple[str, ...] = (
    MAX_POOL_3X3,
    AVERAGE_POOL_3X3,
    CONV_3X3,
    CONV_5X5,
    SEPARABLE_CONV_3X3,
    SEPARABLE_CONV_5X5,
)
"""The six operations of the macro space, in the paper's order (paper, section 3)."""

MICRO_OPERATIONS: tuple[str, ...] = (*MACRO_OPERATIONS, IDENTITY)
"""The operations of the micro space: the same six and the identity (paper, section 3)."""

# Names become parts of store keys, of Keras variable names (which refuse "/") and of an architecture's one-line text.
_NAME = re.compile(r"[A-Za-z0-9_.\-]+")


def is_operation_name(value: object) -> bool:
    """Returns whether the value can be an operation's name: letters, digits, "_", "." and "-", at least one."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def check_operations(names: Sequence[str], known: Sequence[str] | None = None) -> tuple[str, ...]:
    """Refuses a list of operations that a space cannot be made of.

    Args:
        names: the names of the operations to choose from.
        known: the names that exist; None takes any name that `is_operation_name`.

    Returns:
        The names, as a tuple.

    Raises:
        ConfigError: if the list is empty, names an operation twice, or holds a name that is not known.
    """
    if isinstance(names, str) or not names:  # a lone string would be taken apart into letters
        raise ConfigError(f"`operations` must be a list of at least one operation. Received: operations={names!r}")
    for position, name in enumerate(names):
        if known is not None and name not in known:
            raise ConfigError(
                f"`operations` must be among {', '.join(known)}{_suggestion(name, known)}. Received: {name!r}"
            )
        if not is_operation_name(name):
            raise ConfigError(f'An operation\'s name is made of letters, digits, "_", "." and "-". Received: {name!r}')
        if name in names[:position]:
            raise ConfigError(f"`operations` must name each operation once. Received: {name!r} twice")
    return tuple(names)


def _suggestion(name: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""

"""The exceptions of the project.

Everything that a user can cause derives from `EPNASError`, so a binary turns it into one clear line and an exit code,
and never into a traceback. Anything else that is raised is a bug of ours.
"""

import re

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""What the `repr` of an object without one of its own ends with; it says nothing to a reader."""


class EPNASError(Exception):
    """Base class of every error that the project raises on purpose; its text names no addresses of objects.

    Example:
        >>> import epnas_tf
        >>> try:
        ...     epnas_tf.SearchConfig(k=0)
        ... except epnas_tf.EPNASError as error:
        ...     print(error)
        `k` must be at least 1. Received: k=0
    """

    def __init__(self, *texts: object) -> None:
        super().__init__(*(_ADDRESS.sub("", text) if isinstance(text, str) else text for text in texts))


class ConfigError(EPNASError, ValueError):
    """A setting that is out of range or contradicts another one."""


class ArchitectureError(EPNASError, ValueError):
    """An architecture that is impossible, or a file that does not hold one."""


class DataError(EPNASError, ValueError):
    """A data set that is missing, unknown, broken or does not fit the search."""


class TooFewImagesError(DataError):
    """A data set with too few classes, or images of one, for all parts of a training; it may be evaluated on."""


class RunDirectoryError(EPNASError):
    """A run directory that cannot be read, written or belongs to other settings."""


class StateError(RunDirectoryError):
    """A saved state that is cut short or does not belong here."""


class SearchError(EPNASError, RuntimeError):
    """A search that cannot go on, for example because every child of a level diverged."""


class StoreError(EPNASError, ValueError):
    """A shared variable that does not have the shape or the place that was asked for."""

"""The exceptions of the project.

Every error that a user can cause derives from `EPNASError`; a binary turns it into one clear line and an exit code,
never a traceback. Any other exception is a bug in this package.
"""

import re

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""The end of Python's default `repr`, which means nothing to a reader."""


class EPNASError(Exception):
    """Base class of every error that the package raises on purpose; addresses of objects are cut from its text.

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
    """A data set with too few classes, or too few images of one, to train on; evaluation may still be possible."""


class RunDirectoryError(EPNASError):
    """A run directory that cannot be read or written, or belongs to other settings."""


class StateError(RunDirectoryError):
    """A saved state that is incomplete or belongs to something else."""


class SearchError(EPNASError, RuntimeError):
    """A search that cannot go on, for example because every child of a level diverged."""


class StoreError(EPNASError, ValueError):
    """A shared variable that does not have the requested shape or place."""

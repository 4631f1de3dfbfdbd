"""Labelled images: where they come from, how they are split and how they reach a network.

Importing this package imports neither TensorFlow nor any of the libraries that read images: each is imported when it is
first needed, so that a wrong setting is refused at once.
"""

from typing import TYPE_CHECKING, Any

from epnas_tf.data.loading import check, load
from epnas_tf.data.values import ImageData, Images

if TYPE_CHECKING:
    from epnas_tf.data.pipeline import TrainingPipeline, evaluation_batches

__all__ = ["ImageData", "Images", "TrainingPipeline", "check", "evaluation_batches", "load"]


def __getattr__(name: str) -> Any:
    """Imports the names that need TensorFlow when they are first asked for (PEP 562)."""
    if name in ("TrainingPipeline", "evaluation_batches"):
        from epnas_tf.data import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

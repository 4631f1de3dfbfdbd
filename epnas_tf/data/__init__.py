"""Labelled images: reading, splitting, and batches for a network.

Importing this package imports neither TensorFlow nor any library that reads images. Each is imported on first use, so
that a wrong setting is rejected at once.
"""

from typing import TYPE_CHECKING, Any

from epnas_tf.data.loading import check, load
from epnas_tf.data.values import ImageData, Images

if TYPE_CHECKING:
    from epnas_tf.data.pipeline import TrainingPipeline, evaluation_batches

__all__ = ["ImageData", "Images", "TrainingPipeline", "check", "evaluation_batches", "load"]


def __getattr__(name: str) -> Any:
    """Imports the names that need TensorFlow on first use (PEP 562)."""
    if name in ("TrainingPipeline", "evaluation_batches"):
        from epnas_tf.data import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

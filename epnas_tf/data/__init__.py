"""Labelled images: reading, splitting, and batches for a network.

Importing this package imports neither TensorFlow nor any library that reads images. Each is imported on first use, so
that a wrong setting is rejected at once.
"""

from typing import TYPE_CHECKING

from epnas_tf.data.loading import check, load
from epnas_tf.data.values import ImageData, Images
from epnas_tf.lazy import importer

if TYPE_CHECKING:
    from epnas_tf.data.pipeline import TrainingPipeline, evaluation_batches

__all__ = ["ImageData", "Images", "TrainingPipeline", "check", "evaluation_batches", "load"]
__getattr__ = importer(__name__, {"TrainingPipeline": "pipeline", "evaluation_batches": "pipeline"})

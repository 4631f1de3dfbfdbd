"""Evaluation of trained networks: metrics from probabilities, classifiers from files, latency on this device.

Importing this package imports neither TensorFlow nor Keras.
"""

from epnas_tf.evaluation.classifier import Classifier, ModelError
from epnas_tf.evaluation.evaluation import Evaluation, evaluate
from epnas_tf.evaluation.latency import BatchLatency, Latency, measure_latency
from epnas_tf.evaluation.models import load_classifier
from epnas_tf.evaluation.prediction import Predictions, predict
from epnas_tf.metrics import ClassMetrics, Metrics, measure

__all__ = [
    "BatchLatency",
    "ClassMetrics",
    "Classifier",
    "Evaluation",
    "Latency",
    "Metrics",
    "ModelError",
    "Predictions",
    "evaluate",
    "load_classifier",
    "measure",
    "measure_latency",
    "predict",
]

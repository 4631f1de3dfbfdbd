"""Evaluation of trained networks: metrics from probabilities, classifiers from files, latency on this device.

Importing this package imports neither TensorFlow nor Keras.
"""

from epnas_tf.evaluation.classifier import ModelError
from epnas_tf.evaluation.evaluation import Evaluation, evaluate
from epnas_tf.evaluation.models import load_classifier
from epnas_tf.evaluation.prediction import Predictions, predict
from epnas_tf.metrics import Metrics, measure

__all__ = ["Evaluation", "Metrics", "ModelError", "Predictions", "evaluate", "load_classifier", "measure", "predict"]

"""What the tests of the KerasTuner side share: tiny data, a tiny tuner, and a tuner that scores without training."""

import shutil
from pathlib import Path

import keras_tuner
import numpy as np
from sklearn.datasets import load_digits

from epnas_tf.config import ChildConfig, SearchConfig
from epnas_tf.tuner import hyperparameters
from epnas_tf.tuner.hypermodel import MacroHyperModel
from epnas_tf.tuner.tuner import EPNASTuner

TWO_LEVELS = SearchConfig(k=2, iterations=2)
NUM_TRIALS = 8
"""Two operations: 2 children at level 1, 2 at level 2, twice."""
CHILD = ChildConfig(epochs=3, batch_size=20)
OPERATIONS = ("conv_3x3", "max_pool_3x3")


def digits(count=600):
    """Images in [0, 1] and labels."""
    images, labels = load_digits(return_X_y=True)
    return (images[:count].reshape(-1, 8, 8, 1) / 16).astype(np.float32), labels[:count]


def split_digits(count=600):
    """Training images and labels, and validation images and labels."""
    images, labels = digits(count)
    kept = count * 3 // 4
    return images[:kept], labels[:kept], (images[kept:], labels[kept:])


def make_hypermodel(**kwargs):
    return MacroHyperModel((8, 8, 1), 10, **{"layers": 2, "operations": OPERATIONS, "channels": 4, **kwargs})


def make_tuner(directory, hypermodel=None, **kwargs):
    of_oracle = {} if "oracle" in kwargs else {"search": TWO_LEVELS}
    settings = {**of_oracle, "child": CHILD, "project_name": "project", **kwargs}
    return EPNASTuner(hypermodel or make_hypermodel(), directory=directory, **settings)


def trials_of(tuner):
    """Each trial's values, status and score, in order."""
    trials = [tuner.oracle.trials[trial_id] for trial_id in tuner.oracle.start_order]
    return [(trial.hyperparameters.values, trial.status, trial.score) for trial in trials]


class ScoringTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Scores by a function of (architecture, number) and trains nothing."""

    def __init__(self, oracle, score, **kwargs):
        self.score = score
        super().__init__(oracle, **kwargs)

    def run_trial(self, trial, **kwargs):
        del kwargs
        architecture = hyperparameters.read(self.oracle.space, trial.hyperparameters)
        return {"val_accuracy": self.score(architecture, int(trial.trial_id))}


class Snapshots:
    """Copies a project at every file that is written: what a kill right after it would leave."""

    def __init__(self, directory, copies):
        self.directory, self.copies = Path(directory), Path(copies)
        self.written = []

    def wrap(self, write):
        def write_and_copy(file, data):
            write(file, data)
            shutil.copytree(self.directory, self.copies / f"{len(self.written):04d}")
            self.written.append(str(Path(file).relative_to(self.directory)))

        return write_and_copy

    def path(self, number):
        return self.copies / f"{number:04d}"

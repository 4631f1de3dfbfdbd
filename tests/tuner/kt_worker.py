"""One process of a distributed search: the chief or a worker, as KerasTuner's environment variables say.

    python -m tests.tuner.kt_worker DIRECTORY NUM_WORKERS

A worker prints one line of JSON: its trials, how often it asked, and what else the test looks at.
"""

import json
import os
import sys
import time
from pathlib import Path

from epnas_tf.config import SearchConfig
from epnas_tf.errors import EPNASError
from epnas_tf.tuner.tuner import EPNASTuner
from tests.tuner.kt_helpers import make_tuner, split_digits

SEARCH = SearchConfig(k=4, iterations=1)
IDLE_SECONDS = 0.1
SLOW_SECONDS = 3.0


class WatchedTuner(EPNASTuner):
    """Notes its trials, its questions and its sleep; worker1 dawdles over its first trial."""

    trials: list[str]
    questions = 0

    def pre_create_trial(self) -> None:
        self.questions += 1
        super().pre_create_trial()

    def run_trial(self, trial, *args, **kwargs):
        self.trials.append(trial.trial_id)
        if self.tuner_id == "worker1" and len(self.trials) == 1:
            time.sleep(SLOW_SECONDS)
        return super().run_trial(trial, *args, **kwargs)


def main(directory: str, num_workers: int) -> None:
    """Runs this process's part of the search."""
    name = os.environ["KERASTUNER_TUNER_ID"]
    tuner = make_tuner(directory, search=SEARCH, idle_seconds=IDLE_SECONDS)
    if name == "chief":
        tuner.search(verbose=0)
        print(json.dumps({"trials": tuner.oracle.end_order, "told": tuner.oracle.progressive.num_told}))
        return
    tuner.__class__, tuner.trials = WatchedTuner, []
    x, y, validation = split_digits(200)
    (Path(directory) / f"{name}.ready").write_text("")
    while len(list(Path(directory).glob("*.ready"))) < num_workers:  # so that the trials are shared
        time.sleep(0.05)
    tuner.search(x, y, validation_data=validation, verbose=0)
    best = tuner.get_best_hyperparameters()[0].values
    try:
        tuner.get_best_models()
        models = "own"
    except EPNASError:
        models = "elsewhere"
    print(json.dumps({"trials": tuner.trials, "questions": tuner.questions, "best": best, "models": models}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

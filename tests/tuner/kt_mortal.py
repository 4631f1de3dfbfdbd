"""One process of a distributed search whose workers die, dawdle or fail.

    python -m tests.tuner.kt_mortal DIRECTORY KIND BEHAVIOUR NUM_WORKERS

KIND is "epnas" (`EPNASTuner`) or "plain" (a tuner of KerasTuner's own over `EPNASOracle`, which trains nothing).
BEHAVIOUR is a worker's: "steady", "dies" (in its first trial) or "late" (reports its first trial when another worker
has, then dies). The last line that is printed is the trials that it has run, or on the chief those that ended.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import keras_tuner

from epnas_tf.config import SearchConfig
from epnas_tf.tuner import hyperparameters
from epnas_tf.tuner.oracle import EPNASOracle
from tests.tuner.kt_helpers import make_hypermodel, make_tuner, split_digits

SEARCH = SearchConfig(k=3, iterations=1)
TIMEOUT = {"epnas": 8.0, "plain": 1.5}
TRIAL_SECONDS = 0.5


def misbehave(behaviour: str, run: list[str], project: Path) -> None:
    """Does what a worker's behaviour is, in the middle of a trial, and leaves a file that says that it has begun."""
    begun(project.parent, behaviour, len(run)).write_text(run[-1])
    if behaviour == "dies" or (behaviour == "late" and len(run) == 2):
        os.kill(os.getpid(), signal.SIGKILL)
    while behaviour == "late" and '"COMPLETED"' not in (project / f"trial_{run[-1]}" / "trial.json").read_text():
        time.sleep(0.05)


def begun(directory: Path, behaviour: str, number: int) -> Path:
    """The file that a worker leaves when it begins its first, second, … trial; it holds the trial."""
    return directory / f"{behaviour}.{number}.begun"


def share(tuner, directory: Path, run: list[str], num_workers: int) -> None:
    """Makes a steady worker leave trials to the others, however slow they are: it asks again when they have begun."""
    ask = tuner.pre_create_trial

    def wait_and_ask() -> None:
        while run and len(list(directory.glob("*.1.begun"))) < num_workers:
            time.sleep(0.05)
        late = begun(directory, "late", 1)
        while late.exists() and late.read_text() in run and not begun(directory, "late", 2).exists():
            time.sleep(0.05)
        ask()

    tuner.pre_create_trial = wait_and_ask


def make_plain(directory, behaviour, run):
    """A tuner that knows nothing of this project but its oracle."""
    hypermodel = make_hypermodel()

    class Plain(keras_tuner.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, **kwargs):
            del kwargs
            run.append(trial.trial_id)
            misbehave(behaviour, run, Path(self.project_dir))
            time.sleep(TRIAL_SECONDS)
            hyperparameters.read(hypermodel.space, trial.hyperparameters)
            return {"val_accuracy": 0.5 + 0.01 * int(trial.trial_id)}

    oracle = EPNASOracle(
        hypermodel.space,
        search=SEARCH,
        worker_timeout=TIMEOUT["plain"],
        max_consecutive_failed_trials=None,
    )
    return Plain(oracle, directory=directory, project_name="project"), {}


def make_epnas(directory, behaviour, run):
    """An `EPNASTuner` on a few digits."""
    tuner = make_tuner(directory, search=SEARCH, idle_seconds=0.1, worker_timeout=TIMEOUT["epnas"])
    train = tuner._train

    def train_or_not(trial):
        run.append(trial.trial_id)
        misbehave(behaviour, run, Path(tuner.project_dir))
        return train(trial)

    tuner._train = train_or_not
    x, y, validation = split_digits(200)
    return tuner, {"x": x, "y": y, "validation_data": validation}


def main(directory: str, kind: str, behaviour: str, num_workers: int) -> None:
    """Runs this process's part of the search."""
    name, run = os.environ["KERASTUNER_TUNER_ID"], []
    tuner, arguments = (make_plain if kind == "plain" else make_epnas)(directory, behaviour, run)
    if name == "chief":
        oracle = tuner.oracle
        tuner.search(verbose=0)
        scores = {trial_id: trial.score for trial_id, trial in oracle.trials.items()}
        print(json.dumps({"ended": oracle.end_order, "told": oracle.progressive.num_told, "scores": scores}))
        return
    (Path(directory) / f"{name}.ready").write_text("")
    while len(list(Path(directory).glob("*.ready"))) < num_workers:  # so that each worker gets a trial
        time.sleep(0.05)
    if behaviour == "steady":
        share(tuner, Path(directory), run, num_workers)
    tuner.search(**arguments, verbose=0)
    tuner.results_summary()  # as a person's program does; its chief ends soon after
    print(json.dumps(run))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))

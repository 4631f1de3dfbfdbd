"""What a child and the choice of a level's children cost, for any networks of the two spaces."""

import functools
from collections.abc import Sequence
from typing import Any

from benchmarks.cases import Case, beside_the_steps, random_data
from benchmarks.competitors.scorers import LevelChoice
from benchmarks.competitors.steps import OurSteps
from benchmarks.competitors.trials import SharedWeightTrials
from benchmarks.interleaved import interleave, timed

TRIAL_STEPS, TRIAL_BATCH = 9, 16
"""Of the longer of the two trials; small, so that steps, whose times vary, weigh little."""

TRIAL_TURNS = 2


class Children:
    """Children as `epnas-search` trains them, on random images.

    Args:
        case: the networks.
        batch_size: images of a training step.
    """

    def __init__(self, case: Case, batch_size: int) -> None:
        self._case, self._batch_size = case, batch_size
        self._trials: SharedWeightTrials | None = None

    def steps(self, architectures: Sequence[Any], steps: int, turns: int) -> list[list[list[float]]]:
        """Returns the seconds of a training step and of an evaluation step, for each architecture and turn.

        Args:
            architectures: what is trained, one after the other.
            steps: steps of a turn.
            turns: how often each is measured.
        """
        ours = OurSteps(self._case, self._batch_size, steps)
        figures = []
        for architecture in architectures:
            ours.prepare(architecture)
            figures.append(interleave([ours.train, ours.evaluate], turns))
        return figures

    def beside_the_steps(self, architectures: Sequence[Any]) -> list[float]:
        """Returns the seconds of each architecture's trial that do not grow with its steps.

        As in `benchmarks.overhead`; of a few turns the shortest times count, since a busy machine only adds to them.
        """
        trials = self._warm_trials(architectures[0])
        found = []
        for architecture in architectures:
            run = functools.partial(trials.run, architecture)
            short, long = interleave([timed(functools.partial(run, part)) for part in (0, 1)], TRIAL_TURNS)
            found.append(beside_the_steps(min(short), min(long), TRIAL_STEPS))
        return found

    def _warm_trials(self, architecture: Any) -> SharedWeightTrials:
        """Returns the trials; the first of each length, which are slower, are run when they are made."""
        if self._trials is None:
            counts = (TRIAL_BATCH, TRIAL_STEPS * TRIAL_BATCH)
            parts = [random_data(self._case, count, count) for count in counts]
            self._trials = SharedWeightTrials(self._case, parts, 1, TRIAL_BATCH)
            for part in range(len(parts)):
                self._trials.run(architecture, part)
        return self._trials

    def state_bytes(self) -> int:
        """Returns the size of the newest saved state, after at least one `beside_the_steps`."""
        if self._trials is None:
            raise ValueError("`state_bytes` comes after `beside_the_steps`.")
        return self._trials.state_bytes()

    def choice_seconds(self, parents: int) -> float:
        """Returns the seconds of scoring the deepest level's candidates and sampling as many as parents."""
        return LevelChoice(self._case.make_space(), parents).choose()[0]

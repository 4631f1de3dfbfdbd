"""Settings of a search."""

import dataclasses
from typing import ClassVar

from epnas_tf.config.shared import L2_CHOICES, L2_ON, MIXED_PRECISION, XLA, DataConfig, NetworkConfig, SpaceConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, option


@dataclasses.dataclass(frozen=True)
class ChildConfig(Settings):
    """Training of a child on the shared weights (paper, sections 4 and 5; ENAS where the paper defers to it).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.ChildConfig(epochs=1, batch_size=64).learning_rate
        0.05
    """

    TITLE: ClassVar[str] = "training of the children"
    OFTEN: ClassVar[tuple[str, ...]] = ("epochs",)

    epochs: int = option(3, "epochs of training for each child [paper, sections 4 and 5: 3]", minimum=1)
    batch_size: int = option(128, "images per training step [ENAS: macro 128, micro 160]", minimum=1)
    learning_rate: float = option(0.05, "learning rate at the start of a child's cosine schedule [ENAS: 0.05]", above=0)
    final_learning_rate: float = option(
        0.0005, "learning rate at the end of a child's cosine schedule [ENAS: 0.0005]", minimum=0
    )
    momentum: float = option(0.9, "Nesterov momentum [ENAS: 0.9]", minimum=0, maximum=0.9999)
    keep_momentum: bool = option(
        True,
        "start each child with the momentum that earlier children left on the shared variables, not with zero [ENAS: "
        "one optimiser for all children]",
    )
    l2: float = option(
        2.5e-4, "factor of the sum of squared weights in the loss [ENAS: macro 2.5e-4, micro 1e-4]", minimum=0
    )
    l2_on: str = option("kernels", L2_ON, choices=L2_CHOICES)
    clip_norm: float = option(
        5.0, "upper bound of the gradient's global norm, L2 included [ENAS: 5 per variable]; 0 for none", minimum=0
    )
    share_weights: bool = option(
        True,
        "train all children on one set of shared weights, not each on fresh weights [paper, section 4: shared]",
    )
    mixed_precision: bool = option(False, MIXED_PRECISION)
    xla: bool = option(
        False, f"{XLA}; this takes some ten seconds for each child, and is slower overall on a CPU [ENAS: none]"
    )
    reuse_traces: bool = option(
        True,
        "trace each kind of layer once for all children: they start sooner, with bit-identical results; no effect with "
        "mirrored or on steps that xla compiles [ENAS: one graph for all children]",
    )
    trace_ahead: bool = option(
        True,
        "trace the next child of a level while the current one trains, with bit-identical results; no effect with "
        "mirrored [paper: none]",
    )
    mirrored: bool = option(
        False,
        "train each child on all GPUs of this computer (tf.distribute.MirroredStrategy): each gets an equal part of "
        "every batch, and batch norm covers the whole batch [ENAS: one GPU]",
    )

    @property
    def on_weights(self) -> str:
        """Which weights a child's accuracy was measured on, in words."""
        return "on the shared weights" if self.share_weights else "on weights of its own"

    def check(self) -> None:
        """Refuses settings that contradict each other."""
        if self.xla and self.mirrored:
            raise ConfigError(
                "`xla` and `mirrored` do not go together: a step over several GPUs is not compiled as one. "
                "Received: xla=True, mirrored=True. Give one of them."
            )


@dataclasses.dataclass(frozen=True)
class SurrogateConfig(Settings):
    """The surrogate, which predicts scores (paper, section 4, "Surrogate function"; section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.SurrogateConfig(additive=False).hidden_units  # the paper's
        100
    """

    TITLE: ClassVar[str] = "surrogate"

    additive: bool = option(
        True,
        "predict with an additive model (ridge regression, one term for each symbol of each level), and with what "
        "whole networks score beyond it (Gaussian process); otherwise with an LSTM [paper, section 4: LSTM]",
    )
    additive_penalty: float = option(
        1.0, "ridge penalty of the additive model, as a number of measured scores [paper: none]", above=0
    )
    cost_terms: bool = option(
        True,
        "additive terms for parameters and multiply-adds, which are known before any score; how far scores follow them "
        "is learned from the scores [paper: none]",
    )
    ensemble: int = option(
        1,
        "LSTMs with different initial weights, whose predictions are averaged [paper, section 4: one; PNAS: 5]",
        minimum=1,
    )
    refit: bool = option(
        False, "start every fit of the LSTM from fresh weights, not from those of the last fit [the paper is silent]"
    )
    hidden_units: int = option(100, "hidden units of the surrogate's LSTM [paper, section 5: 100]", minimum=1)
    input_units: int = option(100, "size of the surrogate's linear input layer [paper, section 5: 100]", minimum=1)
    first_surrogate_learning_rate: float = option(
        0.01, "Adam's learning rate in fits that start from fresh weights [PNAS: 0.01]", above=0
    )
    surrogate_learning_rate: float = option(
        0.002, "Adam's learning rate in fits that continue from earlier weights [PNAS: 0.002]", above=0
    )
    surrogate_steps: int = option(200, "gradient steps in each fit of the surrogate [the paper is silent]", minimum=1)
    surrogate_batch_size: int = option(64, "scores in each gradient step of a fit [the paper is silent]", minimum=1)


@dataclasses.dataclass(frozen=True)
class SearchConfig(Settings):
    """The progressive search (paper, section 4).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.SearchConfig(k=5, iterations=2).sampling
        'thompson'
    """

    TITLE: ClassVar[str] = "search"
    OFTEN: ClassVar[tuple[str, ...]] = ("k", "iterations")

    k: int = option(25, "architectures K sampled at each level [paper, section 5: 25]", minimum=1)
    iterations: int = option(3, "iterations over all levels [paper, section 5: three to five]", minimum=1)
    whole_iterations: int = option(
        1,
        "last iterations that train whole networks only, after the first level; never the first iteration, and with "
        "thompson alone [paper, section 4: none]",
        minimum=0,
    )
    halving_rounds: int = option(
        3,
        "last rounds of an iteration of whole networks, at most half of its rounds, in which the best so far are "
        "trained again: K of them in the first, half as many twice each in the second, and so on; not where scores "
        "show no noise [paper: none; sequential halving, Karnin et al., 2013]",
        minimum=0,
    )
    sampling: str = option(
        "thompson",
        "rule that picks the K: probability (in proportion to p^(1/temperature) of the predicted score p [paper, "
        "section 4]), greedy (the K best predictions [PNAS]), thompson (the best of predictions drawn with their "
        "uncertainty; needs additive) or uniform (random search)",
        choices=("thompson", "probability", "greedy", "uniform"),
    )
    exploration: float = option(
        0.5,
        "thompson: factor of the spread of the draws around the prediction. The last of several iterations uses "
        "0, which is greedy, unless it trains whole networks [paper: none]",
        minimum=0,
    )
    repeated: str = option(
        "all",
        "which scores of an architecture that was trained several times the surrogate learns from: all, or the newest; "
        "newest suits a surrogate without the additive model, which alone models the progress of the shared weights "
        "[paper, section 4: a hash table of repeated architectures]",
        choices=("all", "newest"),
    )
    shuffle: bool = option(
        True,
        "train the children of a level in random order. The shared weights improve meanwhile, which would otherwise "
        "favour the last ones [the paper is silent]",
    )
    rank_by: str = option(
        "estimate",
        "rank whole architectures by their newest score, or by an estimate between the surrogate's prediction and the "
        "mean score: the noisier the scores, the nearer to the prediction [the paper is silent]",
        choices=("estimate", "score"),
    )
    initial_temperature: float = option(
        4.0, "sampling temperature in the first of several iterations [the paper is silent]", above=0
    )
    final_temperature: float = option(
        1.0, "sampling temperature in the last iteration [paper, section 4: one]", above=0
    )
    temperature_schedule: str = option(
        "geometric",
        "how the temperature falls between the two: geometric (equal ratios) or linear (equal steps) [paper: quickly]",
        choices=("geometric", "linear"),
    )

    @property
    def first_whole_iteration(self) -> int:
        """The first iteration, from 0, that trains whole networks only; `iterations` if none does."""
        whole = self.whole_iterations if self.sampling == "thompson" else 0
        return max(1, self.iterations - whole)

    @property
    def tempered(self) -> bool:
        """Whether the sampling rule uses the temperature."""
        return self.sampling == "probability"


def check_rule(search: SearchConfig, surrogate: SurrogateConfig) -> None:
    """Refuses a sampling rule that the surrogate does not support.

    Raises:
        ConfigError: if it is Thompson sampling without the additive model, which supplies the uncertainty.
    """
    if search.sampling == "thompson" and not surrogate.additive:
        raise ConfigError(
            "`sampling` thompson draws from what the additive model does not know yet, so `additive` must be true. "
            "Received: sampling='thompson', additive=False. Give --sampling=greedy or probability to go without it."
        )


PAPER_SURROGATE = SurrogateConfig(additive=False, cost_terms=False)
"""The paper's surrogate (section 4, "Surrogate function"; section 5)."""

PAPER_SEARCH = SearchConfig(
    whole_iterations=0, halving_rounds=0, sampling="probability", repeated="newest", shuffle=False, rank_by="score"
)
"""The paper's search (section 4), with three iterations (section 5)."""


@dataclasses.dataclass(frozen=True)
class LimitConfig(Settings):
    """Limits on every child's network; 0 for no limit.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.LimitConfig(max_params=20_000).max_latency_ms  # no limit
        0.0
    """

    TITLE: ClassVar[str] = "limits of the networks"
    OFTEN: ClassVar[tuple[str, ...]] = ("max_params",)

    max_params: int = option(
        0,
        "maximum trainable parameters of a child, with the channels of the search; 0 for no limit [paper: none]",
        minimum=0,
    )
    max_multiply_adds: int = option(
        0,
        "maximum multiply-adds of a child for one image, with the channels of the search; 0 for no limit [paper: none]",
        minimum=0,
    )
    max_latency_ms: float = option(
        0.0,
        "maximum latency of a child for one image, in milliseconds, with the channels of the search: the sum of its "
        "layers' times, measured on this device when the search begins; 0 for no limit [paper: none]",
        minimum=0,
    )


@dataclasses.dataclass(frozen=True)
class RunConfig(Settings):
    """All settings of one run. Two runs with equal settings give the same result.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.RunConfig(space=epnas_tf.SpaceConfig(layers=6), search=epnas_tf.SearchConfig(k=5))
        >>> config.space.layers, config.search.k, config.search.iterations
        (6, 5, 3)
    """

    space: SpaceConfig = SpaceConfig()
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    surrogate: SurrogateConfig = SurrogateConfig()
    search: SearchConfig = SearchConfig()
    limits: LimitConfig = LimitConfig()
    seed: int = option(0, "seed of every random choice in the run", minimum=0, maximum=2**31 - 1)
    round: int = option(
        1,
        "children of a level that start from the same shared weights, and whose changes are then merged; workers can "
        "train them side by side. The result depends on this number, not on the workers [paper, section 4: 1, one "
        "after the other]",
        minimum=1,
    )

    def check(self) -> None:
        """Refuses settings that contradict each other."""
        check_rule(self.search, self.surrogate)


@dataclasses.dataclass(frozen=True)
class RankConfig(Settings):
    """Comparison of a search's scores on shared weights with trainings of each architecture on its own weights."""

    architectures: int = option(
        30,
        "number of the search's whole architectures to train, drawn with the seed; all if there are fewer",
        minimum=3,
    )
    own_epochs: int = option(30, "epochs of training for each architecture, on its own weights", minimum=1)
    own_trainings: int = option(
        1,
        "trainings of each architecture, whose mean is its own score. From 2 on, the agreement between two own "
        "trainings is reported as well",
        minimum=1,
    )
    seed: int = option(0, "seed of the sample, the initial weights and the batches", minimum=0, maximum=2**31 - 1)

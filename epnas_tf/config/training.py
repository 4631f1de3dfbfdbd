"""Settings of a final training."""

import dataclasses
from typing import ClassVar

from epnas_tf import plugins
from epnas_tf.config.shared import L2_CHOICES, L2_ON, MIXED_PRECISION, XLA, DataConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, option


@dataclasses.dataclass(frozen=True)
class FinalNetworkConfig(Settings):
    """The size of the final network (paper, section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.FinalNetworkConfig(channels=96).normal_cells
        3
    """

    TITLE: ClassVar[str] = "size of the network"
    OFTEN: ClassVar[tuple[str, ...]] = ("channels",)

    channels: int = option(
        48,
        "channels of the final network's convolutions; staged: of the first stage [paper, section 5: macro 200 and "
        "512, micro 96 and 128]",
        minimum=2,
    )
    normal_cells: int = option(
        3, "micro: normal cells N stacked before, between and after the two reductions [paper, section 5: 3]", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class RecipeConfig(Settings):
    """The recipe of the final training: ENAS's, which the paper defers to (section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.RecipeConfig(epochs=70, label_smoothing=0.1).restart_epochs
        10
    """

    TITLE: ClassVar[str] = "training"
    OFTEN: ClassVar[tuple[str, ...]] = ("epochs", "batch_size", "learning_rate")

    epochs: int = option(30, "epochs of the final training [ENAS: macro 310, micro 630]", minimum=1)
    batch_size: int = option(128, "images per training step [ENAS: macro 100, micro 144]", minimum=1)
    learning_rate: float = option(0.05, "learning rate at the start of each cosine [ENAS: 0.05]", above=0)
    final_learning_rate: float = option(
        0.001, "learning rate at the end of each cosine [ENAS: macro 0.001, micro 0.0001]", minimum=0
    )
    warmup_epochs: float = option(
        0.0,
        "epochs before the first cosine, in which the learning rate rises linearly from 0: step k of n has k/n of "
        "learning_rate. With restart_epochs=0 the cosine takes the remaining epochs, otherwise all cosines begin so "
        "much later; candidates have the same fraction of their epochs; 0 for none [ENAS: none]",
        minimum=0,
    )
    restart_epochs: int = option(
        10,
        "epochs of the first cosine, after which the learning rate restarts [ENAS: 10]; 0 for one cosine, no restart",
        minimum=0,
    )
    restart_factor: int = option(2, "length of each cosine relative to the one before it [ENAS: 2]", minimum=1)
    optimizer: str = option(
        "sgd",
        "sgd, with Nesterov momentum [ENAS], or another Keras optimizer by its lower-case name: adam, adamw, lion, "
        "rmsprop and so on. All follow the same learning rate schedule",
    )
    optimizer_settings: tuple[str, ...] = option(
        (), "settings of a Keras optimizer, such as beta_1=0.9,beta_2=0.95; empty for its defaults; not for sgd"
    )
    weight_decay: float = option(
        -1.0,
        "decoupled weight decay: each step subtracts this times the learning rate times the weight, of the variables "
        "that l2_on names; 0 for none, -1 for the optimizer's default: 0.004 for adamw and muon, else none [ENAS: "
        "none]",
        minimum=-1,
    )
    momentum: float = option(0.9, "sgd: Nesterov momentum [ENAS: 0.9]", minimum=0, maximum=0.9999)
    l2: float = option(2e-4, "factor of the sum of squared weights in the loss [ENAS: 2e-4]", minimum=0)
    l2_on: str = option("all", L2_ON, choices=L2_CHOICES)
    clip_norm: float = option(
        5.0, "upper bound of the gradient's global norm, L2 included [ENAS: 5 per variable]; 0 for none", minimum=0
    )
    dropout_keep: float = option(
        0.9,
        "probability of keeping each feature before the classifier, in (0, 1] [ENAS: macro 0.5, micro 0.8]; 1 for no "
        "dropout",
        above=0,
        maximum=1,
    )
    drop_path_keep: float = option(
        1.0,
        "probability of keeping a path in the last cell or layer at the last step, in (0, 1]; closer to 1 in earlier "
        "cells and steps [ENAS: micro 0.6]; 1 for no drop-path",
        above=0,
        maximum=1,
    )
    auxiliary_weight: float = option(
        0.0, "weight of the auxiliary head's loss [ENAS: micro 0.4]; 0 for no auxiliary head", minimum=0
    )
    label_smoothing: float = option(
        0.0,
        "fraction of each label spread evenly over all classes, in [0, 0.9]; 0 for none [ENAS: none]",
        minimum=0,
        maximum=0.9,
    )
    mixup: float = option(
        0.0,
        "alpha of the Beta distribution from which each batch draws the weight of its images in a mixture with others, "
        "and of their labels in the loss [mixup, Zhang et al., 2017: 1 for CIFAR-10]; 0 for none [ENAS: none]",
        minimum=0,
    )
    cutmix: float = option(
        0.0,
        "alpha likewise of the area that is not replaced by a rectangle of another image [CutMix, Yun et al., 2019: "
        "1]; with mixup as well, each batch has one of the two with equal chance; 0 for none [ENAS: none]",
        minimum=0,
    )
    ema_decay: float = option(
        0.0,
        "decay of the exponential moving average of all variables, batch norm's statistics too, that is validated, "
        "tested and exported in place of the last step's variables, such as 0.999; step t, from 0, has at most "
        "(1 + t) / (10 + t); 0 for no average [ENAS: none]",
        minimum=0,
        maximum=0.99999,
    )
    held_out: bool = option(
        False,
        "exclude the validation images from training and measure accuracy on them after every epoch; otherwise train "
        "on all training images [ENAS: all]",
    )
    candidates: int = option(
        1,
        "number of the search's best architectures, or of each of several searches, to compare: each is trained from "
        "fresh weights for --candidate_epochs, and the best on the validation images is trained in full; 1 takes the "
        "search's best",
        minimum=1,
    )
    candidate_epochs: int = option(5, "epochs of training for each candidate, if there are several", minimum=1)
    mixed_precision: bool = option(False, MIXED_PRECISION)
    xla: bool = option(False, XLA)

    def check(self) -> None:
        """Refuses a warm-up that leaves no epoch for a cosine."""
        if self.warmup_epochs >= self.epochs:
            raise ConfigError(
                f"`warmup_epochs` must be less than `epochs`, {self.epochs}. Received: "
                f"warmup_epochs={self.warmup_epochs:g}. Use fewer, or 0 for none."
            )


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Settings):
    """All settings of one final training. Two trainings with equal settings give the same network.

    Example:
        >>> import epnas_tf
        >>> recipe = epnas_tf.RecipeConfig(epochs=10)
        >>> epnas_tf.TrainingConfig(recipe=recipe, data=epnas_tf.DataConfig(dataset="photos/")).network.channels
        48
    """

    network: FinalNetworkConfig = FinalNetworkConfig()
    recipe: RecipeConfig = RecipeConfig()
    data: DataConfig = DataConfig()
    seed: int = option(0, "seed of every random choice in the training", minimum=0, maximum=2**31 - 1)
    plugins: tuple[str, ...] = option((), plugins.HELP)

    def check(self) -> None:
        """Imports the plugins, which define the operations and spaces of the architecture."""
        plugins.load(self.plugins)


FOUND, LARGEST, RANDOM = "found", "largest", "random"
COMPARED = (FOUND, LARGEST, RANDOM, "resnet", "mobilenet_v2", "plain")
"""The networks that `epnas-compare` can train."""


@dataclasses.dataclass(frozen=True)
class CompareConfig(Settings):
    """Comparison of the network that a search found with others, all trained by one recipe.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.CompareConfig(networks=("found", "resnet"), seeds=10).match
        'parameters'
    """

    training: TrainingConfig = TrainingConfig()
    seeds: int = option(
        3, "trainings of each network, each with a seed of its own; a finished comparison goes on with more", minimum=2
    )
    networks: tuple[str, ...] = option(
        COMPARED,
        "networks to train: found, the search's; largest of its space within the search's limits; random, another one "
        "of the space for each seed, of the found one's size; and of that size the hand-made resnet, mobilenet_v2 and "
        "plain, a chain of 3×3 convolutions",
    )
    match: str = option(
        "parameters", "what sizes are measured by, at the final channels", choices=("parameters", "multiply_adds")
    )

    def check(self) -> None:
        """Refuses unknown networks, and a recipe that would choose among candidates."""
        unknown = [name for name in self.networks if name not in COMPARED]
        if unknown or len(set(self.networks)) != len(self.networks) or not {FOUND} < set(self.networks):
            raise ConfigError(
                f"`networks` must be found and one or more others of {', '.join(COMPARED)}, each once. "
                f"Received: networks={','.join(self.networks)}"
            )
        if self.training.recipe.candidates != 1:
            raise ConfigError(
                "`candidates` must be 1: a comparison trains one found network, the search's best or the one of an "
                f"`architecture` file. Received: candidates={self.training.recipe.candidates}"
            )

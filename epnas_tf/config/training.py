"""Settings of a final training."""

import dataclasses
from typing import ClassVar

from epnas_tf import plugins
from epnas_tf.config.shared import L2_CHOICES, L2_ON, MIXED_PRECISION, XLA, DataConfig
from epnas_tf.options import Settings, option


@dataclasses.dataclass(frozen=True)
class FinalNetworkConfig(Settings):
    """How large the final network is (paper, section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.FinalNetworkConfig(channels=96).normal_cells
        3
    """

    TITLE: ClassVar[str] = "size of the network"
    OFTEN: ClassVar[tuple[str, ...]] = ("channels",)

    channels: int = option(
        48,
        "channels of the final network's convolutions [paper, section 5: macro 200 and 512, micro 96 and 128]",
        minimum=2,
    )
    normal_cells: int = option(
        3, "micro: normal cells N stacked before, between and after the two reductions [paper, section 5: 3]", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class RecipeConfig(Settings):
    """How the final network is trained: ENAS's recipe, which the paper defers to (section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.RecipeConfig(epochs=70, label_smoothing=0.1).restart_epochs
        10
    """

    TITLE: ClassVar[str] = "training"
    OFTEN: ClassVar[tuple[str, ...]] = ("epochs", "batch_size", "learning_rate")

    epochs: int = option(30, "epochs of the final training [ENAS: macro 310, micro 630]", minimum=1)
    batch_size: int = option(128, "images a training step [ENAS: macro 100, micro 144]", minimum=1)
    learning_rate: float = option(0.05, "learning rate at the start of each cosine [ENAS: 0.05]", above=0)
    final_learning_rate: float = option(
        0.001, "learning rate at the end of each cosine [ENAS: macro 0.001, micro 0.0001]", minimum=0
    )
    restart_epochs: int = option(
        10,
        "epochs of the first cosine, after which the learning rate starts anew [ENAS: 10]; 0 for one cosine",
        minimum=0,
    )
    restart_factor: int = option(2, "how many times as long each cosine is as the one before it [ENAS: 2]", minimum=1)
    optimizer: str = option(
        "sgd",
        "sgd, with Nesterov momentum [ENAS], or another optimizer of Keras by its name in lower case: adam, adamw, "
        "lion, rmsprop and so on; its learning rate is the cosines'",
    )
    optimizer_settings: tuple[str, ...] = option(
        (), "settings of another optimizer than sgd, as beta_1=0.9,beta_2=0.95; empty for Keras's defaults"
    )
    weight_decay: float = option(
        -1.0,
        "part of each weight, times the learning rate, that a step takes away beside the gradient (decoupled weight "
        "decay, of what l2_on names); 0 for none, -1 for the optimizer's own: 0.004 for adamw and muon, else none "
        "[ENAS: none]",
        minimum=-1,
    )
    momentum: float = option(0.9, "sgd: Nesterov momentum [ENAS: 0.9]", minimum=0, maximum=0.9999)
    l2: float = option(2e-4, "weight of the sum of squared weights in the loss [ENAS: 2e-4]", minimum=0)
    l2_on: str = option("all", L2_ON, choices=L2_CHOICES)
    clip_norm: float = option(
        5.0, "bound of the gradient's global norm, L2 included [ENAS: 5 a variable]; 0 for none", minimum=0
    )
    dropout_keep: float = option(
        0.9,
        "probability to keep each feature before the classifier, in (0, 1] [ENAS: macro 0.5, micro 0.8]; 1 for no "
        "dropout",
        above=0,
        maximum=1,
    )
    drop_path_keep: float = option(
        1.0,
        "probability to keep a path of the last cell or layer at the last step, in (0, 1]; nearer 1 for earlier ones "
        "[ENAS: micro 0.6]; 1 for no drop-path",
        above=0,
        maximum=1,
    )
    auxiliary_weight: float = option(
        0.0, "weight of the auxiliary head's loss [ENAS: micro 0.4]; 0 for no auxiliary head", minimum=0
    )
    label_smoothing: float = option(
        0.0,
        "share of each label that is spread over all classes, in [0, 0.9]; 0 for none [ENAS: none]",
        minimum=0,
        maximum=0.9,
    )
    held_out: bool = option(
        False,
        "keep the validation images out of the training and measure every epoch on them; otherwise all training images "
        "are used [ENAS: all]",
    )
    candidates: int = option(
        1,
        "how many of the search's best architectures to train for --candidate_epochs each, from fresh weights and "
        "scored on the validation images, to find the one to train in full; 1 for the search's best",
        minimum=1,
    )
    candidate_epochs: int = option(5, "epochs of each of several candidates", minimum=1)
    mixed_precision: bool = option(False, MIXED_PRECISION)
    xla: bool = option(False, XLA)


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Settings):
    """All settings of one final training; what two of them must agree in to give the same network.

    Example:
        >>> import epnas_tf
        >>> recipe = epnas_tf.RecipeConfig(epochs=10)
        >>> epnas_tf.TrainingConfig(recipe=recipe, data=epnas_tf.DataConfig(dataset="photos/")).network.channels
        48
    """

    network: FinalNetworkConfig = FinalNetworkConfig()
    recipe: RecipeConfig = RecipeConfig()
    data: DataConfig = DataConfig()
    seed: int = option(0, "decides every random choice of the training", minimum=0, maximum=2**31 - 1)
    plugins: tuple[str, ...] = option((), plugins.HELP)

    def check(self) -> None:
        """Imports the plugins, which may be those of a search."""
        plugins.load(self.plugins)

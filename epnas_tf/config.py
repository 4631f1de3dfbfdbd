"""Every setting, each with its default, its bounds, its unit and its source, in one place.

Flags and the printed settings are made from these dataclasses.
"""

import dataclasses
from typing import Any, ClassVar

from epnas_tf import plugins
from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, option

MIXED_PRECISION = (
    "compute in bfloat16 and keep the variables in float32; for GPUs since 2020, slow on most CPUs [ENAS: float32]"
)
XLA = "compile the training step with XLA"
L2_ON = (
    "what L2 is taken of: kernels, or all variables, batch norm's scales and offsets among them; scales that many "
    "children share then go out one after the other [ENAS: all]"
)
"""Help of settings that the search's children and the final training both have."""

L2_CHOICES = ("kernels", "all")

NOT_AUGMENTED: dict[str, Any] = {"crop_padding": 0, "mirror": "no", "cutout": 0, "augmentation": ""}
"""The settings of training images alone, with which they are taken as they are."""


@dataclasses.dataclass(frozen=True)
class SpaceConfig(Settings):
    """Which architectures are searched (paper, section 3).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.SpaceConfig(space="micro", blocks=3).blocks
        3
    """

    TITLE: ClassVar[str] = "search space"
    OFTEN: ClassVar[tuple[str, ...]] = ("space", "layers")

    space: str = option(
        "macro",
        "search space: whole networks (macro), cells (micro) [paper, section 3], or one that `plugins` register",
    )
    layers: int = option(
        12,
        "macro: layers L of the deepest architecture [paper, section 5: 12]; each doubles the scoring",
        minimum=1,
    )
    blocks: int = option(5, "micro: blocks B of the largest cell [paper, section 5: 5]", minimum=1)
    operations: tuple[str, ...] = option(
        (), "operations to choose from, separated by commas; empty for the paper's list of the space [paper, section 3]"
    )

    plugins: tuple[str, ...] = option((), plugins.HELP)

    def check(self) -> None:
        """Imports the plugins, so that the names of spaces and operations are known wherever they are looked up."""
        plugins.load(self.plugins)


@dataclasses.dataclass(frozen=True)
class NetworkConfig(Settings):
    """How large the network of an architecture is (paper, section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.NetworkConfig(channels=1)
        Traceback (most recent call last):
        epnas_tf.errors.ConfigError: `channels` must be at least 2. Received: channels=1
    """

    TITLE: ClassVar[str] = "size of the networks"
    OFTEN: ClassVar[tuple[str, ...]] = ("channels",)

    channels: int = option(24, "channels of the convolutions while searching [paper, section 5: 24]", minimum=2)
    normal_cells: int = option(
        2, "micro: normal cells N stacked before, between and after the two reductions [paper, section 5: 2]", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """Which images, how they are split and how they are augmented (paper, section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.DataConfig(dataset="photos/", image_size=64).validation_fraction
        0.1
    """

    TITLE: ClassVar[str] = "images"
    OFTEN: ClassVar[tuple[str, ...]] = ("dataset", "image_size")

    dataset: str = option(
        "digits",
        "data set: digits (ships with scikit-learn), a name of TensorFlow Datasets such as cifar10, a folder with one "
        "folder of images a class, or an .npz file with x_train, y_train, and if wanted x_val, y_val, x_test, y_test",
    )
    data_dir: str = option("", "where TensorFlow Datasets keeps its data; empty for its own default")
    manual_dir: str = option(
        "", "mnist, fashion_mnist, kmnist: folder of the four IDX files, gzipped or not, instead of a download"
    )
    image_size: int = option(
        -1,
        "pixels a side to bring the images to; -1 keeps images of one size up to 64 pixels a side and brings others to "
        "32 [CIFAR-10's size], 0 keeps any one size; the time of a search grows with the square",
        minimum=-1,
    )
    skip_broken: bool = option(
        False,
        "a folder of images: leave out files that cannot be read, instead of an error; without meaning for other data "
        "sets",
    )
    train_images: int = option(
        0,
        "training images to use at most, those drawn for the validation included, the same part of every class; 0 for "
        "all",
        minimum=0,
    )
    validation_fraction: float = option(
        0.1,
        "part of the training images that scores the children where the data set brings no validation images of its "
        "own, in [0.01, 0.9] [ENAS: 5,000 of 50,000]",
        minimum=0.01,
        maximum=0.9,
    )
    test_fraction: float = option(
        0.1,
        "part held out for the test where the data set brings no test images of its own, in [0.01, 0.9]",
        minimum=0.01,
        maximum=0.9,
    )
    crop_padding: int = option(
        -1,
        "zero padding in pixels before the random crop; -1 for an eighth of the side, 0 for no crop [ENAS: 4 of 32]",
        minimum=-1,
    )
    mirror: str = option(
        "auto",
        "random left-right mirror [paper, section 5]; auto leaves it out for digits and letters",
        choices=("auto", "yes", "no"),
    )
    cutout: int = option(
        0, "side in pixels of the square blanked in each training image [ENAS: optional]; 0 for none", minimum=0
    )
    augmentation: str = option(
        "",
        "random steps for training images, such as crop(4),mirror,cutout(8), in place of crop_padding, mirror and "
        "cutout; empty to use those three, none for no step. Steps: crop(pixels), mirror(chance), cutout(pixels), "
        "brightness(most) in standard deviations, contrast(most) as a part of it, rotate(degrees). A number left "
        "out has a default: an eighth of the side, 0.5, half the side, 0.2, 0.2, 10 [paper, section 5: crop, mirror]",
    )

    def check(self) -> None:
        """Refuses an augmentation that is set in two ways."""
        names = [name for name in NOT_AUGMENTED if name != "augmentation"]
        given = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name) != getattr(DataConfig, name)]
        if self.augmentation and given:
            raise ConfigError(
                "`augmentation` takes the place of `crop_padding`, `mirror` and `cutout`: give one or the other. "
                f"Received: augmentation={self.augmentation} and {', '.join(given)}. Leave these at their defaults, or "
                "give an empty `augmentation`."
            )


@dataclasses.dataclass(frozen=True)
class ChildConfig(Settings):
    """How a child is trained on the shared weights (paper, sections 4 and 5; ENAS where the paper defers to it).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.ChildConfig(epochs=1, batch_size=64).learning_rate
        0.05
    """

    TITLE: ClassVar[str] = "training of the children"
    OFTEN: ClassVar[tuple[str, ...]] = ("epochs",)

    epochs: int = option(3, "epochs a child is trained for [paper, sections 4 and 5: 3]", minimum=1)
    batch_size: int = option(128, "images a training step [ENAS: macro 128, micro 160]", minimum=1)
    learning_rate: float = option(0.05, "learning rate at the start of a child's cosine [ENAS: 0.05]", above=0)
    final_learning_rate: float = option(
        0.0005, "learning rate at the end of a child's cosine [ENAS: 0.0005]", minimum=0
    )
    momentum: float = option(0.9, "Nesterov momentum [ENAS: 0.9]", minimum=0, maximum=0.9999)
    keep_momentum: bool = option(
        True,
        "begin a child with the momentum that the shared variables kept from their last children, not with none [ENAS: "
        "one optimiser for all children]",
    )
    l2: float = option(
        2.5e-4, "weight of the sum of squared weights in the loss [ENAS: macro 2.5e-4, micro 1e-4]", minimum=0
    )
    l2_on: str = option("kernels", L2_ON, choices=L2_CHOICES)
    clip_norm: float = option(
        5.0, "bound of the gradient's global norm, L2 included [ENAS: 5 a variable]; 0 for none", minimum=0
    )
    share_weights: bool = option(
        True,
        "train each child on the weights that all share, not on new weights of its own [paper, section 4: shared]",
    )
    mixed_precision: bool = option(False, MIXED_PRECISION)
    xla: bool = option(
        False, f"{XLA}; every child anew, some ten seconds each; slower than without on a CPU [ENAS: none]"
    )
    reuse_traces: bool = option(
        True,
        "trace each kind of layer once for all children: a child starts sooner, with the same results, bit for bit; "
        "not with mirrored, nor in steps that xla compiles [ENAS: one graph for all children]",
    )
    trace_ahead: bool = option(
        True, "trace the next child of a level while one trains, to the same bits; not with mirrored [paper: none]"
    )
    mirrored: bool = option(
        False,
        "train each child on all GPUs of this computer, every one with its part of each batch "
        "(tf.distribute.MirroredStrategy), batch norm over the whole batch [ENAS: one GPU]",
    )

    @property
    def on_weights(self) -> str:
        """What a child's accuracy was measured on, in words."""
        return "on the shared weights" if self.share_weights else "on weights of its own"

    def check(self) -> None:
        """Refuses what cannot be had together."""
        if self.xla and self.mirrored:
            raise ConfigError(
                "`xla` and `mirrored` do not go together: a step over several GPUs is not compiled as one. "
                "Received: xla=True, mirrored=True. Give one of them."
            )


@dataclasses.dataclass(frozen=True)
class SurrogateConfig(Settings):
    """The LSTM that predicts a score (paper, section 4, "Surrogate function"; section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.SurrogateConfig(ensemble=1).hidden_units
        32
    """

    TITLE: ClassVar[str] = "surrogate"

    additive: bool = option(
        True,
        "predict by the sum of an additive model (a term for each symbol of each level, by ridge regression) and of "
        "the LSTM, which learns what that leaves, not by the LSTM alone [paper, section 4: LSTM alone]",
    )
    additive_penalty: float = option(
        0.3, "the additive model's penalty on the squares of its terms, in measured scores [paper: none]", above=0
    )
    ensemble: int = option(
        5, "LSTMs of other first weights whose mean is the prediction [paper, section 4: one; PNAS: 5]", minimum=1
    )
    refit: bool = option(
        True, "begin every fit of the LSTM from new weights, not from those of the fit before [the paper is silent]"
    )
    hidden_units: int = option(32, "hidden units of the surrogate's LSTM [paper, section 5: 100]", minimum=1)
    input_units: int = option(32, "size of the surrogate's linear input layer [paper, section 5: 100]", minimum=1)
    first_surrogate_learning_rate: float = option(
        0.01, "Adam's learning rate while fitting new weights [PNAS: 0.01]", above=0
    )
    surrogate_learning_rate: float = option(
        0.002, "Adam's learning rate in fits that go on from old weights [PNAS: 0.002]", above=0
    )
    surrogate_steps: int = option(200, "gradient steps of a fit of the surrogate [the paper is silent]", minimum=1)
    surrogate_batch_size: int = option(64, "rows of the table in a gradient step [the paper is silent]", minimum=1)


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
    iterations: int = option(3, "passes over all levels [paper, section 5: three to five]", minimum=1)
    sampling: str = option(
        "thompson",
        "rule that picks the K: probability (p^(1/temperature) of the predicted scores [paper, section 4]), greedy "
        "(the K best predictions [PNAS]), thompson (the best by predictions drawn from what is not known yet, needs "
        "additive) or uniform (random search)",
        choices=("thompson", "probability", "greedy", "uniform"),
    )
    exploration: float = option(
        0.5,
        "thompson: scale of the draws' distance from the prediction; 0, which is greedy, in the last of several "
        "iterations [paper: none]",
        minimum=0,
    )
    repeated: str = option(
        "all",
        "scores of an architecture that was trained several times that the surrogate learns from: all, or the newest "
        "(for a surrogate without the additive model, which learns from all what the shared weights have gained) "
        "[paper, section 4: a hash table of repeated architectures]",
        choices=("all", "newest"),
    )
    shuffle: bool = option(
        True,
        "train the children of a level in random order: the shared weights learn meanwhile, which would pass for the "
        "merit of those that come last [the paper is silent]",
    )
    reported: str = option(
        "estimate",
        "whole architectures are ranked by their newest score, or by an estimate between the surrogate's prediction "
        "and the mean of the scores, the nearer to the prediction the noisier scores are [the paper is silent]",
        choices=("estimate", "score"),
    )
    initial_temperature: float = option(
        4.0, "sampling temperature of the first of several iterations [the paper is silent]", above=0
    )
    final_temperature: float = option(
        1.0, "sampling temperature of the last iteration [paper, section 4: one]", above=0
    )
    temperature_schedule: str = option(
        "geometric",
        "how the temperature falls between the two: geometric (equal ratios) or linear (equal steps) [paper: quickly]",
        choices=("geometric", "linear"),
    )

    @property
    def tempered(self) -> bool:
        """Whether the rule of sampling looks at the temperature."""
        return self.sampling == "probability"


def check_rule(search: SearchConfig, surrogate: SurrogateConfig) -> None:
    """Refuses a rule of sampling that the surrogate cannot serve.

    Raises:
        ConfigError: if it is Thompson sampling, and nothing tells what is not known yet.
    """
    if search.sampling == "thompson" and not surrogate.additive:
        raise ConfigError(
            "`sampling` thompson draws from what the additive model does not know yet, so `additive` must be true. "
            "Received: sampling='thompson', additive=False. Give --sampling=greedy or probability to go without it."
        )


PAPER_SURROGATE = SurrogateConfig(additive=False, ensemble=1, refit=False, hidden_units=100, input_units=100)
"""The paper's surrogate (section 4, "Surrogate function"; section 5)."""

PAPER_SEARCH = SearchConfig(sampling="probability", repeated="newest", shuffle=False, reported="score")
"""The paper's search (section 4), with three iterations (section 5)."""


@dataclasses.dataclass(frozen=True)
class LimitConfig(Settings):
    """What no child's network may exceed; 0 for no limit.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.LimitConfig(max_params=20_000).max_latency_ms  # no limit
        0.0
    """

    TITLE: ClassVar[str] = "limits of the networks"
    OFTEN: ClassVar[tuple[str, ...]] = ("max_params",)

    max_params: int = option(
        0,
        "most trainable parameters of a child, with the channels of the search; 0 for no limit [paper: none]",
        minimum=0,
    )
    max_multiply_adds: int = option(
        0,
        "most multiply-adds of a child for one image, with the channels of the search; 0 for no limit [paper: none]",
        minimum=0,
    )
    max_latency_ms: float = option(
        0.0,
        "most milliseconds that a child takes for one image, with the channels of the search: the sum of its layers' "
        "times, each measured on this device when the search begins; 0 for no limit [paper: none]",
        minimum=0,
    )


@dataclasses.dataclass(frozen=True)
class RunConfig(Settings):
    """All settings of one run; what two runs must agree in to give the same result.

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
    seed: int = option(0, "decides every random choice of the run", minimum=0, maximum=2**31 - 1)

    def check(self) -> None:
        """Refuses what cannot be had together."""
        check_rule(self.search, self.surrogate)


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
class RankConfig(Settings):
    """How a search's scores on shared weights are compared with trainings of one's own."""

    architectures: int = option(
        30,
        "how many of the search's whole architectures to train, drawn by the seed; all if there are fewer",
        minimum=3,
    )
    own_epochs: int = option(30, "epochs each of them is trained for, on weights of its own", minimum=1)
    own_trainings: int = option(
        1,
        "how many times each of them is trained, its own score being the mean; from 2 on, it is also said how far two "
        "own trainings agree with one another",
        minimum=1,
    )
    seed: int = option(0, "decides the sample, the first weights and the batches", minimum=0, maximum=2**31 - 1)


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

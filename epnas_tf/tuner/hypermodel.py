"""The search spaces as KerasTuner hypermodels, which any KerasTuner oracle can search."""

from typing import Any

import keras
import keras_tuner

from epnas_tf.config import ChildConfig, NetworkConfig, RunConfig, SpaceConfig
from epnas_tf.network import Network, VariableStore, to_model
from epnas_tf.space import (
    MACRO_OPERATIONS,
    MICRO_OPERATIONS,
    STAGED_OPERATIONS,
    MacroSpace,
    MicroSpace,
    NetworkShape,
    StagedSpace,
    build_graph,
)
from epnas_tf.space.base import SearchSpace
from epnas_tf.tuner import hyperparameters
from epnas_tf.tuner.restrictions import refuse_foreign_values


class SpaceHyperModel(keras_tuner.HyperModel):
    """A hypermodel that builds the network for hyperparameters of a search space, with its own weights.

    Args:
        space: the search space.
        image_shape: (height, width, channels) of the images.
        num_classes: the number of classes.
        channels: channels of the convolutions; staged: of the first stage.
        normal_cells: micro: normal cells in each stack.
        child: has the compiled model's learning rate, momentum and gradient bound.
        seed: of the initial weights.
        name: its name; by default "epnas_" and the space's name.
        tunable: as in `keras_tuner.HyperModel`: whether the hyperparameters are searched. Otherwise they are those that
            the oracle was given, or the defaults.

    Raises:
        ConfigError: if there are too few channels or normal cells.
        DataError: if there are fewer than two classes, or the images are too small for the space.

    Example:
        >>> import keras_tuner
        >>> import epnas_tf
        >>> space = epnas_tf.MacroSpace(layers=1, operations=("conv_3x3", "max_pool_3x3"))
        >>> hypermodel = epnas_tf.SpaceHyperModel(space, (8, 8, 1), num_classes=10, channels=4)
        >>> hypermodel.build(keras_tuner.HyperParameters()).output_shape
        (None, 10)
    """

    def __init__(
        self,
        space: SearchSpace[Any, Any],
        image_shape: tuple[int, int, int],
        num_classes: int,
        channels: int = NetworkConfig.channels,
        normal_cells: int = NetworkConfig.normal_cells,
        child: ChildConfig = ChildConfig(),
        seed: int = 0,
        name: str | None = None,
        tunable: bool = True,
    ) -> None:
        super().__init__(name or f"epnas_{space.name}", tunable)
        NetworkConfig(channels=channels, normal_cells=normal_cells)  # refuses what they cannot be
        RunConfig(seed=seed)
        self.space = space
        self.shape = NetworkShape(image_shape, num_classes, channels, space.num_levels, normal_cells)
        self.child = child
        self.seed = seed
        build_graph(space.architecture([0] * space.num_levels), self.shape)  # what cannot be built fails here

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Registers the hyperparameters of all levels.

        Raises:
            ConfigError: if one was registered before with values that the space does not have.
        """
        refuse_foreign_values(self.space, hp)
        self.architecture(hp if self.tunable else hp.copy())

    def architecture(self, hp: keras_tuner.HyperParameters) -> Any:
        """Converts hyperparameters to an architecture."""
        return hyperparameters.read(self.space, hp)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds the compiled Keras model of the hyperparameters, freshly initialised."""
        return self.compile(to_model(Network(self.architecture(hp), self.shape, VariableStore(self.seed))))

    def compile(self, model: keras.Model, child: ChildConfig | None = None) -> keras.Model:
        """Compiles a model of this space and returns it: SGD with Nesterov momentum, cross-entropy, accuracy.

        Args:
            model: the model.
            child: has the learning rate, momentum and gradient bound; the hypermodel's own by default.
        """
        child = child or self.child
        optimizer = keras.optimizers.SGD(
            child.learning_rate, child.momentum, nesterov=True, global_clipnorm=child.clip_norm or None
        )
        optimizer.build(model.trainable_variables)  # KerasTuner's checkpoints hold its variables too
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


class MacroHyperModel(SpaceHyperModel):
    """The macro space: whole networks of `layers` layers with skip connections (paper, section 3).

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: the number of classes.
        layers: layers L of the deepest architecture.
        operations: the operations to choose from.
        **kwargs: `channels`, `child`, `seed`, `name` and `tunable` of `SpaceHyperModel`.

    Example:
        >>> import epnas_tf
        >>> hypermodel = epnas_tf.MacroHyperModel(image_shape=(8, 8, 1), num_classes=10, layers=2, channels=4)
        >>> hypermodel.space.num_levels
        2
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        layers: int = SpaceConfig.layers,
        operations: tuple[str, ...] = MACRO_OPERATIONS,
        **kwargs: Any,
    ) -> None:
        super().__init__(MacroSpace(layers, operations), image_shape, num_classes, **kwargs)


class MicroHyperModel(SpaceHyperModel):
    """The micro space: cells of `blocks` blocks, stacked (paper, section 3).

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: the number of classes.
        blocks: blocks B of the largest cell.
        operations: the operations to choose from.
        **kwargs: `channels`, `normal_cells`, `child`, `seed`, `name` and `tunable` of `SpaceHyperModel`.

    Example:
        >>> import epnas_tf
        >>> hypermodel = epnas_tf.MicroHyperModel(image_shape=(8, 8, 1), num_classes=10, blocks=2, channels=4)
        >>> hypermodel.name
        'epnas_micro'
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        blocks: int = SpaceConfig.blocks,
        operations: tuple[str, ...] = MICRO_OPERATIONS,
        **kwargs: Any,
    ) -> None:
        super().__init__(MicroSpace(blocks, operations), image_shape, num_classes, **kwargs)


class StagedHyperModel(SpaceHyperModel):
    """The staged space: up to `layers` blocks of ResNet and MobileNetV2 in stages.

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: the number of classes.
        layers: blocks L of the deepest network.
        operations: the operations to choose from.
        stages: the stages, each but the first of half the height and width and twice the channels.
        **kwargs: `channels`, `child`, `seed`, `name` and `tunable` of `SpaceHyperModel`.

    Example:
        >>> import epnas_tf
        >>> hypermodel = epnas_tf.StagedHyperModel((8, 8, 1), num_classes=10, layers=2, stages=2, channels=4)
        >>> str(hypermodel.space.architecture([2, 0]))
        '1.1 residual | 2.1 none'
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        layers: int = SpaceConfig.layers,
        operations: tuple[str, ...] = STAGED_OPERATIONS,
        stages: int = SpaceConfig.stages,
        **kwargs: Any,
    ) -> None:
        super().__init__(StagedSpace(layers, operations, stages), image_shape, num_classes, **kwargs)

"""The parts of KerasTuner's interface that `EPNASTuner` does not support: refused with the reason, never ignored.

`docs/keras_tuner.md` has a line for each argument and method.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import keras_tuner

from epnas_tf.errors import ConfigError
from epnas_tf.search.search_state import describe_space
from epnas_tf.tuner.hypermodel import SpaceHyperModel
from epnas_tf.tuner.restrictions import of_space, refuse_others

METRICS = {"val_accuracy": "max", "val_loss": "min", "loss": "min", "parameters": "min"}
"""The metrics of a trial, each with its better direction."""

OF_AN_ORACLE = [name for name in inspect.signature(keras_tuner.Oracle).parameters if name not in ("objective", "seed")]
"""Arguments of KerasTuner's oracles that its tuners hand on; `EPNASTuner` has only an `objective` and a `seed`."""

ARGUMENTS = {
    "max_model_size": "give `limits=LimitConfig(max_params=…)`, which no child exceeds",
    "optimizer": "children train by SGD on the shared weights; its settings are those of `child`, a ChildConfig",
    "loss": "children minimise the cross-entropy; label smoothing and the like are for `epnas-train`",
    "metrics": "the validation accuracy, the two losses and the parameters are measured",
    "distribution_strategy": "give `child=ChildConfig(mirrored=True)` for several GPUs",
    "logger": "KerasTuner itself no longer takes one",
    "tuner_id": "set the environment variable KERASTUNER_TUNER_ID",
    "executions_per_trial": "a child is trained once for a score; more `iterations` of `search` score good ones again",
    **{name: f"give `oracle=EPNASOracle(space, {name}=…)`" for name in OF_AN_ORACLE},
}
"""Arguments of KerasTuner's tuners and oracles that `EPNASTuner` does not take."""

NEVER_BUILT = (
    "EPNASTuner trains children on shared weights by itself, as `child` says. With "
    "keras_tuner.Tuner(EPNASOracle(hypermodel.space), hypermodel) it is; to compile models in another way override "
    "`compile`"
)

HYPERMODEL_METHODS = ("build", "fit")
"""Methods of a hypermodel that `EPNASTuner` never calls."""

TUNER_METHODS = {
    **dict.fromkeys(
        ("on_batch_begin", "on_batch_end", "on_epoch_begin", "on_epoch_end"),
        "a child trains in one graph, without a Python loop over its epochs and batches",
    ),
    "save_model": "the shared weights are one store, saved after each trial; there is no model of a trial to save",
}
"""Methods of KerasTuner's tuners that `EPNASTuner` never calls."""


def refuse_search_arguments(unknown: dict[str, Any], verbose: int | str) -> None:
    """Refuses arguments of `search` that have no meaning.

    Raises:
        ConfigError: if there are unknown ones, or `verbose` is another one than those of Keras.
    """
    if unknown:
        raise ConfigError(
            "`search` takes x, y, validation_data, validation_split and verbose; epochs, batch size and learning rates "
            f"are settings of the tuner's `child`, a ChildConfig. Received: {', '.join(unknown)}"
        )
    if verbose not in (0, 1, 2, "auto"):
        raise ConfigError(f'`verbose` must be 0, 1, 2 or "auto". Received: verbose={verbose!r}')


def refuse_arguments(given: dict[str, Any]) -> None:
    """Refuses arguments that have no meaning for `EPNASTuner`.

    Raises:
        ConfigError: if there are any; the message names the alternative to the first.
    """
    for name in given:
        reason = ARGUMENTS.get(name, "there is no such argument")
        raise ConfigError(f"`EPNASTuner` does not take `{name}`: {reason}. Received: {', '.join(given)}")


def refuse_beside_oracle(given: dict[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Refuses settings that have no effect beside the user's own oracle.

    Args:
        given: the value of each, by name.
        parameters: the tuner's parameters, with their defaults.

    Raises:
        ConfigError: if one is not its default.
    """
    changed = [name for name, value in given.items() if value != parameters[name].default]
    if changed:
        raise ConfigError(
            "An `oracle` of your own chooses the architectures by its own settings: give it what belongs to it "
            f"(`limits` as `constraint=Limits(…)`). Received: `oracle` and {', '.join(changed)}"
        )


def refuse_overridden(tuner: type, hypermodel: SpaceHyperModel) -> None:
    """Refuses overridden methods that would never be called.

    Args:
        tuner: the tuner's class.
        hypermodel: the hypermodel.

    Raises:
        ConfigError: if there are any.
    """
    for name, reason in TUNER_METHODS.items():
        if getattr(tuner, name) is not getattr(keras_tuner.Tuner, name):
            raise ConfigError(f"`{name}` is never called: {reason}. Received: {tuner.__name__}.{name}")
    for name in HYPERMODEL_METHODS:
        # KerasTuner puts a function of its own around `build`, which belongs to the same object.
        assigned = getattr(vars(hypermodel).get(name), "__self__", None if name in vars(hypermodel) else hypermodel)
        if getattr(type(hypermodel), name) is not getattr(SpaceHyperModel, name) or assigned is not hypermodel:
            raise ConfigError(f"`{name}` is never called: {NEVER_BUILT}. Received: {type(hypermodel).__name__}.{name}")
    if not hypermodel.tunable:
        raise ConfigError("There is nothing to search in a hypermodel of `tunable=False`. Received: tunable=False")


def check_oracle(oracle: keras_tuner.Oracle, hypermodel: SpaceHyperModel) -> None:
    """Refuses an oracle whose objective is not measured or of the wrong direction, or whose space is another one.

    Raises:
        ConfigError: if it is.
    """
    if METRICS.get(oracle.objective.name) != oracle.objective.direction:
        measured = ", ".join(f"{name} of direction {direction!r}" for name, direction in METRICS.items())
        raise ConfigError(f"`objective` must be one of what is measured, {measured}. Received: {oracle.objective}")
    found, expected = describe_space(getattr(oracle, "space", hypermodel.space)), describe_space(hypermodel.space)
    if found != expected:
        raise ConfigError(f"The oracle's space must be the hypermodel's, {expected}. Received: {found}")
    names = [parameter.name for parameter in of_space(hypermodel.space).space]
    refuse_others(oracle.get_space(), names, fixed=False)

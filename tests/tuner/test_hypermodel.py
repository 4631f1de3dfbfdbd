import functools

import keras
import keras_tuner
import numpy as np
import pytest

from epnas_tf.config import ChildConfig
from epnas_tf.errors import ArchitectureError, ConfigError, DataError
from epnas_tf.space import Graph
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.graph import add_head, add_stem
from epnas_tf.tuner.hypermodel import MacroHyperModel, MicroHyperModel, SpaceHyperModel, StagedHyperModel
from tests.space.chain_space import ChainSpace
from tests.space.own import register_builder
from tests.tuner.kt_helpers import OPERATIONS, make_hypermodel, split_digits

pytestmark = pytest.mark.usefixtures("without_jit")


def make_micro(**kwargs):
    settings = {"blocks": 1, "operations": OPERATIONS, "channels": 4, "normal_cells": 1, **kwargs}
    return MicroHyperModel((8, 8, 1), 10, **settings)


def make_staged(**kwargs):
    settings = {
        "layers": 2,
        "operations": ("none", "residual", "inverted_3x3_e3"),
        "stages": 2,
        "channels": 4,
        **kwargs,
    }
    return StagedHyperModel((8, 8, 1), 10, **settings)


def default_values(hypermodel):
    hp = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    return hp


class TestBuild:
    @pytest.mark.parametrize("make", [make_hypermodel, make_micro, make_staged])
    def test_trainable_model(self, make):
        hypermodel = make()
        model = hypermodel.build(default_values(hypermodel))
        x, y, _ = split_digits(100)
        loss = model.evaluate(x, y, verbose=0)[0]
        model.fit(x, y, epochs=1, batch_size=25, verbose=0)
        assert model.evaluate(x, y, verbose=0)[0] != loss
        np.testing.assert_allclose(model.predict(x[:3], verbose=0).sum(axis=1), 1, atol=1e-5)

    def test_weights_are_fresh_and_from_the_seed(self):
        hp = default_values(make_hypermodel())
        one, same, other = (make_hypermodel(seed=seed).build(hp) for seed in (0, 0, 1))
        assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), same.get_weights(), strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))

    def test_settings_of_the_optimizer(self):
        hypermodel = make_hypermodel(child=ChildConfig(learning_rate=0.25, momentum=0.5, clip_norm=0))
        optimizer = hypermodel.build(default_values(hypermodel)).optimizer
        assert (float(optimizer.learning_rate), optimizer.momentum, optimizer.global_clipnorm) == (0.25, 0.5, None)

    def test_depth(self):
        hypermodel = make_hypermodel(layers=3)
        hp = default_values(hypermodel)
        hp.values = {"layers": 1, "layer_1_operation": "max_pool_3x3"}
        assert str(hypermodel.architecture(hp)) == "1 max_pool_3x3"


class TestRefusals:
    def test_small_images(self):
        with pytest.raises(DataError, match=r"must be at least 8×8 pixels. Received: 6×8"):
            MacroHyperModel((6, 8, 1), 10)

    def test_one_class(self):
        with pytest.raises(DataError, match=r"at least 2 classes. Received: 1"):
            MicroHyperModel((8, 8, 1), 1)

    def test_no_channels(self):
        with pytest.raises(ConfigError, match=r"`channels` must be at least 2. Received: channels=0"):
            make_hypermodel(channels=0)

    def test_unknown_operation(self):
        with pytest.raises(Exception, match="conv_9x9"):
            make_hypermodel(operations=("conv_9x9",)).build(keras_tuner.HyperParameters())

    def test_space_without_a_network(self):
        class Numbers(ChainSpace):
            def extend(self, parent, extension):
                return (*(parent or ()), extension)

        with pytest.raises(ArchitectureError, match=r"one of the spaces macro, micro.*of type tuple"):
            SpaceHyperModel(Numbers(), (8, 8, 1), 10)


class Chain(str):
    """An architecture of `Chains`: its network is registered here."""

    __slots__ = ()


class Chains(ChainSpace):
    name = "chains"

    def extend(self, parent, extension):
        return Chain((parent or "") + extension)


def build_chain(architecture, shape) -> Graph:
    graph = Graph()
    output = add_stem(graph, shape)
    for l, choice in enumerate(architecture, 1):
        kind = OPERATIONS[int(choice)]
        output = graph.add(("layer", l, kind), kind, output, channels=shape.channels)
    add_head(graph, {("layer",): output}, shape)
    return graph


register_builder(Chain, build_chain)


def make_chains() -> SpaceHyperModel:
    space: SearchSpace = Chains(2, "01")
    return SpaceHyperModel(space, (8, 8, 1), 10, channels=4)


@pytest.mark.parametrize(
    ("tuner_class", "make", "trials"),
    [
        (functools.partial(keras_tuner.BayesianOptimization, num_initial_points=1), make_hypermodel, 2),
        (keras_tuner.RandomSearch, make_micro, 1),
        (keras_tuner.RandomSearch, make_staged, 1),
        (keras_tuner.RandomSearch, make_chains, 1),
    ],
    ids=["bayesian-macro", "random-micro", "random-staged", "random-chains"],
)
def test_keras_tuners_own_searches(tmp_path, tuner_class, make, trials):
    hypermodel = make()
    tuner = tuner_class(hypermodel, objective="val_accuracy", max_trials=trials, seed=1, directory=tmp_path)
    x, y, validation = split_digits(100)
    tuner.search(x, y, validation_data=validation, epochs=1, verbose=0)
    ended = list(tuner.oracle.trials.values())
    assert [trial.status for trial in ended] == ["COMPLETED"] * trials
    depths = [len(hypermodel.space.extensions(hypermodel.architecture(t.hyperparameters.copy()))) for t in ended]
    assert all(1 <= depth <= hypermodel.space.num_levels for depth in depths)
    assert isinstance(tuner.get_best_models()[0], keras.Model)


@pytest.mark.parametrize("make", [make_hypermodel, make_micro, make_chains])
def test_other_searches_construct(tmp_path, make):
    keras_tuner.GridSearch(make(), objective="val_accuracy", max_trials=2, directory=tmp_path, project_name="grid")
    keras_tuner.Hyperband(make(), objective="val_accuracy", max_epochs=2, directory=tmp_path, project_name="hyperband")


def test_grid_search_tries_each_architecture_once():
    """Hyperparameters of deeper levels are not active, so they make no second grid point of the same architecture."""
    hypermodel = make_hypermodel()
    oracle = keras_tuner.oracles.GridSearchOracle("val_accuracy")
    hp = default_values(hypermodel)
    oracle.update_space(hp)
    oracle._save_trial = oracle.save = lambda *_: None
    oracle.verbose = 0
    seen = []
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        seen.append(hypermodel.architecture(trial.hyperparameters.copy()))
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert len(seen) == len(set(seen)) == hypermodel.space.cardinality(1) + hypermodel.space.cardinality(2)


def test_model_is_compiled_with_the_hypermodels_child_unless_another_is_given():
    hypermodel = make_hypermodel()
    model = hypermodel.build(default_values(hypermodel))
    assert float(model.optimizer.learning_rate) == pytest.approx(hypermodel.child.learning_rate)
    other = hypermodel.compile(model, ChildConfig(learning_rate=0.25, momentum=0.5)).optimizer
    assert (float(other.learning_rate), other.momentum) == (0.25, 0.5)

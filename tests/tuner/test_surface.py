"""Each line of docs/keras_tuner.md: what of KerasTuner's interface is honoured, and what is refused with the reason."""

import inspect
import re
from pathlib import Path

import keras_tuner
import pytest
from keras_tuner.engine.base_tuner import BaseTuner

from epnas_tf.config import LimitConfig, SearchConfig, SurrogateConfig
from epnas_tf.errors import ConfigError
from epnas_tf.space import MacroSpace, MicroSpace
from epnas_tf.tuner import hyperparameters
from epnas_tf.tuner.hypermodel import MacroHyperModel
from epnas_tf.tuner.oracle import EPNASOracle
from epnas_tf.tuner.surface import ARGUMENTS, HYPERMODEL_METHODS, TUNER_METHODS
from epnas_tf.tuner.tuner import EPNASTuner
from tests.space.chain_space import ChainSpace
from tests.tuner.kt_helpers import (
    OPERATIONS,
    ScoringTuner,
    make_hypermodel,
    make_tuner,
    split_digits,
)

SPACE = MacroSpace(2, OPERATIONS)
QUICK = SearchConfig(k=4, iterations=1)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "keras_tuner.md").read_text()


def section(title):
    """The names in the first column of a section's table."""
    text = DOCUMENT.split(f"## {title}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def public(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


def arguments(kind):
    return set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}


def test_every_argument_and_method_has_its_line():
    assert section("Oracle: arguments of `EPNASOracle`") == arguments(keras_tuner.Oracle)
    assert section("Oracle: methods") == public(keras_tuner.Oracle)
    assert section("Tuner: arguments of `EPNASTuner`") == arguments(keras_tuner.Tuner) | arguments(BaseTuner)
    assert section("Tuner: methods") == public(keras_tuner.Tuner) | public(BaseTuner)
    assert section("Hypermodel") == arguments(keras_tuner.HyperModel) | public(keras_tuner.HyperModel)


def given(*registrations):
    """Hyperparameters made by (method, name, arguments)."""
    hp = keras_tuner.HyperParameters()
    for method, *values in registrations:
        getattr(hp, method)(*values)
    return hp


def searched(directory, space=SPACE, search=QUICK, **kwargs):
    """The architectures of a search that trains nothing."""
    oracle = EPNASOracle(space, search=search, **kwargs)
    tuner = ScoringTuner(
        oracle, lambda architecture, number: 0.5 + 0.01 * number, directory=directory, project_name="p"
    )
    tuner.search(verbose=0)
    trials = [oracle.trials[trial_id] for trial_id in oracle.start_order]
    for trial in trials:
        read = hyperparameters.read(space, trial.hyperparameters.copy())
        assert hyperparameters.to_values(read, space) == trial.hyperparameters.values
    return [str(hyperparameters.read(space, trial.hyperparameters.copy())) for trial in trials]


class TestHyperparametersOfTheOracle:
    @pytest.mark.parametrize(
        "registration",
        [("Fixed", "layer_1_operation", "max_pool_3x3"), ("Choice", "layer_1_operation", ["max_pool_3x3"])],
        ids=["fixed", "choice"],
    )
    def test_first_level(self, tmp_path, registration):
        found = searched(tmp_path, hyperparameters=given(registration))
        assert len(found) == 1 + 4
        assert all(text.startswith("1 max_pool_3x3") for text in found)

    def test_deeper_level_and_skips(self, tmp_path):
        hp = given(("Choice", "layer_2_operation", ["conv_3x3"]), ("Fixed", "layer_2_skip_0", True))
        found = searched(tmp_path, hyperparameters=hp)
        assert found[:2] == ["1 conv_3x3", "1 max_pool_3x3"]
        assert sorted(found[2:]) == ["1 conv_3x3 | 2 conv_3x3 +0", "1 max_pool_3x3 | 2 conv_3x3 +0"]

    def test_micro(self, tmp_path):
        hp = given(*(("Fixed", f"block_1_{side}_operation", "identity") for side in ("left", "right")))
        found = searched(tmp_path, MicroSpace(1, ("identity", "conv_3x3")), hyperparameters=hp)
        assert len(found) == 3  # pairs of two inputs
        assert all("conv_3x3" not in text for text in found)

    def test_other_space(self, tmp_path):
        hp = given(("Choice", "level_1", [0, 2]), ("Int", "level_2", 1, 1))
        assert searched(tmp_path, ChainSpace(2), hyperparameters=hp)[:2] == ["0", "2"]
        assert {text[1] for text in searched(tmp_path / "b", ChainSpace(2), hyperparameters=hp)[2:]} == {"1"}

    def test_limits_hold_as_well(self, tmp_path):
        class NoPooling:
            def allowed(self, parents, level):
                return lambda start, count: [(start + i) // len(parents) == 0 for i in range(count)]

        constraint = NoPooling()
        hp = given(("Fixed", "layer_2_skip_0", False))
        assert searched(tmp_path, hyperparameters=hp, constraint=constraint) == [
            "1 conv_3x3",
            "1 conv_3x3 | 2 conv_3x3",
        ]

    def test_what_is_not_given_keeps_its_default(self, tmp_path):
        hp = given(("Choice", "layer_2_operation", list(OPERATIONS)))
        found = searched(tmp_path, hyperparameters=hp, tune_new_entries=False)
        assert found[0] == "1 conv_3x3"
        assert sorted(found[1:]) == ["1 conv_3x3 | 2 conv_3x3", "1 conv_3x3 | 2 max_pool_3x3"]

    def test_all_must_be_given_where_no_others_are_allowed(self, tmp_path):
        with pytest.raises(ConfigError, match=r"must be in `hyperparameters`.*none of the names layers, layer_2_op"):
            EPNASOracle(
                SPACE, hyperparameters=given(("Fixed", "layer_1_operation", "conv_3x3")), allow_new_entries=False
            )
        hp = keras_tuner.HyperParameters()
        hyperparameters.read(SPACE, hp)
        assert len(searched(tmp_path, hyperparameters=hp, allow_new_entries=False)) == 2 + 4

    def test_project_of_other_choices_is_refused(self, tmp_path):
        searched(tmp_path, hyperparameters=given(("Fixed", "layer_1_operation", "conv_3x3")))
        with pytest.raises(Exception, match=r"other settings.*hyperparameters: .*conv_3x3.* there, None now"):
            searched(tmp_path)

    @pytest.mark.parametrize(
        ("registrations", "message"),
        [
            (
                [("Fixed", "layer_1_operation", "conv_9x9")],
                r"can be \['conv_3x3', 'max_pool_3x3'\].*Received: 'conv_9x9'",
            ),
            ([("Fixed", "layers", 2)], r"begins at level 1 and ends.*place of `layers`.*Received: layers of \[2\]"),
            ([("Int", "layers", 1, 3)], r"`layers` can be 1 to 2 in this space. Received: 3"),
            ([("Float", "layer_1_operation", 0.0, 1.0)], r"`layer_1_operation` can be \['conv_3x3', .*Received: 0\."),
            ([("Float", "learning_rate", 0.0, 1.0)], r"chooses architectures only.*Received: learning_rate"),
            ([("Choice", "layer_3_operation", ["conv_3x3"])], r"chooses architectures only.*Received: layer_3_op"),
            ([("Int", "layers", 1, 2, None, "log")], r"chosen by the surrogate.*no `sampling`.*Received: Int"),
        ],
        ids=str,
    )
    def test_refusals(self, registrations, message):
        with pytest.raises(ConfigError, match=message):
            EPNASOracle(SPACE, hyperparameters=given(*registrations))

    def test_conditions_of_ones_own(self):
        hp = given(("Choice", "layer_1_operation", list(OPERATIONS)))
        with hp.conditional_scope("layer_1_operation", ["conv_3x3"]):
            hp.Fixed("layer_2_operation", "conv_3x3")
        with pytest.raises(ConfigError, match=r"cannot depend on something else.*layer_1_operation in \['conv_3x3'\]"):
            EPNASOracle(SPACE, hyperparameters=hp)

    def test_one_side_of_a_block(self):
        with pytest.raises(ConfigError, match=r"interchangeable.*Received: block_1_left_operation in \['identity'\]"):
            EPNASOracle(MicroSpace(1), hyperparameters=given(("Fixed", "block_1_left_operation", "identity")))

    def test_something_else(self):
        with pytest.raises(ConfigError, match=r"`hyperparameters` must be a HyperParameters. Received: {'layer_1_op"):
            EPNASOracle(SPACE, hyperparameters={"layer_1_operation": "conv_3x3"})

    def test_fixed_ones_of_other_names_are_handed_on(self, tmp_path):
        hp = given(("Fixed", "learning_rate", 0.5))
        oracle = EPNASOracle(SPACE, hyperparameters=hp)
        ScoringTuner(oracle, None, directory=tmp_path, project_name="p")
        oracle.verbose = 0
        assert oracle.create_trial("tuner0").hyperparameters.get("learning_rate") == 0.5
        with pytest.raises(ConfigError, match=r"Training is set by `child`. Received: learning_rate"):
            make_tuner(tmp_path, oracle=oracle)


class TestOtherOracles:
    def test_hyperparameters_given_before_are_taken(self, tmp_path):
        hp = given(("Choice", "layer_1_operation", ["max_pool_3x3"]), ("Fixed", "layer_2_operation", "max_pool_3x3"))
        hypermodel = make_hypermodel()
        tuner = keras_tuner.RandomSearch(
            hypermodel, "val_accuracy", max_trials=3, hyperparameters=hp, directory=tmp_path, seed=1
        )
        for _ in range(3):
            trial = tuner.oracle.create_trial("tuner0")
            assert "conv_3x3" not in str(hypermodel.architecture(trial.hyperparameters))
            tuner.oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
            trial.status = "COMPLETED"
            tuner.oracle.end_trial(trial)

    def test_values_that_the_space_has_not(self, tmp_path):
        hp = given(("Choice", "layer_1_operation", ["conv_9x9"]))
        with pytest.raises(ConfigError, match=r"`layer_1_operation` can be.*Received: 'conv_9x9'"):
            keras_tuner.RandomSearch(make_hypermodel(), "val_accuracy", 2, hyperparameters=hp, directory=tmp_path)

    def test_inactive_where_it_is_needed(self):
        hp = given(("Int", "layers", 1, 2))
        with hp.conditional_scope("layers", [1]):
            hp.Fixed("layer_2_operation", "conv_3x3")
        hp.values = {"layers": 2}
        with pytest.raises(ValueError, match="layer_2_operation is currently inactive"):
            hyperparameters.read(SPACE, hp)


class TestOracleMethods:
    def begun(self, tmp_path, **kwargs):
        oracle = EPNASOracle(SPACE, search=QUICK, **kwargs)
        ScoringTuner(oracle, None, directory=tmp_path, project_name="p")
        oracle.verbose = 0
        trial = oracle.create_trial("tuner0")
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        return oracle, trial

    @pytest.mark.parametrize(
        ("positional", "named"),
        [(("0000", "COMPLETED"), {}), (("0000",), {}), ((), {"trial_id": "0000", "status": "COMPLETED"})],
    )
    def test_older_form_of_end_trial(self, tmp_path, positional, named):
        oracle, trial = self.begun(tmp_path)
        values = dict(trial.hyperparameters.values)
        oracle.end_trial(*positional, **named)
        assert (oracle.trials["0000"].score, oracle.progressive.num_told) == (0.5, 1)
        assert oracle.trials["0000"].hyperparameters.values == values

    def test_older_form_of_a_failure(self, tmp_path):
        oracle, _ = self.begun(tmp_path)
        oracle.end_trial("0000", "FAILED")
        assert oracle.trials["0000"].status == "FAILED"
        assert oracle.progressive.num_told == 1

    def test_second_end_of_a_trial(self, tmp_path, capsys):
        oracle, _ = self.begun(tmp_path)
        for _ in range(2):
            oracle.end_trial("0000", "COMPLETED")
        assert oracle.end_order == ["0000"]
        assert "the report that came first counts" in capsys.readouterr().err

    def test_new_hyperparameters(self, tmp_path):
        oracle, _ = self.begun(tmp_path)
        oracle.update_space(given(("Fixed", "momentum", 0.5)))
        with pytest.raises(ConfigError, match=r"chooses architectures only.*Received: momentum_2"):
            oracle.update_space(given(("Float", "momentum_2", 0.0, 1.0)))

    @pytest.mark.parametrize("name", ["populate_space", "score_trial"])
    def test_overridden(self, tmp_path, name):
        called = []

        def method(self, *arguments):
            called.append(name)
            return getattr(EPNASOracle, name)(self, *arguments)

        oracle = type("Own", (EPNASOracle,), {name: method})(SPACE, search=QUICK)
        ScoringTuner(oracle, lambda *_: 0.5, directory=tmp_path, project_name="p").search(verbose=0)
        assert called

    @pytest.mark.parametrize(
        ("objective", "shown"),
        [
            (keras_tuner.Objective("f1", "min"), r'Received: Objective\(name="f1", direction="min"\)'),
            (["val_accuracy", keras_tuner.Objective("f1", "max")], r'Received: Multi.*\(name="val_accuracy".*"f1"'),
        ],
    )
    def test_objective_is_named(self, objective, shown):
        with pytest.raises(ConfigError, match=shown):
            EPNASOracle(SPACE, objective)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_the_tuner_does_not_take(name, tmp_path):
    with pytest.raises(ConfigError, match=f"does not take `{name}`: .*Received: {name}"):
        make_tuner(tmp_path, **{name: 1})
    assert list(tmp_path.iterdir()) == []


def test_every_argument_of_keras_tuners_tuners_is_taken_or_refused():
    own = arguments(EPNASTuner)
    every = arguments(keras_tuner.Tuner) | arguments(BaseTuner) | arguments(keras_tuner.Oracle)
    assert every - own == set(ARGUMENTS)


@pytest.mark.parametrize("name", TUNER_METHODS)
def test_methods_of_the_tuner_that_are_never_called(name, tmp_path):
    own = type("Own", (EPNASTuner,), {name: lambda *_: None})
    with pytest.raises(ConfigError, match=f"`{name}` is never called: .*Received: Own.{name}"):
        own(make_hypermodel(), directory=tmp_path)


CALLED = ("pre_create_trial", "on_trial_begin", "on_trial_end", "on_search_begin", "on_search_end", "run_trial")


def test_methods_of_the_tuner_that_are_called(tmp_path):
    called = []

    def calling(name):
        def method(self, *arguments, **named):
            called.append(name)
            if name == "run_trial":
                return {"val_accuracy": 0.5}
            return getattr(super(own, self), name)(*arguments, **named)

        return method

    own = type("Own", (EPNASTuner,), {name: calling(name) for name in CALLED})
    tuner = own(make_hypermodel(layers=1), search=QUICK, directory=tmp_path)
    x, y, validation = split_digits(100)
    tuner.search(x, y, validation_data=validation, verbose=0)
    assert set(called) == set(CALLED)


@pytest.mark.parametrize("name", HYPERMODEL_METHODS)
class TestHypermodelMethodsThatAreNeverCalled:
    def test_overridden(self, name, tmp_path):
        own = type("Own", (MacroHyperModel,), {name: lambda *_: None})
        with pytest.raises(ConfigError, match=f"`{name}` is never called: .*Received: Own.{name}"):
            make_tuner(tmp_path, own((8, 8, 1), 10, layers=1, channels=4))

    def test_assigned(self, name, tmp_path):
        hypermodel = make_hypermodel()
        setattr(hypermodel, name, lambda *_: None)
        with pytest.raises(ConfigError, match=f"`{name}` is never called"):
            make_tuner(tmp_path, hypermodel)


class TestHypermodelArguments:
    def test_name(self):
        assert make_hypermodel(name="mine").name == "mine"
        assert make_hypermodel().name == "epnas_macro"

    def test_not_tunable(self, tmp_path):
        hypermodel, hp = make_hypermodel(tunable=False), keras_tuner.HyperParameters()
        hypermodel.declare_hyperparameters(hp)
        hypermodel.build(hp)
        assert hp.space == []
        with pytest.raises(ConfigError, match=r"nothing to search in a hypermodel of `tunable=False`"):
            make_tuner(tmp_path, hypermodel)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("search", SearchConfig(k=9)),
        ("surrogate", SurrogateConfig(additive_penalty=2.0)),
        ("limits", LimitConfig(max_params=10**6)),
        ("objective", "val_loss"),
        ("worker_timeout", 5.0),
    ],
)
def test_settings_beside_an_oracle(name, value, tmp_path):
    oracle = EPNASOracle(make_hypermodel().space)
    with pytest.raises(ConfigError, match=rf"`oracle` of your own chooses.* Received: `oracle` and {name}$"):
        make_tuner(tmp_path, oracle=oracle, **{name: value})


def test_direction_of_another_oracles_objective(tmp_path):
    objective = keras_tuner.Objective("val_loss", "max")
    with pytest.raises(ConfigError, match=r"val_loss of direction 'min'.*Received: .*\"max\""):
        make_tuner(tmp_path, oracle=keras_tuner.oracles.RandomSearchOracle(objective, max_trials=1))


@pytest.mark.parametrize("value", [-1, "1", float("nan")])
def test_idle_seconds(value, tmp_path):
    with pytest.raises(ConfigError, match="`idle_seconds` must be seconds, at least 0"):
        make_tuner(tmp_path, idle_seconds=value)


def test_verbose(tmp_path):
    x, y, validation = split_digits(100)
    with pytest.raises(ConfigError, match="`verbose` must be 0, 1, 2"):
        make_tuner(tmp_path).search(x, y, validation_data=validation, verbose="loud")

"""A worker's calls over a real channel to a chief that dies, and to one that has ended."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer
from keras_tuner.src.distribute.oracle_client import OracleClient
from keras_tuner.src.engine import conditions

from epnas_tf.errors import SearchError
from epnas_tf.tuner import client as client_module
from epnas_tf.tuner.client import ChiefCalls
from epnas_tf.tuner.oracle import EPNASOracle
from tests.tuner.kt_helpers import make_hypermodel
from tests.tuner.test_project import as_worker


class Dying(OracleServicer):
    """Dies at the first question for the space."""

    calls = 0

    def GetSpace(self, request, context):  # noqa: N802  (gRPC's name)
        self.calls += 1
        if self.calls == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return super().GetSpace(request, context)


@pytest.fixture
def served(monkeypatch):
    """A chief's oracle, what serves it, and a worker's client of it."""
    oracle = EPNASOracle(make_hypermodel().space)
    server, servicer = grpc.server(ThreadPoolExecutor(1)), Dying(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    as_worker(monkeypatch)
    monkeypatch.setattr(conditions, "print", lambda *_: None, raising=False)  # one that KerasTuner has left
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(server.add_insecure_port("127.0.0.1:0")))
    server.start()
    yield oracle, servicer, server, OracleClient(oracle)
    server.stop(None)


def test_call_to_a_chief_that_dies_while_it_answers_is_made_again(served):
    oracle, servicer, _, client = served
    ChiefCalls(client)
    assert [p.name for p in client.get_space().space] == [p.name for p in oracle.get_space().space]
    assert servicer.calls == 2


def trained(oracle, count):
    """Ends trials of the oracle, and returns their ids, the best first."""
    for number in range(count):
        trial = oracle.create_trial("elsewhere")
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5 + number / 100})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return [trial.trial_id for trial in oracle.get_best_trials(count)]


@pytest.mark.parametrize("kept", [2, 100])
def test_results_after_the_chiefs_end(served, monkeypatch, tmp_path, kept):
    oracle, _, server, client = served
    oracle._set_project_dir(tmp_path, "project")
    monkeypatch.setattr(client_module, "KEPT_TRIALS", kept)
    monkeypatch.setattr(client_module, "ANSWER_SECONDS", 0.5)
    best, calls = trained(oracle, 3), ChiefCalls(client)
    with calls.during_search():
        assert [trial.trial_id for trial in client.get_best_trials(3)] == best
    assert [trial.trial_id for trial in client.get_best_trials(3)] == best
    server.stop(None).wait()
    assert [trial.trial_id for trial in client.get_best_trials(2)] == best[:2]
    if kept > len(best):
        assert [trial.trial_id for trial in client.get_best_trials(10)] == best
    else:
        with pytest.raises(SearchError, match=r"so has its chief.*Received: no answer from 127.0.0.1:"):
            client.get_best_trials(3)


def test_chief_that_has_ended_before_the_results(served, monkeypatch, capsys):
    """KerasTuner's client would wait for it, silently, for an hour."""
    _, _, server, client = served
    monkeypatch.setattr(client_module, "ANSWER_SECONDS", 0.5)
    with ChiefCalls(client).during_search():
        server.stop(None).wait()
    assert "The search has ended, and so has its chief" in capsys.readouterr().err
    with pytest.raises(SearchError, match="Ask in the chief's program, or without KERASTUNER_ORACLE_IP"):
        client.get_space()

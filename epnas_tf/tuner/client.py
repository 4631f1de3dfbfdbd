"""A worker's calls to the chief: repeated if the chief dies while answering, not waited for once a search has ended.

KerasTuner's client waits silently for a chief, up to an hour per call. The chief ends soon after it has told the last
worker to stop, so a worker's `get_best_hyperparameters` would often come too late.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from epnas_tf.errors import SearchError
from epnas_tf.tuner.workers import chief_address, say

KEPT_TRIALS = 100
"""Number of best trials that a worker keeps at the end of a search."""

ANSWER_SECONDS = 5.0
"""How long a call after a search may take."""


class ChiefCalls:
    """The calls of a worker's `OracleClient`, whose channel it replaces.

    A call may arrive twice: the oracle ignores the second report of a trial's end, and hands out a running trial once
    more.

    Args:
        client: KerasTuner's `OracleClient`.
    """

    def __init__(self, client: Any) -> None:
        import grpc  # as late as KerasTuner does
        from keras_tuner.src import protos

        policy = {
            "maxAttempts": 5,
            "initialBackoff": "1s",
            "maxBackoff": "10s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
        where = ":".join(map(str, chief_address()))
        calls = self

        class Patience(grpc.UnaryUnaryClientInterceptor):
            def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
                if not calls.has_ended:
                    return continuation(details, request)
                answer = continuation(details._replace(wait_for_ready=False, timeout=ANSWER_SECONDS), request)
                if answer.exception() is None:
                    return answer
                raise SearchError(
                    "The search has ended, and so has its chief, which alone has the answer. Ask in the chief's "
                    f"program, or without KERASTUNER_ORACLE_IP. Received: no answer from {where}"
                )

        channel = grpc.insecure_channel(where, options=[("grpc.service_config", config)])
        client.stub = protos.get_service_grpc().OracleStub(grpc.intercept_channel(channel, Patience()))
        self.has_ended = False
        self._client = client

    @contextlib.contextmanager
    def during_search(self) -> Iterator[None]:
        """Lets calls wait for the chief while the block, a search, runs, and then keeps the best trials."""
        self.has_ended = False
        vars(self._client).pop("get_best_trials", None)
        yield
        self.has_ended = True
        try:
            best = self._client.get_best_trials(KEPT_TRIALS)
        except SearchError as error:
            say(str(error))
            return
        ask = self._client.get_best_trials
        # An answer that is shorter than was asked for has all trials.
        self._client.get_best_trials = lambda num_trials=1: (
            best[:num_trials] if num_trials <= len(best) or len(best) < KEPT_TRIALS else ask(num_trials)
        )

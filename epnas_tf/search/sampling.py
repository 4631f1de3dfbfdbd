"""The choice of the K architectures of a level out of millions of candidates (paper, section 4).

The paper draws architecture i with probability p_i^(1/τ) / Σ_j p_j^(1/τ), where p_i = s_i / Σ_j s_j. K distinct ones
are drawn by adding Gumbel noise to log p_i / τ and keeping the K largest sums. This equals drawing one after the other
without replacement, each in proportion to p^(1/τ) among those left (Gumbel top-K). The normaliser Σ_j s_j shifts every
log p equally and does not change the order of the sums, so log s replaces log p: nothing is exponentiated, and no
temperature can overflow. The K largest of a stream need memory for one chunk and K candidates.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from epnas_tf.arrays import BoolArray, Float64Array, FloatArray, Int64Array
from epnas_tf.config import SearchConfig
from epnas_tf.errors import SearchError

RULES = ("probability", "greedy", "uniform")
"""The rules of `choose`."""


Chunks = Iterable[tuple[int, FloatArray]]
"""A stream of log scores: the index of a chunk's first candidate, and the log scores from there on, float [n]."""

Allowed = Callable[[int, int], BoolArray]
"""Maps the index of a first candidate and a count to which of these candidates may be chosen, bool [count]."""


def temperature(config: SearchConfig, iteration: int) -> float:
    """The sampling temperature of an iteration (paper, section 4: "decaying quickly to one").

    It goes from `config.initial_temperature` to `config.final_temperature`. A single iteration has the final one: it
    is also "the end", where the surrogate is fully trusted.

    Args:
        config: the settings of the search.
        iteration: the iteration, from 0.

    Raises:
        ValueError: if the iteration is not one of the search.
    """
    if not 0 <= iteration < config.iterations:
        raise ValueError(f"`iteration` must be in 0 … {config.iterations - 1}. Received: iteration={iteration}")
    first, last = config.initial_temperature, config.final_temperature
    if iteration == config.iterations - 1:
        return last  # exact, and the only one of a single iteration
    fraction = iteration / (config.iterations - 1)
    if config.temperature_schedule == "linear":
        return first + fraction * (last - first)
    # Geometric: the ratio from one iteration to the next is constant.
    return float(first ** (1 - fraction) * last**fraction)


def exploration(config: SearchConfig, iteration: int) -> float:
    """The scale of Thompson sampling's draws in an iteration over all levels, counted from 0.

    It is 0 in the last one of several; an iteration of whole networks always has `exploration`.

    As the paper says of its temperature: more random exploration first, full trust in the surrogate at the end.
    """
    return 0.0 if 1 < config.iterations == iteration + 1 else config.exploration


def trained_again(config: SearchConfig, round_number: int, rounds: int, count: int) -> int:
    """How many of the best so far share a round of an iteration of whole networks; 0 where others are chosen.

    Sequential halving (Karnin et al., 2013): the fewer are left, the more scores each of them has.

    Args:
        config: the settings of the search.
        round_number: the round, from 1.
        rounds: the rounds of the iteration.
        count: the children of a round.
    """
    first = rounds - min(config.halving_rounds, rounds // 2) + 1
    return 0 if round_number < first else max(1, count >> (round_number - first))


def choose(
    chunks: Chunks,
    k: int,
    rule: str,
    temperature: float,
    rng: np.random.Generator,
    allowed: Allowed | None = None,
) -> tuple[Int64Array, Float64Array]:
    """Chooses K candidates out of a stream of log scores.

    The noise is drawn from one generator in the order of the candidates, so the choice does not depend on how the
    stream is cut into chunks.

    Args:
        chunks: pairs of the index of the chunk's first candidate and float [n], the natural logarithms of the predicted
            scores of n candidates; chunks follow one another without a gap, from candidate 0. -inf is a score of 0.
        k: how many candidates to choose; all of them if there are fewer.
        rule: "probability" (the paper's: without replacement, in proportion to s^(1/temperature)), "greedy" (the K
            largest scores, as PNAS; of equal ones those of lower index) or "uniform" (any K with equal chance).
        temperature: τ of the rule "probability", above 0; the other rules ignore it.
        rng: source of the noise; "greedy" draws nothing from it.
        allowed: which candidates may be chosen; all by default.

    Returns:
        int64 [min(k, allowed candidates)], the indices of the chosen, and float64 of the same shape, their log scores;
        ordered by the rule's key, the largest first (so for "probability" and "uniform" in the order of drawing).
        Candidates of score 0 come last and only if nothing else is left, except under "uniform".

    Raises:
        ValueError: if `k`, `rule` or `temperature` is out of its range, or a chunk does not follow the one before.
        SearchError: if a log score is NaN or +inf.
    """
    if k < 1:
        raise ValueError(f"`k` must be at least 1. Received: k={k}")
    if rule not in RULES:
        raise ValueError(f"`rule` must be one of {', '.join(RULES)}. Received: rule={rule!r}")
    if not 0 < temperature < np.inf:
        raise ValueError(f"`temperature` must be a positive number. Received: temperature={temperature}")
    # Keys, indices and log scores of the K best candidates so far.
    best = (np.empty(0), np.empty(0, np.int64), np.empty(0))
    for offset, log_scores in _contiguous(chunks):
        scores = log_scores.astype(np.float64)
        ids = np.arange(offset, offset + scores.size, dtype=np.int64)
        chunk = (_keys(scores, rule, temperature, rng), ids, scores)
        if allowed is not None:
            chunk = _where(chunk, allowed(offset, scores.size))
        # Merge the chunk into the K best: memory for one chunk and K candidates.
        best = _largest(best, chunk, k)
    return best[1], best[2]


def choose_in_turns(chunks: Chunks, k: int, allowed: Allowed | None = None) -> tuple[Int64Array, Float64Array]:
    """Chooses K candidates by several draws of their scores: each draw in turn takes its best candidate that is left.

    With draws from the posterior this is Thompson sampling: a candidate is taken as often as it may be the best.

    Args:
        chunks: pairs of the index of the chunk's first candidate and float [draws, n], the scores of n candidates by
            each draw; chunks follow one another without a gap, from candidate 0.
        k: how many candidates to choose; all of them if there are fewer.
        allowed: which candidates may be chosen; all by default.

    Returns:
        int64 [min(k, allowed candidates)], the indices of the chosen in the order of choosing, and their scores by the
        draw that took them, float64 of the same shape.

    Raises:
        ValueError: if `k` is out of its range.
        SearchError: if a score is NaN.
    """
    if k < 1:
        raise ValueError(f"`k` must be at least 1. Received: k={k}")
    # For each draw, the K best candidates so far.
    best: list[Triple] = []
    for offset, scores in chunks:
        highest = scores.max(axis=1)  # NaN where one of them is
        if np.isnan(highest).any():
            raise SearchError(
                "A predicted score must be a number; the surrogate has diverged. A lower surrogate learning rate may "
                f"help. Received: NaN from candidate {offset} on"
            )
        best = best or [(np.empty(0), np.empty(0, np.int64), np.empty(0))] * len(scores)
        # After the first chunks few draws find a better candidate; only those look through the chunk.
        better = [draw for draw, top in enumerate(best) if top[0].size < k or highest[draw] > top[0][-1]]
        if not better:
            continue
        ids = np.arange(offset, offset + scores.shape[1], dtype=np.int64)
        keep = slice(None) if allowed is None else allowed(offset, ids.size)
        for draw in better:
            keys = scores[draw]
            best[draw] = _largest(best[draw], _where((keys, ids, keys), keep), k)
    # Turn by turn, each draw takes its best candidate that no other draw has taken.
    chosen: dict[int, float] = {}
    left = [iter(zip(ids.tolist(), keys.tolist(), strict=True)) for keys, ids, _ in best]
    for ranked in itertools.islice(itertools.cycle(left), k * len(left)):
        found = next((pair for pair in ranked if pair[0] not in chosen), None)
        if found is not None and len(chosen) < k:
            chosen[found[0]] = found[1]
    return np.array(list(chosen), np.int64), np.array(list(chosen.values()), np.float64)


def uniform_chunks(num_candidates: int, chunk_size: int) -> Iterator[tuple[int, Float64Array]]:
    """Yields chunks of equal log scores, for a choice that needs no predictions.

    Args:
        num_candidates: how many candidates there are.
        chunk_size: candidates of a chunk; the last one may have fewer.
    """
    for offset in range(0, num_candidates, chunk_size):
        yield offset, np.zeros(min(chunk_size, num_candidates - offset))


def _keys(scores: Float64Array, rule: str, temperature: float, rng: np.random.Generator) -> Float64Array:
    """The keys of candidates with some log scores, float64 [n] each; the K largest keys are the choice."""
    if rule == "greedy":
        return scores
    # Gumbel top-K (paper, section 4): the K largest sums are a draw without replacement.
    noise = rng.gumbel(size=scores.size)
    # Noise alone makes all candidates equally likely.
    return noise if rule == "uniform" else scores / temperature + noise


Triple = tuple[Float64Array, Int64Array, Float64Array]
"""Keys, indices and log scores of some candidates, each of shape [n]."""


def _largest(best: Triple, chunk: Triple, k: int) -> Triple:
    """The K largest keys of both, in descending order; of equal keys, the lower index first."""
    if best[0].size == k:
        # Only what beats the K-th key counts; of equal keys, the earlier candidate stays.
        chunk = _where(chunk, chunk[0] > best[0][-1])
    if chunk[0].size > k:
        # Keep the K largest without a full sort, ties included, which the sort below decides.
        chunk = _where(chunk, chunk[0] >= np.partition(chunk[0], -k)[-k])
    keys, ids, scores = (np.concatenate(pair) for pair in zip(best, chunk, strict=True))
    order = np.lexsort((ids, -keys))[:k]
    return keys[order], ids[order], scores[order]


def _where(triple: Triple, keep: BoolArray | slice) -> Triple:
    return triple[0][keep], triple[1][keep], triple[2][keep]


def _contiguous(chunks: Chunks) -> Iterator[tuple[int, FloatArray]]:
    """Yields the chunks after checking that each follows the one before and holds log scores only."""
    expected = 0
    for offset, log_scores in chunks:
        if offset != expected or log_scores.ndim != 1:
            raise ValueError(
                f"Chunks must be one-dimensional and follow one another; the next one starts at candidate {expected}. "
                f"Received: offset={offset}, shape={log_scores.shape}"
            )
        expected += log_scores.size
        wrong = np.isnan(log_scores) | np.isposinf(log_scores)
        if wrong.any():
            first = int(np.argmax(wrong))
            raise SearchError(
                "A predicted log score must be a number, or -inf for a score of 0; the surrogate has diverged. A lower "
                f"surrogate learning rate may help. Received: {log_scores[first]} for candidate {offset + first}"
            )
        yield offset, log_scores

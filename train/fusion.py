"""One ranking out of several: by their scores, or by their ranks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from train.search import Ranked, Run

WEIGHT = 0.6
"""Of a model's scores, the rest BM25's: on squad and Cranfield the sum is then better than both of its parts (docs/benchmarks.md)."""

K = 60
"""Cormack, Clarke and Büttcher (SIGIR 2009), who found the result to depend little on it."""


def combine(runs: Sequence[Run], depth: int, weights: Sequence[float]) -> Run:
    """Query id → the `depth` best by the weighted sum of scores, each ranking's brought to 0 … 1 by its own least and greatest (Bruch et
    al. 2210.11934: a convex combination beats fusion by ranks, in domains and out of them).

    A ranking that does not list an id adds nothing; one whose scores are all equal adds its weight to all it lists. Of equal sums the
    smaller id first.
    """
    return {query: _combined([run[query] for run in runs], depth, weights) for query in runs[0]}


def fuse(runs: Sequence[Run], depth: int, k: int = K) -> Run:
    """Query id → the `depth` best of the runs together; every query of the first run stands in all of them.

    An id's score is the sum over the runs of 1 / (k + rank), ranks from 1; a run that does not list it adds nothing. Of equal scores
    the smaller id first.
    """
    return {query: _fused([run[query] for run in runs], depth, k) for query in runs[0]}


def _combined(rankings: Sequence[Ranked], depth: int, weights: Sequence[float]) -> Ranked:
    sums: dict[str, float] = {}
    for ranked, weight in zip(rankings, weights, strict=True):
        scores = [score for _, score in ranked]
        low, span = (min(scores), max(scores) - min(scores)) if scores else (0.0, 0.0)
        for item, score in ranked:
            sums[item] = sums.get(item, 0.0) + weight * ((score - low) / span if span > 0 else 1.0)
    return _best(sums, depth)


def _fused(rankings: Sequence[Ranked], depth: int, k: int) -> Ranked:
    scores: dict[str, float] = {}
    for ranked in rankings:
        for rank, (item, _) in enumerate(ranked, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (k + rank)
    return _best(scores, depth)


def _best(scores: Mapping[str, float], depth: int) -> Ranked:
    # Rounded: a sum in another order of the runs would end in another last digit, and so break a tie.
    return sorted(((item, round(score, 12)) for item, score in scores.items()), key=lambda pair: (-pair[1], pair[0]))[:depth]

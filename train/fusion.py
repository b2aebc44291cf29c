"""One ranking out of several: reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Sequence

from train.search import Ranked, Run

K = 60
"""Cormack, Clarke and Büttcher (SIGIR 2009), who found the result to depend little on it."""


def fuse(runs: Sequence[Run], depth: int, k: int = K) -> Run:
    """Query id → the `depth` best of the runs together; every query of the first run stands in all of them.

    An id's score is the sum over the runs of 1 / (k + rank), ranks from 1; a run that does not list it adds nothing. Of equal scores
    the smaller id first.
    """
    return {query: _fused([run[query] for run in runs], depth, k) for query in runs[0]}


def _fused(rankings: Sequence[Ranked], depth: int, k: int) -> Ranked:
    scores: dict[str, float] = {}
    for ranked in rankings:
        for rank, (item, _) in enumerate(ranked, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (k + rank)
    # Rounded: a sum in another order of the runs would end in another last digit, and so break a tie.
    return sorted(((item, round(score, 12)) for item, score in scores.items()), key=lambda pair: (-pair[1], pair[0]))[:depth]

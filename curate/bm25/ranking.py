"""The best passages of many queries: highest score first, of equal scores the earlier passage first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.bm25.postings import Postings, Weights


def search_postings(
    postings: Postings, queries: Sequence[Sequence[int]], ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> None:
    """Fill a row of `ids` and `scores` [n, k] for each query (sorted term numbers); rows hold -1 and 0 when it begins."""
    sums = np.zeros(postings.size, dtype=np.float32)
    k = ids.shape[1]
    for row, terms in enumerate(queries):
        if terms:
            found, weights = _best_of(postings, terms, k, sums)
            ids[row, : len(found)] = found
            scores[row, : len(found)] = weights


def _best_of(postings: Postings, terms: Sequence[int], k: int, sums: Weights) -> tuple[npt.NDArray[Any], Weights]:
    """`sums` is all 0 before and after."""
    lists = []
    for term in terms:
        start, end = postings.starts[term], postings.starts[term + 1]
        held = postings.positions[start:end]
        sums[held] += postings.weights[start:end]
        lists.append(held)
    # A passage is read from the first list that holds it, and is 0 in those after.
    places, totals, least = [], [], 0.0
    for held in lists:
        total = sums[held]
        sums[held] = 0
        kept = np.flatnonzero(total > least)
        places.append(held[kept])
        totals.append(total[kept])
    place, total = np.concatenate(places), np.concatenate(totals)
    if len(total) > k:
        least = np.partition(total, len(total) - k)[len(total) - k]
        reach = np.flatnonzero(total >= least)
        place, total = place[reach], total[reach]
    order = np.lexsort((place, -total))[:k]
    return place[order], total[order]


def scores_of_all(postings: Postings, terms: Sequence[int]) -> Weights:
    """One score for each passage."""
    sums = np.zeros(postings.size, dtype=np.float32)
    for term in terms:
        start, end = postings.starts[term], postings.starts[term + 1]
        sums[postings.positions[start:end]] += postings.weights[start:end]
    return sums


def scores_at(postings: Postings, terms: Sequence[int], positions: npt.NDArray[np.int64]) -> Weights:
    """The scores of some passages: as many searches in sorted lists as there are terms."""
    sums = np.zeros(len(positions), dtype=np.float32)
    for term in terms:
        start, end = int(postings.starts[term]), int(postings.starts[term + 1])
        held = postings.positions[start:end]
        places = np.minimum(np.searchsorted(held, positions), end - start - 1)
        sums += np.where(held[places] == positions, postings.weights[start:end][places], np.float32(0))
    return sums


def best(scores: npt.NDArray[Any], k: int) -> npt.NDArray[np.intp]:
    """Positions of the best k of the scores above 0."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) > k:
        threshold = np.partition(scores[positive], len(positive) - k)[len(positive) - k]
        # All that reach the k-th score, however many: the stable sort below then prefers the earlier passage.
        positive = positive[scores[positive] >= threshold]
    order = np.argsort(-scores[positive], kind="stable")
    return positive[order[:k]]

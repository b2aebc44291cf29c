"""The best passages of many queries: highest score first, of equal scores the earlier passage first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.bm25.postings import Postings, Weights

_TOP = 0x7FFFFFFF


def search_postings(
    postings: Postings, queries: Sequence[Sequence[int]], ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> None:
    """Fill a row of `ids` and `scores` [n, k] for each query (sorted term numbers); rows hold -1 and 0 when it begins."""
    sums = np.zeros(postings.size, dtype=np.float32)
    k = ids.shape[1]
    asked = np.array([term for terms in queries for term in terms], dtype=np.int64)
    bounds = list(zip(postings.starts[asked].tolist(), postings.starts[asked + 1].tolist(), strict=True))
    first = 0
    for row, terms in enumerate(queries):
        lists = bounds[first : first + len(terms)]
        first += len(terms)
        if lists:
            found, weights = _best_of(postings, lists, k, sums)
            ids[row, : len(found)] = found
            scores[row, : len(found)] = weights


def _best_of(postings: Postings, lists: list[tuple[int, int]], k: int, sums: Weights) -> tuple[npt.NDArray[np.intp], Weights]:
    """`sums` is all 0 before and after."""
    places = np.concatenate([postings.positions[start:end] for start, end in lists], dtype=np.intp)
    np.add.at(sums, places, np.concatenate([postings.weights[start:end] for start, end in lists]))
    totals = sums[places]
    sums[places] = 0
    # A passage stands here once for each list that holds it, so that the best k stand among the best k times so many.
    window = k * len(lists)
    least = np.partition(totals, len(totals) - window)[len(totals) - window] if len(totals) > window else np.float32(0)
    reach = np.flatnonzero(totals >= least if least > 0 else totals > 0)
    # One number that sorts by falling score, then by rising position: the bits of positive floats are ordered as they are.
    keys = (_TOP - totals[reach].view(np.int32).astype(np.int64) << 32) | places[reach]
    keys.sort()
    keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))[:k]]
    return keys & 0xFFFFFFFF, (_TOP - (keys >> 32)).astype(np.int32).view(np.float32)


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

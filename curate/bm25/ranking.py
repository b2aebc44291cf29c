"""The best passages of many queries: highest score first, of equal scores the earlier passage first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.bm25.postings import Postings, Weights

_TOP = 0x7FFFFFFF
MANY = 150_000
"""Of so many postings most belong to common words, which can be left out of the search for candidates; fewer are faster added up."""
SLACK = 1e-4
"""Sums in another order differ by less than this share; candidates are kept within it, then scored exactly."""

Places = npt.NDArray[np.int64]
Span = tuple[int, int]


def search_postings(
    postings: Postings, queries: Sequence[Sequence[int]], ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> None:
    """Fill a row of `ids` and `scores` [n, k] for each query (sorted term numbers); rows hold -1 and 0 when it begins."""
    sums = np.zeros(postings.size, dtype=np.float32)
    k = ids.shape[1]
    asked = np.array([term for terms in queries for term in terms], dtype=np.int64)
    spans = list(zip(postings.starts[asked].tolist(), postings.starts[asked + 1].tolist(), strict=True))
    first = 0
    for row, terms in enumerate(queries):
        own = spans[first : first + len(terms)]
        first += len(terms)
        if not own:
            continue
        if sum(end - start for start, end in own) > MANY and postings.bounds[terms].min() > 0:
            places = _candidates(postings, terms, k, sums)
            found, weights = _first(places, scores_at(postings, terms, places), k, k)
        else:
            found, weights = _first(*_added_up(postings, own, sums), k * len(own), k)
        ids[row, : len(found)] = found
        scores[row, : len(found)] = weights


def _added_up(postings: Postings, spans: list[Span], sums: Weights) -> tuple[Places, Weights]:
    """Passages, each once for each of the spans that hold it, and the sums of their weights; `sums` is all 0 before and after."""
    places = np.concatenate([postings.positions[start:end] for start, end in spans], dtype=np.int64)
    np.add.at(sums, places, np.concatenate([postings.weights[start:end] for start, end in spans]))
    totals = sums[places]
    sums[places] = 0
    return places, totals


def _candidates(postings: Postings, terms: Sequence[int], k: int, sums: Weights) -> Places:
    """Passages among which the best k are, rising, as in MaxScore (Turtle and Flood 1995): the rarest words first, until what is left
    of the query cannot lift a passage that holds none of them into the best k; the others only add to passages found already."""
    order = sorted(terms, key=lambda term: -postings.bounds[term])
    left = float(postings.bounds[order].sum())
    spans: list[Span] = []
    least = 0.0
    for term in order:
        spans.append((int(postings.starts[term]), int(postings.starts[term + 1])))
        left -= float(postings.bounds[term])
        held = postings.positions[slice(*spans[-1])].astype(np.int64)
        np.add.at(sums, held, postings.weights[slice(*spans[-1])])
        if len(held) >= k:
            least = max(least, _kth(sums[held], k))
        if least * (1 - SLACK) > left:
            break
    places = np.concatenate([postings.positions[start:end] for start, end in spans], dtype=np.int64)
    totals = sums[places]
    sums[places] = 0
    kept = np.flatnonzero(totals + left >= least * (1 - SLACK))
    places, at = np.unique(places[kept], return_index=True)
    totals = totals[kept[at]]
    for term in order[len(spans) :]:
        totals = totals + scores_at(postings, [term], places)
        left -= float(postings.bounds[term])
        least = max(least, _kth(totals, k)) if len(totals) >= k else least
        kept = np.flatnonzero(totals + left >= least * (1 - SLACK))
        places, totals = places[kept], totals[kept]
    return places


def _kth(values: Weights, k: int) -> float:
    return float(np.partition(values, len(values) - k)[len(values) - k])


def _first(places: Places, totals: Weights, window: int, k: int) -> tuple[Places, Weights]:
    """The best k of the totals above 0; a passage may stand there several times, so that they are among the best `window`."""
    least = _kth(totals, window) if len(totals) > window else 0.0
    reach = np.flatnonzero(totals >= np.float32(least) if least > 0 else totals > 0)
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
    # Of the same type as the lists: else each list is converted whole.
    wanted = positions.astype(np.int32)
    for term in terms:
        start, end = int(postings.starts[term]), int(postings.starts[term + 1])
        held = postings.positions[start:end]
        places = np.minimum(np.searchsorted(held, wanted), end - start - 1)
        sums += np.where(held[places] == wanted, postings.weights[start:end][places], np.float32(0))
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

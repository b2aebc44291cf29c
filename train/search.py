"""Exact dense search: every passage against every query, with one order of ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from train.models import Embeddings

Ranked = list[tuple[str, float]]
Run = dict[str, Ranked]
"""Query id → (corpus id, score), best first."""

# Cosines are compared to this precision: the last bits depend on the number of threads.
_STEPS = 1_000_000
_BLOCK = 16_384


def search(queries: Embeddings, passages: Embeddings, ids: Sequence[str], depth: int) -> list[Ranked]:
    """The `depth` best passages of each query, unit vectors [n, d] against [m, d], m < 2^31.

    Cosines rounded to six decimals; of equal ones the smaller id first. Memory: queries × 16,384 scores at a time.
    """
    order = sorted(range(len(ids)), key=lambda index: ids[index])
    best: npt.NDArray[np.int64] = np.empty((len(queries), 0), dtype=np.int64)
    size = len(ids)
    for start in range(0, size, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, size))
        cosines = queries @ passages[[order[index] for index in block]].T
        # One whole number holds score and place, so that no two are equal and any algorithm gives the same order.
        keys = np.rint(cosines * _STEPS).astype(np.int64) * size + (size - 1 - block)
        best = _largest(np.concatenate([best, keys], axis=1), depth)
    return [[_decode(int(key), size, order, ids) for key in row] for row in best]


def _largest(keys: npt.NDArray[np.int64], depth: int) -> npt.NDArray[np.int64]:
    if keys.shape[1] > depth:
        keys = np.partition(keys, keys.shape[1] - depth, axis=1)[:, -depth:]
    return -np.sort(-keys, axis=1)


def _decode(key: int, size: int, order: Sequence[int], ids: Sequence[str]) -> tuple[str, float]:
    score, place = divmod(key, size)
    return ids[order[size - 1 - place]], score / _STEPS


def by_document(ranked: Ranked, documents: Mapping[str, str]) -> Ranked:
    """A ranking of documents from one of chunks: each stands where its best chunk stands."""
    best: dict[str, float] = {}
    for chunk, score in ranked:
        best.setdefault(documents.get(chunk, chunk), score)
    return list(best.items())

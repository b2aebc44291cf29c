"""Pairs of rows that may be near: equal in a band of their MinHash, and alike enough in all of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from curate.near.signing import Nearness

_CANDIDATE_RECALL = 0.9995
_PAIRS_AT_ONCE = 4096
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Rows = NDArray[np.int64]
Matrix = NDArray[np.uint32]


def band_rows(nearness: Nearness) -> int:
    """The most rows a band may have for a pair at the threshold to share a band with probability 0.9995 (1 - (1 - s^r)^b)."""
    for rows in range(min(16, nearness.permutations), 1, -1):
        missed = (1 - nearness.threshold**rows) ** (nearness.permutations // rows)
        if missed <= 1 - _CANDIDATE_RECALL:
            return rows
    return 1


def candidates(matrix: Matrix, rows: Rows, labels: Rows, nearness: Nearness) -> Iterator[tuple[Rows, Rows]]:
    """Batches of pairs (the lower row first) of `rows` whose labels differ; a pair may come again.

    Labels may change between batches: what was joined meanwhile is not looked at any more. Likely pairs come first: what they join needs no look
    at the doubtful ones, down to three standard errors below the threshold.
    """
    width, threshold = band_rows(nearness), nearness.threshold
    doubtful = threshold - 3 * (threshold * (1 - threshold) / nearness.permutations) ** 0.5
    for close in (threshold, doubtful):
        for start in range(0, nearness.permutations - width + 1, width):
            for a, b in _together(_keys(matrix, rows, start, width), rows, labels):
                for first in range(0, len(a), _PAIRS_AT_ONCE):
                    some, others = a[first : first + _PAIRS_AT_ONCE], b[first : first + _PAIRS_AT_ONCE]
                    alike = (matrix[some] == matrix[others]).mean(axis=1) >= close
                    if alike.any():
                        yield some[alike], others[alike]


def _keys(matrix: Matrix, rows: Rows, start: int, width: int) -> NDArray[np.uint64]:
    """One number for each row's values in a band; a collision only makes a pair that is not alike."""
    keys = np.zeros(len(rows), dtype=np.uint64)
    for column in range(start, start + width):
        keys ^= keys >> np.uint64(29)
        keys *= _MULTIPLIER
        keys += matrix[rows, column]
    return keys


def _together(keys: NDArray[np.uint64], rows: Rows, labels: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of rows with equal keys and different labels: neighbours first, then those two apart, and so on while a bucket is not all joined."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    bucket = np.cumsum(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    rows = rows[order]
    apart = 1
    while True:
        # Of the buckets only those are left that have rows so far apart and rows of several labels.
        starts = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1])[: len(bucket)])
        if not len(starts):
            return
        sizes = np.diff(np.append(starts, len(bucket)))
        found = labels[rows]
        several = np.minimum.reduceat(found, starts) != np.maximum.reduceat(found, starts)
        kept = np.repeat(several & (sizes > apart), sizes)
        bucket, rows = bucket[kept], rows[kept]
        near = bucket[apart:] == bucket[:-apart]
        a, b = rows[:-apart][near], rows[apart:][near]
        differ = labels[a] != labels[b]
        if differ.any():
            yield np.minimum(a, b)[differ], np.maximum(a, b)[differ]
        apart += 1

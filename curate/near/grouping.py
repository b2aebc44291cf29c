"""Groups signed texts: rows that verified pairs join, directly or through others, are one cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from curate.near.bands import candidates
from curate.near.gathering import Signatures, Texts
from curate.near.signing import overlap
from curate.stage import content_id

_PAIRS_AT_ONCE = 512

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Member:
    """One text's place in its cluster; `duplicate` and `similarity` are to the representative."""

    id: str
    cluster_id: str
    representative: bool
    duplicate: str
    """none, exact or near; near also for a text that is joined only through others and lies below the threshold."""
    similarity: float


def clusters(signatures: Signatures, texts: Texts) -> Iterator[Member]:
    """The members of all clusters, cluster by cluster.

    A cluster's id comes from the least digest in it, so that exact copies never move it.
    """
    labels = _components(signatures, texts)
    of_ids = labels[np.asarray(signatures.rows, dtype=np.int64)]
    order = np.argsort(of_ids, kind="stable")
    ends = [*(np.flatnonzero(np.diff(of_ids[order])) + 1).tolist(), len(order)]
    groups = [order[start:end].tolist() for start, end in pairwise([0, *ends]) if end]
    representatives = [min(group, key=lambda n: (signatures.preferences[n], signatures.ids[n])) for group in groups]
    similar = _similarities(signatures, texts, groups, representatives)
    for group, representative in zip(groups, representatives, strict=True):
        yield from _members(signatures, group, representative, similar)


def _members(signatures: Signatures, group: list[int], representative: int, similar: NDArray[np.float64]) -> Iterator[Member]:
    ids, rows = signatures.ids, signatures.rows
    cluster_id = content_id("cluster", min(signatures.digests[rows[n]] for n in group).hex())
    for n in sorted(group, key=ids.__getitem__):
        kind = "none" if n == representative else "exact" if rows[n] == rows[representative] else "near"
        yield Member(ids[n], cluster_id, n == representative, kind, float(similar[rows[n]]))


def _similarities(
    signatures: Signatures, texts: Texts, groups: list[list[int]], representatives: list[int]
) -> NDArray[np.float64]:
    """Of each row, the similarity to its cluster's representative."""
    rows, similar = signatures.rows, np.ones(len(signatures.digests))
    pairs = [
        (rows[representative], row)
        for group, representative in zip(groups, representatives, strict=True)
        if len(group) > 1
        for row in sorted({rows[n] for n in group} - {rows[representative]})
    ]
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[start : start + _PAIRS_AT_ONCE]
        sets = signatures.shingles(sorted({row for pair in some for row in pair}), texts)
        for a, b in some:
            similar[b] = overlap(sets[a], sets[b])
    return similar


def _components(signatures: Signatures, texts: Texts) -> Rows:
    """A label for each row; rows joined by verified pairs, directly or through others, share it."""
    labels = np.arange(len(signatures.digests))
    rows_of: dict[int, list[int]] = {}
    failed: set[tuple[int, int]] = set()
    for ones, others in candidates(signatures.matrix(), signatures.near_rows(), labels, signatures.nearness):
        pairs = [pair for pair in zip(ones.tolist(), others.tolist(), strict=True) if pair not in failed]
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            # Pairs of one large cluster come together: what the ones before have joined is not compared.
            some = [(a, b) for a, b in pairs[start : start + _PAIRS_AT_ONCE] if labels[a] != labels[b]]
            sets = signatures.shingles(sorted({row for pair in some for row in pair}), texts)
            for a, b in some:
                if labels[a] == labels[b]:
                    continue
                if overlap(sets[a], sets[b]) >= signatures.nearness.threshold:
                    _unite(labels, rows_of, a, b)
                else:
                    failed.add((a, b))
    return labels


def _unite(labels: Rows, rows_of: dict[int, list[int]], a: int, b: int) -> None:
    small, large = int(labels[a]), int(labels[b])
    if len(rows_of.get(small, [small])) > len(rows_of.get(large, [large])):
        small, large = large, small
    moved = rows_of.pop(small, [small])
    labels[moved] = large
    rows_of.setdefault(large, [large]).extend(moved)

"""Near-duplicates: exact by the hash of the normalised text, near by MinHash bands whose candidates are verified by true Jaccard similarity.

Signatures come from rensa, the bands are cut here: an index that lists every pair of a bucket would be quadratic in a cluster's size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from curate.stage import content_id
from curate.text import words

_SLICE_CHARACTERS = 1_000_000
_PAIRS_AT_ONCE = 256
_HASHES_KEPT = 8_000_000  # 64 MB
_CANDIDATE_RECALL = 0.9995
_MINHASH_SEED = 1

Texts = Callable[[Sequence[str]], Mapping[str, str]]
"""Fetches the texts of some ids; called for candidate pairs only."""


@dataclass(frozen=True)
class Nearness:
    """From which Jaccard similarity of word shingles two texts are near-duplicates, and how it is looked for."""

    threshold: float
    shingle: int = 5
    permutations: int = 128


@dataclass(frozen=True)
class Signature:
    """What is kept of a text to find its duplicates: `digest` for exact ones, `minhash` for near ones (empty: too short to be near)."""

    id: str
    digest: str
    minhash: bytes
    preference: tuple[int, ...] = ()
    """The lowest in a cluster is its representative; ties go to the lowest id."""


@dataclass(frozen=True)
class Member:
    """One text's place in its cluster; `duplicate` and `similarity` are to the representative."""

    id: str
    cluster_id: str
    representative: bool
    duplicate: str
    """none, exact or near; near also for a text that is joined only through others and lies below the threshold."""
    similarity: float


def near_duplicate_clusters(
    items: Iterable[tuple[str, str]], nearness: Nearness, preference: Callable[[str, str], tuple[int, ...]] | None = None
) -> list[Member]:
    """Clusters of (id, text) held in memory, sorted by id; ids are unique. `preference` of (id, text) picks representatives."""
    texts = dict(items)
    signed = []
    for id_, text in texts.items():
        digest, minhash = sign(text, nearness)
        signed.append(Signature(id_, digest, minhash, preference(id_, text) if preference else ()))
    found = clusters(signed, lambda ids: {id_: texts[id_] for id_ in ids}, nearness)
    return sorted(found, key=lambda member: member.id)


def sign(text: str, nearness: Nearness) -> tuple[str, bytes]:
    """Hex sha256 of the normalised text, and its MinHash as little-endian uint32 (empty when the text has fewer words than a shingle)."""
    import rensa  # kept out of start-up

    digest, minhash, carried, count = sha256(), rensa.RMinHash(nearness.permutations, _MINHASH_SEED), list[str](), 0
    for part in _slices(text):
        found = words(part)
        if not found:
            continue
        digest.update((" " if count else "").encode() + " ".join(found).encode("utf-8", "surrogatepass"))
        count += len(found)
        found = carried + found
        minhash.update(_shingle_list(found, nearness.shingle))
        carried = found[len(found) - nearness.shingle + 1 :] if nearness.shingle > 1 else []
    if not count:
        # Without a word the normalised text is empty: such texts are equal only character by character.
        digest.update(b"\0" + text.strip().encode("utf-8", "surrogatepass"))
    if count < nearness.shingle:
        return digest.hexdigest(), b""
    return digest.hexdigest(), np.asarray(minhash.digest(), dtype="<u4").tobytes()


def jaccard(a: str, b: str, shingle: int) -> float:
    """Share of the two texts' shingles that both have; 0.0 when neither has any."""
    return _overlap(_hashes(a, shingle), _hashes(b, shingle))


def clusters(signatures: Iterable[Signature], texts: Texts, nearness: Nearness) -> Iterator[Member]:
    """The members of all clusters, cluster by cluster.

    A cluster's id comes from the least digest in it, so that exact copies never move it.
    """
    copies: dict[str, list[tuple[tuple[int, ...], str]]] = defaultdict(list)
    minhashes: dict[str, bytes] = {}
    for signature in signatures:
        copies[signature.digest].append((signature.preference, signature.id))
        if signature.minhash:
            minhashes[signature.digest] = signature.minhash
    digests = sorted(minhashes)
    matrix = np.frombuffer(b"".join(minhashes.pop(digest) for digest in digests), dtype="<u4").reshape(
        len(digests), nearness.permutations
    )
    labels = _components(matrix, lambda row: copies[digests[row]][0][1], texts, nearness)
    joined: dict[int, list[str]] = defaultdict(list)
    for digest, label in zip(digests, labels.tolist(), strict=True):
        joined[label].append(digest)
    near = [group for group in joined.values() if len(group) > 1]
    taken = {digest for group in near for digest in group}
    for group in [*near, *([digest] for digest in sorted(copies) if digest not in taken)]:
        yield from _members({digest: sorted(copies[digest]) for digest in group}, texts, nearness.shingle)


def _members(group: Mapping[str, list[tuple[tuple[int, ...], str]]], texts: Texts, shingle: int) -> Iterator[Member]:
    cluster_id = content_id("cluster", min(group))
    _, representative, own_digest = min((*copies[0], digest) for digest, copies in group.items())
    others = [digest for digest in sorted(group) if digest != own_digest]
    similar = {own_digest: 1.0}
    if others:
        target = _hashes(texts([representative])[representative], shingle)
        for start in range(0, len(others), _PAIRS_AT_ONCE):
            first = {digest: group[digest][0][1] for digest in others[start : start + _PAIRS_AT_ONCE]}
            found = texts(sorted(first.values()))
            similar.update((digest, _overlap(target, _hashes(found[id_], shingle))) for digest, id_ in first.items())
    for digest, copies in sorted(group.items()):
        for _, id_ in copies:
            kind = "none" if id_ == representative else "exact" if digest == own_digest else "near"
            yield Member(id_, cluster_id, id_ == representative, kind, similar[digest])


def _components(matrix: NDArray[np.uint32], id_of: Callable[[int], str], texts: Texts, nearness: Nearness) -> NDArray[np.int64]:
    """A label for each row; rows joined by verified pairs, directly or through others, share it."""
    labels = np.arange(len(matrix))
    rows_of: dict[int, list[int]] = {}
    failed: set[tuple[int, int]] = set()
    hashes: dict[int, NDArray[np.uint64]] = {}
    # Likely pairs first: what they join needs no look at the doubtful ones, down to three standard errors below the threshold.
    doubtful = nearness.threshold - 3 * (nearness.threshold * (1 - nearness.threshold) / nearness.permutations) ** 0.5
    for close, band in product((nearness.threshold, doubtful), _bands(matrix, nearness)):
        pairs = _candidates(matrix, band, labels, failed, close)
        while batch := list(islice(pairs, _PAIRS_AT_ONCE)):
            if sum(map(len, hashes.values())) > _HASHES_KEPT:
                hashes.clear()
            missing = {row: id_of(row) for row in sorted({row for pair in batch for row in pair} - hashes.keys())}
            found = texts(sorted(missing.values())) if missing else {}
            hashes.update((row, _hashes(found[id_], nearness.shingle)) for row, id_ in missing.items())
            for a, b in batch:
                if _overlap(hashes[a], hashes[b]) >= nearness.threshold:
                    _unite(labels, rows_of, a, b)
                else:
                    failed.add((a, b))
    return labels


def _candidates(
    matrix: NDArray[np.uint32], band: NDArray[np.uint32], labels: NDArray[np.int64], failed: set[tuple[int, int]], close: float
) -> Iterator[tuple[int, int]]:
    """Pairs of one band's buckets that are not joined yet and whose signatures agree in a share of at least `close`."""
    for bucket in _buckets(band):
        for index, row in enumerate(bucket[:-1]):
            rest = bucket[index + 1 :]
            if (labels[bucket[index:]] == labels[row]).all():
                break
            rest = rest[(matrix[rest] == matrix[row]).mean(axis=1) >= close]
            for other in rest.tolist():
                pair = (int(row), other)
                if labels[other] != labels[row] and pair not in failed:
                    yield pair


def _bands(matrix: NDArray[np.uint32], nearness: Nearness) -> Iterator[NDArray[np.uint32]]:
    """The columns of each band."""
    rows = band_rows(nearness)
    for start in range(0, nearness.permutations - rows + 1, rows):
        yield matrix[:, start : start + rows]


def _buckets(band: NDArray[np.uint32]) -> Iterator[NDArray[np.int64]]:
    """Rows that are equal in the band, two or more together, in ascending order."""
    if len(band) < 2:
        return
    order = np.lexsort(band.T)
    differs = np.flatnonzero((band[order][1:] != band[order][:-1]).any(axis=1)) + 1
    starts, ends = np.append(0, differs), np.append(differs, len(band))
    several = ends - starts > 1
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        yield order[start:end]


def band_rows(nearness: Nearness) -> int:
    """The most rows a band may have for a pair at the threshold to share a band with probability 0.9995 (1 - (1 - s^r)^b)."""
    for rows in range(min(16, nearness.permutations), 1, -1):
        missed = (1 - nearness.threshold**rows) ** (nearness.permutations // rows)
        if missed <= 1 - _CANDIDATE_RECALL:
            return rows
    return 1


def _unite(labels: NDArray[np.int64], rows_of: dict[int, list[int]], a: int, b: int) -> None:
    small, large = int(labels[a]), int(labels[b])
    if small == large:
        return
    if len(rows_of.get(small, [small])) > len(rows_of.get(large, [large])):
        small, large = large, small
    moved = rows_of.pop(small, [small])
    labels[moved] = large
    rows_of.setdefault(large, [large]).extend(moved)


def _slices(text: str) -> Iterator[str]:
    """`text` in pieces cut before a blank, so that a huge document is never held as a list of words."""
    start = 0
    while start < len(text):
        end = start + _SLICE_CHARACTERS
        while end < len(text) and not text[end].isspace() and end < start + 2 * _SLICE_CHARACTERS:
            end += 1
        yield text[start:end]
        start = end


def _shingle_list(found: Sequence[str], size: int) -> list[str]:
    return [" ".join(found[i : i + size]) for i in range(len(found) - size + 1)]


def _hashes(text: str, shingle: int) -> NDArray[np.uint64]:
    """Sorted 64-bit hashes of the text's shingles, each once."""
    import rensa

    parts, carried = [np.empty(0, dtype=np.uint64)], list[str]()
    for part in _slices(text):
        found = carried + words(part)
        hashed = rensa.RMinHash.hash_token_sets([_shingle_list(found, shingle)])[0]
        parts.append(np.unique(np.asarray(hashed, dtype=np.uint64)))
        carried = found[max(0, len(found) - shingle + 1) :] if shingle > 1 else []
    return np.unique(np.concatenate(parts))


def _overlap(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    both = len(np.intersect1d(a, b, assume_unique=True))
    either = len(a) + len(b) - both
    return both / either if either else 0.0

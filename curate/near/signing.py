"""Signs texts: the hash of the normalised text, the hashes of its shingles, and their MinHash by rensa."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from curate.text import words

_SLICE_CHARACTERS = 1_000_000
_WORDS_AT_ONCE = 250_000
_WORDS_REMEMBERED = 200_000  # about 30 MB
_MINHASH_SEED = 1
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Nearness:
    """From which Jaccard similarity of word shingles two texts are near-duplicates, and how it is looked for."""

    threshold: float
    shingle: int = 5
    permutations: int = 128


@dataclass(frozen=True)
class Signed:
    """What is needed of some texts to find their duplicates, text by text."""

    ids: list[str]
    preferences: list[tuple[int, ...]]
    """The lowest in a cluster is its representative; ties go to the lowest id."""
    digests: list[bytes]
    """sha256 of the normalised text, 32 bytes."""
    minhashes: NDArray[np.uint32]
    """One row a text."""
    shingles: list[Hashes]
    """64-bit hashes of the text's shingles in order, repeats included; empty: too short to be near."""


class _WordHashes(dict[str, int]):
    """64-bit hashes of words, computed once a word: a fixed hash that nobody can find collisions of by hand."""

    def __missing__(self, word: str) -> int:
        value = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        self[word] = value
        return value


_word_hashes = _WordHashes()


def sign_all(items: Sequence[tuple[str, str]], preferences: Sequence[tuple[int, ...]], nearness: Nearness) -> Signed:
    """The signatures of (id, text)s. Pure: the same in any process and in any batch."""
    digests, minhashes, shingles = list[bytes](), list[NDArray[np.uint32]](), list[Hashes]()
    pending, waiting = list[Hashes](), 0
    for _, text in items:
        digest, hashed = _read(text)
        digests.append(digest)
        pending.append(hashed)
        waiting += len(hashed)
        if waiting >= _WORDS_AT_ONCE:
            minhashes.append(_minhashes(new := _shingle_hashes(pending, nearness.shingle), nearness))
            shingles += new
            pending, waiting = [], 0
    minhashes.append(_minhashes(new := _shingle_hashes(pending, nearness.shingle), nearness))
    return Signed([id_ for id_, _ in items], list(preferences), digests, np.concatenate(minhashes), shingles + new)


def shingle_sets(texts: Sequence[str], shingle: int) -> list[Hashes]:
    """Sorted 64-bit hashes of each text's shingles, each once; the same hashes as in `Signed`."""
    return [np.unique(hashes) for hashes in _shingle_hashes([_read(text)[1] for text in texts], shingle)]


def word_hash(word: str) -> int:
    """The hash that shingles are made of."""
    return _word_hashes[word]


def runs_of(texts: Sequence[Hashes], size: int) -> list[Hashes]:
    """Hashes of every `size` words in a row, text by text, in order and with repeats, from the hashes of their words."""
    return _shingle_hashes(texts, size)


def jaccard(a: str, b: str, shingle: int) -> float:
    """Share of the two texts' shingles that both have; 0.0 when neither has any."""
    return overlap(*shingle_sets([a, b], shingle))


def overlap(a: Hashes, b: Hashes) -> float:
    """Jaccard similarity of two sorted sets; 0.0 when both are empty."""
    joined = np.concatenate((a, b))
    joined.sort()
    both = int(np.count_nonzero(joined[1:] == joined[:-1]))
    either = len(joined) - both
    return both / either if either else 0.0


def _read(text: str) -> tuple[bytes, Hashes]:
    """The digest of the normalised text, and the hashes of its words in order."""
    digest, parts = sha256(), list[Hashes]()
    for part in _slices(text):
        found = words(part)
        if found:
            digest.update((" " if parts else "").encode() + " ".join(found).encode("utf-8", "surrogatepass"))
            parts.append(np.fromiter(map(_word_hashes.__getitem__, found), dtype=np.uint64, count=len(found)))
    if len(_word_hashes) > _WORDS_REMEMBERED:
        _word_hashes.clear()
    if not parts:
        # Without a word the normalised text is empty: such texts are equal only character by character.
        digest.update(b"\0" + text.strip().encode("utf-8", "surrogatepass"))
        return digest.digest(), np.empty(0, dtype=np.uint64)
    return digest.digest(), parts[0] if len(parts) == 1 else np.concatenate(parts)


def _shingle_hashes(texts: Sequence[Hashes], size: int) -> list[Hashes]:
    """From hashes of words to hashes of `size` words in a row, text by text: a polynomial of the words' hashes, mixed as in splitmix64.

    Each word's part is a one-to-one function of its hash, so two shingles have the same hash only with the chance of a 64-bit collision.
    """
    flat = np.concatenate(texts) if texts else np.empty(0, dtype=np.uint64)
    count = max(0, len(flat) - size + 1)
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(size):
        mixed *= _MULTIPLIER
        mixed += flat[offset : offset + count]
    for multiplier in _MIXERS:
        mixed ^= mixed >> np.uint64(30)
        mixed *= multiplier
    mixed ^= mixed >> np.uint64(31)
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    # What runs over the end of a text is left out.
    return [mixed[start : max(start, end - size + 1)] for start, end in pairwise(starts)]


def _minhashes(shingles: Sequence[Hashes], nearness: Nearness) -> NDArray[np.uint32]:
    import rensa  # kept out of start-up

    if not shingles:
        return np.empty((0, nearness.permutations), dtype=np.uint32)
    ends = np.cumsum([0, *map(len, shingles)]).astype(np.uint64)
    flat = np.concatenate(shingles)
    found = rensa.RMinHash.digest_matrix_from_flat_token_hashes(flat, ends, nearness.permutations, _MINHASH_SEED)
    return np.asarray(found.to_rows(), dtype=np.uint32)


def _slices(text: str) -> Iterator[str]:
    """`text` in pieces cut before a blank, so that a huge document is never held as a list of words."""
    if len(text) <= _SLICE_CHARACTERS:
        yield text
        return
    start = 0
    while start < len(text):
        end = start + _SLICE_CHARACTERS
        while end < len(text) and not text[end].isspace() and end < start + 2 * _SLICE_CHARACTERS:
            end += 1
        yield text[start:end]
        start = end

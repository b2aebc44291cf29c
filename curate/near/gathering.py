"""Gathers signed batches in bounded memory, and gives the shingles of the few texts that must be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from curate.near.signing import Hashes, Nearness, Signed, shingle_sets

HASHES_KEPT = 32_000_000
"""256 MB. Shingles of texts that come later are not kept but read again from the text, for those that may have a duplicate."""
_HASHES_READ_AGAIN = 4_000_000
_TEXTS_AT_ONCE = 256

Texts = Callable[[Sequence[str]], Mapping[str, str]]
"""Fetches the texts of some ids; called for candidates only."""


class Signatures:
    """All signatures of a search. A *row* is a distinct normalised text; each id belongs to one row.

    Held for each id: the id, its preference and the number of its row; for each row: 32 bytes of digest and 4 bytes a permutation (512 with
    128); for as many rows as `HASHES_KEPT` allows, 8 bytes a word of shingle hashes. No text is held.
    """

    def __init__(self, nearness: Nearness) -> None:
        self.nearness = nearness
        self.ids: list[str] = []
        self.preferences: list[tuple[int, ...]] = []
        self.rows: list[int] = []
        """The row of each id."""
        self.digests: list[bytes] = []
        self.first: list[int] = []
        """For each row the position of its first id, by which its text is found again."""
        self._row_of: dict[bytes, int] = {}
        self._minhashes = bytearray()
        self._can_be_near = bytearray()
        self._kept: dict[int, Hashes] = {}
        self._sets: dict[int, Hashes] = {}
        self._read_again: dict[int, Hashes] = {}
        self._room = HASHES_KEPT

    def add(self, signed: Signed) -> None:
        """Take the next batch; ids of all batches are unique."""
        new = []
        for n, digest in enumerate(signed.digests):
            row = self._row_of.setdefault(digest, len(self.digests))
            if row == len(self.digests):
                new.append(n)
                self.digests.append(digest)
                self.first.append(len(self.ids) + n)
                self._keep(row, signed.shingles[n])
            self.rows.append(row)
        self._minhashes += signed.minhashes[new].tobytes()
        self.ids += signed.ids
        self.preferences += signed.preferences

    def _keep(self, row: int, shingles: Hashes) -> None:
        self._can_be_near.append(len(shingles) > 0)
        if 0 < len(shingles) <= self._room:
            self._room -= len(shingles)
            self._kept[row] = shingles.copy()  # a view would hold its whole batch

    def matrix(self) -> NDArray[np.uint32]:
        """The MinHash of each row; read-only, not a copy."""
        return np.frombuffer(self._minhashes, dtype=np.uint32).reshape(-1, self.nearness.permutations)

    def near_rows(self) -> NDArray[np.int64]:
        """The rows that have a shingle."""
        return np.flatnonzero(np.frombuffer(self._can_be_near, dtype=np.uint8))

    def shingles(self, rows: Sequence[int], texts: Texts) -> dict[int, Hashes]:
        """Sorted hashes of the shingles of some rows; what was not kept is read again."""
        if sum(map(len, self._read_again.values())) > _HASHES_READ_AGAIN:
            self._read_again.clear()
        missing = []
        for row in rows:
            if row in self._kept:
                self._sets[row] = np.unique(self._kept.pop(row))
            elif row not in self._sets and row not in self._read_again:
                missing.append(row)
        remaining = iter(missing)
        while some := list(islice(remaining, _TEXTS_AT_ONCE)):
            names = [self.ids[self.first[row]] for row in some]
            found = texts(names)
            self._read_again.update(zip(some, shingle_sets([found[name] for name in names], self.nearness.shingle), strict=True))
        return {row: self._sets[row] if row in self._sets else self._read_again[row] for row in rows}

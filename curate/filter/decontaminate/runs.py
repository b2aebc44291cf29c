"""Which texts share words in a row, by 64-bit hashes of all their runs, so that a hundred thousand texts take seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from curate.text import normalise

RUN = 13
"""Words in a row that two texts hardly share by chance (Brown et al. 2020, Language Models are Few-Shot Learners, appendix C)."""
WHOLE = 8
"""A text of 8 to 12 words counts when all of it stands in the other one; of a shorter one that says nothing (the bounds of the same appendix)."""
TEMPLATE = 10
"""A run in more texts than this is a way of putting things, no copy (the same appendix leaves out 13-grams that stand in more than 10)."""
SIZES = range(WHOLE, RUN + 1)

Hashes = NDArray[np.uint64]
Owners = NDArray[np.int32]
Templates = Mapping[int, Hashes]
"""Words in a run → hashes of the runs that are templates, sorted."""

NO_TEMPLATES: Templates = {}

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Numbered:
    """Texts as numbers of words; a text is named by its place."""

    def __init__(self, texts: Iterable[str]) -> None:
        numbers: list[int] = []
        lengths: list[int] = []
        for text in texts:
            found = normalise(text).split()
            numbers.extend(map(_word_number, found))
            lengths.append(len(found))
        self.numbers: Hashes = np.array(numbers, np.uint64)
        self.lengths: Owners = np.array(lengths, np.int32)
        self.owners: Owners = np.repeat(np.arange(len(lengths), dtype=np.int32), self.lengths)

    def runs(self, size: int) -> tuple[Hashes, Owners]:
        """Hashes of all runs of `size` words within one text, in order, and whose they are."""
        count = max(0, len(self.numbers) - size + 1)
        hashes = np.zeros(count, np.uint64)
        for place in range(size):
            hashes = hashes * _FACTOR + self.numbers[place : place + count]
        inside = self.owners[:count] == self.owners[size - 1 : size - 1 + count]
        return hashes[inside], self.owners[:count][inside]

    def wholes(self, size: int) -> tuple[Hashes, Owners]:
        """The same for the texts of exactly `size` words."""
        hashes, owners = self.runs(size)
        whole = self.lengths[owners] == size
        return hashes[whole], owners[whole]


class Table:
    """Hashes in order, each with its owner; a hash may stand several times."""

    def __init__(self, hashes: Hashes, owners: Owners) -> None:
        order = np.argsort(hashes, kind="stable")
        self.hashes, self.owners = hashes[order], owners[order]

    def matches(self, hashes: Hashes, owners: Owners) -> Iterator[tuple[int, int]]:
        """(owner of one of these hashes, owner here) of all that are equal."""
        left = np.searchsorted(self.hashes, hashes, "left")
        counts = np.searchsorted(self.hashes, hashes, "right") - left
        theirs = np.repeat(owners, counts)
        within = np.arange(len(theirs)) - np.repeat(np.cumsum(counts) - counts, counts)
        ours = self.owners[np.repeat(left, counts) + within]
        yield from zip(theirs.tolist(), ours.tolist(), strict=True)


class Side:
    """Texts that others are compared with, sorted once."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.numbered = Numbered(texts)

    @cached_property
    def runs(self) -> dict[int, Table]:
        """By words in a run."""
        return {size: Table(*self.numbered.runs(size)) for size in SIZES}

    @cached_property
    def wholes(self) -> dict[int, Table]:
        """Texts that are one run, by its words."""
        return {size: Table(*self.numbered.wholes(size)) for size in range(WHOLE, RUN)}


def shared_runs(texts: Numbered, side: Side, templates: Templates) -> dict[tuple[int, int], int]:
    """(place in `texts`, place in `side`) → words in a row that both have, in no order.

    That is a run of 13 words, or all words of the shorter one where it has 8 to 12. Runs among the templates do not count.
    """
    found: dict[tuple[int, int], int] = {}
    for size in SIZES:
        if size == RUN:
            joins = [(side.runs[size], texts.runs(size))]
        else:
            joins = [(side.runs[size], texts.wholes(size)), (side.wholes[size], texts.runs(size))]
        for table, (hashes, owners) in joins:
            telling = ~_among(hashes, templates.get(size))
            found.update((pair, size) for pair in table.matches(hashes[telling], owners[telling]))
    return found


def run_said(size: int) -> str:
    """How a shared run is told of."""
    return f"{size} words in a row" if size == RUN else f"all {size} words of the shorter one"


def templates_of(texts: Iterable[str]) -> Templates:
    """The runs that stand in more than `TEMPLATE` texts of different wording."""
    distinct = Numbered(dict.fromkeys(map(normalise, texts)))
    found = {}
    for size in SIZES:
        hashes, counts = np.unique(distinct.runs(size)[0], return_counts=True)
        found[size] = hashes[counts > TEMPLATE]
    return found


def places_among(hashes: Hashes, known: Hashes) -> NDArray[np.int64]:
    """Where each hash stands in `known` (sorted); -1 where it does not."""
    if not len(known):
        return np.full(len(hashes), -1, np.int64)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.where(known[places] == hashes, places, -1)


def _among(hashes: Hashes, known: Hashes | None) -> NDArray[np.bool_]:
    return places_among(hashes, np.empty(0, np.uint64) if known is None else known) >= 0


@lru_cache(maxsize=1 << 18)
def _word_number(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

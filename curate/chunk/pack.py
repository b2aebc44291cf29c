"""Packs atoms into chunks: the cheapest cut of a region, where half-empty chunks, bad seams and crossed headings cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from curate.chunk.structure import SEAMS, Atom

_CHUNK = 0.1
_CROSSED = {1: 1.65, 2: 1.15}
_CROSSED_DEEPER = 0.9
"""Joins two sections of a quarter of the budget each, keeps two of nearly a half apart."""
_TINY_CHUNK = 4.0
"""Dearer than any heading crossed: a chunk below the least size is rejected later."""

Group = tuple[int, int]
"""A chunk: atoms first … last - 1."""


@dataclass(frozen=True)
class Packing:
    """What a chunk may hold."""

    max_tokens: int
    min_tokens: int
    before: Callable[[int], int]
    """Tokens that come before atom i when a chunk starts with it: heading path and overlap."""


def pack(atoms: Sequence[Atom], packing: Packing) -> list[Group]:
    """Groups of atoms in order that cover all of them; each fits the budget unless a single atom does not.

    A group holds no heading of level ≤ 2 unless the section before or after that heading is tiny.
    """
    total = len(atoms)
    hard = _hard_borders(atoms, packing.min_tokens)
    sums = list(accumulate((atom.tokens for atom in atoms), initial=0))
    leads = list(accumulate((atom.lead for atom in atoms), initial=0))
    best = [0.0] + [float("inf")] * total
    origin = [0] * (total + 1)
    for first in range(total):
        before = packing.before(first)
        so_far = best[first] + (SEAMS[atoms[first].begins] if first else 0.0)
        for last in range(first + 1, total + 1):
            if last > first + 1:
                if hard[last - 1]:
                    break
                so_far += _crossing(atoms[last - 1])
            text_tokens = sums[last] - sums[first] + leads[last] - leads[first + 1]
            tokens = before + text_tokens
            if tokens > packing.max_tokens and last > first + 1:
                break
            cost = (
                so_far
                + _CHUNK
                + max(0.0, 1 - tokens / packing.max_tokens) ** 2
                + _TINY_CHUNK * (text_tokens < packing.min_tokens)
            )
            if cost < best[last]:
                best[last], origin[last] = cost, first
    groups: list[Group] = []
    last = total
    while last:
        groups.append((origin[last], last))
        last = origin[last]
    return groups[::-1]


def _crossing(atom: Atom) -> float:
    return _CROSSED.get(atom.level, _CROSSED_DEEPER) if atom.level else 0.0


def _hard_borders(atoms: Sequence[Atom], min_tokens: int) -> list[bool]:
    """Whether a chunk may never reach over the heading before atom i."""
    sizes: dict[int, int] = {}
    for atom in atoms:
        sizes[atom.section] = sizes.get(atom.section, 0) + atom.tokens
    found = [False] * len(atoms)
    for index in range(1, len(atoms)):
        before, after = atoms[index - 1], atoms[index]
        tiny = min(sizes[before.section], sizes[after.section]) < min_tokens and before.licence == after.licence
        found[index] = 1 <= after.level <= 2 and not tiny
    return found

"""The split of a few documents by regions: their texts are laid end to end and cut where structure allows, near the places the shares ask for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from curate.split.borders import DOCUMENT, Border, Manual, borders_of
from curate.text import estimate_tokens
from schemas.settings import SplitSettings

GAP_TOKENS = 200
"""About one passage: questions on both sides of a border must not be answered by the same text."""
GAP_SHARE = 0.05
"""Most of the text that gaps may cost."""
CYCLE_TOKENS = 16_000
"""Each repetition of train, dev, train, test, train has four gaps: 4 x GAP_TOKENS are 5% of it."""
MOST_CYCLES, FEWEST_BLOCKS, BLOCKS_A_CYCLE = 20, 40, 10
UNIT_TOKENS = (128, 800)
"""Dev and test are cut into units of resampling of this size, at least five of them where that is possible."""
LONG_BLOCK_SHARE = 0.02
"""Blocks longer than this share of all text are cut between sentences where no better place is near."""


@dataclass(frozen=True, order=True)
class Region:
    """A span of one document and its split."""

    document_id: str
    start: int
    end: int
    split: str


@dataclass(frozen=True)
class _Layout:
    """All documents end to end."""

    borders: tuple[Border, ...]
    length: int
    characters_a_token: float
    blocks: int

    def between(self, low: float, high: float) -> Sequence[Border]:
        """Borders with low < position < high."""
        key = _position
        return self.borders[bisect_right(self.borders, low, key=key) : bisect_left(self.borders, high, key=key)]


def split_blocks(document_ids: Sequence[str], load: Callable[[str], Manual], shares: SplitSettings) -> Iterator[Region]:
    """Regions that tile each document; borders only where blocks or sentences start.

    Non-empty train, dev and test whenever there are three sentences; with two, train and test.
    """
    if not document_ids:
        return
    layout = _lay_out(document_ids, load)
    starts = [border.position for border in layout.borders if border.rank == DOCUMENT]
    runs = list(_with_gaps(_runs(layout, shares), layout))
    for start, end, split in runs:
        whole = sum(stop - begin for begin, stop, name in runs if name == split)
        for begin, stop in [(start, end)] if split in ("train", "gap") else _units(start, end, whole, layout):
            # A run may hold several documents: a region never does.
            inside = [place for place in starts if begin < place < stop]
            for low, high in pairwise([begin, *inside, stop]):
                number = bisect_right(starts, low) - 1
                yield Region(document_ids[number], low - starts[number], high - starts[number], split)


def _lay_out(document_ids: Sequence[str], load: Callable[[str], Manual]) -> _Layout:
    lengths, tokens, blocks = [], 0, 0
    for document_id in document_ids:
        manual = load(document_id)
        lengths.append(len(manual.text))
        tokens += estimate_tokens(manual.text)
        blocks += len(manual.blocks)
    length, offset = sum(lengths), 0
    borders: list[Border] = []
    for number, document_id in enumerate(document_ids):
        borders += borders_of(load(document_id), number, offset, LONG_BLOCK_SHARE * length)
        offset += lengths[number]
    return _Layout(tuple(borders), length, length / max(1, tokens), blocks)


def _runs(layout: _Layout, shares: SplitSettings) -> list[tuple[int, int, str]]:
    """(start, end, split) of contiguous runs.

    A short text is train, dev, test; in a longer one dev and test lie inside, in as many places as gaps allow, so that they sample all of it
    and not its appendix.
    """
    inner = layout.borders[1:]
    pattern = [(name, getattr(shares, name)) for name in ("train", "dev", "test") if getattr(shares, name) > 0]
    if len(inner) + 1 < len(pattern):
        pattern = [pattern[0], pattern[-1]][: len(inner) + 1]
    cycles = 1
    if layout.blocks >= FEWEST_BLOCKS and len(pattern) > 1:
        tokens = layout.length / layout.characters_a_token
        cycles = max(1, min(MOST_CYCLES, int(tokens / CYCLE_TOKENS), layout.blocks // BLOCKS_A_CYCLE, len(inner) // 8))
        pattern = _inside_train(pattern)
    whole = sum(size for _, size in pattern) * cycles
    names, targets, place = list[str](), list[float](), 0.0
    for name, size in pattern * cycles:
        if names and name != names[-1]:
            targets.append(place)
        names += [name] if not names or name != names[-1] else []
        place += size / whole * layout.length
    reach = 0.4 * min(size for _, size in pattern) / whole * layout.length
    cuts = [0, *_snap(targets, inner, reach), layout.length]
    return [(low, high, name) for (low, high), name in zip(pairwise(cuts), names, strict=True)]


def _inside_train(pattern: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Dev and test with train before, between and after them: 2/5, 2/5 and 1/5 of it."""
    (train, size), *others = pattern
    pieces = [0.4, 0.4, 0.2] if len(others) == 2 else [0.6, 0.4]
    found = [(train, size * pieces[0])]
    for other, piece in zip(others, pieces[1:], strict=True):
        found += [other, (train, size * piece)]
    return found


def _snap(targets: Sequence[float], inner: Sequence[Border], reach: float) -> Iterator[int]:
    """For each target the best border within `reach`, else the nearest; ascending, one border each."""
    first = 0
    for number, target in enumerate(targets):
        last = len(inner) - (len(targets) - number) + 1
        allowed = inner[first:last]
        low = bisect_left(allowed, target - reach, key=_position)
        near = allowed[low : bisect_right(allowed, target + reach, key=_position)]
        if not near:
            near = allowed[max(0, low - 1) : low + 1]
            best = min(near, key=lambda border: (abs(border.position - target), border.position))
        else:
            best = min(near, key=lambda border: (border.rank, abs(border.position - target), border.position))
        yield best.position
        first = bisect_right(inner, best.position, key=_position)


def _with_gaps(runs: Sequence[tuple[int, int, str]], layout: _Layout) -> Iterator[tuple[int, int, str]]:
    """The runs with a gap at each border inside a document, taken from train where train is at the border."""
    document_starts = {border.position for border in layout.borders if border.rank == DOCUMENT}
    inside = [start for start, _, _ in runs if start not in document_starts]
    most = GAP_SHARE * layout.length / max(1, len(inside))
    wish = min(GAP_TOKENS * layout.characters_a_token, most)
    begin = 0
    for (start, end, split), after in zip(runs, [*runs[1:], None], strict=True):
        assert start <= begin < end
        stop = end
        if after is not None and after[0] in inside and split == "train":
            stop = _gap_edge(layout, end, (begin + end) / 2, wish, most)
        yield begin, stop, split
        if stop < end:
            yield stop, end, "gap"
        begin = end
        if after is not None and after[0] in inside and split != "train":
            begin = _gap_edge(layout, end, (after[0] + after[1]) / 2, wish, most)
            if begin > end:
                yield end, begin, "gap"


def _gap_edge(layout: _Layout, border: int, limit: float, wish: float, most: float) -> int:
    """The other end of the gap at `border`, towards `limit`: nearest to `wish` characters away, at most `most`, in the same document."""
    low, high = (max(limit, border - most) - 1, border) if limit < border else (border, min(limit, border + most) + 1)
    document = layout.borders[bisect_left(layout.borders, border, key=_position)].document
    around = [
        place
        for place in layout.between(low, high)
        if place.document == document or (place.document == document + 1 and place.rank == DOCUMENT)
    ]
    best = min(around, key=lambda place: (abs(abs(place.position - border) - wish), place.position), default=None)
    return best.position if best is not None else border


def _units(start: int, end: int, whole: int, layout: _Layout) -> Iterator[tuple[int, int]]:
    """A dev or test run cut into units of resampling; `whole` is the length of all runs of its split."""
    low, high = (tokens * layout.characters_a_token for tokens in UNIT_TOKENS)
    inner = layout.between(start, end)
    count = max(1, min(round((end - start) / min(high, max(low, whole / 5))), len(inner) + 1))
    size = (end - start) / count
    cuts = _snap([start + size * number for number in range(1, count)], inner, 0.4 * size)
    yield from pairwise([start, *cuts, end])


def _position(border: Border) -> int:
    return border.position

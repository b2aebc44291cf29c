"""Batches of like length in which no passage that may answer an anchor stands as a negative of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from train.known import NOTHING, Known
from train.models import third_party

# Batches that are cut from rows sorted by length together: enough that they waste little padding, few enough that batches stay mixed.
_POOL = 64
# Batches that a row is tried in before it has to wait: the bound on work where everything clashes.
_OPEN = 64
# Answers of an anchor above which their set is looked into instead of being copied.
_LARGE = 32
# Orders tried until as few batches as possible hold all rows.
_TRIES = 8
# Neighbours that come into a batch together, anchors that a passage brings, passages that the last batch has at least.
_GROUP, _ANCHORS, _LEAST = 8, 3, 4
# Steps that an epoch has at least, and times that it has a passage at most to come to so many, with up to three of its anchors each.
_STEPS, _MOST_TURNS = 60, 8
# Passages among which neighbours are looked for.
_NEIGHBOURS_IN = 8192


@dataclass(frozen=True)
class Clashes:
    """For each row, what it brings into a batch and what it cannot meet there, as numbers."""

    brings: Sequence[frozenset[int]]
    """Its texts, and the groups of near-copies of its passages."""
    own: Sequence[frozenset[int]]
    """Refused: its texts and the group of its positive."""
    further: Sequence[frozenset[int]]
    """Refused, too: all that answers its anchor, or may; one set for all rows of an anchor."""


NO_CLASHES = Clashes((), (), ())


def clashes(texts: Sequence[tuple[str, ...]], known: Known = NOTHING) -> Clashes:
    """Of rows of anchor, positive and negatives: a row refuses its own texts, all positives of its anchor with their near-copies, and what
    is withheld from the anchor. So no text stands twice in a batch, and no anchor meets a passage that is known to answer it, or may."""
    numbers: dict[tuple[str, str], int] = {}

    def number(kind: str, name: str) -> int:
        return numbers.setdefault((kind, name), len(numbers))

    def group(passage: str) -> int:
        copies = known.copies.get(passage)
        return number("text", passage) if copies is None else number("copies", copies)

    answers: dict[str, set[int]] = {}
    brings, own = [], []
    for anchor, positive, *negatives in texts:
        texts_of_row = {number("text", text) for text in (anchor, positive, *negatives)}
        own.append(frozenset({*texts_of_row, group(positive)}))
        brings.append(frozenset({*texts_of_row, *map(group, (positive, *negatives))}))
        answers.setdefault(anchor, set()).update((number("text", positive), group(positive)))
    for anchor, groups in known.withheld.items():
        if anchor in answers:
            answers[anchor].update(number("copies", name) for name in groups)
    shared = {anchor: frozenset(found) for anchor, found in answers.items()}
    return Clashes(brings, own, [shared[anchor] for anchor, *_ in texts])


def pack(order: Sequence[int], size: int, clashing: Clashes = NO_CLASHES) -> list[list[int]]:
    """The rows of `order` in batches of at most `size` in which none refuses what another brings; in linear time.

    Each row goes into the first open batch that takes it, so rows that follow each other mostly stay together.
    """
    if not clashing.brings:
        return [list(order[start : start + size]) for start in range(0, len(order), size)]
    packed: list[list[int]] = []
    waiting: Sequence[int] = order
    open_batches: list[_Open] = []
    stuck = False
    while waiting:
        late: list[int] = []
        for index in waiting:
            row = clashing.brings[index], clashing.own[index], clashing.further[index]
            home = next((batch for batch in open_batches if batch.takes(*row)), None)
            if home is None and len(open_batches) >= _OPEN and not stuck:
                late.append(index)
                continue
            if home is None:
                if len(open_batches) >= _OPEN:
                    packed.append(open_batches.pop(0).rows)
                home = _Open()
                open_batches.append(home)
            home.add(index, *row)
            if len(home.rows) == size:
                open_batches.remove(home)
                packed.append(home.rows)
        stuck = len(late) == len(waiting)
        waiting = late
    return packed + [batch.rows for batch in open_batches]


class _Open:
    """A batch that is not full."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._brought: set[int] = set()
        self._refused: set[int] = set()
        self._large: list[frozenset[int]] = []

    def takes(self, brings: frozenset[int], own: frozenset[int], further: frozenset[int]) -> bool:
        here = self._brought
        free = self._refused.isdisjoint(brings) and here.isdisjoint(own) and here.isdisjoint(further)
        return free and all(refused.isdisjoint(brings) for refused in self._large)

    def add(self, index: int, brings: frozenset[int], own: frozenset[int], further: frozenset[int]) -> None:
        self.rows.append(index)
        self._brought |= brings
        self._refused |= own
        # An anchor with thousands of answers in thousands of rows: its set is not copied into every batch.
        if len(further) > _LARGE:
            self._large.append(further)
        else:
            self._refused |= further


@dataclass(frozen=True)
class Batches:
    """The batches of every epoch; the same seed and epoch give the same ones."""

    rows: int
    size: int
    seed: int
    clashing: Clashes = NO_CLASHES
    lengths: Sequence[int] = ()
    """Tokens of each row; none: batches of any lengths."""
    processes: int = 1

    @cached_property
    def steps(self) -> int:
        """Batches an epoch, of all processes together, the same in every epoch and a multiple of the processes."""
        count = len(self._packed(0))
        return max(self.processes, count // self.processes * self.processes)

    def epoch(self, number: int) -> list[list[int]]:
        """Exactly `steps` batches in an order by chance: where rows clash so that more are needed, the smallest are left for other epochs."""
        batches = sorted(self._packed(number), key=len, reverse=True)
        while len(batches) < self.steps:
            largest = batches.pop(0)
            middle = math.ceil(len(largest) / 2)
            batches = sorted([*batches, largest[:middle], largest[middle:] or largest[:middle]], key=len, reverse=True)
        batches = batches[: self.steps]
        return [batches[index] for index in self._shuffled(len(batches), number, 0)]

    def _packed(self, number: int) -> list[list[int]]:
        """Of some orders the one that needs fewest batches."""
        least = math.ceil(self.rows / self.size)
        best: list[list[int]] = []
        for attempt in range(_TRIES):
            order = self._like_length(self._shuffled(self.rows, number, attempt + 1))
            packed = pack(order, self.size, self.clashing)
            if not best or len(packed) < len(best):
                best = packed
            # One batch in fifty that is not full costs less than another try.
            if len(best) <= least + least // 50:
                break
        return best

    def _like_length(self, order: list[int]) -> list[int]:
        if not self.lengths:
            return order
        pool = _POOL * self.size
        pools = (order[start : start + pool] for start in range(0, len(order), pool))
        return list(chain.from_iterable(sorted(rows, key=self.lengths.__getitem__) for rows in pools))

    def _shuffled(self, count: int, epoch: int, attempt: int) -> list[int]:
        torch = third_party("torch")
        # Apart enough that no epoch's order is another's attempt.
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * epoch + 7_919 * attempt)
        order: list[int] = torch.randperm(count, generator=generator).tolist()
        return order


@dataclass(frozen=True)
class Neighbourhoods(Batches):
    """Batches of `size` passages in groups of neighbours, each passage with some of its anchors.

    An epoch has every passage once, or 60 steps where that is more, but no passage in more than eight of its batches; several processes take what they lack
    of a step from the next pass. Neighbours are the hardest negatives there are; several anchors share the cost of embedding their passage.
    """

    accumulation: int = 1
    """Batches of each process that make a step."""

    place: Sequence[int] = ()
    """[rows]: the row's passage, by number."""
    vectors: Any = None
    """[passages, dimensions]: unit vectors."""

    def _packed(self, number: int) -> list[list[int]]:
        anchors: list[list[int]] = [[] for _ in range(len(self.vectors))]
        for row in self._shuffled(self.rows, 0, 0):
            anchors[self.place[row]].append(row)
        once = len(self._cut(range(len(self.vectors))))
        wanted = max(once, min(_MOST_TURNS * once, _STEPS * self.processes * self.accumulation))
        wanted = math.ceil(wanted / self.processes) * self.processes
        passes, whole = math.ceil(wanted / once), wanted // once
        batches = [
            [row for passage in batch for row in _turn(anchors[passage], whole * number + turn)]
            for turn in range(passes)
            for batch in self._cut([*chain.from_iterable(self._groups(passes * number + turn))])
        ]
        return batches[:wanted]

    def _cut(self, order: Sequence[int]) -> list[Sequence[int]]:
        batches = [order[start : start + self.size] for start in range(0, len(order), self.size)]
        if len(batches) > 1 and len(batches[-1]) < _LEAST:
            batches[-2:] = [[*batches[-2], *batches[-1]]]
        return batches

    def _groups(self, number: int) -> Iterator[list[int]]:
        """Passages by chance, each with its nearest that are left, in pools that bound the work."""
        order = self._shuffled(len(self.vectors), number, 1)
        for start in range(0, len(order), _NEIGHBOURS_IN):
            pool = np.array(order[start : start + _NEIGHBOURS_IN])
            free = np.ones(len(pool), dtype=bool)
            vectors = self.vectors[pool]
            for seed in range(len(pool)):
                if free[seed]:
                    left = np.flatnonzero(free)
                    near = left[np.argsort(-(vectors[left] @ vectors[seed]), kind="stable")[:_GROUP]]
                    free[near] = False
                    yield pool[near].tolist()


def _turn(rows: Sequence[int], number: int) -> list[int]:
    """Up to `_ANCHORS` rows of a passage, others in every epoch until all had their turn."""
    first = number * _ANCHORS
    return [rows[(first + index) % len(rows)] for index in range(min(_ANCHORS, len(rows)))]


def texts_of(rows: Mapping[str, Sequence[str]], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Rows as tuples of their texts."""
    return list(zip(*(rows[column] for column in columns), strict=True))


def batch_sampler(batches: Batches, dataset: Any, **options: Any) -> Any:
    """`batches` as the trainer wants them: an epoch at a time, the number of the epoch set before each."""
    parent: Any = third_party("sentence_transformers.base.sampler", "sentence_transformers.sampler").DefaultBatchSampler

    class Sampler(parent):  # type: ignore[misc]
        """Batches by epoch."""

        def __len__(self) -> int:
            return batches.steps

        def __iter__(self) -> Iterator[list[int]]:
            yield from batches.epoch(self.epoch)

    sampler = Sampler(dataset, **options)
    # Where several processes share the batches, accelerate drops those that have not just so many rows.
    sampler.batch_size = None
    return sampler

"""A pair on its way to its negatives: what is found for it, and the orders in which that is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from curate.mine.anchors import Anchors, positives_of
from curate.mine.guards import Positives, Rules
from curate.mine.margins import Margin
from curate.mine.passages import Passages
from curate.mine.pool import Pool, SuppliedTexts
from curate.mine.sampling import random_order, window_order
from curate.mine.teacher import Models
from curate.stage import Context

DEEPER = 4
"""With `shortage = "next"`, pairs whose window leaves too few are searched this many times as deep."""

Pair = Mapping[str, Any]


@dataclass(frozen=True)
class Batchwork:
    """What all batches of a split share."""

    context: Context
    pool: Pool
    rules: Rules
    anchors: Anchors
    supplied: SuppliedTexts
    passages: Passages
    models: Models
    margin: Margin
    most_uses: int | None = None
    uses: Counter[str] = field(default_factory=Counter)
    """How many pairs each chunk stands against already."""


@dataclass(frozen=True)
class Slot:
    """A place in the order of candidates."""

    origin: str
    chunk_id: str | None
    rank: int | None = None
    score: float | None = None


@dataclass
class Search:
    """One pair on its way to k negatives."""

    pair: Pair
    positives: Positives
    hits: list[int]
    """Positions by rank, the first at rank 1."""
    scores: list[float]
    positive_score: float | None = None
    """The teacher's."""
    own: float | None = None
    """The score of the pair's own positive that margins are taken on, once it was needed."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    seen: set[int | str] = field(default_factory=set)
    """Keys of the texts, and clusters, of the candidates so far."""
    chosen: int = 0

    @property
    def seed(self) -> str:
        """What its lots are drawn by, beside the seed of the build."""
        return str(self.pair["pair_id"])


def searches_of(work: Batchwork, pairs: Sequence[Pair], depth: int) -> list[Search]:
    """The pairs with what the engine finds for them and what is known to answer them."""
    ids, scores = work.pool.searcher.search([pair["anchor"] for pair in pairs], depth)
    positives = positives_of(work.context.reader, work.anchors, pairs, work.passages, work.rules)
    cosines = work.models.cosines([(pair["anchor"], pair["positive"]) for pair in pairs])
    return [
        Search(pair, known, found, weights[: len(found)], cosines.get((pair["anchor"], pair["positive"])))
        for pair, known, row, weights in zip(pairs, positives, ids.tolist(), scores.tolist(), strict=True)
        for found in ([position for position in row if position >= 0],)
    ]


def deepen(work: Batchwork, short: Sequence[Search]) -> None:
    """Search for these again, further down."""
    depth = DEEPER * work.context.settings.mine.last_rank
    ids, scores = work.pool.searcher.search([search.pair["anchor"] for search in short], depth)
    for search, row, weights in zip(short, ids.tolist(), scores.tolist(), strict=True):
        search.hits = [position for position in row if position >= 0]
        search.scores = weights[: len(search.hits)]


def window(work: Batchwork, search: Search) -> Iterator[Slot]:
    """The slots of the window of ranks, as they are sampled."""
    mine = work.context.settings.mine
    taken = islice(ranks(work, search, mine.first_rank), mine.last_rank - mine.first_rank + 1)
    if mine.sampling == "top":
        return taken
    slots = list(taken)
    names, scores = [str(slot.chunk_id) for slot in slots], [slot.score or 0.0 for slot in slots]
    seed = f"{work.context.settings.seed} {search.seed}"
    return (slots[place] for place in window_order(names, scores, mine, seed))


def ranks(work: Batchwork, search: Search, first: int) -> Iterator[Slot]:
    """The slots of all ranks from the first."""
    pool = work.pool
    for rank in range(first, len(search.hits) + 1):
        yield Slot(pool.searcher.origin, pool.chunk_ids[search.hits[rank - 1]], rank, search.scores[rank - 1])


def by_lot(work: Batchwork, search: Search) -> Iterator[Slot]:
    """Passages of the split that were not found, by chance."""
    known = {row["chunk_id"] for row in search.rows}
    for position in random_order(len(work.pool.chunk_ids), search.hits, f"{work.context.settings.seed} {search.seed}"):
        if work.pool.chunk_ids[position] not in known:
            yield Slot("random", work.pool.chunk_ids[position])


def own_score(work: Batchwork, search: Search) -> float:
    """The score of the pair's own positive, by the teacher or the engine."""
    if search.own is None:
        search.own = search.positive_score if search.positive_score is not None else _engine_score(work, search)
    return search.own


def _engine_score(work: Batchwork, search: Search) -> float:
    position = work.pool.position(search.pair["chunk_id"])
    if position is None:
        return 0.0
    if position in search.hits:
        return search.scores[search.hits.index(position)]
    return work.pool.searcher.own_score(search.pair["anchor"], position)

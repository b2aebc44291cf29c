"""Candidates of each pair in the order in which they are looked at, until enough of them pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from curate.bm25 import tokenise
from curate.mine.anchors import Anchors, positives_of
from curate.mine.guards import Passage, Positives, Rules, is_repeated, reason_against, supplied_passage
from curate.mine.pool import Passages, Pool, SuppliedTexts
from curate.stage import Batch, Context, Rejection, content_id
from schemas.reasons import Reason
from schemas.settings import MineSettings

RANDOM_TRIES = 64
"""Random passages looked at for a pair before it is given up; a split with no more chunks is looked through whole."""

Pair = Mapping[str, Any]


@dataclass(frozen=True)
class Batchwork:
    """What all batches of a split share."""

    context: Context
    pool: Pool
    rules: Rules
    anchors: Anchors
    supplied: SuppliedTexts
    elsewhere: frozenset[str]


@dataclass
class Tally:
    """What the closing notes count, in pairs."""

    pairs: int = 0
    too_few: int = 0
    crowded: int = 0
    """Of those, pairs whose window was mostly the positive's own document."""
    with_random: int = 0

    def sentences(self, negatives: int) -> Iterator[str]:
        """One sentence for each thing the user must know."""
        if self.with_random:
            yield f"Random negatives, because BM25 found too few in the split: {self.with_random:,} of {self.pairs:,} pairs."
        if self.too_few:
            yield f"Fewer than `mine.negatives` ({negatives}), so no triplet: {self.too_few:,} of {self.pairs:,} pairs."
        if self.crowded:
            yield (
                f"Of these, mostly candidates of the positive's own document: {self.crowded:,}; "
                "`mine.same_document = true` or a larger `mine.last_rank` finds more."
            )


@dataclass(frozen=True)
class Slot:
    """A place in the order of candidates."""

    origin: Literal["supplied", "bm25", "random"]
    chunk_id: str | None
    rank: int | None = None
    score: float | None = None


@dataclass
class Search:
    """One pair on its way to k negatives."""

    pair: Pair
    positives: Positives
    slots: Iterator[Slot]
    rows: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Passage] = field(default_factory=list)
    chosen: int = 0

    def look_at(self, slot: Slot, passage: Passage, rules: Rules, wanted: int) -> None:
        """Judge one candidate and keep a row of it."""
        reason = reason_against(passage, self.positives, rules)
        if reason is None and is_repeated(passage, self.seen):
            reason = Reason.NEGATIVE_REPEATED
        taken = reason is None and self.chosen < wanted
        self.chosen += taken
        self.seen.append(passage)
        row = {"pair_id": self.pair["pair_id"], "candidate": len(self.seen), "chunk_id": slot.chunk_id}
        row |= {"text": passage.text, "origin": slot.origin, "rank": slot.rank, "score": slot.score}
        row |= {"teacher_score": None, "positive_score": None}
        row |= {"state": "quarantined" if reason else "negative", "reason": str(reason) if reason else None}
        self.rows.append(row | {"chosen": self.chosen if taken else None})


def mine_pairs(work: Batchwork, pairs: Sequence[Pair], tally: Tally) -> Batch:
    """All candidates that were looked at for these positive pairs of the pool's split."""
    wanted = work.context.settings.mine.negatives
    passages = Passages(work.context.reader, work.elsewhere)
    searches = _searches(work, pairs, passages)
    for search, texts in zip(searches, _supplied_texts(work, pairs), strict=True):
        _look_at_supplied(work, search, texts, passages)
    pending = [search for search in searches if search.chosen < wanted]
    while pending:
        # A few more than are still missing, so that most pairs are done after one read.
        rounds = [(search, list(islice(search.slots, wanted - search.chosen + 3))) for search in pending]
        passages.load(slot.chunk_id for _, slots in rounds for slot in slots if slot.chunk_id)
        for search, slots in rounds:
            for slot in slots:
                if slot.chunk_id and search.chosen < wanted:
                    search.look_at(slot, passages.by_id[slot.chunk_id], work.rules, wanted)
        pending = [search for search, slots in rounds if slots and search.chosen < wanted]
    return _batch(searches, wanted, tally)


def _searches(work: Batchwork, pairs: Sequence[Pair], passages: Passages) -> list[Search]:
    mine = work.context.settings.mine
    ids, scores = work.pool.index.search([tokenise(pair["anchor"], drop_stopwords=True) for pair in pairs], mine.last_rank)
    positives = positives_of(work.context.reader, work.anchors, pairs, passages)
    return [
        Search(pair, known, _slots(work, pair, found, weights))
        for pair, known, found, weights in zip(pairs, positives, ids.tolist(), scores.tolist(), strict=True)
    ]


def _slots(work: Batchwork, pair: Pair, found: list[int], scores: list[float]) -> Iterator[Slot]:
    """The rank window; then, only where BM25's list ended before the window did, random passages."""
    mine, pool = work.context.settings.mine, work.pool
    hits = [position for position in found if position >= 0]
    for rank in range(mine.first_rank, len(hits) + 1):
        yield Slot("bm25", pool.chunk_ids[hits[rank - 1]], rank=rank, score=scores[rank - 1])
    if len(hits) < mine.last_rank:
        for position in random_order(len(pool.chunk_ids), hits, mine, f"{work.context.settings.seed} {pair['pair_id']}"):
            yield Slot("random", pool.chunk_ids[position])


def random_order(size: int, hits: Sequence[int], mine: MineSettings, seed: str) -> list[int]:
    """Up to RANDOM_TRIES positions below `size` outside the window; the hits above the window come last.

    Chunk ids are hashes, so a run of positions in id order, begun at a hash of the seed, is a random sample of the passages.
    """
    if not size:
        return []
    above = list(hits[: mine.first_rank - 1])
    known = set(hits)
    first = int(content_id(seed), 16) % size
    order = ((first + step) % size for step in range(size))
    return [*islice((position for position in order if position not in known), RANDOM_TRIES), *reversed(above)]


def _supplied_texts(work: Batchwork, pairs: Sequence[Pair]) -> list[list[str]]:
    names = sorted({pair["imported_pair_id"] for pair in pairs if pair["imported_pair_id"]})
    if not names:
        return [[] for _ in pairs]
    rows = work.context.reader.query("mine_supplied", {"ids": names}).iter_rows(named=True)
    texts = {row["imported_pair_id"]: [text for text in row["negatives"] if text] for row in rows}
    return [texts.get(pair["imported_pair_id"], []) for pair in pairs]


def _look_at_supplied(work: Batchwork, search: Search, texts: Sequence[str], passages: Passages) -> None:
    """Every supplied negative gets a row, the surplus too: they are the user's own."""
    wanted = work.context.settings.mine.negatives
    chunk_ids = [work.supplied.chunk_in(work.pool.split, text) for text in texts]
    passages.load(name for name in chunk_ids if name)
    for text, chunk_id in zip(texts, chunk_ids, strict=True):
        outside = work.supplied.is_outside(work.pool.split, text)
        known = passages.by_id[chunk_id] if chunk_id and not outside else supplied_passage(text, elsewhere=outside)
        search.look_at(Slot("supplied", chunk_id), known, work.rules, wanted)


def _batch(searches: Sequence[Search], wanted: int, tally: Tally) -> Batch:
    short = [search for search in searches if search.chosen < wanted]
    tally.pairs += len(searches)
    tally.too_few += len(short)
    tally.crowded += sum(_is_crowded(search) for search in short)
    tally.with_random += sum(any(row["chosen"] and row["origin"] == "random" for row in search.rows) for search in searches)
    return Batch(
        "negatives",
        [row for search in searches for row in search.rows],
        [
            Rejection(
                key=search.pair["pair_id"],
                reason=Reason.NEGATIVES_TOO_FEW,
                detail=f"{search.chosen} of {wanted}",
                row={"anchor": search.pair["anchor"], "split": search.pair["split"]},
                state="quarantined",
            )
            for search in short
        ],
    )


def _is_crowded(search: Search) -> bool:
    same = sum(row["reason"] == Reason.NEGATIVE_IN_SAME_DOCUMENT for row in search.rows)
    return bool(2 * same > len(search.rows))

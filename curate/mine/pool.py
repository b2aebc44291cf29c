"""The passages of one split, ready to be searched, and the texts of those that are looked at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from curate.bm25 import Index, build_numbered, number_texts
from curate.mine.engines import Both, Meaning, Searcher, Words
from curate.mine.guards import Passage, chunk_passage, text_key
from curate.mine.teacher import Models, open_search
from curate.stage import Context, Reader

PASSAGES_KEPT = 20_000
"""Passages held at once, about 100 MB: those that many pairs look at are read once."""


@dataclass(frozen=True)
class Pool:
    """All chunks of one split in id order, and what searches them."""

    split: str
    chunk_ids: list[str]
    searcher: Searcher
    index: Index | None = None
    """The words of the split, where its engine counts them."""

    def position(self, chunk_id: str) -> int | None:
        """Where a chunk stands; None when it is not of this split."""
        place = bisect_left(self.chunk_ids, chunk_id)
        return place if place < len(self.chunk_ids) and self.chunk_ids[place] == chunk_id else None


@dataclass
class Passages:
    """The passages that the pairs of a split look at, read once each as long as they are not too many."""

    reader: Reader
    elsewhere: frozenset[str]
    by_id: dict[str, Passage] = field(default_factory=dict)

    def load(self, chunk_ids: Iterable[str]) -> None:
        """Read those that are not there yet."""
        missing = sorted(set(chunk_ids) - self.by_id.keys())
        if missing:
            for row in self.reader.query("mine_passages", {"ids": missing}).iter_rows(named=True):
                self.by_id[row["chunk_id"]] = chunk_passage(row, self.elsewhere)

    def forget(self) -> None:
        """Between two batches of pairs: give back the memory when it has become too much."""
        if len(self.by_id) > PASSAGES_KEPT:
            self.by_id.clear()


@dataclass(frozen=True)
class SuppliedTexts:
    """Where the texts of supplied negatives stand as chunks: `text_key` → (split, chunk id), ordered."""

    places: dict[int, list[tuple[str, str]]]

    def chunk_in(self, split: str, text: str) -> str | None:
        """Id of the chunk of this split with the same normalised text."""
        return next((chunk for place, chunk in self.places.get(text_key(text), []) if place == split), None)

    def is_outside(self, split: str, text: str) -> bool:
        """Whether a chunk of any other split has the same normalised text."""
        return any(place != split for place, _ in self.places.get(text_key(text), []))


@contextmanager
def open_pool(context: Context, split: str, models: Models) -> Iterator[Pool]:
    """Tokenise, embed, index the chunks of a split as its engine needs it, one batch in memory at a time."""
    mine = context.settings.mine
    chunk_ids: list[str] = []
    for rows in context.reader.batches("chunks", columns=("chunk_id", "split")):
        chunk_ids.extend(rows.filter(rows["split"] == split)["chunk_id"])
    if mine.engine in ("bm25s", "rank-bm25"):
        index = _index(context, split)
        yield Pool(split, chunk_ids, Words(index), index)
        return
    with open_search(context, models, _texts(context, split), len(chunk_ids)) as dense:
        if mine.engine == "dense":
            yield Pool(split, chunk_ids, Meaning(dense))
            return
        index = _index(context, split)
        yield Pool(split, chunk_ids, Both(Words(index), Meaning(dense)), index)


def _index(context: Context, split: str) -> Index:
    mine = context.settings.mine
    blocks = context.engine.map(partial(number_texts, stemmer=mine.stemmer), _texts(context, split))
    return build_numbered("rank-bm25" if mine.engine == "rank-bm25" else "bm25s", blocks, mine.variant, mine.stemmer)


def _texts(context: Context, split: str) -> Iterator[list[str]]:
    for rows in context.reader.batches("chunks", columns=("chunk_id", "split", "passage")):
        yield rows.filter(rows["split"] == split)["passage"].to_list()


def clusters_in_several_splits(reader: Reader) -> frozenset[str]:
    """Chunk clusters with members in more than one split."""
    return frozenset(reader.query("mine_shared_clusters")["chunk_cluster_id"])


def locate_supplied(reader: Reader) -> SuppliedTexts:
    """Find the supplied negatives among the chunks; reads no chunk when there are none."""
    wanted: set[int] = set()
    for rows in reader.batches("imported_pairs", columns=("negatives",)):
        wanted.update(text_key(text) for texts in rows["negatives"] for text in texts if text)
    places: dict[int, list[tuple[str, str]]] = {}
    if not wanted:
        return SuppliedTexts(places)
    for rows in reader.batches("chunks", columns=("chunk_id", "split", "text", "passage")):
        for row in rows.iter_rows(named=True):
            for key in sorted({text_key(row["text"]), text_key(row["passage"])} & wanted):
                places.setdefault(key, []).append((row["split"], row["chunk_id"]))
    return SuppliedTexts(places)

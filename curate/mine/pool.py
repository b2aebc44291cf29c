"""The passages of one split, ready to be searched, and the texts of those that are looked at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from curate.bm25 import Engine, Index, Variant, build_numbered, number_texts
from curate.mine.engines import Both, Meaning, Searcher, Words
from curate.mine.passages import text_key
from curate.mine.teacher import Models, open_search
from curate.stage import Context, Reader


@dataclass(frozen=True)
class Pool:
    """All chunks of one split in id order, and what searches them."""

    split: str
    chunk_ids: list[str]
    searcher: Searcher
    index: Index
    """The words of the split with Lucene's weights, whatever searches it: what the guards weigh words by."""

    def position(self, chunk_id: str) -> int | None:
        """Where a chunk stands; None when it is not of this split."""
        place = bisect_left(self.chunk_ids, chunk_id)
        return place if place < len(self.chunk_ids) and self.chunk_ids[place] == chunk_id else None


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
    index = _index(context, split, "bm25s", "lucene")
    searched = index
    if mine.engine == "rank-bm25" or (mine.engine in ("bm25s", "hybrid") and mine.variant != "lucene"):
        searched = _index(context, split, "rank-bm25" if mine.engine == "rank-bm25" else "bm25s", mine.variant)
    if mine.engine in ("bm25s", "rank-bm25"):
        yield Pool(split, chunk_ids, Words(searched), index)
        return
    with open_search(context, models, _texts(context, split), len(chunk_ids)) as dense:
        meaning = Meaning(dense)
        yield Pool(split, chunk_ids, meaning if mine.engine == "dense" else Both(Words(searched), meaning), index)


def _index(context: Context, split: str, engine: Engine, variant: Variant) -> Index:
    stemmer = context.settings.mine.stemmer
    blocks = context.engine.map(partial(number_texts, stemmer=stemmer), _texts(context, split))
    return build_numbered(engine, blocks, variant, stemmer)


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

"""The passages of one split, ready to be searched, and the texts of those that are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from curate.bm25 import Index, build, tokenise
from curate.mine.guards import Passage, chunk_passage, text_key
from curate.stage import Context, Reader


@dataclass(frozen=True)
class Pool:
    """All chunks of one split in id order, and their BM25 index."""

    split: str
    chunk_ids: list[str]
    index: Index


@dataclass
class Passages:
    """The passages that one batch of pairs looks at, read once each."""

    reader: Reader
    elsewhere: frozenset[str]
    by_id: dict[str, Passage] = field(default_factory=dict)

    def load(self, chunk_ids: Iterable[str]) -> None:
        """Read those that are not there yet."""
        missing = sorted(set(chunk_ids) - self.by_id.keys())
        if missing:
            for row in self.reader.query("mine_passages", {"ids": missing}).iter_rows(named=True):
                self.by_id[row["chunk_id"]] = chunk_passage(row, self.elsewhere)


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


def read_pool(context: Context, split: str) -> Pool:
    """Tokenise and index the chunks of a split, one batch in memory at a time."""
    chunk_ids: list[str] = []

    def texts() -> Iterator[list[str]]:
        for rows in context.reader.batches("chunks", columns=("chunk_id", "split", "passage")):
            inside = rows.filter(rows["split"] == split)
            chunk_ids.extend(inside["chunk_id"])
            yield inside["passage"].to_list()

    tokens = (found for batch in context.engine.map(tokenise_all, texts()) for found in batch)
    index = build(context.settings.mine.engine, tokens)
    return Pool(split, chunk_ids, index)


def tokenise_all(texts: list[str]) -> list[list[str]]:
    """Index terms of each text. Function words find nothing worth finding and have the longest posting lists."""
    return [tokenise(text, drop_stopwords=True) for text in texts]


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

"""What is known of a passage when it is held against the positives of an anchor; read once, many at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from curate.mine.rarity import Lexicon, Wording
from curate.stage import Reader
from curate.text import normalise

PASSAGES_KEPT = 20_000
"""Passages held at once, about 300 MB: those that many pairs look at are read once."""


@dataclass(frozen=True)
class Passage:
    """A chunk, or a supplied text that is no chunk (then `chunk_id` and `document_id` are empty)."""

    text: str
    """What stands in the dataset."""
    normalised: str = ""
    """With a blank at both ends, so that whole words are found in it."""
    bare: str = ""
    """The same without its heading path."""
    keys: frozenset[int] = frozenset()
    """`text_key` of both."""
    chunk_id: str = ""
    document_id: str = ""
    position: int = -1
    start: int = 0
    end: int = 0
    cluster_id: str = ""
    family: str = ""
    """The near-duplicate cluster of its document."""
    elsewhere: bool = False
    """It, or a near-copy of it, lies in another split."""
    wording: Wording = field(default_factory=Wording)
    """Of the text without headings."""
    headed: frozenset[int] = frozenset()
    """Hashes of the word shingles of the text with them."""


@dataclass(frozen=True)
class Lens:
    """How passages are read."""

    shingle: int
    lexicon: Lexicon = field(default_factory=Lexicon)
    elsewhere: Collection[str] = frozenset()
    """Chunk clusters that lie in several splits."""

    def chunks(self, rows: Sequence[Mapping[str, Any]]) -> list[Passage]:
        """Rows of `curate/sql/mine_passages.sql`."""
        bare = [normalise(row["text"]) for row in rows]
        whole = [_with_headings(row["passage"], row["text"], own) for row, own in zip(rows, bare, strict=True)]
        wordings = self.lexicon.read(bare, self.shingle)
        headed = [i for i in range(len(rows)) if bare[i] != whole[i]]
        with_headings = dict(zip(headed, self.lexicon.read([whole[i] for i in headed], self.shingle), strict=True))
        return [
            replace(
                self.unread(row),
                normalised=f" {whole[i]} ",
                bare=f" {bare[i]} ",
                keys=frozenset((_key(whole[i]), _key(bare[i]))),
                wording=wordings[i],
                headed=with_headings.get(i, wordings[i]).shingles,
            )
            for i, row in enumerate(rows)
        ]

    def unread(self, row: Mapping[str, Any]) -> Passage:
        """A chunk without all that its text says."""
        cluster = row["chunk_cluster_id"] or ""
        return Passage(
            text=row["passage"],
            chunk_id=row["chunk_id"],
            document_id=row["document_id"],
            position=row["position"],
            start=row["start"],
            end=row["end"],
            cluster_id=cluster,
            family=row["cluster_id"],
            elsewhere=cluster in self.elsewhere,
        )

    def supplied(self, text: str, *, elsewhere: bool) -> Passage:
        """A text that came with an imported pair and is no chunk of its split."""
        normalised = normalise(text)
        wording = self.lexicon.read([normalised], self.shingle)[0]
        padded, keys = f" {normalised} ", frozenset((_key(normalised),))
        return Passage(text, padded, padded, keys, elsewhere=elsewhere, wording=wording, headed=wording.shingles)


@dataclass
class Passages:
    """The passages that the pairs of a split look at, read once each as long as they are not too many."""

    reader: Reader
    lens: Lens
    by_id: dict[str, Passage] = field(default_factory=dict)
    unread: dict[str, Passage] = field(default_factory=dict)
    """Those of which no more than the text and the clusters are known."""

    def of(self, chunk_id: str) -> Passage:
        """A passage that was loaded, as well as it is known."""
        return self.by_id.get(chunk_id) or self.unread[chunk_id]

    def load(self, chunk_ids: Iterable[str]) -> None:
        """Read those that are not there yet."""
        missing = sorted(set(chunk_ids) - self.by_id.keys())
        if missing:
            rows = self.reader.query("mine_passages", {"ids": missing}).to_dicts()
            self.by_id.update((passage.chunk_id, passage) for passage in self.lens.chunks(rows))

    def load_texts(self, chunk_ids: Iterable[str]) -> None:
        """The same for passages whose wording nobody asks for."""
        missing = sorted(set(chunk_ids) - self.by_id.keys() - self.unread.keys())
        if missing:
            rows = self.reader.query("mine_passages", {"ids": missing}).to_dicts()
            self.unread.update((passage.chunk_id, passage) for passage in map(self.lens.unread, rows))

    def forget(self) -> None:
        """Between two batches of pairs: give back the memory when it has become too much."""
        if len(self.unread) > PASSAGES_KEPT:
            self.unread.clear()
        if len(self.by_id) > PASSAGES_KEPT or self.lens.lexicon.is_full:
            self.by_id.clear()
            self.lens.lexicon.forget()


def text_key(text: str) -> int:
    """64 bits of a hash of the normalised text."""
    return _key(normalise(text))


def _with_headings(passage: str, text: str, normalised: str) -> str:
    """The normalised passage, of which the text, its end as a rule, is normalised already."""
    before = passage[: len(passage) - len(text)]
    if not passage.endswith(text) or (before and not before[-1].isspace()):
        return normalise(passage)
    return f"{normalise(before)} {normalised}".strip()


def _key(normalised: str) -> int:
    return int.from_bytes(blake2b(normalised.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

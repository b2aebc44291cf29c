"""What faults are made of: the other passages of the corpus, their sentences, and the names that stand in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl

from curate.bm25 import tokenise
from curate.stage import Reader
from curate.text import STOPWORDS, count_words, normalise, sentence_spans, words
from curate.verify.quotes import stands_in
from curate.verify.ranks import Corpus
from curate.verify.specific import stems
from curate.verify.support.answers import all_said

Row = Mapping[str, Any]

CHUNKS_WITH_NAMES = 5000
"""Names are collected from so many chunks; more would bring more names, not better ones."""
_PIECE = re.compile(r"[^\W\d_](?:[\w’'\-]*\w)?(?:[._]\w+)*|\S")
_IDENTIFIER = re.compile(r"(?=.*[A-Za-z]{2})\w+(?:[._]\w+)+$")
_MIXED = re.compile(r"(?:[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+[A-Z]\w*)$")
_ACRONYM = re.compile(r"[A-Z][A-Z0-9]+$")
_CAPITALISED = re.compile(r"[A-Z][a-z]+[\w\-]*$|[^\W\d_a-zA-Z][\w\-]+$")
_MARKER = re.compile(r"^(?:[-*•–+>]\s+|\(?\d{1,3}[.)]\s+|#{1,6}\s+|[!?/]{3,}\s*\w*\s*)+")
_SENTENCE_END = re.compile(r"[.!?。！？]['\"”’)\]]*$")
_CLAUSE = re.compile(r"\s*[,;:—–()，。；：、]\s*")


@dataclass(frozen=True)
class Source:
    """A chunk that faults are taken from."""

    chunk_id: str
    document_id: str
    cluster_id: str
    text: str
    passage: str
    headings: str
    language: str


@dataclass(frozen=True)
class Name:
    """A name with its kind (of `name_kind`) and some of the documents it stands in."""

    text: str
    kind: str
    documents: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """The corpus as faults see it. Positions are those of `corpus.index`."""

    corpus: Corpus
    chunk_ids: Sequence[str]
    documents: Sequence[str]
    """Document of each position."""
    source: Callable[[int], Source]
    """The chunk at a position."""
    positions: Mapping[str, Sequence[int]]
    """Positions of each document's chunks, in the order of the document."""
    names: Mapping[str, Sequence[Name]] = field(default_factory=dict)
    """Names by kind, sorted."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Kind of every name."""

    def copies(self, position: int) -> int:
        """The near-duplicate cluster of a position."""
        return int(self.corpus.clusters[position])

    def nearest(self, question: str, most: int) -> list[int]:
        """Positions that BM25 finds, best first."""
        ids, _ = self.corpus.index.search([tokenise(question, drop_stopwords=True)], min(most, len(self.chunk_ids)))
        return [int(position) for position in ids[0] if position >= 0]


def read_material(reader: Reader, corpus: Corpus) -> Material:
    """The material of a build: `reader` must be allowed chunks. Texts are fetched when they are needed."""
    chunk_ids = list(corpus.position_of)
    document_of: dict[str, str] = {}
    order: dict[str, list[tuple[int, int]]] = {}
    for batch in reader.batches("chunks", columns=("chunk_id", "document_id", "position")):
        for chunk_id, document_id, place in batch.iter_rows():
            document_of[chunk_id] = document_id
            order.setdefault(document_id, []).append((place, corpus.position_of[chunk_id]))
    positions = {document: [position for _, position in sorted(places)] for document, places in order.items()}

    @lru_cache(maxsize=2048)
    def source(position: int) -> Source:
        return source_of(_chunk(reader, chunk_ids[position]))

    names = collect_names(_texts(reader))
    return Material(
        corpus=corpus,
        chunk_ids=chunk_ids,
        documents=[document_of[chunk_id] for chunk_id in chunk_ids],
        source=source,
        positions=positions,
        names=names,
        kinds={name.text: kind for kind, group in names.items() for name in group},
    )


def source_of(row: Row) -> Source:
    """A row of `chunks` as a source."""
    return Source(
        chunk_id=row["chunk_id"],
        document_id=row["document_id"],
        cluster_id=row["cluster_id"],
        text=row["text"],
        passage=row["passage"],
        headings="\n".join(row["heading_path"]),
        language=row["language"],
    )


def _chunk(reader: Reader, chunk_id: str) -> Row:
    sql = "SELECT * FROM chunks WHERE chunk_id = $chunk_id"
    return reader.query(sql, {"chunk_id": chunk_id}).row(0, named=True)


def _texts(reader: Reader) -> Iterator[tuple[str, str]]:
    """(document, text) of the first chunks by id, which is as good as by lot."""
    left = CHUNKS_WITH_NAMES
    for batch in reader.batches("chunks", size=1000, columns=("chunk_id", "document_id", "text")):
        yield from batch.head(left).select(pl.col("document_id"), pl.col("text")).iter_rows()
        left -= batch.height
        if left <= 0:
            return


def collect_names(texts: Iterable[tuple[str, str]]) -> dict[str, list[Name]]:
    """Names by kind out of (document, text): identifiers, acronyms, words of mixed case, and words that are capitalised inside sentences and never small."""
    inside: Counter[str] = Counter()
    small: set[str] = set()
    where: dict[str, dict[str, None]] = {}
    for document, text in texts:
        for word, begins in pieces(text):
            if word.islower():
                small.add(word)
            kind = name_kind(word)
            if kind is None or (kind == "name" and begins):
                continue
            inside[word] += 1
            found = where.setdefault(word, {})
            if len(found) < 8:
                found[document] = None
    names: dict[str, list[Name]] = {}
    for word in sorted(inside):
        kind = name_kind(word)
        if kind is None or (kind == "name" and (word.lower() in small or inside[word] < 2)):
            continue
        names.setdefault(kind, []).append(Name(word, kind, tuple(where[word])))
    return names


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Words of a text in order, each with whether it may begin a sentence (or a line, or a quotation)."""
    begins = True
    for line in text.splitlines():
        begins = True
        for match in _PIECE.finditer(line):
            piece = match.group()
            if piece[0].isalpha():
                yield piece, begins
                begins = False
            elif piece in ".!?:;\"“„«*#|>-•([/`'":
                begins = True


def name_kind(word: str) -> str | None:
    """What kind of name a word looks like: identifier (`foo.bar`), mixed (`FooBar`), acronym, name; None for a plain word."""
    if len(word) < 2 or word.lower() in STOPWORDS:
        return None
    if _IDENTIFIER.match(word):
        return "identifier"
    if _MIXED.match(word):
        return "mixed"
    if _ACRONYM.match(word):
        return "acronym"
    return "name" if len(word) > 3 and _CAPITALISED.match(word) and word[0].isupper() else None


def best_sentence(question: str, text: str, language: str, least_words: int = 5) -> str | None:
    """The sentence of a text that shares most with the question, on one line as it stands there; None when none is long enough."""
    asked = stems(tokenise(question, drop_stopwords=True))
    best: tuple[float, float, int, str] | None = None
    for number, sentence in enumerate(sentences(text, language)):
        count = count_words(sentence)
        if count < least_words:
            continue
        shared = len(asked & stems(tokenise(sentence, drop_stopwords=True)))
        whole = 1.0 if _SENTENCE_END.search(sentence) and count <= 60 else 0.0
        rank = (shared + whole, whole, -number, sentence)
        if best is None or rank[:3] > best[:3]:
            best = rank
    return best[3] if best else None


def sentences(text: str, language: str) -> list[str]:
    """Sentences of a text, each on one line, without list markers."""
    found = (" ".join(text[start:end].split()) for start, end in sentence_spans(text, language))
    return [sentence for part in found if (sentence := _MARKER.sub("", part).strip())]


def cut_answer(sentence: str) -> str:
    """An answer as a model would cut it from a sentence: all of a short one, else its last clause of 4 to 16 words."""
    whole = sentence.strip().rstrip(".。!！:：")
    if count_words(whole) <= 14:
        return whole
    clauses = [part for part in _CLAUSE.split(whole) if 4 <= count_words(part) <= 16]
    if clauses:
        return clauses[-1]
    return " ".join(whole.split()[-12:]) if " " in whole else whole[-20:]


def holds(passage: str, row: Row) -> bool:
    """Whether a passage holds the row's evidence or its answer word for word, or all words of a long answer: then it is no wrong passage."""
    if all_said(row["answer"], passage):
        return True
    return any(said and len(words(said)) >= 2 and stands_in(said, passage) for said in (row["evidence"], row["answer"]))


def same_words(a: str, b: str) -> bool:
    """Whether two texts are equal but for capitals, blanks and marks."""
    return normalise(a) == normalise(b)

"""The user's own questions, mapped onto whatever chunks the build made."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Literal

import polars as pl

from schemas.errors import InputError
from train.rows import cell

UnmappedReason = Literal[
    "no_judgement",
    "question_empty",
    "question_repeated",
    "document_missing",
    "document_unknown",
    "document_ambiguous",
    "answer_missing",
    "answer_not_found",
    "offset_outside",
]

CHUNK_COLUMNS = ("chunk_id", "document_id", "source", "title", "start", "end", "text")

# From here on scripts are mostly written without spaces, or glue particles to words: no word boundary can be asked for.
_FIRST_UNSPACED = "\u0e00"

_LEAST_SHARED = 5
"""Words (characters where scripts have no blanks) that a chunk has of an answer of several chunks: fewer stand at an end of a passage by chance."""


@dataclass(frozen=True)
class Unmapped:
    """A question that could not be judged."""

    query_id: str
    reason: UnmappedReason
    detail: str = ""


@dataclass(frozen=True)
class Mapped:
    """Questions as queries with judgements over chunk ids."""

    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    clusters: dict[str, str]
    unmapped: tuple[Unmapped, ...]
    methods: dict[str, int]
    """How many were mapped by "offset" (answer text stands there), "offset alone" (no answer text given), "text" and "parts"."""


@dataclass(frozen=True)
class _Chunk:
    chunk_id: str
    start: int
    end: int
    text: str
    copies: str | None


class DocumentIndex:
    """Finds documents by whatever the user calls them: document id, source, its `#key`, file name, file stem or title."""

    def __init__(self, chunks: pl.DataFrame) -> None:
        if missing := [name for name in CHUNK_COLUMNS if name not in chunks.columns]:
            raise InputError(f"chunks without column(s) {', '.join(missing)}", next_step="give the chunks of the build")
        self.document_of: dict[str, str] = {}
        self.chunks: dict[str, list[_Chunk]] = {}
        self._cluster_of: dict[str, str] = {}
        self._copies: dict[str, set[str]] = {}
        self._names: list[dict[str, set[str]]] = [{} for _ in range(6)]
        for row in chunks.iter_rows(named=True):
            self._add(row)

    def _add(self, row: Mapping[str, Any]) -> None:
        document = row["document_id"]
        chunk = _Chunk(row["chunk_id"], row["start"], row["end"], row["text"], row.get("chunk_cluster_id"))
        self.document_of[chunk.chunk_id] = document
        self._cluster_of[chunk.chunk_id] = row.get("cluster_id") or document
        cluster = self._cluster_of[chunk.chunk_id]
        # A document cut into several blocks is resampled as a whole when judgements name the document.
        self._cluster_of[document] = cluster if self._cluster_of.get(document, cluster) == cluster else document
        if chunk.copies is not None:
            self._copies.setdefault(chunk.copies, set()).add(chunk.chunk_id)
        if document not in self.chunks:
            file, _, key = str(row["source"]).partition("#")
            path = PurePosixPath(file)
            names = (document, row["source"], key, path.name, path.stem, str(row["title"]).strip().casefold())
            for level, name in enumerate(names):
                if name:
                    self._names[level].setdefault(name, set()).add(document)
        self.chunks.setdefault(document, []).append(chunk)

    def find(self, name: str) -> str | Sequence[str] | None:
        """The document of this name; several document ids when the name fits more than one; None when it fits none."""
        name = name.strip()
        for level, names in enumerate(self._names):
            found = names.get(name.casefold() if level == len(self._names) - 1 else name)
            if found:
                return next(iter(found)) if len(found) == 1 else sorted(found)
        return None

    def with_copies(self, chunks: Sequence[_Chunk]) -> dict[str, int]:
        """Chunk id → 1 for these chunks and for their near-copies anywhere."""
        found = {chunk.chunk_id for chunk in chunks}
        near = [self._copies[chunk.copies] for chunk in chunks if chunk.copies is not None]
        return dict.fromkeys(sorted(found.union(*near)), 1)

    def clusters(self, qrels: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
        """Query id → the cluster all its relevant ids lie in, or the query itself when they lie in several."""
        result = {}
        for query, items in qrels.items():
            found = {self._cluster_of.get(item, query) for item in items}
            result[query] = found.pop() if len(found) == 1 else query
        return result


def map_questions(questions: Iterable[Mapping[str, Any]], chunks: pl.DataFrame) -> Mapped:
    """Judge chunks by where the answers stand.

    `questions`: question, document (id, source, file name or title), answer and/or answer_start (code points into the document's text), and
    optionally question_id. `chunks`: chunk_id, document_id, source, title, start, end, text; optionally cluster_id (else the document is the
    cluster) and chunk_cluster_id (then near-copies of a relevant chunk are relevant too).
    A question maps to the chunks whose span holds the answer at its offset, checked letter by letter; where that fails, to every chunk of
    the document that contains the answer after normalisation; where no chunk holds all of it, as with answers of several paragraphs, to
    those that hold half of it or consist of it by half. What maps to nothing is returned with its reason.
    """
    index = DocumentIndex(chunks)
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    homes: dict[str, dict[str, int]] = {}
    unmapped: list[Unmapped] = []
    methods = {"offset": 0, "offset alone": 0, "text": 0, "parts": 0}
    seen: set[str] = set()
    for number, row in enumerate(questions, start=1):
        query = cell(row, ("question_id", "query_id", "_id", "id")) or f"q{number}"
        if query in seen:
            unmapped.append(Unmapped(query, "question_repeated", f"row {number}"))
            continue
        seen.add(query)
        found = _judge(row, index)
        if isinstance(found, Unmapped):
            unmapped.append(Unmapped(query, found.reason, found.detail))
            continue
        method, hits = found
        methods[method] += 1
        queries[query] = cell(row, ("question", "query", "text")) or ""
        qrels[query] = index.with_copies(hits)
        homes[query] = {chunk.chunk_id: 1 for chunk in hits}
    return Mapped(queries, qrels, index.clusters(homes), tuple(unmapped), methods)


def _judge(row: Mapping[str, Any], index: DocumentIndex) -> tuple[str, list[_Chunk]] | Unmapped:
    if cell(row, ("question", "query", "text")) is None:
        return Unmapped("", "question_empty")
    name = cell(row, ("document_id", "document", "doc_id", "source", "title"))
    document = index.find(name) if name is not None else None
    if name is None or document is None:
        return Unmapped("", "document_missing") if name is None else Unmapped("", "document_unknown", name[:200])
    if not isinstance(document, str):
        return Unmapped("", "document_ambiguous", f"{name[:200]} fits {len(document)} documents")
    return _locate(cell(row, ("answer", "answer_text")), _offset(row), index.chunks[document])


def _locate(answer: str | None, start: int | None, chunks: Sequence[_Chunk]) -> tuple[str, list[_Chunk]] | Unmapped:
    if answer is None:
        spanning = [chunk for chunk in chunks if start is not None and chunk.start <= start < chunk.end]
        if spanning:
            return "offset alone", spanning
        return Unmapped("", "answer_missing") if start is None else Unmapped("", "offset_outside", str(start))
    exact = [chunk for chunk in chunks if start is not None and _stands_at(chunk, answer, start)]
    if exact:
        return "offset", exact
    containing = [chunk for chunk in chunks if contains(chunk.text, answer)]
    if containing:
        return "text", containing
    parts = [chunk for chunk in chunks if _is_part(answer, chunk.text)]
    return ("parts", parts) if parts else Unmapped("", "answer_not_found", answer[:200])


def _is_part(answer: str, chunk: str) -> bool:
    """Whether the chunk stands in the answer, or an end of it that is half of either is an end of the answer; by `_LEAST_SHARED` words in any case."""
    whole, part = _normalise(answer), _normalise(chunk)
    if not any(character >= _FIRST_UNSPACED for character in whole + part):
        return _shares(whole.split(), part.split(), inside=f" {part} " in f" {whole} ")
    return _shares(whole, part, inside=part in whole)


def _shares(answer: Sequence[str], chunk: Sequence[str], *, inside: bool) -> bool:
    shared = len(chunk) if inside else max(_tail(chunk, answer), _tail(answer, chunk))
    return shared >= _LEAST_SHARED and 2 * shared >= min(len(answer), len(chunk))


def _tail(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest end of `left` that `right` begins with."""
    starts = range(max(0, len(left) - len(right)), len(left))
    return next((len(left) - i for i in starts if left[i] == right[0] and left[i:] == right[: len(left) - i]), 0)


def _offset(row: Mapping[str, Any]) -> int | None:
    text = cell(row, ("answer_start", "start"))
    try:
        return int(float(text)) if text is not None and float(text) >= 0 else None
    except (ValueError, OverflowError):
        return None


def _stands_at(chunk: _Chunk, answer: str, start: int) -> bool:
    inside = chunk.start <= start and start + len(answer) <= chunk.end
    return inside and chunk.text[start - chunk.start : start - chunk.start + len(answer)] == answer


def contains(text: str, answer: str) -> bool:
    """Whether the answer's words stand in a row in the text, whatever the letter case, blanks and punctuation between them."""
    needle = _normalise(answer)
    if not needle:
        return answer.strip() in text
    if any(character >= _FIRST_UNSPACED for character in needle):
        return needle in _normalise(text)
    return f" {needle} " in f" {_normalise(text)} "


@lru_cache(maxsize=8192)
def _normalise(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))

"""One document into its chunks: a pure function of its row, its regions and the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.chunk.boilerplate import boilerplate_of
from curate.chunk.cut import sentences
from curate.chunk.pack import Packing, pack
from curate.chunk.structure import WITHIN, Atom, Measure, atoms_of, path_of, prefix_of
from curate.chunk.tokens import token_counter
from curate.stage import Rejection, content_id
from curate.text import detect_language
from schemas.reasons import Reason
from schemas.settings import ChunkSettings

Document = Mapping[str, Any]
Region = Mapping[str, Any]

_REPACKINGS = 4


@dataclass(frozen=True)
class Made:
    """The chunks of a document and what was rejected; `overlong` counts as-is passages above the budget."""

    rows: list[dict[str, Any]]
    rejected: list[Rejection]
    overlong: int = 0


def chunk_document(document: Document, regions: Sequence[Region], settings: ChunkSettings) -> Made:
    """Chunks of all regions, in order; `position` counts rejected ones too, so that neighbours stay neighbours."""
    measure = Measure(token_counter(settings.tokenizer), settings.max_tokens, settings.heading_prefix)
    if document["as_is"] or settings.method == "as-is":
        path = path_of(document["title"], [], measure)
        row = _row(document, regions[0], (0, len(document["text"])), path, measure) | {"position": 0}
        return Made([row], [], int(row["tokens"] > settings.max_tokens))
    made = Made([], [])
    titles = [document["text"][block["start"] : block["end"]] for block in document["blocks"] if block["kind"] == "heading"]
    pieces = [piece for region in regions for piece in _region_chunks(document, region, settings, measure)]
    if not pieces and document["text"].strip():
        pieces = _headings_alone(document, regions[0], measure)
    for position, (row, kinds) in enumerate(pieces):
        row["position"] = position
        reason = boilerplate_of(row["text"], kinds, titles)
        if reason is None and measure.count(row["text"]) < settings.min_tokens:
            reason = Reason.CHUNK_TOO_SHORT, ""
        if reason is None:
            made.rows.append(row)
        else:
            known = {name: row[name] for name in ("document_id", "start", "end", "heading_path", "text")}
            made.rejected.append(Rejection(row["chunk_id"], *reason, known | {"source": document["source"]}))
    return made


Piece = tuple[dict[str, Any], list[tuple[str, str]]]
"""A row and the (kind, text) of its atoms."""


def _region_chunks(document: Document, region: Region, settings: ChunkSettings, measure: Measure) -> Iterator[Piece]:
    atoms = atoms_of(document, region["start"], region["end"], measure)
    budget = settings.max_tokens
    for _ in range(_REPACKINGS):
        overlaps = [_overlap(document, atoms, index, settings, measure) for index in range(len(atoms))]
        befores = [measure.prefix(atom.path) + tokens for atom, (_, tokens) in zip(atoms, overlaps, strict=True)]
        groups = pack(atoms, Packing(budget, settings.min_tokens, befores.__getitem__))
        rows = [
            _row(document, region, (overlaps[first][0], atoms[last - 1].end), atoms[first].path, measure)
            for first, last in groups
        ]
        # A tokenizer may need more tokens for the whole than for its parts.
        excess = max(
            (row["tokens"] - settings.max_tokens for row, group in zip(rows, groups, strict=True) if group[1] - group[0] > 1),
            default=0,
        )
        if excess <= 0:
            break
        budget -= excess
    for row, (first, last) in zip(rows, groups, strict=True):
        yield row, [(atom.kind, document["text"][atom.start : atom.end]) for atom in atoms[first:last]]


def _overlap(document: Document, atoms: Sequence[Atom], index: int, settings: ChunkSettings, measure: Measure) -> tuple[int, int]:
    """Start and tokens of the whole sentences before an atom that are repeated when a chunk starts with it."""
    atom = atoms[index]
    start, tokens = atom.start, 0
    if not settings.overlap_tokens or atom.begins in WITHIN:
        return start, tokens
    room = min(settings.overlap_tokens, settings.max_tokens - measure.prefix(atom.path) - atom.tokens)
    for before in reversed(atoms[max(0, index - settings.overlap_tokens) : index]):
        if before.section != atom.section or before.begins in WITHIN:
            break
        spans = list(sentences(document["text"], before.start, before.end, before.kind, document["language"]))
        for low, high in reversed(spans):
            size = measure.count(document["text"][low:high])
            if tokens + size > room:
                return start, tokens
            start, tokens = low, tokens + size
    return start, tokens


def _headings_alone(document: Document, region: Region, measure: Measure) -> list[Piece]:
    """A document of headings without any text is one short passage, so that it is not lost without a word."""
    text = document["text"]
    start = len(text) - len(text.lstrip())
    return [(_row(document, region, (start, len(text.rstrip())), (), measure), [("heading", text)])]


def _row(document: Document, region: Region, span: tuple[int, int], path: Sequence[str], measure: Measure) -> dict[str, Any]:
    text = document["text"][span[0] : span[1]]
    passage = prefix_of(path) + text if measure.heading_prefix and path else text
    return {
        "chunk_id": content_id("chunk", document["document_id"], str(span[0]), str(span[1]), passage),
        "document_id": document["document_id"],
        "start": span[0],
        "end": span[1],
        "heading_path": list(path),
        "text": text,
        "passage": passage,
        "tokens": max(1, measure.count(passage)),
        "language": document["language"] if document["language"] != "und" else detect_language(text),
        "split": region["split"],
        "cluster_id": region["cluster_id"],
    }

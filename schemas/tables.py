"""The pandera contract of every table: one class a table, its docstring says what one row is.

Column types are polars types. A `*_id` column is a content hash: 16 lower-case hex digits of a sha256.
Character positions count Unicode code points, from 0, end exclusive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandera.polars as pa
import polars as pl

SPLITS = ("train", "dev", "test")
BLOCK_KINDS = ("heading", "paragraph", "list_item", "code", "table", "quote")
STATES = ("negative", "quarantined", "promoted")
ORIGINS = ("extractive", "llm", "imported")
JUDGEMENTS = ("yes", "no", "unknown", "missing", "not_asked")

BLOCK = pl.Struct({"kind": pl.String, "level": pl.Int64, "start": pl.Int64, "end": pl.Int64})

_ID: dict[str, Any] = {"str_matches": r"^[0-9a-f]{16}$"}


class Table(pa.DataFrameModel):
    """Base of all tables: no unknown column, no coercion."""

    class Config:
        strict = True
        coerce = False


class Documents(Table):
    """One document: its normalised text and the blocks (headings, paragraphs, code …) that tile it in order."""

    document_id: str = pa.Field(unique=True, **_ID)
    source: str = pa.Field(str_length={"min_value": 1})
    """Path relative to the source folder, with `#key` for a row of a file; for people, never opened again."""
    title: str
    text: str = pa.Field(str_length={"min_value": 1})
    blocks: pl.List = pa.Field(dtype_kwargs={"inner": BLOCK})
    """kind, level (headings 1–6, else 0), start, end: spans into `text`, ordered, not overlapping."""
    format: str = pa.Field(isin=["markdown", "text", "rst", "html", "record", "passage"])
    language: str
    """ISO 639-1 code, or "und" when the text is too short to tell."""
    as_is: bool
    """True when the document is already one passage (imported pairs, pre-chunked corpora): one chunk, never split."""


class ImportedPairs(Table):
    """One pair the user already had: an anchor and a passage, with what came with it."""

    imported_pair_id: str = pa.Field(unique=True, **_ID)
    source: str = pa.Field(str_length={"min_value": 1})
    anchor: str = pa.Field(str_length={"min_value": 1})
    document_id: str = pa.Field(**_ID)
    """The passage, a row of `documents` with as_is true."""
    negatives: pl.List = pa.Field(dtype_kwargs={"inner": pl.String()})
    score: float = pa.Field(nullable=True, in_range={"min_value": 0.0, "max_value": 1.0})
    label: int = pa.Field(nullable=True, isin=[0, 1])
    is_positive: bool
    """False when the label is 0 or the score is below `ingest.min_positive_score`: a passage that does not answer."""


class DocumentClusters(Table):
    """One document's near-duplicate cluster."""

    document_id: str = pa.Field(unique=True, **_ID)
    cluster_id: str = pa.Field(**_ID)
    representative: bool
    duplicate: str = pa.Field(isin=["none", "exact", "near"])
    """How this row duplicates its cluster's representative; "none" on the representative itself."""
    similarity: float = pa.Field(in_range={"min_value": 0.0, "max_value": 1.0})
    """Jaccard similarity of word shingles to the representative (1.0 on itself and on exact copies)."""


class Splits(Table):
    """One region of a document and the split it belongs to; the regions of a document tile its text."""

    document_id: str = pa.Field(**_ID)
    start: int = pa.Field(ge=0)
    end: int = pa.Field(ge=1)
    cluster_id: str = pa.Field(**_ID)
    """The unit that is split and resampled: the document cluster, or the block of sections where method is "blocks"."""
    split: str = pa.Field(isin=["train", "dev", "test", "gap"])
    method: str = pa.Field(isin=["clusters", "blocks"])


class Chunks(Table):
    """One passage: an exact span of a document, its heading path, and the text that is embedded."""

    chunk_id: str = pa.Field(unique=True, **_ID)
    document_id: str = pa.Field(**_ID)
    position: int = pa.Field(ge=0)
    start: int = pa.Field(ge=0)
    end: int = pa.Field(ge=1)
    heading_path: pl.List = pa.Field(dtype_kwargs={"inner": pl.String()})
    """Title of the document first, then the headings down to this chunk; no empty or repeated parts."""
    text: str = pa.Field(str_length={"min_value": 1})
    """Exactly `documents.text[start:end]`."""
    passage: str = pa.Field(str_length={"min_value": 1})
    """What is embedded: `text`, with the heading path before it if `chunk.heading_prefix` is on."""
    tokens: int = pa.Field(ge=1)
    """Tokens of `passage`, by the built-in estimate or the tokenizer named in settings."""
    language: str
    split: str = pa.Field(isin=["train", "dev", "test", "gap"])
    cluster_id: str = pa.Field(**_ID)
    """From `splits`: the unit that statistics are resampled by."""


class ChunkClusters(Table):
    """One chunk's near-duplicate cluster, over all splits."""

    chunk_id: str = pa.Field(unique=True, **_ID)
    chunk_cluster_id: str = pa.Field(**_ID)
    representative: bool
    home_split: str = pa.Field(isin=["train", "dev", "test", "gap"])
    """The only split in which this cluster's text may give questions."""
    similarity: float = pa.Field(in_range={"min_value": 0.0, "max_value": 1.0})


class Questions(Table):
    """A candidate question (or imported anchor) for one chunk."""

    question_id: str = pa.Field(unique=True, **_ID)
    chunk_id: str = pa.Field(**_ID)
    question: str = pa.Field(str_length={"min_value": 1})
    style: str = pa.Field(str_length={"min_value": 1})
    answer: str = pa.Field(nullable=True)
    evidence: str = pa.Field(nullable=True)
    origin: str = pa.Field(isin=list(ORIGINS))
    model: str = pa.Field(nullable=True)
    """The language model that wrote it; null unless origin is llm."""
    prompt: str = pa.Field(nullable=True)
    """First 16 hex digits of the sha256 of the prompt that asked for it; null unless origin is llm."""
    group_id: str = pa.Field(nullable=True)
    """Shared by the rows of one question that needs several chunks, one row a chunk with its own evidence; else null."""
    train_only: bool
    """Stands verbatim in the passage by design: usable in training, never as a dev or test query."""
    imported_pair_id: str = pa.Field(nullable=True)
    is_positive: bool
    score: float = pa.Field(nullable=True)
    label: int = pa.Field(nullable=True)


class Checks(Table):
    """The scores of one question, one column a gate; no decisions. Null means: could not be told."""

    question_id: str = pa.Field(unique=True, **_ID)
    question_words: int = pa.Field(ge=0)
    """Words; for Chinese, Japanese and Thai, characters divided by two."""
    passage_words: int = pa.Field(ge=0)
    question_form: bool
    """Reads as a question or a search query (not a statement, header, list marker or fragment)."""
    verbatim: bool
    """The normalised question stands in the normalised passage."""
    word_overlap: float = pa.Field(in_range={"min_value": 0.0, "max_value": 1.0})
    """Share of the question's content words that stand in the passage, in any form (singular, plural, possessive …)."""
    context_bound: str = pa.Field(nullable=True)
    """The wording that needs the passage in view ("this passage", "the author"), or null."""
    language_match: bool = pa.Field(nullable=True)
    """Question and passage are in the same language; null when too short to tell."""
    bm25_rank: int = pa.Field(nullable=True, ge=1)
    """Rank of the own chunk (or a near-copy) among all chunks; null beyond `verify.rank_window`."""
    specific_words: int = pa.Field(ge=0)
    """Distinct words of the question that are neither in a quarter of all chunks nor such as any question may hold ("purpose", "ways")."""
    evidence_found: bool = pa.Field(nullable=True)
    """The evidence quote stands in the chunk; null when the question has none."""
    evidence_words: int = pa.Field(nullable=True, ge=0)
    """Words of the evidence quote, counted like those of the question; null when the question has none."""
    answered_under_heading: bool = pa.Field(nullable=True)
    """The quote is a heading above the chunk, and the answer's content words, four or more, all stand in the chunk: as good as a quote."""
    evidence_start: int = pa.Field(nullable=True, ge=0)
    """Where the quote, or its first part, begins in the chunk's text; null when it was not found."""
    evidence_end: int = pa.Field(nullable=True, ge=1)
    """Where the quote, or its last part, ends."""
    unsupported_numbers: pl.List = pa.Field(dtype_kwargs={"inner": pl.String()})
    """Numbers, dates and amounts of question and answer that the chunk (of several: all of them together) does not hold."""
    unsupported_names: pl.List = pa.Field(dtype_kwargs={"inner": pl.String()})
    """Names of question and answer that the chunk does not hold."""
    negation_differs: bool = pa.Field(nullable=True)
    """Question and answer deny what the evidence says, or the other way round; null without evidence in the chunk."""
    answer_overlap: float = pa.Field(nullable=True, in_range={"min_value": 0.0, "max_value": 1.0})
    """Share of the answer's content words that stand in the chunk; null without an answer."""
    bm25_margin: float = pa.Field(nullable=True, in_range={"min_value": -1.0, "max_value": 1.0})
    """BM25 score of the own chunk minus that of the best other one (near-copies apart), over the larger; null when neither has any."""
    bm25_answer_margin: float = pa.Field(nullable=True, in_range={"min_value": -1.0, "max_value": 1.0})
    """The same when question and answer are searched together; null without an answer."""
    dense_rank: int = pa.Field(nullable=True, ge=1)
    """Rank of the own chunk (or a near-copy) under `verify.dense_model`; null without one."""
    dense_score: float = pa.Field(nullable=True, in_range={"min_value": -1.0, "max_value": 1.0})
    """Cosine of question and passage."""
    dense_margin: float = pa.Field(nullable=True, in_range={"min_value": -2.0, "max_value": 2.0})
    """That cosine minus the cosine of the best other chunk."""
    checker_score: float = pa.Field(nullable=True, in_range={"min_value": 0.0, "max_value": 1.0})
    """Probability, by `verify.checker`, that the passage answers the question; null without one."""
    judge: str = pa.Field(nullable=True, isin=list(JUDGEMENTS))
    """What the judge's answer amounts to; null when it was not asked (no judge, or the question fails a gate already)."""
    judge_failed: pl.List = pa.Field(dtype_kwargs={"inner": pl.String()})
    """Which of answerable, self_contained, specific, natural the judge denied."""
    judge_note: str = pa.Field(nullable=True)
    """Why the judge's answer could not be used, or its quote."""


class Pairs(Table):
    """A kept (anchor, passage) pair."""

    pair_id: str = pa.Field(unique=True, **_ID)
    question_id: str = pa.Field(**_ID)
    chunk_id: str = pa.Field(**_ID)
    anchor: str = pa.Field(str_length={"min_value": 1})
    positive: str = pa.Field(str_length={"min_value": 1})
    """The passage text; not an answer when `is_positive` is false."""
    split: str = pa.Field(isin=list(SPLITS))
    cluster_id: str = pa.Field(**_ID)
    style: str
    origin: str = pa.Field(isin=list(ORIGINS))
    train_only: bool
    imported_pair_id: str = pa.Field(nullable=True)
    is_positive: bool
    score: float = pa.Field(nullable=True)
    label: int = pa.Field(nullable=True)


class Negatives(Table):
    """One candidate negative of one pair, and what became of it."""

    pair_id: str = pa.Field(**_ID)
    candidate: int = pa.Field(ge=1)
    """Order of the candidate within its pair: supplied ones first, then by rank."""
    chunk_id: str = pa.Field(nullable=True)
    """Null for a supplied text that is no chunk of the corpus."""
    text: str = pa.Field(str_length={"min_value": 1})
    origin: str = pa.Field(isin=["supplied", "bm25", "dense", "hybrid", "random"])
    """Random ones fill up where BM25 finds too few: tiny splits, or questions that share no word with any other chunk."""
    rank: int = pa.Field(nullable=True, ge=1)
    score: float = pa.Field(nullable=True)
    """By the engine; null for supplied and random ones."""
    teacher_score: float = pa.Field(nullable=True)
    """Cosine of anchor and candidate under `mine.teacher`; null without one."""
    positive_score: float = pa.Field(nullable=True)
    """Cosine of anchor and the pair's own positive under `mine.teacher`; null without one."""
    relative_margin: float = pa.Field(nullable=True, ge=0)
    """The share of the positive's own score that it may reach, as set or found by `mine.auto_margin`; null: no such limit."""
    state: str = pa.Field(isin=list(STATES))
    """negative; quarantined: it may answer, or must not stand here; promoted: it answers, so it is a further positive."""
    reason: str = pa.Field(nullable=True)
    """Why it is not a plain negative; a member of `schemas.reasons.Reason`, null when state is negative."""
    chosen: int = pa.Field(nullable=True, ge=1)
    """1 … k: this is negative_1 … negative_k of the exported row; null otherwise."""


class AuditResults(Table):
    """One whole-set claim and how many rows break it."""

    claim: str = pa.Field(unique=True)
    description: str
    broken: int = pa.Field(ge=0)
    examples: pl.List = pa.Field(dtype_kwargs={"inner": pl.String()})
    """Up to five keys of rows that break it."""


class ExportedFiles(Table):
    """One file of the dataset folder."""

    path: str = pa.Field(unique=True, str_length={"min_value": 1})
    """Relative to the dataset folder, with `/` between its parts."""
    rows: int = pa.Field(nullable=True, ge=0)
    """Rows of a table file (lines of JSONL and TSV without header), else null."""
    sha256: str = pa.Field(str_matches=r"^[0-9a-f]{64}$")
    bytes: int = pa.Field(ge=0)


class Rejected(Table):
    """A row, file or candidate that was not kept, and why."""

    stage: str
    row_key: str
    state: str = pa.Field(isin=["rejected", "quarantined"])
    reason: str
    detail: str
    row_json: str


KEYS: dict[str, tuple[str, ...]] = {
    "documents": ("document_id",),
    "imported_pairs": ("imported_pair_id",),
    "document_clusters": ("document_id",),
    "splits": ("document_id", "start"),
    "chunks": ("chunk_id",),
    "chunk_clusters": ("chunk_id",),
    "questions": ("question_id",),
    "checks": ("question_id",),
    "pairs": ("pair_id",),
    "negatives": ("pair_id", "candidate"),
    "audit_results": ("claim",),
    "exported_files": ("path",),
}
"""The unique key of each table, which is also the order in which it is stored and read."""

TABLES: dict[str, type[Table]] = {
    "documents": Documents,
    "imported_pairs": ImportedPairs,
    "document_clusters": DocumentClusters,
    "splits": Splits,
    "chunks": Chunks,
    "chunk_clusters": ChunkClusters,
    "questions": Questions,
    "checks": Checks,
    "pairs": Pairs,
    "negatives": Negatives,
    "audit_results": AuditResults,
    "exported_files": ExportedFiles,
    "rejected": Rejected,
}


def polars_schema(model: type[Table]) -> dict[str, pl.DataType]:
    """Column names and polars types of a table."""
    return {name: column.dtype.type for name, column in model.to_schema().columns.items()}


def frame(model: type[Table], rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a DataFrame of exactly this table's columns and types; a missing column or a wrong type raises."""
    schema = polars_schema(model)
    taken = list(rows)
    return pl.DataFrame([_series(name, [row[name] for row in taken], kind) for name, kind in schema.items()])


def _series(name: str, values: list[Any], kind: pl.DataType) -> pl.Series:
    # Column by column, and lists looked at: polars turns some wrong types into nulls and a lone string into a list.
    if isinstance(kind, pl.List) and not all(isinstance(value, list | tuple) for value in values):
        raise TypeError(f"{name} holds a value that is no list")
    return pl.Series(name, values, dtype=kind, strict=True)

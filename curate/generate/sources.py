"""Where questions come from: chunks that may give some, and the pairs the user already had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.generate.passage import Passage
from curate.generate.rows import imported_row
from curate.stage import Batch, Context, Rejection
from schemas.reasons import REASONS

CHUNKS_A_BATCH = 1024
PAIRS_A_BATCH = 4096
_HAS_PAIRS = "has_pairs"
_REASONS = {reason.value: reason for reason in REASONS}
_PAIR_COLUMNS = ("imported_pair_id", "source", "anchor", "document_id", "is_positive", "score", "label")
_CHUNK_COLUMNS = ("chunk_id", "document_id", "heading_path", "text", "passage", "tokens", "language", "split")


@dataclass(frozen=True)
class Sources:
    """One batch of chunks: those that may give questions, and why the others may not; `chunks` counts them all."""

    passages: tuple[Passage, ...]
    rejected: tuple[Rejection, ...]
    chunks: int


def imported_questions(context: Context) -> Iterator[Batch]:
    """The user's own pairs as questions; those whose passage is no usable chunk are rejected by `imported_pair_id`."""
    if context.reader.count("imported_pairs") == 0:
        return
    fates = context.reader.query("question_pairs")
    for pairs in context.reader.batches("imported_pairs", PAIRS_A_BATCH, _PAIR_COLUMNS):
        rows: list[dict[str, Any]] = []
        rejected: list[Rejection] = []
        for pair in pairs.join(fates, on="document_id", how="left", maintain_order="left").to_dicts():
            if pair["barred"] is None:
                rows.append(imported_row(pair["chunk_id"], pair))
                continue
            known = {name: pair[name] for name in ("source", "anchor", "document_id", "chunk_id")}
            rejected.append(Rejection(pair["imported_pair_id"], _REASONS[pair["barred"]], row=known))
        yield Batch("questions", rows, rejected)


def question_sources(context: Context) -> Iterator[Sources]:
    """All chunks in key order, batch by batch; those that came with the user's pairs are in neither list unless they are augmented."""
    fates = context.reader.query("question_sources", {"augment": context.settings.generate.augment_imported}).drop(
        "document_id", "position", "split"
    )
    for chunks in context.reader.batches("chunks", CHUNKS_A_BATCH, _CHUNK_COLUMNS):
        bounds = {"first": str(chunks["chunk_id"][0]), "last": str(chunks["chunk_id"][-1])}
        blocks = context.reader.query("question_blocks", bounds)
        known = chunks.join(fates, on="chunk_id", how="left", maintain_order="left")
        if blocks.height:
            known = known.join(blocks, on="chunk_id", how="left", maintain_order="left")
        else:
            known = known.with_columns(pl.lit(None).alias("blocks"))
        rows = known.to_dicts()
        yield Sources(
            tuple(passage_of(row) for row in rows if row["barred"] is None),
            tuple(_rejection(row) for row in rows if row["barred"] not in (None, _HAS_PAIRS)),
            len(rows),
        )


def _rejection(row: dict[str, Any]) -> Rejection:
    return Rejection(row["chunk_id"], _REASONS[row["barred"]], row={"document_id": row["document_id"], "text": row["text"]})


def passage_of(row: Mapping[str, Any]) -> Passage:
    """A joined row of `chunks` and `question_sources` as a passage."""
    blocks = tuple((block["kind"], block["start"], block["end"]) for block in row["blocks"] or ())
    return Passage(
        chunk_id=row["chunk_id"],
        text=row["text"],
        passage=row["passage"],
        heading_path=tuple(row["heading_path"]),
        tokens=row["tokens"],
        language=row["language"],
        split=row["split"],
        blocks=blocks,
        begins_section=row["begins_section"],
        heading_sections=row["heading_sections"],
        path_sections=row["path_sections"],
    )

"""In which order chunks ask a language model: one of each document first, so that what stops early has seen them all."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from curate.generate.passage import Passage
from curate.generate.prompted import question_request
from curate.generate.sources import passage_of
from curate.llm import Request
from curate.stage import Context

CHUNKS_A_PAGE = 512


def requests_in_turn(context: Context) -> Iterator[Request]:
    """The first attempt of every request that stage `generate` makes; the same for the same chunks and settings."""
    generate = context.settings.generate
    for passage in passages_in_turn(context):
        yield question_request(passage, most=generate.questions_per_chunk, seed=context.settings.seed)


def passages_in_turn(context: Context) -> Iterator[Passage]:
    """Every chunk that may give questions: one of each document, then a second of each, and so on; without its blocks."""
    fates = context.reader.query("question_sources", {"augment": context.settings.generate.augment_imported})
    if fates.is_empty():
        return
    # Ids are content hashes, so their order within a document is as good as drawn by lot, and stays when documents are added.
    turn = pl.col("chunk_id").rank("ordinal").over("document_id")
    asking = fates.filter(pl.col("barred").is_null()).with_columns(turn.alias("turn")).sort("turn", "chunk_id")
    for page in asking.iter_slices(CHUNKS_A_PAGE):
        texts = context.reader.query("question_texts", {"ids": page["chunk_id"].to_list()})
        for row in page.join(texts, on="chunk_id", how="inner", maintain_order="left").iter_rows(named=True):
            yield passage_of({**row, "blocks": None})

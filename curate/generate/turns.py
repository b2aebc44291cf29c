"""In which order chunks ask a language model: one of each document first, so that what stops early has seen them all."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from curate.generate.across import Group, across_request, chosen_pairs, groups_of
from curate.generate.brief import Brief, brief_of
from curate.generate.passage import Passage
from curate.generate.prompted import question_request
from curate.generate.sources import passage_of
from curate.llm import Request
from curate.stage import Context

CHUNKS_A_PAGE = 512


def requests_in_turn(context: Context, brief: Brief | None = None) -> Iterator[Request]:
    """The first attempt of every request that stage `generate` makes; the same for the same chunks and settings."""
    brief = brief or brief_of(context.settings)
    asking = chunks_that_ask(context)
    # Ids are content hashes, so their order within a document is as good as drawn by lot, and stays when documents are added.
    turn = pl.col("chunk_id").rank("ordinal").over("document_id")
    for passage in passages(context, asking.with_columns(turn.alias("turn")).sort("turn", "chunk_id")):
        yield question_request(passage, brief)
    for group in groups(context, asking, brief):
        yield across_request(group, brief)


def count_requests(context: Context, brief: Brief) -> int:
    """How many requests `requests_in_turn` gives, without making them."""
    asking = chunks_that_ask(context)
    return asking.height + len(chosen_pairs(asking, brief))


def chunks_that_ask(context: Context) -> pl.DataFrame:
    """Rows of `question_sources` for the chunks that may give questions."""
    fates = context.reader.query("question_sources", {"augment": context.settings.generate.augment_imported})
    return fates.filter(pl.col("barred").is_null())


def groups(context: Context, asking: pl.DataFrame, brief: Brief) -> Iterator[Group]:
    """Pairs of chunks that are asked about together, in a fixed order."""
    pairs = sorted(chosen_pairs(asking, brief))
    order = pl.DataFrame({"chunk_id": [chunk_id for pair in pairs for chunk_id in pair]}, schema={"chunk_id": pl.String})
    yield from groups_of(pairs, passages(context, order.join(asking, on="chunk_id", how="left", maintain_order="left")))


def passages(context: Context, rows: pl.DataFrame) -> Iterator[Passage]:
    """The passages of rows of `question_sources`, in their order, without their blocks."""
    for page in rows.iter_slices(CHUNKS_A_PAGE):
        texts = context.reader.query("question_texts", {"ids": page["chunk_id"].to_list()})
        for row in page.join(texts, on="chunk_id", how="inner", maintain_order="left").iter_rows(named=True):
            yield passage_of({**row, "blocks": None})

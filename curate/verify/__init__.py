"""Scores each candidate question against its chunk; decides nothing.

One row in: a question. One row out: its checks, one column a gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from curate.filter.gates import judge
from curate.stage import Batch, Context, Stage
from curate.verify.asked import Asked
from curate.verify.scoring import Scorer, check_questions, language_match, open_scorer

__all__ = ["STAGE", "language_match", "produce"]

Item = dict[str, Any]

QUESTIONS_AT_A_TIME = 512
_ABOUT_CHUNK = ("chunk_id", "text", "passage", "heading_path")


def produce(context: Context) -> Iterator[Batch]:
    """Index all chunks, then walk through them in order and score the questions of each batch of chunks."""
    with open_scorer(context) as scorer:
        if context.settings.llm.judge.model is None or not context.settings.filter.judge:
            for _, rows in _scored(context, scorer):
                yield Batch("checks", rows)
            return
        asked = Asked()
        for items, rows in _scored(context, scorer):
            asked.add(rows, [item for item, row in zip(items, rows, strict=True) if _is_judged(context, item, row)])
    for rows in asked.judged(context):
        yield Batch("checks", rows)


def _is_judged(context: Context, item: Item, row: Item) -> bool:
    """Whether the judge is asked: a question that fails another gate would be paid for in vain."""
    return item["origin"] in context.settings.verify.judged and judge({**item, **row}, context.settings.filter) is None


def _scored(context: Context, scorer: Scorer) -> Iterator[tuple[list[Item], list[Item]]]:
    """Questions with their checks, some hundred at a time."""
    total = context.reader.count("questions")
    done = 0
    waiting: list[list[Item]] = []

    def placed() -> Iterator[list[Item]]:
        for items in _items(context):
            waiting.append(items)
            yield scorer.placed(items)

    for rows in context.engine.map(check_questions, placed()):
        done += len(rows)
        context.progress(done, total)
        yield waiting.pop(0), rows


def _items(context: Context) -> Iterator[list[Item]]:
    """Questions with their chunk's texts. Ranges of chunk ids leave no gap, so a question without a chunk comes too."""
    after = ""
    for chunks in context.reader.batches("chunks", size=1024, columns=_ABOUT_CHUNK):
        upto = chunks["chunk_id"][-1]
        yield from _sliced(chunks, _questions(context, after, upto))
        after = upto
    yield from _sliced(None, _questions(context, after, "g"))


def _questions(context: Context, after: str, upto: str) -> pl.DataFrame:
    return context.reader.query("verify_questions", {"after": after, "upto": upto})


def _sliced(chunks: pl.DataFrame | None, questions: pl.DataFrame) -> Iterator[list[Item]]:
    texts = {} if chunks is None else {row["chunk_id"]: row for row in chunks.iter_rows(named=True)}
    for part in questions.iter_slices(QUESTIONS_AT_A_TIME):
        items = part.to_dicts()
        for item in items:
            chunk = texts.get(item["chunk_id"], _NO_CHUNK)
            item |= {"text": chunk["text"], "passage": chunk["passage"], "headings": "\n".join(chunk["heading_path"])}
        yield items


_NO_CHUNK: dict[str, Any] = {"text": "", "passage": "", "heading_path": ()}

STAGE = Stage(
    name="verify",
    reads=("questions", "chunks", "chunk_clusters"),
    writes=("checks",),
    produce=produce,
    settings=("verify",),
    # The judge is asked about what the other gates leave.
    settings_if={"llm.judge.model": ("llm.judge", "filter", "seed")},
    libraries=("numpy", "py3langid", "PyStemmer"),
    files=("prompts/judge.md", "sql/verify_questions.sql", "sql/verify_passages.sql"),
    conserves="questions",
)

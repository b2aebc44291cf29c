"""The questions of a build as cases for the judge, in the order in which it is asked about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import Any

import polars as pl

from curate.stage import Reader
from curate.verify.judge_prompt import Case, Shown
from schemas.tables import ORIGINS

QUESTIONS_A_PAGE = 512
FILES = ("sql/judge_questions.sql", "sql/judge_cases.sql")


def cases_of(reader: Reader, question_ids: Collection[str] | None = None, origins: Iterable[str] = ORIGINS) -> Iterator[Case]:
    """Cases of the questions with these ids (None: all) that are of these origins, page by page.

    One question of each document first, then a second of each …, so that what a budget pays for is spread over all documents. A question
    that needs several chunks comes with all of them, once for each of its rows that is asked for; the reader must know questions and chunks.
    """
    known = reader.query("judge_questions", {"origins": list(origins)})
    if question_ids is not None:
        known = known.join(pl.DataFrame({"question_id": list(question_ids)}, schema={"question_id": pl.String}), on="question_id")
    # Ids are content hashes, so their order within a document is as good as drawn by lot, and stays when documents are added.
    turn = pl.col("asked").rank("dense").over("document_id").alias("turn")
    for page in known.with_columns(turn).sort("turn", "asked", "question_id").iter_slices(QUESTIONS_A_PAGE):
        ids = page["question_id"].to_list()
        rows = reader.query("judge_cases", {"ids": ids}).iter_rows(named=True)
        found = {question_id: _case(list(parts)) for question_id, parts in groupby(rows, key=lambda row: row["question_id"])}
        yield from (found[question_id] for question_id in ids)


def _case(rows: list[dict[str, Any]]) -> Case:
    first = rows[0]
    # One language for all rows of a question, or they would be asked about apart.
    language = min(rows, key=lambda row: str(row["chunk_id"]))["language"]
    passages = tuple(Shown(row["chunk_id"], row["text"], tuple(row["heading_path"]), row["position"]) for row in rows)
    return Case(first["question_id"], first["question"], passages, first["document_id"], language)

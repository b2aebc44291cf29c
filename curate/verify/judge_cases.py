"""Questions that were written already as cases for the judge: what a plan counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from curate.stage import Reader
from curate.verify.judge_prompt import Case, Shown

QUESTIONS_A_PAGE = 512


def cases_of(reader: Reader, origins: Iterable[str]) -> Iterator[Case]:
    """Cases of all questions of these origins, page by page; the reader must know questions and chunks.

    A question that needs several chunks comes with all of them, once for each of its rows.
    """
    for page in reader.query("judge_questions", {"origins": list(origins)}).iter_slices(QUESTIONS_A_PAGE):
        rows = reader.query("judge_cases", {"ids": page["question_id"].to_list()}).iter_rows(named=True)
        yield from (_case(list(parts)) for _, parts in groupby(rows, key=lambda row: row["question_id"]))


def _case(rows: list[dict[str, Any]]) -> Case:
    first = rows[0]
    # One language for all rows of a question, or they would be asked about apart.
    language = min(rows, key=lambda row: str(row["chunk_id"]))["language"]
    passages = tuple(Shown(row["chunk_id"], row["text"], tuple(row["heading_path"]), row["position"]) for row in rows)
    return Case(first["question_id"], first["question"], passages, first["document_id"], language)

"""Checks that wait for the judge: scored first, joined with its verdicts when all are in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from curate.stage import Context
from curate.verify.judge_prompt import Case, Shown
from curate.verify.judging import in_turn, judge_rows
from schemas.tables import Checks, frame

Item = dict[str, Any]

_CASES_AT_A_TIME = 256


@dataclass
class Asked:
    """Scored rows as columns, which take a tenth of the memory of rows, and the questions to ask about, without their passages."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    cases: dict[str, Case] = field(default_factory=dict)
    """By question id, or by group id for a question of several chunks: it is asked about once."""
    members: dict[str, list[str]] = field(default_factory=dict)
    """The questions of each case."""
    needed: dict[str, int] = field(default_factory=dict)
    """How many chunks each case needs."""

    def add(self, rows: Sequence[Item], asked: Iterable[Item]) -> None:
        """Keep scored rows, and the items among them that the judge shall see."""
        self.frames.append(frame(Checks, rows))
        for item in asked:
            name = item["group_id"] or item["question_id"]
            case = self.cases.get(name)
            passages = (*(case.passages if case else ()), Shown(item["chunk_id"], ""))
            self.cases[name] = Case(name, item["question"], passages, item["document_id"])
            self.members.setdefault(name, []).append(item["question_id"])
            self.needed[name] = 1 + len(item["others"] or ())

    def judged(self, context: Context) -> Iterator[list[Item]]:
        """Ask about all of them, then give the rows back with what the judge said."""
        # A question of several chunks of which one has failed is lost, whatever the judge says.
        whole = {name: case for name, case in self.cases.items() if len(case.passages) == self.needed[name]}
        verdicts = judge_rows(context, _with_texts(context, in_turn(whole.values())), len(whole))
        named = {question_id: name for name in whole for question_id in self.members[name]}
        for part in self.frames:
            yield [
                {**row, **verdicts.columns(named[row["question_id"]])} if row["question_id"] in named else row
                for row in part.iter_rows(named=True)
            ]


def _with_texts(context: Context, cases: list[Case]) -> Iterator[Case]:
    """The cases with their passages, read some hundred at a time."""
    for start in range(0, len(cases), _CASES_AT_A_TIME):
        part = cases[start : start + _CASES_AT_A_TIME]
        ids = sorted({shown.chunk_id for case in part for shown in case.passages})
        chunks = {row["chunk_id"]: row for row in context.reader.query("verify_passages", {"ids": ids}).iter_rows(named=True)}
        for case in part:
            passages = tuple(_shown(chunks[shown.chunk_id]) for shown in case.passages)
            first = min(case.passages, key=lambda shown: shown.chunk_id)
            yield replace(case, passages=passages, language=chunks[first.chunk_id]["language"])


def _shown(chunk: Item) -> Shown:
    return Shown(chunk["chunk_id"], chunk["text"], tuple(chunk["heading_path"]), chunk["position"])

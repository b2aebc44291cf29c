"""The questions of a build that a person can label: what the gates say of each, a seeded sample, and what is shown of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from curate.filter.gates import judge, structural, verdicts
from curate.stage import content_id
from curate.store import Store, open_store
from pipelines.verdicts import filter_settings
from schemas.errors import SettingsError, StoreError
from schemas.reasons import Reason
from schemas.settings import FilterSettings
from schemas.tables import ORIGINS

Drawn = Literal["kept", "rejected", ""]
"""What the gates say of a question, whatever its label; empty where something else than its quality decides."""
BESIDE_OTHERS = frozenset({Reason.ANCHOR_AMBIGUOUS, Reason.QUESTION_NEAR_DUPLICATE, Reason.ANCHOR_IN_OTHER_SPLIT})
"""Reasons that speak of other questions, not of the quality of this one."""
ROWS_AT_A_TIME = 8192


@dataclass(frozen=True, slots=True)
class Question:
    """One question; with several `question_ids` where it needs several chunks, a row for each."""

    question_ids: tuple[str, ...]
    origin: str
    drawn: Drawn

    @property
    def key(self) -> str:
        """The id it goes by."""
        return self.question_ids[0]


@dataclass(frozen=True)
class Frame:
    """All questions of a build, and the settings that its stage `filter` ran with."""

    questions: dict[str, Question]
    settings: FilterSettings

    def of_row(self) -> dict[str, Question]:
        """Row's id → question."""
        return {name: question for question in self.questions.values() for name in question.question_ids}


@dataclass(frozen=True)
class Wanted:
    """Which questions to label: how many, of those the gates keep or reject, of which origin, drawn with which seed."""

    n: int = 50
    chosen_from: Literal["all", "kept", "rejected"] = "all"
    origin: str | None = None
    """None: those of a language model if there are any, else all."""
    seed: int = 0


@dataclass(frozen=True)
class Sample:
    """The questions drawn, in the order to show them; `sizes` and `taken` count kept and rejected ones in all and in the sample."""

    questions: tuple[Question, ...]
    origin: str
    sizes: dict[str, int]
    taken: dict[str, int]


@dataclass(frozen=True)
class Passage:
    """One chunk that a question was made from; `start` and `end` mark its evidence in `text` where it was found."""

    question_id: str
    chunk_id: str
    source: str
    heading_path: tuple[str, ...]
    text: str
    evidence: str | None
    start: int | None
    end: int | None


@dataclass(frozen=True)
class Card:
    """All that a person sees of a question, and what the gates say of it."""

    question: Question
    text: str
    style: str
    answer: str | None
    passages: tuple[Passage, ...]
    gates: tuple[tuple[Reason, bool | None, str], ...] = field(default=())
    """Each gate that applies: its reason, whether the question passes (None: cannot be told), and what fell short."""


def read_frame(folder: Path) -> Frame:
    """Judge every question of a build again, labels apart. Raises StoreError where stage filter has not run."""
    with open_store(folder, read_only=True) as store:
        settings = filter_settings(store)
        if settings is None:
            raise StoreError(
                "its questions were not filtered yet, or by an older version of curate",
                where=str(folder),
                next_step=f"run `curate build SOURCE --out {folder}`",
            )
        lost = {
            row["row_key"]
            for row in store.rows(
                "SELECT row_key FROM rejected WHERE stage = 'filter' AND reason IN $reasons", {"reasons": sorted(BESIDE_OTHERS)}
            )
        }
        groups: dict[str, list[tuple[str, str, Drawn]]] = {}
        for row in _pages(store):
            said = _said(row, settings, lost)
            groups.setdefault(row["group_id"] or row["question_id"], []).append((row["question_id"], row["origin"], said))
    made = (_question(rows) for rows in groups.values())
    return Frame({question.key: question for question in made}, settings)


def _said(row: dict[str, Any], settings: FilterSettings, lost: set[str]) -> Drawn:
    if structural(row, settings) is not None:
        return ""
    if judge(row, settings) is not None:
        return "rejected"
    return "" if row["question_id"] in lost else "kept"


def _question(rows: list[tuple[str, str, Drawn]]) -> Question:
    said = {drawn for _, _, drawn in rows}
    drawn: Drawn = "" if "" in said else "rejected" if "rejected" in said else "kept"
    return Question(tuple(name for name, _, _ in rows), rows[0][1], drawn)


def _pages(store: Store) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        rows = store.rows(_sql(), {"after": after, "size": ROWS_AT_A_TIME})
        yield from rows
        if len(rows) < ROWS_AT_A_TIME:
            return
        after = rows[-1]["question_id"]


def _sql() -> str:
    return files("curate").joinpath("sql", "filter_questions.sql").read_text(encoding="utf-8")


def draw(frame: Frame, wanted: Wanted) -> Sample:
    """A seeded sample: with `all`, half of it kept by the gates and half rejected, as far as there are any.

    It depends on the build and on `wanted` alone, not on what is labelled already, and a larger `n` adds to it. The order in which it is
    shown tells nothing of the gates. Raises SettingsError on an origin that is none.
    """
    if wanted.origin not in (None, "all", *ORIGINS):
        raise SettingsError(f"no origin {wanted.origin!r}", where="--origin", next_step=f"one of all, {', '.join(ORIGINS)}")
    there = [question for question in frame.questions.values() if question.drawn]
    origin = wanted.origin or ("llm" if any(question.origin == "llm" for question in there) else "all")
    of_origin = [question for question in there if origin in ("all", question.origin)]
    parts = {name: [question for question in of_origin if question.drawn == name] for name in ("kept", "rejected")}
    taken = _shares(wanted, {name: len(part) for name, part in parts.items()})
    chosen = [question for name, part in parts.items() for question in _ordered(part, f"{wanted.seed}")[: taken[name]]]
    return Sample(
        tuple(_ordered(chosen, f"{wanted.seed} shown")), origin, {name: len(part) for name, part in parts.items()}, taken
    )


def _shares(wanted: Wanted, sizes: dict[str, int]) -> dict[str, int]:
    if wanted.chosen_from != "all":
        return {name: min(wanted.n, size) if name == wanted.chosen_from else 0 for name, size in sizes.items()}
    rejected = min(sizes["rejected"], wanted.n // 2)
    kept = min(sizes["kept"], wanted.n - rejected)
    return {"kept": kept, "rejected": min(sizes["rejected"], wanted.n - kept)}


def _ordered(questions: Iterable[Question], seed: str) -> list[Question]:
    return sorted(questions, key=lambda question: content_id("label", seed, question.key))


def read_cards(folder: Path, frame: Frame, questions: Iterable[Question]) -> list[Card]:
    """What is to be shown of questions, in their order."""
    wanted = list(questions)
    names = [name for question in wanted for name in question.question_ids]
    with open_store(folder, read_only=True) as store:
        rows = _by_id(store, _SHOWN, {"ids": names})
        # As a stage's rows: one SELECT around the stage's own.
        judged = _by_id(
            store,
            f"SELECT * FROM ({_sql()}) WHERE question_id IN $ids",  # noqa: S608
            {"ids": names, "after": "", "size": 2**40},
        )
    return [_card(question, [rows[name] for name in question.question_ids], judged, frame.settings) for question in wanted]


_SHOWN = """
SELECT q.question_id, q.question, q.style, q.answer, q.evidence, q.chunk_id, k.evidence_start, k.evidence_end, c.text, c.heading_path, d.source
FROM questions AS q
LEFT JOIN checks AS k ON k.question_id = q.question_id
LEFT JOIN chunks AS c ON c.chunk_id = q.chunk_id
LEFT JOIN documents AS d ON d.document_id = c.document_id
WHERE q.question_id IN $ids
"""


def _by_id(store: Store, sql: str, parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["question_id"]: row for row in store.rows(sql, parameters)}


def _card(question: Question, rows: list[dict[str, Any]], judged: dict[str, dict[str, Any]], settings: FilterSettings) -> Card:
    first = rows[0]
    return Card(
        question,
        first["question"],
        first["style"],
        first["answer"],
        tuple(_passage(row) for row in rows),
        _gates([judged[row["question_id"]] for row in rows], settings),
    )


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(
        question_id=row["question_id"],
        chunk_id=row["chunk_id"],
        source=row["source"] or "",
        heading_path=tuple(row["heading_path"] or ()),
        text=row["text"] or "",
        evidence=row["evidence"],
        start=row["evidence_start"],
        end=row["evidence_end"],
    )


def _gates(rows: list[dict[str, Any]], settings: FilterSettings) -> tuple[tuple[Reason, bool | None, str], ...]:
    """Over all rows of a question: it fails a gate with one of them, and passes with all that the gate applies to."""
    found: dict[Reason, tuple[bool | None, str]] = {}
    for row in rows:
        for verdict in verdicts(row, settings):
            passed, detail = found.get(verdict.reason, (True, ""))
            if passed is False or (passed is None and verdict.passed is not False):
                continue
            found[verdict.reason] = (verdict.passed, "" if verdict.passed else verdict.detail or detail)
    return tuple((reason, passed, detail) for reason, (passed, detail) in found.items())

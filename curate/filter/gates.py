"""The gates that look at one question: a fixed order, thresholds from the settings, the first that fails gives the reason.

What the user brought is trusted further than what a machine wrote. Imported anchors need not read as questions and may speak of
"this". Where the user's row carries a score or a label, or is no positive, its passage is a sentence beside a sentence (STS, NLI), so minimum
lengths and verbatim copies mean nothing. Sentences of the passage itself are verbatim on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from curate.stage import Rejection
from schemas.reasons import Reason
from schemas.settings import FilterSettings
from schemas.tables import SPLITS

Row = Mapping[str, Any]
Gate = Callable[[Row, FilterSettings], str | None]
"""The detail of a failure ("2 words < 3"), or None."""

_NO_QUESTION_BY_DESIGN = ("sentence", "heading", "terms")


class _Unknown(Exception):  # noqa: N818 (an answer, not a fault)
    """The check this gate needs is null."""


def judge(row: Row, settings: FilterSettings) -> Rejection | None:
    """The first gate this question fails, as a rejection, or None if it passes them all.

    `row` is a question with its checks and its chunk's split. A gate whose score is missing quarantines the question as unknown.
    """
    for reason, gate in _GATES:
        try:
            detail = gate(row, settings)
        except _Unknown as unknown:
            return Rejection(row["question_id"], Reason.CHECK_UNKNOWN, f"{unknown} is missing", shown(row), "quarantined")
        if detail is not None:
            return Rejection(row["question_id"], reason, detail, shown(row))
    return None


def shown(row: Row) -> dict[str, Any]:
    """What `rejected` keeps of a question."""
    return {name: row[name] for name in ("question", "chunk_id", "style", "origin", "model", "imported_pair_id")}


def is_measured(row: Row) -> bool:
    """Whether the user's row is about the pair of texts (scored, labelled, or no positive) and not only a question with its answer."""
    if row["origin"] != "imported":
        return False
    return row["score"] is not None or row["label"] is not None or not row["is_positive"]


def _known(row: Row, check: str) -> Any:
    if row[check] is None:
        raise _Unknown(check)
    return row[check]


def _chunk_missing(row: Row, _: FilterSettings) -> str | None:
    return "its chunk is not among the chunks" if row["split"] is None else None


def _in_gap(row: Row, _: FilterSettings) -> str | None:
    return None if row["split"] in SPLITS else "its chunk lies in the gap"


def _copy_elsewhere(row: Row, _: FilterSettings) -> str | None:
    if row["home_split"] in (None, row["split"]):
        return None
    return f"near-copies of its chunk are used in {row['home_split']}"


def _question_too_short(row: Row, settings: FilterSettings) -> str | None:
    if is_measured(row):
        return None
    count = _known(row, "question_words")
    return f"{_words(count)} < {settings.min_question_words}" if count < settings.min_question_words else None


def _question_too_long(row: Row, settings: FilterSettings) -> str | None:
    if row["style"] == "sentence":
        return None
    count = _known(row, "question_words")
    return f"{_words(count)} > {settings.max_question_words}" if count > settings.max_question_words else None


def _passage_too_short(row: Row, settings: FilterSettings) -> str | None:
    if is_measured(row):
        return None
    count = _known(row, "passage_words")
    return f"{_words(count)} < {settings.min_passage_words}" if count < settings.min_passage_words else None


def _malformed(row: Row, settings: FilterSettings) -> str | None:
    if not settings.question_form or row["origin"] == "imported" or row["style"] in _NO_QUESTION_BY_DESIGN:
        return None
    return None if _known(row, "question_form") else "neither a question nor a query"


def _context_bound(row: Row, settings: FilterSettings) -> str | None:
    if not settings.context_bound or row["origin"] == "imported":
        return None
    _known(row, "question_form")  # null only when the whole row of checks is missing; a null wording means there is none
    wording = row["context_bound"]
    return None if wording is None else f'"{wording}"'


def _too_vague(row: Row, settings: FilterSettings) -> str | None:
    # What the text itself says of its subject ("What is FastAPI?") and what the user asked may be general; a model's small talk may not.
    if row["origin"] != "llm":
        return None
    count = _known(row, "specific_words")
    return f"{_words(count)} of its own < {settings.min_specific_words}" if count < settings.min_specific_words else None


def _verbatim(row: Row, settings: FilterSettings) -> str | None:
    if row["train_only"]:
        return None if row["split"] == "train" else f"verbatim by design, so no {row['split']} query"
    if not settings.verbatim or row["style"] == "sentence" or is_measured(row):
        return None
    return "stands in the passage" if _known(row, "verbatim") else None


def _evidence_missing(row: Row, settings: FilterSettings) -> str | None:
    if not settings.evidence or row["evidence"] is None:
        return None
    return None if _known(row, "evidence_found") else "the quote is not in the chunk"


def _evidence_too_short(row: Row, settings: FilterSettings) -> str | None:
    if not settings.evidence or row["evidence"] is None:
        return None
    count = _known(row, "evidence_words")
    return f"{_words(count)} < {settings.min_evidence_words}" if count < settings.min_evidence_words else None


def _other_language(row: Row, settings: FilterSettings) -> str | None:
    # Null means the question is too short to tell: the rule does not apply.
    return "the languages differ" if settings.language and row["language_match"] is False else None


def _unrelated(row: Row, settings: FilterSettings) -> str | None:
    # Never by rank outside train: dev and test would keep only what BM25 finds already.
    if row["origin"] == "imported" or row["split"] != "train" or _known(row, "word_overlap") > 0:
        return None
    rank = row["bm25_rank"]
    if rank is not None and rank <= settings.max_rank:
        return None
    return f"overlap 0, rank {'not found' if rank is None else rank} > {settings.max_rank}"


def _words(count: int) -> str:
    return f"{count} word" if count == 1 else f"{count} words"


_GATES: tuple[tuple[Reason, Gate], ...] = (
    (Reason.CHUNK_REJECTED, _chunk_missing),
    (Reason.CHUNK_IN_SPLIT_GAP, _in_gap),
    (Reason.CHUNK_COPY_IN_OTHER_SPLIT, _copy_elsewhere),
    (Reason.QUESTION_TOO_SHORT, _question_too_short),
    (Reason.QUESTION_TOO_LONG, _question_too_long),
    (Reason.PASSAGE_TOO_SHORT, _passage_too_short),
    (Reason.QUESTION_MALFORMED, _malformed),
    (Reason.QUESTION_NOT_SELF_CONTAINED, _context_bound),
    (Reason.QUESTION_TOO_VAGUE, _too_vague),
    (Reason.QUESTION_VERBATIM, _verbatim),
    (Reason.EVIDENCE_NOT_IN_CHUNK, _evidence_missing),
    (Reason.EVIDENCE_TOO_SHORT, _evidence_too_short),
    (Reason.QUESTION_IN_OTHER_LANGUAGE, _other_language),
    (Reason.QUESTION_UNRELATED, _unrelated),
)

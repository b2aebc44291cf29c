"""The gates that look at one question: a fixed order, thresholds from the settings, the first that fails gives the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curate.filter.form import FORM
from curate.filter.leaks import LEAKS
from curate.filter.models import JUDGE_STATES, MODELS
from curate.filter.outcome import Gates, Row
from curate.filter.searches import SEARCHES
from curate.filter.support import SUPPORT
from curate.stage import Rejection
from schemas.reasons import Reason
from schemas.settings import FilterSettings


@dataclass(frozen=True)
class GateVerdict:
    """One gate's outcome under the name of the reason it gives."""

    reason: Reason
    score: Any
    threshold: Any
    passed: bool | None
    detail: str


def judge(row: Row, settings: FilterSettings) -> Rejection | None:
    """The first gate this question fails, as a rejection, or None if it passes them all.

    `row` is a question with its checks and its chunk's split. A gate whose score is missing quarantines the question as unknown.
    """
    return next((_rejection(row, verdict) for verdict in verdicts(row, settings) if not verdict.passed), None)


def verdicts(row: Row, settings: FilterSettings) -> Iterator[GateVerdict]:
    """What each gate that applies says of a question, in their order."""
    for reason, gate in _GATES:
        outcome = gate(row, settings)
        if outcome is not None:
            yield GateVerdict(reason, outcome.score, outcome.threshold, outcome.passed, outcome.detail)


def structural(row: Row, settings: FilterSettings) -> Rejection | None:
    """The first gate against leaks that this question fails: nobody's approval lifts these."""
    failed = (verdict for verdict in verdicts(row, settings) if verdict.reason in STRUCTURAL and not verdict.passed)
    verbatim = row["train_only"] and row["split"] != "train"
    return next((_rejection(row, verdict) for verdict in failed if verdict.reason != Reason.QUESTION_VERBATIM or verbatim), None)


def _rejection(row: Row, verdict: GateVerdict) -> Rejection:
    if verdict.reason in JUDGE_STATES.values():
        return Rejection(row["question_id"], verdict.reason, verdict.detail, shown(row), "quarantined")
    if verdict.passed is None:
        return Rejection(row["question_id"], Reason.CHECK_UNKNOWN, verdict.detail, shown(row), "quarantined")
    return Rejection(row["question_id"], verdict.reason, verdict.detail, shown(row))


def shown(row: Row) -> dict[str, Any]:
    """What `rejected` keeps of a question."""
    return {name: row[name] for name in ("question", "chunk_id", "style", "origin", "model", "imported_pair_id")}


_GATES: Gates = (*LEAKS, *FORM, *SUPPORT, *SEARCHES, *MODELS)
GATES: tuple[Reason, ...] = tuple(reason for reason, _ in _GATES)
"""The reasons of all gates, in their order."""
STRUCTURAL = frozenset(
    (Reason.CHUNK_REJECTED, Reason.CHUNK_IN_SPLIT_GAP, Reason.CHUNK_COPY_IN_OTHER_SPLIT, Reason.QUESTION_VERBATIM)
)
"""Gates that keep splits apart."""

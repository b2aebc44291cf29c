"""Gates on what models say: the checker's score, the fitted decision, the judge's word."""

from __future__ import annotations

from curate.filter.combined import probability
from curate.filter.exemptions import looked_at, weighed_together
from curate.filter.outcome import Gate, Gates, Outcome, Row, at_least, unknown
from schemas.reasons import Reason
from schemas.settings import FilterSettings

JUDGE_STATES = {
    "unknown": Reason.JUDGE_UNKNOWN,
    "missing": Reason.JUDGE_MISSING,
    "not_asked": Reason.JUDGE_NOT_ASKED,
}
"""What is no word of the judge → why the question waits."""


def _checker_low(row: Row, settings: FilterSettings) -> Outcome | None:
    if settings.min_checker_score is None or not looked_at(row, True) or weighed_together(row, settings):
        return None
    return at_least(row, "checker_score", settings.min_checker_score)


def _combined_low(row: Row, settings: FilterSettings) -> Outcome | None:
    combiner = settings.combiner if row["split"] == "train" else settings.combiner_no_search
    if combiner is None or not weighed_together(row, settings):
        return None
    score = probability(row, combiner)
    if score is None:
        return unknown("a score of the fitted decision")
    return Outcome(score >= combiner.threshold, score, combiner.threshold, f"{score} < {combiner.threshold}")


def _judge_state(state: str) -> Gate:
    def gate(row: Row, settings: FilterSettings) -> Outcome | None:
        if not settings.judge or row["judge"] != state:
            return None
        return Outcome(None, state, "yes", row["judge_note"] or "")

    return gate


def _judge_no(row: Row, settings: FilterSettings) -> Outcome | None:
    # Null: the judge was not asked about it, as there is none, or for questions of this origin.
    if not settings.judge or row["judge"] not in ("yes", "no"):
        return None
    failed = ", ".join(f"not {name}" for name in row["judge_failed"] or ())
    return Outcome(row["judge"] == "yes", row["judge"], "yes", failed)


MODELS: Gates = (
    (Reason.CHECKER_SCORE_LOW, _checker_low),
    (Reason.COMBINED_SCORE_LOW, _combined_low),
    *((reason, _judge_state(state)) for state, reason in JUDGE_STATES.items()),
    (Reason.JUDGE_SAID_NO, _judge_no),
)

"""Gates on what the chunk says: numbers, names, negations and answers that it does not hold."""

from __future__ import annotations

from curate.filter.exemptions import looked_at
from curate.filter.outcome import Gates, Outcome, Row, at_least, unknown
from schemas.reasons import Reason
from schemas.settings import FilterSettings


def _unsupported(row: Row, check: str) -> Outcome:
    found = row[check]
    return unknown(check) if found is None else Outcome(not len(found), list(found), [], ", ".join(found))


def _number_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    return _unsupported(row, "unsupported_numbers") if looked_at(row, settings.numbers) else None


def _name_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    return _unsupported(row, "unsupported_names") if looked_at(row, settings.names) else None


def _negation_differs(row: Row, settings: FilterSettings) -> Outcome | None:
    # Null means there is no evidence in the chunk to compare with, which is another gate's matter.
    if not looked_at(row, settings.negation) or row["negation_differs"] is None:
        return None
    return Outcome(not row["negation_differs"], row["negation_differs"], False, "its evidence says the opposite")


def _answer_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    if not looked_at(row, settings.min_answer_overlap > 0) or row["answer"] is None:
        return None
    return at_least(row, "answer_overlap", settings.min_answer_overlap)


SUPPORT: Gates = (
    (Reason.NUMBER_NOT_IN_CHUNK, _number_missing),
    (Reason.NAME_NOT_IN_CHUNK, _name_missing),
    (Reason.NEGATION_DIFFERS, _negation_differs),
    (Reason.ANSWER_NOT_IN_CHUNK, _answer_missing),
)

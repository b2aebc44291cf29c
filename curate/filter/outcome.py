"""What a gate gets and what it gives: a question with its checks in, an outcome out, or none where it does not apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.reasons import Reason
from schemas.settings import FilterSettings

Row = Mapping[str, Any]
"""A question with its checks and its chunk's split."""


@dataclass(frozen=True)
class Outcome:
    """What one gate says of one question. `passed` is None when its score is missing: it cannot decide."""

    passed: bool | None
    score: Any = None
    threshold: Any = None
    detail: str = ""
    """What fell short ("2 words < 3"), for a question that did not pass."""


Gate = Callable[[Row, FilterSettings], Outcome | None]
"""None where the gate does not apply to the question, or is switched off."""
Gates = tuple[tuple[Reason, Gate], ...]
"""Gates in their order, each under the reason that it gives."""


def unknown(check: str) -> Outcome:
    """The outcome where a score is missing."""
    return Outcome(None, detail=f"{check} is missing")


def at_least(row: Row, check: str, least: float, unit: Callable[[Any], str] = str) -> Outcome:
    """Passed from `least` on; `unit` words the score."""
    score = row[check]
    if score is None:
        return unknown(check)
    return Outcome(score >= least, score, least, f"{unit(score)} < {least}")


def is_as_wanted(row: Row, check: str, wanted: bool, detail: str) -> Outcome:
    """Passed where a score that is true or false is what is wanted."""
    return unknown(check) if row[check] is None else Outcome(row[check] is wanted, row[check], wanted, detail)


def as_words(count: int) -> str:
    """ "1 word", "2 words"."""
    return f"{count} word" if count == 1 else f"{count} words"

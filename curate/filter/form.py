"""Gates on form: length, wording, and whether the quoted evidence stands in the chunk."""

from __future__ import annotations

from curate.filter.exemptions import is_measured
from curate.filter.outcome import Gates, Outcome, Row, as_words, at_least, is_as_wanted, unknown
from schemas.reasons import Reason
from schemas.settings import FilterSettings

_NO_QUESTION_BY_DESIGN = ("sentence", "heading", "terms")


def _question_too_short(row: Row, settings: FilterSettings) -> Outcome | None:
    return None if is_measured(row) else at_least(row, "question_words", settings.min_question_words, as_words)


def _question_too_long(row: Row, settings: FilterSettings) -> Outcome | None:
    if row["style"] == "sentence":
        return None
    count, most = row["question_words"], settings.max_question_words
    return unknown("question_words") if count is None else Outcome(count <= most, count, most, f"{as_words(count)} > {most}")


def _passage_too_short(row: Row, settings: FilterSettings) -> Outcome | None:
    return None if is_measured(row) else at_least(row, "passage_words", settings.min_passage_words, as_words)


def _malformed(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.question_form or row["origin"] == "imported" or row["style"] in _NO_QUESTION_BY_DESIGN:
        return None
    return is_as_wanted(row, "question_form", True, "neither a question nor a query")


def _context_bound(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.context_bound or row["origin"] == "imported":
        return None
    if row["question_form"] is None:  # the whole row of checks is missing; a null wording means there is none
        return unknown("question_form")
    wording = row["context_bound"]
    return Outcome(wording is None, wording, None, f'"{wording}"')


def _too_vague(row: Row, settings: FilterSettings) -> Outcome | None:
    # What the text itself says of its subject ("What is FastAPI?") and what the user asked may be general; a model's small talk may not.
    if row["origin"] != "llm":
        return None
    return at_least(row, "specific_words", settings.min_specific_words, lambda count: f"{as_words(count)} of its own")


def _verbatim(row: Row, settings: FilterSettings) -> Outcome | None:
    if row["train_only"]:
        return Outcome(row["split"] == "train", row["split"], "train", f"verbatim by design, so no {row['split']} query")
    if not settings.verbatim or row["style"] == "sentence" or is_measured(row):
        return None
    return is_as_wanted(row, "verbatim", False, "stands in the passage")


def _evidence_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.evidence or row["evidence"] is None:
        return None
    if row["answered_under_heading"]:
        return Outcome(True, row["evidence_found"], True, "")
    return is_as_wanted(row, "evidence_found", True, "the quote is not in the chunk")


def _evidence_too_short(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.evidence or row["evidence"] is None:
        return None
    if row["answered_under_heading"]:
        return Outcome(True, row["evidence_words"], settings.min_evidence_words, "")
    return at_least(row, "evidence_words", settings.min_evidence_words, as_words)


def _other_language(row: Row, settings: FilterSettings) -> Outcome | None:
    # Null means the question is too short to tell: the rule does not apply.
    if not settings.language or row["language_match"] is None:
        return None
    return Outcome(row["language_match"], row["language_match"], True, "the languages differ")


FORM: Gates = (
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
)

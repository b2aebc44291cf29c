"""The gates that look at one question: a fixed order, thresholds from the settings, the first that fails gives the reason.

What the user brought is trusted further than what a machine wrote. Imported anchors need not read as questions and may speak of
"this", and nobody asks whether they are true of their passage. Where the user's row carries a score or a label, or is no positive, its passage is a
sentence beside a sentence (STS, NLI), so minimum lengths and verbatim copies mean nothing. Sentences of the passage itself are verbatim on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from curate.filter.combined import probability
from curate.stage import Rejection
from schemas.reasons import Reason
from schemas.settings import FilterSettings
from schemas.tables import SPLITS

Row = Mapping[str, Any]

_NO_QUESTION_BY_DESIGN = ("sentence", "heading", "terms")


@dataclass(frozen=True)
class Outcome:
    """What one gate says of one question. `passed` is None when its score is missing: it cannot decide."""

    passed: bool | None
    score: Any = None
    threshold: Any = None
    detail: str = ""
    """What fell short ("2 words < 3"), for a question that did not pass."""


@dataclass(frozen=True)
class GateVerdict:
    """One gate's outcome under the name of the reason it gives."""

    reason: Reason
    score: Any
    threshold: Any
    passed: bool | None
    detail: str


Gate = Callable[[Row, FilterSettings], Outcome | None]
"""None where the gate does not apply to the question, or is switched off."""


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
    if verdict.reason in _JUDGE_STATES.values():
        return Rejection(row["question_id"], verdict.reason, verdict.detail, shown(row), "quarantined")
    if verdict.passed is None:
        return Rejection(row["question_id"], Reason.CHECK_UNKNOWN, verdict.detail, shown(row), "quarantined")
    return Rejection(row["question_id"], verdict.reason, verdict.detail, shown(row))


def shown(row: Row) -> dict[str, Any]:
    """What `rejected` keeps of a question."""
    return {name: row[name] for name in ("question", "chunk_id", "style", "origin", "model", "imported_pair_id")}


def is_measured(row: Row) -> bool:
    """Whether the user's row is about the pair of texts (scored, labelled, or no positive) and not only a question with its answer."""
    if row["origin"] != "imported":
        return False
    return row["score"] is not None or row["label"] is not None or not row["is_positive"]


def _unknown(check: str) -> Outcome:
    return Outcome(None, detail=f"{check} is missing")


def _at_least(row: Row, check: str, least: float, unit: Callable[[Any], str] = str) -> Outcome:
    score = row[check]
    if score is None:
        return _unknown(check)
    return Outcome(score >= least, score, least, f"{unit(score)} < {least}")


def _true(row: Row, check: str, wanted: bool, detail: str) -> Outcome:
    return _unknown(check) if row[check] is None else Outcome(row[check] is wanted, row[check], wanted, detail)


def _words(count: int) -> str:
    return f"{count} word" if count == 1 else f"{count} words"


# Against leaks


def _chunk_missing(row: Row, _: FilterSettings) -> Outcome | None:
    return Outcome(row["split"] is not None, detail="its chunk is not among the chunks")


def _in_gap(row: Row, _: FilterSettings) -> Outcome | None:
    return Outcome(row["split"] in SPLITS, row["split"], detail="its chunk lies in the gap")


def _copy_elsewhere(row: Row, _: FilterSettings) -> Outcome | None:
    home = row["home_split"]
    return Outcome(home in (None, row["split"]), home, row["split"], f"near-copies of its chunk are used in {home}")


# Form


def _question_too_short(row: Row, settings: FilterSettings) -> Outcome | None:
    return None if is_measured(row) else _at_least(row, "question_words", settings.min_question_words, _words)


def _question_too_long(row: Row, settings: FilterSettings) -> Outcome | None:
    if row["style"] == "sentence":
        return None
    count, most = row["question_words"], settings.max_question_words
    return _unknown("question_words") if count is None else Outcome(count <= most, count, most, f"{_words(count)} > {most}")


def _passage_too_short(row: Row, settings: FilterSettings) -> Outcome | None:
    return None if is_measured(row) else _at_least(row, "passage_words", settings.min_passage_words, _words)


def _malformed(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.question_form or row["origin"] == "imported" or row["style"] in _NO_QUESTION_BY_DESIGN:
        return None
    return _true(row, "question_form", True, "neither a question nor a query")


def _context_bound(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.context_bound or row["origin"] == "imported":
        return None
    if row["question_form"] is None:  # the whole row of checks is missing; a null wording means there is none
        return _unknown("question_form")
    wording = row["context_bound"]
    return Outcome(wording is None, wording, None, f'"{wording}"')


def _too_vague(row: Row, settings: FilterSettings) -> Outcome | None:
    # What the text itself says of its subject ("What is FastAPI?") and what the user asked may be general; a model's small talk may not.
    if row["origin"] != "llm":
        return None
    return _at_least(row, "specific_words", settings.min_specific_words, lambda count: f"{_words(count)} of its own")


def _verbatim(row: Row, settings: FilterSettings) -> Outcome | None:
    if row["train_only"]:
        return Outcome(row["split"] == "train", row["split"], "train", f"verbatim by design, so no {row['split']} query")
    if not settings.verbatim or row["style"] == "sentence" or is_measured(row):
        return None
    return _true(row, "verbatim", False, "stands in the passage")


def _evidence_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.evidence or row["evidence"] is None:
        return None
    if row["answered_under_heading"]:
        return Outcome(True, row["evidence_found"], True, "")
    return _true(row, "evidence_found", True, "the quote is not in the chunk")


def _evidence_too_short(row: Row, settings: FilterSettings) -> Outcome | None:
    if not settings.evidence or row["evidence"] is None:
        return None
    if row["answered_under_heading"]:
        return Outcome(True, row["evidence_words"], settings.min_evidence_words, "")
    return _at_least(row, "evidence_words", settings.min_evidence_words, _words)


def _other_language(row: Row, settings: FilterSettings) -> Outcome | None:
    # Null means the question is too short to tell: the rule does not apply.
    if not settings.language or row["language_match"] is None:
        return None
    return Outcome(row["language_match"], row["language_match"], True, "the languages differ")


# Is it true of the passage?


def _weighed_together(row: Row, settings: FilterSettings) -> bool:
    """Whether the fitted decision stands for the thresholds on searches and the checker: it was fitted on a language model's questions."""
    return settings.decision == "fitted" and row["origin"] == "llm"


def _looked_at(row: Row, on: bool) -> bool:
    return on and row["origin"] != "imported"


def _unsupported(row: Row, check: str) -> Outcome:
    found = row[check]
    return _unknown(check) if found is None else Outcome(not len(found), list(found), [], ", ".join(found))


def _number_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    return _unsupported(row, "unsupported_numbers") if _looked_at(row, settings.numbers) else None


def _name_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    return _unsupported(row, "unsupported_names") if _looked_at(row, settings.names) else None


def _negation_differs(row: Row, settings: FilterSettings) -> Outcome | None:
    # Null means there is no evidence in the chunk to compare with, which is another gate's matter.
    if not _looked_at(row, settings.negation) or row["negation_differs"] is None:
        return None
    return Outcome(not row["negation_differs"], row["negation_differs"], False, "its evidence says the opposite")


def _answer_missing(row: Row, settings: FilterSettings) -> Outcome | None:
    if not _looked_at(row, settings.min_answer_overlap > 0) or row["answer"] is None:
        return None
    return _at_least(row, "answer_overlap", settings.min_answer_overlap)


def _searched(row: Row, settings: FilterSettings, on: bool) -> bool:
    # Never outside train: dev and test would keep only what these searches find already.
    return _looked_at(row, on) and row["split"] == "train" and not _weighed_together(row, settings)


def _not_found(row: Row, settings: FilterSettings) -> Outcome | None:
    most = settings.max_round_trip_rank
    if most is None or not _searched(row, settings, True):
        return None
    ranks = [rank for rank in (row["bm25_rank"], row["dense_rank"]) if rank is not None]
    best = min(ranks, default=None)
    return Outcome(best is not None and best <= most, best, most, f"rank {'not found' if best is None else best} > {most}")


def _other_fits_better(row: Row, settings: FilterSettings) -> Outcome | None:
    limits = {"bm25_margin": settings.min_bm25_margin, "dense_margin": settings.min_dense_margin}
    wanted = {check: least for check, least in limits.items() if least is not None}
    if not wanted or not _searched(row, settings, True):
        return None
    short = {check: least for check, least in wanted.items() if row[check] is not None and row[check] < least}
    scores = {check: row[check] for check in wanted}
    known = [check for check in wanted if row[check] is not None]
    # The dense model's first place outweighs BM25; a margin that nothing could be said of does not count.
    failed = bool(known) and len(short) == len(known) and not (list(short) == ["bm25_margin"] and row["dense_rank"] == 1)
    return Outcome(not failed, scores, wanted, ", ".join(f"{check} {row[check]} < {least}" for check, least in short.items()))


def _other_answers(row: Row, settings: FilterSettings) -> Outcome | None:
    least, margin = settings.min_bm25_answer_margin, row["bm25_answer_margin"]
    if least is None or margin is None or not _searched(row, settings, True):
        return None
    return Outcome(margin >= least or row["dense_rank"] == 1, margin, least, f"{margin} < {least}")


def _too_easy(row: Row, settings: FilterSettings) -> Outcome | None:
    most, margin = settings.max_margin, row["bm25_margin"]
    if most is None or margin is None or not _searched(row, settings, True):
        return None
    return Outcome(margin <= most, margin, most, f"{margin} > {most}")


_FOUND_DENSE = 10
"""An embedding model ranks every chunk, so a rank means something only near the top: the ten results of a search."""


def _unrelated(row: Row, settings: FilterSettings) -> Outcome | None:
    if not _searched(row, settings, True):
        return None
    overlap, rank, dense = row["word_overlap"], row["bm25_rank"], row["dense_rank"]
    if overlap is None:
        return _unknown("word_overlap")
    found = (rank is not None and rank <= settings.max_rank) or (dense is not None and dense <= _FOUND_DENSE)
    detail = f"overlap 0, rank {'not found' if rank is None else rank} > {settings.max_rank}"
    return Outcome(overlap > 0 or found, overlap, settings.max_rank, detail)


def _checker_low(row: Row, settings: FilterSettings) -> Outcome | None:
    if settings.min_checker_score is None or not _looked_at(row, True) or _weighed_together(row, settings):
        return None
    return _at_least(row, "checker_score", settings.min_checker_score)


def _combined_low(row: Row, settings: FilterSettings) -> Outcome | None:
    combiner = settings.combiner if row["split"] == "train" else settings.combiner_no_search
    if combiner is None or not _weighed_together(row, settings):
        return None
    score = probability(row, combiner)
    if score is None:
        return _unknown("a score of the fitted decision")
    return Outcome(score >= combiner.threshold, score, combiner.threshold, f"{score} < {combiner.threshold}")


# The judge

_JUDGE_STATES = {
    "unknown": Reason.JUDGE_UNKNOWN,
    "missing": Reason.JUDGE_MISSING,
    "not_asked": Reason.JUDGE_NOT_ASKED,
}


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
    (Reason.NUMBER_NOT_IN_CHUNK, _number_missing),
    (Reason.NAME_NOT_IN_CHUNK, _name_missing),
    (Reason.NEGATION_DIFFERS, _negation_differs),
    (Reason.ANSWER_NOT_IN_CHUNK, _answer_missing),
    (Reason.QUESTION_UNRELATED, _unrelated),
    (Reason.PASSAGE_NOT_FOUND, _not_found),
    (Reason.OTHER_PASSAGE_FITS_BETTER, _other_fits_better),
    (Reason.OTHER_PASSAGE_ANSWERS, _other_answers),
    (Reason.QUESTION_TOO_EASY, _too_easy),
    (Reason.CHECKER_SCORE_LOW, _checker_low),
    (Reason.COMBINED_SCORE_LOW, _combined_low),
    *((reason, _judge_state(state)) for state, reason in _JUDGE_STATES.items()),
    (Reason.JUDGE_SAID_NO, _judge_no),
)
GATES: tuple[Reason, ...] = tuple(reason for reason, _ in _GATES)
"""The reasons of all gates, in their order."""
STRUCTURAL = frozenset(
    (Reason.CHUNK_REJECTED, Reason.CHUNK_IN_SPLIT_GAP, Reason.CHUNK_COPY_IN_OTHER_SPLIT, Reason.QUESTION_VERBATIM)
)
"""Gates that keep splits apart."""

"""The gates in figures: what each left out, what a calibration measured of it, and where thresholds lie among the scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.filter.gates import GATES
from curate.measured import calibrated, caught, killed
from curate.store import Store
from pipelines.ledger import Entry
from pipelines.reporting.counting import fixed, whole_numbers
from pipelines.verdicts import filter_settings
from schemas.reasons import meaning
from schemas.report import Bin, Gate, Rate, ScoreChart

Values = Mapping[str, Any]


def gates(folder: Path, ledger: Mapping[str, Entry]) -> tuple[Gate, ...]:
    """Every gate that left something out or was measured, in the order in which they look."""
    entry = ledger.get("filter")
    if entry is None:
        return ()
    measured = calibrated(folder)
    found = []
    for reason in GATES:
        rejected, quarantined = entry.rejected.get(reason, 0), entry.quarantined.get(reason, 0)
        figures = measured.get(str(reason))
        if rejected or quarantined or figures:
            found.append(
                Gate(
                    reason=str(reason),
                    text=meaning(reason),
                    rejected=rejected,
                    quarantined=quarantined,
                    caught=_caught(figures),
                    false_kills=_killed(figures),
                )
            )
    return tuple(found)


def _caught(figures: Values | None) -> Rate | None:
    known = caught(figures)
    return None if known is None else Rate(share=known[0], of=known[1])


def _killed(figures: Values | None) -> Rate | None:
    known = killed(figures)
    return None if known is None else Rate(share=known["rate"], of=known["of"], low=known["low"], high=known["high"])


_SHARES = {
    "word_overlap": ("share of the question's content words in its passage", 0.0, 1.0, 0.05, None),
    "answer_overlap": ("share of the answer's content words in its chunk", 0.0, 1.0, 0.05, "min_answer_overlap"),
    "bm25_margin": ("lead of the own passage under BM25", -1.0, 1.0, 0.1, "min_bm25_margin"),
    "dense_margin": ("lead of the own passage under the embedding model (cosine)", -1.0, 1.0, 0.1, "min_dense_margin"),
    "dense_score": ("cosine of question and passage", -1.0, 1.0, 0.1, None),
    "checker_score": ("the checker's probability that the passage answers", 0.0, 1.0, 0.05, "min_checker_score"),
}
_NUMBERS = {
    "question_words": ("words of the question", "min_question_words"),
    "specific_words": ("words that set the question apart", "min_specific_words"),
    "bm25_rank": ("rank of the own passage under BM25", "max_rank"),
    "evidence_words": ("words of the evidence quote", "min_evidence_words"),
}


def scores(store: Store) -> tuple[ScoreChart, ...]:
    """Distributions over all candidate questions of what the gates look at; scores that no question has are left out."""
    settings = filter_settings(store) if "checks" in store.tables() else None
    if settings is None:
        return ()
    total = store.count("checks")
    found = []
    for check, (text, low, high, width, threshold) in _SHARES.items():
        if known := _known(store, check):
            bins = fixed(store, _values(check), low, high, width)
            found.append(_chart(check, text, bins, (total - known, settings, threshold)))
    for check, (text, threshold) in _NUMBERS.items():
        if known := _known(store, check):
            found.append(_chart(check, text, whole_numbers(store, _values(check)), (total - known, settings, threshold)))
    return tuple(found)


def _values(check: str) -> str:
    return f"SELECT {check} AS v FROM checks WHERE {check} IS NOT NULL"  # noqa: S608 (names of this module)


def _known(store: Store, check: str) -> int:
    return int(store.rows(f"SELECT count({check}) AS n FROM checks")[0]["n"])  # noqa: S608


def _chart(check: str, text: str, bins: tuple[Bin, ...], rest: tuple[int, Any, str | None]) -> ScoreChart:
    missing, settings, name = rest
    threshold = getattr(settings, name) if name else None
    if name == "min_answer_overlap" and not threshold:
        threshold = None
    return ScoreChart(check=check, text=text, bins=bins, missing=missing, threshold=threshold)

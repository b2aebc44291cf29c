"""Measures the gates on the user's own corpus: faults planted into real rows, what is caught of them, what is killed beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.calibrate.combiner import Fitted, fit_both
from curate.calibrate.cost import seconds_per_row
from curate.calibrate.judged import judge_sample
from curate.calibrate.measure import Measured, gate_rates, overlaps, planted_rows, stopped, together
from curate.calibrate.plant import KINDS, MEANING
from curate.calibrate.rates import Resampling
from curate.calibrate.sample import FEWEST, Progress, Sample, Wanted, rules_beside_fit, take_sample
from curate.calibrate.thresholds import Recommendation, halves, recommend
from curate.stage import Context
from curate.verify.scoring import open_scorer
from schemas.reasons import Reason
from schemas.settings import FilterSettings

__all__ = ["KINDS", "Calibration", "Wanted", "calibrate"]

Failed = Sequence[frozenset[Reason]]
USED, RECOMMENDED, FITTED = "used", "recommended", "fitted"
RULES = ("numbers", "names", "negation", "min_answer_overlap", "min_specific_words")
"""Settings of rules that stay beside a fitted decision."""


@dataclass(frozen=True)
class Calibration:
    """What was measured: figures as JSON shows them, planted rows to read, and values for the [filter] section of the next build."""

    values: dict[str, Any]
    planted: list[dict[str, Any]]
    filter: dict[str, Any]


def calibrate(context: Context, wanted: Wanted, progress: Progress) -> Calibration:
    """Plant, score, measure, recommend. `context.reader` must be allowed questions, chunks and chunk_clusters.

    Raises InputError when there is nothing to plant faults into, or too little for a fitted decision.
    """
    settings = context.settings.filter.model_copy(update={"judge": False})
    started = time.monotonic()
    with open_scorer(context, lambda done, total: progress("embedding passages", done, total)) as scorer:
        sample = take_sample(context, scorer, wanted, progress)
        seconds = time.monotonic() - started
        cost = seconds_per_row(scorer, [row for row in sample.rows if "kind" not in row])
    progress("recommending thresholds", 0, None)
    resampling = Resampling(sample.clusters, wanted.seed)
    found = recommend(sample, resampling, settings, wanted.target, halves(sample, wanted.seed))
    tuned = settings.model_copy(update={**found.settings, "decision": "thresholds"})
    failed: dict[str, Failed] = {USED: sample.failed(settings), RECOMMENDED: sample.failed(tuned)}
    beside, fitted = _best_fit(sample, settings, tuned, wanted.target) if wanted.fit else (tuned, None)
    if fitted:
        failed[FITTED] = _with_fitted(sample, beside, fitted)
    judged = judge_sample(context, sample, failed[USED], resampling) if wanted.judge else None
    values = {
        "rows": _counts(sample, wanted),
        "kinds": _kinds(sample),
        "combined": {name: _all(together(stopped(flags), sample, resampling)) for name, flags in failed.items()},
        "gates": {name: _all(gate_rates(flags, sample, resampling)) for name, flags in failed.items()},
        "overlap": overlaps(failed[RECOMMENDED], sample),
        "thresholds": found.values(),
        "fitted": _fit_values(beside, fitted) if fitted else None,
        "judge": judged,
        "notes": _notes(sample, found, context),
        "seconds_per_row": cost,
        "seconds_scoring": round(seconds, 3),
    }
    return Calibration(values, planted_rows(sample, failed), _filter(found, beside, fitted))


def _best_fit(
    sample: Sample, settings: FilterSettings, tuned: FilterSettings, target: float
) -> tuple[FilterSettings, tuple[Fitted, Fitted]]:
    """The fitted decision beside the rules that let it catch the most under the same target: those as set, those recommended for thresholds, or
    the latter with one that is weighed among the scores instead."""
    plain = tuned.model_copy(update={name: getattr(settings, name) for name in RULES})
    weighed = [tuned.model_copy(update={name: False}) for name in ("names", "negation") if getattr(tuned, name)]
    tries = [(beside, fit_both(sample, beside, target)) for beside in (plain, tuned, *weighed)]
    caught = [_mean_caught(sample, _with_fitted(sample, beside, fitted)) for beside, fitted in tries]
    return tries[caught.index(max(caught))]


def _fit_values(beside: FilterSettings, fitted: tuple[Fitted, Fitted]) -> dict[str, Any]:
    rules = {name: getattr(beside, name) for name in RULES}
    return {"train": fitted[0].values(), "dev_and_test": fitted[1].values(), "rules": rules}


def _mean_caught(sample: Sample, failed: Failed) -> float:
    hits = stopped(failed)
    rates = [float(hits[kind].mean()) for kind in (*sample.kinds.values(), sample.bad) if kind.any()]
    return round(sum(rates) / len(rates), 6) if rates else 0.0


def _with_fitted(sample: Sample, tuned: FilterSettings, fitted: tuple[Fitted, Fitted]) -> list[frozenset[Reason]]:
    """The gates with the fitted decision, by out-of-fold probabilities: a language model's rows by it, all others by the thresholds."""
    rules, thresholds = sample.failed(rules_beside_fit(tuned)), sample.failed(tuned)
    low = np.where(sample.searched, fitted[0].stops, fitted[1].stops)
    combined = frozenset((Reason.COMBINED_SCORE_LOW,))
    return [
        (rules[i] | (combined if low[i] else frozenset())) if row["origin"] == "llm" else thresholds[i]
        for i, row in enumerate(sample.rows)
    ]


def _all(rates: Mapping[Any, Measured]) -> dict[str, Any]:
    return {str(name): rate.values() for name, rate in rates.items()}


def _counts(sample: Sample, wanted: Wanted) -> dict[str, Any]:
    clusters = {row["cluster_id"] for row, flag in zip(sample.rows, sample.originals, strict=True) if flag}
    labels = [label.label for label in wanted.labels.values()]
    return {
        "originals": int(sample.originals.sum()),
        "origins": sample.origins,
        "sound": int(sample.sound.sum()),
        "sound_train": int((sample.sound & sample.searched).sum()),
        "documents": len(clusters),
        "labelled_good": int(sample.good.sum()),
        "labelled_bad": labels.count("reject"),
    }


def _kinds(sample: Sample) -> dict[str, Any]:
    return {
        kind: {"meaning": MEANING[kind], "planted": int(flags.sum()), "skipped": sample.skipped[kind]}
        for kind, flags in sample.kinds.items()
    }


def _notes(sample: Sample, found: Recommendation, context: Context) -> list[str]:
    """What a reader must know of these figures, in sentences."""
    llm = sample.origins.get("llm", 0)
    notes = [
        "Kill rates on unplanted rows are upper bounds: some of those rows are really bad.",
        "Gates on searches (passage_not_found, other_passage_fits_better, other_passage_answers, question_too_easy, question_unrelated) decide on train questions "
        "alone and are measured on those.",
        "A near passage may answer the question after all, and so may what is left of a passage: their catch rates have a ceiling below 1.",
    ]
    if not llm:
        notes.append(
            "No question of a language model: faults were planted into extractive and imported ones, which most gates trust further."
        )
    elif len(sample.origins) > 1:
        notes.append(
            f"Fewer than {FEWEST} questions of a language model: extractive and imported ones, which most gates trust further, stand in."
        )
    if found.against == "sound":
        notes.append(
            f"False kills are counted on unplanted rows that pass the rules of form, as fewer than {FEWEST} rows are labelled good: "
            "`curate label DIR` gives a truer count."
        )
    settings = context.settings.verify
    if settings.dense_model is None or settings.checker is None:
        names = [name for name in ("dense_model", "checker") if getattr(settings, name) is None]
        notes.append(
            f"Not measured, as it is not set: {', '.join(f'verify.{name}' for name in names)}. Without one, wrong passages are hard to tell."
        )
    left_out = [kind for kind in KINDS if kind not in sample.kinds]
    if left_out:
        notes.append(f"The thresholds suit the planted kinds alone; left out: {', '.join(left_out)}.")
    few = sorted(kind for kind, flags in sample.kinds.items() if int(flags.sum()) < FEWEST)
    if few:
        notes.append(f"Fewer than {FEWEST} rows could be planted for: {', '.join(few)}.")
    return notes


def _filter(found: Recommendation, beside: FilterSettings, fitted: tuple[Fitted, Fitted] | None) -> dict[str, Any]:
    """Values for [filter]; None means that the setting is to be absent."""
    values: dict[str, Any] = {**found.settings, "decision": "thresholds", "combiner": None, "combiner_no_search": None}
    if fitted:
        values |= {name: getattr(beside, name) for name in RULES}
        values |= {
            "decision": "fitted",
            "combiner": fitted[0].settings.model_dump(),
            "combiner_no_search": fitted[1].settings.model_dump(),
        }
    return values

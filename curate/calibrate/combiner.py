"""A fitted decision: logistic regression on the scores of planted faults against originals, evaluated on documents it was not fitted on."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.calibrate.measure import stopped
from curate.calibrate.plant import UNTRUE
from curate.calibrate.rates import Flags
from curate.calibrate.sample import FEWEST, Sample, rules_beside_fit
from curate.filter.combined import FEATURES, MODEL_FEATURES, SEARCH_FEATURES, probability
from schemas.errors import InputError, SettingsError
from schemas.settings import CombinerSettings, FilterSettings

Matrix = npt.NDArray[np.float64]

BETTER_HIGH = frozenset(
    (
        "word_overlap",
        "specific_words",
        "answer_overlap",
        "bm25_margin",
        "bm25_answer_margin",
        "dense_score",
        "dense_margin",
        "checker_score",
    )
)
BETTER_LOW = frozenset(("unsupported_numbers", "unsupported_names", "negation_differs", "bm25_rank", "dense_rank"))
"""Which way a score must point; scores that point nowhere (the length of a question) are not used: planting leaves them as they are. Planted answers are cut from their passages, so that a regression left alone would learn to mistrust answers
that stand there: a score that comes out with the wrong sign is left out."""
LABELLED_BAD = "labelled_bad"
FEWEST_LABELLED = 10
"""With fewer rows that people rejected, these are no kind of their own; with fewer good ones of dev and test, those of train help."""
FOLDS = 5
DIGITS = 6
INSTALL = 'pip install "curate-embeddings[calibrate]"'


@dataclass(frozen=True)
class Fitted:
    """A combiner for some rows, with what it would have said of rows of documents it was not fitted on."""

    settings: CombinerSettings
    rows: Flags
    """The rows that it may decide."""
    probabilities: Matrix
    """Out-of-fold probability of each row of the sample; nan for those it does not decide."""
    auc: float
    """Of originals against faults, kinds weighing the same; out of fold."""
    originals: int
    planted: dict[str, int]

    @property
    def stops(self) -> Flags:
        """Rows that it rejects."""
        return _below(self, self.settings.threshold)

    def values(self) -> dict[str, Any]:
        """As JSON shows it."""
        known = self.settings.model_dump()
        return {**known, "auc_out_of_fold": self.auc, "originals": self.originals, "planted": self.planted, "folds": FOLDS}


def fit_both(sample: Sample, settings: FilterSettings, target: float) -> tuple[Fitted, Fitted]:
    """The decision for train questions, with searches, and the one for dev and test questions, without.

    Both see a language model's questions alone, as only those are decided by it. Raises InputError with fewer than 30 of them,
    SettingsError when scikit-learn is not installed.
    """
    always = stopped(sample.failed(rules_beside_fit(settings)))
    llm = np.array([row["origin"] == "llm" for row in sample.rows], dtype=np.bool_)
    usable = llm & ~always
    if int((usable & sample.sound & sample.searched).sum()) < FEWEST:
        raise InputError(
            f"a fitted decision needs {FEWEST} train questions of a language model that pass the other gates",
            where="calibrate",
            next_step="run it without --fit, or build with a language model (llm.generator.model)",
        )
    without = tuple(name for name in _features(sample) if name not in SEARCH_FEATURES)
    searched, unsearched = _fitted(sample, usable & sample.searched, _features(sample)), _fitted(sample, usable, without)
    return _with_thresholds(sample, (searched, unsearched), llm, int(target * int((_mild(sample) & llm).sum()) + 1e-9))


def _features(sample: Sample) -> tuple[str, ...]:
    """Scores that are there: those of models only where one is configured."""
    missing = {name for name, check in MODEL_FEATURES.items() if any(row[check] is None for row in sample.rows)}
    return tuple(name for name in FEATURES if name in BETTER_HIGH | BETTER_LOW and name not in missing)


def _mild(sample: Sample) -> Flags:
    """The rows whose rejection is a false kill: those that people called good, if there are enough."""
    return sample.good if int(sample.good.sum()) >= FEWEST else sample.sound


def _faults(sample: Sample, rows: Flags) -> dict[str, Flags]:
    """Planted rows of each kind that a score can find, and what people rejected as one kind more, where there is enough of it."""
    kinds = {kind: flags & rows for kind, flags in sample.kinds.items() if kind in UNTRUE and (flags & rows).any()}
    rejected = sample.bad & rows
    return {**kinds, LABELLED_BAD: rejected} if int(rejected.sum()) >= FEWEST_LABELLED else kinds


def _with_thresholds(sample: Sample, pair: tuple[Fitted, Fitted], counted: Flags, most: int) -> tuple[Fitted, Fitted]:
    """Both decisions with the thresholds that together catch the most and kill no more than `most` of the counted mild rows.

    What other rules kill of those counts, too. The first decides on train questions, the second on all others.
    """
    first, second = pair
    mild = _mild(sample) & counted
    left = most - int((mild & ~second.rows).sum())
    faults = _faults(sample, counted)
    # The second decides on questions of dev and test alone; where those are few, all questions tell where its threshold belongs.
    beside = mild & second.rows & ~sample.searched
    few = int(beside.sum()) < FEWEST_LABELLED
    if few:
        beside = mild & second.rows
    share = left / max(1, int(mild.sum()))
    tries = []
    for one in range(max(left, 0) + 1):
        cut = _threshold(first.probabilities[mild & first.rows], one)
        rest = left - int((first.probabilities[mild & first.rows] < cut).sum())
        other = _threshold(second.probabilities[beside], int(share * int(beside.sum())) if few else rest)
        hits = np.where(sample.searched, _below(first, cut), _below(second, other))
        caught = float(np.mean([hits[flags].mean() for flags in faults.values()])) if faults else 0.0
        tries.append((round(caught, 9), -one, cut, other))
    _, _, cut, other = max(tries)
    return _at(first, cut), _at(second, other)


def _below(fitted: Fitted, threshold: float) -> Flags:
    return fitted.rows & (np.nan_to_num(fitted.probabilities, nan=1.0) < threshold)


def _at(fitted: Fitted, threshold: float) -> Fitted:
    return replace(fitted, settings=fitted.settings.model_copy(update={"threshold": threshold}))


def _fitted(sample: Sample, rows: Flags, names: Sequence[str]) -> Fitted:
    """A decision on `rows`, those that other rules leave, with a threshold of 0."""
    kinds = _faults(sample, rows)
    planted = np.any([*kinds.values()], axis=0) if kinds else np.zeros(len(rows), dtype=np.bool_)
    chosen = (sample.sound & rows) | planted
    weights = _weights(sample.sound & rows, kinds)
    matrix = np.array([[FEATURES[name](row) for name in names] for row in sample.rows], dtype=np.float64)
    # Scores that are the same everywhere say nothing, and would be scaled by zero.
    told = [i for i in range(len(names)) if np.ptp(matrix[chosen, i]) > 1e-9]
    names, matrix = [names[i] for i in told], matrix[:, told]
    probabilities = _out_of_fold(sample, chosen, rows, (matrix, weights, names))
    whole = _regression(matrix[chosen], (sample.sound & rows)[chosen], weights[chosen], names)
    return Fitted(
        settings=whole,
        rows=rows,
        probabilities=probabilities,
        auc=_auc((sample.sound & rows)[chosen], probabilities[chosen], weights[chosen]),
        originals=int((sample.sound & rows).sum()),
        planted={kind: int(flags.sum()) for kind, flags in kinds.items()},
    )


def _weights(originals: Flags, kinds: dict[str, Flags]) -> Matrix:
    """Originals weigh as much as all faults together, and every kind of fault the same; a row weighs 1 in the mean."""
    rows = int(originals.sum()) + sum(int(flags.sum()) for flags in kinds.values())
    weights = np.zeros(len(originals), dtype=np.float64)
    weights[originals] = rows / 2 / max(1, int(originals.sum()))
    for flags in kinds.values():
        weights[flags] = rows / 2 / len(kinds) / int(flags.sum())
    return weights


def _out_of_fold(sample: Sample, chosen: Flags, rows: Flags, data: tuple[Matrix, Matrix, Sequence[str]]) -> Matrix:
    """Each row's probability by a regression that saw no row of its document."""
    matrix, weights, names = data
    clusters = np.asarray(sample.clusters, dtype=np.str_)
    groups = sorted(set(clusters[chosen]))
    splitter = _sklearn("model_selection").GroupKFold(n_splits=min(FOLDS, max(2, len(groups))))
    probabilities = np.full(len(rows), np.nan)
    where = np.flatnonzero(chosen)
    sound = sample.sound & rows
    for fit, _ in splitter.split(where, groups=clusters[where]):
        seen = where[fit]
        held = rows & ~np.isin(clusters, np.unique(clusters[seen]))
        part = _regression(matrix[seen], sound[seen], weights[seen], names)
        for i in np.flatnonzero(held):
            probabilities[i] = probability(sample.rows[i], part)
    return probabilities


def _regression(matrix: Matrix, good: Flags, weights: Matrix, names: Sequence[str]) -> CombinerSettings:
    """Logistic regression on scaled scores, its weights put back to the scores' own scale and rounded; the threshold is still 0.

    Scores with the wrong sign are left out one by one, the weightiest first.
    """
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    spread[spread < 1e-9] = 1.0
    scaled = (matrix - mean) / spread
    used = list(range(len(names)))
    while True:
        slopes, intercept = _solved(scaled[:, used], good, weights)
        wrong = [(-abs(slope), i) for slope, i in zip(slopes.tolist(), used, strict=True) if _points_wrong(names[i], slope)]
        if not wrong:
            break
        used.remove(min(wrong)[1])
    own = slopes / spread[used]
    return CombinerSettings(
        intercept=round(intercept - float(own @ mean[used]), DIGITS),
        weights={names[i]: round(float(slope), DIGITS) for i, slope in zip(used, own, strict=True)},
        threshold=0.0,
    )


def _points_wrong(name: str, slope: float) -> bool:
    return (name in BETTER_HIGH and slope < 0) or (name in BETTER_LOW and slope > 0)


def _solved(scaled: Matrix, good: Flags, weights: Matrix) -> tuple[Matrix, float]:
    """Slopes and intercept. Without any score left, the intercept alone: kinds and originals weigh the same, so it is 0."""
    if scaled.shape[1] == 0:
        return np.zeros(0), 0.0
    model = _sklearn("linear_model").LogisticRegression(tol=1e-9, max_iter=2000)
    # One thread: sums over many would come out in another order, and their last digits with them.
    with importlib.import_module("threadpoolctl").threadpool_limits(1):
        model.fit(scaled, good, sample_weight=weights)
    return np.asarray(model.coef_[0], dtype=np.float64), float(model.intercept_[0])


def _threshold(probabilities: Matrix, most: int) -> float:
    """The highest that rejects no more than `most` of these rows."""
    ordered = np.sort(probabilities[~np.isnan(probabilities)])
    return float(ordered[min(max(most, 0), len(ordered) - 1)]) if len(ordered) else 0.0


def _auc(good: Flags, probabilities: Matrix, weights: Matrix) -> float:
    known = ~np.isnan(probabilities)
    score = _sklearn("metrics").roc_auc_score
    return round(float(score(good[known], probabilities[known], sample_weight=weights[known])), 4)


def _sklearn(name: str) -> Any:
    try:
        return importlib.import_module(f"sklearn.{name}")
    except ImportError as error:
        raise SettingsError("a fitted decision needs scikit-learn", where="calibrate --fit", next_step=INSTALL) from error

"""Checkers fitted to labelled rows, which score only rows of groups that they were not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from benchmarks.folds import Bench, Scores, fold_of, say
from curate.verify.checker import open_checker
from curate.verify.kept import Kept
from curate.verify.sentence_match import best_sentences
from pipelines.sentence_checker import fit_weights
from schemas.settings import VerifySettings
from schemas.training import CheckerSettings
from train.checker import CheckerJob, train_checker
from train.labelled import Labelled

Fit = Callable[[str, Sequence[Labelled], Sequence[Labelled]], Scores]
"""Name of a checker, rows to fit it to, rows to score."""


def checker_scores(bench: Bench, fit: Fit) -> tuple[Scores, Scores]:
    """Logits [folds, rows] for a fold's training rows (out of fold within them) and for its held-out rows (mean of both halves' checkers)."""
    trained = np.full((bench.options.folds, len(bench.rows)), np.nan)
    held = np.full(len(bench.rows), 0.0)
    for fold in range(bench.options.folds):
        inside = np.flatnonzero(bench.folds != fold)
        outside = np.flatnonzero(bench.folds == fold)
        half = fold_of([bench.rows[i].group for i in inside], 2)
        for side in (0, 1):
            ours, theirs = inside[half == side], inside[half != side]
            wanted = np.concatenate([theirs, outside])
            scores = fit(f"{fold}-{side}", [bench.rows[i] for i in ours], [bench.rows[i] for i in wanted])
            logits = np.log(np.clip(scores, 1e-6, 1 - 1e-6) / (1 - np.clip(scores, 1e-6, 1 - 1e-6)))
            trained[fold, theirs] = logits[: len(theirs)]
            held[outside] += logits[len(theirs) :] / 2
    return trained, held


def sentence_fit(bench: Bench, matrix: Scores) -> Fit:
    """Weights of a sentence checker, on what it looks at of each row [rows, scores]."""
    place = {id(row): number for number, row in enumerate(bench.rows)}

    def fit(name: str, rows: Sequence[Labelled], wanted: Sequence[Labelled]) -> Scores:
        del name
        weights = fit_weights(matrix[[place[id(row)] for row in rows]], np.asarray([row.label for row in rows]))
        return np.asarray([weights.probability(matrix[place[id(row)]].tolist()) for row in wanted])

    return fit


def pair_fit(bench: Bench) -> Fit:
    """A cross-encoder that reads question and passage, kept in the bench's folder."""
    options = bench.options

    def fit(name: str, rows: Sequence[Labelled], wanted: Sequence[Labelled]) -> Scores:
        out = bench.folder / f"{bench.name}-checker-{name}"
        rows, wanted = (cropped(part, options.sentences) for part in (rows, wanted))
        settings = CheckerSettings(
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            max_seq_length=options.max_seq_length,
            limit=options.limit,
            seed=options.seed,
            device=options.device,
            precision=options.precision,
        )
        result = train_checker(
            CheckerJob(rows, (f"{bench.name} fold {name}",), out, options.base or options.model), settings, say
        )
        say(f"checker {name}: dev {result.dev}, seconds", round(result.seconds), None)
        with (
            closing(Kept(bench.folder)) as kept,
            closing(open_checker(VerifySettings(checker=str(out), device=options.device), kept)) as gate,
        ):
            return np.asarray(
                gate.scores([(row.question, row.passage) for row in wanted], lambda *done: say(f"score {name}", *done))
            )

    return fit


def cropped(rows: Sequence[Labelled], sentences: int | None) -> Sequence[Labelled]:
    """Rows whose passage is its sentences that share most words with the question, in their order: a checker reads them sooner."""
    if sentences is None:
        return rows
    return [replace(row, passage=best_sentences(row.question, row.passage, sentences)) for row in rows]

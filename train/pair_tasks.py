"""Judging models without a search: rated pairs of texts, triplets, and pairs that answer or do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from schemas.errors import InputError
from schemas.evaluation import EvaluateSettings
from train.binary import average_precision
from train.encoder import Encoder, Kind
from train.evaluate import Progress, quiet
from train.forgetting import FIRST, SCORE, SECOND, spearman
from train.rankings import Fused, System, encoder_of
from train.rows import cell, needed, number, read_rows

Numbers = npt.NDArray[np.float64]
Judged = Literal["similarity", "triplets", "binary"]

ANCHOR = ("anchor", "question", "query")
POSITIVE = ("positive", "answer")
PASSAGE = ("passage", "context", "text")
LABEL = ("label",)
METRICS: dict[Judged, tuple[str, ...]] = {
    "similarity": ("spearman",),
    "triplets": ("accuracy",),
    "binary": ("average_precision", "accuracy"),
}
"""The first one is the chief. Accuracy of triplets: how many negatives lie farther from the anchor than the positive (strictly, as the
TripletEvaluator of sentence-transformers counts); of pairs: at the threshold that is best on these very rows, as its
BinaryClassificationEvaluator does, so a little flattering to all alike."""

OF_FORMAT: dict[str, Judged] = {"triplets": "triplets", "scored": "similarity", "labeled": "binary"}
"""Formats of a dataset folder that can be judged so."""
_LAYOUTS = "sentence1, sentence2, score; or anchor, positive, negative; or anchor, passage, label (1 or 0)"


@dataclass(frozen=True)
class PairTask:
    """Rows of texts with what is known of them."""

    name: str
    judged: Judged
    texts: tuple[tuple[str, ...], ...]
    """One tuple a row: two texts; of triplets the anchor, the positive and the negatives."""
    known: tuple[float, ...] = ()
    """One number a row: the rating, or 1 and 0; none for triplets."""
    first: Kind = "query"
    """How the first text of a row is embedded; the others are documents."""


@dataclass(frozen=True)
class PairScores:
    """One task's results."""

    task: str
    judged: Judged
    rows: int
    systems: dict[str, dict[str, float]]
    """System → metric → value; systems that do not embed are not there."""


def evaluate_pairs(
    systems: Mapping[str, System], tasks: Sequence[PairTask], settings: EvaluateSettings, progress: Progress = quiet
) -> tuple[PairScores, ...]:
    """All tasks with every system that embeds, one model loaded at a time. Raises TrainingError when one cannot be loaded."""
    found: dict[str, dict[str, dict[str, float]]] = {task.name: {} for task in tasks}
    for name, system in systems.items() if tasks else ():
        if isinstance(system, dict | Fused):
            continue
        with encoder_of(system, settings) as encode:
            for task in tasks:
                progress(f"{task.name} {name}", 0, None)
                found[task.name][name] = measure(encode, task, partial(progress, f"{task.name} {name}"))
    return tuple(PairScores(task.name, task.judged, len(task.texts), found[task.name]) for task in tasks)


def measure(encode: Encoder, task: PairTask, progress: Any = lambda *_: None) -> dict[str, float]:
    """`METRICS` of a task's kind → value; `progress` is called with (texts embedded, None)."""
    firsts = encode([row[0] for row in task.texts], task.first, lambda count: progress(count, None))
    flat = [text for row in task.texts for text in row[1:]]
    others = encode(flat, "document", lambda count: progress(count, None))
    owner = np.repeat(np.arange(len(task.texts)), [len(row) - 1 for row in task.texts])
    # Rounded: equal pairs are to be equally alike, whatever else was in their batch.
    cosines: Numbers = np.round(np.sum(firsts[owner].astype(np.float64) * others, axis=1), 6)
    if task.judged == "triplets":
        return {"accuracy": _triplet_accuracy(cosines, owner)}
    known = np.array(task.known, dtype=np.float64)
    if task.judged == "similarity":
        return {"spearman": spearman(cosines, known)}
    labels = known.astype(np.int64)
    return {"average_precision": average_precision(labels, cosines), "accuracy": best_accuracy(labels, cosines)}


def best_accuracy(labels: npt.NDArray[np.int64], scores: Numbers) -> float:
    """Share of rows that are right at the best threshold, between two different scores or beyond all of them."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(np.concatenate([[int((labels == 0).sum())], np.where(labels[order] == 1, 1, -1)]))
    ordered = scores[order]
    # Equal scores stand on one side of any threshold.
    allowed = np.concatenate([[True], ordered[:-1] != ordered[1:], [True]])
    return float(right[allowed].max() / len(labels))


def read_pairs(path: Path) -> PairTask:
    """A JSONL, CSV, TSV or Parquet file as a task, by its columns; where a column `split` says so, the rows of "test" alone.

    Raises InputError naming file and row of the first fault.
    """
    rows = list(read_rows(path))
    rows = [(place, row) for place, row in rows if str(row.get("split") or "") == "test"] or rows
    if not rows:
        raise InputError("holds no rows", where=path.name, next_step=f"columns: {_LAYOUTS}")
    first = rows[0][1]
    if cell(first, FIRST) and cell(first, SECOND):
        texts = [(needed(row, FIRST, place), needed(row, SECOND, place)) for place, row in rows]
        known = [number(needed(row, SCORE, place), place, _LAYOUTS) for place, row in rows]
        return _task(path.name, "similarity", texts, known, first="document")
    if cell(first, ANCHOR) and cell(first, POSITIVE) and (names := _negatives(first)):
        triplets = [
            (needed(row, ANCHOR, place), needed(row, POSITIVE, place), *(needed(row, (name,), place) for name in names))
            for place, row in rows
        ]
        return _task(path.name, "triplets", triplets)
    if cell(first, ANCHOR) and cell(first, PASSAGE) and cell(first, LABEL):
        pairs = [(needed(row, ANCHOR, place), needed(row, PASSAGE, place)) for place, row in rows]
        return _task(path.name, "binary", pairs, [_label(needed(row, LABEL, place), place) for place, row in rows])
    columns = ", ".join(str(key) for key in first)
    raise InputError(f"cannot tell what to do with these columns: {columns}", where=path.name, next_step=_LAYOUTS)


def dataset_pairs(dataset: Path, split: str, most: int) -> list[PairTask]:
    """The tasks that a dataset folder's rows of a split make: triplets, scored, labeled; of each at most `most` rows, by hash."""
    found = []
    for name, judged in OF_FORMAT.items():
        path = dataset / name / f"{split}.parquet"
        rows = [row for _, row in read_rows(path)] if path.is_file() else []
        rows = sorted(rows, key=lambda row: sha256(repr(sorted(row.items())).encode()).digest())[:most]
        if judged == "triplets":
            texts = [(row["anchor"], row["positive"], *(row[key] for key in _negatives(row))) for row in rows]
            known: list[float] = []
        else:
            texts = [(row["anchor"], row["passage"]) for row in rows]
            known = [float(row["score" if judged == "similarity" else "label"]) for row in rows]
        # One kind of label, or one rating for all, says nothing of a model.
        if rows and (judged == "triplets" or len(set(known)) > 1):
            found.append(_task(f"{name}/{split}", judged, texts, known))
    return found


def _task(
    name: str, judged: Judged, texts: Sequence[tuple[str, ...]], known: Sequence[float] = (), first: Kind = "query"
) -> PairTask:
    if judged != "triplets" and len(set(known)) < 2:
        raise InputError("all rows have the same score or label", where=name, next_step="give rows that differ")
    return PairTask(name, judged, tuple(texts), tuple(known), first)


def _negatives(row: Mapping[str, Any]) -> list[str]:
    return [str(key) for key in row if str(key) == "negative" or (str(key).startswith("negative_") and str(key)[9:].isdigit())]


def _triplet_accuracy(cosines: Numbers, owner: npt.NDArray[np.int64]) -> float:
    positive = np.concatenate([[True], owner[1:] != owner[:-1]])
    right = cosines[positive][owner[~positive]] > cosines[~positive]
    return float(right.mean())


def _label(text: str, place: str) -> float:
    if text.strip().lower() not in ("0", "1", "0.0", "1.0", "true", "false"):
        raise InputError(f"label {text[:40]!r} is neither 1 nor 0", where=place, next_step=_LAYOUTS)
    return float(text.strip().lower() in ("1", "1.0", "true"))

"""Fits a sentence checker: labelled rows in, a folder out that `verify.checker` takes; seconds of work once the sentences are embedded."""

from __future__ import annotations

import importlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.verify.dense import Dense
from curate.verify.kept import Kept
from curate.verify.models import load_model, silenced, weights_id
from curate.verify.sentence_checker import ENCODER, FILE, Weights, score_matrix
from curate.verify.sentence_match import SCORES, Rarity, stems_of
from schemas.errors import InputError, SettingsError
from schemas.settings import VerifySettings
from schemas.training import CheckerSettings
from train.binary import average_precision, best_cut, keeping, roc_auc
from train.checker import KEPT_SHARE, TASK, CheckerJob, CheckerResult
from train.checker_data import Divided, counts, divide
from train.evaluate import Progress
from train.labelled import Labelled

KIND = "sentences"
RECORD = "training.json"
STRENGTH = 0.1
"""C of the regression: 19 scores, some of them nearly the same, ask for a firm hand; found by cross-validation on squad v2."""
INSTALL = 'pip install "curate-embeddings[train,calibrate]"'
Matrix = npt.NDArray[np.float64]


def train_sentence_checker(job: CheckerJob, settings: CheckerSettings, progress: Progress) -> CheckerResult:
    """Fit and write the folder. The base is an embedding model. Embedded sentences outlive an interruption; a finished folder is found again.

    Raises InputError without rows of both labels, SettingsError for a folder in use or a missing library.
    """
    started = time.monotonic()
    data = divide(job.rows, settings)
    base = weights_id(job.model, "--model")
    key = _key(data, settings, base)
    if (finished := _finished(job.out, key)) is not None:
        return finished
    partial = job.out.with_name(job.out.name + ".partial")
    encoder = partial / ENCODER
    if not encoder.is_dir():
        progress("load", 0, None)
        model = load_model("SentenceTransformer", job.model, "--model", settings.device)
        with silenced("--model"):
            model.save(str(partial / "unfinished"))
        (partial / "unfinished").rename(encoder)
    rows = [*data.train, *data.dev]
    rarity = rarity_of(rows)
    with Kept(partial) as kept, closing(Dense(VerifySettings(dense_model=str(encoder), device=settings.device), kept)) as dense:
        matrix = _scored(rows, rarity, dense, progress)
    weights = fit_weights(matrix[: len(data.train)], np.array([row.label for row in data.train]))
    result = _result(job, settings, (data, base, key), weights, matrix[len(data.train) :])
    result = CheckerResult(**{**vars(result), "seconds": round(time.monotonic() - started, 1)})
    _publish(partial, job.out, weights, result)
    return result


def fit_weights(matrix: Matrix, labels: npt.NDArray[np.int64]) -> Weights:
    """Logistic regression on scaled scores [rows, scores], its weights put back to the scores' own scale and rounded."""
    try:
        model = importlib.import_module("sklearn.linear_model").LogisticRegression(C=STRENGTH, tol=1e-9, max_iter=5000)
        threads = importlib.import_module("threadpoolctl").threadpool_limits(1)
    except ImportError as error:
        raise SettingsError("a sentence checker needs scikit-learn", where="train --task checker", next_step=INSTALL) from error
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    spread[spread < 1e-9] = 1.0
    # One thread: sums over many would come out in another order, and their last digits with them.
    with threads:
        model.fit((matrix - mean) / spread, labels)
    slopes = model.coef_[0] / spread
    return Weights(
        intercept=round(float(model.intercept_[0]) - float(slopes @ mean), 6),
        weights={name: round(float(slope), 6) for name, slope in zip(SCORES, slopes, strict=True)},
    )


def rarity_of(rows: Sequence[Labelled]) -> Rarity:
    """How rare words are among the different passages of the rows."""
    passages = sorted({row.passage for row in rows})
    return Rarity(Counter(stem for passage in passages for stem in sorted(stems_of(passage))), len(passages))


def _scored(rows: Sequence[Labelled], rarity: Rarity, dense: Dense, progress: Progress) -> Matrix:
    parts = []
    for start in range(0, len(rows), 256):
        progress("score", start, len(rows))
        parts.append(score_matrix([(row.question, row.passage) for row in rows[start : start + 256]], rarity, dense))
    return np.concatenate(parts)


def _key(data: Divided, settings: CheckerSettings, base: str) -> str:
    used = {"dev_share": settings.dev_share, "limit": settings.limit, "seed": settings.seed, "strength": STRENGTH}
    return sha256(json.dumps([KIND, 1, data.sha256, used, base, SCORES], sort_keys=True).encode()).hexdigest()


def _finished(out: Path, key: str) -> CheckerResult | None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    if record.get("fingerprint") != key or not (out / FILE).is_file():
        raise SettingsError("the folder holds something else", where=str(out), next_step="remove it, or give another --out")
    tuples = {name: tuple(record[name]) for name in ("sources", "notes")}
    return CheckerResult(**{**record, **tuples, "reused": True})


def _result(
    job: CheckerJob, settings: CheckerSettings, known: tuple[Divided, str, str], weights: Weights, dev: Matrix
) -> CheckerResult:
    data, base, key = known
    labels = np.array([row.label for row in data.dev])
    scores = np.array([weights.probability(row) for row in dev.tolist()])
    cut = best_cut(labels, scores) if len(dev) else None
    return CheckerResult(
        task=TASK,
        model=job.model,
        model_sha256=base,
        weights_sha256=sha256(weights.model_dump_json().encode()).hexdigest(),
        sources=job.sources,
        data_sha256=data.sha256,
        fingerprint=key,
        settings=settings.model_dump(),
        train_rows=counts(data.train),
        dev_rows=counts(data.dev),
        steps=0,
        best_step=None,
        dev=None
        if cut is None
        else {
            "roc_auc": round(roc_auc(labels, scores), 4),
            "average_precision": round(average_precision(labels, scores), 4),
            "f1": round(cut.f1, 4),
        },
        threshold=None if cut is None else cut.threshold,
        threshold_keeping_95=keeping(labels, scores, KEPT_SHARE) if len(dev) else None,
        history=[],
        device="cpu",
        precision="fp32",
        seconds=0.0,
        resumed_from=None,
        notes=data.notes,
    )


def _publish(partial: Path, out: Path, weights: Weights, result: CheckerResult) -> None:
    record: dict[str, Any] = {name: value for name, value in vars(result).items() if name != "reused"}
    (partial / FILE).write_text(weights.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (partial / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for leftover in partial.glob("scores.sqlite*"):
        leftover.unlink()
    try:
        if out.is_dir():
            out.rmdir()  # empty, or it would have been refused
        shutil.move(partial, out)
    except OSError as error:
        raise InputError(f"cannot write the checker: {error.strerror}", where=str(out), next_step="give another --out") from error

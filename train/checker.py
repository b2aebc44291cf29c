"""Labelled rows in, the folder of a checker or a reranker out: a cross-encoder chosen by dev ROC-AUC, with a threshold; resumable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from schemas.errors import Interrupted, TrainingError
from schemas.training import CheckerSettings
from train.binary import best_cut, keeping
from train.checker_card import checker_card
from train.checker_data import Divided, counts, divide
from train.checker_fit import PRIMARY, CheckerRun, fit_checker, labels_of, pair_scores
from train.evaluate import Progress, quiet
from train.labelled import Labelled
from train.model_folder import Place, claim, fingerprint, publish, read_record, recover, refuse_foreign, remember
from train.models import choose_precision, free_memory, load_cross_encoder, silenced, weights_sha256

TASK, RERANKER = "checker", "reranker"
KEPT_SHARE = 0.95


@dataclass(frozen=True)
class CheckerResult:
    """What a run did; also the content of `training.json`."""

    task: str
    model: str
    """The base as it was named."""
    model_sha256: str
    """Hash of the base's weights, with the new head."""
    weights_sha256: str
    sources: tuple[str, ...]
    """Where the rows came from, as they were named."""
    data_sha256: str
    fingerprint: str
    settings: dict[str, Any]
    train_rows: dict[str, int]
    dev_rows: dict[str, int]
    """Rows by label, and documents."""
    steps: int
    best_step: int | None
    """The step of the chosen checkpoint; None without dev rows (then it is the last)."""
    dev: dict[str, float] | None
    """ROC-AUC, average precision, F1 at `threshold`."""
    threshold: float | None
    """Recommended: the best F1 of answerable rows on dev. Rows that score lower are taken as unanswerable."""
    threshold_keeping_95: float | None
    """The highest threshold that keeps 95% of the answerable dev rows, for a gate that should rarely kill a good row."""
    history: list[dict[str, float]]
    device: str
    precision: str
    seconds: float
    resumed_from: int | None
    notes: tuple[str, ...]
    reused: bool = False
    """The folder already held the checker of exactly this run; nothing was done."""


@dataclass(frozen=True)
class CheckerJob:
    """What to train from and where to."""

    rows: Sequence[Labelled]
    sources: tuple[str, ...]
    out: Path
    model: str
    divided: Divided | None = None
    """The rows where they are divided already; else `divide` sets documents apart to choose by."""
    task: str = TASK


def train_checker(job: CheckerJob, settings: CheckerSettings | None = None, progress: Progress = quiet) -> CheckerResult:
    """Fit a cross-encoder with one output to the rows and write a folder usable as `verify.checker`.

    The base is a folder or hub name of an embedding model or a cross-encoder. The same call after an interruption goes on from the last
    checkpoint; after the end it changes nothing. Raises InputError without rows of both labels, SettingsError for a folder in use or a
    device that is not there, TrainingError when the base cannot be had or training fails, Interrupted on Ctrl-C.
    """
    try:
        with silenced():
            return _steps(replace(job, out=job.out.absolute()), settings or CheckerSettings(), progress)
    except KeyboardInterrupt as error:
        next_step = "the same command goes on from the last checkpoint"
        raise Interrupted("training stopped", where=str(job.out), next_step=next_step) from error


def _steps(job: CheckerJob, settings: CheckerSettings, progress: Progress) -> CheckerResult:
    started = time.monotonic()
    # 1. The rows, and the documents that will choose.
    progress("check", 0, None)
    data = job.divided or divide(job.rows, settings)
    recover(job.out)
    refuse_foreign(job.out)
    # 2. The base, with a new head unless it has one.
    progress("load", 0, None)
    model = load_cross_encoder(job.model, seed=settings.seed, device=settings.device, max_seq_length=settings.max_seq_length)
    device = str(model.device)
    run = CheckerRun(data, settings, device, choose_precision(settings.precision, device), progress)
    base_sha256 = weights_sha256(model)
    key = _fingerprint(job.task, run, base_sha256)
    # 3. Perhaps it is all done already, or half done.
    if (finished := _finished(job.out, key)) is not None:
        return finished
    place = claim(job.out, key)
    remember(place, {})
    # 4. Training; the trainer leaves the best epoch by dev in `model`.
    trainer = fit_checker(model, run, place)
    facts = _facts(trainer, (job, run, base_sha256), place)
    del trainer
    if facts.best_step is not None:
        del model
        free_memory()
        model = load_cross_encoder(
            str(place.checkpoints / f"checkpoint-{facts.best_step}"), seed=settings.seed, device=settings.device
        )
    # 5. Thresholds, and the folder, whole or not at all.
    facts = _with_thresholds(facts, model, run)
    progress("save", 0, None)
    result = replace(facts, weights_sha256=weights_sha256(model), seconds=round(time.monotonic() - started, 1))
    publish(place, lambda folder: _write(folder, model, result))
    return result


def _fingerprint(task: str, run: CheckerRun, base_sha256: str) -> str:
    settings = run.settings.model_dump(exclude={"encode_batch_size", "device"})
    device = run.device.partition(":")[0]
    return fingerprint(
        {
            "task": task,
            "data": run.data.sha256,
            "model": base_sha256,
            "settings": settings,
            "device": device,
            "precision": run.precision,
        }
    )


def _finished(out: Path, key: str) -> CheckerResult | None:
    record = read_record(out)
    if record is None or record.get("fingerprint") != key:
        return None
    fields = {name: value for name, value in record.items() if name in CheckerResult.__dataclass_fields__}
    tuples = {name: tuple(record[name]) for name in ("sources", "notes")}
    result = CheckerResult(**{**fields, **tuples, "reused": True})
    if weights_sha256(load_cross_encoder(str(out), seed=0, device="cpu")) != result.weights_sha256:
        raise TrainingError(
            "the weights are not those that were trained", where=str(out), next_step="remove the folder, train again"
        )
    return result


def _facts(trainer: Any, what: tuple[CheckerJob, CheckerRun, str], place: Place) -> CheckerResult:
    job, run, base_sha256 = what
    history = [_numbers(entry) for entry in trainer.state.log_history if "train_runtime" not in entry]
    best = trainer.state.best_model_checkpoint if run.data.dev else None
    best_step = int(str(best).rpartition("-")[2]) if best else None
    return CheckerResult(
        task=job.task,
        model=job.model,
        model_sha256=base_sha256,
        weights_sha256="",
        sources=job.sources,
        data_sha256=run.data.sha256,
        fingerprint=place.fingerprint,
        settings=run.settings.model_dump(mode="json"),
        train_rows=counts(run.data.train),
        dev_rows=counts(run.data.dev),
        steps=int(trainer.state.global_step),
        best_step=best_step,
        dev=next((_dev(entry) for entry in history if PRIMARY in entry and entry["step"] == best_step), None),
        threshold=None,
        threshold_keeping_95=None,
        history=history,
        device=run.device,
        precision=run.precision,
        seconds=0.0,
        resumed_from=int(place.resume_from.name.rpartition("-")[2]) if place.resume_from else None,
        notes=run.data.notes,
    )


def _with_thresholds(facts: CheckerResult, model: Any, run: CheckerRun) -> CheckerResult:
    if facts.dev is None:
        return facts
    scores, labels = pair_scores(model, run.data.dev, run, "threshold"), labels_of(run.data.dev)
    cut = best_cut(labels, scores)
    notes = facts.notes
    if facts.dev[PRIMARY] <= 0.5:
        notes += (f"The {facts.task} tells nothing on dev (ROC-AUC of 0.5 or less): don't use it.",)
    kept = keeping(labels, scores, KEPT_SHARE)
    return replace(facts, dev={**facts.dev, "f1": cut.f1}, threshold=cut.threshold, threshold_keeping_95=kept, notes=notes)


def _dev(entry: dict[str, float]) -> dict[str, float]:
    return {name: entry[name] for name in (PRIMARY, "average_precision")}


def _numbers(entry: dict[str, Any]) -> dict[str, float]:
    slow = ("runtime", "per_second", "model_preparation_time")
    kept = {name.removeprefix("eval_"): value for name, value in entry.items() if not name.endswith(slow)}
    return {name: value for name, value in kept.items() if isinstance(value, int | float)}


def _write(folder: Path, model: Any, result: CheckerResult) -> dict[str, Any]:
    model.save_pretrained(str(folder), create_model_card=False)
    record = asdict(result)
    del record["reused"]
    (folder / "README.md").write_text(checker_card(record), encoding="utf-8")
    return record

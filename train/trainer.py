"""Dataset folder in, tuned model folder out: checked first, compared with the base model, resumable, selected on dev."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from schemas.errors import Interrupted, TrainingError
from schemas.training import TrainSettings
from train.data import TrainingData, read_training_data
from train.eval_set import EvalSet, read_eval_set
from train.evaluate import Progress, quiet
from train.fit import Run, dev_scores, fit
from train.metrics import PRIMARY
from train.model_card import model_card
from train.model_folder import Place, claim, fingerprint, publish, read_record, recover, refuse_foreign, remember
from train.models import choose_precision, count_overlong, free_memory, load_model, silenced, weights_sha256


@dataclass(frozen=True)
class TrainResult:
    """What a run did; also the content of `training.json`."""

    model: str
    """The base model as it was named."""
    model_sha256: str
    """Hash of the base model's weights."""
    weights_sha256: str
    """Hash of the tuned model's weights."""
    dataset: str
    dataset_manifest_sha256: str
    heading_prefix: bool
    """Whether passages begin with their heading path; serving must do the same."""
    fingerprint: str
    settings: dict[str, Any]
    format: str
    loss: str
    rows: int
    steps: int
    best_step: int | None
    """The step of the chosen checkpoint; None without a dev set (then it is the last)."""
    base_dev: dict[str, float] | None
    best_dev: dict[str, float] | None
    beats_base: bool | None
    """Whether the chosen checkpoint has a higher dev nDCG@10 than the base model; None without a dev set."""
    history: list[dict[str, float]]
    """Loss and learning rate by step, and the dev metrics of every evaluation."""
    device: str
    precision: str
    seconds: float
    resumed_from: int | None
    """The step at which an interrupted run was taken up again."""
    notes: tuple[str, ...]
    reused: bool = False
    """The folder already held the model of exactly this run; nothing was done."""


def train_model(
    dataset: Path,
    out: Path,
    model: str,
    settings: TrainSettings | None = None,
    progress: Progress = quiet,
) -> TrainResult:
    """Tune `model` (folder or hub name) on a dataset folder and write a model folder.

    The same call after an interruption goes on from the last checkpoint; after the end it changes nothing. Raises InputError for a faulty
    dataset, SettingsError for a folder that is in use or a device that is not there, TrainingError when the model cannot be had or
    training fails, Interrupted on Ctrl-C.
    """
    try:
        with silenced():
            return _steps(dataset, out.absolute(), model, settings or TrainSettings(), progress)
    except KeyboardInterrupt as error:
        next_step = "the same command goes on from the last checkpoint"
        raise Interrupted("training stopped", where=str(out), next_step=next_step) from error


def _steps(dataset: Path, out: Path, model: str, settings: TrainSettings, progress: Progress) -> TrainResult:
    started = time.monotonic()
    # 1. The data's hashes and schemas, before anything that costs time.
    progress("check", 0, None)
    data = read_training_data(dataset, settings)
    dev = read_eval_set(dataset, "dev", verify_hashes=False)
    recover(out)
    refuse_foreign(out)
    # 2. The base model.
    progress("load", 0, None)
    encoder = load_model(model, device=settings.device, max_seq_length=settings.max_seq_length)
    run = _prepare(encoder, (model, dataset, settings), data, dev, progress)
    key = _fingerprint(run)
    # 3. Perhaps it is all done already, or half done.
    if (finished := _finished(out, key)) is not None:
        return finished
    place = claim(out, key)
    # 4. The base model on dev, so that there is something to beat.
    base_dev = _base_scores(encoder, run, place)
    # 5. Training.
    trainer = fit(encoder, run, place)
    # 6. The best checkpoint, or the last one without a dev set.
    facts = _facts(trainer, run, place, base_dev)
    best = place.checkpoints / f"checkpoint-{facts.best_step}" if facts.best_step is not None else None
    del trainer
    # 7. The model folder, whole or not at all.
    progress("save", 0, None)
    if best is not None:
        del encoder
        free_memory()
        encoder = load_model(str(best), device=settings.device)
    result = replace(facts, weights_sha256=weights_sha256(encoder), seconds=round(time.monotonic() - started, 1))
    publish(place, lambda folder: _write(folder, encoder, result))
    return result


def _prepare(encoder: Any, what: tuple[str, Path, TrainSettings], data: TrainingData, dev: EvalSet, progress: Progress) -> Run:
    name, dataset, settings = what
    device = str(encoder.device)
    notes = list(data.notes)
    if not dev.queries:
        notes.append("The dev set has no queries: the last step is kept, without selection.")
    passages = data.texts.drop("anchor").unpivot()["value"].unique(maintain_order=True).to_list()
    if overlong := count_overlong(encoder, passages):
        notes.append(
            f"{overlong} of {len(passages)} passages are longer than the {encoder.max_seq_length} tokens the model reads; "
            "their ends are cut off."
        )
    return Run(
        name,
        dataset,
        data,
        dev,
        settings,
        device,
        choose_precision(settings.precision, device),
        weights_sha256(encoder),
        tuple(notes),
        progress,
    )


def _fingerprint(run: Run) -> str:
    settings = run.settings.model_dump(exclude={"encode_batch_size", "device"})
    return fingerprint(
        {
            "dataset": run.data.manifest_sha256,
            "model": run.model_sha256,
            "settings": settings,
            "loss": run.data.loss,
            "device": run.device.partition(":")[0],
            "precision": run.precision,
        }
    )


def _finished(out: Path, key: str) -> TrainResult | None:
    record = read_record(out)
    if record is None or record.get("fingerprint") != key:
        return None
    fields = {name: value for name, value in record.items() if name in TrainResult.__dataclass_fields__}
    result = TrainResult(**{**fields, "notes": tuple(record["notes"]), "reused": True})
    if weights_sha256(load_model(str(out), device="cpu")) != result.weights_sha256:
        raise TrainingError(
            "the weights are not those that were trained", where=str(out), next_step="remove the folder, train again"
        )
    return result


def _base_scores(encoder: Any, run: Run, place: Place) -> dict[str, float] | None:
    if place.remembered:
        known: dict[str, float] | None = place.remembered["base_dev"]
        return known
    if not run.dev.queries:
        remember(place, {"base_dev": None})
        return None
    run.progress("base", 0, None)
    scores = dev_scores(encoder, run, "base")
    remember(place, {"base_dev": scores})
    return scores


def _facts(trainer: Any, run: Run, place: Place, base_dev: dict[str, float] | None) -> TrainResult:
    history = [_numbers(entry) for entry in trainer.state.log_history if "train_runtime" not in entry]
    evaluated = {int(entry["step"]): entry for entry in history if PRIMARY in entry}
    best_step, best_dev, beats = None, None, None
    notes = list(run.notes)
    if base_dev is not None:
        best_step = int(str(trainer.state.best_model_checkpoint).rpartition("-")[2])
        best_dev = {metric: evaluated[best_step][metric] for metric in base_dev}
        beats = best_dev[PRIMARY] > base_dev[PRIMARY]
        if not beats:
            notes.append(
                f"No checkpoint beats the base model on dev (nDCG@10 {best_dev[PRIMARY]:.4f} against {base_dev[PRIMARY]:.4f}); "
                "the best one was kept all the same."
            )
    return TrainResult(
        model=run.name,
        model_sha256=run.model_sha256,
        weights_sha256="",
        dataset=run.data.manifest.name,
        dataset_manifest_sha256=run.data.manifest_sha256,
        heading_prefix=run.data.manifest.heading_prefix,
        fingerprint=place.fingerprint,
        settings=run.settings.model_dump(mode="json"),
        format=run.data.format,
        loss=run.data.loss,
        rows=run.data.rows.height,
        steps=int(trainer.state.global_step),
        best_step=best_step,
        base_dev=base_dev,
        best_dev=best_dev,
        beats_base=beats,
        history=history,
        device=run.device,
        precision=run.precision,
        seconds=0.0,
        resumed_from=int(place.resume_from.name.rpartition("-")[2]) if place.resume_from else None,
        notes=tuple(notes),
    )


def _numbers(entry: dict[str, Any]) -> dict[str, float]:
    slow = ("runtime", "per_second", "model_preparation_time")
    kept = {name.removeprefix("eval_"): value for name, value in entry.items() if not name.endswith(slow)}
    return {name: value for name, value in kept.items() if isinstance(value, int | float)}


def _write(folder: Path, encoder: Any, result: TrainResult) -> dict[str, Any]:
    encoder.save_pretrained(str(folder), create_model_card=False)
    record = asdict(result)
    del record["reused"]
    (folder / "README.md").write_text(model_card(record), encoding="utf-8")
    return record

"""What is known of a training when it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from train.fit import Run
from train.metrics import PRIMARY
from train.model_folder import Place


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
    chosen: dict[str, Any]
    """What the settings left open: batch size and rows in memory, processes, learning rate, warm-up, length, prompts (`train.plan.Plan`), base share."""
    format: str
    loss: str
    rows: int
    steps: int
    best_step: int | None
    """The step of the chosen checkpoint; None without a dev set (then it is the last)."""
    base_dev: dict[str, float] | None
    best_dev: dict[str, float] | None
    beats_base: bool | None
    """Whether the model has a higher dev nDCG@10 than the base model; None without a dev set."""
    overfits_after: int | None
    """The step of the best checkpoint, where every later evaluation on dev was worse while the loss went on falling; else None."""
    history: list[dict[str, float]]
    """Loss and learning rate by step, and the dev metrics of every evaluation."""
    device: str
    precision: str
    seconds: float
    resumed_from: int | None
    """The step at which an interrupted run was taken up again; 0 between two of several trainings."""
    warnings: list[dict[str, str]]
    """What spoke against this training before it began: `name`, `what`, `todo` of each (`train.advice`)."""
    notes: tuple[str, ...]
    trainings: int = 1
    """How many were averaged; `steps` are those of the longest, `best_step` is the mean of theirs, and an entry of `history` then names its `training`."""
    reused: bool = False
    """The folder already held the model of exactly this run; nothing was done."""


def facts_of(trainer: Any, run: Run, place: Place) -> TrainResult:
    """What is known of a training that is done."""
    base_dev: dict[str, float] | None = place.remembered["base_dev"]
    history = [_numbers(entry) for entry in trainer.state.log_history if "train_runtime" not in entry]
    evaluated = {int(entry["step"]): entry for entry in history if PRIMARY in entry}
    best_step, best_dev = None, None
    if base_dev is not None and run.dev.queries:
        best_step = int(str(trainer.state.best_model_checkpoint).rpartition("-")[2])
        best_dev = {metric: evaluated[best_step][metric] for metric in base_dev}
    return TrainResult(
        model=run.name,
        model_sha256=run.model_sha256,
        weights_sha256="",
        dataset=run.data.name,
        dataset_manifest_sha256=run.data.manifest_sha256,
        heading_prefix=run.data.heading_prefix,
        fingerprint=place.fingerprint,
        settings=run.settings.model_dump(mode="json"),
        chosen=run.plan.summary() | {"base_share": run.mixture.share},
        format=run.data.format,
        loss=run.plan.loss,
        rows=run.data.rows.height,
        steps=int(trainer.state.global_step),
        best_step=best_step,
        base_dev=base_dev,
        best_dev=best_dev,
        beats_base=None,
        overfits_after=_overfits_after(history, best_step),
        history=history,
        device=run.device,
        precision=run.precision,
        seconds=0.0,
        resumed_from=int(place.resume_from.name.rpartition("-")[2]) if place.resume_from else None,
        warnings=place.remembered["warnings"],
        notes=run.notes,
    )


def judged(facts: TrainResult) -> TrainResult:
    """Whether the model is better than the base on dev, with a note where it is not."""
    if facts.base_dev is None or facts.best_dev is None:
        return facts
    base, tuned = facts.base_dev[PRIMARY], facts.best_dev[PRIMARY]
    if tuned > base:
        return replace(facts, beats_base=True)
    what = "No checkpoint beats" if facts.trainings == 1 else "The mean of the trainings does not beat"
    kept = "the best one" if facts.trainings == 1 else "it"
    note = f"{what} the base model on dev (nDCG@10 {tuned:.4f} against {base:.4f}); {kept} was kept all the same."
    return replace(facts, beats_base=False, notes=(*facts.notes, note))


def _overfits_after(history: list[dict[str, float]], best_step: int | None) -> int | None:
    """The best step, if at least two evaluations followed, all of them worse, while the loss of the last steps was below that before it."""
    later = [entry for entry in history if PRIMARY in entry and best_step is not None and entry["step"] > best_step]
    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    before = [loss for step, loss in losses if best_step is not None and step <= best_step]
    if best_step is None or len(later) < 2 or not before or losses[-1][1] >= before[-1]:
        return None
    return best_step


def _numbers(entry: dict[str, Any]) -> dict[str, float]:
    slow = ("runtime", "per_second", "model_preparation_time")
    kept = {name.removeprefix("eval_"): value for name, value in entry.items() if not name.endswith(slow)}
    return {name: value for name, value in kept.items() if isinstance(value, int | float)}

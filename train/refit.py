"""The final model: the settings of one that was judged worth shipping, trained on all splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.errors import InputError, SettingsError, VerdictError
from schemas.manifest import MANIFEST_NAME, file_sha256, read_manifest
from schemas.training import TrainSettings
from train import judgements
from train.evaluate import Progress, quiet
from train.model_folder import read_record
from train.result import TrainResult
from train.trainer import train_model
from train.verdict import Outcome


def refit(dataset: Path, out: Path, judged: Path, progress: Progress = quiet) -> TrainResult:
    """Train the base model of `judged` anew on train, dev and test, with its settings and as many passes over the rows as its best checkpoint had.

    Raises VerdictError where no evaluation of `judged` says SHIP or one says DO NOT SHIP, InputError for another dataset than it was trained
    on, and what `train_model` raises.
    """
    record = read_record(judged)
    if record is None:
        raise SettingsError(
            "is no model that `curate train` made", where=str(judged), next_step="name the folder of a tuned model"
        )
    _require_ship(judged, record)
    if not dataset.is_dir() or file_sha256(dataset / MANIFEST_NAME) != record["dataset_manifest_sha256"]:
        raise InputError(
            f"is not the dataset that {judged} was trained on",
            where=str(dataset),
            next_step="give that dataset, or train and evaluate anew",
        )
    return train_model(dataset, out, record["model"], _settings(dataset, record), progress)


def _require_ship(judged: Path, record: dict[str, Any]) -> None:
    found = judgements.outcomes(judged, record)
    # Questions about other documents may warn, but do not prove that it is better on these.
    if (Outcome.SHIP, True) in found.values() and all(outcome != Outcome.DO_NOT_SHIP for outcome, _ in found.values()):
        return
    said = ", ".join(
        f"{outcome} on {name}{'' if own else ', which is another dataset'}" for name, (outcome, own) in found.items()
    )
    raise VerdictError(
        f"only a model whose verdict is SHIP is refitted ({said or 'never evaluated'})",
        where=str(judged),
        next_step="curate evaluate MODEL DATASET --queries FILE --general FILE",
    )


def _settings(dataset: Path, record: dict[str, Any]) -> TrainSettings:
    """Those of the judged run, in as many steps as its best checkpoint had passes over the rows."""
    settings = TrainSettings.model_validate(record["settings"])
    counts = read_manifest(dataset, verify_hashes=False).counts.get(record["format"], {})
    best, rows = record["best_step"] or record["steps"], counts.get("train", 0)
    more = sum(counts.values()) / rows if rows and settings.limit is None else 1.0
    # What the defaults were then.
    then = {"trainings": record.get("trainings", 1), "base_share": record["chosen"].get("base_share", settings.base_share)}
    return settings.model_copy(update={"splits": "all", "max_steps": max(1, round(best * more)), "patience": None, **then})

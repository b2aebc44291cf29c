"""Several epochs and learning rates, a run each; the best by dev becomes the model, and where more training harmed is marked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError
from schemas.manifest import MANIFEST_NAME, file_sha256
from schemas.training import TrainSettings
from train import processes
from train.choices import learning_rate, parameters
from train.data import read_training_data
from train.evaluate import Progress, quiet
from train.losses import HYBRID
from train.metrics import PRIMARY
from train.model_folder import fingerprint, read_record, recover, refuse_foreign
from train.models import free_memory, load_model
from train.result import TrainResult
from train.trainer import dev_set, train_model
from train.watch import Shown

RECORD = "sweep.json"
FACTORS = (0.5, 1.0, 3.0)
"""Learning rates tried where none are named, in units of the default of the model's size."""


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep."""

    epochs: int
    learning_rate: float
    dev: float
    """nDCG@10 of its best checkpoint."""
    best_step: int
    steps: int
    loss: float
    """The last that was logged."""
    best: bool = False
    overfits: bool = False
    """Fewer epochs at the same learning rate gave a better model."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep found; also the content of `sweep.json` in the model folder."""

    fingerprint: str
    base_dev: float
    runs: tuple[SweepRun, ...]
    overfits_after: dict[str, int]
    """Learning rate → epochs after which more of them made dev worse; rates where that did not happen are left out."""


def train_sweep(
    source: Path, out: Path, model: str, settings: TrainSettings | None = None, progress: Progress = quiet
) -> tuple[TrainResult, Sweep]:
    """Train with every pair of `sweep_epochs` and learning rates, one after the other, and keep the best model by dev nDCG@10.

    The same call after an interruption goes on with the run that was cut short; after the end it changes nothing. Memory is given back
    between runs. Raises what `train_model` raises, and SettingsError without dev queries or in several processes.
    """
    settings = settings or TrainSettings()
    out = out.absolute()
    if processes.count() > 1:
        raise SettingsError("a sweep runs in one process", where="--sweep", next_step="leave torchrun out")
    recover(out)
    refuse_foreign(out)
    key = _fingerprint(source, model, settings)
    if (known := _finished(out)) is not None and known["fingerprint"] == key:
        runs = tuple(SweepRun(**run) for run in known["runs"])
        record = read_record(out) or {}
        fields = {name: value for name, value in record.items() if name in TrainResult.__dataclass_fields__}
        result = TrainResult(**{**fields, "notes": tuple(record["notes"]), "reused": True})
        return result, Sweep(key, known["base_dev"], runs, known["overfits_after"])
    if read_record(out) is not None:
        raise SettingsError(
            "holds a model trained with other data, model or settings",
            where=str(out),
            next_step="give another --out, or remove it",
        )
    folder = out.with_name(f"{out.name}.sweep")
    results = [_run(source, folder, model, one, progress) for one in _grid(source, model, settings)]
    sweep = _compared(key, results)
    best = results[[run.best for run in sweep.runs].index(True)]
    _publish(_folder_of(folder, best.settings), out, sweep)
    shutil.rmtree(folder)
    return best, sweep


def _grid(source: Path, model: str, settings: TrainSettings) -> list[TrainSettings]:
    data = read_training_data(source, settings)
    if not dev_set(source, data, settings).queries:
        raise SettingsError(
            "there are no dev queries to choose by",
            where="--sweep",
            next_step="sweep on a dataset folder with a dev set; of a plain file hold rows out with --set dev_share=0.1",
        )
    rates = settings.sweep_learning_rates
    if not rates:
        size = parameters(load_model(model, device="cpu"))
        free_memory()
        usual = learning_rate(settings, size, hybrid=data.loss == HYBRID)
        rates = tuple(float(f"{factor * usual:.3g}") for factor in FACTORS)
    pairs = [(rate, epochs) for rate in sorted(set(rates)) for epochs in sorted(set(settings.sweep_epochs))]
    # How far training goes is what is looked for: no run ends early.
    return [
        settings.model_copy(update={"learning_rate": rate, "epochs": epochs, "patience": None, "max_steps": None})
        for rate, epochs in pairs
    ]


def _run(source: Path, folder: Path, model: str, settings: TrainSettings, progress: Progress) -> TrainResult:
    name = f"{settings.epochs} epochs, learning rate {settings.learning_rate:g}"

    def named(step: str, done: int, total: int | None) -> None:
        progress(Shown(f"{step} ({name})", getattr(step, "detail", "")), done, total)

    result = train_model(source, _folder_of(folder, settings.model_dump()), model, settings, named)
    free_memory()
    return result


def _folder_of(folder: Path, settings: dict[str, Any]) -> Path:
    return folder / f"epochs-{settings['epochs']}-rate-{settings['learning_rate']:g}"


def _compared(key: str, results: list[TrainResult]) -> Sweep:
    dev = [(result.best_dev or {})[PRIMARY] for result in results]
    # Of equal ones the first: the lower rate, the fewer epochs.
    best = dev.index(max(dev))
    runs: list[SweepRun] = []
    for number, result in enumerate(results):
        rate, epochs = result.settings["learning_rate"], result.settings["epochs"]
        fewer = [score for score, other in zip(dev, results, strict=True) if _before(other, rate, epochs)]
        runs.append(
            SweepRun(
                epochs=epochs,
                learning_rate=rate,
                dev=dev[number],
                best_step=result.best_step or 0,
                steps=result.steps,
                loss=[entry["loss"] for entry in result.history if "loss" in entry][-1],
                best=number == best,
                overfits=any(score > dev[number] for score in fewer),
            )
        )
    return Sweep(key, (results[0].base_dev or {})[PRIMARY], tuple(runs), _overfitting(runs))


def _before(other: TrainResult, rate: float, epochs: int) -> bool:
    return bool(other.settings["learning_rate"] == rate and other.settings["epochs"] < epochs)


def _overfitting(runs: Iterable[SweepRun]) -> dict[str, int]:
    """Where the largest number of epochs is not the best: the best one, by learning rate."""
    by_rate: dict[float, list[SweepRun]] = {}
    for run in runs:
        by_rate.setdefault(run.learning_rate, []).append(run)
    best = {rate: max(group, key=lambda run: (run.dev, -run.epochs)) for rate, group in by_rate.items()}
    return {f"{rate:g}": run.epochs for rate, run in best.items() if by_rate[rate][-1].overfits and run != by_rate[rate][-1]}


def _fingerprint(source: Path, model: str, settings: TrainSettings) -> str:
    data = source if source.is_file() else source / MANIFEST_NAME
    content = file_sha256(data) if data.is_file() else ""
    seen = settings.model_dump(
        mode="json", exclude={"encode_batch_size", "device", "report_to", "strict", "epochs", "max_steps", "patience"}
    )
    return fingerprint({"dataset": content, "model": model, "settings": seen})


def _finished(out: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _publish(best: Path, out: Path, sweep: Sweep) -> None:
    """The whole folder at once, as `train.model_folder.publish` does for a single run."""
    (best / RECORD).write_text(json.dumps(asdict(sweep), indent=2) + "\n", encoding="utf-8")
    if out.is_dir():
        # Empty, or with checkpoints of a run that never ended: `refuse_foreign` let nothing else pass.
        shutil.rmtree(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    best.replace(out)

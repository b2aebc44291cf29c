"""What a recipe is asked for, and the training settings that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.report import write_report
from pipelines.runner import Build, Listener, Silent, run_build
from schemas.errors import SettingsError
from schemas.evaluation import EvaluateSettings
from schemas.settings import Settings, load_settings
from schemas.settings.loading import section_from_sets
from schemas.training import TrainSettings
from train.evaluate import Progress, quiet
from train.models import free_memory
from train.result import TrainResult
from train.trainer import train_model


@dataclass(frozen=True)
class Order:
    """One run of a recipe. What is None is what the source did."""

    out: Path
    source: Path | None = None
    """A file, or a folder with an entry for each of the recipe's data sets; None: the hub."""
    parts: Mapping[str, Path] = field(default_factory=dict)
    """Data set → its file, over `source`."""
    model: str | None = None
    tuned: str | None = None
    """The already tuned model of `nli`."""
    reranker: str | None = None
    queries: Path | None = None
    qrels: Path | None = None
    general: Path | None = None
    """Texts of elsewhere that people rated, for the forgetting check."""
    max_rows: int | None = None
    """At most so many rows of each data set."""
    epochs: tuple[int, ...] = ()
    max_steps: int | None = None
    device: str = "auto"
    seed: int = 13
    sets: tuple[str, ...] = ()
    """`key=value`: with a dot a setting of the build, else of training."""
    progress: Progress = quiet
    listener: Listener = field(default_factory=Silent)

    def build_settings(self, base: Mapping[str, Any]) -> Settings:
        """Settings of the recipe's build: its own, then the user's."""
        return load_settings(None, [item for item in self.sets if _of_build(item)], {"seed": self.seed, **base})

    def train_settings(self, own: Mapping[str, Any], *, fixed: tuple[str, ...] = ()) -> TrainSettings:
        """Settings of one training: the recipe's own, then the user's. Raises SettingsError when a `fixed` one is the user's."""
        given = section_from_sets(TrainSettings, [item for item in self.sets if not _of_build(item)])
        chosen = {name: getattr(given, name) for name in given.model_fields_set}
        if taken := [name for name in fixed if name in chosen]:
            raise SettingsError(f"{taken[0]} is what this recipe sets itself", where="--set", next_step=f"leave {taken[0]} out")
        options = {"seed": self.seed, "device": self.device, "max_steps": self.max_steps}
        return TrainSettings.model_validate({**own, **options, **chosen})

    def evaluate_settings(self) -> EvaluateSettings:
        """Settings of the recipe's evaluations."""
        return EvaluateSettings.model_validate({"seed": self.seed, "device": self.device, "reranker": self.reranker})

    def only_epochs(self, default: int) -> int:
        """The one number of epochs of a recipe without a sweep."""
        if len(self.epochs) > 1:
            raise SettingsError("this recipe trains for one number of epochs", where="--epochs", next_step="give one number")
        return self.epochs[0] if self.epochs else default

    def step(self, name: str) -> Progress:
        """Progress of one part of the recipe, under its name."""
        return partial(_named, self.progress, name)

    def train(self, name: str, data: Path, model: str, settings: TrainSettings) -> TrainResult:
        """Tune `model` on `data` into the folder `models/NAME`; a finished one is taken as it is, a half finished one goes on."""
        result = train_model(data, self.model_folder(name), model, settings, self.step(f"train {name}"))
        free_memory()
        return result

    def build(self, sources: Sequence[Path], settings: Settings) -> Path:
        """Build (or go on building) into the folder `build`; gives the dataset's folder."""
        folder = self.out / "build"
        run_build(Build(tuple(map(str, sources)), folder, settings), self.listener)
        write_report(folder, settings)
        return folder / "dataset"

    def model_folder(self, name: str) -> Path:
        """Where a model of the recipe stands."""
        return self.out / "models" / name


def brief(result: TrainResult) -> dict[str, Any]:
    """Of a training what a recipe's JSON tells; the rest is in the model's `training.json`."""
    record = asdict(result)
    names = ("model", "loss", "rows", "steps", "seconds", "device", "precision", "warnings", "notes")
    return {name: record[name] for name in names} | {"losses": losses_of(result)}


def losses_of(result: TrainResult) -> list[float]:
    """The training loss, as it was logged; of several trainings that were averaged, the first one's."""
    return [entry["loss"] for entry in result.history if "loss" in entry and entry.get("training", 1) == 1]


def _of_build(item: str) -> bool:
    return "." in item.partition("=")[0]


def _named(progress: Progress, name: str, step: str, done: int, total: int | None) -> None:
    progress(f"{name}: {step}", done, total)

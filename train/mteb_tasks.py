"""Tasks of MTEB with any model: from the hub, or from a local folder where there is no network."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import InputError, SettingsError, TrainingError
from schemas.evaluation import EvaluateSettings
from train.evaluate import Progress, quiet
from train.models import free_memory, load_model
from train.rankings import System

INSTALL = 'pip install "curate-embeddings[mteb]"'


def mteb_scores(
    systems: Mapping[str, System],
    names: Sequence[str],
    folder: Path | None,
    settings: EvaluateSettings,
    progress: Progress = quiet,
) -> dict[str, dict[str, float]]:
    """Task → system → the task's main score (as its leaderboard reports it), for systems that are models by name or folder.

    With `folder` a task is read from `FOLDER/TASK`, laid out as its dataset on the hub is (whatever `datasets.load_dataset` takes).
    Raises SettingsError for an unknown task, TrainingError when mteb is missing or a task cannot be loaded or run.
    """
    if not names:
        return {}
    mteb = _library()
    tasks = {name: _task(mteb, name, folder) for name in names}
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for system, model in systems.items():
        if not isinstance(model, str | Path):
            continue
        loaded = load_model(str(model), device=settings.device, max_seq_length=settings.max_seq_length)
        for name, task in tasks.items():
            progress(f"{name} {system}", 0, None)
            found[name][system] = _score(mteb, loaded, task, settings)
        del loaded
        free_memory()
    return found


def _library() -> Any:
    try:
        return importlib.import_module("mteb")
    except ImportError as error:
        raise TrainingError(f"mteb is not installed: {error}", where="--mteb", next_step=INSTALL) from error


def _task(mteb: Any, name: str, folder: Path | None) -> Any:
    try:
        task = mteb.get_task(name)
    except (KeyError, ValueError) as error:
        raise SettingsError(
            f"mteb has no task {name!r}", where="--mteb", next_step="names are those of its leaderboard"
        ) from error
    if folder is not None:
        place = folder / name
        if not place.is_dir():
            raise InputError(f"no folder {name} here", where=str(folder), next_step="one folder a task, named like the task")
        # A copy: the library keeps one description a task for the whole process.
        task.metadata = task.metadata.model_copy(update={"dataset": {"path": str(place), "revision": "local"}})
    return task


def _score(mteb: Any, model: Any, task: Any, settings: EvaluateSettings) -> float:
    options = {"cache": None, "show_progress_bar": False, "encode_kwargs": {"batch_size": settings.encode_batch_size}}
    try:
        # It prints to stdout, which belongs to results.
        with contextlib.redirect_stdout(io.StringIO()):
            result = mteb.evaluate(model, task, **options)
        return float(result.task_results[0].get_score())
    except Exception as error:  # a library of many tasks raises anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise TrainingError(
            f"the task cannot be run: {reason}",
            where=task.metadata.name,
            next_step="its data comes from the hub; without a network give --mteb-data FOLDER with FOLDER/TASK",
        ) from error

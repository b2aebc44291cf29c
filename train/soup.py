"""Trainings from one start, each with a seed of its own, and the mean of their weights (model soups, Wortsman et al. 2203.05482)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from shutil import rmtree
from typing import Any

from schemas.errors import TrainingError
from train import processes
from train.evaluate import Progress
from train.fit import Run
from train.mixture import learnt
from train.model_folder import Place
from train.models import free_memory, third_party
from train.watch import Shown

SEED_STEP = 1_000
"""Between the seeds of two trainings."""

_SEEDS = 2**32
_WEIGHTS = "weights.safetensors"
_FACTS = "facts.json"

Facts = dict[str, Any]
Training = Callable[[Any, int, Place], tuple[Any, Facts]]
"""A model at its start, the training's number and its place in; the trained model and what is known of the training out."""


def simmer(encoder: Any, run: Run, place: Place, train: Training) -> list[Facts]:
    """Train `run.trainings` times from the encoder as it is, which then has the mean of their weights; what is known of each training.

    Each stands in a folder of its own beside the checkpoints: a run that was interrupted trains again only what was not finished.
    """
    parts = [place.part(number) for number in range(run.trainings)]
    before = [(part.checkpoints / _FACTS).is_file() for part in parts]
    device = encoder.device
    # The start takes no memory of the device's, where the batch was measured to fit.
    encoder.to("cpu")
    for number, part in enumerate(parts):
        if not before[number]:
            # A copy: the trainer leaves more behind in a model than weights.
            trained, facts = train(deepcopy(encoder).to(device), number, part)
            if processes.writes():
                _keep(part, trained, facts)
            del trained
            free_memory()
            processes.wait(run.device)
        if processes.writes():
            for checkpoint in part.checkpoints.glob("checkpoint-*"):
                rmtree(checkpoint)
    encoder.to(device)
    _pour(encoder, parts)
    told = [json.loads((part.checkpoints / _FACTS).read_text(encoding="utf-8")) for part in parts]
    if any(before) and all(facts["resumed_from"] is None for facts in told):
        told[-1]["resumed_from"] = 0
    return told


def seeded(run: Run, number: int) -> Run:
    """The training of this number, from 0; the first has the run's own seed."""
    seed = (run.settings.seed + SEED_STEP * number) % _SEEDS
    plan = replace(run.plan, batches=replace(run.plan.batches, seed=seed), options=replace(run.plan.options, seed=seed))
    named = partial(_named, run.progress, f"training {number + 1} of {run.trainings}")
    return replace(run, settings=run.settings.model_copy(update={"seed": seed}), plan=plan, progress=named)


def _named(progress: Progress, name: str, step: str, done: int, total: int | None) -> None:
    progress(Shown(f"{step} ({name})", getattr(step, "detail", "")), done, total)


def _keep(part: Place, trained: Any, facts: Facts) -> None:
    """The facts last: where they are, the weights are whole."""
    save_file = third_party("safetensors.torch").save_file
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in learnt(trained)}
    save_file(weights, str(part.checkpoints / _WEIGHTS))
    temporary = part.checkpoints / (_FACTS + ".tmp")
    temporary.write_text(json.dumps(facts), encoding="utf-8")
    temporary.replace(part.checkpoints / _FACTS)


def _pour(encoder: Any, parts: Sequence[Place]) -> None:
    torch = third_party("torch")
    mean: dict[str, Any] = {}
    for part in parts:
        for name, weights in _read(part).items():
            mean[name] = mean.get(name, 0.0) + weights.float() / len(parts)
    with torch.no_grad():
        for name, weights in learnt(encoder):
            weights.copy_(mean[name])


def _read(part: Place) -> dict[str, Any]:
    file = part.checkpoints / _WEIGHTS
    try:
        found: dict[str, Any] = third_party("safetensors.torch").load_file(str(file))
    except Exception as error:  # safetensors has an error of its own
        # Trained again next time.
        (part.checkpoints / _FACTS).unlink(missing_ok=True)
        raise TrainingError("cannot be read", where=str(file), next_step="the same command trains it again") from error
    return found


def together(told: list[Facts]) -> Facts:
    """What the record says of trainings that were averaged: the last one's facts, the most steps, the mean of the best ones, the histories one after another."""
    if len(told) == 1:
        return told[0]
    best = [facts["best_step"] for facts in told]
    over = [facts["overfits_after"] for facts in told]
    return {
        # A training that the memory was too small for has left smaller steps to those after it.
        **told[-1],
        "steps": max(facts["steps"] for facts in told),
        "notes": list(dict.fromkeys(note for facts in told for note in facts["notes"])),
        "best_step": None if None in best else round(math.fsum(best) / len(best)),
        "overfits_after": None if None in over else min(over),
        "history": [{"training": number, **entry} for number, facts in enumerate(told, 1) for entry in facts["history"]],
        "resumed_from": next((facts["resumed_from"] for facts in reversed(told) if facts["resumed_from"] is not None), None),
    }

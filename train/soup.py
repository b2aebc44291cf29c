"""Trainings from one start, each with a seed of its own, and the mean of their weights (model soups, Wortsman et al. 2203.05482)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from shutil import rmtree
from typing import Any

from train import processes
from train.evaluate import Progress
from train.fit import Run
from train.model_folder import Place
from train.models import free_memory, third_party
from train.watch import Shown

SEED_STEP = 1_000
"""Between the seeds of two trainings."""

_WEIGHTS = "weights.safetensors"
_FACTS = "facts.json"

Facts = dict[str, Any]
Training = Callable[[Any, Run, Place], tuple[Any, Facts]]
"""A model at its start, a run and its place in; the trained model and what is known of the training out."""


def simmer(encoder: Any, run: Run, place: Place, train: Training) -> list[Facts]:
    """Train `run.settings.trainings` times from the encoder as it is, which then has the mean of their weights; what is known of each training.

    Each stands in a folder of its own beside the checkpoints: a run that was interrupted trains again only what was not finished.
    """
    parts = [place.part(number) for number in range(run.settings.trainings)]
    device = encoder.device
    # The start takes no memory of the device's, where the batch was measured to fit.
    encoder.to("cpu")
    for number, part in enumerate(parts):
        if (part.checkpoints / _FACTS).is_file():
            continue
        # A copy: the trainer leaves more behind in a model than weights.
        trained, facts = train(deepcopy(encoder).to(device), seeded(run, number), part)
        if processes.writes():
            _keep(part, trained, facts)
        del trained
        free_memory()
        processes.wait(run.device)
        if processes.writes():
            for checkpoint in part.checkpoints.glob("checkpoint-*"):
                rmtree(checkpoint)
    encoder.to(device)
    _pour(encoder, [part.checkpoints / _WEIGHTS for part in parts])
    return [json.loads((part.checkpoints / _FACTS).read_text(encoding="utf-8")) for part in parts]


def seeded(run: Run, number: int) -> Run:
    """The training of this number, from 0; the first has the run's own seed."""
    seed = run.settings.seed + SEED_STEP * number
    plan = replace(run.plan, batches=replace(run.plan.batches, seed=seed), options=replace(run.plan.options, seed=seed))
    named = partial(_named, run.progress, f"training {number + 1} of {run.settings.trainings}")
    return replace(run, settings=run.settings.model_copy(update={"seed": seed}), plan=plan, progress=named)


def _named(progress: Progress, name: str, step: str, done: int, total: int | None) -> None:
    progress(Shown(f"{step} ({name})", getattr(step, "detail", "")), done, total)


def _keep(part: Place, trained: Any, facts: Facts) -> None:
    """The facts last: where they are, the weights are whole."""
    save_file = third_party("safetensors.torch").save_file
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in _learnt(trained).items()}
    save_file(weights, str(part.checkpoints / _WEIGHTS))
    temporary = part.checkpoints / (_FACTS + ".tmp")
    temporary.write_text(json.dumps(facts), encoding="utf-8")
    temporary.replace(part.checkpoints / _FACTS)


def _pour(encoder: Any, files: list[Any]) -> None:
    torch, load_file = third_party("torch"), third_party("safetensors.torch").load_file
    mean: dict[str, Any] = {}
    for file in files:
        for name, weights in load_file(str(file)).items():
            mean[name] = mean.get(name, 0.0) + weights.float() / len(files)
    with torch.no_grad():
        for name, weights in _learnt(encoder).items():
            weights.copy_(mean[name])


def _learnt(encoder: Any) -> dict[str, Any]:
    """Counters and positions are whole numbers, and stay."""
    return {name: tensor for name, tensor in encoder.state_dict().items() if tensor.is_floating_point()}


def together(told: list[Facts]) -> Facts:
    """What the record says of trainings that were averaged: the first one's facts, the mean of their best steps, the histories one after the other."""
    if len(told) == 1:
        return told[0]
    best = [facts["best_step"] for facts in told]
    over = [facts["overfits_after"] for facts in told]
    return {
        **told[0],
        "best_step": None if None in best else round(math.fsum(best) / len(best)),
        "overfits_after": None if None in over else min(over),
        "history": [{"training": number, **entry} for number, facts in enumerate(told, 1) for entry in facts["history"]],
        "resumed_from": next((facts["resumed_from"] for facts in reversed(told) if facts["resumed_from"] is not None), None),
    }

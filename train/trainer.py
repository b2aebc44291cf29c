"""Rows in, tuned model folder out: checked first, compared with the base model, resumable, selected on dev."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from schemas.errors import Interrupted, TrainingError
from schemas.training import TrainSettings
from train import processes
from train.data import TrainingData, read_training_data
from train.eval_set import EvalSet, read_eval_set
from train.evaluate import Progress, quiet
from train.fit import RUNS, Run, dev_scores, fit, reports
from train.lora import load_trained, merge_adapters
from train.losses import HYBRID
from train.model_card import model_card
from train.model_folder import PART, Place, claim, fingerprint, publish, read_record, recover, refuse_foreign, remember
from train.models import free_memory, load_model, silenced, weights_sha256
from train.prepare import Prepared, decide, prepare
from train.result import TrainResult, facts_of, judged
from train.soup import seeded, simmer, together


def train_model(
    dataset: Path,
    out: Path,
    model: str,
    settings: TrainSettings | None = None,
    progress: Progress = quiet,
) -> TrainResult:
    """Tune `model` (folder or hub name) on a dataset folder, or on a plain file of rows, and write a model folder.

    The same call after an interruption goes on from the last checkpoint; after the end it changes nothing. Started by `torchrun`, every
    process calls it; one of them writes. Raises InputError for faulty rows, SettingsError for a folder that is in use or a device that is
    not there, TrainingError when the model cannot be had, training fails or `strict` finds a warning, Interrupted on Ctrl-C.
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
    reports(settings)
    data = read_training_data(dataset, settings)
    dev = dev_set(dataset, data, settings)
    if processes.writes():
        recover(out)
    refuse_foreign(out)
    # 2. The base model.
    progress("load", 0, None)
    encoder = load_model(model, device=settings.device, max_seq_length=settings.max_seq_length)
    prepared = prepare(encoder, model, data, dev, settings)
    key = _fingerprint(prepared, settings)
    # 3. Perhaps it is all done already, or half done.
    if (finished := _finished(out, key)) is not None:
        return finished
    processes.wait(prepared.device)
    place = _claimed(out, key, prepared, progress)
    # 4. What the rows and the memory make of the settings; then warnings, before any step is paid for.
    run = decide(prepared, place, (model, dataset), progress)
    # 5. Training, once or several times; of each the best checkpoint, or the last one without a dev set.
    encoder, facts = _trained(prepared.encoder, run, place) if run.trainings == 1 else _averaged(prepared.encoder, run, place)
    # 6. Against the base model's dev scores.
    facts = judged(facts)
    # 7. The model folder, whole or not at all.
    progress("save", 0, None)
    result = replace(facts, weights_sha256=weights_sha256(encoder), seconds=round(time.monotonic() - started, 1))
    # The checkpoints go with the publishing: all must have read theirs.
    processes.wait(prepared.device)
    if processes.writes():
        publish(place, lambda folder: _write(folder, encoder, result, place))
    processes.wait(prepared.device)
    return result


NO_DEV = EvalSet("dev", {}, {}, {}, {}, {}, {})


def dev_set(source: Path, data: TrainingData, settings: TrainSettings) -> EvalSet:
    """What chooses the checkpoint: the dev set of a dataset folder, or what was held out of a plain file; without queries where there is none."""
    if source.is_dir() and settings.splits == "train":
        return read_eval_set(source, "dev", verify_hashes=False)
    return data.dev or NO_DEV


def _claimed(out: Path, key: str, prepared: Prepared, progress: Progress) -> Place:
    """The folder, and in it what was measured before the first step: by the process that writes, while the others wait."""
    if processes.writes():
        place = claim(out, key)
        if not place.remembered:
            facts = prepared.before_training(progress)
            base_dev = None
            if prepared.dev.queries:
                progress("base", 0, None)
                base_dev = dev_scores(prepared.encoder, prepared.dev, prepared.settings, progress, "base")
            remember(place, facts | {"base_dev": base_dev})
        if prepared.data.loss == HYBRID:
            prepared.teacher(place, progress)
    processes.wait(prepared.device)
    return claim(out, key)


def _trained(encoder: Any, run: Run, place: Place) -> tuple[Any, TrainResult]:
    """One training, finished."""
    encoder, facts, _ = _once(encoder, run, place)
    run.mixture.mix(encoder)
    return encoder, facts


def _averaged(encoder: Any, run: Run, place: Place) -> tuple[Any, TrainResult]:
    """Several trainings, their mean finished and measured on dev."""

    # Of one checkpoint each there is nothing to choose by dev.
    alone = run if run.chooses else replace(run, dev=NO_DEV)
    plan, notes = run.plan, run.notes

    def train(start: Any, number: int, part: Place) -> tuple[Any, dict[str, Any]]:
        nonlocal plan, notes
        model, facts, went = _once(start, seeded(replace(alone, plan=plan, notes=notes), number), part)
        # Where the memory was too small, the next one need not find out again.
        plan, notes = went.plan, went.notes
        return model, asdict(facts)

    known = together(simmer(encoder, run, place, train))
    run.mixture.mix(encoder)
    best_dev = dev_scores(encoder, run.dev, run.settings, run.progress, "dev") if run.dev.queries else None
    settings = run.settings.model_dump(mode="json")
    best_step = known["steps"] if best_dev and not run.chooses else known["best_step"]
    known |= {
        "settings": settings,
        "best_step": best_step,
        "best_dev": best_dev,
        "trainings": run.trainings,
        "notes": tuple(known["notes"]),
    }
    return encoder, TrainResult(**known)


def _once(encoder: Any, run: Run, place: Place) -> tuple[Any, TrainResult, Run]:
    """A model trained, what is known of its training, and the run as it went."""
    trainer, run = fit(encoder, run, place)
    facts = facts_of(trainer, run, place)
    best = place.checkpoints / f"checkpoint-{facts.best_step}" if facts.best_step is not None else None
    del trainer
    return _chosen(encoder, best, run), facts, run


def _chosen(encoder: Any, best: Path | None, run: Run) -> Any:
    """The model of the best checkpoint, or as it is after the last step; adapters merged."""
    if run.settings.lora_rank is not None:
        if best is not None:
            load_trained(encoder, best)
        merge_adapters(encoder)
        return encoder
    if best is not None:
        # Its place on the device is the best one's.
        encoder.to("cpu")
        free_memory()
        encoder = load_model(str(best), device=run.settings.device)
    return encoder


def _fingerprint(prepared: Prepared, settings: TrainSettings) -> str:
    seen = settings.model_dump(
        exclude={"encode_batch_size", "device", "report_to", "strict", "sweep_epochs", "sweep_learning_rates"}
    )
    return fingerprint(
        {
            "dataset": prepared.data.manifest_sha256,
            "model": prepared.model_sha256,
            "guide": prepared.guide_sha256,
            "settings": seen,
            "loss": prepared.data.loss,
            "device": prepared.device.partition(":")[0],
            "precision": prepared.precision,
            "processes": processes.count(),
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


def _write(folder: Path, encoder: Any, result: TrainResult, place: Place) -> dict[str, Any]:
    encoder.save_pretrained(str(folder), create_model_card=False)
    if (place.checkpoints / RUNS).is_dir():
        shutil.copytree(place.checkpoints / RUNS, folder / RUNS)
    for runs in place.checkpoints.glob(f"{PART}*/{RUNS}"):
        shutil.copytree(runs, folder / RUNS / runs.parent.name)
    record = asdict(result)
    del record["reused"]
    (folder / "README.md").write_text(model_card(record), encoding="utf-8")
    return record

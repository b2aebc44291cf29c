"""One run of the sentence-transformers trainer: its arguments, its evaluation on dev, its faults."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from schemas.errors import CurateError, TrainingError
from schemas.evaluation import EvaluateSettings
from schemas.training import TrainSettings
from train import processes
from train.data import TrainingData, to_dataset
from train.distil import asked, without_anchors
from train.eval_set import EvalSet
from train.evaluate import Progress, means, score_run
from train.losses import HYBRID, build_loss
from train.metrics import PRIMARY
from train.mixture import Mixture
from train.model_folder import Place
from train.models import free_memory, third_party
from train.padding import as_saved, pass_in_parts
from train.plan import Plan, within
from train.rankings import dense_run
from train.trainer_class import trainer_class
from train.watch import out_of_patience, save_in_time, stop_early, watch

RUNS = "runs"
_REPORTS = {"tensorboard": ("tensorboard", "torch.utils.tensorboard"), "wandb": ("wandb",)}


@dataclass(frozen=True)
class Run:
    """The inputs of a run, read and checked."""

    name: str
    source: Path
    data: TrainingData
    dev: EvalSet
    settings: TrainSettings
    plan: Plan
    device: str
    precision: str
    model_sha256: str
    mixture: Mixture
    trainings: int
    """How many are averaged."""
    notes: tuple[str, ...]
    progress: Progress

    @property
    def total_steps(self) -> int:
        return self.plan.steps(self.settings)

    @property
    def chooses(self) -> bool:
        """Whether a training has several checkpoints, of which dev chooses one."""
        an_epoch = self.plan.steps(self.settings.model_copy(update={"max_steps": None, "epochs": 1}))
        return bool(self.dev.queries) and self.total_steps > (self.settings.evaluate_every or an_epoch)


def dev_scores(encoder: Any, dev: EvalSet, settings: TrainSettings, progress: Progress, step: str) -> dict[str, float]:
    """Mean metrics of a model on the dev queries, against all passages; progress is reported under the name of `step`."""
    ranking, _ = dense_run(encoder, dev, EvaluateSettings(encode_batch_size=settings.encode_batch_size), partial(progress, step))
    scores = score_run(ranking, dev)
    return means(scores, scores)


def fit(encoder: Any, run: Run, place: Place) -> tuple[Any, Run]:
    """Train `encoder` in place, from the newest checkpoint when there is one; gives the finished trainer, and the run as it went.

    Where the GPU's memory is too small for a step after all, the run begins again from the newest checkpoint with half as many rows at once.
    """
    before = _weights(encoder) if run.device.startswith("cuda") else None
    if run.device == "cpu":
        pass_in_parts(encoder)
    resume = place.resume_from
    while True:
        try:
            with _logging_to(place, run):
                trainer = _trainer(encoder, run, place)
                if resume is not None and (ended := _ended(resume, run)) is not None:
                    trainer.state = ended
                    trainer._load_from_checkpoint(str(resume))
                else:
                    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except CurateError:
            raise
        except Exception as error:  # torch and transformers raise anything
            smaller = _halved(run) if _no_memory(error) and before is not None else None
            if smaller is None:
                raise failure(error, run.plan.batch_size) from error
            run, trainer = smaller, None
        else:
            return trainer, run
        free_memory()
        encoder.load_state_dict(before)
        resume = place.newest()


def _ended(checkpoint: Path, run: Run) -> Any:
    """The trainer's state at a checkpoint after which nothing was to come, or None: the library's trainer would take one step more."""
    state = third_party("transformers").TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    patience = run.settings.patience if run.dev.queries else None
    ended = state.global_step >= state.max_steps or (patience is not None and out_of_patience(state.log_history, patience))
    return state if ended else None


def _trainer(encoder: Any, run: Run, place: Place) -> Any:
    library = third_party("sentence_transformers")
    callbacks = [watch(run.progress)]
    if run.settings.patience is not None and run.dev.queries:
        callbacks.append(stop_early(run.settings.patience))
    if processes.count() == 1:
        # Several would not agree on the time.
        callbacks.append(save_in_time())
    rows = run.data.rows
    if run.plan.loss == HYBRID:
        rows = without_anchors(rows).with_columns(asked(rows, run.data.titles))
    trainer = trainer_class(library, run.plan, lora=run.settings.lora_rank is not None)(
        model=encoder,
        args=_arguments(library, run, place),
        train_dataset=to_dataset(rows),
        loss=build_loss(run.plan.loss, encoder, run.plan.options),
        evaluator=dev_evaluator(PRIMARY, lambda fitted: _on_dev(fitted, run)) if run.dev.queries else None,
        callbacks=callbacks,
    )
    # It prints every log line to stdout, which belongs to results.
    trainer.remove_callback(third_party("transformers.trainer_callback").PrinterCallback)
    return trainer


def failure(error: Exception, batch_size: int) -> TrainingError:
    """What went wrong in a training, with what the user can do."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if _no_memory(error):
        return TrainingError("the device has not enough memory", next_step=f"lower batch_size ({batch_size}) or max_seq_length")
    return TrainingError(
        f"training failed: {type(error).__name__}: {reason}", next_step="the same command goes on from the last checkpoint"
    )


def _no_memory(error: Exception) -> bool:
    return isinstance(error, third_party("torch").OutOfMemoryError)


def _weights(encoder: Any) -> dict[str, Any]:
    return {name: tensor.detach().cpu().clone() for name, tensor in encoder.state_dict().items()}


def _halved(run: Run) -> Run | None:
    rows = (run.plan.options.mini_batch_size or run.plan.rows_at_once) // 2
    if rows < 1:
        return None
    settings = run.settings.model_copy(update={"batch_size": run.plan.batch_size})
    plan, notes = within(run.plan, run.data, settings, rows)
    return replace(run, plan=plan, notes=(*run.notes, *notes))


def _arguments(library: Any, run: Run, place: Place) -> Any:
    settings, plan = run.settings, run.plan
    every = "epoch" if settings.evaluate_every is None else "steps"
    select = bool(run.dev.queries)
    arguments = library.SentenceTransformerTrainingArguments(
        output_dir=str(place.checkpoints),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=plan.rows_at_once,
        gradient_accumulation_steps=plan.accumulation,
        learning_rate=plan.learning_rate,
        warmup_steps=math.ceil(plan.warmup_ratio * run.total_steps),
        bf16=run.precision == "bf16",
        fp16=run.precision == "fp16",
        prompts=plan.prompts or None,
        eval_strategy=every if select else "no",
        eval_steps=settings.evaluate_every,
        save_strategy=every,
        save_steps=settings.evaluate_every or 500,
        save_total_limit=2,
        load_best_model_at_end=select,
        metric_for_best_model=f"eval_{PRIMARY}" if select else None,
        greater_is_better=True if select else None,
        logging_steps=max(1, min(50, run.total_steps // 20)),
        logging_nan_inf_filter=False,
        seed=settings.seed,
        use_cpu=run.device == "cpu",
        dataloader_pin_memory=run.device.startswith("cuda"),
        disable_tqdm=True,
        accelerator_config={"even_batches": False},
        report_to=reports(settings),
    )
    if arguments.n_gpu > 1:
        # One process on many GPUs would split each batch and lose its in-batch negatives; that is torchrun's work.
        arguments._n_gpu = 1
    return arguments


def reports(settings: TrainSettings) -> list[str]:
    """Where the library logs to besides our own history; TrainingError when that is not installed."""
    for name in settings.report_to:
        try:
            for module in _REPORTS[name]:
                third_party(module)
        except TrainingError as error:
            raise TrainingError(error.what, where="report_to", next_step='pip install "curate-embeddings[reports]"') from error
    return list(settings.report_to) or ["none"]


@contextmanager
def _logging_to(place: Place, run: Run) -> Iterator[None]:
    """TensorBoard's files lie with the checkpoints, unless the user has chosen a folder for them; each of several trainings has a run of its own."""
    name = "TENSORBOARD_LOGGING_DIR"
    chosen = os.environ.get(name)
    folder = place.checkpoints / RUNS if chosen is None else Path(chosen)
    os.environ[name] = str(folder / place.checkpoints.name if chosen is not None and run.trainings > 1 else folder)
    try:
        yield
    finally:
        if chosen is None:
            del os.environ[name]
        else:
            os.environ[name] = chosen
        if "wandb" in run.settings.report_to and run.trainings > 1:
            third_party("wandb").finish()


def dev_evaluator(primary: str, measure: Callable[[Any], dict[str, float]]) -> Any:
    """What the library's trainers call to measure a model on dev; `primary` is the metric that chooses."""
    package = third_party("sentence_transformers.base.evaluation", "sentence_transformers.evaluation")
    parent: Any = getattr(package, "BaseEvaluator", None) or package.SentenceEvaluator

    class DevEvaluator(parent):  # type: ignore[misc]
        """`measure`, as the library wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.primary_metric = primary

        def __call__(self, model: Any, *_: Any, **__: Any) -> dict[str, float]:
            return measure(model)

    return DevEvaluator()


def _on_dev(model: Any, run: Run) -> dict[str, float]:
    run.progress("dev", 0, None)
    with as_saved(model), run.mixture.mixed(model):
        scores: dict[str, float] = dev_scores(model, run.dev, run.settings, run.progress, "dev")
    return scores

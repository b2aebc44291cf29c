"""One run of the sentence-transformers trainer: its arguments, its evaluation on dev, its faults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from schemas.errors import CurateError, TrainingError
from schemas.training import EvaluateSettings, TrainSettings
from train.data import TrainingData, to_dataset
from train.eval_set import EvalSet
from train.evaluate import Progress, dense_run, means, score_run
from train.losses import IN_BATCH, build_loss
from train.metrics import PRIMARY
from train.model_folder import Place
from train.models import prompts, third_party
from train.sampler import without_known_positives


@dataclass(frozen=True)
class Run:
    """The inputs of a run, read and checked."""

    name: str
    dataset: Path
    data: TrainingData
    dev: EvalSet
    settings: TrainSettings
    device: str
    precision: str
    model_sha256: str
    notes: tuple[str, ...]
    progress: Progress

    @property
    def total_steps(self) -> int:
        per_epoch = math.ceil(self.data.rows.height / self.settings.batch_size)
        return self.settings.max_steps or per_epoch * self.settings.epochs


def dev_scores(encoder: Any, run: Run, step: str) -> dict[str, float]:
    """Mean metrics of a model on the dev queries, against all passages; progress is reported under the name of `step`."""
    settings = EvaluateSettings(encode_batch_size=run.settings.encode_batch_size)
    ranking, _ = dense_run(encoder, run.dev, settings, partial(run.progress, step))
    scores = score_run(ranking, run.dev)
    return means(scores, scores)


def fit(encoder: Any, run: Run, place: Place) -> Any:
    """Train `encoder` in place, from the newest checkpoint when there is one; gives the finished trainer."""
    library = third_party("sentence_transformers")
    try:
        trainer = _trainer_class(library)(
            model=encoder,
            args=_arguments(library, run, place, encoder),
            train_dataset=to_dataset(run.data.rows),
            loss=build_loss(run.data.loss, encoder),
            evaluator=_evaluator(run) if run.dev.queries else None,
            callbacks=[watch(run.progress)],
        )
        # It prints every log line to stdout, which belongs to results.
        trainer.remove_callback(third_party("transformers.trainer_callback").PrinterCallback)
        trainer.train(resume_from_checkpoint=str(place.resume_from) if place.resume_from else None)
    except CurateError:
        raise
    except Exception as error:  # torch and transformers raise anything
        raise failure(error, run.settings.batch_size) from error
    return trainer


def _trainer_class(library: Any) -> Any:
    class Trainer(library.SentenceTransformerTrainer):  # type: ignore[misc]
        """Without the library's model card: it samples and tokenises the data for examples that `train.model_card` does not show."""

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            del default_args_dict

    return Trainer


def failure(error: Exception, batch_size: int) -> TrainingError:
    """What went wrong in a training, with what the user can do."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if isinstance(error, third_party("torch").OutOfMemoryError):
        return TrainingError("the device has not enough memory", next_step=f"lower batch_size ({batch_size}) or max_seq_length")
    return TrainingError(
        f"training failed: {type(error).__name__}: {reason}", next_step="the same command goes on from the last checkpoint"
    )


def _arguments(library: Any, run: Run, place: Place, encoder: Any) -> Any:
    settings = run.settings
    every = "epoch" if settings.evaluate_every is None else "steps"
    select = bool(run.dev.queries)
    arguments = library.SentenceTransformerTrainingArguments(
        output_dir=str(place.checkpoints),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=math.ceil(settings.warmup_ratio * run.total_steps),
        bf16=run.precision == "bf16",
        fp16=run.precision == "fp16",
        # Only where a row's passages stand against the other rows' anchors does it matter which rows meet.
        batch_sampler=without_known_positives if run.data.loss == IN_BATCH else "batch_sampler",
        prompts=prompts(encoder, run.data.texts.columns) or None,
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
        report_to="none",
    )
    if arguments.n_gpu > 1:
        # One process on many GPUs would split each batch and lose its in-batch negatives; that is torchrun's work.
        arguments._n_gpu = 1
    return arguments


def _evaluator(run: Run) -> Any:
    package = third_party("sentence_transformers.base.evaluation", "sentence_transformers.evaluation")
    parent: Any = getattr(package, "BaseEvaluator", None) or package.SentenceEvaluator

    class DevEvaluator(parent):  # type: ignore[misc]
        """nDCG@10 and the rest on dev, against all passages."""

        def __init__(self) -> None:
            super().__init__()
            self.primary_metric = PRIMARY

        def __call__(self, model: Any, *_: Any, **__: Any) -> dict[str, float]:
            run.progress("dev", 0, None)
            return dev_scores(model, run, "dev")

    return DevEvaluator()


def watch(progress: Progress) -> Any:
    """A callback that reports each step and stops a run whose loss is no number."""
    parent: Any = third_party("transformers").TrainerCallback

    class Watch(parent):  # type: ignore[misc]
        """Reports progress and stops a run whose loss is no number."""

        def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            progress("train", state.global_step, state.max_steps)

        def on_log(self, _: Any, state: Any, *__: Any, logs: dict[str, Any] | None = None, **___: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is not None and not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss} at step {state.global_step}", next_step="lower learning_rate, or use precision=fp32"
                )

    return Watch()

"""One run of the CrossEncoder trainer: its arguments, batches of like length, its scores on dev."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from schemas.errors import CurateError
from schemas.training import CheckerSettings
from train.binary import Labels, Scores, average_precision, roc_auc
from train.checker_data import Divided
from train.data import to_dataset
from train.evaluate import Progress
from train.fit import dev_evaluator, failure
from train.labelled import Labelled
from train.model_folder import Place
from train.models import third_party
from train.watch import save_in_time, watch

PRIMARY = "roc_auc"

# Batches sorted by length together: enough that they waste little padding, few enough that batches stay mixed.
_BATCHES = 32
# Pairs scored between two reports of progress.
_BLOCK = 256


@dataclass(frozen=True)
class CheckerRun:
    """The inputs of a run, read and checked."""

    data: Divided
    settings: CheckerSettings
    device: str
    precision: str
    progress: Progress

    @property
    def total_steps(self) -> int:
        per_epoch = math.ceil(len(self.data.train) / self.settings.batch_size)
        return self.settings.max_steps or per_epoch * self.settings.epochs


def pair_scores(model: Any, rows: Sequence[Labelled], run: CheckerRun, step: str) -> Scores:
    """Probability, by the model, that each row's passage answers its question."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].question) + len(rows[index].passage))
    found = np.zeros(len(rows), dtype=np.float64)
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        pairs = [(rows[index].question, rows[index].passage) for index in block]
        found[block] = model.predict(pairs, batch_size=run.settings.encode_batch_size, show_progress_bar=False)
        run.progress(step, start + len(block), len(order))
    return found


def labels_of(rows: Sequence[Labelled]) -> Labels:
    """0 and 1, one a row."""
    return np.asarray([row.label for row in rows], dtype=np.int64)


def dev_metrics(model: Any, run: CheckerRun, step: str) -> dict[str, float]:
    """ROC-AUC and average precision on the dev rows."""
    scores, labels = pair_scores(model, run.data.dev, run, step), labels_of(run.data.dev)
    return {PRIMARY: roc_auc(labels, scores), "average_precision": average_precision(labels, scores)}


def fit_checker(model: Any, run: CheckerRun, place: Place) -> Any:
    """Train `model` in place, from the newest checkpoint when there is one; gives the finished trainer."""
    library = third_party("sentence_transformers.cross_encoder")
    losses = third_party("sentence_transformers.cross_encoder.losses")
    ones = sum(row.label for row in run.data.train)
    weight = third_party("torch").tensor((len(run.data.train) - ones) / ones)
    try:
        trainer = _trainer_class(library)(
            model=model,
            args=_arguments(library, run, place),
            train_dataset=to_dataset(_frame(run.data.train)),
            # Planted faults outnumber good rows: both classes weigh the same, so that a score of 0.5 means undecided.
            loss=losses.BinaryCrossEntropyLoss(model, pos_weight=weight),
            evaluator=dev_evaluator(PRIMARY, lambda fitted: _on_dev(fitted, run)) if run.data.dev else None,
            callbacks=[watch(run.progress), save_in_time()],
        )
        trainer.remove_callback(third_party("transformers.trainer_callback").PrinterCallback)
        trainer.train(resume_from_checkpoint=str(place.resume_from) if place.resume_from else None)
    except CurateError:
        raise
    except Exception as error:  # torch and transformers raise anything
        raise failure(error, run.settings.batch_size) from error
    return trainer


def _frame(rows: Sequence[Labelled]) -> pl.DataFrame:
    columns = {"question": [row.question for row in rows], "passage": [row.passage for row in rows]}
    return pl.DataFrame(columns).with_columns(pl.Series("label", [float(row.label) for row in rows]))


def _trainer_class(library: Any) -> Any:
    class Trainer(library.CrossEncoderTrainer):  # type: ignore[misc]
        """Without the library's model card, as in `train.fit`."""

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            del default_args_dict

    return Trainer


def _arguments(library: Any, run: CheckerRun, place: Place) -> Any:
    settings, select = run.settings, bool(run.data.dev)
    arguments = library.CrossEncoderTrainingArguments(
        output_dir=str(place.checkpoints),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=math.ceil(settings.warmup_ratio * run.total_steps),
        bf16=run.precision == "bf16",
        fp16=run.precision == "fp16",
        batch_sampler=_like_length,
        eval_strategy="epoch" if select else "no",
        save_strategy="epoch",
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
        arguments._n_gpu = 1
    return arguments


def _like_length(dataset: Any, batch_size: int, drop_last: bool, generator: Any = None, seed: int = 0, **_: Any) -> Any:
    """Batches of rows of like length in an order by seed and epoch: a batch is as slow as its longest row."""
    parent: Any = third_party("sentence_transformers.base.sampler", "sentence_transformers.sampler").DefaultBatchSampler
    torch = third_party("torch")
    lengths = [len(question) + len(passage) for question, passage in zip(dataset["question"], dataset["passage"], strict=True)]

    class LikeLength(parent):  # type: ignore[misc]
        """Random blocks of batches, each sorted by length and cut, the batches shuffled again."""

        def __len__(self) -> int:
            return len(lengths) // batch_size if drop_last else math.ceil(len(lengths) / batch_size)

        def __iter__(self) -> Iterator[list[int]]:
            if generator is not None:
                generator.manual_seed(seed + self.epoch)
            order = torch.randperm(len(lengths), generator=generator).tolist()
            batches: list[list[int]] = []
            for start in range(0, len(order), _BATCHES * batch_size):
                block = sorted(order[start : start + _BATCHES * batch_size], key=lengths.__getitem__)
                batches += [block[at : at + batch_size] for at in range(0, len(block), batch_size)]
            for index in torch.randperm(len(batches), generator=generator).tolist():
                if not drop_last or len(batches[index]) == batch_size:
                    yield batches[index]

    return LikeLength(dataset, batch_size=batch_size, drop_last=drop_last, generator=generator, seed=seed)


def _on_dev(model: Any, run: CheckerRun) -> dict[str, float]:
    run.progress("dev", 0, None)
    return dev_metrics(model, run, "dev")

"""What looks on while a model trains: progress with loss and dev metric, a loss that is no number, checkpoints in time, an end when dev grows no better."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import TrainingError
from train.evaluate import Progress
from train.metrics import PRIMARY
from train.models import third_party

SAVED_EVERY_S = 300.0
"""Seconds of training that a kill may cost."""


class Shown(str):
    """The name of a step, with what to show behind it."""

    __slots__ = ("detail",)

    detail: str

    def __new__(cls, name: str, detail: str) -> Shown:
        """A name that equals `name`."""
        made = super().__new__(cls, name)
        made.detail = detail
        return made


def watch(progress: Progress) -> Any:
    """A callback that reports each step and stops a run whose loss is no number."""
    parent: Any = third_party("transformers").TrainerCallback
    latest: dict[str, str] = {}

    class Watch(parent):  # type: ignore[misc]
        """Reports progress and stops a run whose loss is no number."""

        def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            progress(Shown("train", ", ".join(latest.values())), state.global_step, state.max_steps)

        def on_log(self, _: Any, state: Any, *__: Any, logs: dict[str, Any] | None = None, **___: Any) -> None:
            loss, metric = (logs or {}).get("loss"), (logs or {}).get(f"eval_{PRIMARY}")
            if loss is not None and not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss} at step {state.global_step}", next_step="lower learning_rate, or use precision=fp32"
                )
            if loss is not None:
                latest["loss"] = f"loss {loss:.4f}"
            if metric is not None:
                latest["dev"] = f"dev nDCG@10 {metric:.4f}"

    return Watch()


def stop_early(patience: int) -> Any:
    """A callback that ends a run after `patience` evaluations without a better dev nDCG@10; it reads the run's own log, so that it needs no
    memory of its own after an interruption."""
    parent: Any = third_party("transformers").TrainerCallback

    class StopEarly(parent):  # type: ignore[misc]
        """Ends a run that no longer gains."""

        def on_evaluate(self, _: Any, state: Any, control: Any, **__: Any) -> None:
            if out_of_patience(state.log_history, patience):
                control.should_training_stop = True

    return StopEarly()


def out_of_patience(log_history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether the last `patience` evaluations are none better than one before."""
    scores = [entry[f"eval_{PRIMARY}"] for entry in log_history if f"eval_{PRIMARY}" in entry]
    return bool(scores) and len(scores) - 1 - scores.index(max(scores)) >= patience


def save_in_time() -> Any:
    """A callback that asks for a checkpoint when the last one, or the beginning, is `SAVED_EVERY_S` ago: an epoch can take days."""
    parent: Any = third_party("transformers").TrainerCallback

    class SaveInTime(parent):  # type: ignore[misc]
        """Checkpoints between those of the evaluations."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.last = time.monotonic()

        def on_save(self, *_: Any, **__: Any) -> None:
            self.last = time.monotonic()

        def on_step_end(self, _: Any, __: Any, control: Any, **___: Any) -> None:
            if time.monotonic() - self.last >= SAVED_EVERY_S:
                control.should_save = True

    return SaveInTime()

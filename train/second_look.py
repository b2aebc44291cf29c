"""The teacher looks again half-way: from there on it knows the corpus as the model has learnt to see it, as in ANCE (Xiong et al. 2007.00808)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from train import processes
from train.distil import set_teacher
from train.evaluate import Progress
from train.models import third_party
from train.padding import as_saved
from train.teacher import Teacher, load, make_teacher, save

SECOND = "hybrid_teacher_2.npz"


def look_again(loss: Any, first: Teacher, checkpoints: Path, precision: str, progress: Progress) -> Any:
    """A callback that gives the loss a new teacher after half of the steps: the texts of the first, embedded by the model of that moment.

    It lies with the checkpoints, so that a run that goes on behind that step has the same one; one that goes on from before it makes it again.
    """
    parent: Any = third_party("transformers").TrainerCallback
    path = checkpoints / SECOND

    class LookAgain(parent):  # type: ignore[misc]
        """Exchanges the teacher half-way."""

        def on_train_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            behind = state.max_steps > 1 and state.global_step >= state.max_steps // 2
            set_teacher(loss, load(first.texts, path) if behind else first)

        def on_step_end(self, _: Any, state: Any, *__: Any, model: Any, **___: Any) -> None:
            if state.global_step != state.max_steps // 2:
                return
            if processes.writes():
                model.eval()
                with as_saved(model):
                    save(make_teacher(model, first.texts, precision, partial(progress, "teacher")), path)
                model.train()
            processes.wait(model.device.type)
            set_teacher(loss, load(first.texts, path))

    return LookAgain()

"""The teacher of HybridDistillLoss is made again half-way, by the model of that moment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from train.distil import set_teacher
from train.losses import HYBRID, LossOptions, build_loss
from train.models import embed, load_model
from train.second_look import SECOND, look_again
from train.teacher import Teacher, make_teacher, read_texts

PASSAGES = [f"w{n} w{n + 1} is about the one and only thing of topic" for n in range(0, 20, 2)]
ANCHORS = [f"what is w{n}" for n in range(0, 20, 2)]


@pytest.fixture
def encoder(tiny_model: Path) -> Any:
    loaded = load_model(str(tiny_model), device="cpu")
    loaded.train()
    return loaded


@pytest.fixture
def first(encoder: Any) -> Teacher:
    return make_teacher(encoder, read_texts(encoder, ANCHORS, PASSAGES), "fp32")


def teacher_of(loss: Any) -> Teacher:
    found: Teacher = next(part.teacher for part in loss.modules() if hasattr(part, "teacher"))
    return found


@pytest.mark.parametrize("dims", [(), (8,)])
def test_half_way_the_model_of_that_moment_embeds_the_texts(
    encoder: Any, first: Teacher, tmp_path: Path, dims: tuple[int, ...]
) -> None:
    loss = build_loss(HYBRID, encoder, LossOptions(teacher=first, matryoshka_dims=dims))
    told: list[str] = []
    look = look_again(loss, first, tmp_path, "fp32", lambda step, *_: told.append(step))
    state = SimpleNamespace(global_step=0, max_steps=7)
    look.on_train_begin(None, state, None)
    with torch.no_grad():
        for weights in encoder.parameters():
            weights.add_(0.05 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(3)))
    for step in (1, 2):
        state.global_step = step
        look.on_step_end(None, state, None, model=encoder)
        assert teacher_of(loss) is first
    assert not told
    encoder.train()
    state.global_step = 3
    look.on_step_end(None, state, None, model=encoder)
    second = teacher_of(loss)
    assert set(told) == {"teacher"}
    assert encoder.training
    assert not np.allclose(second.vectors, first.vectors, atol=1e-3)
    encoder.eval()
    assert np.allclose(second.vectors, embed(encoder, PASSAGES, "document"), atol=1e-6)
    assert second.texts is first.texts
    state.global_step = 4
    look.on_step_end(None, state, None, model=encoder)
    assert teacher_of(loss) is second


@pytest.mark.parametrize(("at", "second"), [((2, 7), False), ((3, 7), True), ((6, 7), True), ((0, 1), False)])
def test_a_run_that_goes_on_has_the_teacher_of_its_step(
    encoder: Any, first: Teacher, tmp_path: Path, at: tuple[int, int], second: bool
) -> None:
    loss = build_loss(HYBRID, encoder, LossOptions(teacher=first))
    look = look_again(loss, first, tmp_path, "fp32", lambda *_: None)
    state = SimpleNamespace(global_step=3, max_steps=7)
    look.on_step_end(None, state, None, model=encoder)
    kept = teacher_of(loss)
    assert (tmp_path / SECOND).is_file()
    # As after an interruption, or where the memory did not do and an earlier checkpoint is taken.
    state.global_step, state.max_steps = at
    look.on_train_begin(None, state, None)
    assert np.array_equal(teacher_of(loss).vectors, (kept if second else first).vectors)


def test_one_step_has_one_teacher(encoder: Any, first: Teacher, tmp_path: Path) -> None:
    loss = build_loss(HYBRID, encoder, LossOptions(teacher=first))
    look = look_again(loss, first, tmp_path, "fp32", lambda *_: None)
    state = SimpleNamespace(global_step=0, max_steps=1)
    look.on_train_begin(None, state, None)
    state.global_step = 1
    look.on_step_end(None, state, None, model=encoder)
    assert teacher_of(loss) is first
    assert list(tmp_path.iterdir()) == []


def test_a_loss_without_a_teacher_is_left_alone(encoder: Any, first: Teacher) -> None:
    loss = build_loss("MultipleNegativesRankingLoss", encoder)
    set_teacher(loss, first)
    assert not hasattr(loss, "teacher")

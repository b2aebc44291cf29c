"""Losses by name, and by the format that they take."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from schemas.dataset import FORMATS
from schemas.errors import SettingsError
from schemas.training import TrainSettings
from train.losses import LOSSES, build_loss, choose_loss
from train.models import load_model

NAMES = sorted({name for losses in LOSSES.values() for name in losses})


def test_every_name_builds_that_loss(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    assert [type(build_loss(name, model)).__name__ for name in NAMES] == NAMES


def test_every_format_has_a_loss_and_settings_know_them_all() -> None:
    assert sorted(LOSSES) == sorted(FORMATS)
    fields = TrainSettings.model_fields
    assert sorted(get_args(fields["loss"].annotation)) == sorted(["auto", *NAMES])
    assert sorted(get_args(fields["data"].annotation)) == sorted(["auto", *FORMATS])


def test_distilling_losses_compare_cosines(tiny_model: Path) -> None:
    """The model's vectors are far from length 1: a margin of dot products could not be within -2 and 2."""
    import torch

    model = load_model(str(tiny_model), device="cpu")
    margin = build_loss("MarginMSELoss", model)
    vectors = [torch.tensor([[3.0, 0.0]]), torch.tensor([[5.0, 0.0]]), torch.tensor([[0.0, 7.0]]), torch.tensor([[-2.0, 0.0]])]
    assert margin.compute_loss_from_embeddings(vectors, torch.tensor([[1.0, 0.0, -1.0]])).item() == pytest.approx(0)
    assert margin.compute_loss_from_embeddings(vectors, torch.tensor([[1.0, 0.5, -1.0]])).item() == pytest.approx(0.125)
    divergence = build_loss("DistillKLDivLoss", model)
    assert (divergence.temperature, divergence.similarity_fct.__name__) == (0.05, "pairwise_cos_sim")
    assert divergence.compute_loss_from_embeddings(vectors, torch.tensor([[1.0, 0.0, -1.0]])).item() == pytest.approx(0)


@pytest.mark.parametrize(("name", "losses"), LOSSES.items())
def test_the_first_loss_of_a_format_is_its_own(name: str, losses: tuple[str, ...]) -> None:
    assert choose_loss("auto", name) == losses[0]
    assert [choose_loss(loss, name) for loss in losses] == list(losses)


def test_a_loss_that_does_not_take_the_format() -> None:
    with pytest.raises(SettingsError, match="MarginMSELoss does not take triplets") as caught:
        choose_loss("MarginMSELoss", "triplets")
    assert caught.value.next_step == "use --format distilled, or loss=MultipleNegativesRankingLoss"


def test_unknown_name() -> None:
    with pytest.raises(SettingsError, match="no loss named 'OnlineLoss'"):
        build_loss("OnlineLoss", None)

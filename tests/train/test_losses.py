"""Losses by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import SettingsError
from train.losses import LOSSES, build_loss
from train.models import load_model


def test_every_name_builds_that_loss(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    assert [type(build_loss(name, model)).__name__ for name in LOSSES] == ["MultipleNegativesRankingLoss"]


def test_unknown_name() -> None:
    with pytest.raises(SettingsError, match="no loss named 'OnlineLoss'"):
        build_loss("OnlineLoss", None)

"""Warnings before training: each where it should stand, with its numbers, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from schemas.errors import TrainingError
from train import advice
from train.advice import Seen, advise, look, refuse

SOUND = Seen(rows=256, positive=0.6, random=0.1, first=0.8, near_negatives=0.02)


def texts(rows: int = 600, **columns: list[str]) -> pl.DataFrame:
    found = {"anchor": [f"a{n}" for n in range(rows)], "positive": [f"p{n}" for n in range(rows)]}
    return pl.DataFrame(found | {name: [*values, *found[name][len(values) :]] for name, values in columns.items()})


def warnings(frame: pl.DataFrame, seen: Seen | None = SOUND, limit: int | None = 100, **lengths: int) -> dict[str, str]:
    counts = dict.fromkeys(frame.unpivot()["value"], 10) | lengths
    return {one.name: one.what for one in advise(frame, seen, counts, limit)}


def test_sound_rows_have_none() -> None:
    assert warnings(texts()) == {}
    assert warnings(texts(), seen=None) == {}


def test_few_rows() -> None:
    assert warnings(texts(499)) == {"few_rows": "499 rows are fewer than 500."}
    assert warnings(texts(500)) == {}


def test_long_texts_are_cut() -> None:
    long = {f"p{n}": 101 for n in range(6)}
    assert warnings(texts(), **long) == {
        "long_texts_cut": "6 of 600 passages are longer than the 100 tokens that the model reads; their ends are cut off."
    }
    assert warnings(texts(), **(long | {"p0": 100})) == {}
    assert warnings(texts(), limit=None, **long) == {}


def test_duplicate_anchors() -> None:
    repeated = ["A0 " if n % 2 else "a0" for n in range(61)]
    assert warnings(texts(anchor=repeated)) == {"duplicate_anchors": "60 of 600 rows repeat the anchor of another row."}
    assert warnings(texts(anchor=repeated[:60])) == {}


def test_near_identical_negatives() -> None:
    near = Seen(256, 0.6, 0.1, 0.8, near_negatives=0.25)
    assert list(warnings(texts(), near)) == ["near_identical_negatives"]
    assert "25% of 256 sampled rows" in warnings(texts(), near)["near_identical_negatives"]


def test_data_that_the_base_knows() -> None:
    known = Seen(256, 0.71, 0.05, first=0.85, near_negatives=None)
    assert warnings(texts(), known) == {
        "known_to_base": "the model already finds 85% of the positives first among 256 (mean cosine 0.71, of other rows' 0.05): "
        "it knows data like this."
    }
    # Of few rows the right one is soon found.
    assert warnings(texts(), Seen(255, 0.71, 0.05, first=1.0, near_negatives=None)) == {}


def test_the_sample_is_measured_by_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pl.DataFrame(
        {"anchor": ["x", "y", "z", "x"], "positive": ["x", "y", "-z", "x"], "negative_1": ["x", "z", "x", "y"]},
    )
    axes = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "-z": (0, 0, -1)}
    monkeypatch.setattr(advice, "embed", lambda _, names, __: np.array([axes[name] for name in names], dtype=np.float32))
    # The repeated row counts once: cosines with the own positive 1, 1, -1, with the others 0; one negative of three is its positive.
    assert look(rows, None, seed=1) == Seen(
        3, pytest.approx(1 / 3), pytest.approx(0.0), pytest.approx(2 / 3), pytest.approx(1 / 3)
    )
    assert look(rows.rename({"positive": "passage"}), None, seed=1) is None
    assert look(rows[:1], None, seed=1) is None


def test_strict_refuses_with_every_name_and_what_to_do() -> None:
    refuse(())
    with pytest.raises(TrainingError) as caught:
        refuse(advise(texts(10), None, dict.fromkeys(texts(10).unpivot()["value"], 200), 100))
    assert caught.value.what.startswith("few_rows: 10 rows are fewer than 500.; long_texts_cut: 10 of 10 passages")
    assert "smaller chunks" in caught.value.next_step
    assert "without --strict" in caught.value.next_step


def test_a_strict_run_ends_before_anything_is_trained(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    from schemas.training import TrainSettings
    from train.trainer import train_model

    steps: list[str] = []
    with pytest.raises(TrainingError, match="few_rows"):
        settings = TrainSettings(strict=True, device="cpu", max_steps=1)
        train_model(make_dataset(), tmp_path / "out", str(tiny_model), settings, lambda step, *_: steps.append(step))
    assert steps == ["check", "load", "look"]

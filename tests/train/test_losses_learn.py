"""Each loss on each kind of rows that it takes: it falls, and the model that is written gives the same vectors when it is loaded."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from schemas.errors import InputError, SettingsError
from schemas.training import TrainSettings
from train.losses import LOSSES
from train.models import embed, load_model, weights_sha256
from train.result import TrainResult
from train.trainer import train_model

LEARN = TrainSettings(epochs=6, batch_size=8, learning_rate=1e-2, warmup_ratio=0, device="cpu", patience=None)
CASES = [(kind, loss) for kind, losses in LOSSES.items() for loss in losses]
TOPICS = range(24)


def rows_of(kind: str) -> pl.DataFrame:
    """Rows that a random encoder can learn: an anchor shares its words with its own passage alone."""
    anchors = [f"what is w{n} w{n + 1}" for n in TOPICS]
    passages = [f"w{n} w{n + 1} w{n + 2} is about the thing" for n in TOPICS]
    wrong = [[passages[(n + step) % len(passages)] for n in TOPICS] for step in (5, 11)]
    texts = {"anchor": anchors, "positive": passages}
    if kind == "pairs":
        return pl.DataFrame(texts)
    if kind in ("triplets", "distilled"):
        found: dict[str, Any] = texts | {"negative_1": wrong[0], "negative_2": wrong[1]}
        scores = {"positive_score": 0.9, "negative_1_score": 0.1, "negative_2_score": -0.1}
        return pl.DataFrame(found | {name: [value] * len(anchors) for name, value in scores.items() if kind == "distilled"})
    if kind == "multi_positive":
        lists = {
            "query": anchors,
            "pos": [[text, f"{text} of topic"] for text in passages],
            "neg": [list(two) for two in zip(*wrong, strict=True)],
        }
        return pl.DataFrame(lists)
    two = {"sentence1": anchors * 2, "sentence2": [*passages, *wrong[0]]}
    right = [1] * len(anchors) + [0] * len(anchors)
    if kind == "scored":
        return pl.DataFrame(two | {"score": [5.0 * value for value in right]})
    if kind == "labeled":
        return pl.DataFrame(two | {"label": right})
    three = [0] * len(anchors) + [1, 2] * (len(anchors) // 2)
    return pl.DataFrame({"premise": two["sentence1"], "hypothesis": two["sentence2"], "label": three})


def train(tiny_model: Path, folder: Path, rows: pl.DataFrame, **settings: Any) -> TrainResult:
    rows.write_parquet(folder / "rows.parquet")
    wanted = LEARN.model_validate(LEARN.model_dump() | settings)
    return train_model(folder / "rows.parquet", folder / "out", str(tiny_model), wanted)


def falls(result: TrainResult) -> bool:
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    return losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(("kind", "loss"), CASES, ids=lambda value: str(value).removesuffix("Loss"))
def test_the_loss_falls_and_the_model_loads_to_the_same_vectors(tiny_model: Path, tmp_path: Path, kind: str, loss: str) -> None:
    settings: dict[str, Any] = {"loss": loss}
    if "GIST" in loss:
        settings["guide"] = str(tiny_model)
    if "Cached" in loss:
        settings["mini_batch_size"] = 3
    result = train(tiny_model, tmp_path, rows_of(kind), **settings)
    # Uncached, the guided loss reads one negative a row: there are two here.
    expected = f"Cached{loss}" if loss == "GISTEmbedLoss" and kind in ("triplets", "multi_positive") else loss
    assert (result.format, result.loss) == (kind, expected)
    assert falls(result), result.history
    texts = ["what is w3 w4", "w3 w4 w5 is about the thing"]
    first, again = (load_model(str(tmp_path / "out"), device="cpu") for _ in range(2))
    assert weights_sha256(first) == result.weights_sha256 != result.model_sha256
    assert np.array_equal(embed(first, texts, "document"), embed(again, texts, "document"))


def test_every_row_of_a_plain_file_is_told(tiny_model: Path, tmp_path: Path) -> None:
    result = train(tiny_model, tmp_path, rows_of("multi_positive"), loss="TripletLoss", epochs=1)
    assert result.notes[:3] == (
        "Read as multi_positive: anchor = query, positives = pos, negatives = neg.",
        "24 anchors give 48 rows, one for each positive.",
        "48 rows give 96 triplets, one for each negative.",
    )
    assert (result.rows, result.dataset, result.heading_prefix) == (96, "rows.parquet", False)
    # To random weights all texts are alike.
    assert [warning["name"] for warning in result.warnings] == ["few_rows", "duplicate_anchors", "near_identical_negatives"]


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_that_does_not_take_the_rows_names_columns_and_losses(tiny_model: Path, tmp_path: Path, kind: str) -> None:
    wrong = "CoSENTLoss" if kind != "scored" else "TripletLoss"
    with pytest.raises(SettingsError) as caught:
        train(tiny_model, tmp_path, rows_of(kind), loss=wrong)
    columns = {"multi_positive": "anchor, positives, negatives", "pairs": "anchor, positive", "scored": "anchor, passage, score"}
    assert caught.value.what.startswith(f"{wrong} does not take {kind} (columns: {columns.get(kind, 'anchor, ')}")
    assert " or ".join(LOSSES[kind]) in caught.value.next_step
    assert not (tmp_path / "out").exists()


def test_matryoshka_falls_for_every_loss_that_can(tiny_model: Path, tmp_path: Path) -> None:
    for number, loss in enumerate(
        ("MultipleNegativesRankingLoss", "CachedMultipleNegativesRankingLoss", "MarginMSELoss", "CoSENTLoss")
    ):
        kind = {"MarginMSELoss": "distilled", "CoSENTLoss": "scored"}.get(loss, "triplets")
        (tmp_path / str(number)).mkdir()
        result = train(tiny_model, tmp_path / str(number), rows_of(kind), loss=loss, matryoshka_dims=(16, 8))
        assert falls(result), loss
        assert "Matryoshka: trained on the first 32, 16, 8 dimensions." in result.notes


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_the_same_rows_in_any_kind_of_file_give_the_same_model(tiny_model: Path, tmp_path: Path, ending: str) -> None:
    rows = rows_of("nli")
    path = tmp_path / f"rows.{ending}"
    if ending == "jsonl":
        rows.write_ndjson(path)
    else:
        with path.open("w", newline="") as handle:
            writer = csv.writer(handle, delimiter="," if ending == "csv" else "\t")
            writer.writerows([rows.columns, *rows.rows()])
    settings = LEARN.model_copy(update={"epochs": 1})
    made = train_model(path, tmp_path / "one", str(tiny_model), settings)
    (tmp_path / "two").mkdir()
    other = train(tiny_model, tmp_path / "two", rows, epochs=1)
    assert (made.loss, made.weights_sha256) == ("SoftmaxLoss", other.weights_sha256)


def test_triplets_without_negatives(tiny_model: Path, tmp_path: Path) -> None:
    rows = rows_of("multi_positive").drop("neg")
    with pytest.raises(InputError, match=r"rows\.parquet: no negatives in these rows"):
        train(tiny_model, tmp_path, rows, loss="TripletLoss")

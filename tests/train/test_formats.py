"""Every format as its loss takes it, each planted fault named with file and row, and one step of training on each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from schemas.errors import InputError, SettingsError
from schemas.training import TrainSettings
from train.data import read_training_data, to_dataset
from train.formats import loss_rows
from train.models import choose_precision
from train.trainer import train_model

STEP = TrainSettings(max_steps=1, batch_size=4, warmup_ratio=0, device="cpu")


def rows_of(name: str, **columns: list[Any]) -> pl.DataFrame:
    """Six good rows of a format, of topics that no test query has; columns are overwritten from the first row on."""
    topics = range(6)
    found: dict[str, list[Any]] = {"anchor": [f"what is w{n}" for n in topics]}
    if name in ("labeled", "scored"):
        found["passage"] = [f"w{n} is about" for n in topics]
        found |= {"label": [n % 2 for n in topics]} if name == "labeled" else {"score": [n / 5 for n in topics]}
    elif name == "distilled":
        found |= {"positive": [f"w{n} is about" for n in topics]}
        found |= {f"negative_{k}": [f"w{n + 10 * k} of topic" for n in topics] for k in (1, 2)}
        found |= {score: [0.25 * k - 0.05 * n for n in topics] for k, score in enumerate(SCORES)}
    else:
        found |= {"positives": [[f"w{n} is about", *([f"w{n} of topic"] if n < 2 else [])] for n in topics]}
        found |= {"negatives": [[f"w{n + 10 * k} thing" for k in range(1, 4)] for n in topics]}
    for column, values in columns.items():
        found[column] = [*values, *found[column][len(values) :]]
    return pl.DataFrame(found, strict=False)


SCORES = ("positive_score", "negative_1_score", "negative_2_score")
LOSS = {
    "labeled": "OnlineContrastiveLoss",
    "scored": "CoSENTLoss",
    "distilled": "MarginMSELoss",
    "multi_positive": "MultipleNegativesRankingLoss",
}


def read(make_dataset: Any, name: str, rows: pl.DataFrame, **settings: Any) -> Any:
    return read_training_data(
        make_dataset(negatives=2, with_triplets=False, **{name: rows}), TrainSettings(data=name, **settings)
    )


@pytest.mark.parametrize("name", LOSS)
def test_one_step_on_each_format(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import train.fit as module

    built: list[str] = []
    labels: list[Any] = []
    build = module.build_loss

    def watched(loss_name: str, model: Any, options: Any) -> Any:
        loss = build(loss_name, model, options)
        forward = loss.forward

        def record(features: Any, given: Any, *rest: Any) -> Any:
            labels.append(given)
            return forward(features, given, *rest)

        loss.forward = record
        built.append(type(loss).__name__)
        return loss

    monkeypatch.setattr(module, "build_loss", watched)
    dataset = make_dataset(negatives=2, with_triplets=False, **{name: rows_of(name)})
    result = train_model(dataset, tmp_path / "out", str(tiny_model), STEP.model_copy(update={"data": name}))
    assert built == [LOSS[name]]
    assert (result.format, result.loss, result.steps) == (name, LOSS[name], 1)
    assert result.weights_sha256 != result.model_sha256
    assert result.rows == (8 if name == "multi_positive" else 6)
    shapes = {"labeled": (4,), "scored": (4,), "distilled": (4, 3)}
    assert [tuple(given.shape) for given in labels if given is not None] == ([shapes[name]] if name in shapes else [])
    assert f", {LOSS[name]}." in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(("name", "loss"), [("labeled", "ContrastiveLoss"), ("distilled", "DistillKLDivLoss")])
def test_another_loss_chooses_the_format_that_it_takes(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, name: str, loss: str
) -> None:
    dataset = make_dataset(negatives=2, with_triplets=False, **{name: rows_of(name)})
    settings = STEP.model_validate(STEP.model_dump() | {"loss": loss})
    result = train_model(dataset, tmp_path / "out", str(tiny_model), settings)
    assert (result.format, result.loss) == (name, loss)
    with pytest.raises(SettingsError, match=f"{loss} does not take pairs"):
        read_training_data(dataset, settings.model_copy(update={"data": "pairs"}))


def test_positives_take_turns_with_the_negatives(make_dataset: Any) -> None:
    rows = rows_of("multi_positive", negatives=[["n1", "n2", "n3"], ["n1"], []])
    data = read(make_dataset, "multi_positive", rows)
    assert data.rows.columns == ["anchor", "positive", "negative_1", "negative_2"]
    assert data.rows.rows()[:4] == [
        ("what is w0", "w0 is about", "n1", "n2"),
        ("what is w0", "w0 of topic", "n3", "n1"),
        ("what is w1", "w1 is about", "n1", "n1"),
        ("what is w1", "w1 of topic", "n1", "n1"),
    ]
    assert "what is w2" not in data.rows["anchor"].to_list()
    assert data.notes == ("5 anchors give 7 rows, one for each positive.", "Anchors left out because they have no negative: 1.")


def test_anchors_with_positives_alone(make_dataset: Any) -> None:
    data = read(make_dataset, "multi_positive", rows_of("multi_positive").with_columns(negatives=pl.lit([], pl.List(pl.String))))
    assert (data.rows.columns, data.rows.height) == (["anchor", "positive"], 8)
    assert data.notes[-1] == "No negatives in this dataset: the other passages of a batch are the only ones."


def test_the_limit_counts_anchors_and_keeps_them_whole(make_dataset: Any) -> None:
    data = read(make_dataset, "multi_positive", rows_of("multi_positive"), limit=3)
    assert data.notes[0] == "3 of 6 training rows used (`limit`)."
    assert data.rows["anchor"].n_unique() == 3
    assert data.rows.height == 3 + len({"what is w0", "what is w1"} & set(data.rows["anchor"]))


def test_scores_stand_beside_the_texts(make_dataset: Any) -> None:
    data = read(make_dataset, "distilled", rows_of("distilled"))
    dataset = to_dataset(data.rows)
    assert dataset.column_names == ["anchor", "positive", "negative_1", "negative_2", "label"]
    assert dataset[1]["label"] == pytest.approx([-0.05, 0.2, 0.45])
    assert data.texts.columns == ["anchor", "positive", "negative_1", "negative_2"]
    assert data.notes == (
        "The teacher's scores are cosines between -1 and 1: the model's are taken as cosines, too, so that both are on one scale.",
    )


FAULTS = [
    ("labeled", {"label": [None]}, "row 1: label is missing"),
    ("labeled", {"label": [0, 2]}, "not what the labeled format promises"),
    ("labeled", {"label": [1, 1, 1, 1, 1, 1]}, "train.parquet: every label is 1: nothing to tell apart"),
    ("labeled", {"passage": ["x", " "]}, "row 2: passage is blank"),
    ("scored", {"score": [0.1, None]}, "row 2: score is no number"),
    ("scored", {"score": [float("nan")]}, "row 1: score is no number"),
    ("scored", {"score": [1.5]}, "not what the scored format promises"),
    ("scored", {"score": [0.5] * 6}, "train.parquet: every score is 0.5: nothing to tell apart"),
    ("scored", {"score": ["a", "b", "c", "d", "e", "f"]}, "train.parquet: score is String, not numbers"),
    ("distilled", {"negative_2_score": [None]}, "row 1: negative_2_score is no number"),
    ("distilled", {"positive_score": [7.0]}, "not what the distilled format promises"),
    ("distilled", {"negative_2": ["x", "w1 is about"]}, "row 2: negative_2 equals positive"),
    ("multi_positive", {"positives": [["a"], []]}, "row 2: positives is empty"),
    ("multi_positive", {"positives": [["a"], ["b", "\t"]]}, "row 2: positives holds a blank text"),
    ("multi_positive", {"negatives": [["a", None]]}, "row 1: negatives holds a blank text"),
    ("multi_positive", {"negatives": [["a"], ["b", "w1 of topic"]]}, "row 2: a text is positive and negative"),
    ("multi_positive", {"positives": [["a", "a"]]}, "not what the multi_positive format promises"),
    ("multi_positive", {"anchor": ["what is w1"]}, "not what the multi_positive format promises"),
    ("multi_positive", {"positives": ["a", "b", "c", "d", "e", "f"]}, "positives is String, not lists of texts"),
]


@pytest.mark.parametrize(("name", "columns", "message"), FAULTS)
def test_faulty_rows(make_dataset: Any, name: str, columns: dict[str, list[Any]], message: str) -> None:
    rows = rows_of(name)
    for column, values in columns.items():
        rows = rows.with_columns(pl.Series(column, [*values, *rows[column].to_list()[len(values) :]]))
    with pytest.raises(InputError, match=message) as caught:
        read(make_dataset, name, rows)
    assert str(caught.value).startswith(f"{name}/train.parquet")


@pytest.mark.parametrize("name", LOSS)
def test_a_format_that_is_not_there(make_dataset: Any, name: str) -> None:
    with pytest.raises(InputError, match=f"no training rows: {name}/train.parquet missing or empty"):
        read_training_data(make_dataset(), TrainSettings(data=name))


def test_the_command_takes_a_format_and_says_what_it_chose(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset(negatives=2, with_triplets=False, distilled=rows_of("distilled"))
    command = ["train", str(dataset), "--out", str(tmp_path / "out"), "--model", str(tiny_model), "--format", "distilled"]
    sets = [part for item in ("max_steps=1", "batch_size=4", "device=cpu") for part in ("--set", item)]
    result = CliRunner().invoke(main, [*command, *sets])
    assert result.exit_code == 0, result.output
    assert (
        f"6 triplets with a teacher's scores, MarginMSELoss, 1 steps on cpu ({choose_precision('auto', 'cpu')})" in result.stdout
    )
    assert "the model's are taken as cosines, too" in result.stdout
    assert json.loads((tmp_path / "out" / "training.json").read_text())["settings"]["data"] == "distilled"
    refused = CliRunner().invoke(main, [*command, "--task", "checker"])
    assert (refused.exit_code, "--format is for embedders" in refused.output) == (2, True)


def test_a_hybrid_teacher_wants_passages_to_compare() -> None:
    rows = pl.DataFrame({"anchor": ["a", "b", "c", "d"], "positive": ["p", "q", "r", "r"]})
    with pytest.raises(InputError, match="3 different passages: HybridDistillLoss compares at least 4") as caught:
        loss_rows(rows, "pairs", 0, "HybridDistillLoss", "pairs/train.parquet")
    assert caught.value.where == "pairs/train.parquet"
    more = pl.concat([rows, pl.DataFrame({"anchor": ["e"], "positive": ["s"]})])
    found, notes = loss_rows(more, "pairs", 0, "HybridDistillLoss", "pairs/train.parquet")
    assert (found.columns, found["label"].to_list(), notes) == (["anchor", "positive", "label"], [0, 1, 2, 3, 4], ())

"""Rerankers from a dataset folder's labelled rows, on a tiny random encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from schemas.errors import InputError, SettingsError
from schemas.evaluation import EvaluateSettings
from schemas.training import CheckerSettings
from train.binary import roc_auc
from train.eval_set import read_eval_set
from train.evaluate import evaluate
from train.reranker import read_rows, train_reranker

QUICK = CheckerSettings(epochs=3, batch_size=8, learning_rate=1e-2, max_seq_length=32, device="cpu")


def labelled(topics: range) -> pl.DataFrame:
    """A passage answers when it says "a"."""
    rows = [
        {"anchor": f"what is w{n} {word}", "passage": f"w{n} {word} {said} {said}", "label": int(said == "a")}
        for n in topics
        for word in ("b", "c")
        for said in ("a", "z")
    ]
    return pl.DataFrame(rows)


@pytest.fixture
def dataset(make_dataset: Callable[..., Path], toy: Any) -> Path:
    folder = make_dataset(labeled=labelled(range(20)))
    labelled(range(20, 25)).write_parquet(folder / "labeled" / "dev.parquet")
    toy.seal(folder)
    return folder


def test_it_learns_chooses_by_dev_and_orders_what_was_found(dataset: Path, tiny_model: Path, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    result = train_reranker(dataset, tmp_path / "out", str(tiny_model), QUICK)
    assert (result.task, result.train_rows["answerable"], result.train_rows["unanswerable"]) == ("reranker", 40, 40)
    assert (result.dev_rows["answerable"], result.dev_rows["unanswerable"], result.steps) == (10, 10, 30)
    assert result.best_step in (10, 20, 30)
    dev = labelled(range(20, 25))
    scores = CrossEncoder(str(tmp_path / "out"), device="cpu").predict(dev.select("anchor", "passage").rows())
    assert result.dev is not None
    assert roc_auc(dev["label"].to_numpy(), scores) == pytest.approx(result.dev["roc_auc"])
    assert result.dev["roc_auc"] > 0.9
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# Reranker: does the passage answer" in card
    assert "--reranker path/to/this/folder" in card
    assert "verify.checker" not in card
    assert train_reranker(dataset, tmp_path / "out", str(tiny_model), QUICK).reused
    settings = EvaluateSettings(device="cpu", reranker=str(tmp_path / "out"), draws=100)
    names = [system.name for system in evaluate({"tuned": tiny_model}, read_eval_set(dataset), settings).systems]
    assert names == ["tuned", "tuned + reranker"]


def test_groups_are_the_documents_of_the_questions_where_the_folder_tells(dataset: Path, toy: Any) -> None:
    assert len({row.group for row in read_rows(dataset, QUICK).train}) == 80
    frame = pl.read_parquet(dataset / "labeled" / "train.parquet")
    place = dataset / "provenance" / "labeled" / "train.parquet"
    place.parent.mkdir(parents=True)
    pl.DataFrame({"document_id": [f"d{n // 4}" for n in range(frame.height)]}).write_parquet(place)
    toy.seal(dataset)
    assert [row.group for row in read_rows(dataset, QUICK).train[:5]] == ["d0", "d0", "d0", "d0", "d1"]


def test_rows_of_one_label_and_other_kinds_are_refused(
    make_dataset: Callable[..., Path], tiny_model: Path, tmp_path: Path
) -> None:
    alone = make_dataset(labeled=labelled(range(4)).filter(pl.col("label") == 1))
    with pytest.raises(InputError, match="needs both labels"):
        train_reranker(alone, tmp_path / "out", str(tiny_model), QUICK)
    with pytest.raises(InputError, match="needs both labels"):
        train_reranker(make_dataset("without"), tmp_path / "out", str(tiny_model), QUICK)
    with pytest.raises(SettingsError, match="a reranker is a cross-encoder"):
        train_reranker(alone, tmp_path / "out", str(tiny_model), QUICK.model_copy(update={"kind": "sentences"}))


def test_without_dev_rows_and_with_a_limit(make_dataset: Callable[..., Path]) -> None:
    found = read_rows(make_dataset(labeled=labelled(range(20))), QUICK.model_copy(update={"limit": 30}))
    assert (len(found.train), found.dev) == (30, ())
    assert found.notes == ("30 of 80 rows used (`limit`).", "No dev rows of both labels: the last epoch is kept.")


def test_the_command(dataset: Path, tiny_model: Path, tmp_path: Path) -> None:
    command = ["train", str(dataset), "--out", str(tmp_path / "out"), "--model", str(tiny_model), "--task", "reranker"]
    sets = [part for item in ("max_steps=1", "device=cpu", "max_seq_length=32") for part in ("--set", item)]
    done = CliRunner().invoke(main, [*command, *sets])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("reranker: ")
    assert done.stdout.endswith(f"next:\n  curate evaluate MODEL DATASET --reranker {tmp_path / 'out'}\n")
    assert "threshold" not in done.stdout
    assert json.loads((tmp_path / "out" / "training.json").read_text())["task"] == "reranker"
    refused = CliRunner().invoke(main, [*command, "--labelled", str(dataset / "manifest.json")])
    assert refused.exit_code == 2
    assert "one DATASET folder" in refused.output


def test_a_pair_with_both_labels_and_repeated_rows_are_not_trained_on(dataset: Path, toy: Any) -> None:
    rows = labelled(range(20))
    both = rows.head(1).with_columns(label=pl.lit(0, pl.Int64))
    pl.concat([rows, both, rows.tail(3)]).write_parquet(dataset / "labeled" / "train.parquet")
    toy.seal(dataset)
    found = read_rows(dataset, QUICK)
    assert len(found.train) == 79
    assert found.notes == ("1 pairs of question and passage left out: they have both labels.",)

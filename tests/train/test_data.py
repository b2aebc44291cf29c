"""The dataset folder, checked before training: every planted fault is named with file and row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.errors import InputError
from schemas.manifest import MANIFEST_NAME, file_sha256
from schemas.training import TrainSettings
from tests.train.conftest import seal
from train.data import read_training_data, to_dataset


def triplets(**columns: list[str | None]) -> pl.DataFrame:
    rows: dict[str, list[str | None]] = {"anchor": ["a?", "b?"], "positive": ["A a", "B b"], "negative_1": ["C c", "D d"]}
    return pl.DataFrame({**rows, **columns})


def test_triplets_are_read_with_their_hash(make_dataset: Any, toy: Any) -> None:
    dataset = make_dataset()
    data = read_training_data(dataset, TrainSettings())
    assert (data.format, data.rows.shape, data.notes) == ("triplets", (40, 3), ())
    assert data.rows.row(3) == (toy.question(3), toy.passage(3), toy.passage(10))
    assert data.manifest_sha256 == file_sha256(dataset / MANIFEST_NAME)


@pytest.mark.parametrize("empty", [True, False])
def test_falls_back_to_pairs_and_says_so(make_dataset: Any, empty: bool) -> None:
    dataset = make_dataset(triplets=triplets().clear()) if empty else make_dataset(with_triplets=False)
    data = read_training_data(dataset, TrainSettings())
    assert (data.format, data.rows.columns) == ("pairs", ["anchor", "positive"])
    assert data.notes == (
        "No triplets in this dataset: training on pairs, with the other passages of a batch as the only negatives.",
    )
    with pytest.raises(InputError, match=r"no training rows: triplets/train.parquet missing or empty"):
        read_training_data(dataset, TrainSettings(data="triplets"))


def with_origins(dataset: Path, origins: list[str]) -> Path:
    (dataset / "provenance" / "pairs").mkdir(parents=True)
    pl.DataFrame({"origin": origins}).write_parquet(dataset / "provenance" / "pairs" / "train.parquet")
    seal(dataset)
    return dataset


def test_questions_taken_from_the_passages_are_for_the_hybrid_loss(make_dataset: Any) -> None:
    dataset = with_origins(make_dataset(), ["extractive"] * 20 + ["llm"] * 20)
    data = read_training_data(dataset, TrainSettings())
    assert (data.loss, data.format, data.rows.columns) == ("HybridDistillLoss", "pairs", ["anchor", "positive", "label"])
    assert data.notes == (
        "loss=auto: HybridDistillLoss, as 20 of 40 training questions were taken from the passages themselves.",
    )
    for asked in ({"data": "triplets"}, {"mini_batch_size": 4}, {"loss": "TripletLoss"}, {"guide": "g"}):
        other = read_training_data(dataset, TrainSettings.model_validate(asked))
        assert (other.format, other.notes) == ("triplets", ())
        assert other.loss != "HybridDistillLoss"


def test_other_questions_and_few_passages_are_for_the_contrastive_loss(make_dataset: Any, toy: Any) -> None:
    dataset = with_origins(make_dataset("asked"), ["extractive"] * 19 + ["llm"] * 21)
    assert read_training_data(dataset, TrainSettings()).loss == "MultipleNegativesRankingLoss"
    three = pl.DataFrame({"anchor": [toy.question(n) for n in range(3)], "positive": [toy.passage(n) for n in range(3)]})
    few = with_origins(make_dataset("few", pairs=three, with_triplets=False), ["extractive"] * 3)
    assert read_training_data(few, TrainSettings()).loss == "MultipleNegativesRankingLoss"


def test_pairs_when_asked_for(make_dataset: Any) -> None:
    data = read_training_data(make_dataset(), TrainSettings(data="pairs"))
    assert (data.format, data.notes) == ("pairs", ())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (triplets().drop("positive"), r"triplets/train.parquet: column\(s\) missing: positive"),
        (triplets().drop("negative_1"), r"triplets/train.parquet: column\(s\) missing: negative_1"),
        (triplets(anchor=["a?", " \n"]), "triplets/train.parquet row 2: anchor is blank"),
        (triplets(positive=[None, None]).cast(pl.String), r"train.parquet row 1: positive is blank \(and in 1 more rows\)"),
        (triplets(negative_1=["C c", "B b"]), "triplets/train.parquet row 2: negative_1 equals positive"),
        (triplets().with_columns(anchor=pl.lit(3)), "triplets/train.parquet: anchor is Int32, not text"),
        (triplets().with_columns(extra=pl.lit("x")), "triplets/train.parquet: not what the triplets format promises"),
        (triplets(anchor=["a?", "B b"]), "triplets/train.parquet: not what the triplets format promises"),
    ],
)
def test_faulty_rows(make_dataset: Any, rows: pl.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_training_data(make_dataset(triplets=rows), TrainSettings())


def test_faults_in_dev_are_found_too(make_dataset: Any, toy: Any) -> None:
    dataset = make_dataset()
    triplets(anchor=["a?", ""]).write_parquet(dataset / "triplets/dev.parquet")
    toy.seal(dataset)
    with pytest.raises(InputError, match=r"triplets/dev\.parquet row 2: anchor is blank"):
        read_training_data(dataset, TrainSettings())


def test_counts_must_be_the_manifests(make_dataset: Any) -> None:
    dataset = make_dataset(counts={"triplets": {"train": 41}})
    with pytest.raises(InputError, match=r"triplets/train\.parquet: 40 rows where the manifest says 41"):
        read_training_data(dataset, TrainSettings())


def test_a_file_that_is_not_parquet(make_dataset: Any, toy: Any) -> None:
    dataset = make_dataset()
    manifest = json.loads((dataset / MANIFEST_NAME).read_text())
    path = dataset / "triplets/train.parquet"
    path.write_bytes(b"PAR1 no")
    manifest["files"]["triplets/train.parquet"] |= {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    (dataset / MANIFEST_NAME).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"triplets/train\.parquet: cannot be read"):
        read_training_data(dataset, TrainSettings())


def test_changed_or_missing_files_and_a_folder_without_manifest(make_dataset: Any) -> None:
    dataset = make_dataset()
    (dataset / "triplets/train.parquet").unlink()
    with pytest.raises(InputError, match=r"1 file\(s\) missing or changed since the build: triplets/train.parquet"):
        read_training_data(dataset, TrainSettings())
    with pytest.raises(InputError, match=r"no manifest\.json here"):
        read_training_data(dataset / "triplets", TrainSettings())


def test_a_training_question_among_the_test_queries_is_refused(make_dataset: Any, toy: Any) -> None:
    rows = triplets(anchor=["a?", toy.question(52)])
    with pytest.raises(
        InputError, match=r"eval/test/queries.jsonl: 1 test queries are also training questions, for example 'what"
    ):
        read_training_data(make_dataset(triplets=rows), TrainSettings())


def test_limit_chooses_by_hash_and_keeps_the_order(make_dataset: Any) -> None:
    dataset = make_dataset()
    whole = read_training_data(dataset, TrainSettings()).rows
    few = read_training_data(dataset, TrainSettings(limit=10))
    more = read_training_data(dataset, TrainSettings(limit=20)).rows
    other = read_training_data(dataset, TrainSettings(limit=10, seed=1)).rows
    assert few.notes == ("10 of 40 training rows used (`limit`).",)
    places = [whole.rows().index(row) for row in few.rows.rows()]
    assert len(places) == 10
    assert places == sorted(places)
    assert set(few.rows.rows()) < set(more.rows())
    assert few.rows.rows() != other.rows()
    assert read_training_data(dataset, TrainSettings(limit=99)).notes == ()


def test_rows_become_a_dataset(make_dataset: Any) -> None:
    rows = read_training_data(make_dataset(), TrainSettings()).rows
    dataset = to_dataset(rows)
    assert dataset.column_names == ["anchor", "positive", "negative_1"]
    assert dataset[5] == rows.row(5, named=True)
    assert dataset.cache_files == []

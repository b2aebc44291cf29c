"""The benchmark of training with negatives: same pairs in every arm, arms take what they say, and its road works without training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from benchmarks import training_negatives
from benchmarks.training_negatives import Corpus, main, naive_negatives, overlap, print_table, random_negatives, training_rows

OPTIONS = argparse.Namespace()


def corpus() -> Corpus:
    passages = {
        "a1": "The dam of Orsk was built in 1934.",
        "a2": "The dam of Orsk fell in 1951.",
        "b1": "A dam of Perm was built by hand.",
        "c1": "Cats sleep a lot.",
        "d1": "The dam of Orsk was built in 1934.",
    }
    documents = {name: name[0] for name in passages}
    return Corpus({"p": "When was the dam of Orsk built?", "q": "Do cats sleep?"}, {"p": "a1", "q": "c1"}, passages, documents)


def test_naive_takes_the_best_of_another_document() -> None:
    # a2 ranks higher than b1 but is of the positive's document, d1 is the positive's own text; nothing else says "cats".
    assert naive_negatives(corpus(), OPTIONS, Path()) == {"p": "A dam of Perm was built by hand."}


def test_random_is_of_another_document_and_the_same_every_time() -> None:
    found = random_negatives(corpus(), OPTIONS, Path())
    assert found == random_negatives(corpus(), OPTIONS, Path())
    assert found["p"] in {"A dam of Perm was built by hand.", "Cats sleep a lot."}
    assert "Cats" not in found["q"]


def test_every_arm_trains_on_the_same_pairs() -> None:
    negatives = {
        "ours": {"p": "x", "q": "y"},
        "random": {"p": "z", "q": "Cats sleep a lot."},
    }
    rows = training_rows(corpus(), negatives, 10)
    # q's random negative is its positive: left out of all arms.
    assert {name: [row[0] for row in taken] for name, taken in rows.items()} == {
        key: ["When was the dam of Orsk built?"] for key in negatives
    }
    assert rows["random"][0][1:] == ("The dam of Orsk was built in 1934.", "z")
    assert len(training_rows(corpus(), {"ours": {"p": "x", "q": "y"}}, 1)["ours"]) == 1


def test_share_of_equal_negatives() -> None:
    rows = {"in-batch": [("a", "b")] * 2, "ours": [("a", "b", "c"), ("d", "e", "f")], "naive": [("a", "b", "c"), ("d", "e", "g")]}
    assert overlap(rows, "ours") == {"ours": 1.0, "naive": 0.5}


def write_squad(folder: Path) -> None:
    folder.mkdir(parents=True)
    titles = [f"Town {number}" for number in range(40)]
    contexts = [
        f"{title} is a small town beside the river Alpha{number}. The great dam of {title} was built in {1900 + number} by Petrov{number}. "
        f"Its mill number {number} was the largest of the whole region and burned down after a long and dry summer. "
        f"Many people of {title} work in the quarry of Beta{number}, which opened after the war and is known for its marble."
        for number, title in enumerate(titles)
    ]
    names = [f"p{number}" for number in range(40)]
    pl.DataFrame({"title": titles, "para_id": names, "context": contexts}).write_parquet(folder / "v1_paragraphs.parquet")
    questions = {
        "id": [f"q{number}" for number in range(40)],
        "para_id": names,
        "question": [f"Who built the dam of {title}?" for title in titles],
        "is_impossible": [False] * 40,
        "answer": [f"Petrov{number}" for number in range(40)],
        "answer_start": [context.index("Petrov") for context in contexts],
    }
    pl.DataFrame(questions).write_parquet(folder / "v1_questions.parquet")


def test_the_road_with_models_that_learn_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_squad(tmp_path / "data" / "squad")
    trained: list[tuple[str, list[str]]] = []

    losses: list[tuple[str, int | None]] = []

    def train(dataset: Path, out: Path, _: str, settings: Any, __: Any) -> SimpleNamespace:
        file = next((dataset / "pairs").glob("*.parquet"), None) or next((dataset / "triplets").glob("*.parquet"))
        trained.append((out.name, pl.read_parquet(file).columns))
        losses.append((settings.loss, settings.max_steps))
        return SimpleNamespace(steps=1)

    def rank(model: str, eval_set: Any, options: argparse.Namespace) -> Mapping[str, list[tuple[str, float]]]:
        return {query: [(name, 1.0) for name in sorted(eval_set.corpus)[:10]] for query in eval_set.queries}

    monkeypatch.setattr(training_negatives, "train_model", train)
    monkeypatch.setattr(training_negatives, "rank", rank)
    main(
        [
            "--data",
            str(tmp_path / "data"),
            "--model",
            "none",
            "--work",
            str(tmp_path / "work"),
            "--seeds",
            "2",
            "--max-pairs",
            "20",
            "--ours",
            "ours",
            "--ours",
            "wide",
            "mine.last_rank=5",
            "--arms",
            "in-batch",
            "random",
            "naive",
            "graded",
            "--against",
            "graded",
            "--batch-size",
            "8",
        ]
    )
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(report["arms"]) == ["in-batch", "graded", "ours", "wide", "random", "naive"]
    assert report["rows"] == 20
    assert report["ours_minus"].keys() == {"in-batch", "ours", "wide", "random", "naive"}
    assert (report["ours"], report["shared_with"]) == ("graded", "ours")
    assert all(values[0] == 0 for values in report["ours_minus"].values())
    assert [name for name, _ in trained] == ["model-0", "model-1"] * 6
    assert [columns for _, columns in trained[3:5]] == [["anchor", "positive"], ["anchor", "positive", "negative_1"]]
    # As many steps as the others' one epoch of 20 rows by 8.
    assert losses == [("auto", None)] * 2 + [("HybridDistillLoss", 3)] * 2 + [("auto", None)] * 8


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    report = {
        "set": "squad",
        "questions": 3,
        "passages": 4,
        "rows": 5,
        "systems": {"BM25": 0.5, "base": 0.4},
        "arms": {"ours": {"ndcg@10": 0.45, "by_seed": [0.44, 0.46]}, "naive": {"ndcg@10": 0.4, "by_seed": [0.4, 0.4]}},
        "ours": "ours",
        "ours_minus": {"naive": [0.05, 0.01, 0.09]},
        "same": {"ours": 1.0, "naive": 0.25},
        "shared_with": "ours",
    }
    print_table(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "squad: 3 human questions, 4 passages, 5 training pairs"
    assert lines[3].split() == ["ours", "0.4500", "+0.0500", "(0.4400", "0.4600)", "negatives", "shared", "with", "ours:", "100%"]
    assert lines[-1] == "ours minus naive, mean of the seeds (95%): +0.0500 (+0.0100 … +0.0900)"

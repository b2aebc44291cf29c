"""Judging models without a search, against values worked out by hand and against sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from schemas.errors import InputError
from schemas.evaluation import EvaluateSettings
from train.models import load_model
from train.pair_tasks import PairScores, PairTask, best_accuracy, dataset_pairs, evaluate_pairs, measure, read_pairs
from train.rankings import Fused, encoder_of

SETTINGS = EvaluateSettings(device="cpu")
WORDS = ["w1 w2", "w3 w4 w5", "w6", "what is w7", "w8 w9 topic", "the one and only w10", "w11 thing", "w12 w1 w2"]


def angles(**degrees: float) -> Any:
    """An encoder that knows each text by an angle in the plane; remembers what kinds it was asked for."""
    kinds: list[tuple[str, tuple[str, ...]]] = []

    def encode(texts: list[str], kind: str, done: Any) -> np.ndarray:
        kinds.append((kind, tuple(texts)))
        turned = np.radians([degrees[text] for text in texts])
        return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)

    encode.kinds = kinds  # type: ignore[attr-defined]
    return encode


def test_triplets_count_the_negatives_that_lie_farther_than_the_positive() -> None:
    task = PairTask("t", "triplets", (("a", "near", "far", "nearer"), ("a", "far", "near", "far")))
    encode = angles(a=0, near=10, far=60, nearer=5)
    # First row: far counts, nearer does not. Second: near does not, and an equal cosine does not either.
    assert measure(encode, task) == {"accuracy": 0.25}
    assert [kind for kind, _ in encode.kinds] == ["query", "document"]


def test_similarity_is_the_rank_correlation_with_the_ratings() -> None:
    task = PairTask("s", "similarity", (("a", "b"), ("a", "c"), ("a", "d")), (0.9, 0.1, 0.4), first="document")
    encode = angles(a=0, b=10, c=30, d=60)
    assert measure(encode, task) == {"spearman": pytest.approx(0.5)}
    assert {kind for kind, _ in encode.kinds} == {"document"}


def test_binary_pairs() -> None:
    task = PairTask("b", "binary", (("a", "b"), ("a", "c"), ("a", "d"), ("a", "e")), (1.0, 0.0, 1.0, 0.0))
    found = measure(angles(a=0, b=10, c=20, d=30, e=80), task)
    assert found == {"average_precision": pytest.approx((1 + 2 / 3) / 2), "accuracy": 0.75}


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([1, 0], [0.9, 0.1], 1.0),
        ([0, 1], [0.9, 0.1], 0.5),
        ([1, 1, 1], [0.3, 0.2, 0.1], 1.0),
        ([0, 0, 0], [0.3, 0.2, 0.1], 1.0),
        ([1, 0, 0], [0.5, 0.5, 0.5], 2 / 3),  # equal scores stand on one side
        ([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.1], 0.75),
    ],
)
def test_accuracy_at_the_best_threshold(labels: list[int], scores: list[float], expected: float) -> None:
    assert best_accuracy(np.array(labels), np.array(scores)) == pytest.approx(expected)


def test_same_numbers_as_sentence_transformers(tiny_model: Path) -> None:
    try:
        from sentence_transformers.sentence_transformer import evaluation as theirs
    except ImportError:  # before sentence-transformers 5.4
        from sentence_transformers import evaluation as theirs

    model = load_model(str(tiny_model), device="cpu")
    first, second, third = WORDS, WORDS[3:] + WORDS[:3], WORDS[5:] + WORDS[:5]
    ratings, labels = [0.1, 0.9, 0.4, 0.3, 0.8, 0.2, 0.5, 0.6], [1, 0, 0, 1, 1, 0, 1, 0]
    quiet: dict[str, Any] = {"write_csv": False, "show_progress_bar": False}
    with encoder_of(str(tiny_model), SETTINGS) as encode:
        ours = {
            "triplets": measure(encode, PairTask("t", "triplets", tuple(zip(first, second, third, strict=True)))),
            "similarity": measure(encode, PairTask("s", "similarity", tuple(zip(first, second, strict=True)), tuple(ratings))),
            "binary": measure(encode, PairTask("b", "binary", tuple(zip(first, second, strict=True)), tuple(map(float, labels)))),
        }
    triplets = theirs.TripletEvaluator(first, second, third, **quiet)(model)
    rated = theirs.EmbeddingSimilarityEvaluator(first, second, ratings, **quiet)(model)
    binary = theirs.BinaryClassificationEvaluator(first, second, labels, **quiet)(model)
    assert ours["triplets"]["accuracy"] == pytest.approx(triplets["cosine_accuracy"], abs=1e-9)
    assert ours["similarity"]["spearman"] == pytest.approx(rated["spearman_cosine"], abs=1e-6)
    assert ours["binary"]["average_precision"] == pytest.approx(binary["cosine_ap"], abs=1e-6)
    assert ours["binary"]["accuracy"] == pytest.approx(binary["cosine_accuracy"], abs=1e-6)


def test_every_system_that_embeds_stands_beside_the_others(tiny_model: Path) -> None:
    task = PairTask("t", "triplets", (("w1", "w1 w2", "w3"),))
    systems = {
        "BM25": {"q": []},
        "base": str(tiny_model),
        "hybrid": Fused(("BM25",)),
        "x": angles(**{"w1": 0, "w1 w2": 80, "w3": 5}),
    }
    steps: list[str] = []
    found = evaluate_pairs(systems, [task], SETTINGS, lambda step, *_: steps.append(step))
    assert found == (PairScores("t", "triplets", 1, {"base": {"accuracy": 1.0}, "x": {"accuracy": 0.0}}),)
    assert list(dict.fromkeys(steps)) == ["t base", "t x"]
    assert evaluate_pairs(systems, [], SETTINGS) == ()


def test_files_are_known_by_their_columns(tmp_path: Path) -> None:
    rated = tmp_path / "stsb.csv"
    rated.write_text("split,sentence1,sentence2,score\ntrain,x,y,5\ntest,a,b,1.5\ntest,c,d,4\n")
    assert read_pairs(rated) == PairTask("stsb.csv", "similarity", (("a", "b"), ("c", "d")), (1.5, 4.0), "document")
    triplets = tmp_path / "t.jsonl"
    triplets.write_text('{"anchor": "a", "positive": "p", "negative_1": "n", "negative_2": "m"}\n')
    assert read_pairs(triplets) == PairTask("t.jsonl", "triplets", (("a", "p", "n", "m"),))
    binary = tmp_path / "b.parquet"
    pl.DataFrame({"question": ["a", "c"], "passage": ["b", "d"], "label": [1, 0]}).write_parquet(binary)
    assert read_pairs(binary) == PairTask("b.parquet", "binary", (("a", "b"), ("c", "d")), (1.0, 0.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence1,sentence2,score\na,b,high\n", "x.csv row 1: score 'high' is no number"),
        ("sentence1,sentence2,score\na,b,1\nc,d,1\n", "x.csv: all rows have the same score or label"),
        ("anchor,passage,label\na,b,2\n", "x.csv row 1: label '2' is neither 1 nor 0"),
        ("one,two\na,b\n", "x.csv: cannot tell what to do with these columns: one, two"),
        ("anchor,positive,negative\na,b,c\nd,,e\n", "x.csv row 2: no 'positive'"),
        ("one,two\n", "x.csv: holds no rows"),
    ],
)
def test_faulty_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_pairs(path)


def test_rows_of_a_dataset_folder(make_dataset: Callable[..., Path]) -> None:
    dataset = make_dataset()
    for name, columns in (
        ("scored", {"anchor": ["a", "b"], "passage": ["p", "q"], "score": [0.5, 1.0]}),
        ("labeled", {"anchor": ["a", "b"], "passage": ["p", "q"], "label": [1, 1]}),
    ):
        (dataset / name).mkdir()
        pl.DataFrame(columns).write_parquet(dataset / name / "test.parquet")
    found = {task.name: task for task in dataset_pairs(dataset, "test", 5)}
    # Labels of one kind alone judge nothing.
    assert sorted(found) == ["scored/test", "triplets/test"]
    assert sorted(zip(found["scored/test"].texts, found["scored/test"].known, strict=True)) == [
        (("a", "p"), 0.5),
        (("b", "q"), 1.0),
    ]
    whole = dataset_pairs(dataset, "test", 100)[0].texts
    assert (len(found["triplets/test"].texts), len(whole)) == (5, 8)
    assert found["triplets/test"].texts == whole[:5]
    assert dataset_pairs(dataset, "test", 0) == []

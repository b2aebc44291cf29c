"""Forgetting against known rank correlations, and the files it is measured on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import InputError
from train.encoder import Done, Kind
from train.forgetting import Rated, effective_rank, encoded_similarities, forgetting, read_rated, spearman
from train.models import Embeddings

RATED = [Rated(f"first {n}", f"second {n}", float(n % 6)) for n in range(60)]
SCORES = np.array([row.score for row in RATED])


def test_spearman_by_hand() -> None:
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 20.0, 30.0, 40.0])) == 1.0
    # 1 − 6 Σd² / n(n² − 1), d = 0, 1, 1, 0.
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])) == pytest.approx(0.8)
    # Of equal values the mean rank: ranks 1.5, 1.5, 3 against 1, 2, 3.
    assert spearman(np.array([5.0, 5.0, 9.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.8660254037844387)
    assert spearman(np.array([5.0, 5.0]), np.array([1.0, 2.0])) == 0.0


def test_an_untouched_model_forgets_nothing_and_a_shuffled_one_all() -> None:
    same = forgetting(RATED, SCORES / 5, SCORES / 5)
    assert (same.pairs, same.base, same.tuned, same.loss, same.low, same.high) == (60, 1.0, 1.0, 0.0, 0.0, 0.0)
    shuffled = np.random.default_rng(0).permutation(SCORES)
    lost = forgetting(RATED, SCORES, shuffled)
    assert lost.loss == pytest.approx(1 - spearman(shuffled, SCORES))
    assert lost.low < lost.loss < lost.high
    assert lost.low > 0.5
    assert forgetting(RATED, shuffled, SCORES).loss == pytest.approx(-lost.loss)
    assert lost == forgetting(RATED, SCORES, shuffled)


def test_similarities_are_cosines_of_documents() -> None:
    def encode(texts: Sequence[str], kind: Kind, done: Done) -> Embeddings:
        assert kind == "document"
        known = {"east": (1.0, 0.0), "north": (0.0, 1.0), "north-east": (0.6, 0.8)}
        return np.array([known[text] for text in texts], dtype=np.float32)

    rated = [Rated("east", "north", 0), Rated("east", "north-east", 3), Rated("north", "north", 5)]
    assert encoded_similarities(encode, rated).tolist() == pytest.approx([0.0, 0.6, 1.0])


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_test_rows_of_a_file_with_splits(tmp_path: Path) -> None:
    rows = [
        {"sentence1": f"a {n}", "sentence2": f"b {n}", "score": n % 5, "split": "train" if n % 2 else "test"} for n in range(80)
    ]
    assert read_rated(write(tmp_path / "a.jsonl", rows)) == [Rated(f"a {n}", f"b {n}", float(n % 5)) for n in range(0, 80, 2)]
    rows = [{"text1": f"a {n}", "text2": f"b {n}", "similarity": n / 40} for n in range(40)]
    assert len(read_rated(write(tmp_path / "b.jsonl", rows))) == 40


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"score": "high"}, "a.jsonl line 7: score 'high' is no number"),
        ({"score": "nan"}, "score 'nan' is no number"),
        ({"sentence2": " "}, "a.jsonl line 7: no 'sentence2'"),
    ],
)
def test_a_faulty_row_is_named(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    rows = [{"sentence1": "a", "sentence2": "b", "score": n % 5} for n in range(40)]
    rows[6] |= change
    with pytest.raises(InputError, match=r"a\.jsonl") as caught:
        read_rated(write(tmp_path / "a.jsonl", rows))
    assert told in str(caught.value)


def test_too_few_rows_or_one_score_say_nothing(tmp_path: Path) -> None:
    rows = [{"sentence1": "a", "sentence2": "b", "score": 3} for _ in range(30)]
    with pytest.raises(InputError, match="29 rated pairs, at least 30"):
        read_rated(write(tmp_path / "a.jsonl", rows[1:]))
    with pytest.raises(InputError, match="all scores are the same"):
        read_rated(write(tmp_path / "a.jsonl", rows))


def test_the_effective_rank_counts_directions() -> None:
    axes = np.concatenate([np.eye(4), -np.eye(4)])
    assert effective_rank(axes) == pytest.approx(4.0)
    assert effective_rank(np.ones((9, 3))) == 0.0
    line = np.outer(np.arange(9.0), np.ones(5))
    assert effective_rank(line) == pytest.approx(1.0)
    assert 1.0 < effective_rank(axes * [10, 1, 1, 1]) < 4.0

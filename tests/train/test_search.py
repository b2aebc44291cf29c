"""Exact search against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from train.search import by_document, search


def unit(rows: int, dimensions: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("block", [7, 16_384])
def test_equals_sorting_everything(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.search._BLOCK", block)
    queries, passages = unit(5, 8, 0), unit(50, 8, 1)
    ids = [f"p{n:02}" for n in np.random.default_rng(2).permutation(50)]
    found = search(queries, passages, ids, 10)
    for query, ranked in zip(queries, found, strict=True):
        scores = np.round((passages @ query).astype(float), 6)
        expected = sorted(zip(ids, scores, strict=True), key=lambda item: (-item[1], item[0]))[:10]
        assert [name for name, _ in ranked] == [name for name, _ in expected]
        assert [score for _, score in ranked] == pytest.approx([score for _, score in expected], abs=2e-6)


@pytest.mark.parametrize("block", [1, 2, 16_384])
def test_equal_scores_are_ordered_by_id(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.search._BLOCK", block)
    same = np.array([[1.0, 0.0]] * 4, dtype=np.float32)
    assert search(same[:1], same, ["c", "a", "d", "b"], 3) == [[("a", 1.0), ("b", 1.0), ("c", 1.0)]]


def test_negative_cosines_and_depth_beyond_the_corpus() -> None:
    passages = np.array([[-1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    assert search(query, passages, ["x", "y"], 100) == [[("y", 0.6), ("x", -1.0)]]


def test_a_document_stands_where_its_best_chunk_stands() -> None:
    ranked = [("c1", 0.9), ("c2", 0.8), ("c3", 0.7), ("stray", 0.1)]
    assert by_document(ranked, {"c1": "A", "c2": "A", "c3": "B"}) == [("A", 0.9), ("B", 0.7), ("stray", 0.1)]

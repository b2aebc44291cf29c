"""Fusion by scores and by ranks."""

from __future__ import annotations

import pytest

from train.fusion import combine, fuse


def ranked(*ids: str) -> list[tuple[str, float]]:
    return [(item, 1.0) for item in ids]


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    found = fuse([{"q": ranked("a", "b", "c")}, {"q": ranked("c", "d")}], depth=10)
    assert found == {
        "q": [
            ("c", pytest.approx(1 / 63 + 1 / 61)),
            ("a", pytest.approx(1 / 61)),
            ("b", pytest.approx(1 / 62)),
            ("d", pytest.approx(1 / 62)),
        ]
    }


def test_only_ranks_count_and_the_depth_is_kept() -> None:
    loud = {"q": [("a", 100.0), ("b", 99.0)]}
    low = {"q": [("b", 0.02), ("a", 0.01)]}
    assert [item for item, _ in fuse([loud, low], depth=10)["q"]] == ["a", "b"]
    assert [item for item, _ in fuse([low, loud], depth=1)["q"]] == ["a"]


def test_a_smaller_k_lets_first_ranks_weigh_more() -> None:
    runs = [{"q": ranked("top", "w", "x", "both")}, {"q": ranked("y", "z", "v", "both")}]
    assert fuse(runs, depth=1)["q"][0][0] == "both"
    assert fuse(runs, depth=1, k=1)["q"][0][0] == "top"


def test_order_of_the_runs_does_not_matter_and_an_empty_one_adds_nothing() -> None:
    runs = [{"q": ranked("a", "b", "c")}, {"q": ranked("c", "a")}, {"q": ranked("b", "c", "a")}]
    assert fuse(runs, depth=5) == fuse(runs[::-1], depth=5)
    assert fuse([{"q": ranked("a")}, {"q": []}], depth=5) == {"q": [("a", pytest.approx(1 / 61))]}


def test_scores_are_brought_to_one_scale_and_weighed() -> None:
    lexical = {"q": [("a", 30.0), ("b", 20.0), ("c", 10.0)]}
    dense = {"q": [("c", 0.9), ("d", 0.8), ("b", 0.5)]}
    assert combine([lexical, dense], depth=10, weights=(0.5, 0.5)) == {
        "q": [
            ("a", pytest.approx(0.5)),
            ("c", pytest.approx(0.5)),
            ("d", pytest.approx(0.5 * 0.75)),
            ("b", pytest.approx(0.25)),
        ]
    }
    assert [item for item, _ in combine([lexical, dense], depth=2, weights=(0.2, 0.8))["q"]] == ["c", "d"]


def test_a_ranking_of_equal_scores_or_of_nothing() -> None:
    even = {"q": [("a", 3.0), ("b", 3.0)]}
    assert combine([even, {"q": []}], depth=5, weights=(0.4, 0.6)) == {"q": [("a", 0.4), ("b", 0.4)]}
    # Scores below zero are scores as others.
    cosines = {"q": [("b", -0.2), ("a", -0.6)]}
    assert combine([even, cosines], depth=1, weights=(0.5, 0.5)) == {"q": [("b", 1.0)]}

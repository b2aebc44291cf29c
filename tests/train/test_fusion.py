"""Reciprocal rank fusion."""

from __future__ import annotations

import pytest

from train.fusion import fuse


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

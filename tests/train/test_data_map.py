"""The map of texts: coordinates by hand, the same every time, and nothing where there is nothing to tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from train.data_map import MOST, data_map, principal, some

VECTORS = {"a": (1.0, 0.0, 0.0), "b": (-1.0, 0.0, 0.0), "c": (0.0, 0.5, 0.0), "d": (0.0, -0.5, 0.0)}


def encode(texts: Sequence[str], kind: str, done: Any) -> Any:
    encode.kinds.append(kind)  # type: ignore[attr-defined]
    return np.array([VECTORS[text] for text in texts], dtype=np.float32)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    encode.kinds = []  # type: ignore[attr-defined]


def test_points_stand_on_the_first_two_components() -> None:
    found = data_map(
        encode, {"passages": ("document", ["a", "b"]), "questions": ("query", ["c", "d", "c"]), "none": ("query", [])}
    )
    assert found is not None
    assert encode.kinds == ["document", "query"]  # type: ignore[attr-defined]
    assert found.explained == 1.0
    order = {
        name: dict(zip(some(texts), found.groups[name], strict=True)) for name, texts in (("passages", "ab"), ("questions", "cd"))
    }
    assert order == {"passages": {"a": (1.0, 0.0), "b": (-1.0, 0.0)}, "questions": {"c": (0.0, 0.5), "d": (0.0, -0.5)}}
    assert list(found.groups) == ["passages", "questions"]


def test_what_the_two_components_do_not_hold_is_told() -> None:
    points, explained = principal(np.array([[2.0, 0, 0], [-2.0, 0, 0], [0, 1.0, 0], [0, -1.0, 0], [0, 0, 0.5], [0, 0, -0.5]]))
    assert explained == round((8 + 2) / (8 + 2 + 0.5), 4)
    assert points.tolist()[4:] == [[0.0, 0.0], [0.0, 0.0]]


def test_nothing_to_tell_apart() -> None:
    assert data_map(encode, {"one": ("query", ["a", "b"])}) is None
    assert data_map(encode, {"none": ("query", [])}) is None
    assert principal(np.zeros((4, 1)))[1] == 0.0


def test_some_are_drawn_by_hash_alone() -> None:
    texts = [f"text {n}" for n in range(300)]
    assert some(texts) == some(texts[::-1] + texts)
    assert len(some(texts)) == MOST
    assert set(some(texts, 20)) <= set(texts)

"""A map of texts in two dimensions: where training questions and passages lie beside test queries and texts of elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from train.encoder import Encoder

MOST = 200
"""Texts of a group that are drawn, by hash."""


@dataclass(frozen=True)
class DataMap:
    """Points by group, on the first two principal components of the unit vectors of all groups together."""

    explained: float
    """Share of the variance that the two components hold: where it is small, distances on the map say little."""
    groups: dict[str, list[tuple[float, float]]]


def data_map(encode: Encoder, groups: Mapping[str, tuple[str, Sequence[str]]]) -> DataMap | None:
    """The map of `groups` (name → "query" or "document", texts) in the eyes of a model; None with fewer than three different texts."""
    chosen = {name: (kind, some(texts)) for name, (kind, texts) in groups.items()}
    vectors = [encode(texts, kind, lambda _: None) for kind, texts in chosen.values() if texts]  # type: ignore[arg-type]
    if not vectors or len(np.unique(np.concatenate(vectors), axis=0)) < 3:
        return None
    points, explained = principal(np.concatenate(vectors).astype(np.float64))
    found: dict[str, list[tuple[float, float]]] = {}
    start = 0
    for name, (_, texts) in chosen.items():
        if texts:
            found[name] = [(float(x), float(y)) for x, y in points[start : start + len(texts)]]
            start += len(texts)
    return DataMap(explained, found)


def principal(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """Coordinates [rows, 2] on the first two principal components, to three decimals, and their share of the variance.

    Each component's sign is such that its largest weight is positive: the same vectors give the same map.
    """
    centred = vectors - vectors.mean(axis=0)
    _, values, components = np.linalg.svd(centred, full_matrices=False)
    first = components[:2]
    signs = np.sign(first[np.arange(len(first)), np.abs(first).argmax(axis=1)])
    points = centred @ (first * signs[:, None]).T
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    total = float(np.square(values).sum())
    return np.round(points, 3), round(float(np.square(values[:2]).sum()) / total, 4) if total else 0.0


def some(texts: Sequence[str], most: int = MOST) -> list[str]:
    """Up to `most` different texts, by hash, so that the same ones come every time."""
    unique = sorted(set(texts), key=lambda text: sha256(text.encode("utf-8", "surrogatepass")).digest())
    return unique[:most]

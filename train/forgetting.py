"""Forgetting: whether a tuned model still finds general texts as alike as people do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import InputError
from train.binary import mean_ranks
from train.encoder import Encoder, model_encoder
from train.rows import needed, number, read_rows

FIRST = ("sentence1", "text1", "first")
SECOND = ("sentence2", "text2", "second")
SCORE = ("score", "similarity_score", "similarity", "label")
FEWEST = 30
"""Rated pairs below which a rank correlation says nothing."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rated:
    """Two texts and how alike people find them, on any scale."""

    first: str
    second: str
    score: float


@dataclass(frozen=True)
class Forgetting:
    """Spearman correlations with people's ratings before and after; `loss` is base − tuned, with a 95% interval."""

    pairs: int
    base: float
    tuned: float
    loss: float
    low: float
    high: float


def read_rated(path: Path) -> list[Rated]:
    """Rows of a JSONL, CSV, TSV or Parquet file in the layout of STS-B: sentence1, sentence2, score.

    Where a column `split` says so, the rows of "test" alone. Raises InputError naming file and row of the first fault, and when fewer
    than FEWEST rows or no two different scores are left.
    """
    rows = list(read_rows(path))
    tests = [(place, row) for place, row in rows if str(row.get("split") or "") == "test"]
    rated = [
        Rated(needed(row, FIRST, place), needed(row, SECOND, place), number(needed(row, SCORE, place), place, LAYOUT))
        for place, row in tests or rows
    ]
    if len(rated) < FEWEST:
        raise InputError(f"{len(rated)} rated pairs, at least {FEWEST} are needed", where=path.name, next_step=LAYOUT)
    if len({row.score for row in rated}) < 2:
        raise InputError("all scores are the same", where=path.name, next_step=LAYOUT)
    return rated


LAYOUT = "give a file with sentence1, sentence2 and score, such as STS-B"


def similarities(model: Any, rated: Sequence[Rated], batch_size: int = 64) -> Numbers:
    """`encoded_similarities` of a loaded SentenceTransformer."""
    return encoded_similarities(model_encoder(model, batch_size), rated)


def encoded_similarities(encode: Encoder, rated: Sequence[Rated]) -> Numbers:
    """Cosines [pairs] of each pair's texts, both embedded as documents: neither asks for the other."""
    first = encode([row.first for row in rated], "document", lambda _: None)
    second = encode([row.second for row in rated], "document", lambda _: None)
    cosines: Numbers = np.sum(first.astype(np.float64) * second, axis=1)
    return cosines


def forgetting(rated: Sequence[Rated], base: Numbers, tuned: Numbers, *, draws: int = 2000, seed: int = 13) -> Forgetting:
    """Compare two models' similarities of the same pairs; the interval is a paired percentile bootstrap over pairs."""
    scores = np.array([row.score for row in rated])
    before, after = spearman(base, scores), spearman(tuned, scores)
    generator = np.random.default_rng(seed)
    losses = []
    for _ in range(draws):
        drawn = generator.integers(0, len(scores), len(scores))
        losses.append(spearman(base[drawn], scores[drawn]) - spearman(tuned[drawn], scores[drawn]))
    low, high = np.quantile(losses, [0.025, 0.975])
    return Forgetting(len(scores), before, after, before - after, float(low), float(high))


def spearman(first: Numbers, second: Numbers) -> float:
    """Rank correlation, of equal values the mean rank; 0 where one side does not vary."""
    ranks = np.stack([mean_ranks(first), mean_ranks(second)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / scale if scale else 0.0


def effective_rank(vectors: npt.NDArray[np.floating[Any]]) -> float:
    """The exponential of the entropy of the centred vectors' singular values (Roy and Vetterli, 2007): of how many directions
    a set of embeddings [texts, dimensions] makes use; 0 when all are equal."""
    values = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False).astype(np.float64)
    total = float(values.sum())
    if total < 1e-9:
        return 0.0
    shares = values[values > 1e-12] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))

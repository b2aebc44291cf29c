"""Warnings before training, each by its name with what to do: what makes a training useless or harmful, seen in the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from schemas.errors import TrainingError
from train.models import embed

FEW_ROWS = 500
"""Rows below which better chunks and prompts help more than training, by the guides this project follows."""

NEAR = 0.95
"""Cosine of positive and negative, under the base model, from which on they are nearly one text."""

NEAR_SHARE = 0.1
CUT_SHARE = 0.01
REPEATED_SHARE = 0.1
"""Shares of the rows from which on a warning is given."""

KNOWN_SHARE = 0.85
"""Share of anchors whose own positive the base model puts before those of all other sampled rows, from which on it knows the data.

By all-MiniLM-L6-v2, which squad was among the training data of: squad 0.89, medquad 0.89, snli 0.84, the manuals of httpd 0.80 and FastAPI 0.63
(extractive questions), Cranfield 0.34. A share, not a cosine: the scale of cosines is each model's own.
"""

SAMPLE = 256
"""Rows that the base model embeds for these measures."""


@dataclass(frozen=True)
class Advice:
    """One warning."""

    name: str
    what: str
    todo: str

    def __str__(self) -> str:
        return f"warning {self.name}: {self.what} {self.todo}"


@dataclass(frozen=True)
class Seen:
    """What the base model makes of a sample of the rows, before training."""

    rows: int
    positive: float
    """Mean cosine of anchor and positive."""
    random: float
    """Mean cosine of anchor and the positive of another row."""
    first: float
    """Share of anchors nearest to their own positive, of all in the sample."""
    near_negatives: float | None
    """Share of rows with a negative that is `NEAR` the positive; None without negatives."""


def look(texts: pl.DataFrame, encoder: Any, seed: int) -> Seen | None:
    """Embed a sample of distinct rows of anchor, positive and negatives; None for rows of other kinds, or of fewer than two positives."""
    if "positive" not in texts.columns:
        return None
    distinct = texts.unique("positive", keep="first", maintain_order=True).unique("anchor", keep="first", maintain_order=True)
    ranked = sorted(distinct.rows(), key=lambda row: sha256(f"{seed}\0{row[0]}".encode("utf-8", "surrogatepass")).digest())[
        :SAMPLE
    ]
    if len(ranked) < 2:
        return None
    columns = list(zip(*ranked, strict=True))
    anchors = embed(encoder, columns[0], "query")
    positives, *negatives = [embed(encoder, column, "document") for column in columns[1:]]
    cosines = anchors @ positives.T
    own = np.diag(cosines)
    others = (cosines.sum() - own.sum()) / (cosines.size - len(own))
    nearest = np.max([np.sum(positives * against, axis=1) for against in negatives], axis=0) if negatives else None
    return Seen(
        rows=len(own),
        positive=float(own.mean()),
        random=float(others),
        first=float(np.mean(cosines.argmax(axis=1) == np.arange(len(own)))),
        near_negatives=None if nearest is None else float(np.mean(nearest >= NEAR)),
    )


def advise(texts: pl.DataFrame, seen: Seen | None, lengths: Mapping[str, int], limit: int | None) -> tuple[Advice, ...]:
    """Warnings about rows of anchor and passages. `lengths`: text → tokens; `limit`: tokens that the model reads."""
    found = [_few_rows(texts), _cut(texts, lengths, limit)]
    if "positive" in texts.columns:
        found.append(_repeated(texts))
    if seen is not None:
        found += [_near_negatives(seen), _known(seen)]
    return tuple(advice for advice in found if advice is not None)


def refuse(warnings: Sequence[Advice]) -> None:
    """Raise TrainingError where there is a warning (`strict`)."""
    if warnings:
        raise TrainingError(
            "; ".join(f"{advice.name}: {advice.what}" for advice in warnings),
            where="strict",
            next_step=" ".join(advice.todo for advice in warnings) + " Or train without --strict.",
        )


def _few_rows(texts: pl.DataFrame) -> Advice | None:
    if texts.height >= FEW_ROWS:
        return None
    return Advice(
        "few_rows",
        f"{texts.height:,} rows are fewer than {FEW_ROWS}.",
        "Build from more documents or make more questions; until then better chunks and a hybrid search are likely to gain more.",
    )


def _cut(texts: pl.DataFrame, lengths: Mapping[str, int], limit: int | None) -> Advice | None:
    passages = texts.drop("anchor").unpivot()["value"].unique(maintain_order=True).to_list()
    cut = sum(limit is not None and lengths[text] > limit for text in passages)
    if cut < CUT_SHARE * len(passages) or not cut:
        return None
    return Advice(
        "long_texts_cut",
        f"{cut:,} of {len(passages):,} passages are longer than the {limit} tokens that the model reads; their ends are cut off.",
        "Make smaller chunks (chunk.max_tokens), raise max_seq_length, or take a model that reads more.",
    )


def _repeated(texts: pl.DataFrame) -> Advice | None:
    folded = texts.select(pl.col("anchor").str.strip_chars().str.to_lowercase())["anchor"]
    repeated = texts.height - folded.n_unique()
    if repeated < REPEATED_SHARE * texts.height or not repeated:
        return None
    return Advice(
        "duplicate_anchors",
        f"{repeated:,} of {texts.height:,} rows repeat the anchor of another row.",
        "Keep one row an anchor, or give all its positives in one (--format multi_positive); rows of one anchor never share a batch.",
    )


def _near_negatives(seen: Seen) -> Advice | None:
    if seen.near_negatives is None or seen.near_negatives < NEAR_SHARE:
        return None
    return Advice(
        "near_identical_negatives",
        f"{seen.near_negatives:.0%} of {seen.rows} sampled rows have a negative that the model takes for the positive (cosine ≥ {NEAR}).",
        "Such negatives can collapse what the model knows: mine with a margin (mine.teacher), or train on pairs (--format pairs).",
    )


def _known(seen: Seen) -> Advice | None:
    if seen.first < KNOWN_SHARE or seen.rows < SAMPLE:
        return None
    return Advice(
        "known_to_base",
        f"the model already finds {seen.first:.0%} of the positives first among {seen.rows} (mean cosine {seen.positive:.2f}, of other "
        f"rows' {seen.random:.2f}): it knows data like this.",
        "Expect little, few epochs, and watch dev; harder negatives, or no training at all, may serve better.",
    )

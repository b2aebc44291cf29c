"""Postings with scores: for each term, the passages that hold it and what it adds to their score, as in bm25s."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from curate.bm25.terms import Numbered

Variant = Literal["lucene", "okapi"]
Positions = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]

# The usual values of Robertson and Zaragoza (2009), and the defaults of both libraries.
K1 = 1.5
B = 0.75
EPSILON = 0.25
"""The share of the mean idf that rank-bm25 gives to words of more than half of the passages."""


@dataclass(frozen=True)
class Postings:
    """Term t stands in passages `positions[starts[t]:starts[t + 1]]`, in rising order, and adds `weights[…]` to their scores."""

    size: int
    """Number of passages."""
    vocabulary: dict[str, int]
    starts: npt.NDArray[np.int64]
    positions: Positions
    weights: Weights
    bounds: Weights
    """The most that each term adds to a score."""
    idf: npt.NDArray[np.float64]
    lengths: Positions
    mean_length: float
    scale: float
    """k1 + 1 in the okapi variant; it changes no order."""


@dataclass(frozen=True)
class _Block:
    """Postings of some passages in a row, ordered by term, then by passage."""

    terms: Positions
    positions: Positions
    counts: npt.NDArray[np.int32]


def post(blocks: Iterable[Numbered], variant: Variant) -> Postings:
    """Read the blocks once. Weights are float32: their sums are the same on every machine even where `log` differs in the last bit."""
    vocabulary: dict[str, int] = {}
    counted: list[_Block] = []
    lengths: list[Positions] = []
    size = 0
    for block in blocks:
        counted.append(_count(block, vocabulary, size))
        lengths.append(block.lengths)
        size += len(block.lengths)
    all_lengths = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int32)
    held = sum(
        (np.bincount(block.terms, minlength=len(vocabulary)) for block in counted), np.zeros(len(vocabulary), dtype=np.int64)
    )
    starts = np.concatenate(([0], np.cumsum(held)))
    mean_length = float(all_lengths.mean()) if size else 1.0
    postings = Postings(
        size=size,
        vocabulary=vocabulary,
        starts=starts,
        positions=np.empty(starts[-1], dtype=np.int32),
        weights=np.empty(starts[-1], dtype=np.float32),
        bounds=np.zeros(len(vocabulary), dtype=np.float32),
        idf=_idf(held, size, variant),
        lengths=all_lengths,
        mean_length=mean_length or 1.0,
        scale=K1 + 1 if variant == "okapi" else 1.0,
    )
    _fill(postings, counted)
    if vocabulary:
        np.maximum.reduceat(postings.weights, starts[:-1], out=postings.bounds)
    return postings


def _count(block: Numbered, vocabulary: dict[str, int], first: int) -> _Block:
    names = np.array([vocabulary.setdefault(term, len(vocabulary)) for term in block.vocabulary], dtype=np.int64)
    width = len(block.lengths)
    keys = names[block.numbers] * width + np.repeat(np.arange(width), block.lengths)
    keys.sort()
    starts = np.flatnonzero(np.concatenate((np.ones(min(1, len(keys)), dtype=bool), keys[1:] != keys[:-1])))
    terms, positions = np.divmod(keys[starts], max(width, 1))
    counts = np.diff(np.append(starts, len(keys)))
    return _Block(terms.astype(np.int32), (positions + first).astype(np.int32), counts.astype(np.int32))


def _idf(held: npt.NDArray[np.int64], size: int, variant: Variant) -> npt.NDArray[np.float64]:
    """Of each term by the number of passages that hold it; `math.log`, and as many calls as there are different numbers."""
    numbers, places = np.unique(held, return_inverse=True)
    if variant == "lucene":
        return np.array([math.log(1 + (size - n + 0.5) / (n + 0.5)) for n in numbers.tolist()], dtype=np.float64)[places]
    raw = np.array([math.log(size - n + 0.5) - math.log(n + 0.5) for n in numbers.tolist()], dtype=np.float64)[places]
    return np.where(raw < 0, EPSILON * raw.mean(), raw) if len(raw) else raw


def _fill(postings: Postings, counted: list[_Block]) -> None:
    """Counting sort: each block's part of a term goes behind the parts of the blocks before it."""
    heads = postings.starts[:-1].copy()
    # bm25s rounds the idf first; so do we, to have its scores to the bit.
    idf = postings.idf.astype(np.float32)
    norms = K1 * ((1 - B) + B * postings.lengths / postings.mean_length)
    counted.reverse()
    while counted:
        block = counted.pop()
        first = np.flatnonzero(
            np.concatenate((np.ones(min(1, len(block.terms)), dtype=bool), block.terms[1:] != block.terms[:-1]))
        )
        sizes = np.diff(np.append(first, len(block.terms)))
        terms = block.terms[first]
        places = np.repeat(heads[terms] - first, sizes) + np.arange(len(block.terms))
        heads[terms] += sizes
        counts = block.counts.astype(np.float32)
        postings.positions[places] = block.positions
        postings.weights[places] = idf[block.terms] * (counts * postings.scale / (norms[block.positions] + counts))

"""In which order candidates are looked at: by rank, or by lot that a seed decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice

import numpy as np

from curate.stage import content_id
from schemas.settings import MineSettings

RANDOM_TRIES = 64
"""Random passages looked at for a pair before it is given up; a split with no more chunks is looked through whole."""


def window_order(names: Sequence[str], scores: Sequence[float], mine: MineSettings, seed: str) -> list[int]:
    """Places of the window's candidates, given by rank, in the order in which they are looked at.

    uniform: every order is as likely. softmax: without replacement, each next one by the softmax of the scores (in units of their
    spread, over `mine.temperature`), by the Gumbel trick (Kool and others, 2019). The lot depends on seed and candidate alone.
    """
    places = list(range(len(names)))
    if mine.sampling == "top" or len(names) < 2:
        return places
    weights = np.zeros(len(names))
    if mine.sampling == "softmax":
        found = np.array(scores, dtype=np.float64)
        spread = float(found.std())
        weights = (found - found.mean()) / spread / mine.temperature if spread > 0 else weights
    keys = [round(float(weight), 9) + _gumbel(f"{seed} {name}") for weight, name in zip(weights, names, strict=True)]
    return sorted(places, key=lambda place: (-keys[place], place))


def _gumbel(seed: str) -> float:
    drawn = (int.from_bytes(sha256(seed.encode()).digest()[:7], "big") + 0.5) / 2**56
    return -math.log(-math.log(drawn))


def random_order(size: int, hits: Sequence[int], seed: str) -> list[int]:
    """Up to RANDOM_TRIES positions below `size` that are no hits; the hits, the likeliest false negatives, come last, the best of all.

    Chunk ids are hashes, so a run of positions in id order, begun at a hash of the seed, is a random sample of the passages.
    """
    if not size:
        return []
    known = set(hits)
    first = int(content_id(seed), 16) % size
    order = ((first + step) % size for step in range(size))
    return [*islice((position for position in order if position not in known), RANDOM_TRIES), *reversed(hits)]

"""Labelled rows in folds of whole groups (article, document): what is fitted to scores of a fold never saw one of its groups."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.labelled import Labelled

Scores = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Columns = dict[str, Scores]
"""Name → scores of all rows."""


@dataclass(frozen=True)
class Bench:
    """The rows with their folds, and where checkers may be kept."""

    name: str
    rows: Sequence[Labelled]
    headings: Sequence[str]
    folds: Index
    options: argparse.Namespace
    folder: Path

    @property
    def labels(self) -> Index:
        return np.asarray([row.label for row in self.rows], dtype=np.int64)

    @property
    def groups(self) -> npt.NDArray[np.str_]:
        return np.asarray([row.group for row in self.rows])


def fold_of(groups: Sequence[str], folds: int) -> Index:
    """Fold of each row: whole groups, the largest first, each to the fold that has least."""
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    load = [0] * folds
    home: dict[str, int] = {}
    for group in sorted(sizes, key=lambda group: (-sizes[group], _hash(group))):
        home[group] = load.index(min(load))
        load[home[group]] += sizes[group]
    return np.asarray([home[group] for group in groups], dtype=np.int64)


def some(rows: Sequence[Labelled], limit: int | None) -> list[Labelled]:
    """At most `limit` rows, by hash, so that the same ones come every time."""
    if limit is None or limit >= len(rows):
        return list(rows)
    chosen = set(sorted(rows, key=lambda row: _hash(f"{row.question}\x1f{row.passage}"))[:limit])
    return [row for row in rows if row in chosen]


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def say(step: str, done: int, total: int | None) -> None:
    """Progress on stderr; of counted steps every tenth."""
    if total is None or done % 10 == 0:
        print(f"{step} {done}{f'/{total}' if total else ''}", file=sys.stderr, flush=True)

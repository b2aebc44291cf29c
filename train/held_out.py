"""The dev set of a plain file: the rows that its column `split` names so, or a share of the anchors, held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

import numpy as np
import polars as pl

from schemas.errors import InputError, SettingsError
from schemas.training import TrainSettings
from train.eval_set import EvalSet
from train.models import third_party
from train.plain import PlainRows

RETRIEVAL = ("pairs", "triplets", "distilled", "multi_positive")
"""Kinds of rows that say which passages answer."""

PASSAGES = 10_000
"""Most passages that dev queries are searched among: those of the dev rows, and others by hash."""


def hold_out(plain: PlainRows, settings: TrainSettings, name: str) -> tuple[pl.DataFrame, EvalSet | None, list[str]]:
    """The rows to train on, the dev set (None: there is none) and what to say about it.

    Rows of the split `dev` win over `dev_share`. That takes whole groups of rows that share an anchor or a positive, in an order by hash of seed and
    anchor, so no dev query and no passage that answers one is trained on as such. Raises InputError where an anchor stands on both sides or nothing
    can be held out, SettingsError for rows that do not say which passages answer.
    """
    if plain.kind not in RETRIEVAL:
        if settings.dev_share:
            raise SettingsError(
                f"rows of {plain.kind} do not say which passages answer",
                where="dev_share",
                next_step=f"leave it out; a dev set is made of {', '.join(RETRIEVAL)}",
            )
        return plain.frame, None, [f"Rows of the split `dev` not used: {plain.dev.height:,}."] if plain.dev.height else []
    if plain.dev.height:
        if both := sorted(set(plain.frame["anchor"]) & set(plain.dev["anchor"])):
            raise InputError(
                f"{len(both):,} anchors of the split `dev` are also training anchors, for example {both[0][:80]!r}",
                where=name,
                next_step="dev scores would mean nothing: give each anchor one split",
            )
        return plain.frame, _eval_set(plain.frame, plain.dev, settings.seed), [_said(plain.dev, "of the split `dev`")]
    if not settings.dev_share:
        return plain.frame, None, []
    chosen = _chosen(plain.frame, settings)
    if not chosen.any():
        raise InputError(
            f"{settings.dev_share:g} of the rows cannot be held out: too many share their anchors or positives",
            where=name,
            next_step="raise dev_share, or mark rows yourself with a column `split` of train and dev",
        )
    train, dev = plain.frame.filter(~pl.Series(chosen)), plain.frame.filter(pl.Series(chosen))
    return train, _eval_set(train, dev, settings.seed), [_said(dev, f"held out (dev_share={settings.dev_share:g})")]


def _said(dev: pl.DataFrame, how: str) -> str:
    return f"Dev: {dev.height:,} rows {how}, {dev['anchor'].n_unique():,} queries; the best checkpoint by them is kept."


def _chosen(frame: pl.DataFrame, settings: TrainSettings) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """[rows]: whether the row is held out; at most the share of the rows (but one of a few), and never all of them."""
    groups = _groups(frame)
    sizes = Counter(groups.tolist())
    first = dict(zip(reversed(groups.tolist()), reversed(frame["anchor"].to_list()), strict=True))
    left = min(max(1, round(settings.dev_share * frame.height)), frame.height - 1)
    taken: list[int] = []
    for group in sorted(sizes, key=lambda group: _chance(settings.seed, first[group])):
        if sizes[group] <= left:
            taken.append(group)
            left -= sizes[group]
    return np.isin(groups, taken)


def _groups(frame: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """[rows]: the number of the row's group; rows that share an anchor or a positive, directly or through others, have the same."""
    numbers: dict[tuple[str, str], int] = {}
    edges: list[tuple[int, int]] = []
    for row, (anchor, positives) in enumerate(zip(frame["anchor"], _positives(frame), strict=True)):
        for key in (("anchor", anchor), *(("passage", text) for text in positives)):
            edges.append((row, frame.height + numbers.setdefault(key, len(numbers))))
    size = frame.height + len(numbers)
    pairs = np.array(edges).T
    graph = third_party("scipy.sparse").coo_array((np.ones(len(edges), np.int8), (pairs[0], pairs[1])), shape=(size, size))
    labels: np.ndarray[tuple[int], np.dtype[np.int32]] = third_party("scipy.sparse.csgraph").connected_components(
        graph, directed=False
    )[1]
    return labels[: frame.height]


def _eval_set(train: pl.DataFrame, dev: pl.DataFrame, seed: int) -> EvalSet:
    own = list(dict.fromkeys(_passages(dev)))
    others = sorted(set(_passages(train)) - set(own), key=lambda text: _chance(seed, text))
    number = {text: f"p{place}" for place, text in enumerate([*own, *others[: max(0, PASSAGES - len(own))]])}
    ids = {anchor: f"q{place}" for place, anchor in enumerate(dict.fromkeys(dev["anchor"]))}
    qrels: dict[str, dict[str, int]] = {}
    for anchor, positives in zip(dev["anchor"], _positives(dev), strict=True):
        qrels.setdefault(ids[anchor], {}).update(dict.fromkeys((number[text] for text in positives), 1))
    queries = {query: anchor for anchor, query in ids.items()}
    same = {query: query for query in queries}
    blank = dict.fromkeys(queries, "")
    return EvalSet("dev", {place: text for text, place in number.items()}, queries, qrels, same, blank, blank)


def _positives(frame: pl.DataFrame) -> Sequence[Sequence[str]]:
    if "positives" in frame.columns:
        found: list[list[str]] = frame["positives"].to_list()
        return found
    return [[text] for text in frame["positive"]]


def _passages(frame: pl.DataFrame) -> Iterable[str]:
    """Every passage of the rows, negatives too."""
    for name, kind in frame.schema.items():
        if kind == pl.List(pl.String):
            yield from frame[name].explode().drop_nulls()
        elif kind == pl.String and name != "anchor":
            yield from frame[name]


def _chance(seed: int, text: str) -> bytes:
    return sha256(f"{seed}\x1f{text}".encode("utf-8", "surrogatepass")).digest()

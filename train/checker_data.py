"""The rows of a checker, checked and divided: documents that choose the epoch and threshold are never trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from schemas.errors import InputError
from schemas.training import CheckerSettings
from train.labelled import Labelled


@dataclass(frozen=True)
class Divided:
    """Rows to train on and rows that choose; no group and no passage stands in both."""

    train: tuple[Labelled, ...]
    dev: tuple[Labelled, ...]
    """Empty when whole documents cannot be set apart so that both sides hold both labels."""
    sha256: str
    """Hash of all rows, in their order."""
    notes: tuple[str, ...]


def divide(rows: Sequence[Labelled], settings: CheckerSettings) -> Divided:
    """Repeated rows once, at most `limit`, whole groups to dev until it holds `dev_share` of the rows.

    A passage is at home in the group of the rows it answers. Rows whose passage is at home on the other side (a wrong passage taken
    from another document) are left out and counted. Raises InputError when there are not both labels, or one row has both.
    """
    kept, notes = _once(rows)
    digest = _digest(kept)
    kept = _limited(kept, settings, notes)
    _need_both(kept, "give a labelled file with both, or a build with questions")
    groups = _dev_groups(kept, settings)
    home = {row.passage: row.group in groups for row in reversed(kept)}
    home |= {row.passage: row.group in groups for row in reversed(kept) if row.label}
    train = [row for row in kept if row.group not in groups and not home[row.passage]]
    dev = [row for row in kept if row.group in groups and home[row.passage]]
    if not (_both(train) and _both(dev)):
        notes.append("The documents cannot be divided so that both sides hold both labels: no dev rows, the last epoch is kept.")
        return Divided(tuple(kept), (), digest, tuple(notes))
    if crossing := len(kept) - len(train) - len(dev):
        notes.append(
            f"{crossing:,} rows left out: their question is of a document on one side, their passage of one on the other."
        )
    return Divided(tuple(train), tuple(dev), digest, tuple(notes))


def divided_already(train: Sequence[Labelled], dev: Sequence[Labelled], settings: CheckerSettings) -> Divided:
    """The rows of a dataset's splits: repeated ones once, at most `limit` to train on, dev as it is, or none where it has not both labels.

    Raises InputError as `divide`.
    """
    kept, notes = _once(train)
    choosing, more = _once(dev)
    digest = _digest([*kept, *choosing])
    notes += more
    kept = _limited(kept, settings, notes)
    _need_both(kept, "build with mined negatives (mine.negatives)")
    if not _both(choosing):
        notes.append("No dev rows of both labels: the last epoch is kept.")
        choosing = []
    return Divided(tuple(kept), tuple(choosing), digest, tuple(notes))


def counts(rows: Iterable[Labelled]) -> dict[str, int]:
    """Rows by label, and their documents."""
    found = list(rows)
    labels = Counter(row.label for row in found)
    return {"answerable": labels[1], "unanswerable": labels[0], "documents": len({row.group for row in found})}


def _once(rows: Sequence[Labelled]) -> tuple[list[Labelled], list[str]]:
    labels: dict[tuple[str, str], int] = {}
    kept, twice = [], set()
    for row in rows:
        pair = (row.question, row.passage)
        if labels.setdefault(pair, row.label) != row.label:
            twice.add(pair)
        kept.append(row)
    kept = [row for row in dict.fromkeys(kept) if (row.question, row.passage) not in twice]
    notes = [f"{len(twice):,} pairs of question and passage left out: they have both labels."] if twice else []
    return kept, notes


def _dev_groups(rows: Sequence[Labelled], settings: CheckerSettings) -> frozenset[str]:
    """Groups in an order by hash, until they hold the share and both labels; one group at least stays for training.

    A group that would bring them over twice the share is passed over; where that leaves too little, the smallest come first.
    """
    by_group: dict[str, list[Labelled]] = {}
    for row in rows:
        by_group.setdefault(row.group, []).append(row)
    order = sorted(by_group, key=lambda group: _chance(settings.seed, group))
    wanted = settings.dev_share * len(rows)
    fitting = _filled(order, by_group, wanted, 2 * wanted)
    return fitting or _filled(sorted(order, key=lambda group: len(by_group[group])), by_group, wanted, math.inf)


def _filled(order: Sequence[str], by_group: Mapping[str, Sequence[Labelled]], least: float, most: float) -> frozenset[str]:
    """Groups of the order that hold `least` rows and both labels, but not over `most`; none when that cannot be."""
    taken: list[Labelled] = []
    groups: set[str] = set()
    for group in order:
        if len(taken) >= least and _both(taken):
            break
        if len(taken) + len(by_group[group]) <= most and len(groups) < len(by_group) - 1:
            groups.add(group)
            taken += by_group[group]
    return frozenset(groups) if len(taken) >= least and _both(taken) else frozenset()


def _limited(rows: list[Labelled], settings: CheckerSettings, notes: list[str]) -> list[Labelled]:
    if settings.limit is None or len(rows) <= settings.limit:
        return rows
    notes.append(f"{settings.limit:,} of {len(rows):,} rows used (`limit`).")
    chosen = set(sorted(rows, key=lambda row: _chance(settings.seed, _key(row)))[: settings.limit])
    return [row for row in rows if row in chosen]


def _need_both(rows: Sequence[Labelled], next_step: str) -> None:
    if not _both(rows):
        found = counts(rows)
        raise InputError(
            f"training needs both labels: {found['answerable']} answerable rows, {found['unanswerable']} unanswerable",
            next_step=next_step,
        )


def _both(rows: Iterable[Labelled]) -> bool:
    return {row.label for row in rows} == {0, 1}


def _digest(rows: Iterable[Labelled]) -> str:
    return sha256("\n".join(map(_key, rows)).encode()).hexdigest()


def _key(row: Labelled) -> str:
    return "\x1f".join((row.group, row.question, row.passage, str(row.label)))


def _chance(seed: int, text: str) -> str:
    return sha256(f"{seed}\x1f{text}".encode()).hexdigest()

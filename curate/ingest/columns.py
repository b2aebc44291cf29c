"""Which column of a table holds what: by settings, else by the usual names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from curate.ingest.reject import NotKept
from schemas.reasons import Reason
from schemas.settings import ColumnSettings

USUAL = {
    "text": ("text",),
    "title": ("title",),
    "id": ("id", "_id"),
    "anchor": ("query", "anchor", "question"),
    "positive": ("positive", "answer", "context", "document"),
    "score": ("score",),
    "label": ("label",),
}
_NUMBERED = re.compile(r"negative_(\d+)")


@dataclass(frozen=True)
class Layout:
    """The columns in use. `pairs`: rows are pairs (anchor and positive are set), else documents (text is set)."""

    pairs: bool
    text: str = ""
    title: str = ""
    id: str = ""
    anchor: str = ""
    positive: str = ""
    negatives: tuple[str, ...] = ()
    score: str = ""
    label: str = ""

    def used(self) -> tuple[str, ...]:
        """Names of all columns in use, each once."""
        if self.pairs:
            names = (self.id, self.anchor, self.positive, *self.negatives, self.score, self.label)
        else:
            names = (self.id, self.title, self.text)
        return tuple(dict.fromkeys(name for name in names if name))


def choose(columns: Sequence[str], settings: ColumnSettings) -> Layout:
    """The layout of a table with these columns. A pair of anchor and positive wins over a text, what is set over what is usual.

    Raises NotKept when a column that is set is not there, or none can be used.
    """
    found = {role: _column(role, columns, settings) for role in USUAL}
    negatives = _negatives(columns, settings)
    only_text = settings.text is not None and settings.anchor is None and settings.positive is None
    if found["anchor"] and found["positive"] and not only_text:
        return Layout(
            pairs=True,
            id=found["id"],
            anchor=found["anchor"],
            positive=found["positive"],
            negatives=negatives,
            score=found["score"],
            label=found["label"],
        )
    if found["text"] and not (settings.anchor or settings.positive):
        return Layout(pairs=False, id=found["id"], title=found["title"], text=found["text"])
    raise NotKept(
        Reason.FILE_BROKEN,
        f"no usable columns among {_listed(columns)}; set ingest.columns.text for documents, "
        "or ingest.columns.anchor and ingest.columns.positive for pairs",
    )


def _column(role: str, columns: Sequence[str], settings: ColumnSettings) -> str:
    wanted: str | None = getattr(settings, role)
    if wanted is None:
        return next((name for name in USUAL[role] if name in columns), "")
    _check(role, wanted, columns)
    return wanted


def _negatives(columns: Sequence[str], settings: ColumnSettings) -> tuple[str, ...]:
    if settings.negative is not None:
        _check("negative", settings.negative, columns)
        return (settings.negative,)
    numbered = [(int(match.group(1)), name) for name in columns if (match := _NUMBERED.fullmatch(name))]
    return (*(("negative",) if "negative" in columns else ()), *(name for _, name in sorted(numbered)))


def _check(role: str, wanted: str, columns: Sequence[str]) -> None:
    if wanted not in columns:
        raise NotKept(
            Reason.FILE_BROKEN, f"no column {wanted!r}, which ingest.columns.{role} names; there are {_listed(columns)}"
        )


def _listed(columns: Sequence[str]) -> str:
    names = ", ".join(repr(name[:60]) for name in columns[:20])
    return f"{names} and {len(columns) - 20} more" if len(columns) > 20 else names or "none"

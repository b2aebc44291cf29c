"""Which column of a dataset is what: guessed from its names as `curate train` does, or said by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from schemas.errors import InputError
from schemas.plain import KINDS, folded, kind_of

ANSWER = ("answer", "answers", "answer_text", "short_answer")
ROLES = ("anchor", "positive", "passage", "negative", "positives", "negatives", "score", "label", "answer", "split")
"""What --column can name; `negative` several times, or as negative_1 … negative_k."""
_NUMBERED = re.compile(r"negative_\d+$")


@dataclass(frozen=True)
class Columns:
    """The kind of the rows and the columns that make it."""

    kind: str
    used: dict[str, str]
    """Column of the kind → column of the dataset; `answer` and `split` too, where there is one."""
    mapped: tuple[str, ...]
    unused: tuple[str, ...]


def parse_mapping(given: Sequence[str]) -> list[tuple[str, str]]:
    """(role, column) of each ROLE=NAME; InputError for what is none."""
    found = []
    for text in given:
        role, mark, name = text.partition("=")
        role = folded(role)
        if not mark or not name or not (role in ROLES or _NUMBERED.fullmatch(role)):
            raise InputError(
                f"--column {text}: not ROLE=NAME", next_step=f"ROLE is one of {', '.join(ROLES)}; NAME is a column of the dataset"
            )
        found.append((role, name))
    return found


def choose_columns(frame: pl.DataFrame, mapping: Sequence[tuple[str, str]], where: str) -> Columns:
    """Guess what is not mapped; InputError naming the columns when they fit no kind."""
    for role, name in mapping:
        if name not in frame.columns:
            raise InputError(
                f"no column {name!r} for {role} (columns there: {', '.join(frame.columns)})",
                where=where,
                next_step=f"give --column {role}=NAME with one of these names",
            )
    names = _names(frame, mapping)
    found = kind_of(list(names), lambda name: _holds_lists(frame, names[name]), lambda name: _values(frame, names[name]))
    if found is None:
        kinds = "; ".join(dict.fromkeys(KINDS.values()))
        raise InputError(
            f"columns {', '.join(frame.columns)} fit no kind of rows",
            where=where,
            next_step=f"say which is which with --column anchor=NAME --column positive=NAME …; kinds are: {kinds}",
        )
    kind, roles = found
    used = {role: names[name] for role, name in roles.items()}
    for role, wanted in (("answer", ANSWER), ("split", ("split",))):
        there = [names[name] for name in (role, *wanted) if name in names and names[name] not in used.values()]
        if there:
            used[role] = there[0]
    unused = tuple(name for name in frame.columns if name not in used.values())
    said = {name for _, name in mapping}
    return Columns(kind, used, tuple(role for role, name in used.items() if name in said), unused)


def _names(frame: pl.DataFrame, mapping: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Folded name → column. What is mapped goes by its role, and no more by its own name."""
    said = {name for _, name in mapping}
    names: dict[str, str] = {}
    for role, name in mapping:
        number = 1
        wanted = role
        while wanted in names:
            number += 1
            wanted = f"{role}_{number}"
        names["positive" if wanted == "passage" else wanted] = name
    for name in frame.columns:
        if name not in said:
            names.setdefault(folded(name), name)
    return names


def _holds_lists(frame: pl.DataFrame, name: str) -> bool:
    return isinstance(frame.schema[name], pl.List | pl.Array)


def _values(frame: pl.DataFrame, name: str) -> set[str]:
    values = frame[name].drop_nulls().cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    return set(values.unique().head(1000))

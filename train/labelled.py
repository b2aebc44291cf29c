"""Labelled files: questions with the passage they were asked of, and whether it answers them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import InputError
from train.rows import cell, needed, read_rows

QUESTION = ("question", "query", "anchor")
PASSAGE = ("context", "passage", "text")
GROUP = ("title", "document", "document_id", "group")
LABEL = ("label", "answerable")
IMPOSSIBLE = ("is_impossible",)

_YES = frozenset({"1", "1.0", "true", "yes"})
_NO = frozenset({"0", "0.0", "false", "no"})


@dataclass(frozen=True)
class Labelled:
    """One row to train or to judge a checker on."""

    question: str
    passage: str
    label: int
    """1: the passage answers the question; 0: it does not."""
    group: str
    """The document; rows of one never fall on both sides of a division."""


def read_labelled(path: Path) -> list[Labelled]:
    """Rows of a squad v2 file (`.json`), or of a JSONL, CSV, TSV or Parquet file with the columns above.

    A row without a title or document is a group by its passage. Raises InputError naming file and row of the first fault, and when
    there is no row at all.
    """
    rows = list(_squad(path) if path.suffix.lower() == ".json" else map(_row, *_columns(path)))
    if not rows:
        raise InputError("holds no rows", where=path.name, next_step="give a file with questions, passages and labels")
    return rows


def _columns(path: Path) -> tuple[Sequence[str], Sequence[Mapping[str, Any]]]:
    read = list(read_rows(path))
    return [place for place, _ in read], [row for _, row in read]


def _row(place: str, row: Mapping[str, Any]) -> Labelled:
    passage = needed(row, PASSAGE, place)
    return Labelled(needed(row, QUESTION, place), passage, _label(row, place), cell(row, GROUP) or passage)


def _label(row: Mapping[str, Any], place: str) -> int:
    impossible = cell(row, IMPOSSIBLE)
    text = impossible if impossible is not None else needed(row, (*LABEL, *IMPOSSIBLE), place)
    folded = text.strip().lower()
    if folded not in _YES | _NO:
        raise InputError(f"label {text[:40]!r} is neither yes nor no", where=place, next_step="write 1 or 0, true or false")
    return int((folded in _YES) != (impossible is not None))


def _squad(path: Path) -> Iterator[Labelled]:
    """The official layout: data / paragraphs / qas; a question without `is_impossible` (v1) is answerable."""
    if not path.is_file():
        raise InputError("no such file", where=str(path), next_step="give a labelled file")
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"cannot be read: {error}", where=path.name, next_step="check that it is whole and UTF-8 JSON"
        ) from error
    for article_place, article in _entries(tree, "data", path.name):
        title = _text(article, "title", article_place)
        for paragraph_place, paragraph in _entries(article, "paragraphs", article_place):
            passage = _text(paragraph, "context", paragraph_place)
            for place, asked in _entries(paragraph, "qas", paragraph_place):
                impossible = asked.get("is_impossible", False)
                if not isinstance(impossible, bool):
                    raise InputError("is_impossible is neither true nor false", where=place, next_step=_LAYOUT)
                yield Labelled(_text(asked, "question", place), passage, int(not impossible), title)


def _entries(node: Any, key: str, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = node.get(key) if isinstance(node, dict) else None
    if not isinstance(found, list):
        raise InputError(f"no list {key!r}", where=place, next_step=_LAYOUT)
    for number, entry in enumerate(found, start=1):
        inner = f"{place} {_NAMES[key]} {number}"
        if not isinstance(entry, dict):
            raise InputError("not a JSON object", where=inner, next_step=_LAYOUT)
        yield inner, entry


def _text(node: Mapping[str, Any], key: str, place: str) -> str:
    value = node.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"no text {key!r}", where=place, next_step=_LAYOUT)
    return value


_NAMES = {"data": "article", "paragraphs": "paragraph", "qas": "question"}
_LAYOUT = "the layout is that of squad v2: data, paragraphs, qas; or give JSONL, CSV, TSV or Parquet"

"""Where a document may be cut between two splits, and how good each place is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from curate.text import sentence_spans

DOCUMENT, SECTION, SUBSECTION, PARAGRAPH, INSIDE_LIST, SENTENCE = range(6)
"""Ranks of borders, best first: start of a document, of a section (heading level ≤ 2), of a deeper section, of a paragraph, of a list item,
code or table, and of a sentence or line inside a block."""


@dataclass(frozen=True)
class Manual:
    """What of a document matters here."""

    document_id: str
    text: str
    blocks: Sequence[Mapping[str, Any]]
    language: str


@dataclass(frozen=True, order=True)
class Border:
    """A place between two regions; `position` counts characters from the start of the first document."""

    position: int
    rank: int
    document: int
    """Number of the document that starts or goes on here."""


def borders_of(manual: Manual, document: int, offset: int, long_block: float) -> Iterator[Border]:
    """The borders of one document in order; blocks longer than `long_block` characters may be cut between sentences.

    Never between a heading and what it heads.
    """
    yield Border(offset, DOCUMENT, document)
    blocks = manual.blocks or [{"kind": "paragraph", "level": 0, "start": 0, "end": len(manual.text)}]
    for before, block in pairwise([None, *blocks]):
        assert block is not None
        if before is not None and before["kind"] != "heading":
            yield Border(offset + block["start"], _rank(block), document)
        if block["kind"] != "heading" and block["end"] - block["start"] > long_block:
            for position in _inside(manual, block):
                yield Border(offset + position, SENTENCE, document)


def _rank(block: Mapping[str, Any]) -> int:
    if block["kind"] == "heading":
        return SECTION if block["level"] <= 2 else SUBSECTION
    return PARAGRAPH if block["kind"] in ("paragraph", "quote") else INSIDE_LIST


def _inside(manual: Manual, block: Mapping[str, Any]) -> Iterator[int]:
    """Starts of the second and later sentences (lines of code and tables) of a block that are not blank."""
    text = manual.text[block["start"] : block["end"]]
    if block["kind"] in ("code", "table"):
        position = 0
        for line in text.splitlines(keepends=True):
            if position and line.strip():
                yield block["start"] + position
            position += len(line)
        return
    for start, _ in sentence_spans(text, manual.language)[1:]:
        yield block["start"] + start

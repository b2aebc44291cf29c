"""Text and its blocks: pieces found by a format's reader are joined into one clean text with spans that tile it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from curate.ingest.clean import clean


@dataclass(frozen=True)
class Piece:
    """A block before it has a place: kind as in `schemas.tables.BLOCK_KINDS`, level 1–6 for headings, else 0."""

    kind: str
    text: str
    level: int = 0


@dataclass(frozen=True)
class Parsed:
    """What a format's reader made of one file: a title ("" if it has none) and its pieces in order."""

    title: str
    pieces: tuple[Piece, ...]


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def assemble(pieces: Iterable[Piece]) -> tuple[str, list[dict[str, Any]]]:
    """The text of the pieces and their spans; blank lines between blocks, none between the items of a list."""
    kept = list(_cleaned(pieces))
    parts: list[str] = []
    blocks: list[dict[str, Any]] = []
    position = 0
    for before, piece in pairwise([None, *kept]):
        assert piece is not None
        if before is not None:
            gap = "\n" if before.kind == piece.kind == "list_item" else "\n\n"
            parts.append(gap)
            position += len(gap)
        # Indentation of a nested item stands between the blocks; that of code belongs to it.
        lead = 0 if piece.kind == "code" else len(piece.text) - len(piece.text.lstrip())
        parts.append(piece.text)
        blocks.append({"kind": piece.kind, "level": piece.level, "start": position + lead, "end": position + len(piece.text)})
        position += len(piece.text)
    return "".join(parts), blocks


def _cleaned(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        text = one_line(clean(piece.text)) if piece.kind == "heading" else clean(piece.text).strip("\n").rstrip()
        if text.strip():
            yield Piece(piece.kind, text, piece.level)

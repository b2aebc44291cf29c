"""Which blocks belong to the main content of a page: trafilatura's judgement of the text, applied to our blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curate.ingest.blocks import Piece
from curate.text import words

MIN_WORDS = 8
"""A shorter block goes with its neighbours: too little text to be found again."""
GRAM = 4
MIN_FOUND = 0.5
"""Share of a block's word groups that trafilatura must have kept."""
MIN_KEPT = 0.25
"""If it would keep less of the text than this, it did not understand the page, and everything stays."""
MAX_CHARACTERS = 1_000_000
"""Larger pages are not judged: trafilatura's time grows faster than the page."""


def in_main_content(root: Any, pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces that trafilatura finds to be content, short ones beside them, and single ones between them.

    Furniture stands at the ends of a page or several blocks long; a lone block inside the content is a misjudgement.
    """
    from lxml.html import tostring

    if sum(len(piece.text) for piece in pieces) > MAX_CHARACTERS:
        return list(pieces)
    known = _grams(words(_extracted(tostring(root, encoding="unicode"))))
    verdicts = [_verdict(piece, known) for piece in pieces]
    decided = [(piece, verdict) for piece, verdict in zip(pieces, verdicts, strict=True) if verdict is not None]
    kept = sum(len(piece.text) for piece, verdict in decided if verdict)
    if kept < MIN_KEPT * sum(len(piece.text) for piece, _ in decided) or not decided:
        return list(pieces)
    before = _nearest(verdicts)
    after = _nearest(verdicts[::-1])[::-1]
    return [
        piece
        for piece, verdict, left, right in zip(pieces, verdicts, before, after, strict=True)
        if verdict or (left and right) or (verdict is None and (left is not False or right is not False))
    ]


def _extracted(page: str) -> str:
    import logging

    import trafilatura

    # It reports pages it cannot use as errors; for us that is an answer.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    return trafilatura.extract(page, include_comments=False, include_tables=True, favor_recall=True) or ""


def _verdict(piece: Piece, known: frozenset[str]) -> bool | None:
    found = words(piece.text)
    if piece.kind in ("heading", "code", "table") or len(found) < MIN_WORDS:
        return None
    grams = _grams(found)
    return len(grams & known) >= MIN_FOUND * len(grams)


def _grams(found: Sequence[str]) -> frozenset[str]:
    return frozenset(" ".join(found[i : i + GRAM]) for i in range(len(found) - GRAM + 1))


def _nearest(verdicts: Sequence[bool | None]) -> list[bool | None]:
    """For each place, the last verdict before it."""
    last: bool | None = None
    result = []
    for verdict in verdicts:
        result.append(last)
        last = last if verdict is None else verdict
    return result

"""Cuts a block into the smallest parts that a chunk may start with: sentences or lines, and parts of overlong ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from curate.text import sentence_spans

Count = Callable[[str], int]
Span = tuple[int, int]

LINES = ("code", "table")
"""Kinds of blocks that are cut between lines."""

_CLAUSE = re.compile(r"(?<=[,;:、，；：—])\s+|(?<=[、，；：])|\s+(?=[–—]\s)")
_BLANK = re.compile(r"\s+")


def sentences(text: str, start: int, end: int, kind: str, language: str) -> Iterator[Span]:
    """Spans of sentences (of lines in code and tables) of text[start:end] without blanks around them; lines keep their indentation."""
    if kind in LINES:
        position = start
        for line in text[start:end].splitlines(keepends=True):
            if line.strip():
                yield position, position + len(line.rstrip())
            position += len(line)
        return
    for low, high in sentence_spans(text[start:end], language):
        yield from stripped(text, start + low, start + high)


def stripped(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without blanks at its ends; nothing when it is blank."""
    part = text[start:end]
    if part.strip():
        yield start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def cut_overlong(text: str, start: int, end: int, limit: int, count: Count) -> Iterator[tuple[int, int, str]]:
    """Parts of at most `limit` tokens and how each begins: "" the first, else at a "clause", a "word" or a "character"."""
    begins = ""
    for low, high in _spans(text, start, end, _CLAUSE):
        if count(text[low:high]) <= limit:
            yield low, high, begins
            begins = "clause"
            continue
        for part in _words(text, low, high, limit, count):
            yield part[0], part[1], part[2] if part[0] > low else begins
        begins = "clause"


def _words(text: str, start: int, end: int, limit: int, count: Count) -> Iterator[tuple[int, int, str]]:
    """Runs of words of about a quarter of the limit, so that packing has a choice without thousands of parts."""
    first, last, tokens = start, start, 0
    for low, high in _spans(text, start, end, _BLANK):
        size = count(text[low:high])
        if tokens and tokens + size > max(1, limit // 4):
            yield first, last, "word"
            tokens = 0
        if size > limit:
            yield from _characters(text, low, high, limit, count)
            continue
        first, last, tokens = (first if tokens else low), high, tokens + size
    if tokens:
        yield first, last, "word"


def _characters(text: str, start: int, end: int, limit: int, count: Count) -> Iterator[tuple[int, int, str]]:
    begins = "word"
    while start < end:
        stop = min(end, start + max(1, limit // 2))
        while stop - start > 1 and count(text[start:stop]) > limit:
            stop = start + (stop - start) // 2
        yield start, stop, begins
        start, begins = stop, "character"


def _spans(text: str, start: int, end: int, between: re.Pattern[str]) -> Iterator[Span]:
    """The parts of text[start:end] between the matches."""
    borders = [start]
    for match in between.finditer(text, start, end):
        borders += match.span()
    borders.append(end)
    for low, high in list(pairwise(borders))[::2]:
        yield from stripped(text, low, high)

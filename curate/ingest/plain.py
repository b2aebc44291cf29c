"""Plain text: paragraphs between blank lines, and headings only where they are underlined or look like nothing else."""

from __future__ import annotations

import re

from curate.ingest.blocks import Parsed, Piece, one_line

_UNDERLINE = re.compile(r"([=\-~^*#+])\1{2,}")
_ITEM = re.compile(r"\s*(?:[-*•+–]|\(?\d{1,3}[.)])\s+\S")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
MAX_HEADING = 100
"""Characters of a heading line; longer lines are text."""


def read_plain(text: str) -> Parsed:
    """Blocks of clean plain text; the title is the first line if that stands alone and looks like one."""
    paragraphs = [part for part in (p.strip("\n") for p in _BLANK_LINES.split(text)) if part.strip()]
    pieces: list[Piece] = []
    marks: list[str] = []
    for paragraph in paragraphs:
        pieces += _pieces(paragraph, marks)
    title = ""
    if pieces and pieces[0].kind == "heading":
        title = pieces[0].text
    elif len(pieces) > 1 and "\n" not in pieces[0].text and looks_like_title(pieces[0].text):
        title = one_line(pieces[0].text)
        pieces[0] = Piece("heading", title, 1)
    return Parsed(title, tuple(pieces))


def looks_like_title(line: str) -> bool:
    """A short line that starts like a title and does not end like a sentence or hold what titles do not."""
    line = line.strip()
    if not 3 <= len(line) <= MAX_HEADING or not any(character.isalpha() for character in line):
        return False
    if line[-1] in ".,;:…。，；：、" or _ITEM.match(line) or not (line[0].isalnum() or line[0] in "\"'«“「『"):
        return False
    return not line[0].islower() and not re.search(r"https?://|@|[<>{}=|]", line)


def _pieces(paragraph: str, marks: list[str]) -> list[Piece]:
    """Blocks of one paragraph. `marks`: underline characters in the order first seen, which gives the levels."""
    lines = paragraph.split("\n", 2)
    if len(lines) > 1 and _underlined(lines[0], lines[1]):
        mark = lines[1].strip()[0]
        if mark not in marks:
            marks.append(mark)
        heading = Piece("heading", one_line(lines[0]), min(6, marks.index(mark) + 1))
        rest = lines[2] if len(lines) > 2 else ""
        return [heading, *(_pieces(rest, marks) if rest.strip() else [])]
    if _ITEM.match(paragraph):
        return _items(paragraph)
    return [Piece("paragraph", paragraph)]


def _underlined(line: str, below: str) -> bool:
    """A heading's underline is about as long as the heading; a rule or the border of a table is not."""
    width, heading = len(below.strip()), len(line.strip())
    return (
        _UNDERLINE.fullmatch(below.strip()) is not None
        and 0 < heading <= MAX_HEADING
        and abs(width - heading) <= 3
        and any(character.isalnum() for character in line)
        and not line.startswith((" ", "\t"))
        and "|" not in line
    )


def _items(paragraph: str) -> list[Piece]:
    items: list[list[str]] = []
    for line in paragraph.split("\n"):
        if _ITEM.match(line) or not items:
            items.append([line])
        else:
            items[-1].append(line)
    return [Piece("list_item", _dashed("\n".join(lines))) for lines in items]


def _dashed(item: str) -> str:
    return re.sub(r"^(\s*)[*•+–](\s+)", r"\1-\2", item)

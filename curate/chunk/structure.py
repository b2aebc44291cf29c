"""A document as a row of atoms: parts that are never cut, each with its heading path and what stands between it and the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.chunk.boilerplate import licence_phrases
from curate.chunk.cut import LINES, Count, cut_overlong, sentences, stripped
from curate.text import normalise

Block = Mapping[str, Any]

SEAMS = {
    "heading": 0.0,
    "paragraph": 0.05,
    "list_item": 0.3,
    "introduced": 0.6,
    "line": 0.6,
    "sentence": 0.8,
    "clause": 1.5,
    "word": 2.0,
    "character": 3.0,
}
"""Cost of cutting before an atom, by what it begins with; a half-empty chunk costs 0.25 (see `pack`)."""
WITHIN = ("clause", "word", "character")
"""What an atom begins with that goes on an overlong sentence."""


@dataclass(frozen=True)
class Atom:
    """A span that is never cut."""

    start: int
    end: int
    tokens: int
    path: tuple[str, ...]
    """Title and headings above it, shortened to fit the budget."""
    section: int
    """Number of the section (headings passed so far)."""
    level: int
    """Least level of the headings between the atom before and this one; 0 when there are none."""
    lead: int
    """Tokens of those headings, which count when they stand inside a chunk."""
    begins: str
    """A key of SEAMS."""
    kind: str
    """The kind of its block."""
    licence: bool
    """Mostly a licence notice: never joined to content as its tiny neighbour."""


@dataclass(frozen=True)
class Measure:
    """How long things may be."""

    count: Count
    max_tokens: int
    heading_prefix: bool

    def prefix(self, path: Sequence[str]) -> int:
        """Tokens that the heading path takes of a passage."""
        return self.count(prefix_of(path)) if self.heading_prefix and path else 0


def prefix_of(path: Sequence[str]) -> str:
    """What stands before the text in a passage that has a heading path."""
    return " > ".join(path) + "\n"


def atoms_of(document: Mapping[str, Any], start: int, end: int, measure: Measure) -> list[Atom]:
    """The atoms of one region of a document, in order; headings are in paths, not in atoms."""
    text, found = document["text"], list[Atom]()
    headings: list[tuple[int, str]] = []
    path: tuple[str, ...] | None = None
    section = level = lead = 0
    before: Block | None = None
    for block in _covering(text, document["blocks"]):
        if block["start"] >= end:
            break
        if block["kind"] == "heading":
            heading = text[block["start"] : block["end"]]
            headings = [*(above for above in headings if above[0] < block["level"]), (block["level"], heading)]
            section, path, before = section + 1, None, None
            if block["start"] >= start:
                level = min(level or 9, block["level"])
                lead += measure.count(heading)
            continue
        low, high = max(start, block["start"]), min(end, block["end"])
        if low < high:
            path = path_of(document["title"], headings, measure) if path is None else path
            for position, (first, last, begins) in enumerate(_parts(document, block, (low, high), path, measure)):
                begin = begins if position else "heading" if level else _begins(text, before, block)
                tokens = measure.count(text[first:last])
                licence = 2 * licence_phrases(text[first:last], block["kind"])[1] > last - first
                found.append(Atom(first, last, tokens, path, section, level, lead, begin, block["kind"], licence))
                level = lead = 0
        before = block
    return found


def path_of(title: str, headings: Sequence[tuple[int, str]], measure: Measure) -> tuple[str, ...]:
    """Title and headings without empty or repeated parts; too long for half the budget, it loses its middle, then its last words."""
    found: list[str] = []
    for part in (" ".join(part.split()) for part in (title, *(heading for _, heading in headings))):
        if normalise(part) and normalise(part) not in map(normalise, found):
            found.append(part)
    room = measure.max_tokens // 2
    while len(found) > 2 and measure.prefix(found) > room:
        del found[1]
    while found and measure.prefix(found) > room:
        longest = max(range(len(found)), key=lambda i: (measure.count(found[i]), i))
        pieces = list(
            cut_overlong(found[longest], 0, len(found[longest]), max(1, measure.count(found[longest]) // 2), measure.count)
        )
        if pieces[0][1] < len(found[longest]):
            found[longest] = found[longest][: pieces[0][1]].rstrip(" ,;:–—")
        else:
            del found[longest]
    return tuple(found)


def _covering(text: str, blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks, and as paragraphs whatever text lies outside them."""
    position = 0
    for block in [*blocks, {"kind": "end", "level": 0, "start": len(text), "end": len(text)}]:
        for low, high in stripped(text, position, block["start"]):
            yield {"kind": "paragraph", "level": 0, "start": low, "end": high}
        if block["kind"] != "end":
            yield block
        position = max(position, block["end"])


def _parts(
    document: Mapping[str, Any], block: Block, span: tuple[int, int], path: tuple[str, ...], measure: Measure
) -> Iterator[tuple[int, int, str]]:
    """A short block whole, a longer one by sentences or lines, overlong ones of these by clauses, words and characters."""
    text, kind = document["text"], block["kind"]
    limit = measure.max_tokens - measure.prefix(path)
    for low, high in _trimmed(text, span, kind):
        if measure.count(text[low:high]) <= min(limit, measure.max_tokens // 3):
            yield low, high, "paragraph"
            return
        for first, last in sentences(text, low, high, kind, document["language"]):
            whole = "line" if kind in LINES else "sentence"
            if measure.count(text[first:last]) <= limit:
                yield first, last, whole
                continue
            for begin, end, begins in cut_overlong(text, first, last, limit, measure.count):
                yield begin, end, begins or whole


def _trimmed(text: str, span: tuple[int, int], kind: str) -> Iterator[tuple[int, int]]:
    if span[0] < span[1]:
        for low, high in stripped(text, *span):
            # The first line of code keeps its indentation.
            yield (max(span[0], text.rfind("\n", span[0], low) + 1) if kind in LINES else low), high


def _begins(text: str, before: Block | None, block: Block) -> str:
    if (
        before is not None
        and block["kind"] != "paragraph"
        and text[before["start"] : before["end"]].rstrip().endswith((":", "："))
    ):
        return "introduced"
    return "list_item" if before is not None and before["kind"] == block["kind"] == "list_item" else "paragraph"

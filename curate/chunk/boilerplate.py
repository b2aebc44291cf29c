"""Tells passages that say nothing: tables of contents, lists of links, licence headers, numbers and rules without words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curate.chunk.cut import LINES, sentences
from curate.text import count_words, is_unspaced, normalise
from schemas.reasons import Reason

Items = Sequence[tuple[str, str]]
"""(kind of block, text) of the parts of a chunk."""

_LEADER = re.compile(r"(?:\.{4,}|(?:\s\.){4,}|…{2,})\s*\w{1,6}\s*$")
_MARKER = re.compile(r"^\s*(?:[-*+•·]|\(?(?:\d+(?:\.\d+)*|[a-zA-Z])[.)]|\[\w{1,8}\]|\.\. \[\w+\])?\s*")
_URL = re.compile(r"(?:https?://|ftp://|www\.)\S+")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_SENTENCE_END = re.compile(r"[.!?;:。！？；：]\W*$")
_LICENCE = re.compile(
    r"permission is hereby granted, free of charge"
    r"|redistribution and use in source and binary forms"
    r"|licensed (?:to the apache software foundation|under the (?:apache|mit|bsd|gnu|mozilla|creative commons))"
    r"|under the terms of the (?:gnu|apache|mit|bsd|mozilla)"
    r"|(?:is|are) provided [\"“']?as is|distributed on an [\"“']as is[\"”'] basis|without warrant(?:y|ies) (?:of any kind|or conditions)"
    r"|obtain a copy of the license|see the license for the specific language|all rights reserved"
    r"|(?:placed in|dedicated to) the public domain|cc0-1\.0-universal|spdx-license-identifier"
    r"|(?:©|\(c\)|&copy;|copyright)\s*(?:©|\(c\))?\s*(?:19|20)\d\d",
    re.IGNORECASE,
)


def boilerplate_of(text: str, items: Items, headings: Sequence[str]) -> tuple[Reason, str] | None:
    """Why a chunk is no passage, and what showed it; None for content. `headings` are all of its document."""
    if len(_LETTERS.findall(text)) < 3 and not is_unspaced(text):
        return Reason.CHUNK_WITHOUT_WORDS, ""
    found = _licence(items)
    if found is None and not _mostly_lines(items):
        lines = [line for _, item in items for line in item.splitlines() if line.strip()]
        found = _contents(lines, headings) or _links(items, lines)
    return found


def _mostly_lines(items: Items) -> bool:
    """Code and tables have short lines by nature."""
    return 2 * sum(len(text) for kind, text in items if kind in LINES) > sum(len(text) for _, text in items)


def licence_phrases(text: str, kind: str) -> tuple[set[str], int]:
    """The phrases of licences in a text, and how many of its characters stand in sentences with one."""
    phrases: set[str] = set()
    inside = 0
    for low, high in sentences(text, 0, len(text), kind, "en") if _LICENCE.search(text) else ():
        found = {" ".join(match.group().lower().split()) for match in _LICENCE.finditer(text, low, high)}
        inside += (high - low) * bool(found)
        phrases |= found
    return phrases, inside


def _licence(items: Items) -> tuple[Reason, str] | None:
    """Sentences with phrases of licences make up half of the text, or there are four different phrases."""
    found = [licence_phrases(item, kind) for kind, item in items]
    phrases = sorted(set().union(*(phrases for phrases, _ in found)))
    if len(phrases) >= 4 or 2 * sum(inside for _, inside in found) > sum(len(item) for _, item in items):
        return Reason.CHUNK_LICENCE_HEADER, ", ".join(phrases[:3])
    return None


def _contents(lines: Sequence[str], headings: Sequence[str]) -> tuple[Reason, str] | None:
    """Half of the lines end in leaders and a page, or most are headings of the document itself."""
    leaders = sum(1 for line in lines if _LEADER.search(line))
    if leaders >= 3 and 2 * leaders >= len(lines):
        return Reason.CHUNK_TABLE_OF_CONTENTS, f"{leaders} lines end in dots and a page"
    known = {normalise(_MARKER.sub("", heading)) for heading in headings}
    repeated = sum(1 for line in lines if normalise(_MARKER.sub("", line)) in known)
    if repeated >= 4 and 10 * repeated >= 7 * len(lines):
        return Reason.CHUNK_TABLE_OF_CONTENTS, f"{repeated} of {len(lines)} lines are headings of the document"
    return None


def _links(items: Items, lines: Sequence[str]) -> tuple[Reason, str] | None:
    """Mostly addresses, or a bare list of names of up to six words with no sentence about it."""
    text = "\n".join(lines)
    addresses = _URL.findall(text)
    around = count_words(_URL.sub(" ", text))
    if addresses and 2 * sum(map(len, addresses)) >= len("".join(text.split())) and around <= 12 * len(addresses):
        return Reason.CHUNK_LINK_LIST, f"{len(addresses)} addresses, {around} words around them"
    entries = [_MARKER.sub("", item) for kind, item in items if kind == "list_item"]
    short = [entry for entry in entries if count_words(entry) <= 6 and not _SENTENCE_END.search(entry)]
    others = [item for kind, item in items if kind != "list_item"]
    explained = any(count_words(item) > 6 for item in [*others, *(entry for entry in entries if entry not in short)])
    if len(short) >= 4 and not explained:
        return Reason.CHUNK_LINK_LIST, f"{len(short)} list items of up to six words and no sentence"
    return None

"""Rows of the table `documents`: of a whole file, of a table's row, of a pair's passage."""

from __future__ import annotations

from typing import Any

from curate.ingest.blocks import Parsed, assemble, one_line
from curate.ingest.clean import clean
from curate.ingest.reject import NotKept
from curate.stage import content_id
from curate.text import detect_language
from schemas.reasons import Reason

MAX_TITLE = 300
"""Characters of a title; what is longer is no title."""
LANGUAGE_SAMPLE = 20_000
"""Characters of a document that its language is told from."""


def document_row(source: str, format_: str, parsed: Parsed) -> dict[str, Any]:
    """The document of a file or record. Raises NotKept when there is no text in it."""
    text, blocks = assemble(parsed.pieces)
    if not any(character.isalnum() for character in text):
        raise NotKept(Reason.FILE_EMPTY, "no letter or digit is left after the markup is taken away" if text else "no text")
    title = one_line(clean(parsed.title))
    return {
        "document_id": content_id("document", source, text),
        "source": source,
        "title": title if len(title) <= MAX_TITLE else "",
        "text": text,
        "blocks": blocks,
        "format": format_,
        "language": detect_language(text[:LANGUAGE_SAMPLE]),
        "as_is": False,
    }


def passage_row(source: str, text: str) -> dict[str, Any]:
    """The document of an imported passage: one block, its id from the text alone."""
    return {
        "document_id": content_id("passage", text),
        "source": source,
        "title": "",
        "text": text,
        "blocks": [{"kind": "paragraph", "level": 0, "start": 0, "end": len(text)}],
        "format": "passage",
        "language": detect_language(text[:LANGUAGE_SAMPLE]),
        "as_is": True,
    }

"""HTML to text by taking the tags away: for the HTML inside Markdown, and for pages too large for a tree."""

from __future__ import annotations

import html
import re

from curate.ingest.blocks import one_line

BREAK_TAG = re.compile(
    r"<\s*(?:br\b|/?(?:p|div|li|ul|ol|dl|dt|dd|tr|table|h[1-6]|section|details|summary|pre|blockquote|center)\b)[^<>]*>",
    re.IGNORECASE,
)
"""Tags that end a line or paragraph."""
_SILENT = re.compile(
    r"<!--.*?(?:-->|\Z)|<(head|script|style|template|svg|iframe|nav)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[!?][^<>]*>")


def without_tags(source: str) -> str:
    """Paragraphs of the text between the tags, a blank line between them; comments, scripts and styles are no text."""
    text = html.unescape(_TAG.sub("", BREAK_TAG.sub("\n\n", _SILENT.sub("", source))))
    return "\n\n".join(one_line(part) for part in re.split(r"\n\s*\n", text) if part.strip())

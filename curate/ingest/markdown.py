"""Markdown: markdown-it's tokens become blocks; markup, URLs, HTML tags and the fences of MkDocs and Docusaurus do not."""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from curate.ingest.blocks import Parsed, Piece, one_line
from curate.ingest.markdown_extras import plain_markdown
from curate.ingest.reject import NotKept
from curate.ingest.tags import BREAK_TAG, without_tags
from schemas.reasons import Reason

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_NESTING = 100
"""Open tokens, two for each list; markdown-it drops what is deeper, so such a file is rejected."""
MAX_INLINE = 50_000
"""Characters of one paragraph that are searched for markup; emphasis in a longer one stays as it is (the search is not linear)."""

_ATTRIBUTES = re.compile(r"^\{:?\s*[#.]?[\w-][^{}\n]*\}")
_HEADING_ATTRIBUTES = re.compile(r"\s*\{:?\s*[#.][^{}]*\}\s*$")
_TERMINAL_TAG = re.compile(r"</?(?:span|font|u|b|i|style)\b[^<>]*>")
_TASK = re.compile(r"^\[[ xX]\]\s+")
_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)


def read_markdown(text: str) -> Parsed:
    """Blocks of clean Markdown text; the title is that of the front matter, else the first heading of level 1.

    Raises NotKept (FILE_TOO_DEEP).
    """
    from markdown_it import MarkdownIt
    from mdit_py_plugins.deflist import deflist_plugin
    from mdit_py_plugins.front_matter import front_matter_plugin

    title, text = _toml_front_matter(text)
    parser = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable(["table", "strikethrough"])
    parser.use(front_matter_plugin).use(deflist_plugin).disable(["inline", "text_join"])
    links: dict[str, Any] = {}
    tokens = parser.parse(plain_markdown(text), links)
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        raise NotKept(Reason.FILE_TOO_DEEP, f"lists or quotes more than {MAX_NESTING // 2} deep")
    for token in tokens:
        if token.type == "inline" and len(token.content) <= MAX_INLINE:
            token.children = []
            parser.inline.parse(token.content, parser, links, token.children)
        elif token.type == "front_matter":
            title = title or _yaml_title(token.content)
    pieces = tuple(_Walk(tokens).pieces())
    first = next((piece.text for piece in pieces if piece.kind == "heading" and piece.level == 1), "")
    return Parsed(title or one_line(first), pieces)


class _Walk:
    """One pass over the tokens, with the lists and quotes that are open."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.lists: list[int | None] = []
        self.quotes = 0
        self.mark = ""
        self.term = ""
        self.cells: list[str] = []
        self.rows: list[str] = []

    def pieces(self) -> Iterator[Piece]:
        for place, token in enumerate(self.tokens):
            if token.type == "inline":
                yield from self._inline(token, self.tokens[place - 1])
            elif token.type in ("fence", "code_block"):
                self.mark = ""
                yield Piece("code", _code(token))
            elif token.type == "html_block":
                for part in without_tags(token.content).split("\n\n"):
                    yield Piece("quote" if self.quotes else "paragraph", part)
            else:
                yield from self._structure(token)

    def _structure(self, token: Token) -> Iterator[Piece]:
        match token.type:
            case "bullet_list_open":
                self.lists.append(None)
            case "ordered_list_open":
                self.lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self.lists.pop()
            case "list_item_open":
                self.mark = self._next_mark()
            case "list_item_close":
                self.mark = ""
            case "blockquote_open":
                self.quotes += 1
            case "blockquote_close":
                self.quotes -= 1
            case "tr_open":
                self.cells = []
            case "tr_close":
                if any(self.cells):
                    self.rows.append(" | ".join(self.cells))
            case "table_open":
                self.rows = []
            case "table_close":
                yield Piece("table", "\n".join(self.rows))

    def _next_mark(self) -> str:
        number = self.lists[-1]
        indent = "  " * (len(self.lists) - 1)
        if number is None:
            return f"{indent}- "
        self.lists[-1] = number + 1
        return f"{indent}{number}. "

    def _inline(self, token: Token, before: Token) -> Iterator[Piece]:
        text = _inline_text(token)
        match before.type:
            case "heading_open":
                self.mark = ""
                yield Piece("heading", _HEADING_ATTRIBUTES.sub("", text), int(before.tag[1]))
            case "th_open" | "td_open":
                self.cells.append(one_line(text))
            case "dt_open":
                self.term = one_line(text)
            case _ if self.term:
                term, self.term = self.term, ""
                yield Piece("list_item", f"- {term}: {text}")
            case _ if self.mark and text.strip():
                mark, self.mark = self.mark, ""
                yield Piece("list_item", mark + _TASK.sub("", text.strip()))
            case _:
                yield Piece("quote" if self.quotes else "paragraph", text)


def _inline_text(token: Token) -> str:
    if not token.children:
        return token.content
    parts: list[str] = []
    closed = False
    for child in token.children:
        match child.type:
            case "text":
                # Attribute lists belong to the link, image or code before them.
                parts.append(_ATTRIBUTES.sub("", child.content) if closed else child.content)
            case "text_special" | "code_inline":
                parts.append(child.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(_inline_text(child) if child.children else child.content)
            case "html_inline" if BREAK_TAG.fullmatch(child.content):
                parts.append("\n")
        closed = child.type in ("link_close", "image", "code_inline", "em_close", "strong_close")
    return "\n".join(one_line(line) for line in "".join(parts).split("\n"))


def _code(token: Token) -> str:
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    if language in ("console", "shell-session"):
        # MkDocs colours terminal sessions with tags inside the fence.
        return html.unescape(_TERMINAL_TAG.sub("", token.content))
    return token.content


def _yaml_title(front_matter: str) -> str:
    match = _TITLE.search(front_matter)
    return match.group(1).strip().strip("\"'") if match else ""


def _toml_front_matter(text: str) -> tuple[str, str]:
    """(title, the rest) of a text that begins with `+++` front matter."""
    match = re.match(r"\+\+\+\n(.*?)\n\+\+\+(?:\n|\Z)", text, re.DOTALL)
    if match is None:
        return "", text
    try:
        title = tomllib.loads(match.group(1)).get("title", "")
    except tomllib.TOMLDecodeError:
        return "", text
    return (title if isinstance(title, str) else ""), text[match.end() :]

"""reStructuredText: docutils' tree becomes blocks; what only Sphinx knows keeps its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes

from curate.ingest.blocks import Parsed, Piece, one_line
from curate.ingest.plain import read_plain
from curate.ingest.reject import NotKept
from curate.ingest.rst_sphinx import sphinx_taught
from schemas.reasons import Reason

MAX_DEPTH = 60
"""Levels of indentation, one inside the other."""
MAX_LINE = 100_000
"""A longer line is no hand-written reStructuredText; such files are read as plain text (docutils' search is not linear)."""
MAX_CHARACTERS = 5_000_000
"""The same for whole files: docutils needs about a second for 100,000 characters."""

_HEADER = re.compile(r"\A\s*(?:[A-Z][A-Za-z-]*:[^\n]*\n(?:[ \t]+\S[^\n]*\n)*)+\s*?\n")
_TITLE = re.compile(r"^Title:[ \t]*([^\n]*(?:\n[ \t]+\S[^\n]*)*)", re.MULTILINE)
_DROPPED = (
    nodes.comment,
    nodes.substitution_definition,
    nodes.target,
    nodes.pending,
    nodes.system_message,
    nodes.decoration,
    nodes.raw,
    nodes.generated,
)
_REFERENCE = re.compile(r"`(?P<text>.*?)(?:\s*<[^<>]*>)?`_{0,2}|(?P<name>[^`|]+?)_{1,2}", re.DOTALL)


def read_rst(text: str) -> Parsed:
    """Blocks of clean reStructuredText; the title is that of a PEP's header block, else the only top heading.

    Nothing is read from other files (`include` and `raw` are off) and docutils' own complaints are left out.
    Raises NotKept (FILE_TOO_DEEP).
    """
    title, body = _pep_header(text)
    _check_depth(body)
    if len(body) > MAX_CHARACTERS or max(map(len, body.split("\n"))) > MAX_LINE:
        parsed = read_plain(body)
        return Parsed(title or parsed.title, parsed.pieces)
    document = _tree(body)
    walk = _Walk()
    # A lone top heading, and one below it, are lifted out of their sections.
    lifted = sum(isinstance(child, nodes.title | nodes.subtitle) for child in document.children)
    pieces = tuple(walk.pieces(document, lifted))
    first = next((piece.text for piece in pieces if piece.kind == "heading" and piece.level == 1), "")
    return Parsed(title or one_line(first if document.get("title") or _single_top(pieces) else ""), pieces)


def _check_depth(body: str) -> None:
    """Docutils calls itself for each level of indentation: count them first."""
    open_indents: list[int] = []
    for line in body.split("\n"):
        if line:
            indent = len(line) - len(line.lstrip(" "))
            while open_indents and open_indents[-1] >= indent:
                open_indents.pop()
            open_indents.append(indent)
            if len(open_indents) > MAX_DEPTH:
                raise NotKept(Reason.FILE_TOO_DEEP, f"more than {MAX_DEPTH} levels of indentation")


def _single_top(pieces: tuple[Piece, ...]) -> bool:
    return sum(1 for piece in pieces if piece.kind == "heading" and piece.level == 1) == 1


def _tree(body: str) -> nodes.document:
    from docutils.core import publish_doctree

    with sphinx_taught(body):
        return publish_doctree(
            body,
            settings_overrides={
                "_disable_config": True,
                "file_insertion_enabled": False,
                "raw_enabled": False,
                "report_level": 5,
                "halt_level": 5,
                "warning_stream": False,
                "syntax_highlight": "none",
                "smart_quotes": False,
                "docinfo_xform": False,
                "line_length_limit": MAX_LINE,
            },
        )


def _pep_header(text: str) -> tuple[str, str]:
    """(title, the rest) of a text that begins with mail-like headers, one of them Title."""
    match = _HEADER.match(text)
    title = _TITLE.search(match.group()) if match else None
    if match is None or title is None:
        return "", text
    return one_line(title.group(1)).replace("`", ""), text[match.end() :]


class _Walk:
    """One pass over the tree, with the lists and quotes that are open."""

    def __init__(self) -> None:
        self.depth = 0
        self.quotes = 0
        self.mark = ""

    def pieces(self, node: Any, level: int) -> Iterator[Piece]:
        for child in node.children:
            yield from self._of(child, level)

    def _of(self, node: nodes.Node, level: int) -> Iterator[Piece]:  # noqa: PLR0912 (one case a kind of node)
        match node:
            case nodes.Element() if isinstance(node, _DROPPED):
                return
            case nodes.section():
                yield from self.pieces(node, level + 1)
            case nodes.title() | nodes.subtitle() | nodes.rubric():
                yield self._heading(node, level)
            case nodes.literal_block() | nodes.doctest_block() | nodes.math_block():
                self.mark = ""
                yield Piece("code", node.astext())
            case nodes.topic() if "contents" in node.get("classes", ()):
                return
            case nodes.table():
                yield from self._table(node, level)
            case nodes.bullet_list() | nodes.enumerated_list():
                yield from self._list(node, level)
            case nodes.definition_list_item() | nodes.option_list_item() | nodes.field():
                yield from self._entry(node, level)
            case nodes.footnote() | nodes.citation():
                yield from self._note(node, level)
            case nodes.block_quote():
                self.quotes += 1
                yield from self.pieces(node, level)
                self.quotes -= 1
            case nodes.line_block():
                yield self._text("\n".join(_line_texts(node)))
            case nodes.image():
                yield self._text(node.get("alt", ""))
            case nodes.TextElement():
                yield self._text(_inline(node))
            case nodes.Element():
                yield from self.pieces(node, level)

    def _heading(self, node: nodes.Element, level: int) -> Piece:
        if isinstance(node.parent, nodes.Admonition | nodes.topic | nodes.sidebar | nodes.rubric | nodes.table):
            return self._text(_inline(node))
        if isinstance(node, nodes.subtitle):
            return Piece("heading", _inline(node), 2)
        return Piece("heading", _inline(node), min(6, max(1, level + isinstance(node, nodes.rubric))))

    def _text(self, text: str) -> Piece:
        if self.mark and text.strip():
            mark, self.mark = self.mark, ""
            return Piece("list_item", mark + text)
        return Piece("quote" if self.quotes else "paragraph", text)

    def _list(self, node: Any, level: int) -> Iterator[Piece]:
        indent = "  " * self.depth
        number = int(node.get("start", 1)) if isinstance(node, nodes.enumerated_list) else None
        self.depth += 1
        for item in node.children:
            self.mark = f"{indent}- " if number is None else f"{indent}{number}. "
            yield from self.pieces(item, level)
            self.mark = ""
            number = number if number is None else number + 1
        self.depth -= 1

    def _entry(self, node: nodes.Element, level: int) -> Iterator[Piece]:
        """A term and what it means, an option, a field: its name stands before the first paragraph."""
        named = [child for child in node.children if isinstance(child, nodes.term | nodes.option_group | nodes.field_name)]
        rest = [child for child in node.children if child not in named and not isinstance(child, nodes.classifier)]
        name = ", ".join(one_line(_inline(child) if isinstance(child, nodes.TextElement) else child.astext()) for child in named)
        bodies = [inner for child in rest if isinstance(child, nodes.Element) for inner in child.children]
        self.mark = f"{'  ' * self.depth}- {name}: "
        if not bodies or not isinstance(bodies[0], nodes.paragraph):
            self.mark = ""
            yield Piece("list_item", f"{'  ' * self.depth}- {name}")
        for body in bodies:
            yield from self._of(body, level)
        self.mark = ""

    def _note(self, node: nodes.Element, level: int) -> Iterator[Piece]:
        label = next((child.astext() for child in node.children if isinstance(child, nodes.label)), "")
        self.mark = f"- [{label}] "
        for child in node.children:
            if not isinstance(child, nodes.label):
                yield from self._of(child, level)
        self.mark = ""

    def _table(self, node: nodes.Element, level: int) -> Iterator[Piece]:
        for title in node.findall(nodes.title):
            yield self._text(_inline(title))
        rows = []
        for row in node.findall(nodes.row):
            cells = [one_line(" ".join(piece.text for piece in _Walk().pieces(entry, level))) for entry in row.children]
            rows.append(" | ".join(cells))
        self.mark = ""
        yield Piece("table", "\n".join(row for row in rows if row.strip(" |")))


def _line_texts(block: Any) -> Iterator[str]:
    for line in block.children:
        if isinstance(line, nodes.line_block):
            yield from _line_texts(line)
        else:
            yield _inline(line)


def _inline(node: Any) -> str:
    """The text of an inline tree; lines that the source only wrapped are joined."""
    return " ".join("".join(_inline_parts(node)).split())


def _inline_parts(node: Any) -> Iterator[str]:
    match node:
        case nodes.Text():
            yield node.astext()
        case nodes.footnote_reference() | nodes.citation_reference():
            yield f"[{node.astext()}]"
        case nodes.problematic():
            match_ = _REFERENCE.fullmatch(node.astext())
            yield (match_["text"] or match_["name"] or node.astext()) if match_ else node.astext()
        case nodes.image():
            yield node.get("alt", "")
        case _ if isinstance(node, _DROPPED) and not isinstance(node, nodes.target):
            return
        case _:
            for child in node.children:
                yield from _inline_parts(child)

"""HTML: the main content of a page as blocks, without navigation, scripts and other furniture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from curate.ingest.blocks import Parsed, Piece, one_line
from curate.ingest.furniture import GONE, Found, marked_main, take_away, without_furniture
from curate.ingest.main_content import in_main_content
from curate.ingest.plain import read_plain
from curate.ingest.reject import NotKept
from curate.ingest.tags import without_tags
from schemas.reasons import Reason

MAX_DEPTH = 250
"""Nested elements; pages have 10 to 40, and browsers stop at 512."""
MAX_CHARACTERS = 5_000_000
"""A larger page is read without a tree, which would take 50 times its size in memory: its tags are taken away, headings are lost."""
_BREAK = "\x0b"
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    """address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer form h1 h2 h3 h4
    h5 h6 header hgroup hr html legend li main menu ol p pre section summary table tbody td tfoot th thead tr ul caption option""".split()
)


def read_html(text: str) -> Parsed:
    """Blocks of a page's main content; the title is its only heading of level 1, else its title element.

    A page that says what its main content is (one `main` element) is believed; of any other, trafilatura judges.
    Raises NotKept (FILE_TOO_DEEP) for nesting that no page needs. Scripts are never run and nothing is fetched.
    """
    from lxml import etree

    if len(text) > MAX_CHARACTERS:
        return read_plain(without_tags(text))
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.encode("utf-8"), parser)
    if root is None:
        return Parsed("", ())
    _check_depth(root)
    title = one_line(root.findtext(".//title") or "")
    take_away(root)
    main = marked_main(root)
    found = [each.piece for each in without_furniture(list(_Walk().found(root if main is None else main)))]
    pieces = tuple(found if main is not None else in_main_content(root, found))
    tops = [piece.text for piece in pieces if piece.kind == "heading" and piece.level == 1]
    return Parsed(one_line(tops[0]) if len(tops) == 1 else title, pieces)


def _check_depth(root: Any) -> None:
    from lxml import etree

    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise NotKept(Reason.FILE_TOO_DEEP, f"more than {MAX_DEPTH} nested elements")


@dataclass
class _Text:
    """Inline text on its way to becoming a block."""

    parts: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)

    def take(self) -> tuple[str, tuple[str, ...]]:
        text = "\n".join(one_line(line) for line in "".join(self.parts).split(_BREAK)).strip()
        links = tuple(one_line(link) for link in self.links if link.strip())
        self.parts, self.links, self.codes = [], [], []
        return text, links


class _Walk:
    """One pass over the elements, with the lists and quotes that are open."""

    def __init__(self) -> None:
        self.text = _Text()
        self.depth = 0
        self.quotes = 0
        self.mark = ""
        self.link = False

    def found(self, root: Any) -> Iterator[Found]:
        """The blocks below an element."""
        yield from self._children(root)
        yield from self._flush()

    def _children(self, element: Any) -> Iterator[Found]:
        self.text.parts.append(element.text or "")
        for child in element:
            if isinstance(child.tag, str):
                yield from self._element(child)
            self.text.parts.append(child.tail or "")

    def _element(self, element: Any) -> Iterator[Found]:
        tag = element.tag.lower()
        if tag == "br":
            self.text.parts.append(_BREAK)
        elif tag == "img":
            self.text.parts.append("" if self.link else f" {one_line(element.get('alt') or '')} ")
        elif tag == "a" and element.get("href") is not None and not self.link:
            before = len(self.text.parts)
            self.link = True
            yield from self._children(element)
            self.link = False
            self.text.links.append("".join(self.text.parts[before:]))
        elif tag == GONE:
            yield from self._flush()
            yield Found(Piece(GONE, ""), ())
        elif tag not in _BLOCKS:
            yield from self._children(element)
        else:
            yield from self._flush()
            yield from self._block(element, tag)
            yield from self._flush()

    def _block(self, element: Any, tag: str) -> Iterator[Found]:
        if tag in _HEADINGS:
            yield from self._heading(element, _HEADINGS[tag])
        elif tag == "pre" or _is_code(element, tag):
            yield from self._lone_term()
            yield Found(Piece("code", _verbatim(element)), ())
        elif tag == "table" and _is_data(element):
            yield from self._lone_term()
            yield from self._table(element)
        elif tag in ("ul", "ol", "menu", "dir"):
            yield from self._list(element, tag)
        elif tag == "blockquote":
            self.quotes += 1
            yield from self._children(element)
            yield from self._flush()
            self.quotes -= 1
        elif tag == "dt":
            yield from self._lone_term()
            term = one_line("".join(element.itertext()))
            self.mark = f"{self.mark or '  ' * self.depth + '- '}{term}: " if term else ""
        elif tag == "dd":
            yield from self._children(element)
            yield from self._flush()
            self.mark = ""
        elif tag == "dl":
            yield from self._children(element)
            yield from self._flush()
            yield from self._lone_term()
        else:
            yield from self._children(element)

    def _lone_term(self) -> Iterator[Found]:
        """A term that no text explains, only code or a table, or nothing."""
        mark, self.mark = self.mark, ""
        if mark.endswith(": "):
            yield Found(Piece("list_item", mark[:-2]), ())

    def _heading(self, element: Any, level: int) -> Iterator[Found]:
        yield from self._lone_term()
        inside = [each.piece.text for each in self._children(element)]
        text = " ".join([*inside, self.text.take()[0]])
        yield Found(Piece("heading", one_line(text).rstrip("¶ ").removesuffix(" #"), level), ())

    def _list(self, element: Any, tag: str) -> Iterator[Found]:
        number = int(element.get("start") or 1) if (element.get("start") or "1").isdecimal() else 1
        outer, self.mark = self.mark, ""
        if outer.endswith(": "):
            yield Found(Piece("list_item", outer[:-2]), ())
            outer = ""
        for child in element:
            if not isinstance(child.tag, str):
                continue
            if child.tag.lower() == "li":
                indent = "  " * self.depth
                self.mark = outer or (f"{indent}{number}. " if tag == "ol" else f"{indent}- ")
                outer = ""
                number += 1
            self.depth += 1
            yield from self._children(child)
            yield from self._flush()
            self.depth -= 1
            self.mark = ""

    def _table(self, element: Any) -> Iterator[Found]:
        rows, links = [], []
        for row in element.iter("tr"):
            cells = []
            for cell in row.iterchildren("td", "th"):
                inside = list(_Walk().found(cell))
                cells.append(one_line(" ".join(each.piece.text for each in inside)))
                links += [link for each in inside for link in each.links]
            rows.append(" | ".join(cells))
        caption = element.find("caption")
        if caption is not None:
            rows.insert(0, one_line("".join(caption.itertext())))
        yield Found(Piece("table", "\n".join(row for row in rows if row.strip(" |"))), tuple(links))

    def _flush(self) -> Iterator[Found]:
        text, links = self.text.take()
        if not text:
            return
        if self.mark:
            mark, self.mark = self.mark, ""
            yield Found(Piece("list_item", mark + text), links)
        else:
            yield Found(Piece("quote" if self.quotes else "paragraph", text), links)


def _is_code(element: Any, tag: str) -> bool:
    """A paragraph or box that holds several lines of code and nothing else."""
    if tag not in ("p", "div") or len(element) != 1 or (element.text or "").strip() or (element[0].tail or "").strip():
        return False
    return element[0].tag in ("code", "tt", "samp") and element[0].find(".//br") is not None


def _verbatim(element: Any) -> str:
    parts: list[str] = []
    for event, node in _walked(element):
        if event == "start":
            parts.append("\n" if node.tag == "br" else "")
            parts.append(node.text or "")
        elif node is not element:
            parts.append(node.tail or "")
    return "".join(parts).replace("\r", "").strip("\n")


def _walked(element: Any) -> Any:
    from lxml import etree

    return etree.iterwalk(element, events=("start", "end"))


def _is_data(table: Any) -> bool:
    """A table of cells, not one that lays out a page or numbers the lines of code."""
    if table.find(".//table") is not None or any(table.find(f".//{tag}") is not None for tag in (*_HEADINGS, "pre")):
        return False
    return any(len([cell for cell in row if cell.tag in ("td", "th")]) > 1 for row in table.iter("tr"))

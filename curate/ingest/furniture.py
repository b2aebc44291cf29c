"""What surrounds the main content of a page: menus, breadcrumbs, language bars, tables of contents, footers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from curate.ingest.blocks import Piece

_NEVER_TEXT = "script style noscript template iframe object embed applet svg canvas video audio title nav button select textarea input datalist".split()
_ROLES = frozenset("navigation banner contentinfo search menu menubar toolbar alert dialog".split())
_NAMES = re.compile(
    r"""(?:^|[-_])(?:
        nav|navbar|navigation|menu|menubar|breadcrumbs?|sidebar|footer|toc|tableofcontents|contents-list|pagination|pager|prev-?next
      | skip-?(?:link|nav|to)\w*|cookies?|consent|share|social|sharing|related|adverts?|ads?|banner|permalink|headerlink|anchorlink
      | (?:page|site|global|top|main)-?header|masthead|search(?:box|bar|form)?|newsletter|subscribe|login|sr-only|screen-reader-text
      | noprint|no-?print|edit-?(?:link|page|this)|comments|comment-(?:list|form|respond)
      | modal|popup|overlay|tooltip
    )(?:$|[-_](?:wrapper|container|box|bar|list|links?|items?|inner|area|section|block|nav)$)""",
    re.VERBOSE | re.IGNORECASE,
)
MAX_SHARE = 0.4
"""An element named like furniture that holds more of the page's text than this is the page (`<body class="has-sidebar">`)."""
MIN_MAIN = 0.25
"""A `main` element with less of the page's text is not believed."""
LINK_LIST = 0.8
"""Share of linked characters from which a list or paragraph leads elsewhere and says nothing itself."""
_SEPARATORS = re.compile(r"\s*(?:[|•·»>›/→←]+\s*|)")
MAX_LABEL = 30
"""Letters before the links of a bar ("Available languages:")."""
GONE = "x-gone"
"""Stands in the tree for a block that was taken away, so that its heading can go as well."""
_TITLED = frozenset("a h1 h2 h3 h4 h5 h6 dt dd code p".split())
"""Their ids and classes name what they say, not what they are for."""
_LAST_SECTIONS = frozenset(
    ("comments", "leave a comment", "leave a reply", "share this", "related articles", "related posts", "navigation")
)


@dataclass(frozen=True)
class Found:
    """A block of a page and the texts of the links in it."""

    piece: Piece
    links: tuple[str, ...]


def take_away(root: Any) -> None:
    """Remove from the tree what is never text and what is named like furniture and is small or mostly links."""
    for element in list(root.iter(*_NEVER_TEXT)):
        _drop(element)
    whole = max(1, _length(root))
    code = {inner for pre in root.iter("pre") for inner in pre.iter()}  # highlighters have names of their own
    for element in list(root.iter()):
        if element.getparent() is None or element in code or element.tag in ("body", "main", "article"):
            continue
        if _is_hidden(element) or _is_permalink(element) or (_is_named(element) and _length(element) <= whole * MAX_SHARE):
            _drop(element)


def marked_main(root: Any) -> Any:
    """The one element that the page itself marks as its main content, or None."""
    marked = [element for element in root.iter() if element.tag == "main" or element.get("role") == "main"]
    return marked[0] if len(marked) == 1 and _length(marked[0]) >= MIN_MAIN * _length(root) else None


def without_furniture(found: Sequence[Found]) -> list[Found]:
    """The blocks without lists and bars of links, the headings that stood over them, and a comment section at the end."""
    kept: list[Found | None] = []
    for is_item, run in groupby(found, key=lambda each: each.piece.kind == "list_item"):
        blocks = list(run)
        if is_item:
            gone = _linked(blocks) >= LINK_LIST
            kept += [None] if gone else list(blocks)
        else:
            kept += [None if each.piece.kind == GONE or _is_bar(each) else each for each in blocks]
    return _without_last(list(_without_bare_headings(kept)))


def _without_bare_headings(blocks: Sequence[Found | None]) -> Iterator[Found]:
    """Drop a heading when all that stood under it is gone (None)."""
    for place, each in enumerate(blocks):
        if each is None:
            continue
        if each.piece.kind == "heading" and each.piece.level > 1:
            after = next((i for i in range(place + 1, len(blocks)) if blocks[i] is not None), len(blocks))
            following = blocks[after] if after < len(blocks) else None
            ends = following is None or (following.piece.kind == "heading" and following.piece.level <= each.piece.level)
            if after > place + 1 and ends:
                continue
        yield each


def _without_last(found: list[Found]) -> list[Found]:
    for place in range(len(found) - 1, -1, -1):
        piece = found[place].piece
        if piece.kind == "heading":
            return found[:place] if piece.text.strip().lower() in _LAST_SECTIONS else found
    return found


def _is_bar(each: Found) -> bool:
    """Links side by side with separators between them, and no more than a label before them."""
    piece, links = each.piece, each.links
    if piece.kind not in ("paragraph", "quote", "table") or not links:
        return False
    if piece.kind == "table":
        return len(links) >= 8 and _linked([each]) >= LINK_LIST
    rest = piece.text
    gaps: list[str] = []
    for link in links:
        gap, found, rest = rest.partition(link)
        gaps.append(gap if found else "")
    if len(links) == 1:
        label = gaps[0].rstrip()
        return _letters(rest) == 0 and len(piece.text) < MAX_LABEL and (not label or (label.endswith(":") and len(links[0]) <= 3))
    separated = all(_SEPARATORS.fullmatch(gap) for gap in gaps[1:])
    if separated and _letters(gaps[0]) <= MAX_LABEL and _letters(rest) <= MAX_LABEL // 2:
        return True
    return len(links) > 2 and _linked([each]) >= LINK_LIST


def _linked(blocks: Sequence[Found]) -> float:
    """Share of the letters and digits that are in links."""
    whole = sum(_letters(each.piece.text) for each in blocks)
    return sum(_letters(link) for each in blocks for link in each.links) / max(1, whole)


def _letters(text: str) -> int:
    return sum(1 for character in text if character.isalnum())


def _is_hidden(element: Any) -> bool:
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    style = (element.get("style") or "").replace(" ", "").lower()
    return "display:none" in style or (element.get("role") or "").lower() in _ROLES


def _is_permalink(element: Any) -> bool:
    """The sign after a heading that links to the heading."""
    return (
        element.tag == "a"
        and (element.get("href") or "").startswith("#")
        and "".join(element.itertext()).strip() in ("¶", "#", "§", "🔗", "")
    )


def _is_named(element: Any) -> bool:
    if element.tag == "footer":
        return True
    if element.tag in _TITLED:
        return False
    names = (element.get("class") or "").split()
    own = element.get("id") or ""
    if own and not _is_own_title(element, own):
        names.append(own)
    return any(_NAMES.search(name) for name in names)


def _is_own_title(element: Any, name: str) -> bool:
    """Whether an id is the slug of the element's heading: a chapter called "Navigation" is content."""
    heading = next(element.iter("h1", "h2", "h3", "h4", "h5", "h6"), None)
    return heading is not None and _slug("".join(heading.itertext())) == _slug(name)


def _slug(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _length(element: Any) -> int:
    return sum(len(text.strip()) for text in element.itertext())


def _drop(element: Any) -> None:
    """Remove the element, not the text after it."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tag in ("div", "nav", "ul", "ol", "dl", "section", "aside", "table"):
        element.addprevious(element.makeelement(GONE))
    if element.tail:
        before = element.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)

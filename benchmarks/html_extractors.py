"""Which HTML extractor leaves navigation out and headings, code and tables in: several side by side on the Apache httpd manual.

    python benchmarks/html_extractors.py --data FOLDER [--limit N]

FOLDER holds pages of the httpd manual (`*.html.en*`), whose ids and classes tell furniture from content; nothing of that is known
to the extractors. One line each: share of furniture lines kept (lower is better), of content blocks kept, of headings kept as
lines of their own, of code blocks kept with their line breaks, seconds. The last line is the same as JSON.
trafilatura comes with curate; `pip install resiliparse readability-lxml` for the others.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curate.ingest.blocks import assemble
from curate.ingest.clean import clean
from curate.ingest.html import read_html

FURNITURE = (
    '//*[@id="page-header" or @id="path" or @id="footer" or @id="quickview" or @class="up" or @class="top" or @class="toplang"'
    ' or @class="bottomlang" or @class="permalink" or @class="toc"] | //div[@class="section"][.//a[@id="comments_section"]]'
)
LINES = ("p", "li", "pre", "td", "th", "dt", "dd", "h1", "h2", "h3", "h4", "h5")
HEADINGS = ("h1", "h2", "h3", "h4", "h5")


@dataclass
class Truth:
    """What stands on one page; texts are squeezed to letters and digits, code is kept as lines."""

    furniture: set[str] = field(default_factory=set)
    content: set[str] = field(default_factory=set)
    headings: set[str] = field(default_factory=set)
    code: list[list[str]] = field(default_factory=list)


def squeeze(text: str) -> str:
    """Letters and digits only, lower case: extractors differ in spaces and punctuation."""
    return re.sub(r"[\W_]+", "", text).lower()


def truth_of(page: str) -> Truth:
    """Furniture, content and headings of a page of the httpd manual, by its own ids and classes."""
    from lxml import etree

    root = etree.fromstring(page.encode(), etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True))
    etree.strip_elements(root, "script", "style", "head", with_tail=False)
    truth = Truth()
    for element in root.xpath(FURNITURE):
        truth.furniture |= {squeeze(text) for _, text, _ in lines(element)}
        for child in list(element):
            element.remove(child)
        element.text = None
    for tag, text, linked in lines(root):
        if tag in HEADINGS:
            truth.headings.add(squeeze(text))
        elif not linked:
            truth.content.add(squeeze(text))
    for block in root.iter("pre"):
        code = [squeeze(line) for line in "".join(block.itertext()).split("\n")]
        truth.code.append([line for line in code if line])
    truth.content.discard("")
    truth.furniture -= truth.content | truth.headings | {""}
    return truth


def lines(element: Any) -> Iterator[tuple[str, str, bool]]:
    """(tag, text, whether it is only links) of the innermost blocks."""
    for block in element.iter(*LINES):
        inner = any(child is not block for child in block.iter(*LINES, "ul", "ol", "dl", "table"))
        text = " ".join((block.text or "" if inner else "".join(block.itertext())).split())
        links = sum(len("".join(link.itertext()).strip()) for link in block.iter("a") if link.get("href"))
        if text:
            yield block.tag, text, links >= 0.8 * len(text)


def curate_html(page: str) -> str:
    """The reader of curate's ingest stage."""
    return assemble(read_html(clean(page)).pieces)[0]


def trafilatura_default(page: str) -> str:
    import trafilatura

    return trafilatura.extract(page.encode(), include_comments=False, include_tables=True) or ""


def trafilatura_recall(page: str) -> str:
    import trafilatura

    return trafilatura.extract(page.encode(), include_comments=False, include_tables=True, favor_recall=True) or ""


def resiliparse_main(page: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(page, main_content=True, comments=False))


def readability_summary(page: str) -> str:
    from readability import Document
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(Document(re.sub(r"^<\?xml[^>]*\?>", "", page)).summary(), main_content=False))


EXTRACTORS: tuple[Callable[[str], str], ...] = (
    curate_html,
    trafilatura_default,
    trafilatura_recall,
    resiliparse_main,
    readability_summary,
)


def measure(extract: Callable[[str], str], pages: list[tuple[str, Truth]]) -> dict[str, float | str]:
    """Shares over all pages, and seconds of extraction alone."""
    hits = dict.fromkeys(("furniture", "content", "headings", "code"), 0)
    of = dict.fromkeys(hits, 0)
    seconds = 0.0
    for page, truth in pages:
        start = time.perf_counter()
        text = extract(page)
        seconds += time.perf_counter() - start
        kept = {squeeze(line) for line in text.split("\n")}
        whole = squeeze(text)
        found = {
            "furniture": [line in kept for line in truth.furniture],
            "content": [line in whole for line in truth.content],
            "headings": [line in kept for line in truth.headings],
            "code": [all(line in kept for line in block) for block in truth.code],
        }
        for name, results in found.items():
            hits[name] += sum(results)
            of[name] += len(results)
    shares: dict[str, float | str] = {name: round(hits[name] / max(1, of[name]), 4) for name in hits}
    return {"extractor": extract.__name__, **shares, "seconds": round(seconds, 1)}


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with pages of the httpd manual")
    parser.add_argument("--limit", type=int, default=None, help="only the first N pages")
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.data.rglob("*.html*") if path.is_file())[: arguments.limit]
    if not files:
        parser.error(f"no *.html* files below {arguments.data}")
    pages = [(text, truth_of(text)) for text in (path.read_text(encoding="utf-8", errors="replace") for path in files)]
    print(f"{len(pages)} pages")
    print(f"{'extractor':22}{'furniture':>10}{'content':>10}{'headings':>10}{'code':>10}{'seconds':>10}")
    rows = []
    for extract in EXTRACTORS:
        try:
            row = measure(extract, pages)
        except ImportError as error:
            print(f"{extract.__name__:22} left out: {error}")
            continue
        rows.append(row)
        numbers = "".join(f"{row[name]:>10}" for name in ("furniture", "content", "headings", "code", "seconds"))
        print(f"{row['extractor']:22}{numbers}")
    print(json.dumps({"benchmark": "html_extractors", "pages": len(pages), "results": rows}))


if __name__ == "__main__":
    main()

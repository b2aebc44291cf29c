"""HTML pages give their main content: headings, code and tables stay, navigation and scripts go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.ingest.blocks import assemble
from curate.ingest.clean import clean
from curate.ingest.html import MAX_CHARACTERS, read_html
from curate.ingest.reject import NotKept
from schemas.reasons import Reason
from tests.curate.ingest_runs import check_blocks, piece_texts

SENTENCE = "The heron is a wading bird that stands still in shallow water and waits for fish to come near it. "

PAGE = f"""<!DOCTYPE html><html lang="en"><head><title>Herons - Bird Site</title><style>p {{}}</style></head><body class="has-sidebar">
<div id="page-header"><p>Bird Site 2.5</p></div>
<nav><ul><li><a href="/">Home</a></li><li><a href="/b">Birds</a></li></ul></nav>
<div class="crumbs"><a href="/">Bird Site</a> &gt; <a href="/b">Birds</a> &gt; <a href="/b/h">Herons</a></div>
<div><h1>Herons<a class="headerlink" href="#h">¶</a></h1>
<p><span>Available Languages: </span><a href="en">&nbsp;en&nbsp;</a> | <a href="fr">&nbsp;fr&nbsp;</a></p>
<p>{SENTENCE * 3}</p>
<h2>On this page</h2><ul><li><a href="#f">Feeding</a></li><li><a href="#n">Nesting</a></li><li><a href="#x">More</a></li></ul>
<h2 id="f"><a name="f">Feeding</a></h2><p>{SENTENCE * 2}See <a href="/frogs">frogs</a>.</p>
<pre><code>def <span class="comment">feed</span>():
    return "fish"</code></pre>
<table><tr><th>Part</th><th>Length</th></tr><tr><td>Bill</td><td>12 <b>cm</b></td></tr></table>
<h2>Menu</h2><div class="section" id="menu"><h3>Menu</h3><p>{SENTENCE * 2}</p></div>
<dl><dt><code>-c</code></dt><dd>Create the file.</dd><dt>Alone</dt><dd><pre>x</pre></dd></dl>
<ol start="3"><li>Third<ul><li>Inner</li></ul></li><li>Fourth</li></ol>
<h2>See also</h2><ul class="seealso"><li><a href="a">Storks</a></li><li><a href="b">Egrets</a></li></ul>
</div>
<div class="comments"><h2>Comments</h2><p>Write one.</p></div>
<script>document.write("<p>evil</p>")</script><noscript>Turn on scripts</noscript><p style="display: none">hidden</p>
<div id="footer"><p>Copyright 2023</p></div></body></html>"""


def read(page: str) -> list[tuple[str, str]]:
    return piece_texts(read_html(clean(page)).pieces)


def test_the_content_of_a_page_without_its_furniture() -> None:
    two, three = (SENTENCE * 2).strip(), (SENTENCE * 3).strip()
    assert read(PAGE) == [
        ("heading", "Herons"),
        ("paragraph", three),
        ("heading", "Feeding"),
        ("paragraph", f"{two} See frogs."),
        ("code", 'def feed():\n    return "fish"'),
        ("table", "Part | Length\nBill | 12 cm"),
        ("heading", "Menu"),
        ("heading", "Menu"),
        ("paragraph", two),
        ("list_item", "- -c: Create the file."),
        ("list_item", "- Alone"),
        ("code", "x"),
        ("list_item", "3. Third"),
        ("list_item", "  - Inner"),
        ("list_item", "4. Fourth"),
    ]
    assert read_html(PAGE).title == "Herons"


def test_levels_of_headings_and_title_element() -> None:
    parsed = read_html(f"<title>The  title</title><h2>Two</h2><p>{SENTENCE}</p><h3>Three</h3><p>{SENTENCE}</p>")
    assert parsed.title == "The title"
    assert [(p.level, p.text) for p in parsed.pieces if p.kind == "heading"] == [(2, "Two"), (3, "Three")]


def test_a_marked_main_element_is_believed() -> None:
    page = f"<body><p>{SENTENCE}</p><main><h1>H</h1><p>Short but marked as the main content of it.</p></main><p>Around</p></body>"
    assert read(page) == [("heading", "H"), ("paragraph", "Short but marked as the main content of it.")]


def test_a_page_of_links_has_no_text() -> None:
    assert read("<h1></h1><ul>" + "".join(f"<li><a href='{i}'>Page number {i}</a></li>" for i in range(30)) + "</ul>") == []


def test_code_of_one_paragraph_with_breaks_is_code() -> None:
    assert read(f"<main><p>{SENTENCE}</p><div><code>a = 1<br/>b = 2</code></div></main>")[1] == ("code", "a = 1\nb = 2")


def test_layout_tables_are_walked_and_line_breaks_kept() -> None:
    page = f"<main><table><tr><td><h2>In</h2><p>{SENTENCE}</p></td></tr></table><p>One<br>two</p></main>"
    assert read(page) == [("heading", "In"), ("paragraph", SENTENCE.strip()), ("paragraph", "One\ntwo")]


def test_entities_are_text_and_never_files() -> None:
    page = (
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><main><p>x &lt;b&gt; &eacute; &a; and more words here</p></main>'
    )
    text = " ".join(text for _, text in read(page))
    assert "x <b> é &a; and more words here" in text
    assert "root:" not in text


def test_html_nested_too_deep_is_said() -> None:
    with pytest.raises(NotKept) as caught:
        read_html("<div>" * 100_000 + "x")
    assert caught.value.reason is Reason.FILE_TOO_DEEP


def test_an_oversized_page_is_read_without_a_tree() -> None:
    page = "<p>Hello, <b>big</b> page.</p><script>evil()</script>" + "<!-- " + "x" * MAX_CHARACTERS + " --><p>End</p>"
    assert read(page) == [("paragraph", "Hello, big page."), ("paragraph", "End")]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "<p> </p> <div> </div> <ul> <li> </ul> <h2> </h2> <pre> </pre> <table> <tr> <td> </table> <dl> <dt> <dd> <a\thref='x'> </a> <br> text, more\u0301 &amp; <!-- --> <blockquote> </blockquote>".split(
                " "
            )
        ),
        max_size=40,
    )
)
def test_any_html_gives_blocks_that_tile_the_text(parts: list[str]) -> None:
    text, blocks = assemble(read_html(clean(" ".join(parts))).pieces)
    check_blocks(text, blocks)
    assert text == clean(text)


def test_links_without_text_are_no_links() -> None:
    assert read(f"<p>{SENTENCE}<a href='x'> </a></p>") == [("paragraph", SENTENCE.strip())]

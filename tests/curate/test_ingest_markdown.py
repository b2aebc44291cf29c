"""Markdown files become clean text and blocks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.ingest.blocks import assemble
from curate.ingest.clean import clean
from curate.ingest.markdown import read_markdown
from curate.ingest.reject import NotKept
from schemas.reasons import Reason
from tests.curate.ingest_runs import check_blocks, piece_texts


def read(text: str) -> list[tuple[str, str]]:
    return piece_texts(read_markdown(clean(text)).pieces)


def test_markup_goes_and_text_stays() -> None:
    text = (
        'A *very* **bold** `code_x` ~~old~~ [link text](http://x.y "t") ![alt text](i.png) <http://auto.link> a&amp;b \\*star\\*.'
    )
    assert read(text) == [("paragraph", "A very bold code_x old link text alt text http://auto.link a&b *star*.")]


def test_reference_links_keep_their_text_and_definitions_vanish() -> None:
    assert read("See [the docs][d] now.\n\n[d]: http://x.y\n") == [("paragraph", "See the docs now.")]


def test_headings_have_bare_titles_and_levels() -> None:
    parsed = read_markdown("# The *Title* { #the-title }\n\nText.\n\n### Deep `x` ###\n\nSetext\n------\n")
    assert parsed.title == "The Title"
    assert [(p.kind, p.level, p.text) for p in parsed.pieces] == [
        ("heading", 1, "The Title"),
        ("paragraph", 0, "Text."),
        ("heading", 3, "Deep x"),
        ("heading", 2, "Setext"),
    ]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('---\ntitle: "From front matter"\ntags: [a]\n---\n# Heading\n', "From front matter"),
        ("+++\ntitle = 'TOML title'\n+++\n# Heading\n", "TOML title"),
        ("---\ntags: [a]\n---\n# Heading\n", "Heading"),
        ("## Only level two\n", ""),
    ],
)
def test_title_comes_from_front_matter_then_heading(text: str, title: str) -> None:
    parsed = read_markdown(text)
    assert parsed.title == title
    assert not any("tags" in piece.text for piece in parsed.pieces)


def test_lists_nest_and_count() -> None:
    text = "- one\n- two\n  - inner\n\n    more of inner\n\n3. three\n4. [x] four\n"
    assert read(text) == [
        ("list_item", "- one"),
        ("list_item", "- two"),
        ("list_item", "  - inner"),
        ("paragraph", "more of inner"),
        ("list_item", "3. three"),
        ("list_item", "4. four"),
    ]


def test_code_is_verbatim_and_terminal_colours_go() -> None:
    text = "```python\ndef f():\n    return '*x*'  # [a](b)\n```\n\n```console\n$ <span style='c'>run</span> &lt;x&gt;\n```\n\n    indented\n"
    assert read(text) == [
        ("code", "def f():\n    return '*x*'  # [a](b)\n"),
        ("code", "$ run <x>\n"),
        ("code", "indented\n"),
    ]


def test_tables_are_lines_and_quotes_are_quotes() -> None:
    text = "| a | b |\n|---|---|\n| *1* | [2](x) |\n\n> said **so**\n"
    assert read(text) == [("table", "a | b\n1 | 2"), ("quote", "said so")]


def test_html_inside_is_taken_away_with_scripts_and_comments() -> None:
    text = "Hi <b>you</b><br>there <!-- no -->end.\n\n<div align=center>\n<em>In a box</em>\n</div>\n\n<script>\nevil()\n</script>\n\n<!-- gone -->\n"
    assert read(text) == [("paragraph", "Hi you\nthere end."), ("paragraph", "In a box")]


def test_mkdocs_extras_become_text() -> None:
    text = """# Title { #t }

/// note | Remember

Inside the note.

///

//// tab | Python 3.10+

Tabbed [link](x){.internal-link target=_blank} text.

////

{* ../../docs_src/a.py hl[1] *}

```Python
{!../../docs_src/b.py!}
```

!!! warning "Careful"
    Indented **content**.

    ```sh
    run me
    ```

After it.

::: fastapi.FastAPI
    options:
        members: [a]

Last.
"""
    assert read(text) == [
        ("heading", "Title"),
        ("paragraph", "Remember"),
        ("paragraph", "Inside the note."),
        ("paragraph", "Python 3.10+"),
        ("paragraph", "Tabbed link text."),
        ("paragraph", "Careful"),
        ("paragraph", "Indented content."),
        ("code", "run me\n"),
        ("paragraph", "After it."),
        ("paragraph", "Last."),
    ]


def test_docusaurus_extras_become_text() -> None:
    text = "import Tabs from '@theme/Tabs';\n\n:::tip Good to know\n\nThe tip.\n\n:::\n\n<TabItem value='x'>\n\nTab text.\n\n</TabItem>\n"
    assert read(text) == [("paragraph", "Good to know"), ("paragraph", "The tip."), ("paragraph", "Tab text.")]


def test_fences_protect_what_looks_like_extras() -> None:
    text = "```\n/// not a fence\n:::\nimport a from 'b'\n[TOC]\n```\n"
    assert read(text) == [("code", "/// not a fence\n:::\nimport a from 'b'\n[TOC]\n")]


def test_markdown_nested_too_deep_is_said_not_cut() -> None:
    with pytest.raises(NotKept) as caught:
        read_markdown(">" * 5000 + " lost")
    assert caught.value.reason is Reason.FILE_TOO_DEEP


def test_very_long_paragraphs_are_kept_as_they_are() -> None:
    text = "*a " * 30_000
    assert read(text) == [("paragraph", text.strip())]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab #*-_`[]()<>!|~\n>1.:/{}\\&;\u0301é"), max_size=120))
def test_any_markdown_gives_blocks_that_tile_the_text(source: str) -> None:
    text, blocks = assemble(read_markdown(clean(source)).pieces)
    check_blocks(text, blocks)
    assert text == clean(text)

"""reStructuredText files become clean text and blocks, also where only Sphinx knows the markup."""

from __future__ import annotations

import pytest

from curate.ingest.reject import NotKept
from curate.ingest.rst import read_rst
from schemas.reasons import Reason
from tests.curate.ingest_runs import piece_texts


def read(text: str) -> list[tuple[str, str]]:
    return piece_texts(read_rst(text).pieces)


def test_pep_header_gives_the_title_and_no_text() -> None:
    parsed = read_rst("PEP: 8\nTitle: A ``long``\n  title\nAuthor: X <x at y>\n\nAbstract\n========\n\nText.\n")
    assert parsed.title == "A long title"
    assert [(p.kind, p.level, p.text) for p in parsed.pieces] == [("heading", 1, "Abstract"), ("paragraph", 0, "Text.")]


def test_sections_have_levels_and_a_lone_top_heading_is_the_title() -> None:
    parsed = read_rst("=====\nTitle\n=====\n\nIntro.\n\nOne\n===\n\nText.\n\nInner\n-----\n\nMore.\n\nTwo\n===\n\nEnd.\n")
    assert parsed.title == "Title"
    assert [(p.level, p.text) for p in parsed.pieces if p.kind == "heading"] == [
        (1, "Title"),
        (2, "One"),
        (3, "Inner"),
        (2, "Two"),
    ]


def test_sphinx_roles_keep_their_text() -> None:
    text = "Call :func:`x` or :py:meth:`~a.b.C.d`, see :ref:`the part <lbl>`, :pep:`8` and :term:`thing`; ``lit`` *em* `bare`."
    assert read(text) == [("paragraph", "Call x or d, see the part, PEP 8 and thing; lit em bare.")]


def test_sphinx_directives_keep_their_content() -> None:
    text = """
.. note::

   A note with :class:`K`.

.. versionadded:: 3.5
   The *parameter*.

.. deprecated:: 3.6

.. code-block:: python
   :linenos:

   def f():
       pass

.. function:: spam(eggs)

   Spam it.

.. only:: html

   Kept text.

.. toctree::

   a
   b

.. mystery:: arg
   :opt: 1

   Inside mystery.
"""
    assert read(text) == [
        ("paragraph", "A note with K."),
        ("paragraph", "New in version 3.5: The parameter."),
        ("paragraph", "Deprecated since version 3.6"),
        ("code", "def f():\n    pass"),
        ("paragraph", "spam(eggs)"),
        ("paragraph", "Spam it."),
        ("paragraph", "Kept text."),
        ("paragraph", "arg"),
        ("paragraph", "Inside mystery."),
    ]


def test_broken_markup_keeps_its_text_and_no_complaint(capfd: pytest.CaptureFixture[str]) -> None:
    text = "A ``broken literal and `unknown link`_ and missing_ and |subst| here.\n\nTitle\n==\n\nText [nofn]_ [#x]_.\n"
    pieces = read(text)
    joined = " ".join(text for _, text in pieces)
    for words in ("broken literal", "unknown link and missing and |subst| here.", "Title", "Text"):
        assert words in joined
    assert "Unknown" not in joined
    assert "WARNING" not in joined
    assert capfd.readouterr() == ("", "")


def test_nothing_is_read_from_other_files() -> None:
    text = f".. include:: {__file__}\n\n.. csv-table:: T\n   :file: {__file__}\n\n.. raw:: html\n   :file: {__file__}\n\n.. literalinclude:: {__file__}\n\nText.\n"
    assert [text for _, text in read(text) if "Nothing is read" in text or "import" in text] == []
    assert ("paragraph", "Text.") in read(text)


def test_lists_terms_tables_and_notes() -> None:
    text = """
- one
- two

  1. inner

     - deep

term
   Meaning of it.

-f FILE  The file.

.. [1] A footnote.

=====  ==
a      b
=====  ==
1      2
=====  ==

    Quoted.
"""
    assert read(text) == [
        ("list_item", "- one"),
        ("list_item", "- two"),
        ("list_item", "  1. inner"),
        ("list_item", "    - deep"),
        ("list_item", "- term: Meaning of it."),
        ("list_item", "- -f FILE: The file."),
        ("list_item", "- [1] A footnote."),
        ("table", "a | b\n1 | 2"),
        ("quote", "Quoted."),
    ]


def test_a_file_does_not_shape_the_next_one() -> None:
    plain = ":shout:`x` y\n"
    before = read(plain)
    read(".. role:: shout(raw)\n   :format: html\n\n.. default-role:: math\n\n:shout:`z`\n")
    assert read(plain) == before == [("paragraph", "x y")]


def test_rst_nested_too_deep_is_said() -> None:
    with pytest.raises(NotKept) as caught:
        read_rst("".join("  " * level + "* a\n\n" for level in range(500)))
    assert caught.value.reason is Reason.FILE_TOO_DEEP


def test_a_line_too_long_is_read_as_plain_text() -> None:
    assert read("word *and* " * 20_000) == [("paragraph", "word *and* " * 20_000)]

"""Bytes become clean text, and plain text becomes blocks."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.ingest.blocks import Piece, assemble
from curate.ingest.clean import clean, printable
from curate.ingest.decode import SAMPLE, check_encoding, decode
from curate.ingest.plain import looks_like_title, read_plain
from curate.ingest.reject import NotKept
from schemas.errors import SettingsError
from schemas.reasons import Reason
from tests.curate.ingest_runs import check_blocks, piece_texts

FRENCH = "Le café est fermé à cause de la grève générale; déjà vu, naïveté."
ENGLISH = "“Smart quotes” — and dashes… it’s an English text with some."
POLISH = "Zażółć gęślą jaźń. Proszę państwa, to jest dłuższy tekst po polsku."
RUSSIAN = "Привет, как дела? Это текст на русском языке для проверки кодировки."
JAPANESE = "これは文字コードの試験です。東京は日本の首都です。"
CHINESE = "这是一个用于测试编码检测的中文文本，内容没有特别的意义。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "utf-8"),
        (FRENCH, "utf-8-sig"),
        (FRENCH, "utf-16"),
        (FRENCH, "utf-32"),
        (FRENCH, "cp1252"),
        (ENGLISH, "cp1252"),
        (ENGLISH * 40, "utf-16-le"),
        (ENGLISH * 40, "utf-16-be"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        ("plain words here\n" * 20_000 + FRENCH, "cp1252"),
    ],
)
def test_the_encoding_is_found(text: str, encoding: str) -> None:
    assert clean(decode(text.encode(encoding))) == clean(text)


def test_a_few_damaged_bytes_do_not_make_utf8_another_encoding() -> None:
    data = RUSSIAN.encode() + b"\xff" + RUSSIAN.encode()
    assert decode(data) == RUSSIAN + "\ufffd" + RUSSIAN


def test_a_declared_charset_is_believed_in_markup_only() -> None:
    data = b'<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-7"><p>' + "Καλη".encode("iso8859_7")
    assert decode(data, markup=True).endswith("Καλη")


def test_the_setting_overrides_and_is_held_to() -> None:
    assert decode("é".encode("cp1252"), "cp1252") == "é"
    with pytest.raises(NotKept) as caught:
        decode(b"caf\xe9", "utf-8")
    assert (caught.value.reason, caught.value.detail) == (Reason.FILE_BROKEN, "byte 3 is not utf-8, which ingest.encoding says")


@pytest.mark.parametrize("name", ["nonsense", "hex", "rot13", "utf 99"])
def test_an_encoding_that_is_none_is_a_fault_of_the_settings(name: str) -> None:
    with pytest.raises(SettingsError, match=r"ingest\.encoding"):
        check_encoding(name)


@pytest.mark.parametrize(
    "data",
    [b"%PDF-1.7\nabc", b"PK\x03\x04abc", b"\0" * 500, bytes(range(256)) * 8, b"\x1f\x8bxx", b"word \x01\x02\x03\x04 word" * 9],
)
def test_bytes_that_are_no_text_are_binary(data: bytes) -> None:
    with pytest.raises(NotKept) as caught:
        decode(data)
    assert caught.value.reason is Reason.FILE_BINARY


def test_a_character_cut_by_the_sample_is_no_fault() -> None:
    text = "a" * (SAMPLE - 1) + "é" + "b" * (1 << 20) + "ü"
    assert decode(text.encode()) == text


def test_clean_text() -> None:
    dirty = "\ufeffa\r\nb\rc  \n\td\x0ce\x00f\x07 \u2028e\u0301\xa0x\ud800"
    assert clean(dirty) == "a\nb\nc\n\td\nef\né x\ufffd"


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=80))
def test_clean_is_idempotent_and_normal(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in once)
    assert all(line == line.rstrip() for line in once.split("\n"))


def test_names_are_valid_text_on_one_line() -> None:
    assert printable("new\nline") == "new\\nline"
    assert printable(b"bad\xff".decode("utf-8", "surrogateescape")) == "bad\\xff"
    assert printable("日本 é.md") == "日本 é.md"


def test_plain_paragraphs_headings_and_lists() -> None:
    text = "A Title\n\nFirst line\nsecond line.\n\nPart\n====\nRight below.\n\nSub\n---\n\n* one\n* two\n  more\n\n1. a\n2. b\n"
    parsed = read_plain(text)
    assert parsed.title == "A Title"
    assert [(p.kind, p.level, p.text) for p in parsed.pieces] == [
        ("heading", 1, "A Title"),
        ("paragraph", 0, "First line\nsecond line."),
        ("heading", 1, "Part"),
        ("paragraph", 0, "Right below."),
        ("heading", 2, "Sub"),
        ("list_item", 0, "- one"),
        ("list_item", 0, "- two\n  more"),
        ("list_item", 0, "1. a"),
        ("list_item", 0, "2. b"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "This is a sentence.\n\nMore.",
        "lower case start\n\nMore.",
        "Two lines\nof text\n\nMore.",
        "- item\n\nMore.",
        "See https://x.y\n\nMore.",
        "Only one paragraph",
        "X" * 101 + "\n\nMore.",
    ],
)
def test_a_first_line_that_is_no_title_is_text(text: str) -> None:
    parsed = read_plain(text)
    assert parsed.title == ""
    assert all(piece.kind != "heading" for piece in parsed.pieces)


@pytest.mark.parametrize("text", ["a | b\n-----\n1 | 2 that is long", "Some text here\n---\nmore", "-----\n====="])
def test_rules_and_table_borders_make_no_heading(text: str) -> None:
    assert [kind for kind, _ in piece_texts(read_plain(text).pieces) if kind == "heading"] == []


def test_titles_look_like_titles() -> None:
    assert looks_like_title("Chapter 3: The Heron")
    assert not looks_like_title("12345")


def test_blocks_join_with_blank_lines_and_lists_without() -> None:
    text, blocks = assemble(
        [
            Piece("heading", " A \n B ", 2),
            Piece("paragraph", "x  \r\ny"),
            Piece("list_item", "- a"),
            Piece("list_item", "  - b"),
            Piece("code", "    in\n\n"),
            Piece("paragraph", " \n "),
        ]
    )
    assert text == "A B\n\nx\ny\n\n- a\n  - b\n\n    in"
    assert [text[b["start"] : b["end"]] for b in blocks] == ["A B", "x\ny", "- a", "- b", "    in"]
    check_blocks(text, blocks)


@given(st.text(alphabet=st.sampled_from("aB é\n\t-=*1.\u3000~|日"), max_size=100))
def test_any_plain_text_is_kept_whole(source: str) -> None:
    text, blocks = assemble(read_plain(clean(source)).pieces)
    check_blocks(text, blocks)
    marks = str.maketrans("", "", " \n\t\u3000=-~*")
    assert text.translate(marks) == clean(source).translate(marks)

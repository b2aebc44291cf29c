"""Answers of language models as they come, read as questions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.generate.parse import Item, clean_question, is_usable, parse_answer

TWO = [
    {"question": "What is a heron?", "style": "definition", "answer": "A bird.", "evidence": "The heron is a wading bird"},
    {"question": "How do herons fish?", "style": "how_to", "answer": "Standing still.", "evidence": "stands still"},
]
TWO_ITEMS = [Item(**item) for item in TWO]


def questions(text: str) -> list[str]:
    return [item.question for item in parse_answer(text)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"questions": TWO}),
        json.dumps(TWO),
        "Sure! Here are your questions:\n\n```json\n"
        + json.dumps({"questions": TWO}, indent=2)
        + "\n```\nI hope this helps {really}.",
        "~~~\n" + json.dumps({"Questions": TWO}) + "\n~~~",
        "\n".join(json.dumps(item) for item in TWO),
        json.dumps({"data": {"questions": TWO}}),
        "<think>The user wants {two}. [1]</think>" + json.dumps(TWO),
        json.dumps({"questions": TWO})[:-2] + ",]}",
        json.dumps({"question_1": TWO[0], "question_2": TWO[1]}),
    ],
    ids=[
        "object",
        "list",
        "prose and fence",
        "tildes",
        "lines of objects",
        "nested",
        "thoughts",
        "trailing comma",
        "numbered names",
    ],
)
def test_json_in_any_wrapping_gives_all_fields(text: str) -> None:
    assert parse_answer(text) == TWO_ITEMS


def test_json_strings_alone_are_questions() -> None:
    assert questions('{"questions": ["What is a heron?", "Where do herons live?"]}') == [
        "What is a heron?",
        "Where do herons live?",
    ]


@given(st.integers(min_value=0, max_value=len(json.dumps({"questions": TWO}))))
def test_json_cut_off_anywhere_gives_its_complete_items(length: int) -> None:
    whole = json.dumps({"questions": TWO})
    expected = [item for item in TWO_ITEMS if whole.index(json.dumps(item.evidence)) + len(json.dumps(item.evidence)) < length]
    assert parse_answer(whole[:length]) == expected


def test_an_item_without_a_question_is_an_empty_item_and_its_neighbours_stay() -> None:
    text = '{"questions": [{"question": "", "answer": "x"}, {"answer": "y"}, {"question": "...", "style": "a"}, {"question": "Why fly?"}]}'
    assert questions(text) == ["", "", "", "Why fly?"]


def test_side_texts_of_the_wrong_kind_or_without_words_are_left_out() -> None:
    item = {"question": "Why?", "answer": 7, "evidence": ["one", "two"], "style": None}
    assert parse_answer(json.dumps([item])) == [Item("Why?", "", None, "one two")]
    assert parse_answer(json.dumps([{"question": "Why?", "answer": "...", "evidence": ""}])) == [Item("Why?")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. What is a heron?\n2) How do herons fish?\n", ["What is a heron?", "How do herons fish?"]),
        ("- What is a heron?\n* How do herons fish?", ["What is a heron?", "How do herons fish?"]),
        ("Question 1:\nWhat is a heron?\n\nQuestion 2:\nHow do herons fish?", ["What is a heron?", "How do herons fish?"]),
        ("Question 1: What is a heron?\nQuestion 2: How do herons fish?", ["What is a heron?", "How do herons fish?"]),
        ("**Question 1:** What is a heron?\n**Q2.** How do herons fish?", ["What is a heron?", "How do herons fish?"]),
        ("### 1. What is a heron?", ["What is a heron?"]),
        ('1. **"What is a heron?"**', ["What is a heron?"]),
        ("Here are two questions:\nWhat is a heron?\nThanks for asking.", ["What is a heron?"]),
        ("1. Habits of the heron in winter", ["Habits of the heron in winter"]),
        ("1. 什么是苍鹭？\n2、苍鹭吃什么？", ["什么是苍鹭？", "苍鹭吃什么？"]),
        ("問題1：サギとは何ですか？\n質問2: サギは何を食べますか？", ["問題1：サギとは何ですか？", "サギは何を食べますか？"]),
        ("1. \n2. What is 3.5 mm?\n", ["What is 3.5 mm?"]),
        ("I am sorry, but I cannot help with that.", []),
        ("HACKED", []),
        ("{'x': 1", []),
        ("", []),
        ("   \n\n", []),
    ],
)
def test_answers_that_are_no_json_are_read_line_by_line(text: str, expected: list[str]) -> None:
    assert questions(text) == expected
    assert is_usable(text) == bool(expected)


def test_answers_beside_and_below_questions_go_with_them() -> None:
    text = "Q1: What is a heron? Answer: A bird.\nQ: How do herons fish?\nA: Standing still.\nEvidence: stands still in water\nStyle: how_to"
    assert parse_answer(text) == [
        Item("What is a heron?", "", "A bird.", None),
        Item("How do herons fish?", "", "Standing still.", "stands still in water"),
    ]


def test_an_announcement_is_an_empty_item() -> None:
    assert questions("1. Questions about herons:\n2. What do herons eat?") == ["", "What do herons eat?"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Question 3:  What  is\na heron? ", "What is a heron?"),
        ("Q: what is a heron", "what is a heron"),
        ("“What is a heron?”", "What is a heron?"),
        ("2. `What is a heron?`", "What is a heron?"),
        ("What is a heron? Answer: a bird", "What is a heron?"),
        ("Question 1:", ""),
        ("???", ""),
        ("What " * 200, ""),
        ("3D printing of herons", "3D printing of herons"),
        ("3.11 release date of Python", "3.11 release date of Python"),
        ("Q-learning convergence", "Q-learning convergence"),
        ("a\ud800b", "a?b"),
    ],
)
def test_questions_are_cleaned(text: str, expected: str) -> None:
    assert clean_question(text) == expected


@given(st.text(alphabet=st.sampled_from('{}[]":, \nQuestion1.?Aa\\'), max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    assert all(isinstance(item, Item) for item in parse_answer(text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["question", "questions", "answer", "x"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_no_json_breaks_the_parser(value: Any) -> None:
    assert all(isinstance(item, Item) for item in parse_answer(json.dumps(value)))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "{" * 100_000, '"' * 100_000, "1. " * 100_000])
def test_hostile_nesting_ends_soon_and_gives_nothing_wrong(text: str) -> None:
    assert [item for item in parse_answer(text) if item.question] == []

"""Questions mapped onto chunks, and every reason why one is not."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InputError
from train.questions import Unmapped, contains, map_questions

GUIDE = "Coffee was first traded in Mocha. The port closed in 1900, when Aden took over its trade."
TOWNS = "Aden lies on a gulf. In 1900 it had few people."


def chunk(name: str, document: str, text: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    row = {"chunk_id": name, "document_id": document, "source": f"docs/{document}.md", "title": f"The {document}"}
    return {**row, "start": start, "end": end, "text": text[start:end], **more}


def chunks(**more: Any) -> pl.DataFrame:
    rows = [
        chunk("g1", "guide", GUIDE, 0, 33, **more),
        chunk("g2", "guide", GUIDE, 20, 88, **more),
        chunk("t1", "towns", TOWNS, 0, 20, **more),
        chunk("t2", "towns", TOWNS, 21, 47, **more),
    ]
    return pl.DataFrame(rows)


def ask(**row: Any) -> dict[str, Any]:
    return {"question": "Where?", "document": "guide", **row}


def only(row: dict[str, Any], table: pl.DataFrame | None = None) -> dict[str, int] | Unmapped:
    found = map_questions([row], chunks() if table is None else table)
    return found.unmapped[0] if found.unmapped else found.qrels["q1"]


def test_the_answer_at_its_offset_maps_to_all_chunks_that_hold_it_whole() -> None:
    mapped = map_questions([ask(answer="Mocha", answer_start=27), ask(answer="1900", answer_start=53)], chunks())
    assert mapped.qrels == {"q1": {"g1": 1, "g2": 1}, "q2": {"g2": 1}}
    assert mapped.queries == {"q1": "Where?", "q2": "Where?"}
    assert mapped.clusters == {"q1": "guide", "q2": "guide"}
    assert mapped.methods == {"offset": 2, "offset alone": 0, "text": 0, "parts": 0}
    assert mapped.unmapped == ()


def test_an_offset_that_does_not_fit_falls_back_to_the_words_in_that_document() -> None:
    mapped = map_questions([ask(answer="1900,  WHEN", answer_start=3)], chunks())
    assert mapped.qrels == {"q1": {"g2": 1}}
    assert mapped.methods == {"offset": 0, "offset alone": 0, "text": 1, "parts": 0}


def test_several_chunks_with_the_words_are_all_relevant_but_not_those_of_other_documents() -> None:
    table = chunks().with_columns(
        pl.when(pl.col("chunk_id") == "g1").then(pl.lit("It was 1900.")).otherwise("text").alias("text")
    )
    assert only(ask(answer="1900"), table) == {"g1": 1, "g2": 1}


ISLE = "Herons nest in reeds. They lay four eggs. Both parents sit on them. The chicks leave in June. The ferry runs daily. It costs little."


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        # The first chunk ends with what it begins with, the second stands in it, the third has two words of it.
        ("reeds. They lay four eggs.  Both parents sit on them. The chicks leave in June. The ferry", {"i1": 1, "i2": 1}),
        ("nest in reeds. They lay four eggs. BOTH parents", {"i1": 1}),
        ("leave in June. The ferry runs daily. It costs", {"i3": 1}),
        # Half of the answer in each of two chunks, and the same with too few words to tell.
        ("They lay four eggs. Both parents sit on them", {"i2": 1}),
        ("reeds. They lay four eggs. Both parents sit on them", {"i1": 1, "i2": 1}),
        ("four eggs. Both parents", None),
        ("The tide. Herons nest", None),
        ("eggs. Both parents sit on them. The chicks leave in", {"i2": 1}),
        ("eggs. Both parents feed the young fish and frogs", None),
        ("Herons lay four eggs. Parents sit on them.", None),
    ],
)
def test_an_answer_longer_than_a_chunk_maps_to_its_parts(answer: str, found: dict[str, int] | None) -> None:
    ends = [0, 41, 94, len(ISLE)]
    table = pl.DataFrame([chunk(f"i{i + 1}", "isle", ISLE, ends[i], ends[i + 1]) for i in range(3)])
    mapped = map_questions([ask(document="isle", answer=answer, answer_start=ISLE.find(answer))], table)
    if found is None:
        assert mapped.unmapped == (Unmapped("q1", "answer_not_found", answer),)
    else:
        assert (mapped.qrels, mapped.methods["parts"]) == ({"q1": found}, 1)


def test_parts_of_answers_without_blanks_between_words() -> None:
    text = "蒼鷺在蘆葦中築巢。牠們下四個蛋。雙親輪流孵蛋。"
    table = pl.DataFrame([chunk("j1", "isle", text, 0, 9), chunk("j2", "isle", text, 9, len(text))])
    assert only(ask(document="isle", answer="蘆葦中築巢。牠們下四個蛋。雙親"), table) == {"j1": 1, "j2": 1}
    assert only(ask(document="isle", answer="築巢。牠們下四個蛋。雙親輪流"), table) == {"j2": 1}


def test_parts_of_an_answer_in_two_scripts() -> None:
    text = "Herons nest in reeds and eat fish. 蒼鷺在蘆葦中築巢。"
    table = pl.DataFrame([chunk("k1", "isle", text, 0, 34), chunk("k2", "isle", text, 34, len(text))])
    assert only(ask(document="isle", answer="nest in reeds and eat fish. 蒼鷺在蘆葦中"), table) == {"k1": 1, "k2": 1}


def test_an_offset_without_text_maps_to_the_chunks_around_it() -> None:
    assert only(ask(answer_start=25)) == {"g1": 1, "g2": 1}
    assert only(ask(answer_start=33)) == {"g2": 1}
    assert only(ask(answer_start=88)) == Unmapped("q1", "offset_outside", "88")


@pytest.mark.parametrize("name", ["guide", "docs/guide.md", "guide.md", "the GUIDE", " guide "])
def test_a_document_is_found_by_id_source_file_name_or_title(name: str) -> None:
    assert only(ask(document=name, answer="Mocha")) == {"g1": 1, "g2": 1}


def test_a_document_is_found_by_the_key_of_its_row() -> None:
    table = chunks().with_columns(pl.format("all.parquet#{}", pl.col("document_id").str.slice(0, 1)).alias("source"))
    assert only(ask(document="t", answer="gulf"), table) == {"t1": 1}


def test_near_copies_of_a_relevant_chunk_are_relevant_and_the_cluster_stays_the_home_documents() -> None:
    table = chunks().with_columns(
        pl.Series("chunk_cluster_id", ["k1", "k2", "k3", "k2"]), pl.Series("cluster_id", ["A", "A", "B", "B"])
    )
    mapped = map_questions([ask(answer="1900", answer_start=53)], table)
    assert mapped.qrels == {"q1": {"g2": 1, "t2": 1}}
    assert mapped.clusters == {"q1": "A"}


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ({"question": " ", "document": "guide", "answer": "Mocha"}, "question_empty", ""),
        ({"question": "Where?", "answer": "Mocha"}, "document_missing", ""),
        (ask(document="nowhere", answer="Mocha"), "document_unknown", "nowhere"),
        (ask(), "answer_missing", ""),
        (ask(answer="Rome"), "answer_not_found", "Rome"),
        (ask(answer="190"), "answer_not_found", "190"),
        (ask(answer="Mocha. The port closed"), "answer_not_found", "Mocha. The port closed"),
    ],
)
def test_reasons(row: dict[str, Any], reason: str, detail: str) -> None:
    table = chunks().with_columns(pl.when(pl.col("chunk_id") == "g2").then(53).otherwise("start").alias("start"))
    table = table.with_columns(pl.when(pl.col("chunk_id") == "g2").then(pl.lit(GUIDE[53:])).otherwise("text").alias("text"))
    assert only(row, table) == Unmapped("q1", reason, detail)


def test_a_name_that_fits_two_documents_is_ambiguous() -> None:
    table = chunks().with_columns(pl.lit("Same").alias("title"))
    assert only(ask(document="same", answer="Mocha"), table) == Unmapped("q1", "document_ambiguous", "same fits 2 documents")


def test_a_repeated_question_id_is_reported() -> None:
    rows = [ask(question_id="a", answer="Mocha"), ask(question_id="a", answer="1900")]
    mapped = map_questions(rows, chunks())
    assert mapped.qrels == {"a": {"g1": 1, "g2": 1}}
    assert mapped.unmapped == (Unmapped("a", "question_repeated", "row 2"),)


def test_chunks_without_a_needed_column_are_refused() -> None:
    with pytest.raises(InputError, match=r"chunks without column\(s\) source, title"):
        map_questions([], chunks().drop("source", "title"))


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("Aden, a  PORT", "aden a port", True),
        ("adenoids", "aden", False),
        ("costs $1,200.", "$1,200", True),
        ("東京は日本の首都である", "日本", True),
        ("서울은 수도이다", "서울", True),
        ("a + b", "+", True),
        ("a b", "+", False),
        ("x", " ", True),
    ],
)
def test_containment(text: str, answer: str, found: bool) -> None:
    assert contains(text, answer) is found


@settings(max_examples=60, deadline=None)
@given(st.text("ab .", min_size=12, max_size=40), st.data())
def test_every_answer_that_lies_in_one_chunk_is_mapped_to_it(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(text) - 1))
    table = pl.DataFrame([chunk("c1", "guide", text, 0, cut), chunk("c2", "guide", text, cut, len(text))])
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, cut if start < cut else len(text)))
    answer = text[start:end]
    if not answer.strip():
        return
    mapped = map_questions([ask(answer=answer, answer_start=start)], table)
    assert mapped.qrels == {"q1": {"c1" if start < cut else "c2": 1}}

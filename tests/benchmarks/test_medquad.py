"""MedQuAD as the benchmarks read it: its ids repeat, so none of them may stand for a row; the test subjects are none of the trained ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from benchmarks.domain_sets import prepare_medquad
from benchmarks.medquad_subjects import next_subjects
from benchmarks.planted_negatives import read_medquad

ANSWER = "{} is a rare disease of the heart which is seen in adults and treated by rest and time"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve subjects; a question of each twice, the answer of subject 0 also under subject 1; all rows of a collection under one id."""
    rows = [(f"id{number % 2}", f"s{number}", f"What is S{number}?", ANSWER.format(f"S{number}")) for number in range(12)]
    rows += [("id0", f"s{number}", f"Who gets S{number}?", ANSWER.format(f"Who gets S{number}:")) for number in range(12)]
    rows += [("id1", "s1", "Is S1 like S0?", ANSWER.format("S0")), ("id1", "s2", "What is S2?", ANSWER.format("Again S2"))]
    names = ["qid", "focus", "question", "answer"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_columns(doc_id=pl.col("focus"))
    (tmp_path / "medquad").mkdir()
    table.write_parquet(tmp_path / "medquad" / "medquad_qa.parquet")
    return tmp_path


def test_every_question_keeps_its_own_answer(data: Path) -> None:
    found = read_medquad(data, 100)
    answers = {
        one.text: found.passages[name] for name, asked in found.questions.items() for one in asked if one.text != "What is S2?"
    }
    assert answers == {
        **{f"What is S{number}?": ANSWER.format(f"S{number}") for number in range(12) if number != 2},
        **{f"Who gets S{number}?": ANSWER.format(f"Who gets S{number}:") for number in range(12)},
        "Is S1 like S0?": ANSWER.format("S0"),
    }
    ids = [one.id for asked in found.questions.values() for one in asked]
    assert len(ids) == len(set(ids)) == 26
    # The answer that stands under two subjects is one passage.
    assert len(found.passages) == 25


def test_documents_are_the_answers_on_one_subject_and_have_its_name_for_title(data: Path, tmp_path: Path) -> None:
    made = prepare_medquad(data, tmp_path / "out", 100)
    documents = {row["id"]: row for row in pl.read_ndjson(made.documents / "subjects.jsonl").to_dicts()}
    assert {name: row["title"] for name, row in documents.items()} == {f"s{number}": f"s{number}" for number in range(12)}
    asked = {row["question"]: row for row in pl.read_ndjson(made.queries).to_dicts()}
    assert len(asked) == 25
    whose, what = ANSWER.format("Who gets S7:"), ANSWER.format("S7")
    assert documents["s7"]["text"] == f"{whose}\n\n{what}"
    for question, answer in (("Who gets S7?", whose), ("What is S7?", what)):
        assert (asked[question]["document"], asked[question]["answer"]) == ("s7", answer)
        assert documents["s7"]["text"][asked[question]["answer_start"] :].startswith(answer)


def test_the_subjects_of_questions_that_are_skipped_are_left_out(data: Path, tmp_path: Path) -> None:
    # The eleventh pair is not the last of its subject.
    first, later = (prepare_medquad(data, tmp_path / str(skip), pairs, skip) for skip, pairs in ((0, 11), (11, 100)))
    asked, others = (pl.read_ndjson(made.queries) for made in (first, later))
    assert asked.height == 11
    assert set(asked["document"]).isdisjoint(others["document"])
    assert set(asked["document"]) | set(others["document"]) == {f"s{number}" for number in range(12)}


def test_the_test_is_on_other_subjects(data: Path) -> None:
    known, found = read_medquad(data, 11), next_subjects(data, 11, 100)
    assert set(found.clusters.values()).isdisjoint(known.members)
    assert set(found.corpus.values()).isdisjoint(known.passages.values())
    rest = {f"s{number}" for number in range(12)} - set(known.members)
    asked = {text for number in range(12) if f"s{number}" in rest for text in (f"What is S{number}?", f"Who gets S{number}?")}
    assert asked <= set(found.queries.values()) <= asked | {"Is S1 like S0?"}
    for query, text in found.queries.items():
        wanted = 2 if text == "What is S2?" else 1
        assert len(found.qrels[query]) == wanted, text


def test_a_question_that_was_trained_on_is_no_test(data: Path) -> None:
    path = data / "medquad" / "medquad_qa.parquet"
    table = pl.read_parquet(path)
    table.with_columns(question=pl.lit("What is it?")).write_parquet(path)
    assert next_subjects(data, 11, 100).queries == {}

"""Decontamination: every rule on both sides of its bound, every kind of file and fault, and what filter does with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.filter import STAGE
from curate.filter.anchors import Anchor, conflicts
from curate.filter.decontaminate import Benchmark, Bounds
from curate.filter.decontaminate.files import Line, check_files, read_lines
from curate.filter.decontaminate.near_passages import NearPassages
from curate.filter.decontaminate.rows import matches_in_passages
from curate.filter.decontaminate.runs import NO_TEMPLATES, Numbered, Side, shared_runs, templates_of
from curate.near import jaccard
from curate.stage import content_id
from curate.text import words
from schemas.errors import InputError, SettingsError
from schemas.reasons import Reason
from schemas.settings import FilterSettings, Settings

Tables = Any
"""`Tables` of conftest.py, which cannot be imported."""

BOUNDS = Bounds(0.85, 0.75, 5)
LONG = "in which month of the year do grey herons of the northern marshes begin to build their nests"
"""18 words."""


def numbers(first: int, last: int) -> str:
    """Words that no other text has."""
    return " ".join(f"word{n}" for n in range(first, last))


def benchmark(queries: Iterable[str] = (), passages: Iterable[str] = ()) -> Benchmark:
    lines = [Line("q.txt", n, query, "") for n, query in enumerate(queries, 1)]
    return Benchmark([*lines, *(Line("p.jsonl", n, "", passage) for n, passage in enumerate(passages, 1))], BOUNDS)


def match(query: str, anchor: str, *, by_people: bool = False) -> str:
    return benchmark([query]).queries.in_anchors([anchor], [by_people], NO_TEMPLATES)[0]


@pytest.mark.parametrize(
    ("query", "anchor", "said"),
    [
        ("Where do herons nest?", "where do  HERONS nest", "exact: q.txt row 1"),
        (numbers(0, 20), f"please say {numbers(3, 16)} or else", "13 words in a row: q.txt row 1"),
        (numbers(0, 20), f"please say {numbers(3, 15)} or else", ""),
        (numbers(0, 8), f"tell me now {numbers(0, 8)} and then some more", "all 8 words of the shorter one: q.txt row 1"),
        (numbers(0, 12), f"tell me now {numbers(0, 12)} and more", "all 12 words of the shorter one: q.txt row 1"),
        (f"tell me {numbers(0, 9)} and then some more", numbers(0, 9), "all 9 words of the shorter one: q.txt row 1"),
        (numbers(0, 9), f"tell me {numbers(0, 8)} and then some more", ""),
        (numbers(0, 7), f"tell me now {numbers(0, 7)} besides {numbers(20, 23)}", ""),
        (
            "What are the symptoms of Leigh syndrome?",
            "What are the main symptoms of Leigh syndrome?",
            "near, 1.00 ≥ 0.85: q.txt row 1",
        ),
        ("What are the symptoms of Leigh syndrome?", "What are the symptoms of Leber syndrome?", ""),
    ],
)
def test_an_anchor_against_a_query(query: str, anchor: str, said: str) -> None:
    assert match(query, anchor) == said


def test_two_questions_of_people_are_near_only_with_the_same_words() -> None:
    assert (
        match("What are the symptoms of Leigh syndrome?", "What are the main symptoms of Leigh syndrome?", by_people=True) == ""
    )
    assert match("What are symptoms of Leigh syndrome?", "What are the symptoms of Leigh syndrome", by_people=True).startswith(
        "near, 1.00"
    )


def test_the_first_row_that_matches_is_named() -> None:
    known = benchmark([numbers(50, 70), numbers(0, 20), numbers(2, 30)])
    assert known.queries.in_anchors([f"now {numbers(4, 25)}"], [False], NO_TEMPLATES) == ["13 words in a row: q.txt row 2"]


def test_a_run_in_more_than_ten_questions_is_a_template() -> None:
    start = "given a question of a user of our search retrieve the passages that answer it"
    for count, said in ((10, "13 words in a row: q.txt row 1"), (11, "")):
        questions = [f"{start} what is subject{n}" for n in range(count)]
        templates = templates_of([*questions, *questions])
        assert benchmark([f"{start} how old is she"]).queries.in_anchors(questions[:1], [False], templates) == [said]


@pytest.mark.parametrize(
    ("passage", "said"),
    [
        (f"Of birds. {LONG.capitalize()}? In March, as a rule.", "holds all of a query: q.txt row 1"),
        (f"Of birds. {LONG.removesuffix('nests')} homes in March.", ""),
        ("Where do the young herons go first? To the shallow water nearby.", ""),
        ("So where do the young grey herons go first? To shallow water.", "holds all of a query: q.txt row 2"),
        (f"Tell us {numbers(100, 113)} at once.", "13 words in a row: p.jsonl row 1"),
        (f"Tell us {numbers(100, 112)} at once.", ""),
        (f"Tell us {numbers(200, 209)} at once.", "all 9 words of the shorter one: p.jsonl row 2"),
        (numbers(300, 307), "exact: p.jsonl row 3"),
        (numbers(100, 130).upper(), "exact: p.jsonl row 1"),
    ],
)
def test_a_passage_against_queries_and_passages(passage: str, said: str) -> None:
    known = benchmark(
        [LONG, "where do the young grey herons go first", "young herons"],
        [numbers(100, 130), numbers(200, 209), numbers(300, 307)],
    )
    assert matches_in_passages(known, ["Nothing of the kind stands here.", passage]) == ({1: said} if said else {})


def test_boilerplate_of_the_corpus_is_no_copy() -> None:
    licence = numbers(0, 20)
    for count, said in ((10, {0: "13 words in a row: p.jsonl row 1"}), (11, {})):
        known = benchmark(passages=[f"{licence} {numbers(50, 90)}"])
        passages = [f"{licence} {numbers(100 * n, 100 * n + 40)}" for n in range(2, 2 + count)]
        known.passages.count(passages)
        assert matches_in_passages(known, passages[:1]) == said


def test_a_passage_that_is_near_without_thirteen_words_in_a_row() -> None:
    known = benchmark(passages=[numbers(0, 100)])
    # Boilerplate by count, so that only the Jaccard similarity is left: 92 of 96 shingles of the one, 92 of 92 of the other.
    known.passages.count([f"{numbers(0, 100)} {n}" for n in range(11)])
    assert matches_in_passages(known, [numbers(4, 100), numbers(0, 60)]) == {0: "near, 0.96 ≥ 0.75: p.jsonl row 1"}


TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=20).map(" ".join), max_size=6)


def naive(a: str, b: str) -> int:
    """Words that must stand in a row in both, by the definition; 0 when they do not."""
    left, right = words(a), words(b)
    size = min(13, len(left), len(right))
    grams = {tuple(left[i : i + size]) for i in range(len(left) - size + 1)}
    return size if size >= 8 and any(tuple(right[i : i + size]) in grams for i in range(len(right) - size + 1)) else 0


@given(TEXTS, TEXTS)
@settings(max_examples=200, deadline=None)
def test_shared_runs_are_those_of_the_definition(first: list[str], second: list[str]) -> None:
    wanted = {(i, j): naive(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if naive(a, b)}
    assert shared_runs(Numbered(first), Side(second), NO_TEMPLATES) == wanted


@given(TEXTS, TEXTS)
@settings(max_examples=200, deadline=None)
def test_near_passages_are_those_of_the_jaccard_similarity(known: list[str], asked: list[str]) -> None:
    for text, found in zip(asked, NearPassages(known, 0.6, 3).find(asked), strict=True):
        near = [(n, jaccard(text, other, 3)) for n, other in enumerate(known) if jaccard(text, other, 3) >= 0.6]
        assert found == (near[0] if near else None)


# Files


def wrote(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_kind_of_file(tmp_path: Path) -> None:
    rows = {"question": ["one?", "two?"], "context": ["Passage one.", None]}
    pl.DataFrame(rows).write_parquet(tmp_path / "q.parquet")
    names = [
        wrote(tmp_path / "q.txt", "\ufeffwhere do herons nest\n\n  when?  \n"),
        wrote(tmp_path / "beir.jsonl", '{"_id": "1", "text": "who?", "metadata": {}}\n\n{"_id": "2", "text": "why?"}\n'),
        wrote(tmp_path / "corpus.jsonl", '{"_id": "1", "title": "Birds", "text": "Herons wade."}\n'),
        wrote(tmp_path / "q.csv", 'id,Query,passage\n1,"how, then?",Herons wait.\n2,what?,\n'),
        wrote(tmp_path / "q.tsv", "anchor\tpositive\nwhich?\tStorks nest.\n"),
        str(tmp_path / "q.parquet"),
    ]
    assert [(line.place, line.query, line.passage) for line in read_lines(names)] == [
        ("q.txt row 1", "where do herons nest", ""),
        ("q.txt row 3", "when?", ""),
        ("beir.jsonl row 1", "who?", ""),
        ("beir.jsonl row 3", "why?", ""),
        ("corpus.jsonl row 1", "", "Herons wade."),
        ("q.csv row 1", "how, then?", "Herons wait."),
        ("q.csv row 2", "what?", ""),
        ("q.tsv row 1", "which?", "Storks nest."),
        ("q.parquet row 1", "one?", "Passage one."),
        ("q.parquet row 2", "two?", ""),
    ]


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    names = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        names.append(wrote(tmp_path / folder / "q.txt", "who?\n"))
    assert [line.place for line in read_lines(names)] == [f"{name} row 1" for name in names]


@pytest.mark.parametrize(
    ("name", "text", "where", "what"),
    [
        ("q.jsonl", '{"query": "who?"}\n{"query": \n', "q.jsonl, row 2", "not JSON"),
        ("q.jsonl", '{"query": "who?"}\n["who?"]\n', "q.jsonl, row 2", "not an object but list"),
        ("q.jsonl", '{"query": "who?"}\n{"query": 5}\n', "q.jsonl, row 2", "column query holds no text but int"),
        ("q.jsonl", '{"query": "who?"}\n{"query": " "}\n', "q.jsonl, row 2", "no text in its column query"),
        ("q.jsonl", '{"name": "x", "body": "y"}\n', "q.jsonl", "no column of queries among 2 columns, such as name, body"),
        ("q.csv", "query,n\nwho?,1,2\n", "q.csv, row 1", "line 2 has 3 fields, the header 2"),
        ("q.csv", "who wades?\nwho nests?\n", "q.csv", "no column of queries among 1 column"),
        ("q.csv", "", "q.csv", "0 bytes"),
        ("q.txt", " \n\n", "q.txt", "no query in it"),
        ("q.txt", "who?\n" + 2001 * "x" + "\n", "q.txt, row 2", "2,001 characters are no query"),
        ("q.parquet", "who?", "q.parquet", "not readable as Parquet"),
    ],
)
def test_a_broken_file_is_named_with_its_row_and_what_to_do(tmp_path: Path, name: str, text: str, where: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        check_files([wrote(tmp_path / name, text)])
    assert caught.value.where.endswith(where)
    assert caught.value.what.startswith(what)
    assert caught.value.next_step
    assert "who" not in str(caught.value)


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_bytes(b"who?\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"q\.txt, row 2: not UTF-8"):
        check_files([str(tmp_path / "q.txt")])
    for name in ("nowhere.txt", "nowhere.parquet", "."):
        with pytest.raises(SettingsError, match=r"filter\.decontaminate: no file"):
            check_files([str(tmp_path / name)])


# Train against dev and test


def anchor(name: str, question: str, split: str, origin: str = "llm") -> Anchor:
    return Anchor(
        content_id(name), question, content_id("chunk", name), content_id("copies", name), split, origin, measured=False
    )


def test_anchors_that_share_words_across_splits() -> None:
    first = anchor("test", numbers(0, 14), "test")
    rows = [
        first,
        anchor("thirteen", f"{numbers(1, 14)} other things are asked", "train"),
        anchor("twelve", f"{numbers(2, 14)} {numbers(30, 34)}", "dev"),
        anchor("same split", f"and {numbers(0, 14)} once more if anything", "test"),
    ]
    assert list(conflicts(rows, 0.99)) == [
        (rows[1], Reason.ANCHOR_IN_OTHER_SPLIT, f"like {first.question_id} in test: 13 words in a row")
    ]


def test_a_whole_short_anchor_in_a_longer_one_of_another_split() -> None:
    rows = [anchor("dev", numbers(0, 9), "dev"), anchor("train", f"say {numbers(0, 9)} or not at all", "train")]
    said = f"like {rows[0].question_id} in dev: all 9 words of the shorter one"
    assert list(conflicts(rows, 0.99)) == [(rows[1], Reason.ANCHOR_IN_OTHER_SPLIT, said)]
    assert list(conflicts(rows, 0.99, templates_of(f"{numbers(0, 9)} {n}" for n in range(11)))) == []


# Filter


def filtered(tables: Tables, *files: str) -> dict[str, tuple[Reason, str]]:
    found = tables.run(STAGE, Settings(filter=FilterSettings(decontaminate=files))).reasons()
    assert isinstance(found, dict)
    return found


def test_train_questions_that_match_a_query_fall_and_others_stay(tables: Tables, tmp_path: Path) -> None:
    ids = {}
    for name, split, text in (
        ("exact", "train", "Where do grey herons of the marshes nest?"),
        ("test", "test", "When do white storks leave Poland for Africa?"),
        ("other", "train", "What do young bitterns in the reeds eat?"),
    ):
        tables.chunk(name, f"{name} {numbers(0, 3)} in a passage of its own.", split=split)
        ids[name] = tables.question(name, text, name)
        tables.checks(name)
    file = wrote(tmp_path / "q.txt", "where do grey herons of the marshes nest\nwhen do white storks leave poland for africa\n")
    assert filtered(tables) == {}
    assert filtered(tables, file) == {ids["exact"]: (Reason.ANCHOR_IN_BENCHMARK, "exact: q.txt row 1")}


def test_a_label_does_not_lift_it_and_no_note_or_detail_holds_the_query(tables: Tables, tmp_path: Path) -> None:
    tables.chunk("one")
    key = tables.question("one", "Where do grey herons nest?", "one")
    tables.checks("one")
    (tmp_path / "labels.jsonl").write_text(json.dumps({"question_id": key, "label": "accept"}) + "\n")
    file = wrote(tmp_path / "q.txt", "where do GREY herons nest please\nwhere do grey herons nest\n")
    from curate.stage import Context

    notes: list[str] = []
    wanted = Settings(filter=FilterSettings(decontaminate=(file,)))
    context = Context(wanted, tables.reader(STAGE), None, lambda *_: None, notes.append, folder=str(tmp_path))  # type: ignore[arg-type]
    rejected = [one for batch in STAGE.produce(context) for one in batch.rejected]
    assert [(one.key, one.reason, one.detail) for one in rejected] == [(key, Reason.ANCHOR_IN_BENCHMARK, "exact: q.txt row 2")]
    assert notes == [
        "Kept apart from 2 queries and 0 passages of q.txt: 1 train question matched a query, 0 train pairs fell for the passage."
    ]


def test_train_pairs_whose_passage_matches_fall_with_the_other_parts_of_their_question(tables: Tables, tmp_path: Path) -> None:
    for name, split in (("a", "train"), ("b", "train"), ("c", "test")):
        tables.chunk(name, f"{name} {LONG}. And more." if name != "b" else f"b {numbers(0, 30)}", split=split, cluster=name)
    ids = {
        "part a": tables.question("part a", "What joins the two subjects of this pair?", "a", group_id="g"),
        "part b": tables.question("part b", "What joins the two subjects of this pair?", "b", group_id="g"),
        "b": tables.question("b", "Who counted the words of the list?", "b"),
        "c": tables.question("c", "What is asked of the herons there?", "c"),
    }
    for name in ids:
        tables.checks(name)
    file = wrote(tmp_path / "q.jsonl", "".join(json.dumps({"query": text}) + "\n" for text in ("storks", LONG)))
    assert filtered(tables, file) == {
        ids["part a"]: (Reason.PASSAGE_IN_BENCHMARK, "holds all of a query: q.jsonl row 2"),
        ids["part b"]: (Reason.QUESTION_PART_REJECTED, "group g"),
    }
    passages = wrote(tmp_path / "p.jsonl", json.dumps({"query": "storks", "passage": numbers(5, 25)}) + "\n")
    assert filtered(tables, passages) == {
        ids["part a"]: (Reason.QUESTION_PART_REJECTED, "group g"),
        ids["part b"]: (Reason.PASSAGE_IN_BENCHMARK, "13 words in a row: p.jsonl row 1"),
        ids["b"]: (Reason.PASSAGE_IN_BENCHMARK, "13 words in a row: p.jsonl row 1"),
    }

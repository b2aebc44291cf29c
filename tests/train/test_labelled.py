"""Labelled files: the layouts that are read, and faults that name file and row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.errors import InputError
from train.labelled import Labelled, read_labelled

SQUAD: dict[str, Any] = {
    "version": "v2.0",
    "data": [
        {
            "title": "Oil",
            "paragraphs": [
                {
                    "context": "It began in 1973.",
                    "qas": [
                        {"id": "1", "question": "When did it begin?", "is_impossible": False, "answers": []},
                        {"id": "2", "question": "When did it end?", "is_impossible": True, "answers": []},
                    ],
                }
            ],
        },
        {"title": "Gas", "paragraphs": [{"context": "Gas burns.", "qas": [{"id": "3", "question": "What burns?"}]}]},
    ],
}


def squad(folder: Path, **changes: Any) -> Path:
    path = folder / "dev-v2.json"
    path.write_text(json.dumps({**SQUAD, **changes}), encoding="utf-8")
    return path


def lines(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_official_file(tmp_path: Path) -> None:
    assert read_labelled(squad(tmp_path)) == [
        Labelled("When did it begin?", "It began in 1973.", 1, "Oil"),
        Labelled("When did it end?", "It began in 1973.", 0, "Oil"),
        Labelled("What burns?", "Gas burns.", 1, "Gas"),
    ]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_files_of_rows(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    frame = pl.DataFrame(
        {"question": ["a?", "b?"], "context": ["A.", "B."], "is_impossible": [False, True], "title": ["T", None]}
    )
    {"jsonl": frame.write_ndjson, "csv": frame.write_csv, "parquet": frame.write_parquet}[kind](path)
    assert read_labelled(path) == [Labelled("a?", "A.", 1, "T"), Labelled("b?", "B.", 0, "B.")]


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({"label": 1}, 1),
        ({"label": "0"}, 0),
        ({"answerable": "Yes"}, 1),
        ({"answerable": False}, 0),
        ({"is_impossible": 0}, 1),
        ({"is_impossible": True, "label": 1}, 0),
    ],
)
def test_labels(tmp_path: Path, columns: dict[str, Any], label: int) -> None:
    path = lines(tmp_path, {"query": "q?", "passage": "P.", "document": "D", **columns})
    assert read_labelled(path) == [Labelled("q?", "P.", label, "D")]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"question": "q?", "context": "P.", "label": "perhaps"}, "label 'perhaps' is neither yes nor no"),
        ({"question": "q?", "context": "P.", "label": 2}, "label '2' is neither yes nor no"),
        ({"question": "q?", "context": "P."}, "no 'label' (columns there: question, context)"),
        ({"question": "  ", "context": "P.", "label": 1}, "no 'question' (columns there: question, context, label)"),
        ({"question": "q?", "label": 1}, "no 'context' (columns there: question, label)"),
    ],
)
def test_faults_name_file_and_row(tmp_path: Path, row: dict[str, Any], what: str) -> None:
    path = lines(tmp_path, {"question": "q?", "context": "P.", "label": 1}, row)
    with pytest.raises(InputError) as caught:
        read_labelled(path)
    assert (caught.value.what, caught.value.where) == (what, "rows.jsonl line 2")


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"data": {}}, "dev-v2.json", "no list 'data'"),
        ({"data": ["x"]}, "dev-v2.json article 1", "not a JSON object"),
        ({"data": [{"paragraphs": []}]}, "dev-v2.json article 1", "no text 'title'"),
        ({"data": [{"title": "T", "paragraphs": [{"qas": []}]}]}, "dev-v2.json article 1 paragraph 1", "no text 'context'"),
        (
            {"data": [{"title": "T", "paragraphs": [{"context": "C", "qas": [{"question": "q", "is_impossible": "no"}]}]}]},
            "dev-v2.json article 1 paragraph 1 question 1",
            "is_impossible is neither true nor false",
        ),
    ],
)
def test_faults_of_the_official_layout(tmp_path: Path, changes: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        read_labelled(squad(tmp_path, **changes))
    assert (caught.value.where, caught.value.what) == (where, what)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    broken, empty = tmp_path / "broken.json", tmp_path / "empty.jsonl"
    broken.write_text('{"data": [')
    empty.write_text("\n")
    for path, what in (
        (tmp_path / "none.json", "no such file"),
        (tmp_path / "none.jsonl", "no such file"),
        (empty, "holds no rows"),
    ):
        with pytest.raises(InputError) as caught:
            read_labelled(path)
        assert caught.value.what == what
    with pytest.raises(InputError, match=r"broken\.json: cannot be read"):
        read_labelled(broken)

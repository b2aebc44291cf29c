"""The domain benchmark turns public sets into raw documents and questions, and its road works on a tiny one."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest


@pytest.fixture(scope="module")
def domain() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "domain.py"
    spec = importlib.util.spec_from_file_location("domain_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["domain_benchmark"] = module
    spec.loader.exec_module(module)
    return module


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_squad_articles_are_joined_and_offsets_move_along(domain: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "squad"
    folder.mkdir()
    paragraphs = {"title": ["B", "A", "A"], "para_id": ["b0", "a1", "a0"], "context": ["Beta.", "Second one.", "First."]}
    pl.DataFrame(paragraphs).write_parquet(folder / "v1_paragraphs.parquet")
    questions = {
        "id": ["q1", "q2", "q3"],
        "para_id": ["a1", "a0", "b0"],
        "question": ["Which?", "Where?", "No?"],
        "is_impossible": [False, False, True],
        "answer": ["one", "First", "x"],
        "answer_start": [7, 0, 0],
    }
    pl.DataFrame(questions).write_parquet(folder / "v1_questions.parquet")
    made = domain.prepare_squad(tmp_path, tmp_path / "out", 10)
    documents = {row["id"]: row["text"] for row in rows(made.documents / "articles.jsonl")}
    assert documents == {"A": "First.\n\nSecond one.", "B": "Beta."}
    asked = {row["question_id"]: row for row in rows(made.queries)}
    assert asked.keys() == {"q1", "q2"}
    assert asked["q1"] == {"question_id": "q1", "question": "Which?", "document": "A", "answer": "one", "answer_start": 15}
    assert documents["A"][15:18] == "one"
    first, second = (rows(domain.prepare_squad(tmp_path, tmp_path / "few", 1, skip).queries) for skip in (0, 1))
    assert (len(first), len(second), sorted(one["question_id"] for one in first + second)) == (1, 1, ["q1", "q2"])
    assert rows(domain.prepare_squad(tmp_path, tmp_path / "few", 1, 2).queries) == []


def test_cranfield_judgements_name_documents(domain: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "ir_cranfield"
    folder.mkdir()
    pl.DataFrame({"doc_id": ["7"], "title": ["T"], "text": ["Text."]}).write_parquet(folder / "corpus.parquet")
    pl.DataFrame({"query_id": ["1"], "orig_num": ["1"], "text": ["what?"]}).write_parquet(folder / "queries.parquet")
    pl.DataFrame({"query_id": ["1", "2"], "doc_id": ["7", "7"], "score": [2, 1]}).write_parquet(folder / "qrels.parquet")
    made = domain.prepare_cranfield(tmp_path, tmp_path / "out", 10)
    assert rows(made.documents / "abstracts.jsonl") == [{"id": "7", "title": "T", "text": "Text."}]
    assert rows(made.queries) == [{"_id": "1", "text": "what?"}]
    assert rows(made.qrels) == [{"query-id": "1", "corpus-id": "7", "score": 2}]


@pytest.mark.parametrize("seeds", ["0", "-1", "two"])
def test_some_training_must_be_asked_for(domain: ModuleType, seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        domain.main(["--data", "d", "--set", "squad", "--model", "m", "--seeds", seeds])
    assert f"argument --seeds: '{seeds}' is not a whole number of 1 or more" in capsys.readouterr().err

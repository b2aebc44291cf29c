"""The recipe `domain`: from a folder of documents to a verdict on held-out and on real questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from tests.pipelines.recipe_data import rated_rows
from tests.train.conftest import write_jsonl
from train.eval_set import read_eval_set

FAST = ("--max-steps", "3", "--device", "cpu", "--set", "learning_rate=0.01", "--set", "mine.negatives=2")


def recipe(*arguments: str | Path, expect: int = 0) -> str:
    done = CliRunner().invoke(main, ["recipe", *map(str, arguments)])
    assert done.exit_code == expect, done.output
    return done.stdout if expect == 0 else done.output


@pytest.fixture(scope="module")
def ran(corpus: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, Any]]:
    out = tmp_path_factory.mktemp("domain") / "out"
    words = ["domain", "--source", str(corpus), "--out", str(out), "--model", str(tiny_model), "--max-rows", "64", *FAST]
    return out, words, json.loads(recipe(*words, "--json"))


def test_the_whole_road(ran: Any) -> None:
    out, _, found = ran
    evaluation, verdict = found["details"]["evaluation"], found["details"]["verdict"]
    assert found["headline"] == verdict["headline"]
    assert verdict["outcome"] in ("NOT PROVEN", "DO NOT SHIP")
    assert any("these were all made from the passages" in text for text in found["notes"])
    assert "Give --general FILE for the forgetting check." in found["notes"]
    assert [system["name"] for system in evaluation["systems"]] == ["BM25", "base", "tuned", "hybrid"]
    assert evaluation["queries"] == len(read_eval_set(out / "build" / "dataset", "test").queries)
    scores = {system["name"]: system["metrics"]["ndcg@10"] for system in evaluation["systems"]}
    share = f"{scores['tuned'] / scores['base'] - 1:+.1%}" if scores["base"] else None
    assert [(figure["what"], figure["published"], figure["here"]) for figure in found["figures"]] == [
        ("ndcg@10, tuned over base", "5–15%", share),
        *((f"ndcg@10, {name}", None, score) for name, score in scores.items()),
        ("ndcg@10, tuned minus BM25", None, f"{scores['tuned'] - scores['BM25']:+.3f}"),
    ]
    record = json.loads((out / "models" / "tuned" / "training.json").read_text())
    assert (record["rows"], record["format"], record["loss"]) == (64, "pairs", "HybridDistillLoss")
    assert record["steps"] == record["best_step"] == 3
    assert (out / "build" / "report.json").is_file()


def test_your_own_questions_make_the_test_that_counts(ran: Any, tmp_path: Path) -> None:
    """The same folder again: nothing is built or trained, and the questions are the user's."""
    out, words, found = ran
    corpus = read_eval_set(out / "build" / "dataset", "test").corpus
    chosen = list(corpus)[:8]
    queries = [{"_id": f"u{number}", "text": " ".join(corpus[item].split()[:9])} for number, item in enumerate(chosen)]
    judged = [{"query-id": f"u{number}", "corpus-id": item, "score": 1} for number, item in enumerate(chosen)]
    rated = write_jsonl(tmp_path / "rated.jsonl", rated_rows())
    files = (
        "--general",
        rated,
        "--queries",
        write_jsonl(tmp_path / "queries.jsonl", queries),
        "--qrels",
        write_jsonl(tmp_path / "qrels.jsonl", judged),
    )
    before = {path: path.stat().st_mtime_ns for path in (*out.glob("models/tuned/*"), *out.glob("build/dataset/*/*"))}
    lines = recipe(*words, *files).splitlines()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    saved = json.loads((out / "recipe.json").read_text())
    assert lines[0] == saved["headline"]
    assert (saved["details"]["evaluation"]["queries"], saved["details"]["evaluation"]["real_queries"]) == (8, 8)
    assert "8 queries (user)" in "\n".join(lines)
    assert any("More real queries: there are 8, about 50 are needed" in line for line in lines)
    assert saved["details"]["evaluation"]["forgetting"]["pairs"] == 80
    assert not [text for text in saved["details"]["verdict"]["missing"] if "forgetting" in text]
    assert saved["details"]["training"] == found["details"]["training"]


def test_what_cannot_be_had_is_said_before_anything_is_built(tmp_path: Path, corpus: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "give --source FOLDER with your documents" in recipe("domain", *out, expect=3)
    assert "--qrels needs --queries" in recipe("domain", *out, "--source", corpus, "--qrels", tmp_path / "q.tsv", expect=2)
    assert "no such file" in recipe("domain", *out, "--source", corpus, "--queries", tmp_path / "q.jsonl", expect=3)
    assert not (tmp_path / "out").exists()

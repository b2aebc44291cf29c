"""`curate build --dry-run-llm`: every stage with made-up answers, in a folder of its own, without key or network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from curate.llm import AnswerStore
from pipelines.dry_run import dry_run, dry_run_folder, dry_run_settings
from pipelines.look import sql, why
from pipelines.runner import Build
from schemas.settings import load_settings
from tests.pipelines.conftest import run_curate

MODEL = ["--set", "llm.generator.model=gpt-4o-mini", "--set", "generate.extractive=false"]


@pytest.fixture(scope="session")
def few(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight of the texts."""
    folder = tmp_path_factory.mktemp("few") / "docs"
    folder.mkdir()
    for path in sorted(corpus.iterdir())[:8]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def rehearsed(few: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a dry run, and what it said."""
    home = tmp_path_factory.mktemp("rehearsed")
    return home, run_curate("build", few, *MODEL, "--dry-run-llm", cwd=home).stdout


def test_every_stage_gets_rows_and_the_real_folder_is_not_touched(rehearsed: tuple[Path, str]) -> None:
    home, _ = rehearsed
    assert [path.name for path in home.iterdir()] == ["curated-dry-run"]
    folder = home / "curated-dry-run"
    counts = sql(folder, "SELECT count(*) AS asked, count(DISTINCT chunk_id) AS chunks FROM questions")[0]
    kept = sql(folder, "SELECT count(*) AS kept FROM pairs")[0]["kept"]
    assert counts["asked"] >= counts["chunks"] > 8
    assert kept >= 0.9 * counts["asked"]
    assert (folder / "dataset" / "triplets" / "train.parquet").is_file()
    assert sql(folder, "SELECT DISTINCT origin, model FROM questions") == [{"origin": "llm", "model": "dry run of gpt-4o-mini"}]
    found = sql(
        folder, "SELECT evidence_found, question_form, context_bound IS NULL AS free, count(*) AS n FROM checks GROUP BY ALL"
    )
    assert max(found, key=lambda row: row["n"])["evidence_found"] is True
    assert all(row["evidence_found"] for row in found)


def test_it_ends_with_calls_and_tokens_and_says_that_questions_are_fabricated(rehearsed: tuple[Path, str]) -> None:
    home, out = rehearsed
    with AnswerStore(home / "curated-dry-run", read_only=True) as store:
        rows = store.rows("SELECT count(*), sum(prompt_estimate), sum(completion_estimate) FROM answers")
        assert store.rows("SELECT DISTINCT model, prompt_tokens, channel FROM answers") == [
            ("dry run of gpt-4o-mini", None, "live")
        ]
    calls, prompt, completion = rows[0]
    last = out.splitlines()[-1]
    assert last == (
        f"dry run: {calls:,} calls with about {prompt:,} prompt and {completion:,} answer tokens (estimated), answered on this "
        "machine; nothing was sent or paid. The questions are fabricated, so train nothing on them: curated-dry-run"
    )


def test_the_batch_provider_gives_the_same_rows(few: Path, rehearsed: tuple[Path, str], tmp_path: Path) -> None:
    done = run_curate(
        "build",
        few,
        *MODEL,
        "--set",
        "llm.generator.provider=batch",
        "--until",
        "generate",
        "--dry-run-llm",
        "--json",
        cwd=tmp_path,
    )
    folder = tmp_path / "curated-dry-run"
    query = "SELECT question_id, question, evidence FROM questions ORDER BY 1"
    assert sql(folder, query) == sql(rehearsed[0] / "curated-dry-run", query)
    with AnswerStore(folder, read_only=True) as store:
        assert store.rows("SELECT DISTINCT channel FROM answers") == [("batch",)]
        assert store.rows("SELECT DISTINCT state FROM batches") == [("completed",)]
    json.loads(done.stdout)
    assert done.stderr.splitlines()[-1].startswith("dry run: ")


def test_a_second_dry_run_asks_nothing_again(few: Path, rehearsed: tuple[Path, str], tmp_path: Path) -> None:
    home, out = rehearsed
    shutil.copytree(home / "curated-dry-run", tmp_path / "curated-dry-run")
    again = run_curate("build", few, *MODEL, "--dry-run-llm", "--until", "generate", cwd=tmp_path)
    assert "LLM: 0 calls made" in again.stderr or "generate: unchanged" in again.stderr
    assert again.stdout.splitlines()[-1] == out.splitlines()[-1]


def test_a_dry_run_judges_too_mostly_yes(few: Path, tmp_path: Path) -> None:
    done = run_curate("build", few, *MODEL, "--set", "llm.judge.model=gpt-4o", "--until", "filter", "--dry-run-llm", cwd=tmp_path)
    folder = tmp_path / "curated-dry-run"
    states = {row["judge"]: row["n"] for row in sql(folder, "SELECT judge, count(*) AS n FROM checks GROUP BY 1")}
    assert states.keys() <= {"yes", "no", None}
    assert states["yes"] > 2 * states.get("no", 0)
    kept = sql(
        folder,
        "SELECT DISTINCT judge FROM pairs JOIN checks USING (question_id) WHERE origin = 'llm'",
    )
    assert kept == [{"judge": "yes"}]
    assert f"Judge: {states['yes'] + states.get('no', 0)} calls made, 0 answers from the store." in done.stderr
    with AnswerStore(folder, read_only=True) as store:
        models = store.rows("SELECT DISTINCT role, stage, model FROM answers ORDER BY 1")
    assert [row[:2] for row in models] == [("generator", "generate"), ("judge", "verify")]
    assert models[1][2] == "dry run of gpt-4o"
    assert "lenient with its own questions" not in done.stderr


def test_settings_of_a_dry_run_keep_what_shapes_it_and_change_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    sets = ["llm.generator.provider=transformers", "llm.generator.model=some/folder", "llm.max_calls=7", "llm.judge.model=gpt-4o"]
    settings = load_settings(None, [*sets, "llm.judge.provider=batch", "llm.generator.temperature=0.1"])
    made = dry_run_settings(settings, "http://127.0.0.1:1/v1").llm
    generator, judge = made.generator, made.judge
    assert (generator.provider, generator.model, generator.alias) == ("endpoint", "dry run of some/folder", "dry run")
    assert (generator.temperature, made.max_calls, generator.base_url) == (0.1, 7, "http://127.0.0.1:1/v1")
    assert (judge.provider, judge.model) == ("batch", "dry run of gpt-4o")
    assert (made.prices["dry run of gpt-4o"].prompt, made.prices["dry run of some/folder"].prompt) == (2.5, 0.0)
    unnamed = dry_run_settings(load_settings(None, ["llm.budget=1"]), "http://127.0.0.1:1/v1").llm
    assert (unnamed.generator.model, unnamed.judge.model, unnamed.budget) == ("dry run", None, None)


def test_the_folder_stands_beside_the_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dry_run_folder(Path("a/b")) == Path("a/b-dry-run")
    monkeypatch.chdir(tmp_path)
    assert dry_run_folder(Path()) == tmp_path.with_name(f"{tmp_path.name}-dry-run")


@pytest.mark.parametrize("before", [None, "example.org"])
def test_the_environment_is_left_as_it_was(before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if before is None:
        monkeypatch.delenv("NO_PROXY", raising=False)
    else:
        monkeypatch.setenv("NO_PROXY", before)
    with dry_run(Build(("x",), tmp_path / "out", load_settings(None, []))) as build:
        assert os.environ["NO_PROXY"].split(",")[-1] == "127.0.0.1"
        assert build.folder == tmp_path / "out-dry-run"
    assert os.environ.get("NO_PROXY") == before


def test_questions_of_several_chunks_come_through_a_dry_run_and_why_tells_of_both_rows(few: Path, tmp_path: Path) -> None:
    run_curate("build", few, *MODEL, "--set", "generate.weights.multi_chunk=9", "--dry-run-llm", cwd=tmp_path)
    folder = tmp_path / "curated-dry-run"
    kept = sql(
        folder,
        "SELECT group_id, count(*) AS n FROM pairs JOIN questions USING (question_id) WHERE group_id IS NOT NULL GROUP BY 1",
    )
    made = sql(folder, "SELECT count(DISTINCT group_id) AS n FROM questions")[0]["n"]
    assert {row["n"] for row in kept} == {2}
    assert 2 * len(kept) > made
    story = [row for row in why(folder, kept[0]["group_id"]) if row["table"] == "questions"]
    assert [row["group_id"] for row in story] == [kept[0]["group_id"]] * 2

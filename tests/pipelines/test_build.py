"""The whole road on a small real corpus: what comes out, that it comes out the same, and that nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from pipelines.flow import STAGE_NAMES
from pipelines.look import rejects, show, sql, status, why
from schemas.errors import SettingsError, StoreError
from schemas.manifest import read_manifest
from tests.pipelines.conftest import ROOT, folder_bytes, run_curate


@pytest.fixture(scope="session")
def built(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build; tests only look."""
    home = tmp_path_factory.mktemp("built")
    run_curate("build", corpus, cwd=home)
    return home / "curated"


def test_it_gives_triplets_in_train_and_test(built: Path) -> None:
    for split in ("train", "test"):
        rows = pl.read_parquet(built / "dataset" / "triplets" / f"{split}.parquet")
        assert rows.columns == ["anchor", "positive", "negative_1"]
        assert rows.height > 0
        assert not rows.filter(pl.col("positive") == pl.col("negative_1")).height


def test_every_file_is_in_the_manifest_and_holds_its_hash(built: Path) -> None:
    manifest = read_manifest(built / "dataset")
    on_disk = set(folder_bytes(built / "dataset")) - {"manifest.json"}
    assert set(manifest.files) == on_disk


def test_no_document_crosses_from_train_to_test(built: Path) -> None:
    crossing = sql(
        built,
        "SELECT c.document_id FROM pairs JOIN chunks c USING (chunk_id) JOIN splits s ON s.document_id = c.document_id "
        "WHERE s.method = 'clusters' GROUP BY 1 HAVING count(DISTINCT pairs.split) > 1",
    )
    assert crossing == []


def test_every_question_is_a_pair_or_rejected_with_a_reason(built: Path) -> None:
    lost = sql(
        built,
        "SELECT question_id FROM questions WHERE question_id NOT IN (SELECT question_id FROM pairs) "
        "AND question_id NOT IN (SELECT row_key FROM rejected WHERE stage = 'filter')",
    )
    assert lost == []


def test_a_second_run_finds_everything_unchanged(corpus: Path, built: Path) -> None:
    before = folder_bytes(built / "dataset")
    done = run_curate("build", corpus, cwd=built.parent)
    assert [line for line in done.stderr.splitlines() if line.endswith(": unchanged")] == [
        f"{name}: unchanged" for name in STAGE_NAMES
    ]
    assert folder_bytes(built / "dataset") == before


def test_the_same_bytes_from_another_folder_order_hash_seed_and_workers(corpus: Path, built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for path in sorted(corpus.iterdir(), reverse=True):
        shutil.copy(path, copy)
    run_curate("build", copy, "--out", tmp_path / "b", "--workers", "2", cwd=tmp_path, seed="4711")
    assert folder_bytes(tmp_path / "b" / "dataset") == folder_bytes(built / "dataset")


def test_filter_settings_run_only_filter_and_what_follows(corpus: Path, built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "curated")
    done = run_curate("plan", corpus, "--set", "filter.min_question_words=5", "--json", cwd=tmp_path)
    planned = {row["stage"]: row["reasons"] for row in json.loads(done.stdout)["stages"]}
    assert planned["filter"] == ["filter.min_question_words 3 → 5"]
    assert [name for name, reasons in planned.items() if not reasons] == list(STAGE_NAMES[: STAGE_NAMES.index("filter")])
    done = run_curate("build", corpus, "--set", "filter.min_question_words=5", cwd=tmp_path)
    unchanged = [line.removesuffix(": unchanged") for line in done.stderr.splitlines() if line.endswith(": unchanged")]
    assert unchanged == list(STAGE_NAMES[: STAGE_NAMES.index("filter")])


def test_adding_a_file_moves_nothing(corpus: Path, built: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "docs")
    (tmp_path / "docs" / "zebra.md").write_text("# Zebras\n\n" + "Zebras graze on the savannah and flee from lions at dusk. " * 8)
    run_curate("build", "docs", "--until", "split", cwd=tmp_path)
    query = "SELECT document_id, s.start, s.split FROM splits s JOIN documents USING (document_id) WHERE source <> 'zebra.md' ORDER BY ALL"
    assert sql(tmp_path / "curated", query) == sql(built, query)


EVERY_TIME = ("ingest", "generate", "export")


@pytest.mark.parametrize(
    "stage", [name if name in EVERY_TIME else pytest.param(name, marks=pytest.mark.slow) for name in STAGE_NAMES]
)
def test_kill_during_any_stage_then_the_same_command_gives_the_same_bytes(
    corpus: Path, built: Path, tmp_path: Path, stage: str
) -> None:
    """The process is killed with SIGKILL right after the stage's first batch is in its open transaction."""
    code = (
        "import os, signal, sys\n"
        "from pipelines.routing import Routing\n"
        "take = Routing.take\n"
        "def killed(self, batch):\n"
        "    take(self, batch)\n"
        f"    if self.stage.name == {stage!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Routing.take = killed\n"
        "from pipelines.cli import main\n"
        "main(['build', sys.argv[1]])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(corpus)], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    run_curate("build", corpus, cwd=tmp_path)
    assert folder_bytes(tmp_path / "curated" / "dataset") == folder_bytes(built / "dataset")


def test_ctrl_c_exits_with_130_and_the_next_run_goes_on(corpus: Path, built: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipelines.cli", "build", str(corpus)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("chunk:"):
                time.sleep(0.05)
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "run the same command again" in rest
    assert "Traceback" not in rest
    run_curate("build", corpus, cwd=tmp_path)
    assert folder_bytes(tmp_path / "curated" / "dataset") == folder_bytes(built / "dataset")


def test_a_deleted_dataset_is_exported_again(corpus: Path, built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "curated")
    shutil.rmtree(tmp_path / "curated" / "dataset")
    done = run_curate("build", corpus, cwd=tmp_path)
    assert "export: dataset folder missing or changed" in done.stderr
    assert folder_bytes(tmp_path / "curated" / "dataset") == folder_bytes(built / "dataset")


def test_without_a_language_model_it_says_so_in_one_line(built: Path) -> None:
    notes = [note for row in status(built) for note in row["notes"] if "language model" in note]
    assert notes == ["No language model configured (llm.generator.model): questions are extractive only."]


def test_why_tells_the_story_of_a_kept_pair_from_its_document_to_its_negatives(built: Path) -> None:
    pair = show(built, "pairs", 1)[0]
    tables = [row["table"] for row in why(built, pair["pair_id"])]
    assert [name for i, name in enumerate(tables) if name not in tables[:i]] == [
        "documents", "document_clusters", "splits", "chunks", "chunk_clusters", "questions", "checks", "gates", "pairs", "negatives",
    ]  # fmt: skip


def test_why_shows_each_gates_score_threshold_and_verdict(built: Path) -> None:
    rejected = next(row for row in rejects(built, stage="filter") if row["reason"] == "question_not_self_contained")
    gates = {row["gate"]: row for row in why(built, rejected["row_key"]) if row["table"] == "gates"}
    assert list(gates)[:4] == ["chunk_rejected", "chunk_in_split_gap", "chunk_copy_in_other_split", "question_too_short"]
    assert (gates["question_too_short"]["verdict"], gates["question_too_short"]["threshold"]) == ("passes", 3)
    failed = gates["question_not_self_contained"]
    assert (failed["verdict"], f'"{failed["score"]}"') == ("fails", rejected["detail"])


def test_why_tells_where_a_question_was_rejected(built: Path) -> None:
    row = rejects(built, stage="filter")[0]
    story = why(built, row["row_key"])
    assert [entry["reason"] for entry in story if entry["table"] == "rejected"] == [row["reason"]]
    assert "pairs" not in {entry["table"] for entry in story}


def test_why_by_file_name(built: Path) -> None:
    assert {"documents", "chunks"} <= {row["table"] for row in why(built, "assert.txt")}
    with pytest.raises(StoreError, match="nothing here is named 'no-such'"):
        why(built, "no-such")


@pytest.mark.parametrize("beginning", ["", "1", "abcde"])
def test_why_takes_no_short_beginning_for_an_id(built: Path, beginning: str) -> None:
    with pytest.raises(StoreError, match="nothing here is named"):
        why(built, beginning)


def test_looking_never_writes_and_names_what_there_is(built: Path) -> None:
    with pytest.raises(SettingsError, match="no table 'pair'"):
        show(built, "pair")
    for statement in (
        "DROP TABLE pairs",
        "CREATE TABLE x AS SELECT 1",
        "COPY pairs TO 'x.csv'",
        "ATTACH 'y.db'",
        "SELECT 1; SELECT 2",
    ):
        with pytest.raises(SettingsError):
            sql(built, statement)


@pytest.mark.parametrize(
    "command", [["status"], ["show", "pairs"], ["rejects"], ["why", "assert.txt"], ["sql", "SELECT 1 AS one"]]
)
def test_json_on_every_look(built: Path, command: list[str]) -> None:
    name, *rest = command
    done = run_curate(name, built, *rest, "--json", cwd=built.parent)
    assert isinstance(json.loads(done.stdout), list)


def test_the_report_has_the_numbers(built: Path) -> None:
    report = json.loads((built / "report.json").read_text())
    assert [row["stage"] for row in report["stages"]] == list(STAGE_NAMES)
    assert report["dataset"] == read_manifest(built / "dataset").counts
    assert [audit for audit in report["audits"] if audit["broken"]] == []
    assert report["settings"]["chunk"]["max_tokens"] == 256


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "nowhere"], 3, "nowhere"),
        (["build", ".", "--set", "chunk.max_token=5"], 2, "chunk.max_token: no such setting"),
        (["build", ".", "--until", "chunks"], 2, "no stage 'chunks'"),
        (["build", ".", "--config", "missing.toml"], 2, "missing.toml"),
        (["status", "nowhere"], 4, "no build here"),
        (["build"], 2, "Missing argument"),
    ],
)
def test_mistakes_have_a_clear_message_and_their_exit_code(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    done = run_curate(*arguments, cwd=tmp_path, expect=code)
    assert message in done.stderr

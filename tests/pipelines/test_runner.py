"""The runner's promises, on three small stages: skip, early cut-off, conservation, all or nothing, reasons of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from curate.stage import Batch, Context, Rejection, Stage, content_id
from curate.store import open_store
from pipelines import routing, runner
from pipelines.runner import Build, StageResult, plan, run_build
from schemas.errors import ContractError, SettingsError
from schemas.reasons import Reason
from schemas.settings import load_settings


def document(text: str) -> dict[str, Any]:
    blocks = [{"kind": "paragraph", "level": 0, "start": 0, "end": len(text)}]
    identity = {"document_id": content_id(text), "source": f"{text}.txt", "title": "", "text": text}
    return {**identity, "blocks": blocks, "format": "text", "language": "en", "as_is": False}


def cluster(row: dict[str, Any]) -> dict[str, Any]:
    key = row["document_id"]
    return {"document_id": key, "cluster_id": key, "representative": True, "duplicate": "none", "similarity": 1.0}


@dataclass
class World:
    """What the fake stages produce, and how often each ran."""

    texts: list[str] = field(default_factory=lambda: ["a", "b"])
    digest: str = "1"
    fault: str = ""
    owed: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def ingest(self, context: Context) -> Iterator[Batch]:
        self.ran.append("ingest")
        rejected = [Rejection("bad.bin", Reason.FILE_BINARY, "12 NULs")] if "bad" in self.texts else []
        yield Batch("documents", [document(text) for text in self.texts if text != "bad"], rejected)

    def deduplicate(self, context: Context) -> Iterator[Batch]:
        self.ran.append("deduplicate")
        for batch in context.reader.batches("documents", columns=["document_id"]):
            rows = [cluster(row) for row in batch.to_dicts()]
            if self.fault == "lost":
                rows = rows[1:]
            if self.fault == "twice":
                yield Batch("document_clusters", rows[:1])
            if self.fault == "shape":
                rows[0]["similarity"] = 7.0
            yield Batch("document_clusters", rows)
            if self.fault == "crash":
                raise RuntimeError("crash")

    def split(self, context: Context) -> Iterator[Batch]:
        self.ran.append("split")
        context.owed.extend(self.owed)
        ids = [row["document_id"] for batch in context.reader.batches("document_clusters") for row in batch.to_dicts()]
        rows = [{"document_id": i, "start": 0, "end": 1, "cluster_id": i, "split": "train", "method": "clusters"} for i in ids]
        yield Batch("splits", rows)

    def flow(self) -> tuple[Stage, ...]:
        return (
            Stage("ingest", (), ("documents", "imported_pairs"), self.ingest, settings=("ingest",)),
            Stage(
                "deduplicate", ("documents",), ("document_clusters",), self.deduplicate, ("deduplicate",), conserves="documents"
            ),
            Stage(
                "split",
                ("document_clusters",),
                ("splits",),
                self.split,
                settings=("split", "seed"),
                folder_files=("labels.jsonl",),
            ),
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(runner, "load_flow", made.flow)
    monkeypatch.setattr(runner, "source_digest", lambda *_: made.digest)
    return made


@pytest.fixture
def build(tmp_path: Path, world: World) -> Build:
    return Build(("docs",), tmp_path / "build", load_settings())


def reasons(results: list[StageResult]) -> dict[str, list[str]]:
    return {result.name: list(result.reasons) for result in results}


def test_a_second_run_changes_nothing(world: World, build: Build) -> None:
    assert reasons(run_build(build)) == {name: ["never built"] for name in ("ingest", "deduplicate", "split")}
    assert reasons(run_build(build)) == {"ingest": [], "deduplicate": [], "split": []}
    assert world.ran == ["ingest", "deduplicate", "split"]


def test_new_input_runs_what_follows(world: World, build: Build) -> None:
    run_build(build)
    world.texts, world.digest = ["a", "b", "c"], "2"
    assert reasons(run_build(build)) == {
        "ingest": ["source files changed"],
        "deduplicate": ["documents changed"],
        "split": ["document_clusters changed"],
    }


def test_equal_rows_cut_the_rest_off(world: World, build: Build) -> None:
    run_build(build)
    world.digest = "2"
    assert reasons(run_build(build)) == {"ingest": ["source files changed"], "deduplicate": [], "split": []}


def test_a_setting_runs_its_stage_and_says_which(world: World, build: Build) -> None:
    run_build(build)
    changed = replace(build, settings=load_settings(None, ["deduplicate.threshold=0.9", "mine.negatives=3"]))
    assert plan(changed) == [
        ("ingest", ()),
        ("deduplicate", ("deduplicate.threshold 0.8 → 0.9",)),
        ("split", ("depends on deduplicate",)),
    ]
    assert world.ran == ["ingest", "deduplicate", "split"]
    assert reasons(run_build(changed)) == {"ingest": [], "deduplicate": ["deduplicate.threshold 0.8 → 0.9"], "split": []}


def test_a_changed_file_of_the_folder_runs_the_stage_that_reads_it(world: World, build: Build) -> None:
    run_build(build)
    (build.folder / "labels.jsonl").write_text("one\n")
    changed = {"ingest": [], "deduplicate": [], "split": ["labels.jsonl changed"]}
    assert {name: list(why) for name, why in plan(build)} == changed
    assert reasons(run_build(build)) == changed
    assert reasons(run_build(build)) == {"ingest": [], "deduplicate": [], "split": []}
    (build.folder / "labels.jsonl").unlink()
    assert reasons(run_build(build)) == changed


def test_a_plan_of_nothing_writes_nothing(world: World, build: Build) -> None:
    assert plan(build) == [(name, ("never built",)) for name in ("ingest", "deduplicate", "split")]
    assert not build.folder.exists()


def test_until_and_force(world: World, build: Build) -> None:
    assert reasons(run_build(replace(build, until="deduplicate"))) == {"ingest": ["never built"], "deduplicate": ["never built"]}
    assert reasons(run_build(replace(build, force=("deduplicate",)))) == {
        "ingest": [],
        "deduplicate": ["forced"],
        "split": ["never built"],
    }
    with pytest.raises(SettingsError, match="no stage 'dedup'"):
        run_build(replace(build, until="dedup"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("lost", "2 rows of documents went in, 1 came out"),
        ("twice", "document_clusters has repeated keys"),
        ("shape", "similarity in_range"),
    ],
)
def test_a_stage_that_breaks_its_contract_leaves_the_old_rows(
    world: World, build: Build, fault: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "ROWS_AT_A_TIME", 1)
    run_build(build)
    world.fault = fault
    with pytest.raises(ContractError, match=message):
        run_build(replace(build, force=("deduplicate",)))
    with open_store(build.folder, read_only=True) as store:
        assert store.count("document_clusters") == 2
    world.fault = ""
    assert reasons(run_build(build)) == {"ingest": [], "deduplicate": [], "split": []}


def test_a_crash_rolls_back_and_the_next_run_goes_on(world: World, build: Build) -> None:
    world.fault = "crash"
    with pytest.raises(RuntimeError):
        run_build(build)
    with open_store(build.folder, read_only=True) as store:
        assert "document_clusters" not in store.tables()
    world.fault = ""
    assert reasons(run_build(build)) == {"ingest": [], "deduplicate": ["never built"], "split": ["never built"]}
    assert world.ran.count("ingest") == 1


def test_rejects_are_kept_with_their_reason_and_replaced_by_the_next_run(world: World, build: Build) -> None:
    world.texts = ["a", "bad"]
    results = run_build(build)
    assert results[0].entry.rejected == {"file_binary": 1}
    sql = "SELECT stage, row_key, state, reason, detail FROM rejected"
    with open_store(build.folder, read_only=True) as store:
        assert store.rows(sql) == [
            {"stage": "ingest", "row_key": "bad.bin", "state": "rejected", "reason": "file_binary", "detail": "12 NULs"}
        ]
    world.texts, world.digest = ["a"], "2"
    run_build(build)
    with open_store(build.folder, read_only=True) as store:
        assert store.rows(sql) == []


def test_answers_owed_run_the_stage_again(world: World, build: Build) -> None:
    world.owed = ["x", "y"]
    run_build(build)
    world.owed = []
    assert reasons(run_build(build))["split"] == ["2 answers still owed"]
    assert reasons(run_build(build))["split"] == []


def test_the_ledger_counts(world: World, build: Build) -> None:
    entry = run_build(build)[1].entry
    assert (entry.rows_in, entry.kept, entry.rejected, entry.quarantined) == ({"documents": 2}, {"document_clusters": 2}, {}, {})


def test_moved_splits_are_counted(world: World, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    run_build(build)
    original = World.split

    def moved(self: World, context: Context) -> Iterator[Batch]:
        for batch in original(self, context):
            yield Batch(batch.table, [{**row, "split": "test"} for row in batch.rows])

    monkeypatch.setattr(World, "split", moved)
    notes = run_build(replace(build, force=("split",)))[2].entry.notes
    assert notes == ("2 documents changed their split since the last build: compare scores within one build only.",)


def test_a_missing_file_of_queries_is_named_before_any_stage_runs(world: World, build: Build) -> None:
    settings = load_settings(None, ["generate.examples=nowhere.txt"])
    with pytest.raises(SettingsError, match=r"cannot read nowhere\.txt"):
        run_build(replace(build, settings=settings))
    assert not (build.folder / "curate.duckdb").exists()

"""Runs the flow: skips what is unchanged, and turns each stage's batches into tables, all or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from curate.export import dataset_is_intact
from curate.filter.decontaminate.files import check_files
from curate.generate.brief import brief_of
from curate.ingest import source_digest
from curate.stage import Context, Stage
from curate.store import Store, open_store
from curate.text import counted
from curate.validate import failed
from curate.verify.judge_prompt import judge_brief
from curate.verify.models import check_gate_models
from pipelines.engine import ProcessEngine
from pipelines.fingerprint import Fingerprint, differences, fingerprint
from pipelines.flow import STAGE_NAMES, load_flow
from pipelines.ledger import Entry, prepare, read_ledger, write_entry
from pipelines.moves import count_moves
from pipelines.routing import Routing
from schemas.errors import AuditError, SettingsError
from schemas.settings import Settings
from schemas.tables import KEYS

SOURCES = "source files"


class Listener(Protocol):
    """Hears of a build's progress; the console is one."""

    def stage_started(self, name: str, reasons: Sequence[str]) -> None:
        """A stage begins to run, for these reasons."""

    def progress(self, done: int, total: int | None) -> None:
        """Rows done of rows in all."""

    def stage_ended(self, result: StageResult) -> None:
        """A stage ran or was found unchanged."""


class Silent:
    """A listener that says nothing."""

    def stage_started(self, name: str, reasons: Sequence[str]) -> None:
        """Nothing."""

    def progress(self, done: int, total: int | None) -> None:
        """Nothing."""

    def stage_ended(self, result: StageResult) -> None:
        """Nothing."""


@dataclass(frozen=True)
class StageResult:
    """What became of one stage; `reasons` is empty when it was unchanged."""

    name: str
    reasons: tuple[str, ...]
    entry: Entry


@dataclass(frozen=True)
class Build:
    """What to build, where and how far."""

    sources: tuple[str, ...]
    folder: Path
    settings: Settings
    until: str | None = None
    force: tuple[str, ...] = ()
    workers: int = 1

    def stages(self) -> tuple[Stage, ...]:
        """The stages to go through. Raises SettingsError on an unknown name."""
        for name in (*self.force, *([self.until] if self.until else [])):
            if name not in STAGE_NAMES:
                raise SettingsError(f"no stage {name!r}", next_step=f"one of {', '.join(STAGE_NAMES)}")
        flow = load_flow()
        return flow if self.until is None else flow[: STAGE_NAMES.index(self.until) + 1]


@dataclass(frozen=True)
class Session:
    """What all stages of one run share."""

    build: Build
    store: Store
    engine: ProcessEngine
    hears: Listener


def run_build(build: Build, listener: Listener | None = None) -> list[StageResult]:
    """Run every stage whose fingerprint changed; each is committed before the next begins.

    Raises AuditError after everything is written when an audit fails and `validate.fail` is on.
    """
    hears = listener or Silent()
    stages = build.stages()
    # A missing file of prompts or queries must not come out after an hour of reading documents.
    brief_of(build.settings)
    judge_brief(build.settings)
    check_gate_models(build.settings.verify)
    check_files(build.settings.filter.decontaminate)
    digest = source_digest(build.sources, build.settings.ingest)
    with open_store(build.folder) as store, ProcessEngine(build.workers) as engine:
        prepare(store)
        return list(run_stages(Session(build, store, engine, hears), stages, read_ledger(store), digest))


def run_stages(session: Session, stages: Sequence[Stage], ledger: dict[str, Entry], digest: str = "") -> Iterator[StageResult]:
    """Run each stage that is not as the ledger has it, and bring the ledger up to date. `digest` stands for the sources. Raises as `run_build`."""
    build = session.build
    for stage in stages:
        parts = fingerprint(stage, build.settings, inputs_of(stage, ledger, digest), build.folder)
        old = ledger.get(stage.name)
        reasons = why(stage, build, old, parts)
        if reasons or old is None:
            session.hears.stage_started(stage.name, reasons)
            ledger[stage.name] = run_stage(session, stage, parts)
        result = StageResult(stage.name, tuple(reasons), ledger[stage.name])
        session.hears.stage_ended(result)
        yield result
        if stage.name == "validate" and build.settings.validate_.fail:
            _raise_failed_audits(session.store, build.folder)


def plan(build: Build) -> list[tuple[str, tuple[str, ...]]]:
    """(stage, why it would run) in order, without running anything; no reasons means unchanged.

    Stages after one that runs are named "depends on X": they are skipped after all if X's rows come out the same.
    """
    stages = build.stages()
    digest = source_digest(build.sources, build.settings.ingest)
    ledger: dict[str, Entry] = {}
    if (build.folder / "curate.duckdb").is_file():
        with open_store(build.folder, read_only=True) as store:
            ledger = read_ledger(store)
    planned: list[tuple[str, tuple[str, ...]]] = []
    pending: dict[str, str] = {}
    for stage in stages:
        old = ledger.get(stage.name)
        upstream = sorted({pending[table] for table in stage.reads if table in pending}, key=STAGE_NAMES.index)
        if old is None:
            reasons = ["never built"]
        else:
            known = {k: v for k, v in inputs_of(stage, ledger, digest).items() if k not in pending}
            parts = fingerprint(stage, build.settings, {**old.fingerprint.inputs, **known}, build.folder)
            reasons = why(stage, build, old, parts)
            if not reasons and upstream:
                reasons = [f"depends on {', '.join(upstream)}"]
        if reasons:
            pending |= dict.fromkeys(stage.writes, stage.name)
        planned.append((stage.name, tuple(reasons)))
    return planned


def why(stage: Stage, build: Build, old: Entry | None, new: Fingerprint) -> list[str]:
    """Why the stage must run; empty when its last run still stands."""
    if old is None:
        return ["never built"]
    reasons = differences(old.fingerprint, new)
    if stage.name in build.force:
        reasons.append("forced")
    if old.owed:
        reasons.append(f"{counted(old.owed, 'answer')} still owed")
    if stage.name == "export" and not dataset_is_intact(build.folder):
        reasons.append("dataset folder missing or changed")
    return reasons


def run_stage(session: Session, stage: Stage, parts: Fingerprint) -> Entry:
    """Run one stage in one transaction and write its ledger row last. Any exception leaves the old tables whole."""
    started = time.monotonic()
    notes: list[str] = []
    store = session.store
    context = _context(session, stage, notes.append)
    routing = Routing(store, stage)
    rows_in = {table: context.reader.count(table) for table in stage.reads if table in KEYS}
    with store.transaction():
        before = "old_splits" if stage.name == "split" and "splits" in store.tables() else None
        if before:
            store.execute("CREATE OR REPLACE TEMP TABLE old_splits AS SELECT * FROM splits")
        for table in stage.writes:
            store.create(table)
        store.execute("DELETE FROM rejected WHERE stage = $stage", {"stage": stage.name})
        for batch in stage.produce(context):
            routing.take(batch)
        routing.finish(rows_in)
        if before:
            notes += count_moves(store)
        entry = Entry(
            stage=stage.name,
            fingerprint=parts,
            outputs={table: store.content_hash(table) for table in stage.writes} | _rejected_hash(store, stage.name),
            rows_in=rows_in,
            kept={table: routing.kept[table] for table in stage.writes},
            rejected=dict(sorted(routing.reasons["rejected"].items())),
            quarantined=dict(sorted(routing.reasons["quarantined"].items())),
            notes=tuple(notes),
            owed=len(context.owed),
            seconds=round(time.monotonic() - started, 3),
        )
        write_entry(store, entry)
    return entry


def _context(session: Session, stage: Stage, note: Callable[[str], None]) -> Context:
    return Context(
        settings=session.build.settings,
        reader=session.store.reader(stage.reads),
        engine=session.engine,
        progress=session.hears.progress,
        note=note,
        sources=session.build.sources if not stage.reads else (),
        folder=str(session.build.folder),
    )


def inputs_of(stage: Stage, ledger: Mapping[str, Entry], digest: str) -> dict[str, str]:
    """Content hash of each input table, from the ledger of the stage that wrote it."""
    if not stage.reads:
        return {SOURCES: digest}
    known = {table: value for entry in ledger.values() for table, value in entry.outputs.items()}
    if "rejected" in stage.reads:
        known["rejected"] = " ".join(
            known.get(f"rejected by {name}", "") for name in STAGE_NAMES[: STAGE_NAMES.index(stage.name)]
        )
    return {table: known.get(table, "") for table in stage.reads}


def _rejected_hash(store: Store, stage: str) -> dict[str, str]:
    sql = "SELECT count(*) AS n, bit_xor(md5_number(CAST(to_json(r) AS VARCHAR))) AS h FROM rejected AS r WHERE stage = $stage"
    row = store.rows(sql, {"stage": stage})[0]
    return {f"rejected by {stage}": f"{row['n']}:{row['h']}"}


def _raise_failed_audits(store: Store, folder: Path) -> None:
    broken = failed(store.rows("SELECT * FROM audit_results ORDER BY claim"))
    if broken:
        text = "; ".join(
            f"{row['claim']}: {counted(row['broken'], 'row')}, for example {', '.join(row['examples'])}" for row in broken
        )
        see = (
            f"`curate why {folder} {broken[0]['examples'][0]}` shows such a row, `curate show {folder} audit_results` every claim"
        )
        raise AuditError(text, where="stage validate", next_step=f"{see}; no dataset was exported")

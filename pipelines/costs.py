"""`curate plan`: which stages would run and why, and what the language models would cost, before anything is spent."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curate.store import DATABASE_NAME, open_store
from pipelines.estimate import ROLES, Asking, Estimate, estimates, nothing_asked
from pipelines.flow import STAGE_NAMES
from pipelines.runner import Build, Listener, Silent, plan, run_build

FREE = STAGE_NAMES[: STAGE_NAMES.index("chunk") + 1]
"""Stages that ask no model and make the chunks that later ones ask about."""
Planned = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Plan:
    """Stages with the reasons to run them, what is known of the corpus, what each asking stage costs, and remarks."""

    stages: tuple[tuple[str, tuple[str, ...]], ...]
    documents: int | None = None
    chunks: int | None = None
    estimates: tuple[Estimate, ...] = ()
    notes: tuple[str, ...] = ()


def plan_with_costs(build: Build, *, count: bool = True, listener: Listener | None = None) -> Plan:
    """What a build would do and cost. Asks no model and changes no build.

    Exact numbers of calls need the chunks. Where they are not there or out of date, the free stages are run: in the build folder itself
    when nothing was built there yet, so that a build need not repeat them, else in a temporary copy. `count=False` leaves that out.
    """
    hears = listener or Silent()
    planned = plan(build)
    reasons = _why_no_call(build, planned)
    if _chunks_are_current(build):
        return _counted(build, build.folder, planned, (), hears)
    if all(reasons.values()):
        return Plan(tuple(planned), estimates=nothing_asked(build.settings, reasons))
    if not count:
        note = f"Calls are not counted (--no-count): stages {FREE[0]} … {FREE[-1]} would have to run first."
        return Plan(tuple(planned), notes=(note,))
    free = replace(build, until=FREE[-1], force=())
    if not (build.folder / DATABASE_NAME).is_file():
        run_build(free, hears)
        note = f"To count, the free stages {FREE[0]} … {FREE[-1]} were run in {build.folder}; a build does not repeat them."
        return _counted(build, build.folder, plan(build), (note,), hears)
    with _temporary_copy(build.folder) as copy:
        run_build(replace(free, folder=copy), hears)
        note = f"To count, the free stages {FREE[0]} … {FREE[-1]} were run in a temporary copy; {build.folder} is as it was."
        return _counted(build, copy, planned, (note,), hears)


def _why_no_call(build: Build, planned: Planned) -> dict[str, str]:
    """Role → why nothing is asked of it whatever the chunks are; "" where that depends on them."""
    settings, known = build.settings, dict(planned)
    found = {role: "" if stage in known else f"the build ends with stage {planned[-1][0]}" for role, stage in ROLES.items()}
    if settings.llm.generator.model is None:
        found["generator"] = "no language model is configured (llm.generator.model)"
    if settings.llm.judge.model is None:
        found["judge"] = "no judge is configured (llm.judge.model)"
    elif not settings.filter.judge:
        found["judge"] = "filter.judge is off"
    elif settings.llm.generator.model is None and set(settings.verify.judged) == {"llm"}:
        found["judge"] = "it is asked about a language model's questions alone (verify.judged), and none is configured"
    return found


def _chunks_are_current(build: Build) -> bool:
    """Whether the folder's chunks are those that a build would make."""
    known = dict(plan(replace(build, until=FREE[-1], force=())))
    return not any(known[name] for name in FREE)


def _counted(build: Build, folder: Path, planned: Planned, notes: tuple[str, ...], hears: Listener) -> Plan:
    """The plan with numbers from the chunks in `folder`, against the answers in the build's own folder."""
    at_hand = dict(plan(replace(build, folder=folder)))
    reasons = _why_no_call(build, planned)
    for role, stage in ROLES.items():
        if not reasons[role] and not at_hand[stage]:
            reasons[role] = f"stage {stage} is unchanged"
    with open_store(folder, read_only=True) as store:
        documents, chunks = store.count("documents"), store.count("chunks")
        if all(reasons.values()):
            found = nothing_asked(build.settings, reasons)
        else:
            found = estimates(build, store, Asking(reasons, bool(at_hand.get("generate"))), hears)
    return Plan(tuple(planned), documents, chunks, found, notes)


@contextmanager
def _temporary_copy(folder: Path) -> Iterator[Path]:
    """A copy of the build's database in the system's temporary folder; removed in the end, and when the process is told to stop."""
    copy = Path(tempfile.mkdtemp(prefix="curate-plan-"))
    with _removed_when_stopped(copy):
        try:
            for path in folder.glob(f"{DATABASE_NAME}*"):
                shutil.copy(path, copy)
            yield copy
        finally:
            shutil.rmtree(copy, ignore_errors=True)


@contextmanager
def _removed_when_stopped(folder: Path) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        else:
            raise KeyboardInterrupt

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

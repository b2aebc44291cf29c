"""A build tells how far it is in a file, so that others can watch without touching its tables."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.flow import STAGE_NAMES
from pipelines.runner import Listener, StageResult
from schemas.errors import StoreError

NAME = "progress.json"
INTERVAL_S = 1.0
"""Least time between two writes within a stage."""

RATE_AFTER_S = 2.0
"""A rate from less time than this would jump about."""


@dataclass
class Publisher:
    """A listener that passes everything on to another one, and writes it down."""

    folder: Path
    hears: Listener
    clock: Callable[[], float] = time.time
    began: float = 0.0
    stage: str = ""
    stage_began: float = 0.0
    done: int = 0
    total: int | None = None
    ended: list[dict[str, Any]] = field(default_factory=list)
    written: float = float("-inf")

    def stage_started(self, name: str, reasons: Sequence[str]) -> None:
        """A stage begins to run."""
        self.hears.stage_started(name, reasons)
        self.stage, self.stage_began, self.done, self.total = name, self.clock(), 0, None
        self.write()

    def progress(self, done: int, total: int | None) -> None:
        """Rows done of rows in all."""
        self.hears.progress(done, total)
        self.done, self.total = done, total
        if self.clock() - self.written >= INTERVAL_S:
            self.write()

    def stage_ended(self, result: StageResult) -> None:
        """A stage ran or was found unchanged."""
        self.hears.stage_ended(result)
        entry = result.entry
        seconds = entry.seconds if result.reasons else None
        left_out = sum(entry.rejected.values()) + sum(entry.quarantined.values())
        self.ended.append({"stage": result.name, "seconds": seconds, "kept": dict(entry.kept), "left_out": left_out})
        self.stage = ""
        self.write()

    def write(self, failed: str | None = None) -> None:
        """Write the file anew; a full disk or a folder that went away is the build's matter, not this one's."""
        self.written = self.clock()
        found = {
            "pid": os.getpid(),
            "began": self.began,
            "at": self.written,
            "failed": failed,
            "ended": self.ended,
            "running": {"stage": self.stage, "began": self.stage_began, "done": self.done, "total": self.total}
            if self.stage
            else None,
        }  # fmt: skip
        temporary = self.folder / f"{NAME}.tmp"
        with suppress(OSError):
            temporary.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")
            temporary.replace(self.folder / NAME)


@contextmanager
def published(folder: Path, hears: Listener, clock: Callable[[], float] = time.time) -> Iterator[Publisher]:
    """A publisher for one build: its file is there as long as the build runs, and stays where the build fails or is killed.

    The folder is the build's to make: a build that is refused at once leaves none.
    """
    publisher = Publisher(folder, hears, clock, began=clock())
    publisher.write()
    try:
        yield publisher
    except BaseException as error:
        publisher.write(failed=str(error) or type(error).__name__)
        raise
    with suppress(OSError):
        (folder / NAME).unlink()


@dataclass(frozen=True)
class Glance:
    """How far a build is, at one moment."""

    state: str
    """running, stopped (killed or interrupted), failed, or idle (no build is at work)."""
    stages: tuple[dict[str, Any], ...] = ()
    """Of each stage of the flow: stage, state (done, unchanged, running, waiting), and what is known of it."""
    seconds: float = 0.0
    """Since the build began."""
    failed: str = ""


def glance(folder: Path, now: float) -> Glance:
    """Look at the file of a build folder, and at nothing else. Raises StoreError where there is no build folder."""
    if not folder.is_dir():
        raise StoreError("no build here", where=str(folder), next_step="run `curate build SOURCE --out DIR` first")
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        ended = {row["stage"]: row for row in found["ended"]}
        running, pid, began = found["running"], int(found["pid"]), float(found["began"])
        stages = tuple(_stage(name, ended.get(name), running, now) for name in STAGE_NAMES)
    except FileNotFoundError:
        return Glance("idle")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"cannot be read: {error}", where=str(folder / NAME), next_step="delete it: the build does not need it"
        ) from error
    if found["failed"]:
        return Glance("failed", stages, found["at"] - began, str(found["failed"]))
    if not _is_alive(pid):
        return Glance("stopped", stages, found["at"] - began)
    return Glance("running", stages, now - began)


def _stage(name: str, ended: dict[str, Any] | None, running: dict[str, Any] | None, now: float) -> dict[str, Any]:
    if ended is not None:
        state = "unchanged" if ended["seconds"] is None else "done"
        return {"stage": name, "state": state, "seconds": ended["seconds"], "kept": ended["kept"], "left_out": ended["left_out"]}
    if running is None or running["stage"] != name:
        return {"stage": name, "state": "waiting"}
    seconds = max(0.0, now - running["began"])
    done, total = running["done"], running["total"]
    known = seconds >= RATE_AFTER_S and done > 0
    rate = done / seconds if known else None
    left = (total - done) / rate if rate and total and total >= done else None
    return {"stage": name, "state": "running", "seconds": seconds, "done": done, "total": total, "rate": rate, "remaining": left}  # fmt: skip


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

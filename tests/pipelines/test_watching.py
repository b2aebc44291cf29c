"""A build tells how far it is without anybody touching its tables, and what is told is right when it was killed, too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.fingerprint import Fingerprint
from pipelines.flow import STAGE_NAMES
from pipelines.ledger import Entry
from pipelines.runner import Silent, StageResult
from pipelines.watching import NAME, Glance, glance, published
from pipelines.watching_text import line, table, watch
from schemas.errors import StoreError
from tests.pipelines.conftest import ROOT, run_curate

NOW = 1_000.0


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> float:
        return self.at


def result(stage: str, *, ran: bool = True) -> StageResult:
    entry = Entry(stage, Fingerprint(code="", libraries={}, files={}, settings={}, inputs={}), {}, {}, {"documents": 1200}, {"file_empty": 3}, {"x": 1}, seconds=65.0)  # fmt: skip
    return StageResult(stage, ("never built",) if ran else (), entry)


def test_every_moment_of_a_build(tmp_path: Path) -> None:
    clock = Clock()
    with published(tmp_path, Silent(), clock) as hears:
        assert line(glance(tmp_path, NOW)) == "0:00  between two stages"
        hears.stage_started("ingest", ["never built"])
        hears.stage_ended(result("ingest"))
        hears.stage_ended(result("deduplicate", ran=False))
        hears.stage_started("split", ["never built"])
        clock.at = NOW + 10
        hears.progress(500, 2_000)
        clock.at = NOW + 10.5
        hears.progress(600, 2_000)  # within a second of the last write: not written
        seen = glance(tmp_path, NOW + 20)
        assert (seen.state, seen.seconds) == ("running", 20)
        assert [row["stage"] for row in seen.stages] == list(STAGE_NAMES)
        assert seen.stages[2] == {
            "stage": "split", "state": "running", "seconds": 20.0, "done": 500, "total": 2_000, "rate": 25.0, "remaining": 60.0,
        }  # fmt: skip
        assert table(seen)[:4] == [
            "✓ ingest       1,200 documents, 4 left out in 1:05",
            "✓ deduplicate  unchanged",
            "▶ split        500 of 2,000 (25%), 25.0 a second, 1:00 left",
            "· chunk",
        ]
        assert table(seen)[-1] == "0:20 since it began"
        assert line(seen) == "0:20  split: 500 of 2,000 (25%), 25.0 a second, 1:00 left"
        clock.at = NOW + 12
        hears.progress(700, None)
        assert line(glance(tmp_path, NOW + 12)) == "0:12  split: 700, 58.3 a second"
    assert glance(tmp_path, NOW) == Glance("idle")
    assert not (tmp_path / NAME).exists()


def test_a_failed_build_says_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), published(tmp_path, Silent(), Clock()) as hears:
        hears.stage_started("ingest", [])
        raise ValueError("broken \x1b[2J")
    seen = glance(tmp_path, NOW + 5)
    assert (seen.state, seen.failed, seen.seconds) == ("failed", "broken \x1b[2J", 0.0)
    assert line(seen) == "the build failed: broken  [2J"


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("[]")
    with pytest.raises(StoreError, match="cannot be read"):
        glance(tmp_path, NOW)
    with pytest.raises(StoreError, match="no build here"):
        glance(tmp_path / "nowhere", NOW)


def test_a_full_disk_does_not_end_the_build(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with published(folder, Silent(), Clock()) as hears:
        (folder / NAME).unlink()
        (folder / NAME).mkdir()  # nothing can be written there
        hears.stage_started("ingest", [])
        hears.progress(1, 2)
        assert (hears.stage, hears.done, hears.total) == ("ingest", 1, 2)
        assert (folder / NAME).is_dir()
        with pytest.raises(StoreError, match="cannot be read"):
            glance(folder, NOW)
    # Neither could it be taken away, and the build ended all the same.
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [NAME]


def test_a_build_that_is_refused_at_once_leaves_no_folder(tmp_path: Path) -> None:
    run_curate("build", "nowhere", "--out", "out", cwd=tmp_path, expect=3)
    assert list(tmp_path.iterdir()) == []


def test_following_a_build_from_another_process(corpus: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipelines.cli", "build", str(corpus), "--out", "out"]
    build = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "out" / NAME).is_file():
        time.sleep(0.01)
    seen: list[dict[str, Any]] = []

    def pause(_: float) -> None:
        found = glance(tmp_path / "out", time.time())
        seen.append({"state": found.state, "running": [row["stage"] for row in found.stages if row["state"] == "running"]})
        time.sleep(0.05)

    state = watch(tmp_path / "out", as_json=True, pause=pause)
    assert build.wait(timeout=60) == 0
    assert state == "idle"
    running = [stage for moment in seen for stage in moment["running"]]
    assert running
    assert running == sorted(running, key=STAGE_NAMES.index)


def test_a_killed_build_is_told_from_a_running_one(corpus: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipelines.cli", "build", str(corpus), "--out", "out"]
    build = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    place = tmp_path / "out" / NAME
    while not place.is_file() or json.loads(place.read_text())["running"] is None:
        time.sleep(0.01)
    said = run_curate("status", "out", cwd=tmp_path, expect=4).stderr
    assert "`curate status DIR --watch` shows how far it is" in said
    build.send_signal(signal.SIGKILL)
    build.wait()
    lines = run_curate("status", "out", "--watch", cwd=tmp_path).stdout.splitlines()
    assert lines == ["the build was stopped: run the same command again, it goes on from here"]
    run_curate("build", corpus, "--out", "out", cwd=tmp_path)
    assert run_curate("status", "out", "--watch", cwd=tmp_path).stdout.startswith("no build is at work here\n")
    assert not place.exists()

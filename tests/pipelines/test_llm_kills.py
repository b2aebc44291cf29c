"""`kill -9` during a build with a language model: the same dataset in the end, and nothing paid twice but what was under way."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from curate.llm.scripted import Reply, ScriptedServer, fabricated
from tests.pipelines.conftest import ROOT, folder_bytes

CONCURRENCY = 8
LATENCY_S = 0.02


def command(server: ScriptedServer, documents: Path, out: Path) -> list[str]:
    sets = [
        f"llm.generator.base_url={server.url}",
        "llm.generator.model=m",
        f"llm.generator.concurrency={CONCURRENCY}",
        "generate.extractive=false",
        "chunk.max_tokens=128",
    ]
    arguments = [part for one in sets for part in ("--set", one)]
    return [sys.executable, "-m", "pipelines.cli", "build", str(documents), "--out", str(out), *arguments]


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if "KEY" not in key}
    environment |= {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(arguments: list[str]) -> None:
    with start(arguments) as process:
        _, error = process.communicate()
    assert process.returncode == 0, error.decode()


def settled(server: ScriptedServer) -> int:
    """The number of calls when none is on its way any more."""
    while True:
        before = len(server.history)
        time.sleep(5 * LATENCY_S)
        if len(server.history) == before:
            return before


def killed_after(arguments: list[str], server: ScriptedServer, calls: int, wait_s: float) -> bool:
    """Kill a build a moment after the server has seen so many calls in all; False when it ended before."""
    with start(arguments) as process:
        while len(server.history) < calls and process.poll() is None:
            time.sleep(0.002)
        time.sleep(wait_s)
        ended = process.poll() is not None
        process.kill()
        process.communicate()
    return not ended


@dataclass(frozen=True)
class Outcome:
    """What an undisturbed build and one that was killed again and again asked and made."""

    calls: int
    kills: int
    """Times the build was really at work when it was killed."""
    same_requests: bool
    again: list[int]
    """Calls after each kill that had been made before it: what was under way, asked and paid again."""
    extra: int
    same_bytes: bool


def disturbed(files: int, kills: int, tmp_path: Path) -> Outcome:
    documents = tmp_path / "docs"
    documents.mkdir()
    for name, text in sorted(topics.items())[:files]:
        (documents / f"{name}.txt").write_text(text[:12000].rsplit("\n\n", 1)[0], encoding="utf-8")

    def answer(body: dict[str, object]) -> Reply:
        reply = fabricated(body)
        return Reply(reply.text, delay_s=LATENCY_S, usage=reply.usage)

    lots = random.Random(13)
    with ScriptedServer(answer) as server:
        finish(command(server, documents, tmp_path / "undisturbed"))
        calls = len(server.history)
        asked = {json.dumps(body, sort_keys=True) for body in server.history}
        assert len(asked) == calls
        del server.history[:]

        arguments = command(server, documents, tmp_path / "killed")
        ends, done = [0], 0
        for moment in sorted(lots.randrange(calls) for _ in range(kills)):
            done += killed_after(arguments, server, moment, lots.uniform(0.0, 0.05))
            ends.append(settled(server))
        finish(arguments)
        bodies = [json.dumps(body, sort_keys=True) for body in server.history]

    again = [
        sum(body in set(bodies[:begin]) for body in bodies[begin:end])
        for begin, end in zip(ends, [*ends[1:], len(bodies)], strict=True)
    ]
    same_bytes = folder_bytes(tmp_path / "killed" / "dataset") == folder_bytes(tmp_path / "undisturbed" / "dataset")
    return Outcome(calls, done, set(bodies) == asked, again, len(bodies) - calls, same_bytes)


def test_three_kills_change_nothing_and_cost_no_more_than_what_was_under_way(tmp_path: Path) -> None:
    outcome = disturbed(files=8, kills=3, tmp_path=tmp_path)
    assert outcome.calls >= 50
    assert outcome.kills == 3
    assert outcome.same_requests
    assert outcome.same_bytes
    assert outcome.extra == sum(outcome.again)
    assert max(outcome.again) <= CONCURRENCY


@pytest.mark.slow
def test_twenty_kills_of_500_calls_change_nothing_and_cost_no_more_than_what_was_under_way(tmp_path: Path) -> None:
    outcome = disturbed(files=75, kills=20, tmp_path=tmp_path)
    assert outcome.calls >= 500
    assert outcome.kills == 20
    assert outcome.same_requests
    assert outcome.same_bytes
    assert outcome.extra == sum(outcome.again)
    assert max(outcome.again) <= CONCURRENCY

"""A build with a language model that goes wrong in every way: through the command line, against a real server on loopback."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from subprocess import CompletedProcess
from typing import Any

import pytest

from curate.generate.parse import parse_answer
from curate.llm.scripted import FaultPlan, Reply, ScriptedServer, error_reply, fabricated
from curate.text import normalise
from pipelines.look import sql
from tests.pipelines.conftest import folder_bytes, run_curate

SECRET = "sk-very-secret-0123456789"
ENDINGS = {"answer_missing", "answer_unparsable", "answer_empty", "chunk_without_question", "document_near_duplicate"}
_MARK = re.compile(r"=== passage (\w+) ===")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CHAT_TOKEN", SECRET)


def write_documents(folder: Path, count: int) -> Path:
    folder.mkdir()
    for name, text in sorted(topics.items())[:count]:
        (folder / f"{name}.txt").write_text(text[:1800].rsplit("\n\n", 1)[0], encoding="utf-8")
    return folder


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """12 files, 20 chunks."""
    return write_documents(tmp_path / "docs", 12)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(fabricated) as running:
        yield running


def build(
    server_url: str, documents: Path, out: Path, *sets: str, until: str = "export", expect: int = 0
) -> CompletedProcess[str]:
    role = [f"base_url={server_url}", "model=m", "api_key_env=CHAT_TOKEN", "timeout_s=2"]
    wanted = [*(f"llm.generator.{one}" for one in role), "generate.extractive=false", *sets]
    arguments = [part for one in wanted for part in ("--set", one)]
    return run_curate("build", documents, "--out", out, "--until", until, *arguments, cwd=out.parent, expect=expect)


def chunks_of(body: dict[str, Any]) -> tuple[str, ...]:
    """The chunks a request asks about."""
    return tuple(dict.fromkeys(_MARK.findall(body["messages"][-1]["content"])))


class Watched:
    """A plan of faults, and a record of what came through to the client: (chunks, text) in order."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.honest: set[tuple[str, str]] = set()
        self.said: dict[tuple[str, ...], str] = {}

    def __call__(self, body: dict[str, Any]) -> Reply:
        chunks = chunks_of(body)
        good = [normalise(item.question) for item in parse_answer(fabricated(body).text)]
        self.honest |= {(chunk, question) for chunk in chunks for question in good}
        reply = self.plan(body)
        if reply.status == 200 and not reply.drop:
            self.said[chunks] = reply.text
        return reply


def test_a_fifth_of_the_answers_goes_wrong_and_nothing_wrong_is_kept_nor_anything_lost_in_silence(
    server: ScriptedServer, tmp_path: Path
) -> None:
    documents = write_documents(tmp_path / "docs", 64)
    watched = Watched(FaultPlan(fabricated, share=0.2, timeout_s=3.0))
    server.default = watched
    out = tmp_path / "out"
    done = build(server.url, documents, out, "llm.generator.retries=0")
    made = watched.plan.made
    assert sum(made.values()) >= 10
    assert len(made) >= 5

    kept = sql(out, "SELECT chunk_id, question FROM questions")
    assert len(kept) >= 100
    assert {(row["chunk_id"], normalise(row["question"])) for row in kept} <= watched.honest
    assert max(Counter((row["chunk_id"], normalise(row["question"])) for row in kept).values()) == 1

    ended = sql(out, "SELECT row_key, reason, state FROM rejected WHERE stage = 'generate'")
    assert {row["reason"] for row in ended} <= ENDINGS | {"question_repeated", "question_beyond_count"}
    reasons = {(row["row_key"], row["reason"]) for row in ended}
    chunks = {row["chunk_id"] for row in sql(out, "SELECT chunk_id FROM chunks")}
    assert chunks == {row["chunk_id"] for row in kept} | {key for key, reason in reasons if reason in ENDINGS}
    for chunk, text in ((asked[0], text) for asked, text in watched.said.items() if len(asked) == 1):
        useless = not any(item.question for item in parse_answer(text))
        lost = (chunk, "answer_missing") in reasons
        assert useless <= (bool({(chunk, "answer_unparsable"), (chunk, "answer_empty")} & reasons) or lost)

    # What is owed is named, and asked for, alone, by the next build; then nothing is missing.
    missing = {row["row_key"] for row in ended if row["reason"] == "answer_missing"}
    assert missing == {row["row_key"] for row in ended if row["state"] == "quarantined"}
    assert missing
    assert re.search(r"left [\d,]+ requests? unanswered", done.stderr)
    server.default = fabricated
    del server.history[:]
    build(server.url, documents, out, "llm.generator.retries=0")
    assert {chunk for body in server.history for chunk in chunks_of(body) if len(chunks_of(body)) == 1} == missing
    assert sql(out, "SELECT row_key FROM rejected WHERE reason = 'answer_missing'") == []
    assert (out / "dataset" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (error_reply(401, f"Incorrect API key provided: {SECRET}", code="invalid_api_key"), "CHAT_TOKEN"),
        (error_reply(404, "The model `m` does not exist", code="model_not_found"), "llm.generator.model"),
        (error_reply(429, "You exceeded your current quota", code="insufficient_quota"), "quota"),
    ],
    ids=["wrong key", "wrong model", "no quota"],
)
def test_what_no_request_can_pass_is_one_message_and_exit_code_6_and_what_came_before_is_kept(
    server: ScriptedServer, documents: Path, tmp_path: Path, fault: Reply, says: str
) -> None:
    server.default = lambda body: fabricated(body) if len(server.history) <= 5 else fault
    out = tmp_path / "out"
    done = build(server.url, documents, out, expect=6)
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert says in done.stderr
    assert server.url in error
    assert len(server.history) <= 5 + 8
    shown = done.stdout + done.stderr
    assert SECRET not in shown
    assert all(SECRET.encode() not in data for data in folder_bytes(out).values())

    server.default = fabricated
    before = {json.dumps(body, sort_keys=True) for body in server.history[:5]}
    del server.history[:]
    again = build(server.url, documents, out, until="generate")
    assert "chunk: unchanged" in again.stderr
    assert server.history
    assert not before & {json.dumps(body, sort_keys=True) for body in server.history}


def test_an_endpoint_that_is_not_there_is_one_message_and_exit_code_6(documents: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = build("http://127.0.0.1:9/v1", documents, out, "llm.generator.retries=1", expect=6)
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert "http://127.0.0.1:9/v1 does not answer" in error
    assert sql(out, "SELECT count(*) AS n FROM chunks")[0]["n"] >= 15

"""What a later build asks a language model for: only what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from curate.llm.scripted import ScriptedServer, fabricated, is_judge_request
from pipelines.look import sql
from pipelines.runner import Build, run_build
from schemas.settings import load_settings

DOCUMENTS = 300


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ScriptedServer(fabricated) as running:
        yield running


def document(number: int) -> str:
    words = [f"{stem}{number * 7 + at}" for at, stem in enumerate(("harbour", "copper", "meadow", "engine", "violet", "lantern"))]
    first = f"The {words[0]} near the {words[1]} was built of {words[2]} by people of the {words[3]}."
    return f"# {words[0].title()}\n\n{first} Every year a {words[4]} is carried from the {words[5]} to the {words[0]} and back again.\n"


def asked(server: ScriptedServer) -> int:
    count = len(server.history)
    server.history.clear()
    return count


def test_one_more_document_asks_for_its_chunks_alone_and_the_judge_costs_no_question(
    tmp_path: Path, server: ScriptedServer
) -> None:
    corpus = tmp_path / "docs"
    corpus.mkdir()
    for number in range(DOCUMENTS):
        (corpus / f"{number:03}.md").write_text(document(number))
    sets = [f"llm.generator.base_url={server.url}", "llm.generator.model=m", "llm.generator.concurrency=16"]
    build = Build((str(corpus),), tmp_path / "out", load_settings(None, sets), until="filter")
    run_build(build)
    chunks = sql(build.folder, "SELECT count(*) AS n FROM chunks")[0]["n"]
    assert asked(server) == chunks == DOCUMENTS
    before = sql(build.folder, "SELECT question_id FROM questions ORDER BY 1")
    run_build(build)
    assert asked(server) == 0
    (corpus / "new.md").write_text(document(DOCUMENTS))
    run_build(build)
    assert asked(server) == 1
    after = sql(build.folder, "SELECT question_id FROM questions ORDER BY 1")
    added = {row["question_id"] for row in after} - {row["question_id"] for row in before}
    assert len(after) - len(before) == len(added) > 0
    judged = load_settings(None, [*sets, f"llm.judge.base_url={server.url}", "llm.judge.model=other"])
    run_build(replace(build, settings=judged, force=("generate",)))
    roles = Counter("judge" if is_judge_request(body) else "generator" for body in server.history)
    assert (roles["generator"], roles["judge"] > 0) == (0, True)
    assert asked(server) == roles["judge"]
    run_build(replace(build, settings=judged, force=("generate", "verify")))
    assert asked(server) == 0

"""Questions that need two chunks: which chunks are paired, what is asked, and what becomes of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from curate.generate.across import chosen_pairs
from curate.generate.brief import brief_of
from curate.llm.scripted import Reply, ScriptedServer, error_reply, questions_reply
from curate.stage import content_id
from curate.store import Store
from schemas.settings import load_settings
from tests.curate.generate_rows import HERON, KILN, Corpus, Made, run_generate

BOTH = "Which is hotter, the kiln's lower end or the shallows where herons wade?"
ANSWER = {
    "evidence_1": "Coal dust or waste oil heats the cylinder",
    "evidence_2": "It waits without a move.",
    "question": BOTH,
    "answer": "the kiln",
}
ALWAYS = "generate.weights.multi_chunk=1000"
FIRST, SECOND = content_id("chunk", "kiln"), content_id("chunk", "heron")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ScriptedServer(
        lambda body: Reply(json.dumps(ANSWER)) if is_across(body) else questions_reply("What is it made of?")
    ) as running:
        yield running


def is_across(body: dict[str, Any]) -> bool:
    return "Section of passage 2" in body["messages"][1]["content"]


def build(store: Store, server: ScriptedServer, *sets: str) -> Made:
    corpus = Corpus()
    corpus.chunk("kiln", KILN, path=["Works", "Kilns"], document="works", position=0)
    corpus.chunk("heron", HERON, path=["Works", "Herons"], document="works", position=1)
    role = [
        f"llm.generator.base_url={server.url}",
        "llm.generator.model=m",
        "generate.extractive=false",
        "llm.generator.retries=0",
    ]
    return run_generate(store, corpus, [*role, ALWAYS, *sets])


def test_one_question_gives_a_row_for_each_chunk_with_its_own_evidence(store: Store, server: ScriptedServer) -> None:
    made = build(store, server)
    rows = {row["chunk_id"]: row for row in made.rows if row["question"] == BOTH}
    assert {chunk: (row["evidence"], row["answer"], row["style"]) for chunk, row in rows.items()} == {
        FIRST: (ANSWER["evidence_1"], "the kiln", "multi_chunk"),
        SECOND: (ANSWER["evidence_2"], "the kiln", "multi_chunk"),
    }
    assert {row["group_id"] for row in rows.values()} == {content_id("group", FIRST, SECOND)}
    assert [row["group_id"] for row in made.rows if row["question"] != BOTH] == [None, None]


def test_the_request_shows_both_passages_between_their_own_marks(store: Store, server: ScriptedServer) -> None:
    build(store, server)
    (body,) = [body for body in server.history if is_across(body)]
    text = body["messages"][1]["content"]
    for chunk, passage, section in ((FIRST, KILN, "Kilns"), (SECOND, HERON, "Herons")):
        mark = f"=== passage {chunk} ==="
        assert f"{section}\n{mark}\n{passage}\n{mark}" in text
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["evidence_1", "evidence_2", "question", "answer"]


def test_without_weight_no_such_request_is_made(store: Store, server: ScriptedServer) -> None:
    build(store, server, "generate.weights.multi_chunk=0")
    assert len(server.history) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (json.dumps(ANSWER | {"evidence_2": ""}), "question_needs_one_chunk"),
        (json.dumps(ANSWER | {"evidence_2": ANSWER["evidence_1"]}), "question_needs_one_chunk"),
        (json.dumps(ANSWER | {"question": "..."}), "answer_unparsable"),
        ("no idea", "answer_unparsable"),
        ("", "answer_empty"),
        (json.dumps(ANSWER | {"question": "Did lighthouses get Fresnel lenses or electric arc lamps first?"}), "answer_empty"),
    ],
)
def test_an_answer_that_needs_no_two_chunks_is_rejected_with_its_text(
    store: Store, server: ScriptedServer, text: str, reason: str
) -> None:
    server.default = lambda body: Reply(text) if is_across(body) else questions_reply("What is it made of?")
    made = build(store, server)
    assert made.reasons() == [(content_id("group", FIRST, SECOND), reason)]
    assert [row["question"] for row in made.rows] == ["What is it made of?"] * 2


def test_an_unanswered_group_is_quarantined_and_owed(store: Store, server: ScriptedServer) -> None:
    server.default = lambda body: error_reply(503) if is_across(body) else questions_reply("What is it made of?")
    made = build(store, server)
    assert [(r.key, r.reason.value, r.state) for r in made.rejected] == [
        (content_id("group", FIRST, SECOND), "answer_missing", "quarantined")
    ]
    assert len(made.owed) == 1
    assert (made.rejected[0].row["chunk_id"], made.rejected[0].row["other_chunk_id"]) == (FIRST, SECOND)


def test_pairs_are_neighbours_of_one_document_and_split_and_no_chunk_is_in_two() -> None:
    rows = [
        ("a0", "a", 0, "train"), ("a1", "a", 1, "train"), ("a2", "a", 2, "train"), ("a9", "a", 9, "train"),
        ("b0", "b", 0, "train"), ("b1", "b", 1, "dev"), ("b2", "b", 2, "dev"), ("c0", "c", 0, "test"),
    ]  # fmt: skip
    asking = pl.DataFrame(rows, schema=["chunk_id", "document_id", "position", "split"], orient="row")
    always = brief_of(load_settings(None, ["generate.weights.multi_chunk=1e9"]))
    assert chosen_pairs(asking, always) == [("a0", "a1"), ("b1", "b2")]
    assert chosen_pairs(asking, brief_of(load_settings(None, []))) == []


def test_the_share_of_pairs_follows_the_weight() -> None:
    rows = [(f"d{number}-{at}", f"d{number}", at, "train") for number in range(500) for at in (0, 1)]
    asking = pl.DataFrame(rows, schema=["chunk_id", "document_id", "position", "split"], orient="row")
    # Weight 1 of 14 in all: one question in 14 needs two chunks, so one pair in seven asks.
    chosen = chosen_pairs(asking, brief_of(load_settings(None, ["generate.weights.multi_chunk=1"])))
    assert 50 <= len(chosen) <= 95

"""Hosted embeddings against a real HTTP server that follows a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.llm.hosted import HostedModel, Vectors, hosted_vectors
from curate.llm.scripted import Reply, ScriptedServer, error_reply, scripted_vector, vectors_reply
from curate.verify.kept import Kept, text_sha256
from schemas.errors import ProviderError, SettingsError

SECRET = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEST_KEY", SECRET)
    # The library's pauses between tries.
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.001)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with Kept(tmp_path) as opened:
        yield opened


def model(server: ScriptedServer, **settings: Any) -> HostedModel:
    return HostedModel(**{"model": "m", "base_url": server.url, "api_key_env": "TEST_KEY", "retries": 2, **settings})


def ask(hosted: HostedModel, texts: list[str], kept: Kept, seen: list[int] | None = None) -> Vectors:
    return hosted_vectors(hosted, texts, kept, text_sha256, seen.append if seen is not None else lambda _: None)


def unit(text: str, dimensions: int = 64) -> np.ndarray:
    vector = np.array(scripted_vector(text, dimensions))
    return vector / np.linalg.norm(vector)


def test_unit_vectors_in_the_order_of_the_texts(server: ScriptedServer, kept: Kept) -> None:
    seen: list[int] = []
    texts = ["one two", "three", "one two", "four five six"]
    found = ask(model(server, batch=2), texts, kept, seen)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.stack([unit(text) for text in texts]), abs=1e-6)
    asked = sorted(server.history, key=lambda body: body["input"], reverse=True)
    assert [body["input"] for body in asked] == [["one two", "three"], ["four five six"]]
    assert asked[0] == {"model": "m", "input": ["one two", "three"], "encoding_format": "float"}
    assert seen == [0, 2, 3]
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"


def test_vectors_are_paid_for_once_and_a_new_text_is_asked_alone(server: ScriptedServer, kept: Kept) -> None:
    first = ask(model(server), ["a", "b"], kept)
    server.history.clear()
    assert (ask(model(server), ["b", "a"], kept) == first[::-1]).all()
    assert server.history == []
    ask(model(server), ["a", "c"], kept)
    assert [body["input"] for body in server.history] == [["c"]]


def test_another_model_endpoint_or_dimension_is_asked_anew(server: ScriptedServer, kept: Kept) -> None:
    ask(model(server), ["a"], kept)
    ask(model(server, model="other"), ["a"], kept)
    assert ask(model(server, dimensions=16), ["a"], kept).shape == (1, 16)
    assert [body.get("dimensions") for body in server.history] == [None, None, 16]
    with ScriptedServer() as elsewhere:
        ask(model(elsewhere), ["a"], kept)
        assert len(elsewhere.history) == 1


def test_passing_faults_are_tried_again(server: ScriptedServer, kept: Kept) -> None:
    server.enqueue(error_reply(429, "slow down", retry_after_ms="1"), error_reply(503))
    assert ask(model(server), ["a"], kept) == pytest.approx(unit("a")[None, :], abs=1e-6)
    assert len(server.history) == 3


def test_what_came_before_a_fault_is_kept(server: ScriptedServer, kept: Kept) -> None:
    server.embed = lambda body: error_reply(500, "broken") if "f" in body["input"] else vectors_reply(body)
    with pytest.raises(ProviderError, match="does not answer"):
        ask(model(server, batch=1, retries=0), ["a", "b", "c", "d", "e", "f"], kept)
    server.embed = vectors_reply
    server.history.clear()
    ask(model(server, batch=1), ["a", "b", "c", "d", "e", "f"], kept)
    assert sorted(body["input"][0] for body in server.history) == ["f"]


def test_a_refused_batch_is_halved_until_one_text_is_to_blame(server: ScriptedServer, kept: Kept) -> None:
    server.embed = lambda body: error_reply(400, "too many tokens") if len(body["input"]) > 2 else vectors_reply(body)
    found = ask(model(server), list("abcde"), kept)
    assert found == pytest.approx(np.stack([unit(text) for text in "abcde"]), abs=1e-6)
    server.embed = lambda body: error_reply(400, "too long") if "x" * 900 in body["input"] else vectors_reply(body)
    with pytest.raises(ProviderError, match="refuses a text of 900 characters") as caught:
        ask(model(server), ["p", "x" * 900, "q"], kept)
    assert "chunk.max_tokens" in caught.value.next_step


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (error_reply(401, f"Incorrect API key provided: {SECRET}"), "refused the key in TEST_KEY (401)"),
        (error_reply(404, "no such model"), "has no model 'm' or no /embeddings (404"),
        (error_reply(429, "insufficient_quota"), "too many requests or no quota is left (429"),
    ],
)
def test_faults_name_the_endpoint_and_never_the_key(server: ScriptedServer, kept: Kept, reply: Reply, said: str) -> None:
    server.embed = lambda _: reply
    with pytest.raises(ProviderError) as caught:
        ask(model(server, retries=0), ["a"], kept)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 0, "embedding": [1.0, 2.0]}, {"index": 0, "embedding": [1.0, 2.0]}],
        [{"index": 0, "embedding": [1.0, 2.0]}, {"index": 1, "embedding": [1.0]}],
        [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}],
        [{"index": 0, "embedding": ["x"]}, {"index": 1, "embedding": ["y"]}],
    ],
)
def test_something_else_than_vectors_is_a_fault_and_is_not_kept(server: ScriptedServer, kept: Kept, data: list[Any]) -> None:
    server.enqueue(Reply(body=json.dumps({"object": "list", "data": data, "model": "m", "usage": {}})))
    with pytest.raises(ProviderError, match="did not send one vector of numbers for each of 2 texts"):
        ask(model(server, retries=0), ["a", "b"], kept)
    assert kept.vectors(model(server).key, ["a", "b"]) == {}


def test_a_model_that_changed_behind_its_name(server: ScriptedServer, kept: Kept) -> None:
    ask(model(server), ["a"], kept)
    server.embed = lambda body: vectors_reply({**body, "dimensions": 8})
    with pytest.raises(ProviderError, match="vectors of different lengths"):
        ask(model(server), ["a", "b"], kept)


def test_openai_needs_a_key_and_an_unreachable_server_is_named(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, server: ScriptedServer
) -> None:
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(SettingsError, match="TEST_KEY is not set"):
        ask(HostedModel("m", "https://api.openai.com/v1", "TEST_KEY"), ["a"], kept)
    assert ask(model(server), ["a"], kept).shape == (1, 64)  # a server of one's own may need none
    with pytest.raises(ProviderError, match=r"http://127\.0\.0\.1:9/v1 does not answer"):
        ask(HostedModel("m", "http://127.0.0.1:9/v1", "TEST_KEY", retries=0), ["a"], kept)


def test_a_slow_server_wants_smaller_batches_or_more_time(server: ScriptedServer, kept: Kept) -> None:
    server.enqueue(Reply(delay_s=2.0, drop=True))
    with pytest.raises(ProviderError, match=r"/v1 gives no answer in 0\.2 s") as caught:
        ask(model(server, timeout_s=0.2, retries=0), ["a"], kept)
    assert caught.value.next_step is not None
    assert caught.value.next_step.startswith("lower hosted_batch or raise hosted_timeout_s, then run the same command again")


def test_no_key_is_written_anywhere(server: ScriptedServer, kept: Kept, tmp_path: Path) -> None:
    ask(model(server), ["a", "b"], kept)
    kept.close()
    assert all(SECRET.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

"""The batch provider against a real HTTP server that speaks the batch protocol: what is handed in, collected, owed and asked again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.llm import Answer, AnswerStore, Assignment, Request, Spending, answer_key, open_asker
from curate.llm.asking import estimated_prompt_tokens
from curate.llm.batch import BatchAsker, lines, pending_batches
from curate.llm.batch.api import BatchApi
from curate.llm.scripted import BatchPlan, Reply, ScriptedServer, error_reply
from schemas.errors import ProviderError
from schemas.settings import JudgeSettings, LlmSettings, RoleSettings

SECRET = "sk-very-secret-0123456789"
SCHEMA = {"type": "object", "properties": {"questions": {"type": "array"}}}
SLOW = BatchPlan(polls=10**6)
COLLECT = "run the same command again to collect it"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEST_KEY", SECRET)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda body: Reply(f"about {asked(body)} with {body['seed']}")) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path) as opened:
        yield opened


def asked(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def role(server: ScriptedServer, **settings: Any) -> RoleSettings:
    how = {"batch_wait_s": 30.0, "batch_poll_s": 0.001, "retries": 2} | settings
    return RoleSettings(provider="batch", model="m", base_url=server.url, api_key_env="TEST_KEY", **how)


def asker(store: AnswerStore, settings: RoleSettings, **limits: Any) -> BatchAsker:
    """A new one is a new run of `curate`."""
    spending = Spending(LlmSettings(generator=settings, **limits), store)
    return BatchAsker(Assignment("generator", settings, "generate"), store, spending, backoff_s=0.001)


def requests(*texts: str, schema: dict[str, Any] | None = None) -> list[Request]:
    return [Request(({"role": "user", "content": text},), schema, seed=3, expected_tokens=9) for text in texts]


def settled(found: BatchAsker, *texts: str, **how: Any) -> dict[str, Answer]:
    """Text asked → answer, in the order of the texts."""
    keys = {answer_key(found._settings, request, 0): text for request, text in zip(requests(*texts), texts, strict=True)}
    answers = list(found.settle(requests(*texts), **how))
    assert len(answers) == len(texts)
    by_text = {keys[answer.key]: answer for answer in answers}
    return {text: by_text[text] for text in texts}


def said(answers: dict[str, Answer]) -> dict[str, str]:
    return {text: answer.text for text, answer in answers.items()}


def states(store: AnswerStore) -> list[tuple[Any, ...]]:
    return store.rows("SELECT state, requests FROM batches ORDER BY rowid")


def test_answers_of_a_batch_are_stored_as_a_live_calls_would_be(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plan = BatchPlan(polls=3)
    run = asker(store, role(server))
    answers = settled(run, "a", "b")
    assert said(answers) == {"a": "about a with 3", "b": "about b with 3"}
    assert {(answer.finish_reason, answer.failure, answer.owed) for answer in answers.values()} == {("stop", "", False)}
    assert (run.calls, run.hits) == (2, 0)
    columns = "role, stage, model, prompt_tokens, completion_tokens, finish_reason, seconds, channel, attempt, prompt_estimate, completion_estimate"
    assert store.rows(f"SELECT DISTINCT {columns} FROM answers") == [
        ("generator", "generate", "m", 7, 5, "stop", 0.0, "batch", 0, estimated_prompt_tokens(requests("a")[0]), 9)
    ]
    assert states(store) == [("completed", 2)]
    assert store.rows("SELECT * FROM batch_requests") == []


def test_the_lines_handed_in_are_chat_calls_under_the_answers_keys(server: ScriptedServer, store: AnswerStore) -> None:
    settings = role(server)
    list(asker(store, settings).settle(requests("a", schema=SCHEMA)))
    uploaded = [json.loads(line) for line in server.batches.files["file-in-1"].splitlines()]
    inner = {"name": "answer", "schema": SCHEMA, "strict": True}
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 700, "temperature": 0.7, "seed": 3}
    assert uploaded == [
        {
            "custom_id": answer_key(settings, requests("a", schema=SCHEMA)[0], 0),
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": body | {"response_format": {"type": "json_schema", "json_schema": inner}},
        }
    ]
    assert list(server.batches.jobs["batch_1"].metadata) == ["curate"]


def test_a_run_that_finds_everything_makes_no_http_call(server: ScriptedServer, store: AnswerStore) -> None:
    settled(asker(store, role(server)), "a", "b")
    server.calls.clear()
    again = asker(store, role(server))
    assert said(settled(again, "a", "b")) == {"a": "about a with 3", "b": "about b with 3"}
    assert (again.calls, again.hits, server.calls) == (0, 2, [])


def test_what_is_not_there_in_time_is_owed_and_collected_by_the_next_run(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plan = SLOW
    first = settled(asker(store, role(server, batch_wait_s=0.01)), "a", "b")
    batch = pending_batches(store)[0]
    assert {(one.text, one.failure, one.owed, one.unasked) for one in first.values()} == {
        ("", f"in batch batch_1, submitted {batch.created}; {COLLECT}", True, False)
    }
    assert (batch.state, batch.requests, batch.role, batch.stage, batch.model) == ("submitted", 2, "generator", "generate", "m")
    still = asker(store, role(server, batch_wait_s=0))
    assert {one.owed for one in settled(still, "a", "b").values()} == {True}
    assert still.calls == 0
    server.batches.jobs["batch_1"].plan = BatchPlan()
    last = asker(store, role(server, batch_wait_s=0))
    assert said(settled(last, "a", "b")) == {"a": "about a with 3", "b": "about b with 3"}
    assert (last.calls, last.hits, len(server.history), len(server.batches.jobs)) == (0, 2, 2, 1)
    assert pending_batches(store) == []


def test_a_later_run_hands_in_only_what_is_new(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plan = SLOW
    settled(asker(store, role(server, batch_wait_s=0)), "a", "b")
    run = asker(store, role(server, batch_wait_s=0))
    answers = settled(run, "a", "b", "c")
    assert run.calls == 1
    assert [answers[text].failure.split(",")[0] for text in "abc"] == ["in batch batch_1", "in batch batch_1", "in batch batch_2"]
    assert [batch.requests for batch in pending_batches(store)] == [2, 1]


def test_the_same_request_twice_is_one_line(server: ScriptedServer, store: AnswerStore) -> None:
    run = asker(store, role(server))
    assert [answer.text for answer in run.settle(requests("a", "a"))] == ["about a with 3"] * 2
    assert (run.calls, len(server.history)) == (1, 1)


def test_an_unacceptable_answer_is_asked_again_in_a_next_batch(server: ScriptedServer, store: AnswerStore) -> None:
    def acceptable(text: str) -> bool:
        return text != "about a with 3"

    run = asker(store, role(server))
    assert said(settled(run, "a", "b", acceptable=acceptable)) == {"a": "about a with 4", "b": "about b with 3"}
    assert (run.calls, run.hits, states(store)) == (3, 0, [("completed", 2), ("completed", 1)])
    assert store.rows("SELECT answer, attempt FROM answers ORDER BY answer") == [
        ("about a with 3", 0),
        ("about a with 4", 1),
        ("about b with 3", 0),
    ]


def test_the_second_attempt_is_under_way_when_the_time_is_up(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plans.extend([SLOW, SLOW])
    settled(asker(store, role(server, batch_wait_s=0)), "a")
    server.batches.jobs["batch_1"].plan = BatchPlan()
    answers = settled(asker(store, role(server, batch_wait_s=0)), "a", acceptable=lambda text: False)
    assert answers["a"].failure.startswith("in batch batch_2, submitted ")
    server.batches.jobs["batch_2"].plan = BatchPlan()
    assert said(settled(asker(store, role(server)), "a", acceptable=lambda text: False)) == {"a": "about a with 4"}


def test_lines_that_fail_are_told_apart(server: ScriptedServer, store: AnswerStore) -> None:
    replies = {
        "refused": error_reply(400, "your text is too long"),
        "busy": error_reply(503, "overloaded"),
        "dropped": Reply(drop=True),
        "odd": Reply(body='{"choices": []}'),
    }
    server.default = lambda body: replies.get(asked(body)) or Reply("fine")
    answers = settled(asker(store, role(server)), "refused", "busy", "dropped", "odd", "good")
    assert {text: (one.text, one.failure, one.owed) for text, one in answers.items()} == {
        "refused": ("", "your text is too long", False),
        "busy": ("", "overloaded", True),
        "dropped": ("", "server_error: The server had an error.", True),
        "odd": ("", "the server sent no chat completion", True),
        "good": ("fine", "", False),
    }
    assert len(server.history) == 5
    replies.clear()
    run = asker(store, role(server))
    answers = settled(run, "refused", "busy", "dropped", "odd", "good")
    assert said(answers) == {"refused": "", "busy": "fine", "dropped": "fine", "odd": "fine", "good": "fine"}
    assert (answers["refused"].failure, answers["refused"].owed, run.calls, run.hits) == ("your text is too long", False, 3, 1)


def test_a_batch_that_expires_gives_what_it_has_and_the_rest_is_asked_again(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plans.append(BatchPlan(end="expired", answered=0.5))
    answers = settled(asker(store, role(server)), "a", "b", "c", "d")
    said_of_the_rest = "batch_expired: This request was not run: batch expired."
    assert {text: (one.text, one.failure, one.owed) for text, one in answers.items()} == {
        "a": ("about a with 3", "", False),
        "b": ("about b with 3", "", False),
        "c": ("", said_of_the_rest, True),
        "d": ("", said_of_the_rest, True),
    }
    run = asker(store, role(server))
    assert set(said(settled(run, "a", "b", "c", "d")).values()) == {f"about {text} with 3" for text in "abcd"}
    assert (run.calls, run.hits, states(store)) == (2, 2, [("expired", 4), ("completed", 2)])


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_batch_of_an_earlier_run_without_any_answer_is_handed_in_again(
    server: ScriptedServer, store: AnswerStore, end: Any
) -> None:
    server.batches.plan = SLOW
    settled(asker(store, role(server, batch_wait_s=0)), "a")
    server.batches.jobs["batch_1"].plan = BatchPlan(end=end, answered=0.0)
    again = settled(asker(store, role(server, batch_wait_s=0)), "a")["a"]
    assert again.failure.startswith("in batch batch_2, submitted ")
    assert f"(before that: batch_{end}: This request was not run: batch {end}.); {COLLECT}" in again.failure


def test_a_queue_that_is_full_passes_and_an_exhausted_quota_does_not(server: ScriptedServer, store: AnswerStore) -> None:
    full = ("token_limit_exceeded", "Enqueued token limit reached for m. Please try again later.")
    server.batches.plans.append(BatchPlan(end="failed", errors=(full,)))
    answer = settled(asker(store, role(server)), "a")["a"]
    assert (answer.failure, answer.owed) == (": ".join(full), True)
    used_up = ("billing_hard_limit_reached", "Billing hard limit has been reached.")
    server.batches.plans.append(BatchPlan(end="failed", errors=(used_up,)))
    with pytest.raises(ProviderError, match=r"quota is used up \(429: billing_hard_limit_reached"):
        settled(asker(store, role(server)), "a")
    assert said(settled(asker(store, role(server)), "a")) == {"a": "about a with 3"}
    assert states(store) == [("failed", 1), ("failed", 1), ("completed", 1)]


def test_a_batch_that_fails_for_its_model_or_form_stops_the_run(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plans.append(BatchPlan(end="failed", errors=(("model_not_found", "The model `m` does not exist"),)))
    with pytest.raises(ProviderError, match="has no model 'm'"):
        settled(asker(store, role(server)), "a")
    server.batches.plans.append(BatchPlan(end="failed", errors=(("invalid_request", "max_tokens is too large: 700"),)))
    with pytest.raises(ProviderError, match="refuses every request"):
        settled(asker(store, role(server)), "a")
    assert pending_batches(store) == []


def test_five_refusals_and_no_answer_are_a_fault_of_the_settings(server: ScriptedServer, store: AnswerStore) -> None:
    server.default = lambda body: error_reply(400, "max tokens too large")
    with pytest.raises(ProviderError, match="refuses every request"):
        settled(asker(store, role(server)), *"abcde")
    server.default = lambda body: Reply("fine")
    assert set(said(settled(asker(store, role(server)), *"abcde")).values()) == {"fine"}


def test_a_key_that_every_line_refuses_stops_the_run_but_one_line_does_not(server: ScriptedServer, store: AnswerStore) -> None:
    server.default = lambda body: error_reply(401, "bad key") if asked(body) == "a" else Reply("fine")
    assert settled(asker(store, role(server)), "a", "b")["a"].owed
    with pytest.raises(ProviderError, match=r"refused the key in TEST_KEY \(401\)"):
        settled(asker(store, role(server)), "a", "b")


def test_a_feature_that_is_named_is_left_out_of_the_next_batch_of_the_same_run(
    server: ScriptedServer, store: AnswerStore
) -> None:
    server.refuses = frozenset({"json_schema", "temperature"})
    asked_for = requests("a", schema=SCHEMA)
    assert [one.text for one in asker(store, role(server)).settle(asked_for)] == ["about a with 3"]
    assert [("temperature" in body, body.get("response_format", {}).get("type")) for body in server.history] == [
        (True, "json_schema"),
        (True, "json_object"),
        (False, "json_object"),
    ]
    assert [one.text for one in asker(store, role(server)).settle(requests("b", schema=SCHEMA))] == ["about b with 3"]
    assert len(server.history) == 4


def test_a_large_run_goes_in_parts(server: ScriptedServer, store: AnswerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [str(number) for number in range(7)]
    assert set(said(settled(asker(store, role(server, batch_requests=3)), *texts)).values()) == {
        f"about {t} with 3" for t in texts
    }
    assert states(store) == [("completed", 3), ("completed", 3), ("completed", 1)]
    size = len(server.batches.files["file-in-1"]) // 3
    monkeypatch.setattr(lines, "MAX_BYTES", 2 * size)
    settled(asker(store, role(server)), "7", "8", "9")
    assert states(store)[3:] == [("completed", 2), ("completed", 1)]


def test_max_calls_counts_what_is_under_way(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plan = SLOW
    answers = settled(asker(store, role(server, batch_wait_s=0), max_calls=3), *"abcd")
    assert [(answers[text].unasked, answers[text].owed) for text in "abcd"] == [(False, True)] * 3 + [(True, True)]
    assert answers["d"].failure == "llm.max_calls = 3 is reached"
    again = asker(store, role(server, batch_wait_s=0), max_calls=4)
    assert [one.unasked for one in settled(again, *"abcde").values()] == [False] * 4 + [True]
    assert again.calls == 1
    for job in server.batches.jobs.values():
        job.plan = BatchPlan()
    last = settled(asker(store, role(server), max_calls=4), *"abcde")
    assert [one.text for one in last.values()][:4] == [f"about {text} with 3" for text in "abcd"]
    assert last["e"].failure == "llm.max_calls = 4 is reached"


def test_other_settings_do_not_collect_a_foreign_batch(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plan = SLOW
    mine = role(server, batch_wait_s=0, alias="team")
    settled(asker(store, mine), "a")
    server.batches.jobs["batch_1"].plan = BatchPlan()
    with ScriptedServer(lambda body: Reply("elsewhere")) as other:
        moved = mine.model_copy(update={"base_url": other.url})
        assert said(settled(asker(store, moved), "a")) == {"a": "elsewhere"}
    assert settled(asker(store, mine.model_copy(update={"model": "n"})), "b")["b"].owed
    assert [(batch.batch_id, batch.model) for batch in pending_batches(store)] == [("batch_1", "m"), ("batch_2", "n")]
    assert server.history == []


def test_a_batch_the_endpoint_no_longer_knows_is_handed_in_again(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plan = SLOW
    settled(asker(store, role(server, batch_wait_s=0)), "a")
    del server.batches.jobs["batch_1"]
    server.batches.plan = BatchPlan()
    assert said(settled(asker(store, role(server)), "a")) == {"a": "about a with 3"}
    assert states(store) == [("lost", 1), ("completed", 1)]


def test_results_that_are_gone_are_asked_for_again(server: ScriptedServer, store: AnswerStore) -> None:
    server.after = lambda call: error_reply(404, "No such File object") if call.endswith("/content") else None
    answer = settled(asker(store, role(server)), "a")["a"]
    assert (answer.failure, answer.owed) == ("batch batch_1 ended (completed) without it", True)
    server.after = lambda _: None
    assert said(settled(asker(store, role(server)), "a")) == {"a": "about a with 3"}


def test_results_that_are_nobodys_or_no_json_change_nothing(server: ScriptedServer, store: AnswerStore) -> None:
    planted = b'\xff\xfe{]\n[1]\n{"custom_id": 7}\n{"custom_id": "foreign", "response": {"status_code": 200, "body": {}}}\n\n'

    def tamper(call: str) -> None:
        for name in list(server.batches.files):
            if name.startswith("file-out") and not server.batches.files[name].startswith(planted):
                server.batches.files[name] = planted + server.batches.files[name]

    server.batches.content = lambda name: Reply(body=server.batches.files[name].decode("latin-1"))  # type: ignore[method-assign]
    server.before = tamper
    assert said(settled(asker(store, role(server)), "a")) == {"a": "about a with 3"}
    assert store.rows("SELECT count(*) FROM answers") == [(1,)]


def test_text_with_odd_line_ends_arrives_whole(server: ScriptedServer, store: AnswerStore) -> None:
    text = "one\u2028two\x85three\x0bfour \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
    server.default = lambda body: Reply(text + asked(body))
    asked_for = "pass\u2029age"
    assert said(settled(asker(store, role(server)), asked_for)) == {asked_for: text + asked_for}


@pytest.mark.parametrize("call", ["POST /v1/files", "POST /v1/batches"])
def test_an_answer_lost_on_the_way_does_not_hand_in_twice(server: ScriptedServer, store: AnswerStore, call: str) -> None:
    lost: list[str] = []

    def lose_once(made: str) -> Reply | None:
        if made != call or lost:
            return None
        lost.append(made)
        return Reply(drop=True)

    server.after = lose_once
    assert said(settled(asker(store, role(server)), "a")) == {"a": "about a with 3"}
    assert (len(server.batches.jobs), len(server.history), lost) == (1, 1, [call])


def test_a_run_that_never_heard_of_its_batch_finds_it_again(server: ScriptedServer, store: AnswerStore) -> None:
    server.after = lambda call: error_reply(500) if call.startswith("POST /v1/batches") else None
    server.before = lambda call: error_reply(500) if call == "GET /v1/batches" else None
    with pytest.raises(ProviderError, match="does not answer"):
        settled(asker(store, role(server, retries=0)), "a")
    assert [(batch.state, batch.batch_id) for batch in pending_batches(store)] == [("intended", None)]
    server.after = server.before = lambda _: None
    run = asker(store, role(server))
    assert said(settled(run, "a")) == {"a": "about a with 3"}
    assert (run.calls, run.hits, len(server.batches.jobs), len(server.history)) == (0, 1, 1, 1)


def test_a_batch_is_found_behind_many_others(server: ScriptedServer, store: AnswerStore) -> None:
    settings = role(server, batch_wait_s=0)
    server.batches.plan = SLOW
    settled(asker(store, settings), "a")
    for _ in range(150):
        server.batches.create({"input_file_id": "file-in-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"})
    nonce = pending_batches(store)[0].nonce
    assert BatchApi("generator", settings, 0.0).find("no-file", nonce, "2020-01-01T00:00:00Z") == "batch_1"
    assert BatchApi("generator", settings, 0.0).find("no-file", "other", "2020-01-01T00:00:00Z") is None


KILLED = """
import os, signal, sys
from pathlib import Path
from curate.llm import AnswerStore, Assignment, Request
from curate.llm.batch import BatchAsker, record
from schemas.settings import RoleSettings
url, folder, victim = sys.argv[1:]
name, when = victim.split()
whole = getattr(record.Record, name)
def dies(self, *args, **how):
    if when == "before": os.kill(os.getpid(), signal.SIGKILL)
    whole(self, *args, **how)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(record.Record, name, dies)
settings = RoleSettings(provider="batch", model="m", base_url=url, batch_wait_s=9, batch_poll_s=0.001)
with AnswerStore(Path(folder)) as store:
    asked = [Request(({"role": "user", "content": text},), seed=3, expected_tokens=9) for text in "abc"]
    print(list(BatchAsker(Assignment("generator", settings, "generate"), store).settle(asked)))
"""


@pytest.mark.parametrize("call", ["intend", "uploaded", "submitted", "ended"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_moment_nothing_is_handed_in_twice(server: ScriptedServer, tmp_path: Path, call: str, when: str) -> None:
    environment = {**os.environ, "OPENAI_API_KEY": "none", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, server.url, str(tmp_path), f"{call} {when}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with AnswerStore(tmp_path) as store:
        run = asker(store, role(server))
        assert said(settled(run, *"abc")) == {text: f"about {text} with 3" for text in "abc"}
        assert pending_batches(store) == []
    assert (len(server.batches.jobs), len(server.history)) == (1, 3)


def test_what_stops_a_run_says_so_once_and_leaves_nothing_pending(server: ScriptedServer, store: AnswerStore) -> None:
    for status, said_of_it in ((401, "refused the key in TEST_KEY"), (404, "has no batch API"), (403, "refused the key")):
        server.before = lambda call, status=status: error_reply(status, f"no: {SECRET}")  # type: ignore[misc]
        with pytest.raises(ProviderError, match=said_of_it) as raised:
            settled(asker(store, role(server)), "a")
        assert SECRET not in str(raised.value)
        assert pending_batches(store) == []
    assert server.calls == ["POST /v1/files"] * 3


def test_an_endpoint_without_batches_is_told_which_setting_to_change(server: ScriptedServer, store: AnswerStore) -> None:
    server.before = lambda call: error_reply(404, "no such path") if "batches" in call else None
    with pytest.raises(ProviderError) as raised:
        settled(asker(store, role(server)), "a")
    assert raised.value.where == "llm.generator.provider"
    assert raised.value.next_step.startswith('set llm.generator.provider = "endpoint"')


def test_nobody_there_is_one_error_within_the_retry_limit(store: AnswerStore) -> None:
    settings = RoleSettings(provider="batch", model="m", base_url="http://127.0.0.1:9/v1", api_key_env="TEST_KEY", retries=1)
    with pytest.raises(ProviderError, match="does not answer"):
        settled(asker(store, settings), "a")
    assert pending_batches(store) == []


def test_a_disturbance_while_waiting_does_not_end_the_wait(server: ScriptedServer, store: AnswerStore) -> None:
    looks: list[str] = []

    def trouble(call: str) -> Reply | None:
        looks.append(call)
        return error_reply(500) if call == "GET /v1/batches/batch_1" and looks.count(call) < 8 else None

    server.before = trouble
    assert said(settled(asker(store, role(server)), "a")) == {"a": "about a with 3"}
    assert looks.count("GET /v1/batches/batch_1") == 8


def test_no_secret_and_no_address_is_written(server: ScriptedServer, tmp_path: Path, store: AnswerStore) -> None:
    server.batches.plan = SLOW
    settled(asker(store, role(server, batch_wait_s=0)), "a")
    written = b"".join(path.read_bytes() for path in tmp_path.glob("llm.sqlite*"))
    assert b"batch_1" in written
    assert SECRET.encode() not in written
    assert server.url.encode() not in written
    assert b"127.0.0.1" not in written
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("llm.sqlite")) == []


def test_settling_twice_with_one_asker_reserves_once(server: ScriptedServer, store: AnswerStore) -> None:
    server.batches.plan = SLOW
    settled(asker(store, role(server, batch_wait_s=0)), "a")
    run = asker(store, role(server, batch_wait_s=0), max_calls=3)
    assert [one.unasked for one in settled(run, "a", "b").values()] == [False, False]
    assert [one.unasked for one in settled(run, "c", "d").values()] == [False, True]


def test_open_asker_gives_the_provider_that_is_set(server: ScriptedServer, store: AnswerStore) -> None:
    settings = LlmSettings(generator=role(server), judge=JudgeSettings(**role(server).model_dump() | {"provider": "endpoint"}))
    assert type(open_asker("generator", settings, store, stage="generate")).__name__ == "BatchAsker"
    assert type(open_asker("judge", settings, store, stage="verify")).__name__ == "Client"


def test_a_store_without_batches_has_none_pending(tmp_path: Path, store: AnswerStore) -> None:
    assert pending_batches(store) == []
    with sqlite3.connect(tmp_path / "llm.sqlite") as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert "batches" not in tables

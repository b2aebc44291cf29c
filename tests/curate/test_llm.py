"""The client of language models against a real HTTP server that follows a script."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from curate.llm import (
    Answer,
    AnswerStore,
    Assignment,
    Client,
    Purpose,
    Request,
    StoredAnswer,
    answer_key,
    clean_text,
    shown_model,
)
from curate.llm.faults import message, retry_after_s, shown_url
from curate.llm.scripted import Reply, ScriptedServer, error_reply, questions_reply
from schemas.errors import ProviderError, SettingsError, StoreError
from schemas.settings import RoleSettings

SECRET = "sk-very-secret-0123456789"
SCHEMA = {"type": "object", "properties": {"questions": {"type": "array"}}}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEST_KEY", SECRET)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda body: Reply("about " + body["messages"][-1]["content"])) as running:
        yield running


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path) as opened:
        yield opened


def role(server: ScriptedServer, **settings: Any) -> RoleSettings:
    return RoleSettings(model="m", base_url=server.url, api_key_env="TEST_KEY", **settings)


def client(store: AnswerStore, settings: RoleSettings) -> Client:
    return Client(Assignment("generator", settings, "generate"), store, backoff_s=0.001)


def requests(*texts: str, schema: dict[str, Any] | None = None) -> list[Request]:
    return [Request(({"role": "user", "content": text},), schema) for text in texts]


def texts(found: list[Answer]) -> list[str]:
    return [answer.text for answer in found]


def test_answers_come_as_they_arrive_and_one_slow_one_holds_up_none(server: ScriptedServer, answers: AnswerStore) -> None:
    server.default = lambda body: Reply(
        body["messages"][-1]["content"], delay_s=0.5 if body["messages"][-1]["content"] == "0" else 0
    )
    names = [str(number) for number in range(20)]
    asked = client(answers, role(server, concurrency=4))
    found = list(asked.settle(requests(*names)))
    assert sorted(texts(found), key=int) == names
    assert found[-1].text == "0"
    assert [answer.key for answer in found] == [
        answer_key(role(server), request, 0) for answer in found for request in requests(answer.text)
    ]
    assert 1 < server.most_at_once <= 4
    assert (asked.calls, asked.hits) == (20, 0)


def test_requests_are_taken_lazily_and_not_all_at_once(server: ScriptedServer, answers: AnswerStore) -> None:
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        while True:
            taken += 1
            yield requests(str(taken))[0]

    with closing(client(answers, role(server, concurrency=2)).settle(endless())) as stream:
        # Two are asked at once, and either may be answered first.
        assert next(stream).text in ("about 1", "about 2")
    assert taken <= 17


def test_a_second_run_makes_no_call(server: ScriptedServer, answers: AnswerStore) -> None:
    first = sorted(texts(list(client(answers, role(server)).settle(requests("a", "b")))))
    again = client(answers, role(server))
    assert sorted(texts(list(again.settle(requests("a", "b"))))) == first == ["about a", "about b"]
    assert (again.calls, again.hits, len(server.history)) == (0, 2, 2)


def test_the_key_depends_on_what_shapes_the_answer_and_on_nothing_else(server: ScriptedServer, answers: AnswerStore) -> None:
    base, request = role(server), requests("a")[0]
    key = answer_key(base, request, 0)
    for same in ({"timeout_s": 1.0}, {"concurrency": 1}, {"retries": 0}):
        assert answer_key(base.model_copy(update=same), request, 0) == key
    for other in ({"model": "n"}, {"base_url": "http://127.0.0.1:1/v1"}, {"temperature": 0.1}, {"max_output_tokens": 99}):
        assert answer_key(base.model_copy(update=other), request, 0) != key
    assert answer_key(base, request, 1) != key
    for changed in (Request(request.messages, SCHEMA), Request(request.messages, prompt="p"), Request(request.messages, seed=1)):
        assert answer_key(base, changed, 0) != key
    shared = base.model_copy(update={"alias": "team"})
    moved = shared.model_copy(update={"base_url": "http://127.0.0.1:1/v1"})
    assert answer_key(shared, request, 0) == answer_key(moved, request, 0) != key


def test_what_is_stored_holds_the_answer_and_its_cost_and_no_secret(
    server: ScriptedServer, tmp_path: Path, answers: AnswerStore
) -> None:
    list(client(answers, role(server)).settle(requests("a")))
    row = sqlite3.connect(tmp_path / "llm.sqlite").execute("SELECT * FROM answers").fetchall()
    assert len(row) == 1
    assert row[0][1:8] == ("generator", "generate", "m", "about a", 7, 5, "stop")
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("llm.sqlite*"))
    assert SECRET.encode() not in stored
    assert b"127.0.0.1" not in stored


def test_each_answer_is_on_disk_before_it_is_handed_out(server: ScriptedServer, answers: AnswerStore, tmp_path: Path) -> None:
    # What a kill leaves behind: another process would find every answer that was handed out, and be asked again for none of them.
    with closing(client(answers, role(server, concurrency=1)).settle(requests(*"abcdef"))) as stream:
        handed_out = [next(stream).text, next(stream).text]
        reader = sqlite3.connect(tmp_path / "llm.sqlite")
        on_disk = {text for (text,) in reader.execute("SELECT answer FROM answers")}
        reader.close()
        assert set(handed_out) <= on_disk
    paid = len(server.history)
    again = client(answers, role(server, concurrency=1))
    assert sorted(texts(list(again.settle(requests(*"abcdef"))))) == [f"about {letter}" for letter in "abcdef"]
    # One call was in flight when the first run was left.
    assert again.hits >= paid - 1
    assert len(server.history) <= 6 + 1


@pytest.mark.parametrize(
    "fault",
    [
        error_reply(429, retry_after="0"),
        error_reply(500),
        error_reply(503),
        Reply(drop=True),
        Reply(body="not json at all"),
        Reply(body='{"hello": 1}'),
        Reply(body='{"choices": []}'),
    ],
    ids=["429", "500", "503", "reset", "no JSON", "other JSON", "no choice"],
)
def test_passing_faults_are_tried_again(server: ScriptedServer, answers: AnswerStore, fault: Reply) -> None:
    server.enqueue(fault, fault)
    asked = client(answers, role(server, retries=2))
    assert texts(list(asked.settle(requests("a")))) == ["about a"]
    assert (asked.calls, len(server.history)) == (3, 3)


def test_an_answer_that_does_not_come_in_time_is_tried_again(server: ScriptedServer, answers: AnswerStore) -> None:
    server.enqueue(Reply("late", delay_s=0.6))
    asked = client(answers, role(server, timeout_s=0.2, retries=1))
    assert texts(list(asked.settle(requests("a")))) == ["about a"]
    assert asked.calls == 2


def test_a_request_without_answer_after_all_tries_is_owed_and_the_others_go_on(
    server: ScriptedServer, answers: AnswerStore
) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return error_reply(500, "boom") if body["messages"][-1]["content"] == "b" else Reply("fine")

    server.default = reply
    asked = client(answers, role(server, retries=2, concurrency=1))
    found = list(asked.settle(requests("a", "b", "c")))
    # "c" is asked while "b" waits for its next try.
    assert [(answer.text, answer.owed) for answer in found] == [("fine", False), ("fine", False), ("", True)]
    assert "boom" in found[2].failure
    assert found[2].key == answer_key(role(server), requests("b")[0], 0)
    assert asked.calls == 1 + 3 + 1
    server.default = lambda _: Reply("at last")
    again = client(answers, role(server))
    assert sorted(texts(list(again.settle(requests("a", "b", "c"))))) == ["at last", "fine", "fine"]
    assert (again.calls, again.hits) == (1, 2)


def test_retry_after_is_read_as_seconds_and_as_date() -> None:
    def fault(value: str) -> Exception:
        error = Exception()
        error.response = SimpleNamespace(headers={"retry-after": value})  # type: ignore[attr-defined]
        return error

    now = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC)
    assert retry_after_s(fault("1.5")) == 1.5
    assert retry_after_s(fault("Thu, 01 Jan 2026 00:00:07 GMT"), now) == 7.0
    assert retry_after_s(fault("Wed, 31 Dec 2025 00:00:00 GMT"), now) == 0.0
    assert retry_after_s(fault("99999")) == 600.0
    assert retry_after_s(fault("nan")) is None
    assert retry_after_s(fault("soon")) is None
    assert retry_after_s(Exception()) is None


def test_retry_after_holds_the_whole_crowd_back(server: ScriptedServer, answers: AnswerStore) -> None:
    arrived: list[float] = []

    def reply(body: dict[str, Any]) -> Reply:
        arrived.append(time.monotonic())
        return error_reply(429, retry_after="0.3") if len(arrived) == 1 else Reply("fine")

    server.default = reply
    asked = client(answers, role(server, concurrency=1))
    assert texts(list(asked.settle(requests("a", "b")))) == ["fine", "fine"]
    # The second request did not go out while the server wanted quiet.
    assert arrived[1] - arrived[0] >= 0.3
    assert len(arrived) == 3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (error_reply(401, f"wrong key {SECRET}"), "TEST_KEY"),
        (error_reply(403), "TEST_KEY"),
        (error_reply(404, "no such model"), "llm.generator.model"),
        (error_reply(429, "You exceeded your current quota", code="insufficient_quota"), "quota"),
    ],
    ids=["401", "403", "404", "no quota"],
)
def test_what_no_request_can_pass_stops_the_build_with_one_clear_error(
    server: ScriptedServer, answers: AnswerStore, fault: Reply, says: str
) -> None:
    server.enqueue(Reply("paid"), fault)
    with pytest.raises(ProviderError) as raised:
        list(client(answers, role(server, concurrency=1)).settle(requests("a", "b", "c")))
    text = str(raised.value)
    assert raised.value.exit_code == 6
    assert says in text
    assert server.url in text
    assert SECRET not in text
    assert len(server.history) == 2
    # The answer that came before is kept.
    assert texts(list(client(answers, role(server)).settle(requests("a")))) == ["paid"]
    assert len(server.history) == 2


def test_nobody_at_the_address_is_an_error_that_names_it(server: ScriptedServer, answers: AnswerStore) -> None:
    settings = RoleSettings(model="m", base_url="http://127.0.0.1:9/v1", retries=1)
    with pytest.raises(ProviderError, match=r"(?s)http://127\.0\.0\.1:9/v1 does not answer.*llm\.generator\.base_url"):
        list(client(answers, settings).settle(requests("a")))


def test_a_first_connection_that_breaks_off_is_one_request_lost(server: ScriptedServer, answers: AnswerStore) -> None:
    server.enqueue(Reply(drop=True))
    found = list(client(answers, role(server, retries=0, concurrency=1)).settle(requests("a", "b")))
    assert [(answer.text, answer.owed, bool(answer.failure)) for answer in found] == [("", True, True), ("about b", False, False)]


def test_a_server_that_falls_silent_is_not_asked_for_ever(server: ScriptedServer, answers: AnswerStore) -> None:
    server.enqueue(Reply("one"))
    server.default = lambda _: error_reply(503)
    asked = client(answers, role(server, retries=0, concurrency=1))
    found = list(asked.settle(requests(*map(str, range(30)))))
    assert [answer.owed for answer in found] == [False] + 29 * [True]
    assert asked.calls == 1 + 8
    assert found[-1].failure == "not asked: the endpoint had stopped answering"


def test_a_server_that_never_answered_anything_is_an_error(server: ScriptedServer, answers: AnswerStore) -> None:
    server.default = lambda _: error_reply(503, "down for repair")
    with pytest.raises(ProviderError, match="down for repair"):
        list(client(answers, role(server, retries=0, concurrency=1)).settle(requests(*map(str, range(30)))))


def test_a_server_too_slow_for_its_time_is_told_what_to_change(server: ScriptedServer, answers: AnswerStore) -> None:
    server.default = lambda _: Reply(delay_s=3.0, drop=True)
    asked = client(answers, role(server, retries=0, timeout_s=0.2))
    with pytest.raises(ProviderError, match=r"/v1 gives no answer in 0\.2 s") as caught:
        list(asked.settle(requests(*map(str, range(30)))))
    assert caught.value.next_step is not None
    assert caught.value.next_step.startswith("raise llm.generator.timeout_s or lower llm.generator.concurrency, then run")


def test_one_refused_request_is_no_reason_to_stop_but_every_one_is(server: ScriptedServer, answers: AnswerStore) -> None:
    server.enqueue(Reply("one"), error_reply(400, "maximum context length exceeded"), Reply("three"))
    found = list(client(answers, role(server, concurrency=1)).settle(requests("a", "b", "c")))
    assert [(answer.text, answer.owed, bool(answer.failure)) for answer in found] == [
        ("one", False, False),
        ("", False, True),
        ("three", False, False),
    ]
    server.default = lambda _: error_reply(400, "no")
    with pytest.raises(ProviderError, match="refuses every request"):
        list(client(answers, role(server, concurrency=1)).settle(requests(*"stuvwxyz")))


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_without_schemas_is_found_out_once_and_remembered(
    server: ScriptedServer, answers: AnswerStore, status: int
) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        asked = body.get("response_format", {}).get("type")
        return error_reply(status, "response_format: unknown type") if asked else Reply("plain")

    server.default = reply
    asked = client(answers, role(server, concurrency=1))
    assert texts(list(asked.settle(requests("a", "b", schema=SCHEMA)))) == ["plain", "plain"]
    kinds = [body.get("response_format", {}).get("type") for body in server.history]
    assert kinds == ["json_schema", "json_object", None, None]
    del server.history[:]
    list(client(answers, role(server)).settle(requests("c", schema=SCHEMA)))
    assert ["response_format" in body for body in server.history] == [False]


def test_a_server_that_refuses_without_saying_why_is_asked_without_a_schema(server: ScriptedServer, answers: AnswerStore) -> None:
    server.default = lambda body: error_reply(400, "bad request") if "response_format" in body else Reply("plain")
    assert texts(list(client(answers, role(server)).settle(requests("a", schema=SCHEMA)))) == ["plain"]


def test_a_schema_that_was_taken_before_is_not_dropped_for_one_refused_request(
    server: ScriptedServer, answers: AnswerStore
) -> None:
    server.enqueue(Reply("one"), error_reply(400, "bad request"), Reply("three"))
    asked = client(answers, role(server, concurrency=1))
    found = list(asked.settle(requests("a", "b", "c", schema=SCHEMA)))
    assert texts(found) == ["one", "", "three"]
    assert {body["response_format"]["type"] for body in server.history} == {"json_schema"}


def test_parameters_that_newer_models_refuse_are_left_out_or_renamed(server: ScriptedServer, answers: AnswerStore) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if "max_tokens" in body:
            return error_reply(400, "Unsupported parameter: use 'max_completion_tokens' instead")
        if "temperature" in body:
            return error_reply(400, "Unsupported value: 'temperature'")
        return Reply("fine")

    server.default = reply
    assert texts(list(client(answers, role(server, max_output_tokens=55)).settle(requests("a")))) == ["fine"]
    assert server.history[-1]["max_completion_tokens"] == 55


def test_an_answer_that_is_not_acceptable_is_asked_for_once_more_under_its_own_key(
    server: ScriptedServer, answers: AnswerStore
) -> None:
    server.enqueue(Reply("garbage"), Reply("good"))
    asked = client(answers, role(server, concurrency=1))
    assert texts(list(asked.settle(requests("a"), lambda text: text == "good"))) == ["good"]
    assert [body["seed"] for body in server.history] == [0, 1]
    again = client(answers, role(server))
    assert texts(list(again.settle(requests("a"), lambda text: text == "good"))) == ["good"]
    assert (again.calls, again.hits) == (0, 2)
    server.enqueue(Reply("bad"), Reply("worse"))
    assert texts(list(client(answers, role(server)).settle(requests("z"), lambda text: text == "good"))) == ["worse"]


def test_openai_itself_needs_a_key_and_others_do_not(
    server: ScriptedServer, answers: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY") as raised:
        client(answers, RoleSettings(model="m"))
    assert raised.value.exit_code == 2
    settings = RoleSettings(model="m", base_url=server.url)
    assert texts(list(client(answers, settings).settle(requests("a")))) == ["about a"]


def test_a_store_that_is_no_database_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "llm.sqlite").write_bytes(b"this is not a database, it is a text" * 100)
    with pytest.raises(StoreError, match=r"llm\.sqlite"):
        AnswerStore(tmp_path)


def test_the_store_gives_back_what_was_put(answers: AnswerStore) -> None:
    kept = StoredAnswer("text\x00 with 日本 and \U0001f600", "stop", 1.5, 3, None)
    answers.put("k", kept, Purpose("generator", "generate", "m"))
    assert answers.get("k") == kept
    assert answers.get("other") is None


def test_lone_surrogates_are_replaced() -> None:
    assert clean_text("a\ud800b") == "a?b"


def test_messages_show_no_secrets() -> None:
    assert shown_url("https://user:pass@host.example:8443/v1?key=abc") == "https://host.example:8443/v1"
    assert shown_url("nonsense") == "(not an address)"
    assert "sk-" not in message(ValueError("Incorrect API key provided: sk-abcdef123456"))


def test_an_interrupt_keeps_what_was_paid(server: ScriptedServer, answers: AnswerStore) -> None:
    with pytest.raises(KeyboardInterrupt):
        for answer in client(answers, role(server, concurrency=1)).settle(requests(*"abc")):
            if answer.text == "about b":
                raise KeyboardInterrupt
    again = client(answers, role(server))
    assert sorted(texts(list(again.settle(requests(*"ab"))))) == ["about a", "about b"]
    assert again.calls == 0


KILLED = """
import sys
from pathlib import Path
from curate.llm import AnswerStore, Assignment, Client, Request
from schemas.settings import RoleSettings

with AnswerStore(Path(sys.argv[1])) as store:
    settings = RoleSettings(model="m", base_url=sys.argv[2], concurrency=2)
    client = Client(Assignment("generator", settings, "generate"), store)
    for answer in client.settle([Request(({"role": "user", "content": str(n)},)) for n in range(40)]):
        pass
print(client.calls, flush=True)
"""


def test_a_run_killed_at_any_moment_pays_again_for_no_more_than_was_in_flight(
    server: ScriptedServer, tmp_path: Path, answers: AnswerStore
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), server.url]
    server.default = lambda body: Reply("about " + body["messages"][-1]["content"], delay_s=0.05)
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        while len(server.history) < 17 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
    subprocess.run(command, check=True, capture_output=True, cwd=root)
    asked = [body["messages"][-1]["content"] for body in server.history]
    assert sorted(set(asked), key=int) == [str(number) for number in range(40)]
    assert 40 <= len(asked) <= 40 + 2
    again = client(answers, role(server))
    assert sorted(texts(list(again.settle(requests(*map(str, range(40))))))) == sorted(f"about {number}" for number in range(40))
    assert again.calls == 0


def test_questions_reply_is_json() -> None:
    assert questions_reply("Why?").text == '{"questions": [{"question": "Why?"}]}'


@pytest.mark.parametrize(
    ("provider", "name", "shown"),
    [
        ("endpoint", "openai/gpt-4o", "openai/gpt-4o"),
        ("endpoint", "a/b/c", "a/b/c"),
        ("transformers", "Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"),
        ("transformers", "/home/me/models/qwen.gguf", "qwen.gguf"),
        ("transformers", "./qwen", "qwen"),
        ("transformers", "owner/name/file.gguf", "file.gguf"),
    ],
)
def test_no_path_of_the_machine_stands_in_rows_and_bills(provider: Any, name: str, shown: str) -> None:
    assert shown_model(RoleSettings(provider=provider, model=name)) == shown

"""The scripted server speaks the protocols that the real clients speak, and goes wrong as planned."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from curate.generate.parse import is_usable, parse_answer
from curate.llm import AnswerStore, Assignment, Client, Request
from curate.llm.asking import estimated_prompt_tokens
from curate.llm.batch import BatchAsker
from curate.llm.scripted import (
    JUDGES,
    KINDS,
    BatchPlan,
    FaultPlan,
    Reply,
    ScriptedServer,
    by_role,
    error_reply,
    fabricated,
    is_judge_request,
    scripted_judge,
)
from curate.llm.scripted.jobs import read_form
from schemas.settings import RoleSettings

HERON = "The heron is a wading bird of shallow water. It waits for fish to come near.\nHeronries are often close to lakes."
ITEM = {
    "type": "object",
    "properties": {
        "evidence": {"type": "string"},
        "question": {"type": "string"},
        "answer": {"type": "string"},
        "style": {"type": "string", "enum": ["factoid", "natural"]},
    },
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda body: Reply("about " + body["messages"][-1]["content"])) as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as connected:
        yield connected


def body(passage: str = HERON, schema: dict[str, Any] | None = None, count: int = 2) -> dict[str, Any]:
    questions = {"type": "array", "items": ITEM, "minItems": 1, "maxItems": count}
    wanted = schema or {"type": "object", "properties": {"questions": questions}}
    text = f"Document: Birds\n=== passage 1f ===\n{passage}\n=== passage 1f ===\nWrite questions."
    inner = {"name": "answer", "schema": wanted, "strict": True}
    return {
        "model": "m",
        "messages": [{"role": "system", "content": "You write."}, {"role": "user", "content": text}],
        "response_format": {"type": "json_schema", "json_schema": inner},
    }


def uploaded(client: openai.OpenAI, *texts: str) -> str:
    lines = [
        {
            "custom_id": text,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "messages": [{"role": "user", "content": text}]},
        }
        for text in texts
    ]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    return client.files.create(file=("a.jsonl", data, "application/jsonl"), purpose="batch").id


def created(client: openai.OpenAI, file_id: str, **metadata: str) -> Any:
    return client.batches.create(
        input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
    )


def results(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    lines = [json.loads(line) for line in client.files.content(file_id).text.splitlines()]
    return {line["custom_id"]: line for line in lines}


def test_the_models_are_listed(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.models = ("m", "n")
    assert [model.id for model in client.models.list()] == ["m", "n"]


def test_a_batch_goes_through_its_states_poll_by_poll(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.batches.plan = BatchPlan(polls=3)
    batch = created(client, uploaded(client, "a", "b"), mine="x")
    assert (batch.status, batch.metadata) == ("validating", {"mine": "x"})
    seen = [client.batches.retrieve(batch.id) for _ in range(4)]
    assert [look.status for look in seen] == ["validating", "in_progress", "finalizing", "completed"]
    last = seen[-1]
    assert last.request_counts is not None
    assert (last.request_counts.total, last.request_counts.completed, last.error_file_id) == (2, 2, None)
    answers = results(client, last.output_file_id)
    assert list(answers) == ["b", "a"]
    assert answers["a"]["response"]["body"]["choices"][0]["message"]["content"] == "about a"
    assert [line["messages"][0]["content"] for line in server.history] == ["a", "b"]


def test_a_batch_takes_its_time(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.batches.plan = BatchPlan(latency_s=3600)
    batch = created(client, uploaded(client, "a"))
    assert [client.batches.retrieve(batch.id).status for _ in range(3)] == ["validating"] * 3
    assert server.history == []


def test_lines_that_fail_stand_in_the_error_file(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.enqueue(error_reply(429, "slow down", "rate"), Reply(drop=True), Reply("fine"))
    batch = client.batches.retrieve(created(client, uploaded(client, "a", "b", "c")).id)
    failed = results(client, batch.error_file_id)
    assert failed["a"]["response"]["status_code"] == 429
    assert failed["a"]["response"]["body"]["error"]["message"] == "slow down"
    assert failed["b"]["error"] == {"code": "server_error", "message": "The server had an error."}
    assert list(results(client, batch.output_file_id)) == ["c"]


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_batch_may_end_halfway(server: ScriptedServer, client: openai.OpenAI, end: Any) -> None:
    server.batches.plan = BatchPlan(end=end, answered=0.5)
    batch = client.batches.retrieve(created(client, uploaded(client, "a", "b")).id)
    assert batch.status == end
    assert list(results(client, batch.output_file_id)) == ["a"]
    assert results(client, batch.error_file_id)["b"]["error"]["code"] == f"batch_{end}"


def test_a_batch_may_fail_or_be_cancelled(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.batches.plans.extend([BatchPlan(end="failed", errors=(("c", "why"),)), BatchPlan(polls=9)])
    first, second = (created(client, uploaded(client, "a")).id for _ in range(2))
    failed = client.batches.retrieve(first)
    assert failed.errors is not None
    assert failed.errors.data is not None
    assert (failed.status, failed.errors.data[0].code, failed.errors.data[0].message) == ("failed", "c", "why")
    assert client.batches.cancel(second).status == "cancelled"
    assert server.history == []


def test_a_repeated_custom_id_fails_the_batch(client: openai.OpenAI) -> None:
    assert client.batches.retrieve(created(client, uploaded(client, "a", "a")).id).status == "failed"


def test_batches_are_listed_newest_first_page_by_page(client: openai.OpenAI) -> None:
    file_id = uploaded(client, "a")
    names = [created(client, file_id).id for _ in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)] == names[::-1]


def test_what_does_not_exist_is_404_and_what_is_wrong_400(server: ScriptedServer, client: openai.OpenAI) -> None:
    for call in (
        lambda: client.batches.retrieve("x"),
        lambda: client.batches.cancel("x"),
        lambda: client.files.content("x"),
        lambda: client.moderations.create(input="a"),
    ):
        with pytest.raises(openai.NotFoundError):
            call()
    with pytest.raises(openai.BadRequestError):
        created(client, "no-file")
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("a", b"x"), purpose="vision")


def test_embeddings_of_texts_that_share_words_are_alike(server: ScriptedServer, client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model="m", input=["red apple", "apple pie", "blue sky"], encoding_format="float")
    first, second, third = ([value - 0.01 for value in row.embedding] for row in reply.data)
    assert sum(a * b for a, b in zip(first, second, strict=True)) == pytest.approx(1.0)
    assert sum(a * b for a, b in zip(first, third, strict=True)) == pytest.approx(0.0)
    assert server.history == [{"model": "m", "input": ["red apple", "apple pie", "blue sky"], "encoding_format": "float"}]
    server.enqueue(error_reply(429, "slow down"))
    with pytest.raises(openai.RateLimitError):
        client.embeddings.create(model="m", input="a")


def test_hooks_stand_before_and_after_what_is_done(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.before = lambda call: error_reply(503) if call == "POST /v1/files" else None
    with pytest.raises(openai.InternalServerError):
        uploaded(client, "a")
    assert server.batches.files == {}
    server.before = lambda _: None
    server.after = lambda call: Reply(drop=True) if call == "POST /v1/batches" else None
    with pytest.raises(openai.APIConnectionError):
        created(client, uploaded(client, "a"))
    assert list(server.batches.jobs) == ["batch_1"]
    assert server.calls == ["POST /v1/files", "POST /v1/files", "POST /v1/batches"]


@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_a_refused_format_is_a_400_that_names_it(server: ScriptedServer, client: openai.OpenAI, kind: Any) -> None:
    server.refuses = frozenset({kind})
    with pytest.raises(openai.BadRequestError, match="'response_format'"):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}], response_format={"type": kind})
    assert client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}]).choices[0].message.content


def test_a_fabricated_answer_fits_its_schema_and_quotes_the_passage() -> None:
    reply = fabricated(body())
    items = json.loads(reply.text)["questions"]
    assert [item["evidence"] for item in items] == [
        "The heron is a wading bird of shallow water.",
        "It waits for fish to come near.",
    ]
    for item in items:
        assert list(item) == ["evidence", "question", "answer", "style"]
        assert item["style"] in ("factoid", "natural")
        assert item["question"].endswith("?")
        assert item["question"] not in HERON
    words = set(items[0]["question"].strip("?").split())
    assert {"heron", "wading", "shallow", "water"} <= words
    request = Request(tuple(body()["messages"]))
    assert reply.usage is not None
    assert reply.usage[0] == estimated_prompt_tokens(request)
    assert fabricated(body()) == reply


def test_a_fabricated_answer_needs_no_schema_and_takes_either_form() -> None:
    plain = {name: part for name, part in body().items() if name != "response_format"}
    assert [item.evidence for item in parse_answer(fabricated(plain).text)] == [
        "The heron is a wading bird of shallow water.",
        "It waits for fish to come near.",
        "Heronries are often close to lakes.",
    ]
    schema = body()["response_format"]["json_schema"]["schema"]
    assert fabricated(plain | {"response_format": {"type": "json_object", "schema": schema}}).text == fabricated(body()).text
    assert is_usable(fabricated({"messages": []}).text)


def test_a_fabricated_answer_takes_any_kind_of_value_and_each_passage_by_its_number() -> None:
    parts = {
        "evidence_1": {"type": "string"},
        "evidence_2": {"type": "string"},
        "score": {"type": "integer", "minimum": 1, "maximum": 3},
        "good": {"type": "boolean"},
        "verdict": {"enum": ["yes", "no"]},
        "nothing": {"type": "null"},
        "question": {"type": "string"},
    }
    asked = body(schema={"type": "object", "properties": parts})
    asked["messages"][1]["content"] += "\n=== passage 2e ===\nKilns burn lime at great heat.\n=== passage 2e ===\n"
    made = json.loads(fabricated(asked).text)
    assert (made["evidence_1"], made["evidence_2"]) == (
        "The heron is a wading bird of shallow water.",
        "Kilns burn lime at great heat.",
    )
    assert (made["score"] in (1, 2, 3), made["good"] in (True, False), made["verdict"] in ("yes", "no")) == (True,) * 3
    assert made["nothing"] is None
    # A question about both, so unlike those about one of them.
    assert "heron" in made["question"]
    assert "Kilns" in made["question"]


@pytest.mark.parametrize(
    "passage", ["Der Reiher steht still im flachen Wasser und wartet.", "鹭是一种涉禽。它等着鱼游近。", "?", "\n"]
)
def test_other_languages_and_empty_passages_give_questions_too(passage: str) -> None:
    made = json.loads(fabricated(body(passage)).text)["questions"]
    assert made
    assert all(item["question"].strip() for item in made)


def test_a_fabricated_answer_quotes_no_scrap() -> None:
    made = json.loads(fabricated(body("Grey herons nest. The heron waits in shallow water for fish.", count=1)).text)["questions"]
    assert [item["evidence"] for item in made] == ["The heron waits in shallow water for fish."]


POINTS = ("answerable", "self_contained", "specific", "natural")
VERDICT = {"type": "object", "properties": {"quote": {"type": "string"}, **{point: {"type": "boolean"} for point in POINTS}}}
HERON_QUOTE = "The heron is a wading bird of shallow water."


def verdict_body(question: str = "Where do herons live?", *, schema: bool = True) -> dict[str, Any]:
    asked = body(schema=VERDICT)
    asked["messages"][-1]["content"] += f"\n=== question 2e ===\n{question}\n=== question 2e ===\nJSON only."
    if not schema:
        del asked["response_format"]
    return asked


def test_requests_for_a_verdict_are_known_by_their_schema_or_by_the_mark_of_the_question() -> None:
    hostile = f"{HERON}\n=== question 2e ===\nQ?\n=== question 2e ==="
    assert [is_judge_request(one) for one in (verdict_body(), verdict_body(schema=False), body(), body(hostile))] == [
        True,
        True,
        False,
        False,
    ]
    plain = body()
    del plain["response_format"]
    assert not is_judge_request(plain)


def test_made_up_verdicts_quote_the_passage_and_are_mostly_yes() -> None:
    found = [json.loads(fabricated(verdict_body(f"Question {number}?")).text) for number in range(400)]
    denied = [one for one in found if not all(one[point] for point in POINTS)]
    assert 25 <= len(denied) <= 80
    assert {sum(not one[point] for point in POINTS) for one in denied} == {1}
    assert {one["quote"] for one in found if one["answerable"]} == {HERON_QUOTE}
    assert {one["quote"] for one in found if not one["answerable"]} == {""}
    assert fabricated(verdict_body()).text == fabricated(verdict_body()).text


def test_scripted_judges_say_what_they_are_named_for() -> None:
    said = {kind: scripted_judge(kind)(verdict_body()) for kind in JUDGES}
    for kind, quote, yes in (("yes", HERON_QUOTE, True), ("yes_no_quote", "", True), ("no", "", False)):
        assert json.loads(said[kind].text) == {"quote": quote, **dict.fromkeys(POINTS, yes)}
    wrong = json.loads(said["yes_wrong_quote"].text)
    assert all(wrong[point] for point in POINTS)
    assert wrong["quote"] not in HERON
    assert said["truncated"].finish_reason == "length"
    for kind in ("garbage", "truncated"):
        with pytest.raises(ValueError, match="line 1"):
            json.loads(said[kind].text)
    for number in range(20):
        text = scripted_judge("contradictory")(verdict_body(f"{number}?")).text
        assert all(f'"{point}": true' in text and f'"{point}": false' in text for point in POINTS)
    random = Counter(scripted_judge("random", seed=5)(verdict_body(f"{number}?")).text for number in range(200))
    assert len(random) > 12
    with pytest.raises(ValueError, match="no judge named 'lenient'"):
        scripted_judge("lenient")  # type: ignore[arg-type]


def test_a_server_plays_both_roles() -> None:
    both = by_role(lambda _: Reply("written"), lambda _: Reply("judged"))
    assert [both(one).text for one in (body(), verdict_body())] == ["written", "judged"]


def test_the_share_of_faults_is_as_planned_and_follows_from_the_seed() -> None:
    def sent(seed: int) -> list[Reply]:
        plan = FaultPlan(fabricated, 0.3, seed, timeout_s=0)
        return [plan(body(f"{HERON} {number}")) for number in range(900)]

    plan = FaultPlan(fabricated, 0.3, 13, timeout_s=0)
    replies = [plan(body(f"{HERON} {number}")) for number in range(900)]
    assert replies == sent(13) != sent(14)
    assert set(plan.made) == set(KINDS)
    assert 0.25 < sum(plan.made.values()) / 900 < 0.35
    assert all(10 <= count <= 60 for count in plan.made.values())


def test_faults_on_the_way_pass_and_faults_of_the_answer_stay() -> None:
    plan = FaultPlan(fabricated, 1.0, kinds=("429", "empty"))
    asked = [body(f"{HERON} {number}") for number in range(40)]
    replies = [[plan(one) for _ in range(6)] for one in asked]
    said = [{reply.text for reply in several if reply.status == 200} for several in replies]
    right = [fabricated(one).text for one in asked]
    assert all(len(texts) <= 1 for texts in said)
    assert {"" if texts == {""} else "right" for texts, text in zip(said, right, strict=True) if texts in ({""}, {text})} == {
        "",
        "right",
    }
    assert {reply.status for several in replies for reply in several} == {200, 429}


def test_every_kind_of_fault_is_what_it_says() -> None:
    def of(kind: str) -> Reply:
        return FaultPlan(fabricated, 1.0, kinds=(kind,), timeout_s=7)(body(count=1))

    right = fabricated(body(count=1)).text
    assert [of(kind).status for kind in ("429", "500")] == [429, 500]
    assert (of("reset").drop, of("timeout").delay_s) == (True, 7)
    assert (of("empty").text, of("truncated").finish_reason, of("truncated").text) == ("", "length", right[: len(right) // 3])
    assert not is_usable(of("garbage").text)
    assert not is_usable(of("wrong_schema").text)
    assert len(json.loads(of("wrong_count").text)["questions"]) == 5
    with pytest.raises(ValueError, match="no faults named"):
        FaultPlan(fabricated, kinds=("boredom",))


@pytest.mark.parametrize("provider", ["endpoint", "batch"])
def test_clients_live_with_faults_of_every_kind(tmp_path: Path, provider: Any) -> None:
    plan = FaultPlan(fabricated, 0.4, timeout_s=0)
    asked = [Request(tuple(body(f"{HERON} {number}")["messages"]), seed=number) for number in range(60)]
    with ScriptedServer(plan) as server:
        settings = RoleSettings(provider=provider, model="m", base_url=server.url, batch_poll_s=0.001, retries=8)
        for _ in range(9):
            with AnswerStore(tmp_path) as store:
                kind = Client if provider == "endpoint" else BatchAsker
                run = kind(Assignment("generator", settings, "generate"), store, backoff_s=0.001)
                answers = list(run.settle(asked, is_usable))
            if not any(answer.owed for answer in answers):
                break
    assert set(plan.made) == set(KINDS)
    found = Counter("refused" if one.failure else "usable" if is_usable(one.text) else "unusable" for one in answers)
    assert found.total() == 60
    assert found["refused"] == 0
    assert found["usable"] >= 50


def test_a_client_that_goes_away_makes_no_noise(server: ScriptedServer, client: openai.OpenAI, capfd: Any) -> None:
    host, port = "127.0.0.1", int(server.url.split(":")[2].split("/")[0])
    with socket.create_connection((host, port)) as half:
        half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99\r\n\r\n{")
    assert client.models.list().data[0].id == "scripted"
    server.closing.wait(0.05)
    assert (server.history, capfd.readouterr().err) == ([], "")


def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-u",
        "-m",
        "curate.llm.scripted",
        "--port",
        "0",
        "--faults",
        "0.0",
        "--polls",
        "1",
        "--judge",
        "no",
    ]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[2]
        settings = RoleSettings(provider="batch", model="m", base_url=url, batch_poll_s=0.01)
        with AnswerStore(tmp_path) as store:
            run = BatchAsker(Assignment("generator", settings, "generate"), store)
            answers = list(run.settle([Request(tuple(body()["messages"]))], is_usable))
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as judge:
            verdict = judge.chat.completions.create(**verdict_body()).choices[0].message.content
        process.terminate()
        process.communicate()
    assert "heron" in answers[0].text
    assert json.loads(verdict) == {"quote": "", **dict.fromkeys(POINTS, False)}


def test_a_form_is_read_whatever_is_in_it() -> None:
    data = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\none\r\n\r\ntwo\r\n--b--\r\n'
    assert read_form(data, 'multipart/form-data; boundary="b"') == {"file": b"one\r\n\r\ntwo"}
    assert read_form(data, "text/plain") == {}

"""The judge in a whole build: it may take rows away, never bring one back, and keeps none that it did not clearly say yes to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from curate.filter.gates import GATES
from curate.llm import AnswerStore
from curate.llm.scripted import (
    JUDGES,
    Reply,
    ScriptedServer,
    by_role,
    error_reply,
    fabricated,
    is_judge_request,
    scripted_judge,
    verdict_reply,
)
from curate.llm.usage import runs
from pipelines.bill import bill, bill_lines
from pipelines.costs import plan_with_costs
from pipelines.estimate import Estimate
from pipelines.look import sql, status, why
from pipelines.runner import Build, run_build
from schemas.errors import SettingsError
from schemas.settings import load_settings

Questions = dict[str, dict[str, Any]]

SUBJECTS = "harbour lighthouse keeper signal lantern mirror tower granite".split()
FACTS = (
    "was painted {colour} after the storm of {year}",
    "carries a bronze bell that weighs {year} kilograms",
    "is guarded by {colour} geese between March and October",
    "received a {colour} copper roof from the guild of ropemakers",
)
COLOURS = "red green blue yellow white black grey brown".split()
BY_JUDGE = {"judge_said_no", "judge_unknown", "judge_missing", "judge_not_asked"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def write_documents(folder: Path) -> Path:
    """Eight manuals of three sections each; no two passages tell the same."""
    folder.mkdir(parents=True)
    for number, subject in enumerate(SUBJECTS):
        parts = [f"# The {subject} manual"]
        for section, part in enumerate(("door", "window", "stair")):
            sentences = [
                f"The {part} of the {subject} at {SUBJECTS[(number + at) % 8]} bay "
                + fact.format(colour=COLOURS[(number + section + at) % 8], year=1700 + 24 * number + 8 * section + at)
                + "."
                for at, fact in enumerate(FACTS)
            ]
            parts.append(f"## The {subject} {part}\n\n{' '.join(sentences)}")
        (folder / f"{subject}.md").write_text("\n\n".join(parts), encoding="utf-8")
    return folder


def half_bad(body: dict[str, Any]) -> Reply:
    """Questions of which many fail a gate: bound to the passage, quoting what is not there, asking for wrong numbers, too short."""
    found = json.loads(fabricated(body).text)
    for at, item in enumerate(found.get("questions", ())):
        lot = int(sha256(f"{at} {body['messages'][-1]['content']}".encode()).hexdigest()[:8], 16) % 7
        if lot == 0:
            item["question"] = "What does this passage say about it?"
        elif lot == 1:
            item["evidence"] = "Nobody has ever printed a timetable of the ferries to the outer islands."
        elif lot == 2:
            item["question"] = "Granite?"
    return Reply(json.dumps(found))


@dataclass
class Asked:
    """A judge that remembers what it said of which question about which chunk."""

    kind: Any
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __call__(self, body: dict[str, Any]) -> Reply:
        reply = scripted_judge(self.kind)(body)
        lines = body["messages"][-1]["content"].split("\n")
        at = next(at for at, line in enumerate(lines) if line.startswith("=== question "))
        chunk = next(line.split()[2] for line in lines if line.startswith("=== passage "))
        self.said.setdefault((lines[at + 1], chunk), []).append(reply.text)
        return reply


def settings_for(server: ScriptedServer, *more: str, judge: bool = True) -> list[str]:
    roles = ("generator", "judge") if judge else ("generator",)
    common = [
        f"llm.{role}.{setting}"
        for role in roles
        for setting in (f"base_url={server.url}", f"model=the-{role}", f"alias={role}", "retries=0")
    ]
    return [*common, "generate.extractive=false", "llm.judge.concurrency=1", *more]


def build(docs: Path, out: Path, sets: list[str], until: str = "filter", **options: Any) -> None:
    run_build(Build((str(docs),), out, load_settings(None, sets), until=until, **options))


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_documents(tmp_path_factory.mktemp("judged") / "docs")


@pytest.fixture(scope="module")
def unjudged(docs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build without a judge; tests copy it."""
    out = tmp_path_factory.mktemp("unjudged") / "out"
    with pytest.MonkeyPatch.context() as patch, ScriptedServer(by_role(half_bad, lambda _: error_reply(500))) as server:
        patch.setenv("NO_PROXY", "127.0.0.1")
        build(docs, out, settings_for(server, judge=False))
    return out


@pytest.fixture
def out(unjudged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(unjudged, tmp_path / "out"))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(by_role(half_bad, scripted_judge("yes"))) as running:
        yield running


def rejected(folder: Path) -> dict[str, tuple[str, str]]:
    """Question id → reason and state, of stage filter."""
    rows = sql(folder, "SELECT row_key, reason, state FROM rejected WHERE stage = 'filter'")
    return {row["row_key"]: (row["reason"], row["state"]) for row in rows}


def kept(folder: Path) -> Questions:
    found = sql(
        folder,
        "SELECT question_id, question, chunks.chunk_id, chunks.text, judge, judge_failed, judge_note FROM pairs JOIN questions USING (question_id) "
        "JOIN checks USING (question_id) JOIN chunks ON chunks.chunk_id = questions.chunk_id",
    )
    return {row["question_id"]: row for row in found}


def clearly_yes(answer: str, text: str) -> bool:
    """By a strict reader that shares no code with the judge's."""
    pairs: list[tuple[str, Any]] = []
    try:
        json.loads(answer, object_pairs_hook=pairs.extend)
    except ValueError:
        return False
    names = [name for name, _ in pairs]
    found = dict(pairs)
    right = sorted(names) == sorted(["quote", "answerable", "self_contained", "specific", "natural"])
    return (
        right
        and all(found[name] is True for name in names if name != "quote")
        and found["quote"] in text
        and bool(found["quote"])
    )


def judge_calls(server: ScriptedServer) -> int:
    return sum(is_judge_request(body) for body in server.history)


@pytest.mark.parametrize("kind", JUDGES)
def test_no_judge_brings_a_rejected_row_back_or_keeps_one_it_did_not_say_yes_to(
    kind: Any, docs: Path, unjudged: Path, out: Path, server: ScriptedServer
) -> None:
    before, survivors = rejected(unjudged), kept(unjudged)
    alone = {key: value for key, value in before.items() if value[0] in GATES}
    assert len({reason for reason, _ in alone.values()}) >= 3
    assert len(survivors) >= 15
    judge = Asked(kind)
    server.default = by_role(half_bad, judge)
    build(docs, out, settings_for(server))
    after, left = rejected(out), kept(out)
    assert {key: after[key] for key in alone} == alone
    assert {key for key, (reason, _) in after.items() if reason in BY_JUDGE} <= survivors.keys() | (before.keys() - alone.keys())
    questions = {row["question_id"]: row for row in sql(out, "SELECT question_id, question, chunk_id FROM questions")}
    assert not {(questions[key]["question"], questions[key]["chunk_id"]) for key in alone} & judge.said.keys()
    for row in left.values():
        assert (row["judge"], row["judge_failed"]) == ("yes", [])
        assert clearly_yes(judge.said[row["question"], row["chunk_id"]][-1], row["text"]), row
    expected = {
        "yes": (len(survivors), set()),
        "yes_wrong_quote": (0, {("judge_unknown", "quarantined")}),
        "yes_no_quote": (0, {("judge_unknown", "quarantined")}),
        "no": (0, {("judge_said_no", "rejected")}),
        "random": (len(left), {("judge_unknown", "quarantined"), ("judge_said_no", "rejected")}),
        "garbage": (0, {("judge_unknown", "quarantined")}),
        "truncated": (0, {("judge_unknown", "quarantined")}),
        "contradictory": (0, {("judge_unknown", "quarantined")}),
    }
    assert kind != "random" or 0 < len(left) < len(survivors)
    assert (len(left), {value for value in after.values() if value[0] in BY_JUDGE}) == expected[kind]


def test_a_second_build_asks_nothing_and_gives_the_same(docs: Path, out: Path, server: ScriptedServer) -> None:
    build(docs, out, settings_for(server))
    asked, first = len(server.history), (rejected(out), kept(out))
    assert asked == len([row for row in sql(out, "SELECT judge FROM checks") if row["judge"] is not None])
    build(docs, out, settings_for(server), force=("verify",))
    assert (len(server.history), rejected(out), kept(out)) == (asked, *first)
    with AnswerStore(out, read_only=True) as store:
        assert [(one.calls, one.hits) for one in runs(store) if one.role == "judge"] == [(asked, 0), (0, asked)]


def test_a_judge_that_fails_for_a_while_is_asked_again_for_just_that(docs: Path, out: Path, server: ScriptedServer) -> None:
    server.default = lambda body: error_reply(500) if server.answered % 3 == 0 else scripted_judge("yes")(body)
    build(docs, out, settings_for(server))
    missing = {key for key, value in rejected(out).items() if value == ("judge_missing", "quarantined")}
    assert len(missing) >= 4
    assert not missing & kept(out).keys()
    owed = {row["stage"]: row["owed"] for row in status(out)}
    assert owed["verify"] == len(missing)
    asked = len(server.history)
    server.default = scripted_judge("yes")
    build(docs, out, settings_for(server))
    assert len(server.history) == asked + len(missing)
    assert missing <= kept(out).keys()
    assert not {reason for reason, _ in rejected(out).values()} & BY_JUDGE


def test_a_limit_stops_the_judge_spread_over_documents_and_a_larger_one_goes_on(
    docs: Path, out: Path, server: ScriptedServer
) -> None:
    with AnswerStore(out, read_only=True) as store:
        paid = store.rows("SELECT count(*) FROM answers")[0][0]
    build(docs, out, settings_for(server, f"llm.max_calls={paid + 8}"))
    assert len(server.history) == 8
    query = "SELECT count(DISTINCT document_id) AS n FROM checks JOIN questions USING (question_id) JOIN chunks USING (chunk_id) WHERE "
    judged = sql(out, query + "judge = 'yes'")[0]["n"]
    assert judged == min(8, sql(out, query + "judge IS NOT NULL")[0]["n"])
    waiting = [key for key, value in rejected(out).items() if value == ("judge_not_asked", "quarantined")]
    assert len(waiting) >= 5
    build(docs, out, settings_for(server))
    assert len(server.history) == 8 + len(waiting)
    assert set(waiting) <= kept(out).keys()


def test_a_question_of_two_chunks_is_judged_once_and_falls_as_a_whole(docs: Path, tmp_path: Path, server: ScriptedServer) -> None:
    server.default = by_role(fabricated, scripted_judge("yes"))
    sets = settings_for(server, "generate.weights.multi_chunk=9")
    build(docs, tmp_path / "out", sets)
    groups = sql(
        tmp_path / "out",
        "SELECT group_id, list(judge) AS judge, count(*) AS n, list(text) AS texts, any_value(question) AS question FROM questions "
        "JOIN checks USING (question_id) JOIN chunks USING (chunk_id) WHERE group_id IS NOT NULL GROUP BY 1",
    )
    assert groups
    assert {row["n"] for row in groups} == {2}
    judged = [row for row in groups if row["judge"] == ["yes", "yes"]]
    assert judged
    assert all(row["judge"] in (["yes", "yes"], [None, None]) for row in groups)
    for row in judged:
        asked = [body for body in server.history if is_judge_request(body) and row["question"] in body["messages"][-1]["content"]]
        assert len(asked) == 1
        assert all(text in asked[0]["messages"][-1]["content"] for text in row["texts"])
    server.default = by_role(fabricated, lambda _: verdict_reply("", "answerable"))
    build(docs, tmp_path / "out", [*sets, "llm.judge.temperature=0.1"])
    reasons = {value[0] for key, value in rejected(tmp_path / "out").items()}
    assert "judge_said_no" in reasons
    assert kept(tmp_path / "out") == {}


def test_questions_of_other_origins_are_judged_where_the_settings_say_so(
    docs: Path, tmp_path: Path, server: ScriptedServer
) -> None:
    roles = [f"llm.judge.base_url={server.url}", "llm.judge.model=j"]
    out = tmp_path / "out"
    build(docs, out, roles)
    assert server.history == []
    assert {row["judge"] for row in sql(out, "SELECT judge FROM checks")} == {None}
    build(docs, out, [*roles, 'verify.judged=["extractive"]'])
    assert judge_calls(server) == len(server.history) == len(sql(out, "SELECT 1 FROM checks WHERE judge = 'yes'")) > 0


def test_a_judge_that_is_switched_off_is_not_asked(docs: Path, out: Path, unjudged: Path, server: ScriptedServer) -> None:
    build(docs, out, settings_for(server, "filter.judge=false"))
    assert (server.history, rejected(out)) == ([], rejected(unjudged))


def test_a_prompt_that_is_not_there_is_said_before_any_stage_runs(docs: Path, tmp_path: Path, server: ScriptedServer) -> None:
    with pytest.raises(SettingsError, match=r"verify\.judge_prompt = absent\.md"):
        build(docs, tmp_path / "out", settings_for(server, "verify.judge_prompt=absent.md"))
    assert not (tmp_path / "out" / "curate.duckdb").exists()


def test_why_tells_what_the_judge_said(docs: Path, out: Path, server: ScriptedServer) -> None:
    server.default = lambda _: verdict_reply("", "specific", "natural")
    build(docs, out, settings_for(server))
    name = next(key for key, value in rejected(out).items() if value[0] == "judge_said_no")
    checks = next(row for row in why(out, name) if row["table"] == "checks")
    assert (checks["judge"], checks["judge_failed"], checks["judge_note"]) == ("no", ["specific", "natural"], None)


def test_the_bill_lists_the_judge_apart_and_what_it_left_open(docs: Path, out: Path, server: ScriptedServer) -> None:
    server.default = scripted_judge("garbage")
    sets = settings_for(server)
    build(docs, out, sets)
    found = bill(out, load_settings(None, sets).llm)
    unclear = sum(value[0] == "judge_unknown" for value in rejected(out).values())
    assert [(row["stage"], row["role"], row["answers"]) for row in found["answers"] if row["role"] == "judge"] == [
        ("verify", "judge", 2 * unclear)
    ]
    left = {"stage": "filter", "state": "quarantined", "reason": "judge_unknown", "requests": unclear}
    assert [row for row in found["failed"] if row["stage"] == "filter"] == [left]
    assert f"  {unclear} judge_unknown (quarantined)" in bill_lines(found)


# Plan


def planned(docs: Path, out: Path, sets: list[str], **options: Any) -> tuple[Estimate, ...]:
    return plan_with_costs(Build((str(docs),), out, load_settings(None, sets), **options)).estimates


def test_a_plan_before_the_first_build_bounds_the_calls_of_the_judge(docs: Path, tmp_path: Path, server: ScriptedServer) -> None:
    sets, out = settings_for(server), tmp_path / "out"
    generator, judge = planned(docs, out, sets)
    assert (judge.role, judge.stage, judge.bound, judge.stored, judge.reason) == ("judge", "verify", True, 0, "")
    assert generator.calls <= judge.calls <= 3 * generator.calls
    assert judge.prompt_tokens > 300 * judge.calls
    assert server.history == []
    build(docs, out, sets)
    assert 0 < judge_calls(server) <= judge.calls
    after = planned(docs, out, sets)
    assert [one.reason for one in after] == ["stage generate is unchanged", "stage verify is unchanged"]


def test_where_the_questions_are_written_a_plan_counts_each_of_them_once(docs: Path, out: Path, server: ScriptedServer) -> None:
    sets = settings_for(server)
    build(docs, out, settings_for(server, judge=False))
    generator, judge = planned(docs, out, sets)
    written = sql(out, "SELECT count(*) AS n FROM questions")[0]["n"]
    assert (generator.reason, judge.calls, judge.stored) == ("stage generate is unchanged", written, 0)
    build(docs, out, sets)
    asked = judge_calls(server)
    forced = planned(docs, out, sets, force=("verify",))[1]
    assert (forced.calls, forced.stored) == (written - asked, asked)
    assert forced.known == asked


def test_a_plan_for_a_further_document_adds_only_its_questions(
    docs: Path, out: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    sets = settings_for(server)
    build(docs, out, sets)
    asked = judge_calls(server)
    more = Path(shutil.copytree(docs, tmp_path / "docs"))
    shutil.copy(write_documents(tmp_path / "others") / "granite.md", more / "new.md")
    text = (more / "new.md").read_text().replace("granite", "marble").replace("bay", "fjord").replace("17", "16")
    (more / "new.md").write_text(text)
    generator, judge = planned(more, out, sets)
    assert generator.calls >= 3
    assert judge.stored <= asked
    written = sql(out, "SELECT count(*) AS n FROM questions")[0]["n"]
    assert judge.calls + judge.stored <= written + 3 * generator.calls
    build(more, out, sets)
    assert judge_calls(server) - asked <= judge.calls


def test_both_roles_share_the_limits(docs: Path, tmp_path: Path, server: ScriptedServer) -> None:
    generator, judge = planned(docs, tmp_path / "out", settings_for(server))
    few = planned(docs, tmp_path / "out", settings_for(server, f"llm.max_calls={generator.calls + 4}"))
    assert [one.affordable for one in few] == [None, 4]
    none = planned(docs, tmp_path / "out", settings_for(server, f"llm.max_calls={generator.calls - 1}"))
    assert [one.affordable for one in none] == [generator.calls - 1, 0]
    assert judge.affordable is None


@pytest.mark.parametrize(
    ("sets", "reason"),
    [
        (["filter.judge=false"], "filter.judge is off"),
        (
            ["generate.augment_imported=false"],
            "it is asked about a language model's questions alone (verify.judged), and none is configured",
        ),
    ],
)
def test_a_plan_says_why_the_judge_is_not_asked(docs: Path, tmp_path: Path, sets: list[str], reason: str) -> None:
    generator, judge = planned(docs, tmp_path / "out", ["llm.judge.model=j", *sets])
    assert generator.reason == "no language model is configured (llm.generator.model)"
    assert (judge.calls, judge.reason) == (0, reason)
    assert not (tmp_path / "out").exists()


def test_a_plan_without_a_generator_counts_the_other_origins(docs: Path, tmp_path: Path, server: ScriptedServer) -> None:
    sets = ["llm.judge.model=j", f"llm.judge.base_url={server.url}", 'verify.judged=["extractive", "imported"]']
    judge = planned(docs, tmp_path / "out", sets)[1]
    build(docs, tmp_path / "out", sets)
    assert 0 < len(server.history) <= judge.calls

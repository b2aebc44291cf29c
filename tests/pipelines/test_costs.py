"""What a build will cost and has cost: plans, limits, bills and shared answers, against a real server that follows a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from curate.llm import AnswerStore
from curate.llm.scripted import Reply, ScriptedServer, fabricated
from curate.llm.usage import correction, spent
from pipelines.cli import main
from pipelines.costs import FREE, Plan, plan_with_costs
from pipelines.estimate import Estimate
from pipelines.flow import STAGE_NAMES
from pipelines.look import sql
from pipelines.plan_text import duration
from pipelines.runner import Build
from schemas.errors import InputError
from schemas.settings import load_settings
from tests.pipelines.conftest import ROOT, folder_bytes

DOCUMENTS = 6
USAGE = (900, 300)
PRICES = ('llm.prices."m.1".prompt=1000', 'llm.prices."m.1".completion=2000')
ONE_CALL = (900 * 1000 + 300 * 2000) / 1_000_000
WORDS = "harbour lighthouse keeper signal lantern mirror tower granite vessel channel beacon fog".split()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Six documents of three sections."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(DOCUMENTS):
        parts = [f"# The {WORDS[number]} of station {number}"]
        for section in range(3):
            text = " ".join(
                f"The {WORDS[(number + section + at) % 12]} {number}{section}{at} guards the {WORDS[(number * section + 5 * at) % 12]} "
                f"of bay {number * 7 + section * 3 + at} since {1800 + 10 * number + section}."
                for at in range(8)
            )
            parts.append(f"## The {WORDS[section + 4]} of bay {number * 10 + section}\n\n{text}")
        (folder / f"{number}.md").write_text("\n\n".join(parts), encoding="utf-8")
    return folder


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda body: replace(fabricated(body), usage=USAGE)) as running:
        yield running


def sets(server: ScriptedServer | None, *more: str) -> list[str]:
    asked = [f"llm.generator.base_url={server.url}", "llm.generator.model=m.1"] if server else []
    return [*asked, *PRICES, *more]


def planned(docs: Path, server: ScriptedServer | None, *more: str, out: str = "out", **options: Any) -> Plan:
    count = options.pop("count", True)
    return plan_with_costs(Build((str(docs),), Path(out), load_settings(None, sets(server, *more)), **options), count=count)


def curate(command: str, *arguments: str, settings: list[str] | None = None, expect: int = 0) -> Result:
    options = [part for item in settings or [] for part in ("--set", item)]
    done = CliRunner().invoke(main, [command, *arguments, *options])
    assert done.exit_code == expect, done.output
    return done


def build(server: ScriptedServer, *more: str, out: str = "out", until: str = "generate") -> Result:
    """A build up to `generate`, which is all that asks."""
    return curate("build", "docs", "--out", out, "--until", until, *more, settings=sets(server))


def garbage_about(title: str) -> Callable[[dict[str, Any]], Reply]:
    """Answers that are of no use to all that is asked about one document."""

    def reply(body: dict[str, Any]) -> Reply:
        return replace(Reply("no") if title in body["messages"][-1]["content"] else fabricated(body), usage=USAGE)

    return reply


ASKING = 18
"""Chunks that may give questions; the split by blocks leaves a gap of two more."""


def the_generator(plan: Plan) -> Estimate:
    return plan.estimates[0]


# Plan


def test_a_plan_counts_calls_exactly_before_the_first_build_and_the_build_repeats_no_free_stage(
    docs: Path, server: ScriptedServer
) -> None:
    plan = planned(docs, server)
    found = the_generator(plan)
    assert server.history == []
    assert (plan.documents, found.stored, found.seconds, found.known) == (DOCUMENTS, 0, None, 0)
    assert [name for name, reasons in plan.stages if not reasons] == list(FREE)
    assert plan.notes == ("To count, the free stages ingest … chunk were run in out; a build does not repeat them.",)
    assert not Path("out/llm.sqlite").exists()
    done = build(server)
    assert len(server.history) == found.calls == ASKING
    assert [f"{name}: unchanged" in done.stderr for name in STAGE_NAMES[:5]] == [True] * 4 + [False]


def test_after_the_build_a_plan_has_nothing_to_ask(docs: Path, server: ScriptedServer) -> None:
    build(server)
    plan = planned(docs, server)
    assert the_generator(plan).reason == "stage generate is unchanged"
    forced = the_generator(planned(docs, server, force=("generate",)))
    assert (forced.calls, forced.stored, forced.prompt_tokens, forced.money) == (0, len(server.history), 0, 0.0)


def test_a_plan_for_an_added_document_counts_only_its_chunks_and_changes_nothing(
    docs: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    build(server)
    asked, before = len(server.history), folder_bytes(Path("out"))
    (docs / "new.md").write_text(
        "# Dogs\n\n" + " ".join(f"The dog number {n} barks at the old post van in the lane." for n in range(9))
    )
    plan = planned(docs, server)
    found = the_generator(plan)
    assert (len(server.history), folder_bytes(Path("out")), list(copies.iterdir())) == (asked, before, [])
    assert plan.notes == ("To count, the free stages ingest … chunk were run in a temporary copy; out is as it was.",)
    assert dict(plan.stages)["ingest"] == ("source files changed",)
    # One of the old chunks lies in the gap between splits now.
    assert (plan.documents, found.stored) == (DOCUMENTS + 1, ASKING - 1)
    assert 1 <= found.calls <= 3
    build(server)
    assert len(server.history) == asked + found.calls


def test_the_temporary_copy_is_removed_when_the_free_stages_fail(
    docs: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    build(server, "--until", "chunk")
    monkeypatch.setattr("pipelines.costs.run_build", lambda *_: (_ for _ in ()).throw(InputError("broken")))
    with pytest.raises(InputError):
        planned(docs, server, "chunk.max_tokens=100")
    assert list(copies.iterdir()) == []


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
def test_the_temporary_copy_is_removed_when_the_plan_is_stopped(
    docs: Path, server: ScriptedServer, tmp_path: Path, signal_name: str
) -> None:
    build(server, "--until", "chunk")
    copies = tmp_path / "copies"
    copies.mkdir()
    code = (
        "import os, signal, sys, tempfile, pathlib, pipelines.costs\n"
        f"tempfile.tempdir = {str(copies)!r}\n"
        "def stopped(build, hears):\n"
        "    assert (build.folder / 'curate.duckdb').is_file() and build.folder.parent == pathlib.Path(tempfile.tempdir)\n"
        f"    os.kill(os.getpid(), signal.{signal_name})\n"
        "pipelines.costs.run_build = stopped\n"
        "from pipelines.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    options = ["--out", "out", "--set", "chunk.max_tokens=100", "--set", "llm.generator.model=m"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, "plan", "docs", *options], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, list(copies.iterdir())) == (130, []), done.stderr
    assert "Traceback" not in done.stderr


def test_tokens_are_corrected_by_real_usage_and_money_and_time_follow(docs: Path, server: ScriptedServer) -> None:
    raw = the_generator(planned(docs, server))
    build(server, "--max-calls", "10")
    assert len(server.history) == 10
    found = the_generator(planned(docs, server))
    with AnswerStore(Path("out"), read_only=True) as store:
        known = correction(store, "generator", "m.1")
    assert (found.known, found.calls, found.stored, found.repeats) == (10, raw.calls - 10, 10, 0)
    assert found.prompt_tokens < raw.prompt_tokens * known.prompt
    assert found.money == pytest.approx((found.prompt_tokens * 1000 + found.completion_tokens * 2000) / 1_000_000)
    assert found.price == "$1,000.00 + $2,000.00 per million prompt and completion tokens, undated, from your settings"
    assert found.seconds is not None


def test_once_many_calls_are_known_tokens_are_predicted_within_ten_percent(docs: Path, server: ScriptedServer) -> None:
    for number in range(20):
        (docs / f"more{number}.md").write_text(
            (docs / f"{number % 6}.md").read_text().replace("bay", f"cove {number}").replace("since", f"by{number}")
        )
    build(server, "--max-calls", "50")
    found = the_generator(planned(docs, server))
    assert found.known == 50
    assert found.calls >= 20
    build(server)
    assert len(server.history) == 50 + found.calls
    assert found.prompt_tokens == pytest.approx(900 * found.calls, rel=0.1)
    assert found.completion_tokens == pytest.approx(300 * found.calls, rel=0.1)


def test_unusable_answers_add_the_repeats_seen_so_far(docs: Path, server: ScriptedServer) -> None:
    server.default = garbage_about("station 0")
    build(server)
    with AnswerStore(Path("out"), read_only=True) as store:
        known = correction(store, "generator", "m.1")
    assert known.repeats == pytest.approx((len(server.history) - ASKING) / ASKING) == pytest.approx(3 / 18)
    found = the_generator(planned(docs, server, "llm.generator.temperature=0.1"))
    assert (found.calls, found.repeats) == (ASKING, 3)
    once = found.money
    assert once == pytest.approx(
        21 / 18 * (found.prompt_tokens / 21 * 18 * 1000 + found.completion_tokens / 21 * 18 * 2000) / 1e6
    )


def test_no_model_no_count_and_an_early_end_make_no_call_and_run_nothing(docs: Path, server: ScriptedServer) -> None:
    assert the_generator(planned(docs, None)).reason == "no language model is configured (llm.generator.model)"
    assert the_generator(planned(docs, server, until="split")).reason == "the build ends with stage split"
    plan = planned(docs, server, count=False)
    assert plan.estimates == ()
    assert plan.notes == ("Calls are not counted (--no-count): stages ingest … chunk would have to run first.",)
    assert not Path("out").exists()


def test_the_judge_is_named_only_where_it_is_set(docs: Path, server: ScriptedServer) -> None:
    assert len(planned(docs, server).estimates) == 1
    judge = planned(docs, server, "llm.judge.model=j").estimates[1]
    assert (judge.role, judge.stage, judge.bound, judge.reason) == ("judge", "verify", True, "")
    until = planned(docs, server, "llm.judge.model=j", until="generate").estimates[1]
    assert (until.calls, until.bound, until.reason) == (0, True, "the build ends with stage generate")


def test_a_plan_says_what_the_limits_leave(docs: Path, server: ScriptedServer) -> None:
    build(server, "--max-calls", "5")
    whole = the_generator(planned(docs, server))
    assert whole.affordable is None
    assert the_generator(planned(docs, server, "llm.max_calls=7")).affordable == 2
    assert the_generator(planned(docs, server, "llm.max_calls=5")).affordable == 0
    assert whole.money is not None
    half = the_generator(planned(docs, server, f"llm.budget={5 * ONE_CALL + whole.money / 2}"))
    assert half.affordable == whole.calls // 2
    assert the_generator(planned(docs, server, "llm.budget=100000")).affordable is None


def test_an_unknown_price_is_unknown(docs: Path, server: ScriptedServer) -> None:
    done = curate("plan", "docs", "--out", "out", settings=[f"llm.generator.base_url={server.url}", "llm.generator.model=q-7b"])
    assert "cost    unknown (the price of q-7b is not known: --set 'llm.prices.\"q-7b\".prompt=…' and .completion)" in done.stdout
    assert "time    unknown before the first calls" in done.stdout


def test_requests_under_way_in_a_batch_are_no_calls_to_make(docs: Path, server: ScriptedServer) -> None:
    server.batches.plan = replace(server.batches.plan, polls=10**6)
    batch = ("llm.generator.provider=batch", "llm.generator.batch_wait_s=0", "llm.generator.batch_poll_s=0.01")
    before = the_generator(planned(docs, server, *batch))
    assert "the batch API asks 50% of it" in before.price
    live = the_generator(planned(docs, server))
    assert live.money is not None
    assert before.money == pytest.approx(live.money / 2)
    curate("build", "docs", "--out", "out", "--until", "generate", settings=sets(server, *batch))
    after = the_generator(planned(docs, server, *batch))
    assert (after.calls, after.under_way, after.stored) == (0, before.calls, 0)
    assert the_generator(planned(docs, server)).calls == before.calls
    pending = json.loads(curate("llm", "out", "--json").stdout)["pending"]
    assert [(row["model"], row["requests"], row["stage"]) for row in pending] == [("m.1", before.calls, "generate")]


def test_the_plan_as_json_and_as_lines(docs: Path, server: ScriptedServer) -> None:
    found = json.loads(curate("plan", "docs", "--out", "out", "--json", settings=sets(server)).stdout)
    assert [row["stage"] for row in found["stages"]] == list(STAGE_NAMES)
    assert (found["documents"], found["chunks"], found["llm"][0]["calls"]) == (DOCUMENTS, ASKING + 2, ASKING)
    lines = curate("plan", "docs", "--out", "out", settings=sets(server)).stdout.splitlines()
    assert "6 documents, 20 chunks" in lines
    assert "generator m.1, stage generate: 18 calls to make, 0 answers in the store" in lines


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (89, "89 s"), (720, "12 min"), (12600, "3.5 h")])
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# Limits


def test_a_budget_stops_cleanly_spread_over_documents_and_a_larger_one_goes_on(docs: Path, server: ScriptedServer) -> None:
    budget = 8.5 * ONE_CALL
    done = build(server, "--budget", str(budget), until="export")
    with AnswerStore(Path("out"), read_only=True) as store:
        total = spent(store, load_settings(None, sets(server)).llm)
    assert 6 * ONE_CALL < total.money <= budget + 8 * ONE_CALL
    by_state = sql(
        Path("out"), "SELECT state, reason, count(*) AS n FROM rejected WHERE starts_with(reason, 'answer_') GROUP BY ALL"
    )
    assert by_state == [{"state": "quarantined", "reason": "answer_not_asked", "n": 18 - total.calls}]
    asked = sql(
        Path("out"),
        "SELECT count(DISTINCT document_id) AS n FROM chunks WHERE chunk_id NOT IN "
        "(SELECT row_key FROM rejected WHERE reason = 'answer_not_asked')",
    )
    assert asked == [{"n": DOCUMENTS}]
    assert (
        f"language models: {total.calls} calls, {900 * total.calls:,} prompt + {300 * total.calls:,} completion tokens, ${total.money:.2f}"
        in done.stdout
    )
    assert Path("out/dataset/manifest.json").is_file()
    build(server, "--budget", "1000")
    assert len(server.history) == 18


def test_no_call_is_made_for_a_budget_of_nothing(docs: Path, server: ScriptedServer) -> None:
    build(server, "--budget", "0")
    build(server, "--max-calls", "0")
    assert server.history == []


def test_a_budget_without_a_price_stops_before_any_work(docs: Path, server: ScriptedServer) -> None:
    unpriced = [f"llm.generator.base_url={server.url}", "llm.generator.model=q-7b"]
    for command in ("build", "plan"):
        done = curate(command, "docs", "--budget", "5", settings=unpriced, expect=2)
        assert "llm.budget: 'q-7b' has no known price" in done.stderr
        assert "--max-calls" in done.stderr
    assert not Path("curated").exists()


@pytest.mark.parametrize("option", [("--budget", "-1"), ("--budget", "much"), ("--max-calls", "1.5"), ("--max-calls", "-1")])
def test_a_wrong_limit_is_a_usage_error(docs: Path, option: tuple[str, str]) -> None:
    assert option[0] in curate("build", "docs", *option, expect=2).stderr


# The bill


def test_the_report_tells_this_build_from_all_builds(docs: Path, server: ScriptedServer) -> None:
    build(server, "--max-calls", "5")
    build(server, "--max-calls", "7")
    found = json.loads(Path("out/report.json").read_text())["llm"]
    assert (found["this_build"]["calls"], found["all_builds"]["calls"], found["max_calls"]) == (2, 7, 7)
    assert found["this_build"]["usd"] == pytest.approx(2 * ONE_CALL)
    assert found["all_builds"]["usd"] == pytest.approx(7 * ONE_CALL)


def test_without_a_model_the_report_and_the_summary_say_nothing_of_one(docs: Path) -> None:
    done = curate("build", "docs", "--out", "out", "--until", "generate")
    assert json.loads(Path("out/report.json").read_text())["llm"] is None
    assert "language models" not in done.stdout
    assert "no answers of language models here" in curate("llm", "out", expect=4).stderr
    assert not Path("out/llm.sqlite").exists()


def test_the_bill_has_calls_tokens_money_and_failures(docs: Path, server: ScriptedServer) -> None:
    server.default = garbage_about("station 0")
    build(server)
    found = json.loads(curate("llm", "out", "--json").stdout)
    (row,) = found["answers"]
    assert {name: row[name] for name in ("stage", "role", "model", "channel", "answers", "prompt_tokens", "completion_tokens", "imported")} == {
        "stage": "generate", "role": "generator", "model": "m.1", "channel": "live", "answers": 21, "prompt_tokens": 18900, "completion_tokens": 6300,
        "imported": False,
    }  # fmt: skip
    # The prices are those of the build, from its report.
    assert row["usd"] == found["total"]["usd"] == pytest.approx(21 * ONE_CALL)
    assert found["failed"] == [{"stage": "generate", "state": "rejected", "reason": "answer_unparsable", "requests": 3}]
    lines = curate("llm", "out").stdout.splitlines()
    assert "paid here: 21 calls, 18,900 prompt + 6,300 completion tokens, $31.50" in lines
    assert "  3 answer_unparsable (rejected)" in lines
    dearer = json.loads(
        curate("llm", "out", "--json", "--set", 'llm.prices."m.1".prompt=0', "--set", 'llm.prices."m.1".completion=0').stdout
    )
    assert dearer["total"]["usd"] == 0


def test_models_without_a_price_are_named_in_the_bill(docs: Path, server: ScriptedServer) -> None:
    unpriced = [f"llm.generator.base_url={server.url}", "llm.generator.model=q-7b"]
    curate("build", "docs", "--out", "out", "--until", "generate", settings=unpriced)
    found = json.loads(curate("llm", "out", "--json").stdout)["total"]
    assert (found["usd"], found["usd_of_priced"], found["unpriced"]) == (None, 0.0, ["q-7b"])
    assert "cost unknown (no price for q-7b)" in curate("llm", "out").stdout


# Sharing


def test_shared_answers_are_hits_that_cost_nothing(docs: Path, server: ScriptedServer) -> None:
    build(server, until="export")
    asked = len(server.history)
    assert curate("llm", "out", "--export", "answers.jsonl.gz").stdout == f"{asked} answers exported\n"
    assert curate("llm", "theirs", "--import", "answers.jsonl.gz").stdout == f"{asked} answers imported\n0 answers already here\n"
    assert the_generator(planned(docs, server, out="theirs")).stored == asked
    build(server, "--budget", "0", out="theirs", until="export")
    assert len(server.history) == asked
    found = json.loads(Path("theirs/report.json").read_text())["llm"]
    assert (found["all_builds"]["calls"], found["all_builds"]["usd"], found["imported"]) == (0, 0.0, asked)
    assert folder_bytes(Path("theirs/dataset")) == folder_bytes(Path("out/dataset"))


def test_an_import_that_fails_is_said_and_leaves_the_store_as_it_was(docs: Path, server: ScriptedServer) -> None:
    build(server, "--max-calls", "3")
    Path("bad.jsonl").write_text('{"curate_answers": 1}\nhello\n')
    assert "line 2: Invalid JSON" in curate("llm", "out", "--import", "bad.jsonl", expect=3).stderr
    assert "no such file" in curate("llm", "nowhere", "--import", "missing", expect=3).stderr
    assert not Path("nowhere").exists()
    assert curate("llm", "nowhere", "--export", "x", expect=4).stdout == ""
    assert json.loads(curate("llm", "out", "--json").stdout)["total"]["calls"] == 3

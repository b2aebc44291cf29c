"""`curate label`: what is shown, what each key stores, which questions are drawn, and what the labels say of the gates."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from curate.agreement import wilson
from curate.filter.labels import LABELS, Label, append_labels, read_marks
from curate.stage import content_id
from curate.store import open_store
from pipelines.labelling.questions import Question, Wanted, draw, read_frame
from pipelines.labelling.session import TerminalKeys
from pipelines.ledger import prepare
from schemas.errors import SettingsError
from tests.curate.conftest import Tables
from tests.pipelines.conftest import ROOT
from tests.pipelines.label_builds import BAD, KEPT, QUOTE, TEXT, asked, build_of, filtered, label, name_of, small_build, stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_build(tmp_path / "build")


def order(folder: Path, **wanted: Any) -> list[str]:
    return [name_of(question.key) for question in draw(read_frame(folder), Wanted(**wanted)).questions]


# Which questions


def test_half_of_the_sample_is_kept_and_half_rejected_and_more_adds_to_it(folder: Path) -> None:
    six, eight = order(folder, n=6), order(folder, n=8)
    assert (len(six), len(set(six) & set(KEPT)), len(set(six) & set(BAD))) == (6, 3, 3)
    assert set(six) < set(eight)
    assert [name for name in eight if name in six] == six


def test_what_one_side_lacks_the_other_gives(folder: Path) -> None:
    assert len(set(order(folder, n=10)) & set(KEPT)) == 6
    assert sorted(order(folder, n=50)) == sorted((*KEPT, *BAD))


@pytest.mark.parametrize(("side", "names"), [("kept", KEPT), ("rejected", BAD)])
def test_one_side_alone(folder: Path, side: str, names: tuple[str, ...]) -> None:
    assert sorted(order(folder, n=50, chosen_from=side)) == sorted(names)


def test_another_origin_and_never_what_no_label_can_change(folder: Path) -> None:
    assert order(folder, origin="extractive") == ["extractive"]
    assert sorted(order(folder, origin="all")) == sorted((*KEPT, *BAD, "extractive"))
    with pytest.raises(SettingsError, match="no origin 'people'"):
        order(folder, origin="people")
    frame_ = read_frame(folder)
    assert {name_of(q.key) for q in frame_.questions.values() if q.drawn == ""} == {"in the gap", "heron again"}


def test_another_seed_draws_others_and_labels_change_nothing_of_it(folder: Path) -> None:
    before = order(folder, n=6)
    assert order(folder, n=6, seed=1) != before
    append_labels(folder, [Label(content_id("question", name), "reject") for name in before])
    assert order(folder, n=6) == before


def test_after_the_labels_are_applied_the_sample_is_the_same(folder: Path) -> None:
    before = order(folder, n=6)
    append_labels(folder, [Label(content_id("question", name), "reject") for name in KEPT])
    append_labels(folder, [Label(content_id("question", name), "accept") for name in BAD])
    with open_store(filtered(folder), read_only=True) as store:
        assert {name_of(row["question_id"]) for row in store.rows("SELECT question_id FROM pairs")} >= set(BAD)
    assert order(folder, n=6) == before


def test_a_question_of_several_chunks_is_one(tmp_path: Path) -> None:
    tables = Tables()
    for name in ("one", "two"):
        tables.chunk(name, f"The {name} passage is about herons and fish and says so at length, twice.")
    group = content_id("group")
    keys = sorted(asked(tables, name, text="How do one and two differ?", chunk=name, group_id=group) for name in ("one", "two"))
    folder = build_of(tables, tmp_path / "build")
    assert list(read_frame(folder).questions.values()) == [Question(tuple(keys), "llm", "kept")]
    shown = label(folder, keys="r both\n").output
    assert "passage 1 of 2: " in shown
    assert "passage 2 of 2: " in shown
    assert {key: (mark.label, mark.note) for key, mark in read_marks(folder).items()} == dict.fromkeys(keys, ("reject", "both"))


# What is shown


def test_a_card_marks_the_evidence_and_lets_no_control_character_through(tmp_path: Path) -> None:
    tables = Tables()
    tables.chunk("birds", TEXT)
    tables.rows["chunks"][0]["heading_path"] = ["Waders", "Herons\x1b[2J\u202e"]
    start = TEXT.index(QUOTE)
    checks = {"evidence_found": True, "evidence_words": 9, "evidence_start": start, "evidence_end": start + len(QUOTE)}
    asked(
        tables,
        "heron",
        text="Where\x1b]0;x\x07 does it wait?",
        answer="In\nwater\x9b1m",
        evidence=QUOTE,
        style="plain",
        checks=checks,
    )
    shown = label(build_of(tables, tmp_path / "build"), keys="q\n").output
    assert shown.split("a accept")[0] == (
        "1 question to label: 1 of 1 kept by the gates, origin llm\n"
        "──── 1 of 1 ────\n"
        "question\n"
        "  Where ]0;x  does it wait?\n"
        "  (plain, llm)\n"
        "answer\n"
        "  In\n"
        "  water 1m\n"
        "passage: birds.txt › Waders › Herons [2J \n"
        "  Intro.\n"
        "  The heron [[waits in  [31mshallow water]] [0m.\n"
        "  It eats fish of every size, day and night.\n"
    )
    assert not [c for c in shown if not c.isprintable() and c != "\n"]


def test_evidence_that_was_not_found_stands_beside_the_passage(tmp_path: Path) -> None:
    tables = Tables()
    tables.chunk("birds", TEXT)
    asked(tables, "heron", evidence="deep\x1b[1m water", checks={"evidence_found": False, "evidence_words": 9})
    shown = label(build_of(tables, tmp_path / "build"), keys="q\n").output
    assert "evidence, not found in the passage\n  deep [1m water\n" in shown
    assert "[[waits" not in shown


@pytest.mark.parametrize("early", [False, True])
def test_what_the_gates_say_is_shown_after_the_decision_unless_asked_for(folder: Path, early: bool) -> None:
    said = "the gates reject: question_too_short (1 word < 3); question_too_vague (0 words of its own < 1)"
    options = ("--from", "rejected", "--n", "1", *(["--show-gates"] * early))
    before, _, after = label(folder, *options, keys="a\n").output.partition("a accept")
    assert (said in before) is early
    assert f"accepted; {said}" in after
    assert "rejected; the gates keep it" in label(folder, "--from", "kept", "--n", "1", keys="r\n").output


def test_help_and_unknown_keys_store_nothing(folder: Path) -> None:
    shown = label(folder, keys="?\nx\x1b[31m\n\n").output
    assert "take the last decision back" in shown
    assert "no such key: 'x [31m'" in shown
    assert "\x1b" not in shown
    assert not (folder / LABELS).exists()


# What keys store


def test_each_key_stores_its_line(folder: Path) -> None:
    names = order(folder, n=4)
    shown = label(folder, "--n", "4", keys="a\nr wrong \x1b[31mport\nskip\nReject\n").output
    assert stored(folder) == [
        (names[0], "accept", ""),
        (names[1], "reject", "wrong  [31mport"),
        (names[2], "skip", ""),
        (names[3], "reject", ""),
    ]
    assert "labels: 1 accepted, 2 rejected, 1 skipped" in shown
    first = json.loads((folder / LABELS).read_text().splitlines()[0])
    assert first["question"] == f"Where does the {names[0]} wait?"
    assert first["chunk_id"] == content_id("chunk", "birds")
    assert first["drawn"] == ("kept" if names[0] in KEPT else "rejected")
    assert first["at"].endswith("+00:00")


def test_the_same_command_goes_on_and_shows_skipped_ones_last(folder: Path) -> None:
    names = order(folder, n=4)
    label(folder, "--n", "4", keys="s\na\nq\n")
    shown = label(folder, "--n", "4", keys="a\na\na\na\n").output
    assert [line for line in shown.splitlines() if line.startswith("  Where")] == [
        f"  Where does the {name} wait?" for name in (names[2], names[3], names[0])
    ]
    assert "all of them are labelled; a larger --n than 4 adds to them" in label(folder, "--n", "4").output
    assert "4 of 6 ────" not in label(folder, "--n", "6", keys="").output


def test_back_takes_the_last_decision_back_and_shows_it_again(folder: Path) -> None:
    names = order(folder, n=3)
    shown = label(folder, "--n", "3", keys="b\na\nr\nb\nb\nr\n").output
    assert "this is the first question of this sitting" in shown
    assert stored(folder) == [
        (names[0], "accept", ""),
        (names[1], "reject", ""),
        (names[1], "undo", ""),
        (names[0], "undo", ""),
        (names[0], "reject", ""),
    ]
    assert {name_of(key): mark.label for key, mark in read_marks(folder).items()} == {names[0]: "reject"}


@pytest.mark.parametrize("keys", ["", "q\n", "a\n", "a"])
def test_the_end_of_input_ends_cleanly(folder: Path, keys: str) -> None:
    shown = label(folder, keys=keys).output
    assert f"labels: {int('a' in keys)} accepted, 0 rejected" in shown


def test_a_kill_loses_nothing_and_the_same_command_goes_on(folder: Path) -> None:
    names = order(folder, n=4)
    command = [sys.executable, "-u", "-m", "pipelines.cli", "label", str(folder), "--n", "4"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUTF8": "1"}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("a\nr no\n")
        process.stdin.flush()
        decided = 0
        for line in process.stdout:
            decided += line.startswith(("accepted;", "rejected;"))
            if decided == 2:
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
    assert stored(folder) == [(names[0], "accept", ""), (names[1], "reject", "no")]
    label(folder, "--n", "4", keys="a\na\n")
    assert [name for name, _, _ in stored(folder)] == names


def test_a_torn_line_is_told_and_labelling_goes_on(folder: Path) -> None:
    names = order(folder, n=2)
    append_labels(folder, [Label(content_id("question", names[0]), "accept")])
    with (folder / LABELS).open("a") as file:
        file.write('{"question')
    assert "labels.jsonl: line 2 was torn by an interruption and is passed over." in label(folder, "--n", "2", keys="r\n").output
    assert stored(folder) == [(names[0], "accept", ""), (names[1], "reject", "")]


def test_a_broken_line_stops_it_before_anything_is_shown(folder: Path) -> None:
    (folder / LABELS).write_text("nonsense\n")
    done = label(folder, keys="a\n", expect=4)
    assert "labels.jsonl: line 1 is no label" in done.output
    assert "question\n" not in done.output


class Terminal:
    """Keys as a terminal gives them; what is asked is remembered."""

    def __init__(self, keys: str, notes: list[str]) -> None:
        self.waiting, self.notes = list(keys), notes

    def getchar(self) -> str:
        if not self.waiting:
            raise EOFError
        return self.waiting.pop(0)

    def input(self, _prompt: str) -> str:
        if not self.notes:
            raise EOFError
        return self.notes.pop(0)


def test_in_a_terminal_single_keys_do_and_a_rejection_may_be_explained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("RrAs", ["names the wrong bird", ""])
    monkeypatch.setattr("click.getchar", terminal.getchar)
    monkeypatch.setattr("builtins.input", terminal.input)
    monkeypatch.setattr("pipelines.labelling.keys_of_stdin", TerminalKeys)
    names = order(folder, n=6)
    label(folder, "--n", "6")
    assert stored(folder) == [
        (names[0], "reject", ""),  # before the note is asked for
        (names[0], "reject", "names the wrong bird"),
        (names[1], "reject", ""),
        (names[2], "accept", ""),
        (names[3], "skip", ""),
    ]


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What a program writes to its terminal up to `wanted`; fails instead of waiting for ever."""
    seen = b""
    while wanted not in seen:
        assert select.select([terminal], [], [], 60)[0], seen
        seen += os.read(terminal, 4096)
    return seen


def press(terminal: int, key: bytes) -> None:
    """A single key; what comes before the program has told the terminal to hand over single keys is thrown away."""
    for _ in range(6000):
        if not termios.tcgetattr(terminal)[3] & termios.ICANON:
            break
        time.sleep(0.01)
    os.write(terminal, key)


def test_in_a_real_terminal(folder: Path) -> None:
    names = order(folder, n=2)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pipelines.cli", "label", str(folder), "--n", "2"]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        read_until(ours, b"? help")
        press(ours, b"r")
        read_until(ours, b"why (Enter")
        os.write(ours, b"too vague\n")
        read_until(ours, b"? help")
        press(ours, b"a")
        read_until(ours, b"labels: 1 accepted, 1 rejected")
        process.terminate()
    os.close(ours)
    assert stored(folder) == [(names[0], "reject", ""), (names[0], "reject", "too vague"), (names[1], "accept", "")]


# What the labels say


def decided(folder: Path, **marks: str) -> None:
    append_labels(folder, [Label(content_id("question", name), mark) for name, mark in marks.items()])  # type: ignore[arg-type]


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(label(folder, "--report", "--json").stdout)
    return found


def test_precision_of_the_kept_set_and_what_the_gates_kill(folder: Path) -> None:
    decided(folder, heron="accept", stork="accept", egret="accept", bittern="reject", gull="accept", tern="reject", crane="skip")
    found = report(folder)
    assert found["labels"] == {"accept": 4, "reject": 2, "skip": 1}
    assert found["strata"] == [
        {"origin": "extractive", "drawn": "kept", "rows": 1, "labelled": 0, "accepted": 0},
        {"origin": "llm", "drawn": "kept", "rows": 8, "labelled": 4, "accepted": 3},
        {"origin": "llm", "drawn": "rejected", "rows": 4, "labelled": 2, "accepted": 1},
    ]
    low, high = wilson(0.75, 4)
    assert found["precision"] == {"value": 0.75, "low": low, "high": high, "rows": 4}
    killed_low, killed_high = wilson(0.5, 2)
    assert found["good_among_rejected"] == {"value": 0.5, "low": killed_low, "high": killed_high, "rows": 2}
    # 4 rejected · 1/2 are good, beside 8 kept · 3/4.
    assert found["false_kill_rate"] == pytest.approx(
        {
            "value": 2 / 8,
            "low": 4 * killed_low / (4 * killed_low + 8 * high),
            "high": 4 * killed_high / (4 * killed_high + 8 * low),
            "rows": 6,
        }
    )
    assert found["remarks"] == []


def test_origins_are_weighted_back_to_their_numbers(folder: Path) -> None:
    decided(folder, extractive="reject", heron="accept")
    found = report(folder)["precision"]
    assert found["value"] == pytest.approx(8 / 9)
    assert (found["low"], found["high"]) == pytest.approx(wilson(8 / 9, 1 / ((8 / 9) ** 2 + (1 / 9) ** 2)))


def test_each_gates_agreement_with_the_labels(folder: Path) -> None:
    decided(folder, heron="accept", stork="accept", egret="reject", gull="accept", tern="reject", skua="reject")
    gates = {gate.pop("gate"): gate for gate in report(folder)["gates"]}
    counts = {"pass_accept": 2, "pass_reject": 1, "fail_accept": 1, "fail_reject": 2, "unknown": 0}
    # As labelled: agreement 4/6, chance 1/2. Weighted: kept ones stand for 8/3, rejected ones for 4/3.
    yes, good = 8 / 12, (2 * 8 / 3 + 4 / 3) / 12
    chance = yes * good + (1 - yes) * (1 - good)
    weighted = ((2 * 8 / 3 + 2 * 4 / 3) / 12 - chance) / (1 - chance)
    for name in ("all gates", "question_too_short", "question_too_vague"):
        assert gates[name] == counts | {"kappa": pytest.approx(1 / 3), "kappa_weighted": pytest.approx(weighted)}, name
    never = {"pass_accept": 3, "pass_reject": 3, "fail_accept": 0, "fail_reject": 0, "unknown": 0}
    assert gates["question_malformed"] == never | {"kappa": pytest.approx(0.0), "kappa_weighted": pytest.approx(0.0)}
    assert "chunk_rejected" not in gates
    assert next(iter(gates)) == "all gates"


def test_a_gate_that_cannot_tell_is_counted_apart(tmp_path: Path) -> None:
    tables = Tables()
    tables.chunk("birds", TEXT)
    asked(tables, "heron", checks={"judge": "unknown"})
    asked(tables, "stork", checks={"judge": "yes"})
    folder = build_of(tables, tmp_path / "build")
    decided(folder, heron="accept", stork="accept")
    gates = {gate.pop("gate"): gate for gate in report(folder)["gates"]}
    assert gates["judge_unknown"]["unknown"] == 1
    assert gates["judge_said_no"] == {
        "pass_accept": 1, "pass_reject": 0, "fail_accept": 0, "fail_reject": 0, "unknown": 0, "kappa": None, "kappa_weighted": None,
    }  # fmt: skip


def test_labels_that_say_nothing_here_are_told(folder: Path) -> None:
    append_labels(folder, [Label(content_id("gone"), "accept"), Label(content_id("gone too"), "accept")])
    append_labels(folder, [Label(content_id("question", "heron"), "accept", drawn="rejected")])
    decided(folder, **{"in the gap": "accept", "heron again": "reject"})
    found = report(folder)
    assert found["remarks"] == [
        "2 labels of questions that this build does not have count for nothing here",
        "2 labels of questions that lie between splits or repeat others are left out",
        "1 label from when the gates decided otherwise of their questions: the shares are rough until more are drawn",
    ]
    assert found["precision"]["rows"] == 1


def test_without_labels_nothing_is_claimed(folder: Path) -> None:
    found = report(folder)
    assert (found["precision"], found["good_among_rejected"], found["false_kill_rate"], found["gates"]) == (None, None, None, [])
    shown = label(folder, "--report").output
    assert "precision of what the gates keep: unknown, too little is labelled" in shown


def test_the_report_in_lines(folder: Path) -> None:
    decided(folder, heron="accept", gull="reject")
    assert label(folder, "--report").output.splitlines()[:7] == [
        "labels: 1 accepted, 1 rejected, 0 skipped",
        "  llm, kept by the gates: 1 of 1 labelled accepted, 8 in all",
        "  llm, rejected by the gates: 0 of 1 labelled accepted, 4 in all",
        "precision of what the gates keep: 100.0% (20.7% to 100.0%; 1 labelled)",
        "accepted among what the gates reject: 0.0% (0.0% to 79.3%; 1 labelled)",
        "share of all good questions that the gates reject: 0.0% (0.0% to 65.8%; 2 labelled)",
        "agreement of each gate with the labels (kappa: of the rows as labelled, and weighted back to the whole set):",
    ]


def test_a_session_in_json_keeps_stdout_for_the_report(folder: Path) -> None:
    done = label(folder, "--json", "--n", "2", keys="a\n")
    assert json.loads(done.stdout)["labels"] == {"accept": 1, "reject": 0, "skip": 0}
    assert "──── 1 of 2 ────" in done.stderr


def test_a_folder_without_filtered_questions_is_named(tmp_path: Path) -> None:
    assert "no build here" in label(tmp_path, expect=4).output
    with open_store(tmp_path / "build") as store:
        prepare(store)
    assert "were not filtered yet" in label(tmp_path / "build", expect=4).output

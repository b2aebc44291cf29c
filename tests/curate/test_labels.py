"""Labels: what is read from the file, what a kill leaves, and what they do to the verdicts of the gates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.filter import STAGE
from curate.filter.labels import LABELS, Label, append_labels, read_labels, read_marks
from curate.stage import Context, content_id
from schemas.errors import StoreError
from schemas.reasons import Reason

Tables = Any
"""`Tables` of conftest.py, which cannot be imported."""
ROOT = Path(__file__).resolve().parents[2]
QUESTION = "Where does the grey heron wait for fish?"


def lines(folder: Path, *labels: tuple[str, str]) -> None:
    append_labels(folder, [Label(name, mark) for name, mark in labels])  # type: ignore[arg-type]


def said(folder: Path) -> dict[str, str]:
    return {name: label.label for name, label in read_marks(folder).items()}


# The file


def test_without_a_file_there_are_no_labels(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == {}
    assert not (tmp_path / LABELS).exists()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    label = Label("a", "reject", 'wrong: "8000" — nö', "Which\nport?", "c", "2026-01-01T00:00:00+00:00", "kept")
    append_labels(tmp_path, [label])
    assert read_labels(tmp_path) == {"a": label}
    assert json.loads((tmp_path / LABELS).read_text(encoding="utf-8")) == {
        "question_id": "a",
        "label": "reject",
        "note": 'wrong: "8000" — nö',
        "question": "Which\nport?",
        "chunk_id": "c",
        "at": "2026-01-01T00:00:00+00:00",
        "drawn": "kept",
    }


def test_the_last_label_of_a_question_counts(tmp_path: Path) -> None:
    lines(tmp_path, ("a", "accept"), ("b", "accept"), ("a", "reject"))
    assert said(tmp_path) == {"b": "accept", "a": "reject"}


def test_skip_is_remembered_and_decides_nothing(tmp_path: Path) -> None:
    lines(tmp_path, ("a", "skip"), ("b", "accept"), ("b", "skip"))
    assert said(tmp_path) == {"a": "skip", "b": "skip"}
    assert read_labels(tmp_path) == {}


def test_undo_takes_back(tmp_path: Path) -> None:
    lines(tmp_path, ("a", "accept"), ("a", "reject"), ("a", "undo"), ("b", "undo"))
    assert said(tmp_path) == {}


def test_lines_of_others_need_no_more_than_id_and_label(tmp_path: Path) -> None:
    (tmp_path / LABELS).write_text('\n{"question_id": "a", "label": "accept", "by": "Ada"}\n\n', encoding="utf-8")
    assert read_labels(tmp_path) == {"a": Label("a", "accept")}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is no label"),
        ("[1]", "line 2 is no label: no JSON object"),
        ('{"label": "accept"}', "line 2 is no label: question_id is missing"),
        ('{"question_id": 7, "label": "accept"}', "line 2 is no label: question_id is no text"),
        ('{"question_id": "a", "label": "maybe"}', "line 2 is no label: label 'maybe' is none of accept, reject, skip, undo"),
        ('{"question_id": "a", "label": null}', "line 2 is no label: label is no text"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    lines(tmp_path, ("a", "accept"))
    with (tmp_path / LABELS).open("a") as file:
        file.write(line + "\n")
    lines(tmp_path, ("b", "accept"))
    with pytest.raises(StoreError) as caught:
        read_labels(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path / LABELS) in str(caught.value)


@pytest.mark.parametrize("torn", [b'{"question_id": "b", "lab', b"\xc3", b"\x00\x00\x00"])
def test_a_torn_last_line_is_told_passed_over_and_cut_off_by_the_next_label(tmp_path: Path, torn: bytes) -> None:
    lines(tmp_path, ("a", "accept"))
    whole = (tmp_path / LABELS).read_bytes()
    (tmp_path / LABELS).write_bytes(whole + torn)
    told: list[str] = []
    assert list(read_labels(tmp_path, told.append)) == ["a"]
    assert (tmp_path / LABELS).read_bytes() == whole + torn
    append_labels(tmp_path, [Label("c", "reject")], told.append)
    assert said(tmp_path) == {"a": "accept", "c": "reject"}
    assert (tmp_path / LABELS).read_bytes().startswith(whole + b'{"question_id": "c"')
    assert told == [f"labels.jsonl: line 2 was torn by an interruption and is {what}." for what in ("passed over", "cut off")]


def test_a_torn_only_line_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / LABELS).write_bytes(b'{"ques')
    lines(tmp_path, ("a", "accept"))
    assert said(tmp_path) == {"a": "accept"}


def test_a_whole_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    (tmp_path / LABELS).write_bytes(b'{"question_id": "a", "label": "accept"}')
    assert said(tmp_path) == {"a": "accept"}
    lines(tmp_path, ("b", "reject"))
    assert said(tmp_path) == {"a": "accept", "b": "reject"}


def test_each_label_is_on_disk_when_it_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    fsync = os.fsync

    def spied(number: int) -> None:
        fsync(number)
        synced.append((tmp_path / LABELS).read_bytes())

    monkeypatch.setattr(os, "fsync", spied)
    lines(tmp_path, ("a", "accept"))
    lines(tmp_path, ("b", "reject"))
    assert [data.count(b"\n") for data in synced] == [1, 2]


def test_a_kill_between_labels_loses_none(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from curate.filter.labels import Label, append_labels\n"
        "for n in range(1000):\n"
        "    append_labels(Path(sys.argv[1]), [Label(str(n), 'accept')])\n"
        "    if n == 7: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert said(tmp_path) == {str(n): "accept" for n in range(8)}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / LABELS).mkdir()
    with pytest.raises(StoreError, match=r"cannot write labels.*"):
        lines(tmp_path, ("a", "accept"))
    with pytest.raises(StoreError, match=r"cannot read labels.*"):
        read_labels(tmp_path)


# What becomes of questions


def filtered(tables: Tables, folder: Path, notes: list[str] | None = None) -> dict[str, tuple[Reason, str]]:
    """Reason and detail of what stage filter rejects, with the labels in `folder`."""

    def produce(context: Context) -> Any:
        told = context.note if notes is None else notes.append
        return STAGE.produce(replace(context, folder=str(folder), note=told))

    result = tables.run(replace(STAGE, produce=produce))
    reasons: dict[str, tuple[Reason, str]] = result.reasons()
    return reasons


def ask(tables: Tables, name: str = "one", *, chunk: str = "heron", **other: Any) -> str:
    checks = other.pop("checks", {})
    key: str = tables.question(name, other.pop("text", QUESTION), chunk, **other)
    tables.checks(name, **checks)
    return key


BAD_QUALITY = [
    {"question_words": 1},
    {"question_words": 99},
    {"passage_words": 1},
    {"question_form": False},
    {"context_bound": "this passage"},
    {"specific_words": 0},
    {"verbatim": True},
    {"language_match": False},
    {"word_overlap": 0.0, "bm25_rank": None},
    {"unsupported_numbers": ["8000"]},
    {"judge": "no", "judge_failed": ["answerable"]},
    {"judge": "unknown"},
    {"judge": "missing"},
]


@pytest.mark.parametrize("checks", BAD_QUALITY, ids=lambda checks: next(iter(checks)))
def test_an_accepted_question_is_kept_in_spite_of_gates_about_quality(
    tables: Tables, tmp_path: Path, checks: dict[str, Any]
) -> None:
    tables.chunk("heron")
    key = ask(tables, checks=checks)
    assert list(filtered(tables, tmp_path)) == [key]
    lines(tmp_path, (key, "accept"))
    assert filtered(tables, tmp_path) == {}


def test_a_rejected_question_goes_with_the_note(tables: Tables, tmp_path: Path) -> None:
    tables.chunk("heron")
    key = ask(tables)
    assert filtered(tables, tmp_path) == {}
    append_labels(tmp_path, [Label(key, "reject", "answers another question")])
    assert filtered(tables, tmp_path) == {key: (Reason.LABEL_REJECTED, "answers another question")}


@pytest.mark.parametrize(("mark", "kept"), [("skip", False), ("undo", False), ("accept", True)])
def test_only_a_decision_changes_anything(tables: Tables, tmp_path: Path, mark: str, kept: bool) -> None:
    tables.chunk("heron")
    key = ask(tables, checks={"question_words": 1})
    lines(tmp_path, (key, mark))
    assert (filtered(tables, tmp_path) == {}) is kept


@pytest.mark.parametrize(
    ("chunk", "question", "reason"),
    [
        ({}, {"chunk": "nowhere"}, Reason.CHUNK_REJECTED),
        ({"split": "gap"}, {}, Reason.CHUNK_IN_SPLIT_GAP),
        ({"home_split": "test"}, {}, Reason.CHUNK_COPY_IN_OTHER_SPLIT),
        # Another gate would speak first: it must not hide what guards the test set.
        (
            {"split": "test"},
            {"train_only": True, "style": "sentence", "origin": "extractive", "checks": {"question_words": 1}},
            Reason.QUESTION_VERBATIM,
        ),
    ],
)
def test_nobodys_label_opens_a_gate_against_leaks(
    tables: Tables, tmp_path: Path, chunk: dict[str, Any], question: dict[str, Any], reason: Reason
) -> None:
    tables.chunk("heron", **chunk)
    key = ask(tables, **dict(question))
    lines(tmp_path, (key, "accept"))
    assert {name: found[0] for name, found in filtered(tables, tmp_path).items()} == {key: reason}


def test_an_accepted_question_may_still_repeat_another(tables: Tables, tmp_path: Path) -> None:
    tables.chunk("heron")
    keys = sorted(ask(tables, name) for name in ("one", "two"))
    lines(tmp_path, *((key, "accept") for key in keys))
    assert filtered(tables, tmp_path) == {keys[1]: (Reason.QUESTION_NEAR_DUPLICATE, f"equals {keys[0]}")}


def test_rejecting_one_part_of_a_question_of_several_chunks_drops_all(tables: Tables, tmp_path: Path) -> None:
    tables.chunk("heron")
    tables.chunk("stork", "Storks build large nests of sticks on roofs and return to them in every single year.")
    group = content_id("group")
    one, two = (ask(tables, name, chunk=name, group_id=group) for name in ("heron", "stork"))
    assert filtered(tables, tmp_path) == {}
    lines(tmp_path, (one, "reject"))
    assert {key: reason for key, (reason, _) in filtered(tables, tmp_path).items()} == {
        one: Reason.LABEL_REJECTED,
        two: Reason.QUESTION_PART_REJECTED,
    }


def test_labels_of_questions_that_are_gone_change_nothing(tables: Tables, tmp_path: Path) -> None:
    tables.chunk("heron")
    ask(tables)
    lines(tmp_path, (content_id("gone"), "reject"))
    assert filtered(tables, tmp_path) == {}


def test_the_stage_tells_of_a_torn_line(tables: Tables, tmp_path: Path) -> None:
    tables.chunk("heron")
    ask(tables)
    (tmp_path / LABELS).write_text('{"ques')
    notes: list[str] = []
    filtered(tables, tmp_path, notes)
    assert notes == ["labels.jsonl: line 1 was torn by an interruption and is passed over."]

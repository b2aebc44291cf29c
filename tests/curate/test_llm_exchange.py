"""Answers that go from one store to another: what comes back, what is refused, and what is never overwritten."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.llm import AnswerStore, Purpose, StoredAnswer, clean_text
from curate.llm.exchange import LONGEST_LINE, Imported, export_answers, import_answers
from curate.llm.usage import usage
from schemas.errors import InputError, SettingsError

KEYS = [f"{number:064x}" for number in range(5)]
PURPOSE = Purpose("generator", "generate", "m", "batch", 1, 10, 20)
FIRST = '{"curate_answers": 1}'


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "ours") as opened:
        opened.put(KEYS[1], StoredAnswer('text\n"日本"\x00\u2028', "stop", 1.5, 7, None), PURPOSE)
        opened.put(KEYS[0], StoredAnswer("", "length", 2, None, 3), Purpose("judge", "verify", "n"))
        yield opened


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "theirs") as opened:
        yield opened


def rows(store: AnswerStore) -> list[tuple[Any, ...]]:
    return store.rows("SELECT * FROM answers ORDER BY key")


def line(**fields: Any) -> str:
    whole = {
        "key": KEYS[2], "role": "generator", "stage": "generate", "model": "m", "answer": "a", "prompt_tokens": 1, "completion_tokens": 2,
        "finish_reason": "stop", "seconds": 1.5, "created": "2026-01-01T00:00:00Z", "channel": "live", "attempt": 0, "prompt_estimate": 1,
        "completion_estimate": None,
    }  # fmt: skip
    return json.dumps({name: value for name, value in {**whole, **fields}.items() if value != "leave out"})


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz"])
def test_all_comes_back_as_it_was_and_counts_as_imported(
    ours: AnswerStore, theirs: AnswerStore, tmp_path: Path, name: str
) -> None:
    assert export_answers(ours, tmp_path / name) == 2
    assert import_answers(theirs, tmp_path / name) == Imported(2, 0)
    assert rows(theirs) == [(*row[:-1], 1) for row in rows(ours)]
    assert theirs.get(KEYS[1]) == ours.get(KEYS[1])
    assert {row.imported for row in usage(theirs)} == {True}
    assert import_answers(theirs, tmp_path / name) == Imported(0, 2)


def test_the_same_answers_give_the_same_bytes(ours: AnswerStore, theirs: AnswerStore, tmp_path: Path) -> None:
    export_answers(ours, tmp_path / "a.gz")
    import_answers(theirs, tmp_path / "a.gz")
    export_answers(theirs, tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    lines = gzip.decompress((tmp_path / "a.gz").read_bytes()).decode().split("\n")
    assert lines[0] == FIRST
    assert [json.loads(text)["key"] for text in lines[1:-1]] == KEYS[:2]


def test_an_answer_that_is_here_is_never_overwritten(ours: AnswerStore, theirs: AnswerStore, tmp_path: Path) -> None:
    theirs.put(KEYS[1], StoredAnswer("mine", "stop", 1.0, 1, 1), PURPOSE)
    export_answers(ours, tmp_path / "a")
    assert import_answers(theirs, tmp_path / "a") == Imported(1, 1)
    mine = theirs.get(KEYS[1])
    assert mine is not None
    assert mine.text == "mine"
    assert sorted((row.imported, row.answers) for row in usage(theirs)) == [(False, 1), (True, 1)]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("not json", "line 3: Invalid JSON"),
        ("[]", "line 3: "),
        (line(key="0" * 63), "line 3: key"),
        (line(key="../../etc/passwd"), "line 3: key"),
        (line(answer=5), "line 3: answer"),
        (line(answer="leave out"), "line 3: answer"),
        (line(prompt_tokens=-1), "line 3: prompt_tokens"),
        (line(prompt_tokens=1.5), "line 3: prompt_tokens"),
        (line(prompt_tokens=2**63), "line 3: prompt_tokens"),
        (line(seconds=float("nan")), "line 3: seconds"),
        (line(channel="pigeon"), "line 3: channel"),
        (line(created="yesterday"), "line 3: created"),
        (line(authorization="Bearer x"), "line 3: authorization"),
        (line(role="x" * 1001), "line 3: role"),
        (line(answer="\ud800"), "line 3: "),
        ('{"key": "' + "0" * (LONGEST_LINE + 5), "line 3: Invalid JSON"),
    ],
)
def test_a_line_that_is_no_answer_refuses_the_whole_file_by_its_number(
    theirs: AnswerStore, tmp_path: Path, bad: str, says: str
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join([FIRST, line(), bad, line(key=KEYS[3])]))
    with pytest.raises(InputError) as raised:
        import_answers(theirs, file)
    assert raised.value.exit_code == 3
    assert says in str(raised.value)
    assert "Bearer x" not in str(raised.value)
    assert rows(theirs) == []


def test_many_bad_lines_are_counted(theirs: AnswerStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("\n".join([FIRST, *["x"] * 12]))
    with pytest.raises(InputError, match=r"line 2: .*line 6: .*, and 7 more lines"):
        import_answers(theirs, tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"\n", b"hello", b'{"curate_answers": 2}\n', line().encode()])
def test_what_is_no_file_of_answers_is_refused_at_its_first_line(theirs: AnswerStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=r"not a file of answers: line 1: "):
        import_answers(theirs, tmp_path / "a")


def test_a_cut_or_broken_packed_file_imports_nothing(ours: AnswerStore, theirs: AnswerStore, tmp_path: Path) -> None:
    export_answers(ours, tmp_path / "a.gz")
    whole = (tmp_path / "a.gz").read_bytes()
    for broken in (whole[:-12], whole[:40] + b"\xff\xff" + whole[42:], b"\x1f\x8bnonsense"):
        (tmp_path / "a.gz").write_bytes(broken)
        with pytest.raises(InputError, match="a\\.gz"):
            import_answers(theirs, tmp_path / "a.gz")
        assert rows(theirs) == []


def test_a_missing_file_and_an_impossible_place_are_named(ours: AnswerStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was imported"):
        import_answers(ours, tmp_path / "missing")
    with pytest.raises(SettingsError, match="cannot write"):
        export_answers(ours, tmp_path / "no folder" / "a")


def test_a_repeated_key_in_a_file_is_taken_once(theirs: AnswerStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("\n".join([FIRST, line(answer="first"), "", line(answer="second")]) + "\n")
    assert import_answers(theirs, tmp_path / "a") == Imported(1, 1)
    assert [row[4] for row in rows(theirs)] == ["first"]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.text(), st.text(max_size=50), st.none() | st.integers(0, 2**40)), max_size=5))
def test_any_texts_make_the_way_there_and_back(tmp_path_factory: pytest.TempPathFactory, found: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("way")
    with AnswerStore(folder / "a") as one, AnswerStore(folder / "b") as other:
        for key, (text, reason, tokens) in zip(KEYS, found, strict=False):
            answer = StoredAnswer(clean_text(text), clean_text(reason), 0.25, tokens, tokens)
            one.put(key, answer, Purpose("generator", "generate", "m"))
        export_answers(one, folder / "file.gz")
        assert import_answers(other, folder / "file.gz") == Imported(len(found), 0)
        assert [row[:-1] for row in rows(other)] == [row[:-1] for row in rows(one)]

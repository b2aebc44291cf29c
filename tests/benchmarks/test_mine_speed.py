"""The benchmark of mining runs end to end on a few made-up passages, and compares what it says it compares."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.mine_speed import main
from benchmarks.mine_texts import made_up_texts


def last_row(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one row of the JSON line."""
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["benchmark"] == "mine_speed"
    [row] = report["rows"]
    return dict(row)


def test_search_is_timed_beside_both_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--passages", "80", "--queries", "6"])
    row = last_row(capsys)
    assert (row["passages"], row["queries"]) == (80, 6)
    assert row["times_rank_bm25"] == pytest.approx(row["rank_bm25_query_s"] * 6 / row["our_search_s"])
    assert row["bm25s_per_s"] == pytest.approx(6 / row["bm25s_search_s"])


def test_stage_gives_each_pair_a_negative(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--stage", "--passages", "200", "--queries", "15", "--set", "mine.negatives=2"])
    row = last_row(capsys)
    assert (row["negatives"], row["pairs_short"]) == (30, 0)
    assert row["stage_over_bm25s"] == pytest.approx(row["stage_s"] / row["bm25s_s"])
    assert row["stage_peak_gib"] > 0


def test_texts_are_the_same_in_every_run_and_questions_come_from_their_passages() -> None:
    first, second = made_up_texts(50, 9), made_up_texts(50, 9)
    assert first == second
    for question, home in zip(first.questions, first.homes, strict=True):
        assert " ".join(question.split()[:8]) in first.passages[home]

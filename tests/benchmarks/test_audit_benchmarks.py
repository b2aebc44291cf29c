"""The benchmarks of audits run end to end on a few made-up rows, and count what they say they count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks import audit_quality, audit_speed


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


@pytest.mark.parametrize("kind", ["pairs", "triplets"])
def test_speed_finds_the_copies_it_made(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    audit_speed.main(["--rows", "420", "--workers", "1", "--kind", kind])
    found = report(capsys)
    assert (found["rows"], found["kind"]) == (420, kind)
    # Rows 104, 204, 304 and 404 repeat others; rows 54, 154, 254 and 354 are near the rows after them. Of triplets the negatives differ.
    copies = {name: found["findings"].get(name, 0) for name in ("exact_duplicate", "near_duplicate")}
    assert copies == (
        {"exact_duplicate": 4, "near_duplicate": 4} if kind == "pairs" else {"exact_duplicate": 0, "near_duplicate": 0}
    )
    assert found["seconds"] >= sum(found["steps"].values()) - 0.5


def squad(folder: Path) -> Path:
    """Paragraphs and questions in the columns of the real files, about nothing."""
    draw = np.random.default_rng(3)
    vocabulary, sums = audit_speed.words(draw)
    passages = audit_speed.texts(draw, vocabulary, sums, 160, (60, 90))
    asked = [f"What is {text.rstrip('.')}?" for text in audit_speed.texts(draw, vocabulary, sums, 160, (8, 12))]
    numbers = list(range(160))
    (folder / "squad").mkdir(parents=True)
    titles = [f"title {number % 20}" for number in numbers]
    pl.DataFrame({"para_id": numbers, "context": passages, "title": titles}).write_parquet(
        folder / "squad" / "v1_paragraphs.parquet"
    )
    answers = [" ".join(passage.split()[20:26]) for passage in passages]
    pl.DataFrame({"para_id": numbers, "question": asked, "answer": answers}).write_parquet(
        folder / "squad" / "v1_questions.parquet"
    )
    return folder


def test_quality_counts_each_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit_quality.main(["--data", str(squad(tmp_path)), "--rows", "100", "--planted", "2"])
    found = report(capsys)
    assert found["recall"].keys() == audit_quality.PLANTS.keys()
    assert found["sound"] == 100 - 2 * (len(audit_quality.PLANTS) + len(audit_quality.PAIRED) + 1)
    sure = ("exact_duplicate", "near_duplicate", "blank_text", "list_for_text", "single_characters", "encoding_damage", "control_characters", "negative_equals_positive", "positive_and_negative", "anchor_in_other_split")  # fmt: skip
    assert {kind: found["recall"][kind] for kind in sure} == dict.fromkeys(sure, 1.0)


def test_quality_counts_misses_and_false_flags() -> None:
    found = pl.DataFrame(
        {
            "row": [0, 1, 5, 6],
            "kind": ["blank_text", "exact_duplicate", "blank_text", "ambiguous_anchor"],
            "error": [True, True, True, False],
        }
    )
    planted = {"blank_text": {0: 0, 2: 2}, "exact_duplicate": {3: 1}}
    counts = audit_quality.counted(found, planted, 8)
    assert counts["recall"] == {"blank_text": 0.5, "exact_duplicate": 1.0}
    assert (counts["sound"], counts["false_flags"], counts["false_notes"], counts["false_kinds"]) == (
        4,
        0.25,
        0.25,
        {"blank_text": 1},
    )

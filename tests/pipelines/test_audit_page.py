"""The page of an audit: exact rows of every kind, nothing of a row runs, the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lxml import html

from curate.audit.report import EXAMPLES
from pipelines.cli import main

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def sound(number: int) -> dict[str, Any]:
    return {
        "split": "train" if number % 5 else "test",
        "anchor": f"Where does the keeper of lighthouse number {number} sleep?",
        "positive": f"Keeper {number} sleeps above the lamp of tower {number * 7919}, in a room with {number + 2} windows to the sea {number * 31}.",
        "negative": f"The ferry to island {number * 104729} leaves at {number} past nine, unless the harbour of {number * 13} is frozen over.",
    }


ROWS = [
    *(sound(number) for number in range(1, 81)),
    {**sound(90), "anchor": f"What did {EVIL} mean to the gatekeeper of the harbour?\x00", "split": "train"},
    *({**sound(number), "negative": sound(number)["positive"], "split": "train"} for number in range(100, 120)),
]


def run(folder: Path, rows: list[dict[str, Any]]) -> tuple[Path, str]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = CliRunner().invoke(main, ["audit", str(path), "--out", str(folder / "out"), "--workers", "1"])
    assert done.exit_code == 0, done.output
    return folder / "out", done.stdout


@pytest.fixture
def page(tmp_path: Path) -> Any:
    out, said = run(tmp_path, ROWS)
    assert said.splitlines()[-1] == f"report: {out}/audit.html"
    return html.fromstring((out / "audit.html").read_text(encoding="utf-8"))


def test_what_is_first_seen(page: Any) -> None:
    assert page.cssselect("h1")[0].text_content().split(maxsplit=2)[2].startswith("21 of 101 rows flagged (21%). Fix first: ")
    tiles = {tile[0].text_content(): tile[1].text_content() for tile in page.cssselect(".tiles div")}
    assert tiles == {"rows": "101", "clean": "80", "flagged": "21", "clean, with a note": "0"}
    table = [[cell.text_content() for cell in row] for row in page.cssselect("#findings tbody tr")]
    assert [(row[0], row[1], row[3], row[4]) for row in table] == [
        ("negative_equals_positive", "20", "20", "0"),
        ("control_characters", "1", "1", "0"),
    ]


def test_rows_to_read(page: Any) -> None:
    data = json.loads(page.cssselect("script")[0].text)
    kinds = [(row["kind"], row["reason"]) for row in data]
    assert kinds.count(("error", "negative_equals_positive")) == EXAMPLES
    assert kinds.count(("error", "control_characters")) == 1
    assert kinds.count(("clean", "")) == 4 * EXAMPLES
    evil = next(row for row in data if row["reason"] == "control_characters")
    assert evil["text"] == ROWS[80]["anchor"]
    assert (evil["passage"], evil["id"], evil["split"], evil["source"]) == (ROWS[80]["positive"], "row 81", "train", "")
    assert evil["story"] == [["negative 1", ROWS[80]["negative"]]]
    assert data[-1]["id"] == "row 79"  # the last of 60 spread over 80


def test_rows_never_become_markup(page: Any) -> None:
    assert [script.get("type") for script in page.cssselect("script")] == ["application/json", None]
    assert page.cssselect("img") == []
    assert not [name for element in page.iter() for name in element.attrib if name.startswith("on")]


def test_clean_data_and_the_same_bytes(tmp_path: Path) -> None:
    rows = [{name: value for name, value in sound(number).items() if name != "split"} for number in range(1, 30)]
    out, _ = run(tmp_path, rows)
    first = (out / "audit.html").read_bytes()
    page = html.fromstring(first)
    assert page.cssselect("h1")[0].text_content() == "Clean No errors in 29 rows."
    assert page.cssselect("header")[0].get("class") == "ready"
    assert "None." in page.cssselect("#findings")[0].text_content()
    assert {row["split"] for row in json.loads(page.cssselect("script")[0].text)} == {""}
    run(tmp_path, rows)
    assert (out / "audit.html").read_bytes() == first

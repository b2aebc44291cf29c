"""`curate audit` as a command: what it prints and writes, --fail-on, and that a second run gives the same bytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from pipelines.audit import Limit, parse_limits
from pipelines.cli import main
from schemas.audit import AuditReport
from schemas.errors import SettingsError
from tests.curate.audit_rows import FACTS, sound, write

ROWS = [*sound(), dict(sound()[0]), {"anchor": "Who did it?\x1b[31m", "positive": "x"}]


def audit(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["audit", str(path), "--out", str(path.parent / "out"), "--workers", "1", *options])


def test_the_summary_says_what_to_fix_first_and_fits_a_screen(tmp_path: Path) -> None:
    done = audit(write(tmp_path, ROWS))
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert (
        lines[0]
        == "2 of 12 rows flagged (17%). Fix first: control_characters, 1 row (a text holds NUL or other control characters)."
    )
    assert lines[1] == "12 rows read as pairs: anchor = anchor, positive = positive; --column ROLE=NAME says otherwise"
    assert [line.split()[:4] for line in lines[3:7]] == [
        ["kind", "rows", "share", "example"],
        ["control_characters", "1", "8.3%", "row"],
        ["single_characters", "1", "8.3%", "row"],
        ["exact_duplicate", "1", "8.3%", "row"],
    ]
    assert len(lines) <= 24 and max(map(len, lines[2:-2])) <= 120
    assert "\x1b" not in done.stdout


def test_the_folder_holds_clean_and_flagged_rows_and_the_report(tmp_path: Path) -> None:
    done = audit(write(tmp_path, ROWS), "--json")
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["audit.html", "audit.json", "clean.parquet", "flagged.parquet"]
    assert done.stdout == (out / "audit.json").read_text(encoding="utf-8")
    report = AuditReport.model_validate_json(done.stdout)
    assert (report.rows, report.clean, report.flagged, report.noted) == (12, 10, 2, 0)
    assert pl.read_parquet(out / "clean.parquet").rows() == [tuple(row.values()) for row in sound()]
    assert pl.read_parquet(out / "flagged.parquet").rows(named=True) == [
        {
            **ROWS[10],
            "audit_row": 11,
            "audit_place": "row 11",
            "audit_kinds": ["exact_duplicate"],
            "audit_details": ["the same as row 1"],
        },
        {
            **ROWS[11],
            "audit_row": 12,
            "audit_place": "row 12",
            "audit_kinds": ["single_characters", "control_characters"],
            "audit_details": ["positive single characters: x", "anchor holds U+001B"],
        },
    ]


def test_the_json_has_stable_names(tmp_path: Path) -> None:
    value = json.loads(audit(write(tmp_path, [*sound(), dict(sound()[0])]), "--json").stdout)
    assert value | {"curate_version": ""} == {
        "format": 1,
        "curate_version": "",
        "dataset": "rows.jsonl",
        "verdict": "1 of 11 rows flagged (9.1%). Fix first: exact_duplicate, 1 row (the same row again).",
        "kind": "pairs",
        "columns": {"anchor": "anchor", "positive": "positive"},
        "columns_mapped": [],
        "columns_unused": [],
        "rows": 11,
        "clean": 10,
        "flagged": 1,
        "noted": 0,
        "splits": {"all": 11},
        "files": ["rows.jsonl"],
        "benchmarks": [],
        "model": None,
        "findings": [
            {
                "kind": "exact_duplicate",
                "group": "duplicates",
                "level": "error",
                "meaning": "the same row again",
                "rows": 1,
                "share": 0.090909,
                "by_split": {"all": 1},
                "samples": [{"row": 11, "place": "row 11", "detail": "the same as row 1", "text": FACTS[0][0]}],
            }
        ],
        "dataset_findings": [],
        "notes": [],
    }


def test_a_second_run_writes_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    before = []
    for options in ((), ("--workers", "2")):
        assert audit(path, *options).exit_code == 0
        before.append({file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()})
    assert before[0] == before[1]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("duplicates", "duplicates: 1 of 12 rows"),
        ("exact_duplicate>8%", "exact_duplicate: 1 of 12 rows > 8%"),
        ("leakage,shape>0", "shape: 1 of 12 rows"),
    ],
)
def test_too_many_rows_of_a_kind_are_exit_code_7(tmp_path: Path, limits: str, said: str) -> None:
    done = audit(write(tmp_path, ROWS), "--fail-on", limits)
    assert done.exit_code == 7
    assert done.stderr.splitlines()[-2] == f"error: --fail-on: {said}"
    assert (tmp_path / "out" / "audit.json").is_file()


@pytest.mark.parametrize("limits", ["leakage", "duplicates>1", "exact_duplicate>9%", "false_negatives > 0.5%,leakage"])
def test_few_enough_rows_are_exit_code_0(tmp_path: Path, limits: str) -> None:
    assert audit(write(tmp_path, ROWS), "--fail-on", limits).exit_code == 0


def test_notes_fail_only_by_their_own_name(tmp_path: Path) -> None:
    path = write(tmp_path, [*sound(), {"anchor": FACTS[2][0], "positive": FACTS[3][1]}])
    assert audit(path, "--fail-on", "contradictions").exit_code == 0
    assert audit(path, "--fail-on", "ambiguous_anchor").exit_code == 7


def test_a_finding_about_the_whole_dataset_fails_too(tmp_path: Path) -> None:
    rows = [{"query": row["anchor"], "passage": row["positive"], "label": 1} for row in sound()]
    done = audit(write(tmp_path, rows), "--fail-on", "labels>50%")
    assert (done.exit_code, done.stderr.splitlines()[-2]) == (7, "error: --fail-on: labels: constant_label")


def test_limits_are_read_and_bad_ones_named() -> None:
    assert parse_limits("leakage, false_negatives>1.5%,exact_duplicate>3") == [
        Limit("leakage"),
        Limit("false_negatives", 1.5, True),
        Limit("exact_duplicate", 3),
    ]
    for text in ("nothing", "leakage>", "leakage>1.2.3", "leakage<3", ""):
        with pytest.raises(SettingsError, match="is no kind, group"):
            parse_limits(text)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--fail-on", "nothing"), 2, "'nothing' is no kind, group"),
        (("--column", "anchor=nothing"), 3, "no column 'nothing' for anchor"),
        (("--benchmark", "missing.txt"), 2, "no file missing.txt"),
    ],
)
def test_bad_options_end_with_a_message(tmp_path: Path, options: tuple[str, ...], code: int, said: str) -> None:
    done = audit(write(tmp_path, sound()), *options)
    assert done.exit_code == code
    assert said in done.stderr and "next:" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    path = write(tmp_path, sound())
    done = CliRunner().invoke(main, ["audit", str(path), "--out", str(tmp_path / "file" / "out"), "--workers", "1"])
    assert (done.exit_code, "cannot write the audit" in done.stderr) == (4, True)


def test_an_audit_imports_no_torch(tmp_path: Path) -> None:
    path = write(tmp_path, sound())
    code = f"import sys; from pipelines.cli import main; main(['audit', {str(path)!r}, '--out', {str(tmp_path / 'out')!r}, '--workers', '1'], standalone_mode=False); print([n for n in ('torch', 'datasets', 'openai') if n in sys.modules])"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_example_of_the_manual_prints_what_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    rows, output = (re.findall(f"```{kind}\n(.*?)```", page, re.S)[0] for kind in ("jsonl", "text"))
    (tmp_path / "pairs.jsonl").write_text(rows, encoding="utf-8")
    done = CliRunner().invoke(main, ["audit", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / "audit")])
    assert done.exit_code == 0
    assert done.stdout.replace(f"{tmp_path}/", "") == output

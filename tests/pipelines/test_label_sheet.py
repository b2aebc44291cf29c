"""Labels by CSV: what goes out, what comes back, and that nothing comes back by halves."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.filter.labels import LABELS, read_marks
from curate.stage import content_id
from pipelines.labelling.sheet import guarded, unguarded
from tests.curate.conftest import Tables
from tests.pipelines.label_builds import BAD, KEPT, asked, build_of, label, name_of, small_build, stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_build(tmp_path / "build")


def written(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def sheet(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("question_id,label,note", *lines)) + "\n", encoding="utf-8")
    return path


def key(name: str) -> str:
    return content_id("question", name)


def marks(folder: Path) -> dict[str, tuple[str, str]]:
    return {name_of(name): (mark.label, mark.note) for name, mark in read_marks(folder).items()}


def test_the_sample_goes_out_with_the_labels_there_are(folder: Path, tmp_path: Path) -> None:
    label(folder, "--n", "3", keys="a\nr why not\n")
    done = label(folder, "--n", "3", "--export", str(tmp_path / "out.csv"))
    assert done.output == f"3 questions in {tmp_path / 'out.csv'}\n"
    rows = written(tmp_path / "out.csv")
    assert list(rows[0]) == ["question_id", "question", "answer", "evidence", "passage", "label", "note"]
    found = {name_of(row["question_id"]): (row["label"], row["note"]) for row in rows}
    assert found.items() >= marks(folder).items()
    assert len(found) == 3
    assert sorted(label_ for label_, _ in found.values()) == ["", "accept", "reject"]
    assert rows[0]["question"] == f"Where does the {name_of(rows[0]['question_id'])} wait?"
    assert rows[0]["passage"] == (
        "Waders › Herons  [2J\nIntro.\nThe heron waits in  [31mshallow water [0m.\nIt eats fish of every size, day and night."
    )


def test_out_and_in_again_changes_nothing(folder: Path, tmp_path: Path) -> None:
    label(folder, "--n", "4", keys="a\nr =cmd\ns\n")
    before = (folder / LABELS).read_bytes()
    label(folder, "--n", "4", "--export", str(tmp_path / "out.csv"))
    done = label(folder, "--import", str(tmp_path / "out.csv"), "--json")
    assert json.loads(done.stdout) == {"imported": {"accepted": 0, "rejected": 0, "skipped": 0, "unchanged": 3, "blank": 1}}
    assert (folder / LABELS).read_bytes() == before


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    tables = Tables()
    tables.chunk("birds", "@SUM(A1) waits in shallow water and eats fish of every size, day and night.")
    asked(tables, "heron", text='=HYPERLINK("http://x","y")', answer="+1", evidence="-2+3")
    folder = build_of(tables, tmp_path / "build")
    label(folder, "--export", str(tmp_path / "out.csv"))
    row = written(tmp_path / "out.csv")[0]
    assert (row["question"], row["answer"], row["evidence"]) == ('\'=HYPERLINK("http://x","y")', "'+1", "'-2+3")
    assert row["passage"].startswith("'@SUM")


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_what_looks_like_a_formula_gets_an_apostrophe(cell: str, safe: str) -> None:
    assert guarded(cell) == safe
    assert unguarded(safe) == cell


@given(st.text() | st.from_regex(r"[ '=+@-]{0,4}.*"))
def test_every_cell_comes_back(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(("=", "+", "-", "@"))


def test_a_file_that_may_hold_labels_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("work of a day")
    assert "there is a file already" in label(folder, "--export", str(tmp_path / "out.csv"), expect=2).output
    assert (tmp_path / "out.csv").read_text() == "work of a day"
    assert "cannot be written" in label(folder, "--export", str(tmp_path / "nowhere" / "out.csv"), expect=2).output


def test_all_ways_to_say_it(folder: Path, tmp_path: Path) -> None:
    lines = [
        f"{key(name)},{said}," for name, said in zip(KEPT, ("accept", "Yes", "1", "REJECT", " no ", "0", "skip", ""), strict=True)
    ]
    done = label(folder, "--import", str(sheet(tmp_path / "in.csv", *lines)))
    assert done.output == "imported: 3 accepted, 3 rejected, 1 skipped, 0 unchanged, 1 blank\n"
    assert [mark for _, mark, _ in stored(folder)] == ["accept"] * 3 + ["reject"] * 3 + ["skip"]


def test_a_label_that_comes_back_tells_its_note_and_where_it_was_drawn(folder: Path, tmp_path: Path) -> None:
    label(folder, "--import", str(sheet(tmp_path / "in.csv", f"{key('gull')},no,'=odd \x1b[1m")))
    line = json.loads((folder / LABELS).read_text(encoding="utf-8"))
    del line["at"]
    assert line == {
        "question_id": key("gull"),
        "label": "reject",
        "note": "=odd  [1m",
        "question": "Where does the gull wait?",
        "chunk_id": content_id("chunk", "birds"),
        "drawn": "rejected",
    }


def test_a_change_of_mind_and_what_blanks_leave_alone(folder: Path, tmp_path: Path) -> None:
    label(
        folder, "--import", str(sheet(tmp_path / "1.csv", f"{key('heron')},yes,", f"{key('stork')},yes,", f"{key('egret')},yes,"))
    )
    lines = (f"{key('heron')},no,", f"{key('stork')},,", f"{key('egret')},,a note alone", f"{key('gull')},,unsure")
    done = label(folder, "--import", str(sheet(tmp_path / "2.csv", *lines)))
    assert done.output == "imported: 0 accepted, 1 rejected, 1 skipped, 1 unchanged, 1 blank\n"
    assert marks(folder) == {
        "stork": ("accept", ""),
        "egret": ("accept", ""),
        "heron": ("reject", ""),
        "gull": ("skip", "unsure"),
    }
    label(folder, "--import", str(sheet(tmp_path / "3.csv", f"{key('stork')},skip,")))
    assert marks(folder)["stork"] == ("skip", "")


def test_faults_are_named_by_row_and_nothing_is_imported(folder: Path, tmp_path: Path) -> None:
    lines = (
        f"{key('heron')},yes,",
        "1.23457E+15,yes,",
        f"{key('stork')},maybe\x1b[1m,",
        ",no,",
        f"{key('heron')},no,",
        f"{key('egret')},no,fine",
    )
    done = label(folder, "--import", str(sheet(tmp_path / "in.csv", *lines)), expect=3)
    assert (
        "in.csv: row 3: '1.23457E+15' is no question of this build; row 4: label 'maybe [1m' is none of accept, yes, 1, reject, no, 0, "
        "skip; row 5: no question_id; row 6: another row says accept of the same question\n"
    ) in done.output
    assert "nothing was imported" in done.output
    assert not (folder / LABELS).exists()


def test_many_faults_are_counted(folder: Path, tmp_path: Path) -> None:
    done = label(folder, "--import", str(sheet(tmp_path / "in.csv", *(f"x{n},yes," for n in range(30)))), expect=3)
    assert "row 11: 'x9' is no question of this build; and 20 more\n" in done.output


def test_the_same_label_twice_is_no_fault(folder: Path, tmp_path: Path) -> None:
    path = sheet(tmp_path / "in.csv", f"{key('heron')},yes,", f"{key('heron')},1,")
    assert "1 accepted" in label(folder, "--import", str(path)).output
    assert stored(folder) == [("heron", "accept", "")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_of_other_countries(folder: Path, tmp_path: Path, delimiter: str) -> None:
    label(folder, "--n", "4", "--export", str(tmp_path / "out.csv"))
    rows = [row | {"label": "yes"} for row in written(tmp_path / "out.csv")]
    with (tmp_path / "in.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, [name.upper() for name in rows[0]], delimiter=delimiter)
        writer.writeheader()
        writer.writerows({name.upper(): cell for name, cell in row.items()} for row in rows)
        file.write("\r\n")
    assert "imported: 4 accepted" in label(folder, "--import", str(tmp_path / "in.csv")).output


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no column question_id and no column label"),
        (b"question_id,note\n", "has no column label"),
        (b'question_id,label\n"open', "is no CSV file"),
        (b"question_id,label\n\xff\xfe", "is not UTF-8 text"),
        (None, "cannot be read"),
    ],
)
def test_files_that_are_no_sheet(folder: Path, tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "in.csv").write_bytes(data)
    done = label(folder, "--import", str(tmp_path / "in.csv"), expect=3)
    assert message in done.output
    assert "Traceback" not in done.output


def test_an_import_with_a_report(folder: Path, tmp_path: Path) -> None:
    path = sheet(tmp_path / "in.csv", *(f"{key(name)},yes," for name in KEPT), *(f"{key(name)},no," for name in BAD))
    found = json.loads(label(folder, "--import", str(path), "--report", "--json").stdout)
    assert found["imported"]["accepted"] == 8
    assert found["precision"]["value"] == 1.0
    assert found["gates"][0]["kappa"] == 1.0

"""Files and folders that an audit reads, which columns it takes, and what it says of those it cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from curate.audit.files import split_in_name
from schemas.errors import InputError
from tests.curate.audit_rows import FACTS, Row, run, sound, told, with_negatives, write

FRAME = pl.DataFrame(with_negatives())


def saved(folder: Path) -> Path:
    """As `datasets.DatasetDict.save_to_disk` leaves it: Arrow streams, and JSON beside them."""
    for split, rows in (("train", FRAME[:8]), ("test", FRAME[8:])):
        (folder / split).mkdir(parents=True)
        table = rows.to_arrow()
        with (
            pa.OSFile(str(folder / split / "data-00000-of-00001.arrow"), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema) as writer,
        ):
            writer.write_table(table)
        (folder / split / "state.json").write_text("{}", encoding="utf-8")
        (folder / split / "cache-12ab.arrow").write_bytes(b"no rows")
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")
    return folder


def downloaded(folder: Path) -> Path:
    """As the hub has it."""
    (folder / "data").mkdir(parents=True)
    FRAME[:8].write_parquet(folder / "data" / "train-00000-of-00001.parquet")
    FRAME[8:].write_parquet(folder / "data" / "test-00000-of-00001.parquet")
    (folder / "README.md").write_text("# card", encoding="utf-8")
    return folder


def feather(folder: Path) -> Path:
    folder.mkdir()
    FRAME.write_ipc(folder / "rows.arrow", compression="uncompressed")
    return folder / "rows.arrow"


def delimited(folder: Path) -> Path:
    folder.mkdir()
    FRAME.write_csv(folder / "rows.csv")
    return folder / "rows.csv"


def tabs(folder: Path) -> Path:
    folder.mkdir()
    lines = ["\t".join(FRAME.columns), *("\t".join(row) for row in FRAME.rows())]
    (folder / "rows.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "rows.tsv"


def json_list(folder: Path) -> Path:
    folder.mkdir()
    (folder / "rows.json").write_text(json.dumps({"data": FRAME.to_dicts()}), encoding="utf-8")
    return folder / "rows.json"


@pytest.mark.parametrize("make", [saved, downloaded, feather, delimited, tabs, json_list])
def test_every_format_gives_the_same_rows(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    found = run(make(tmp_path / "set"))
    assert told(found) == []
    assert found.clean.select(FRAME.columns).rows() == FRAME.rows()
    assert found.report.splits == ({"train": 8, "test": 2} if make in (saved, downloaded) else {"all": 10})
    assert found.report.columns == {"anchor": "anchor", "positive": "positive", "negative_1": "negative"}


def test_a_dataset_folder_of_a_build_is_read_in_one_format(tmp_path: Path) -> None:
    for name in ("triplets/train", "triplets/test", "pairs/train", "provenance/triplets/train", "eval/dev/corpus"):
        path = tmp_path / "built" / "dataset" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        (FRAME if "triplets" in name else FRAME.drop("negative")).write_parquet(path)
    (tmp_path / "built" / "dataset" / "manifest.json").write_text("{}", encoding="utf-8")
    report = run(tmp_path / "built").report
    assert (report.kind, report.files) == ("triplets", ("train.parquet", "test.parquet"))
    assert report.notes == ("A dataset of curate: its triplets are audited; give dataset/pairs for the rows as pairs.",)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("data/validation-00000-of-00001.parquet", "dev"),
        ("test/part.csv", "test"),
        ("training_rows.csv", "train"),
        ("train/test.csv", "test"),
        ("eval/rows.csv", "dev"),
        ("constraints.csv", None),
        ("latest.csv", None),
    ],
)
def test_names_say_the_split(name: str, split: str | None) -> None:
    assert split_in_name(name) == split


def test_a_column_says_the_split_before_any_name(tmp_path: Path) -> None:
    rows = [{**row, "Split": "Validation" if number > 6 else "train"} for number, row in enumerate(sound())]
    found = run(write(tmp_path, rows, "set/test.jsonl").parent)
    assert found.report.splits == {"train": 7, "dev": 3}
    assert found.clean.columns == ["anchor", "positive", "Split"]
    part = [{**row, "fold": str(number // 9)} for number, row in enumerate(sound())]
    assert run(write(tmp_path, part), columns=("split=fold",)).report.splits == {"0": 9, "1": 1}


def test_columns_are_guessed_mapped_and_said(tmp_path: Path) -> None:
    rows = [{"id": n, "Query": row["anchor"], "ctx": row["positive"], "bad-1": row["negative"], "bad2": FACTS[(n + 4) % 10][1], "Answer": "so"} for n, row in enumerate(with_negatives())]  # fmt: skip
    report = run(write(tmp_path, rows), columns=("positive=ctx", "negative=bad-1", "negative=bad2")).report
    assert report.kind == "triplets"
    assert report.columns == {
        "anchor": "Query",
        "positive": "ctx",
        "negative_1": "bad-1",
        "negative_2": "bad2",
        "answer": "Answer",
    }
    assert (report.columns_mapped, report.columns_unused) == (("positive", "negative_1", "negative_2"), ("id",))


BAD: list[tuple[str, str, tuple[str, ...], str]] = [
    ("rows.jsonl", '{"anchor": "a", "positive": "b"}\n{"anchor": \n', (), "rows.jsonl line 2: not JSON"),
    ("rows.jsonl", '{"anchor": "a", "positive": "b"}\n[1, 2]\n', (), "rows.jsonl line 2: not a JSON object but list"),
    ("rows.jsonl", "", (), "rows.jsonl: holds no columns"),
    ("rows.csv", "anchor,positive\n", (), "rows.csv: holds no rows"),
    ("rows.csv", "anchor,positive\na,b\na,b,c\n", (), "rows.csv row 2 (line 3): 3 fields where the header has 2"),
    ("rows.parquet", "no parquet", (), "rows.parquet: cannot be read"),
    ("rows.arrow", "no arrow", (), "rows.arrow: cannot be read"),
    ("rows.txt", "anchor", (), "cannot tell what kind of file this is"),
    ("rows.csv", "one,two\na,b\n", (), "rows.csv: columns one, two fit no kind of rows"),
    ("rows.csv", "one,two\na,b\n", ("anchor=three",), "rows.csv: no column 'three' for anchor (columns there: one, two)"),
    ("rows.csv", "one,two\na,b\n", ("middle=one",), "--column middle=one: not ROLE=NAME"),
    ("rows.csv", "one,two\na,b\n", ("split=three",), "rows.csv: no column 'three' for split"),
]


@pytest.mark.parametrize(("name", "text", "columns", "said"), BAD)
def test_what_cannot_be_read_is_named_with_the_next_step(
    tmp_path: Path, name: str, text: str, columns: tuple[str, ...], said: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        run(tmp_path / name, columns=columns)
    assert said in str(caught.value)
    assert "\n  next: " in str(caught.value)


def test_folders_without_rows_and_with_rows_that_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, said in ((tmp_path / "empty", "no file of rows in this folder"), (tmp_path / "nothing", "no such file or folder")):
        with pytest.raises(InputError, match=said):
            run(path)
    write(tmp_path / "mixed", [{"anchor": "a", "positive": "b"}], "train.jsonl")
    write(tmp_path / "mixed", [{"anchor": "a", "positive": ["b", "c"]}], "test.jsonl")
    with pytest.raises(InputError, match="the files' columns do not go together"):
        run(tmp_path / "mixed")


def test_a_file_that_is_not_utf_8_is_read_and_said(tmp_path: Path) -> None:
    rows: list[Row] = [{"anchor": row["anchor"], "positive": f"{row['positive']} “Ça va”, señor – é à ü ö."} for row in sound()]
    text = "anchor,positive\n" + "".join(f'"{row["anchor"]}","{row["positive"]}"\n' for row in rows)
    (tmp_path / "rows.csv").write_bytes(text.encode("cp1252"))
    found = run(tmp_path / "rows.csv")
    assert told(found) == []
    assert found.clean.rows(named=True) == rows
    assert found.report.notes == ("rows.csv is not UTF-8: read as cp1252.",)


PASSAGES = [passage for _, passage in FACTS]
ASKED = [question for question, _ in FACTS]
ODD: list[tuple[pl.DataFrame, tuple[str, ...], str, dict[str, int]]] = [
    (pl.DataFrame({"anchor": ASKED, "positives": pl.Series([[text] for text in PASSAGES], dtype=pl.Array(pl.String, 1))}), (), "multi_positive", {}),
    (pl.DataFrame({"anchor": pl.Series(ASKED, dtype=pl.Categorical), "positive": PASSAGES}), (), "pairs", {}),
    (pl.DataFrame({"anchor": ASKED, "positive": PASSAGES, "neg": [[text] for text in PASSAGES[3:] + PASSAGES[:3]]}), (), "multi_positive", {}),
    (pl.DataFrame({"anchor": [[text] for text in ASKED], "positive": PASSAGES}), (), "pairs", {"list_for_text": 10}),
    (pl.DataFrame({"anchor": ["", None], "positive": [" ", None]}), (), "pairs", {"blank_text": 2}),
    (pl.DataFrame({"{a} {}": ASKED, "{p}": PASSAGES, "{}": ["{}"] * 10}), ("anchor={a} {}", "passage={p}", "label={}"), "labeled", {"unknown_label": 10}),
    (pl.DataFrame({"anchor": ASKED[:1] * 2, "positive": PASSAGES[:1] * 2, "audit_kinds": ["mine", "mine"]}), (), "pairs", {"exact_duplicate": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "columns", "kind", "found"), ODD)
def test_odd_columns_are_read(
    tmp_path: Path, frame: pl.DataFrame, columns: tuple[str, ...], kind: str, found: dict[str, int]
) -> None:
    frame.write_parquet(tmp_path / "rows.parquet")
    audited = run(tmp_path / "rows.parquet", columns=columns)
    assert (audited.report.kind, {item.kind: item.rows for item in audited.report.findings}) == (kind, found)
    assert audited.clean.columns == frame.columns == audited.flagged.columns[: frame.width]


def test_bytes_that_are_no_text_are_an_input_error(tmp_path: Path) -> None:
    pl.DataFrame({"anchor": [b"\xff"], "positive": [b"\xfe"]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(InputError, match=r"columns anchor \(Binary\), positive \(Binary\) cannot be read as text"):
        run(tmp_path / "rows.parquet")

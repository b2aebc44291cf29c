"""Table files: which column holds what, rows of documents, rows of pairs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.ingest import source_digest
from curate.stage import content_id
from schemas.errors import InputError
from schemas.settings import IngestSettings
from tests.curate.ingest_runs import Ingested, block_texts, ingest

POSITIVE = "Herons eat fish, frogs and\ninsects.\n\nThey wait."


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pl.DataFrame(rows)
    match path.suffix:
        case ".parquet":
            frame.write_parquet(path)
        case ".csv":
            frame.write_csv(path)
        case ".tsv":
            frame.write_csv(path, separator="\t")
        case ".json":
            path.write_text(json.dumps(rows), encoding="utf-8")
        case _:
            jsonl(path, *rows)
    return path


def pairs_by_anchor(made: Ingested) -> dict[str, dict[str, Any]]:
    return {row["anchor"]: row for row in made.pairs}


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "json", "jsonl", "ndjson"])
def test_documents_of_every_kind_of_table(tmp_path: Path, ending: str) -> None:
    rows = [{"id": 7, "title": "Herons", "text": POSITIVE}, {"id": 8, "title": None, "text": "Second, text."}]
    made = ingest(write(tmp_path / f"d.{ending}", rows))
    assert made.rejected == []
    first = next(row for row in made.documents if row["source"] == f"d.{ending}#7")
    assert first["document_id"] == content_id("document", f"d.{ending}#7", POSITIVE)
    assert (first["title"], first["text"], first["format"], first["as_is"]) == ("Herons", POSITIVE, "record", False)
    assert block_texts(first) == [("paragraph", 0, "Herons eat fish, frogs and\ninsects."), ("paragraph", 0, "They wait.")]
    assert made.texts()[f"d.{ending}#8"] == "Second, text."


def test_broken_rows_are_rejected_with_their_number_and_the_rest_is_kept(tmp_path: Path) -> None:
    jsonl(
        tmp_path / "d.jsonl",
        {"text": "good one"},
        "not json",
        {"text": ["a", "b"]},
        {"text": 5},
        {"text": "  "},
        {"other": 1},
        [1],
        {"text": {"a": 1}},
        {"text": "good one"},
        {"text": "--- *** ---"},
        '{"text": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"text": "lone \\ud800 and nul \\u0000."}',
    )
    made = ingest(tmp_path / "d.jsonl")
    assert sorted(made.texts()) == ["d.jsonl"]
    assert sorted(row["text"] for row in made.documents) == ["good one", "lone � and nul ."]
    assert made.reasons() == {
        "d.jsonl#2": "row_broken",
        "d.jsonl#3": "row_broken",
        "d.jsonl#4": "row_broken",
        "d.jsonl#5": "row_without_text",
        "d.jsonl#6": "row_without_text",
        "d.jsonl#7": "row_broken",
        "d.jsonl#8": "row_broken",
        "d.jsonl#9": "row_repeated",
        "d.jsonl#10": "row_without_text",
        "d.jsonl#11": "row_broken",
    }
    listed = next(each for each in made.rejected if each.key == "d.jsonl#3")
    assert listed.detail == "text: expected text, found a list: ['a', 'b']"
    assert listed.row == {"row": 3, "text": "['a', 'b']"}


def test_the_same_id_again_is_rejected_within_its_file_only(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", {"id": "x", "text": "one"}, {"id": "x", "text": "two"}, {"id": "y", "text": "one"})
    jsonl(tmp_path / "b.jsonl", {"id": "x", "text": "three"})
    made = ingest(tmp_path)
    assert made.texts() == {"a.jsonl#x": "one", "a.jsonl#y": "one", "b.jsonl#x": "three"}
    assert made.reasons() == {"a.jsonl#2": "row_repeated"}


def test_a_list_id_is_broken_and_a_missing_one_is_none(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", {"id": ["x"], "text": "one"}, {"id": None, "text": "two"}, {"id": " a\nb ", "text": "three"})
    made = ingest(tmp_path)
    assert made.texts() == {"a.jsonl": "two", "a.jsonl#a b": "three"}
    assert made.reasons() == {"a.jsonl#1": "row_broken"}


def test_files_without_usable_columns_say_which_there_are(tmp_path: Path) -> None:
    write(tmp_path / "no.parquet", [{"a": 1, "b": "x"}])
    write(tmp_path / "yes.csv", [{"text": "some text"}])
    made = ingest(tmp_path)
    assert made.reasons() == {"no.parquet": "file_broken"}
    assert made.rejected[0].detail == (
        "no usable columns among 'a', 'b'; set ingest.columns.text for documents, "
        "or ingest.columns.anchor and ingest.columns.positive for pairs"
    )


def test_explicit_columns_win_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    rows = [{"question": "What do herons eat?", "answer": "Fish.", "body": "A body of text.", "key": "k"}]
    write(tmp_path / "t.jsonl", rows)
    made = ingest(tmp_path, sets=("ingest.columns.text=body", "ingest.columns.id=key"))
    assert (made.texts(), made.pairs) == ({"t.jsonl#k": "A body of text."}, [])
    made = ingest(tmp_path, sets=("ingest.columns.anchor=body", "ingest.columns.positive=question"))
    assert [row["anchor"] for row in made.pairs] == ["A body of text."]
    made = ingest(tmp_path, sets=("ingest.columns.positive=nope",))
    assert made.reasons() == {"t.jsonl": "file_broken"}
    assert made.rejected[0].detail == (
        "no column 'nope', which ingest.columns.positive names; there are 'question', 'answer', 'body', 'key'"
    )


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_pair_is_a_passage_and_an_anchor(tmp_path: Path, ending: str) -> None:
    made = ingest(
        write(tmp_path / f"p.{ending}", [{"id": "q1", "question": " What do\nherons eat? ", "answer": POSITIVE + "\n"}])
    )
    passage = content_id("passage", POSITIVE)
    assert made.pairs == [
        {
            "imported_pair_id": content_id("pair", "What do herons eat?", passage, "[[], null, null]"),
            "source": f"p.{ending}#q1",
            "anchor": "What do herons eat?",
            "document_id": passage,
            "negatives": [],
            "score": None,
            "label": None,
            "is_positive": True,
        }
    ]
    assert made.documents == [
        {
            "document_id": passage,
            "source": f"p.{ending}",
            "title": "",
            "text": POSITIVE,
            "blocks": [{"kind": "paragraph", "level": 0, "start": 0, "end": len(POSITIVE)}],
            "format": "passage",
            "language": "en",
            "as_is": True,
        }
    ]


def test_a_passage_of_many_pairs_is_one_document_of_the_first_file(tmp_path: Path) -> None:
    jsonl(
        tmp_path / "b.jsonl",
        {"query": "One?", "positive": POSITIVE},
        {"query": "Two?", "positive": POSITIVE.replace("\n", "\r\n")},
    )
    jsonl(tmp_path / "a.jsonl", {"query": "Three?", "positive": POSITIVE}, {"query": "One?", "positive": POSITIVE})
    made = ingest(tmp_path)
    assert [(row["source"], row["text"]) for row in made.documents] == [("a.jsonl", POSITIVE)]
    assert sorted((row["source"], row["anchor"]) for row in made.pairs) == [
        ("a.jsonl", "One?"),
        ("a.jsonl", "Three?"),
        ("b.jsonl", "Two?"),
    ]
    assert made.reasons() == {"b.jsonl#1": "row_repeated"}


@pytest.mark.parametrize(
    ("row", "negatives"),
    [
        ({"negative": "N"}, ["N"]),
        ({"negative": ["N", "M", "N", ""]}, ["N", "M"]),
        ({"negative_2": "B", "negative_10": "C", "negative_1": "A"}, ["A", "B", "C"]),
        ({"negative": None, "negative_1": "A"}, ["A"]),
    ],
)
def test_supplied_negatives_are_carried_and_are_no_documents(tmp_path: Path, row: dict[str, Any], negatives: list[str]) -> None:
    made = ingest(jsonl(tmp_path / "t.jsonl", {"anchor": "A?", "positive": "P.", **row}))
    assert [pair["negatives"] for pair in made.pairs] == [negatives]
    assert [document["text"] for document in made.documents] == ["P."]


def test_scores_are_scaled_and_held_to_their_range(tmp_path: Path) -> None:
    scores = [5, 2.5, "2.4", 0, 5.1, -1, None, "", "nan", "x", True, [1]]
    jsonl(tmp_path / "s.jsonl", *({"query": f"q{i}", "positive": "P", "score": score} for i, score in enumerate(scores)))
    made = ingest(tmp_path, sets=("ingest.score_scale=5",))
    assert {q: (row["score"], row["is_positive"]) for q, row in pairs_by_anchor(made).items()} == {
        "q0": (1.0, True),
        "q1": (0.5, True),
        "q2": (0.48, False),
        "q3": (0.0, False),
        "q6": (None, True),
        "q7": (None, True),
    }
    assert made.reasons() == {
        "s.jsonl#5": "score_out_of_range",
        "s.jsonl#6": "score_out_of_range",
        "s.jsonl#9": "score_out_of_range",
        "s.jsonl#10": "row_broken",
        "s.jsonl#11": "row_broken",
        "s.jsonl#12": "row_broken",
    }


def test_labels_are_zero_or_one_in_any_writing(tmp_path: Path) -> None:
    labels = [1, 0, True, False, "1", "0", 1.0, 0.0, "true", "False", None, 2, "neutral", [1]]
    jsonl(tmp_path / "l.jsonl", *({"query": f"q{i}", "positive": "P", "label": label} for i, label in enumerate(labels)))
    made = ingest(tmp_path)
    found = {q: (row["label"], row["is_positive"]) for q, row in pairs_by_anchor(made).items()}
    assert found == {f"q{i}": (1, True) if i % 2 == 0 else (0, False) for i in range(10)} | {"q10": (None, True)}
    assert set(made.reasons().values()) == {"label_unknown"}
    assert sorted(made.reasons()) == ["l.jsonl#12", "l.jsonl#13", "l.jsonl#14"]


def test_pairs_with_the_same_texts_and_other_values_are_different(tmp_path: Path) -> None:
    row = {"query": "Q?", "positive": "P"}
    made = ingest(jsonl(tmp_path / "p.jsonl", {**row, "label": 1}, {**row, "label": 0}, {**row, "label": 1}))
    assert sorted(pair["label"] for pair in made.pairs) == [0, 1]
    assert made.reasons() == {"p.jsonl#3": "row_repeated"}


def test_pairs_without_text_or_with_another_type_are_rejected(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"query": "", "positive": "P"},
        {"query": "Q", "positive": None},
        {"query": ["Q"], "positive": "P"},
        {"query": "Q", "positive": {"text": "P"}},
        {"query": "Q", "positive": "P", "negative": [["N"]]},
        {"query": "Q", "positive": "P"},
    ]
    made = ingest(jsonl(tmp_path / "p.jsonl", *rows))
    assert made.reasons() == {
        "p.jsonl#1": "row_without_text",
        "p.jsonl#2": "row_without_text",
        "p.jsonl#3": "row_broken",
        "p.jsonl#4": "row_broken",
        "p.jsonl#5": "row_broken",
    }
    assert len(made.pairs) == 1


def test_parquet_columns_of_other_types_are_rejected_row_by_row(tmp_path: Path) -> None:
    made = ingest(write(tmp_path / "t.parquet", [{"text": ["a", "b"]}, {"text": ["c"]}]))
    assert made.reasons() == {"t.parquet#1": "row_broken", "t.parquet#2": "row_broken"}
    assert made.documents == []
    assert made.notes == ["No document could be read from the sources: `curate rejects` says why for each file."]


def test_csv_faults_cost_their_rows_alone(tmp_path: Path) -> None:
    long = "w " * 200_000
    (tmp_path / "a.csv").write_text(
        f'\ufefftext,id\nfirst,1\na,b,c\n\nshort\n"with ""quotes"",\nand lines",2\n"{long}",3\n"never closed,4\nlast,5\n',
        encoding="utf-8",
    )
    made = ingest(tmp_path)
    assert made.texts() == {"a.csv#1": "first", "a.csv": "short", "a.csv#2": 'with "quotes",\nand lines', "a.csv#3": long.strip()}
    assert made.reasons() == {"a.csv#2": "row_broken", "a.csv#6": "row_broken"}


def test_csv_with_other_delimiters_and_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id;text\n1;Le café est fermé, à cause de la grève générale\n".encode("cp1252"))
    (tmp_path / "b.csv").write_bytes("id,text\n1,Text in UTF-16 here\n".encode("utf-16"))
    made = ingest(tmp_path)
    assert made.texts() == {"a.csv#1": "Le café est fermé, à cause de la grève générale", "b.csv#1": "Text in UTF-16 here"}


def test_json_that_is_no_list_of_objects(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "x"}', encoding="utf-8")
    (tmp_path / "b.json").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "c.json").write_text('[{"text": ', encoding="utf-8")
    (tmp_path / "d.json").write_text("[" * 200_000, encoding="utf-8")
    (tmp_path / "e.json").write_text('{"text": "lines after all"}\n{"text": "second line"}\n', encoding="utf-8")
    made = ingest(tmp_path)
    assert made.reasons() == {
        "a.json": "file_broken",
        "b.json": "file_broken",
        "c.json": "file_broken",
        "d.json": "file_too_deep",
    }
    assert sorted(row["text"] for row in made.documents) == ["lines after all", "second line"]


def test_broken_and_empty_tables(tmp_path: Path) -> None:
    write(tmp_path / "cut.parquet", [{"text": f"some text {i}"} for i in range(500)])
    whole = (tmp_path / "cut.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "blank.jsonl").write_text("\n\n", encoding="utf-8")
    (tmp_path / "head.csv").write_text("text,id\n", encoding="utf-8")
    (tmp_path / "twice.csv").write_text("text,text\na,b\n", encoding="utf-8")
    (tmp_path / "zip.csv").write_bytes(b"PK\x03\x04abc")
    made = ingest(tmp_path)
    assert made.documents == []
    assert made.reasons() == {
        "cut.parquet": "file_broken",
        "none.jsonl": "file_empty",
        "blank.jsonl": "file_empty",
        "head.csv": "file_empty",
        "twice.csv": "file_broken",
        "zip.csv": "file_binary",
    }


def test_a_saved_dataset_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"id": ["1", "2"], "text": ["First text.", "Second text."]})
    datasets.DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(str(tmp_path / "saved"))
    rows.save_to_disk(str(tmp_path / "flat"))
    assert ingest(tmp_path / "saved").texts() == {
        "saved/test#1": "First text.",
        "saved/train#1": "First text.",
        "saved/train#2": "Second text.",
    }
    assert ingest(tmp_path / "flat").texts() == {"flat#1": "First text.", "flat#2": "Second text."}
    digest = source_digest([str(tmp_path / "flat")], IngestSettings())
    assert digest == source_digest([str(tmp_path / "flat")], IngestSettings())
    assert digest != source_digest([str(tmp_path / "saved")], IngestSettings())


class Hub:
    """Stands for the datasets library."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    def load_dataset(self, name: str, config: str | None, split: str | None) -> Any:
        self.asked.append((name, config, split))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_hub_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    rows, others = (datasets.Dataset.from_dict({"question": ["Q?"], "answer": [answer]}) for answer in ("A.", "B."))
    hub = Hub({"train": rows})
    monkeypatch.setitem(sys.modules, "datasets", hub)
    made = ingest("hf://owner/name/config")
    assert [row["source"] for row in made.pairs] == ["hf://owner/name/config:train"]
    assert hub.asked == [("owner/name", "config", None)]
    hub.answer = rows
    assert [row["source"] for row in ingest("hf://owner/name:train").pairs] == ["hf://owner/name:train"]
    assert hub.asked[-1] == ("owner/name", None, "train")
    one = source_digest(["hf://owner/name:train"], IngestSettings())
    assert one == source_digest(["hf://owner/name:train"], IngestSettings())
    hub.answer = others
    assert one != source_digest(["hf://owner/name:train"], IngestSettings())


@pytest.mark.parametrize(
    ("answer", "message", "next_step"),
    [
        (ConnectionError("no route"), "hub cannot be reached", "local folder"),
        (ValueError("unknown split"), "unknown split", "split"),
        (None, "needs the datasets library", 'pip install "curate-embeddings[train]"'),
    ],
)
def test_hub_faults_are_errors_with_a_next_step(
    monkeypatch: pytest.MonkeyPatch, answer: Exception | None, message: str, next_step: str
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None if answer is None else Hub(answer))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message) as caught:
        ingest("hf://owner/name")
    assert next_step in caught.value.next_step


def test_a_hub_name_that_is_none() -> None:
    with pytest.raises(InputError, match="not a dataset name"):
        ingest("hf://a/b/c/d")

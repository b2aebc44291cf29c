"""Files for other trainers, read as those read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.stage import content_id
from schemas.manifest import read_manifest
from schemas.settings import ExportSettings
from tests.curate.export_builds import Build, rich, small

BOTH = ExportSettings(also=("flagembedding", "llamaindex"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_flagembedding_has_all_that_answers_and_only_rows_with_negatives(tmp_path: Path) -> None:
    build = rich()
    build.chunk("p", "train", passage='passage \u2028 p\nwith "marks"')
    build.pair("eleven", "what is p?", "p", ["a"])
    build.pair("twelve", "who needs none?", "c")
    build.export(tmp_path, export=BOTH)
    dataset = tmp_path / "dataset"
    rows = {row["query"]: row for row in lines(dataset / "flagembedding" / "train.jsonl")}
    assert rows["Why k?"] == {
        "query": "Why k?",
        "pos": ["passage k", "passage l", "passage m", "answer for seven"],
        "neg": ["passage a", "passage b"],
    }
    assert rows["what is p?"]["pos"] == ['passage \u2028 p\nwith "marks"']
    assert "who needs none?" not in rows
    assert len(lines(dataset / "flagembedding" / "dev.jsonl")) == 2
    manifest = read_manifest(dataset)
    assert manifest.files["flagembedding/train.jsonl"].rows == len(rows)
    assert "flagembedding/train.jsonl: 1 anchors without negatives are left out." in manifest.notes


def test_llamaindex_has_queries_corpus_and_relevant_docs_by_id(tmp_path: Path) -> None:
    rich().export(tmp_path, export=BOTH)
    dataset = tmp_path / "dataset"
    train = json.loads((dataset / "llamaindex" / "train.json").read_text(encoding="utf-8"))
    assert set(train) == {"queries", "corpus", "relevant_docs", "mode"}
    assert train["mode"] == "text"
    why = next(key for key, text in train["queries"].items() if text == "Why k?")
    # The text that is no chunk has no id.
    assert train["relevant_docs"][why] == [content_id(name) for name in ("k", "l", "m")]
    assert train["queries"].keys() == train["relevant_docs"].keys()
    assert {name for names in train["relevant_docs"].values() for name in names} == train["corpus"].keys()
    assert train["corpus"][content_id("k")] == "passage k"
    test = json.loads((dataset / "llamaindex" / "test.json").read_text(encoding="utf-8"))
    asked = {row["_id"]: row["text"] for row in lines(dataset / "eval" / "test" / "queries.jsonl")}
    assert test["queries"] == asked
    assert test["corpus"] == {row["_id"]: row["text"] for row in lines(dataset / "eval" / "test" / "corpus.jsonl")}
    where = next(key for key, text in asked.items() if text == "where is i?")
    assert set(test["relevant_docs"][where]) == {content_id("i"), content_id("o")}


def test_nothing_more_than_was_asked_for_and_no_empty_files(tmp_path: Path) -> None:
    small().export(tmp_path / "none")
    assert {path.name for path in (tmp_path / "none" / "dataset").iterdir()}.isdisjoint({"flagembedding", "llamaindex"})
    build = Build()
    build.chunk("a", "train")
    build.pair("one", "what is a?", "a")
    build.export(tmp_path / "one", export=BOTH)
    dataset = tmp_path / "one" / "dataset"
    assert not (dataset / "flagembedding").exists()
    assert [path.name for path in (dataset / "llamaindex").iterdir()] == ["train.json"]
    assert "flagembedding/train.jsonl: 1 anchors without negatives are left out." in read_manifest(dataset).notes

"""The dataset folder: exact rows of every format, the same bytes each time, and a swap that a kill cannot halve."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from curate.export import dataset_is_intact, shaping_settings
from curate.export.card import About, write_card
from curate.export.folder import replaced_dataset
from curate.export.parquet import ROWS_A_GROUP, RowFile
from curate.stage import content_id
from schemas.dataset import FORMATS
from schemas.errors import ContractError, StoreError
from schemas.manifest import read_manifest
from schemas.reasons import Reason
from schemas.settings import ChunkSettings, ExportSettings, LlmSettings, RoleSettings, Settings, load_settings
from tests.curate.export_builds import EMBEDDED_TEXT, Build, lines, parquet, rich, small


def test_every_format_has_its_exact_rows(tmp_path: Path) -> None:
    small().export(tmp_path)
    triplets = sorted(parquet(tmp_path, "triplets/train.parquet"), key=lambda row: row["anchor"])
    assert triplets == [
        {"anchor": "sentence of b", "positive": "passage b", "negative_1": "passage a", "negative_2": "supplied for two"},
        {"anchor": "what is a?", "positive": "passage a", "negative_1": "passage b", "negative_2": "passage c"},
    ]
    pairs = parquet(tmp_path, "pairs/train.parquet")
    assert sorted(row["anchor"] for row in pairs) == ["sentence of b", "what is a?", "what is d?"]
    assert parquet(tmp_path, "labeled/dev.parquet") == [
        {"anchor": "what is e?", "passage": "passage e", "label": 1},
        {"anchor": "what is e?", "passage": "passage f", "label": 0},
        {"anchor": "what is e?", "passage": "passage g", "label": 0},
    ]
    labeled = {(row["anchor"], row["passage"]): row["label"] for row in parquet(tmp_path, "labeled/test.parquet")}
    assert labeled[("h or i?", "passage i")] == 0
    assert [row for row in parquet(tmp_path, "labeled/train.parquet") if row["anchor"] == "what is d?"] == [
        {"anchor": "what is d?", "passage": "passage d", "label": 1},
        {"anchor": "what is d?", "passage": "passage a", "label": 0},
    ]
    assert parquet(tmp_path, "scored/test.parquet") == [{"anchor": "h or i?", "passage": "passage i", "score": 0.25}]
    assert not (tmp_path / "dataset" / "scored" / "train.parquet").exists()


def test_provenance_has_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    build = small()
    build.export(tmp_path)
    names = {row["pair_id"]: row for row in build.tables["pairs"]}
    for name in ("triplets", "pairs", "labeled", "scored"):
        for split in ("train", "dev", "test") if name != "scored" else ("test",):
            rows, origins = parquet(tmp_path, f"{name}/{split}.parquet"), parquet(tmp_path, f"provenance/{name}/{split}.parquet")
            assert [row["anchor"] for row in rows] == [names[row["pair_id"]]["anchor"] for row in origins]
    two = next(row for row in parquet(tmp_path, "provenance/triplets/train.parquet") if row["style"] == "sentence")
    assert two == {
        "pair_id": content_id("pair", "two"),
        "question_id": content_id("question", "two"),
        "chunk_id": content_id("b"),
        "document_id": content_id("document", "b"),
        "cluster_id": content_id("block", "b"),
        "style": "sentence",
        "origin": "extractive",
        "model": None,
        "source": "b.md",
        "withheld_chunk_ids": [],
        "negative_chunk_ids": [content_id("a"), None],
        "negative_origins": ["bm25", "supplied"],
        "negative_states": ["negative", "negative"],
    }
    assert parquet(tmp_path, "provenance/scored/test.parquet")[0]["source"] == "pairs.jsonl#3"
    passages = [(row["passage_chunk_id"], row["passage_origin"]) for row in parquet(tmp_path, "provenance/labeled/dev.parquet")]
    assert passages == [(content_id("e"), "pair"), (content_id("f"), "bm25"), (content_id("g"), "bm25")]
    assert {row["model"] for row in parquet(tmp_path, "provenance/pairs/train.parquet")} == {"m", None}


def test_positions_say_where_each_passage_of_the_corpus_stands(tmp_path: Path) -> None:
    build = small()
    build.export(tmp_path)
    rows = parquet(tmp_path, "provenance/chunks.parquet")
    assert [row["chunk_id"] for row in rows] == sorted(row["chunk_id"] for row in build.tables["chunks"])
    by_id = {row["chunk_id"]: row for row in build.tables["chunks"]}
    clusters = {row["chunk_id"]: row["chunk_cluster_id"] for row in build.tables["chunk_clusters"]}
    for row in rows:
        chunk = by_id[row["chunk_id"]]
        assert {name: row[name] for name in ("document_id", "start", "end", "text", "cluster_id")} == {
            name: chunk[name] for name in ("document_id", "start", "end", "text", "cluster_id")
        }
        assert row["chunk_cluster_id"] == clusters[row["chunk_id"]]
    assert rows[0].keys() >= {"source", "title"}


def test_labels_of_the_user_win_and_texts_may_be_equal(tmp_path: Path) -> None:
    build = Build()
    build.chunk("a", "train")
    build.pair("one", "passage a", "a", label=1, score=1.0)
    build.pair("two", "other", "a", label=0, is_positive=False)
    _, rejected = build.export(tmp_path)
    labels = sorted((row["anchor"], row["label"]) for row in parquet(tmp_path, "labeled/train.parquet"))
    assert labels == [("other", 0), ("passage a", 1)]
    assert parquet(tmp_path, "scored/train.parquet") == [{"anchor": "passage a", "passage": "passage a", "score": 1.0}]
    # Nothing to learn from a passage that is its own question.
    assert [(r.key, r.reason) for r in rejected] == [(content_id("pair", "one"), Reason.ANCHOR_EQUALS_PASSAGE)]
    assert not (tmp_path / "dataset" / "pairs").exists()
    assert read_manifest(tmp_path / "dataset").rejected == {"export": {"anchor_equals_passage": 1}}


def test_eval_folders_in_beir_layout(tmp_path: Path) -> None:
    build = small()
    build.chunk("copy of e", "gap", cluster="e")
    build.pair("seven", "What is E", "g", train_only=True)
    build.pair("eight", "sentence of f", "f", train_only=True)
    question = build.tables["questions"][0] | {"question_id": content_id("left out"), "question": "what is e"}
    build.tables["questions"].append(question | {"chunk_id": content_id("f")})
    reject = {"stage": "filter", "row_key": content_id("left out"), "state": "rejected", "reason": "question_near_duplicate"}
    build.tables["rejected"].append(reject | {"detail": "", "row_json": "{}"})
    build.export(tmp_path)
    folder = tmp_path / "dataset" / "eval"
    corpus = lines(folder / "dev" / "corpus.jsonl")
    assert corpus == [
        {"_id": row["chunk_id"], "title": "", "text": row["passage"]}
        for row in sorted(build.tables["chunks"], key=lambda row: row["chunk_id"])
    ]
    assert (folder / "test" / "corpus.jsonl").read_bytes() == (folder / "dev" / "corpus.jsonl").read_bytes()
    query = content_id("question", "four")
    details = {"style": "heading", "origin": "extractive", "cluster_id": content_id("block", "e")}
    assert lines(folder / "dev" / "queries.jsonl") == [{"_id": query, "text": "what is e?", "metadata": details}]
    relevant = sorted(content_id(name) for name in ("e", "copy of e", "g", "f"))
    qrels = "".join(f"{query}\t{chunk_id}\t1\n" for chunk_id in relevant)
    assert (folder / "dev" / "qrels" / "dev.tsv").read_text() == "query-id\tcorpus-id\tscore\n" + qrels
    assert [row["text"] for row in lines(folder / "test" / "queries.jsonl")] == ["what is h?"]
    assert sorted(path.name for path in (folder / "test").rglob("*") if path.is_file()) == [
        "corpus.jsonl",
        "queries.jsonl",
        "test.tsv",
    ]


def test_generated_questions_do_not_change_what_people_judged(tmp_path: Path) -> None:
    build = small()
    build.pair("human", "who is j?", "j", origin="imported")
    build.pair("machine", "Who is J", "h", origin="llm", train_only=True)
    build.pair("also human", "who is j", "i", origin="imported")
    build.export(tmp_path)
    folder = tmp_path / "dataset" / "eval" / "test"
    (query,) = [row for row in lines(folder / "queries.jsonl") if row["metadata"]["origin"] == "imported"]
    judged = [line.split("\t")[1] for line in (folder / "qrels" / "test.tsv").read_text().splitlines() if query["_id"] in line]
    assert judged == sorted([content_id("j"), content_id("i")])


def test_manifest_counts_hashes_and_card(tmp_path: Path) -> None:
    rows, rejected = small().export(tmp_path, export=ExportSettings(name='my "set" <b>:\n- x'))
    manifest = read_manifest(tmp_path / "dataset")
    assert manifest.counts == {
        "triplets": {"train": 2, "dev": 1, "test": 1},
        "pairs": {"train": 3, "dev": 1, "test": 1},
        "labeled": {"train": 8, "dev": 3, "test": 4},
        "scored": {"train": 0, "dev": 0, "test": 1},
        "multi_positive": {"train": 3, "dev": 1, "test": 1},
        "queries": {"dev": 1, "test": 1},
        "corpus": {"passages": 10},
    }
    assert manifest.files["labeled/test.parquet"].rows == 4
    assert manifest.files["README.md"].rows is None
    assert manifest.notes == ["Too few negatives for a triplet, so in pairs, labeled and multi_positive alone: 1 of 5 pairs."]
    assert (manifest.split_method, manifest.heading_prefix, manifest.negatives) == ("clusters", True, 2)
    assert sorted(manifest.libraries) == ["duckdb", "polars", "pyarrow"]
    assert {row["path"] for row in rows} == {*manifest.files, "manifest.json"}
    assert rejected == []
    card = (tmp_path / "dataset" / "README.md").read_text(encoding="utf-8")
    assert EMBEDDED_TEXT not in card
    assert "<b>" not in card.split("---")[2]
    assert "# my &#34;set&#34; &#60;b&#62;" in card
    assert "begin with their title and heading path" in card
    assert "| labeled |" in card


def test_the_card_says_how_it_was_split_and_embedded(tmp_path: Path) -> None:
    build = small()
    for row in build.tables["splits"]:
        row["method"] = "blocks"
    build.export(tmp_path, chunk=ChunkSettings(heading_prefix=False))
    manifest = read_manifest(tmp_path / "dataset")
    card = write_card(manifest)
    assert (manifest.split_method, manifest.heading_prefix) == ("blocks", False)
    assert "blocks of sections with a gap" in card
    assert "without their headings" in card


@pytest.mark.parametrize("name", FORMATS)
def test_datasets_loads_every_config(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    rich().export(tmp_path, export=ExportSettings(name='a: "b" # {c}\n- d'))
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), name, cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == (["train", "dev", "test"] if name != "scored" else ["test"])
    for split in loaded:
        assert loaded[split].to_list() == parquet(tmp_path, f"{name}/{split}.parquet")


def test_an_empty_build_still_is_a_dataset_folder(tmp_path: Path) -> None:
    build = Build()
    build.chunk("a", "train")
    build.export(tmp_path)
    manifest = read_manifest(tmp_path / "dataset")
    assert manifest.counts == {"queries": {"dev": 0, "test": 0}, "corpus": {"passages": 1}}
    assert [path.name for path in (tmp_path / "dataset").rglob("*.parquet")] == ["chunks.parquet"]
    assert "configs: []" in (tmp_path / "dataset" / "README.md").read_text()
    assert (tmp_path / "dataset" / "eval" / "test" / "queries.jsonl").read_bytes() == b""
    assert dataset_is_intact(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_bytes_from_the_same_rows_in_another_order(tmp_path: Path) -> None:
    rich().export(tmp_path / "first")
    build = rich()
    for rows in build.tables.values():
        rows.reverse()
    build.export(tmp_path / "second")
    first = contents(tmp_path / "first" / "dataset")
    assert first == contents(tmp_path / "second" / "dataset")
    assert len(first) == 41
    build.export(tmp_path / "third", seed=14)
    assert parquet(tmp_path / "third", "labeled/train.parquet") != parquet(tmp_path / "first", "labeled/train.parquet")


def test_bytes_do_not_depend_on_the_portions_that_rows_come_in(tmp_path: Path) -> None:
    schema = {"anchor": pl.String(), "label": pl.Int64(), "names": pl.List(pl.String())}
    rows = pl.DataFrame({"anchor": [f"é{i}" for i in range(ROWS_A_GROUP + 5)]})
    rows = rows.with_columns(label=pl.lit(1, pl.Int64), names=pl.concat_list(pl.lit("x"), pl.lit(None, pl.String)))
    for name, portion in (("whole", ROWS_A_GROUP + 5), ("parts", 1000)):
        with RowFile(tmp_path / f"{name}.parquet", schema) as file:
            for portion_rows in rows.iter_slices(portion):
                file.append(portion_rows)
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "parts.parquet").read_bytes()
    metadata = pq.read_metadata(tmp_path / "parts.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [ROWS_A_GROUP, 5]
    assert metadata.metadata is None
    assert pl.read_parquet(tmp_path / "parts.parquet").equals(rows)


def test_a_row_that_breaks_its_contract_is_our_bug_and_leaves_the_old_folder(tmp_path: Path) -> None:
    small().export(tmp_path)
    before = contents(tmp_path)
    build = small()
    build.tables["negatives"][0]["text"] = "passage a"
    with pytest.raises(ContractError, match="triplets"):
        build.export(tmp_path)
    after = contents(tmp_path / "dataset")
    assert {f"dataset/{name}": data for name, data in after.items()} == before
    small().export(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset"]


def test_intact_notices_what_is_missing_or_cut(tmp_path: Path) -> None:
    assert not dataset_is_intact(tmp_path)
    small().export(tmp_path)
    assert dataset_is_intact(tmp_path)
    path = tmp_path / "dataset" / "pairs" / "dev.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert not dataset_is_intact(tmp_path)
    path.unlink()
    assert not dataset_is_intact(tmp_path)
    path.write_bytes(whole)
    assert dataset_is_intact(tmp_path)
    for leftover in ("dataset.tmp-new", "dataset.tmp-old"):
        (tmp_path / leftover).mkdir()
        assert not dataset_is_intact(tmp_path)
        (tmp_path / leftover).rmdir()
    (tmp_path / "dataset" / "manifest.json").write_text("{")
    assert not dataset_is_intact(tmp_path)


def test_a_kill_between_the_renames_gives_the_old_dataset_back(tmp_path: Path) -> None:
    (tmp_path / "dataset.tmp-old").mkdir()
    (tmp_path / "dataset.tmp-old" / "manifest.json").write_text("old")
    (tmp_path / "dataset.tmp-new").mkdir()
    (tmp_path / "dataset.tmp-new" / "half").write_text("half")
    with pytest.raises(KeyboardInterrupt), replaced_dataset(tmp_path) as folder:
        assert (tmp_path / "dataset" / "manifest.json").read_text() == "old"
        assert list(folder.iterdir()) == []
        raise KeyboardInterrupt
    assert (tmp_path / "dataset" / "manifest.json").read_text() == "old"


def test_what_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "my-documents.md").write_text("mine")
    with pytest.raises(StoreError, match="no dataset of curate's"):
        small().export(tmp_path)
    assert (tmp_path / "dataset" / "my-documents.md").read_text() == "mine"
    shutil.rmtree(tmp_path / "dataset")
    small().export(tmp_path)
    (tmp_path / "dataset" / "my-notes.md").write_text("mine")
    (tmp_path / "dataset" / ".DS_Store").write_text("")
    small().export(tmp_path)
    assert (tmp_path / "dataset.before-1" / "my-notes.md").read_text() == "mine"
    assert dataset_is_intact(tmp_path)
    (tmp_path / "dataset" / ".DS_Store").write_text("")
    small().export(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "dataset.before-1"]


def test_links_are_replaced_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    build = tmp_path / "build"
    build.mkdir()
    for name in ("dataset", "dataset.tmp-new", "dataset.tmp-old"):
        (build / name).symlink_to(outside, target_is_directory=True)
    assert not dataset_is_intact(build)
    small().export(build)
    assert contents(outside) == {"precious": b"mine"}
    assert not (build / "dataset").is_symlink()
    assert [path.name for path in build.iterdir()] == ["dataset"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot write the dataset"):
        small().export(tmp_path)


def test_a_full_disk_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No space left"), replaced_dataset(tmp_path):
        raise OSError(28, "No space left on device")


def test_the_manifest_names_no_path_and_nothing_that_shapes_no_row() -> None:
    role = RoleSettings(model="m", api_key_env="MY_KEY", timeout_s=3.0)
    settings = Settings(chunk=ChunkSettings(tokenizer="/home/somebody/tokenizer"), llm=LlmSettings(generator=role))
    values = shaping_settings(settings)
    assert values["chunk"]["tokenizer"] == "tokenizer"
    assert values["llm"]["generator"]["model"] == "m"
    assert "MY_KEY" not in json.dumps(values)
    assert "timeout_s" not in values["llm"]["generator"]
    assert values["seed"] == 13


@pytest.mark.parametrize("folder", ["/home/somebody/", "../../somebody/", "~/", "somebody/", ""])
def test_files_stand_in_the_manifest_without_their_place_however_it_was_written(folder: str) -> None:
    sets = [f"generate.{name}={folder}{name}.md" for name in ("examples", "prompt", "prompt_across")]
    values = shaping_settings(load_settings(None, sets))["generate"]
    assert [values[name] for name in ("examples", "prompt", "prompt_across")] == ["examples.md", "prompt.md", "prompt_across.md"]


@pytest.mark.parametrize(("model", "shown"), [("../models/a.gguf", "a.gguf"), ("./m", "m"), ("owner/name", "owner/name")])
def test_a_hub_id_stays_whole_and_a_path_does_not(model: str, shown: str) -> None:
    assert shaping_settings(load_settings(None, [f"llm.generator.model={model}"]))["llm"]["generator"]["model"] == shown


def test_a_dataset_does_not_show_the_address_of_an_endpoint() -> None:
    shown = shaping_settings(
        load_settings(None, ["llm.generator.base_url=http://models.inside.example/v1", "llm.generator.model=m"])
    )
    assert "inside" not in json.dumps(shown)
    assert shown["llm"]["generator"]["model"] == "m"


def test_the_card_says_how_it_was_made_and_what_it_cannot(tmp_path: Path) -> None:
    build = small()
    build.tables["documents"][0]["language"] = "de"
    (tmp_path / "calibration").mkdir()
    rate = {"rate": 0.02, "of": 90, "low": 0.01, "high": 0.05}
    figures = {
        "question_malformed": {"caught": {"a": {"of": 40}, "b": {"of": 20}}, "mean_caught": 0.25, "kills_of_sound": rate},
        "question_too_long": {"caught": {"a": {"of": 40}}, "mean_caught": 0.0, "kills_of_sound": {**rate, "rate": 0.0}},
    }
    (tmp_path / "calibration" / "calibration.json").write_text(json.dumps({"gates": {"used": figures}}))
    build.export(tmp_path, export=ExportSettings(licence="cc-by-4.0"), chunk=ChunkSettings(max_tokens=77))
    card = (tmp_path / "dataset" / "README.md").read_text(encoding="utf-8")
    header = card.split("---")[1]
    assert "\nlicense: cc-by-4.0\n" in header
    assert "\nsize_categories:\n- n<1K\n" in header
    assert "Stated by its maker: cc-by-4.0." in card
    made = card.split("## How it was made\n")[1].split("## ")[0]
    assert "- `chunk.max_tokens = 77`\n" in made
    assert "export." not in made
    measured = card.split("## Gates, measured\n")[1].split("## ")[0]
    assert "| question_malformed | 25.0% of 60 | 2.0% (1.0%–5.0%) of 90 |\n" in measured
    assert "question_too_long" not in measured
    assert "sentences, headings or words of their passage" in card.split("## Limits\n")[1]


def test_the_card_of_one_negative_and_of_nothing_measured(tmp_path: Path) -> None:
    build = small()
    build.export(tmp_path)
    manifest = read_manifest(tmp_path / "dataset").model_copy(
        update={
            "negatives": 1,
            "rejected": {"filter": {"question_malformed": 2, "anchor_ambiguous": 5}},
            "split_method": "blocks",
        }
    )
    card = write_card(manifest, About(origins=[{"origin": "llm", "style": "natural", "pairs": 4}], languages=["en", "de"]))
    assert "| triplets | `anchor`, `positive`, `negative_1`: hard negatives; only rows that have all 1 |" in card
    assert 'language:\n- "en"\n- "de"\n' in card
    assert card.split("## What was left out\n")[1].splitlines()[3:5] == [
        "| filter | anchor_ambiguous | 5 | the same question was written for several different passages |",
        "| filter | question_malformed | 2 | not a question or a search query: a statement, header or fragment |",
    ]
    assert "Nobody measured what the gates catch on this corpus (`curate calibrate` does)." in card
    limits = card.split("## Limits\n")[1]
    assert "100% of the pairs have questions that a language model wrote" in limits
    assert "Few documents: dev and test come from the same documents as train." in limits
    assert "license: other" in card


@pytest.mark.parametrize("licence", ["MIT", "a b", "mit\nlanguage: x", "", "- x"])
def test_a_licence_is_a_name_of_the_hub(licence: str) -> None:
    with pytest.raises(ValueError, match="licence"):
        ExportSettings(licence=licence)

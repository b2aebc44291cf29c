"""What mining found to answer is a positive everywhere and a negative nowhere; a teacher's scores travel with their passages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.export.anchors import settled
from curate.stage import content_id
from curate.text import normalise
from schemas.manifest import read_manifest
from schemas.reasons import Reason
from tests.curate.export_builds import Build, Rows, lines, parquet, rich


def of(rows: Rows, anchor: str) -> Rows:
    """Rows (or queries) of one anchor, however it is written."""
    return [row for row in rows if normalise(row.get("anchor") or row["text"]) == normalise(anchor)]


def test_distilled_holds_only_rows_with_every_score(tmp_path: Path) -> None:
    rich().export(tmp_path)
    rows = parquet(tmp_path, "distilled/train.parquet")
    scores = {"positive_score": 0.75, "negative_1_score": 0.25, "negative_2_score": -0.5}
    assert rows == [{"anchor": "Why k?", "positive": "passage k", "negative_1": "passage a", "negative_2": "passage b", **scores}]
    assert list(rows[0]) == ["anchor", "positive", "negative_1", "negative_2", *scores]
    (origin,) = parquet(tmp_path, "provenance/distilled/train.parquet")
    assert (origin["pair_id"], origin["negative_chunk_ids"]) == (content_id("pair", "seven"), [content_id("a"), content_id("b")])
    manifest = read_manifest(tmp_path / "dataset")
    assert manifest.counts["distilled"] == {"train": 1, "dev": 1, "test": 1}
    assert "Without a teacher's score for every passage, so not in distilled: 4 of 7 triplets." in manifest.notes
    assert "| distilled | `anchor`, `positive`, `negative_1` … `negative_2`" in (tmp_path / "dataset" / "README.md").read_text()


@pytest.mark.parametrize("scores", [{}, {"teacher": [0.5, 0.25]}, {"positive_score": 0.75}])
def test_without_a_teacher_there_is_no_distilled(tmp_path: Path, scores: dict[str, Any]) -> None:
    build = Build()
    for name in ("a", "b", "c"):
        build.chunk(name, "train")
    build.pair("one", "what is a?", "a", ["b", "c"], **scores)
    build.export(tmp_path)
    assert not (tmp_path / "dataset" / "distilled").exists()
    assert not (tmp_path / "dataset" / "provenance" / "distilled").exists()
    assert "distilled" not in read_manifest(tmp_path / "dataset").counts
    assert "distilled" not in (tmp_path / "dataset" / "README.md").read_text()


def test_multi_positive_gathers_what_answers_an_anchor(tmp_path: Path) -> None:
    rich().export(tmp_path)
    rows, origins = (parquet(tmp_path, f"{place}multi_positive/train.parquet") for place in ("", "provenance/"))
    assert [row["anchor"] for row in rows] != sorted(row["anchor"] for row in rows)
    assert len(rows) == 4
    (row,) = of(rows, "why k")
    origin = origins[rows.index(row)]
    # Which of the two pairs comes first is by hash, and the same for their passages and negatives.
    first, second = ("seven", "eight") if row["anchor"] == "Why k?" else ("eight", "seven")
    chunks = {"seven": "k", "eight": "l"}
    assert row["positives"] == [f"passage {chunks[first]}", f"passage {chunks[second]}", "passage m", "answer for seven"]
    assert origin["positive_pair_ids"] == [content_id("pair", name) for name in (first, second, "seven", "seven")]
    assert origin["positive_chunk_ids"] == [*(content_id(chunks[name]) for name in (first, second)), content_id("m"), None]
    assert origin["positive_origins"] == ["pair", "pair", "bm25", "supplied"]
    # "passage m" was chosen against the other pair.
    assert sorted(row["negatives"]) == ["passage a", "passage b"]
    assert origin["negative_chunk_ids"] == [content_id(text.removeprefix("passage ")) for text in row["negatives"]]
    assert origin["pair_id"] == content_id("pair", first)
    (lone,) = of(rows, "what is d?")
    assert lone == {"anchor": "what is d?", "positives": ["passage d"], "negatives": ["passage a"]}
    assert parquet(tmp_path, "provenance/multi_positive/train.parquet")[rows.index(lone)]["negative_origins"] == ["bm25"]


def test_candidates_that_may_answer_are_named_in_the_provenance(tmp_path: Path) -> None:
    build = rich()
    quarantined = {"state": "quarantined", "reason": str(Reason.NEGATIVE_ABOVE_MARGIN)}
    build.promoted("eight", "n", "n", **quarantined)
    build.export(tmp_path)
    pairs = parquet(tmp_path, "provenance/pairs/train.parquet")
    withheld = {row["pair_id"]: row["withheld_chunk_ids"] for row in pairs}
    # Promoted ones, too; a supplied text that is no chunk has nothing to be named by.
    assert withheld[content_id("pair", "seven")] == [content_id("m")]
    assert withheld[content_id("pair", "eight")] == [content_id("n")]
    (row,) = [
        row
        for row in parquet(tmp_path, "provenance/multi_positive/train.parquet")
        if row["positive_pair_ids"][:2] != row["positive_pair_ids"][:1]
    ]
    assert row["withheld_chunk_ids"] == sorted([content_id("m"), content_id("n")])


def test_a_promoted_passage_is_a_negative_of_its_anchor_nowhere(tmp_path: Path) -> None:
    rich().export(tmp_path)
    labeled = of(parquet(tmp_path, "labeled/train.parquet"), "why k")
    found = sorted((row["anchor"], row["passage"], row["label"]) for row in labeled)
    assert found == [
        ("Why k?", "answer for seven", 1),
        ("Why k?", "passage a", 0),
        ("Why k?", "passage b", 0),
        ("Why k?", "passage k", 1),
        ("Why k?", "passage m", 1),
        ("why K", "passage a", 0),
        ("why K", "passage l", 1),
    ]
    assert [row["anchor"] for row in of(parquet(tmp_path, "triplets/train.parquet"), "why k")] == ["Why k?"]
    origins = parquet(tmp_path, "provenance/labeled/train.parquet")
    seven = [row for row in origins if row["pair_id"] == content_id("pair", "seven")]
    assert [(row["passage_chunk_id"], row["passage_origin"], row["passage_state"]) for row in seven] == [
        (content_id("k"), "pair", None),
        (content_id("m"), "bm25", "promoted"),
        (None, "supplied", "promoted"),
        (content_id("a"), "bm25", "negative"),
        (content_id("b"), "bm25", "negative"),
    ]
    notes = read_manifest(tmp_path / "dataset").notes
    assert "Candidates that answer (`mine.promote_model`), so further positives: 4." in notes
    assert "Negatives left out because they answer the same question in another pair: 1." in notes
    assert "Too few negatives for a triplet, so in pairs, labeled and multi_positive alone: 2 of 9 pairs." in notes


def judged(folder: Path, split: str, name: str) -> list[str]:
    """Chunks that the qrels give to the question of that pair."""
    text = (folder / "dataset" / "eval" / split / "qrels" / f"{split}.tsv").read_text()
    return [line.split("\t")[1] for line in text.splitlines() if line.startswith(content_id("question", name))]


def test_promoted_chunks_and_their_copies_are_in_the_qrels_of_their_split(tmp_path: Path) -> None:
    build = rich()
    build.chunk("copy of n", "gap", cluster="n")
    build.promoted("four", None)
    build.export(tmp_path)
    assert judged(tmp_path, "dev", "nine") == sorted(content_id(name) for name in ("f", "n", "copy of n"))
    assert judged(tmp_path, "dev", "four") == [content_id("e")]
    assert judged(tmp_path, "test", "ten") == sorted(content_id(name) for name in ("i", "o"))
    assert judged(tmp_path, "test", "five") == [content_id("h")]


def test_what_is_promoted_against_a_made_question_does_not_change_what_people_judged(tmp_path: Path) -> None:
    build = rich()
    build.pair("user", "Where is F", "f", origin="imported")
    build.export(tmp_path)
    (query,) = of(lines(tmp_path / "dataset/eval/dev/queries.jsonl"), "where is f")
    assert query["metadata"]["origin"] == "imported"
    assert judged(tmp_path, "dev", "user") == [content_id("f")]


def test_a_label_of_the_user_stands_over_a_promotion(tmp_path: Path) -> None:
    build = rich()
    build.pair("denied", "where is F?", "n", label=0, is_positive=False, origin="imported")
    build.export(tmp_path)
    rows = of(parquet(tmp_path, "labeled/dev.parquet"), "where is f")
    assert sorted((row["passage"], row["label"]) for row in rows) == [
        ("passage e", 0),
        ("passage f", 1),
        ("passage g", 0),
        ("passage n", 0),
    ]
    (row,) = of(parquet(tmp_path, "multi_positive/dev.parquet"), "where is f")
    assert row["positives"] == ["passage f"]
    assert judged(tmp_path, "dev", "nine") == [content_id("f")]


TEXTS = st.sampled_from(["p", "q", "Q!", "r", "s", "t"])


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["one?", "One", "two"]),
            TEXTS,
            st.lists(TEXTS, max_size=3),
            st.lists(TEXTS, max_size=2),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_text_stands_for_and_against_one_anchor(
    rows: list[tuple[str, str, list[str], list[str], bool]],
) -> None:
    keys = {normalise(anchor): number for number, (anchor, *_) in enumerate(rows)}
    page = pl.DataFrame(
        [
            {
                "anchor_number": keys[normalise(anchor)],
                "anchor": anchor,
                "positive": positive,
                "is_positive": is_positive,
                **dict.fromkeys(["negative_texts", "negative_chunk_ids", "negative_origins", "negative_states"], negatives),
                "negative_scores": [0.5] * len(negatives),
                **dict.fromkeys(["promoted_texts", "promoted_chunk_ids", "promoted_origins"], promoted or None),
            }
            for anchor, positive, negatives, promoted, is_positive in rows
        ],
        infer_schema_length=None,
    ).cast({name: pl.List(pl.String) for name in ("negative_texts", "promoted_texts", "promoted_chunk_ids", "promoted_origins")})
    done, left_out = settled(page)
    assert done.drop("negative_texts", "promoted_texts").columns == page.drop("negative_texts", "promoted_texts").columns
    assert done["anchor"].to_list() == page["anchor"].to_list()
    before, after = (sum(len(row["negative_texts"] or []) for row in table.to_dicts()) for table in (page, done))
    assert before - after == left_out
    for number in done["anchor_number"].unique():
        group = done.filter(pl.col("anchor_number") == number).to_dicts()
        own = {normalise(row["positive"]) for row in group if row["is_positive"]}
        denied = {normalise(row["positive"]) for row in group if not row["is_positive"]} - own
        further = {normalise(text) for row in group for text in row["promoted_texts"] or []}
        assert not further & denied
        for row in group:
            against = {normalise(text) for text in row["negative_texts"] or []} - {normalise(row["positive"])}
            assert not against & (own | further)


def test_a_page_never_cuts_an_anchor_in_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rich().export(tmp_path / "whole")
    monkeypatch.setattr("curate.export.anchors.ROWS_A_GROUP", 1)
    rich().export(tmp_path / "cut")
    for path in sorted((tmp_path / "whole" / "dataset").rglob("*.parquet")):
        other = tmp_path / "cut" / path.relative_to(tmp_path / "whole")
        assert path.read_bytes() == other.read_bytes(), path

"""Validate: a clean build breaks no claim; each audit finds exactly the row planted for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from curate.stage import content_id
from curate.store import tables_of
from curate.validate import STAGE, claims, failed, read_audit, sql_claims
from schemas.settings import FilterSettings, MineSettings, Settings

Tables = Any
"""`Tables` of conftest.py, which cannot be imported."""


def pair_id(name: str) -> str:
    return content_id("pair", content_id("question", name))


def add_pair(tables: Tables, name: str, anchor: str, chunk: str, **other: Any) -> None:
    """A question with its pair on a chunk that is there."""
    tables.question(name, anchor, chunk, **other)
    question = tables.rows["questions"][-1]
    home = next(row for row in tables.rows["chunks"] if row["chunk_id"] == question["chunk_id"])
    row = {"pair_id": pair_id(name), "anchor": anchor, "positive": home["passage"], "split": home["split"]}
    row |= {"cluster_id": home["cluster_id"], "question_id": question["question_id"], "chunk_id": question["chunk_id"]}
    copied = ("style", "origin", "train_only", "imported_pair_id", "is_positive", "score", "label")
    tables.rows["pairs"].append(row | {column: question[column] for column in copied})


def add_negative(tables: Tables, pair: str, candidate: int, text: str, **other: Any) -> None:
    row = {
        "pair_id": pair_id(pair),
        "candidate": candidate,
        "chunk_id": None,
        "text": text,
        "origin": "bm25",
        "rank": None,
        "teacher_score": None,
        "positive_score": None,
        "relative_margin": None,
    }
    tables.rows["negatives"].append(row | {"score": None, "state": "negative", "reason": None, "chosen": candidate} | other)


def reject(tables: Tables, stage: str, key: str, reason: str, state: str = "rejected") -> None:
    row = {"stage": stage, "row_key": key, "state": state, "reason": reason, "detail": "", "row_json": "{}"}
    tables.rows["rejected"].append(row)


@pytest.fixture
def clean(tables: Tables) -> Tables:
    """Four chunks in two splits, an imported pair with a supplied negative, a plain one, a scored non-positive, one short of negatives."""
    tables.chunk("a", "Herons stand still 😀 in shallow water.", prefix="Birds\n\n")
    tables.chunk("b", "Storks nest on roofs.")
    tables.chunk("c", "Egrets follow cattle.", split="test")
    tables.chunk("d", "Bitterns hide in reeds.", split="test")
    imported = content_id("imported")
    row = {
        "imported_pair_id": imported,
        "source": "s",
        "anchor": "where do herons stand",
        "document_id": content_id("document", "a"),
    }
    row |= {"negatives": ["Copper melts."], "score": 0.9, "label": None, "is_positive": True}
    tables.rows["imported_pairs"].append(row)
    other = {"origin": "imported", "imported_pair_id": imported, "score": 0.9}
    add_pair(tables, "heron", "where do herons stand", "a", **other)
    add_negative(tables, "heron", 1, "Copper melts.", origin="supplied")
    add_pair(tables, "egret", "what do egrets follow", "c")
    add_negative(tables, "egret", 1, "Bitterns hide in reeds.", chunk_id=content_id("chunk", "d"))
    add_negative(tables, "egret", 2, "Egrets follow cattle.", state="quarantined", reason="negative_equals_positive", chosen=None)
    add_pair(tables, "bittern", "where do bitterns hide", "d")
    reject(tables, "mine", pair_id("bittern"), "negatives_too_few", "quarantined")
    reject(tables, "filter", tables.question("poor", "the bittern is a", "d"), "question_malformed")
    return tables


def broken(tables: Tables, settings: Settings | None = None) -> dict[str, tuple[int, list[str]]]:
    rows = tables.run(STAGE, settings).rows
    assert [row["claim"] for row in rows] == list(claims())
    return {row["claim"]: (row["broken"], row["examples"]) for row in rows if row["broken"]}


def test_a_clean_build_breaks_nothing(clean: Tables) -> None:
    assert broken(clean) == {}


def test_an_empty_build_breaks_nothing(tables: Tables) -> None:
    assert broken(tables) == {}


def change(table: str, position: int, **values: Any) -> Callable[[Tables], None]:
    def plant(tables: Tables) -> None:
        tables.rows[table][position] |= values

    return plant


def plant_document_in_two_splits(tables: Tables) -> None:
    tables.rows["document_clusters"][3]["cluster_id"] = content_id("cluster", "a")


def plant_anchor_in_two_splits(tables: Tables) -> None:
    for table, column in (("pairs", "anchor"), ("questions", "question")):
        tables.rows[table][1][column] = "Where do  HERONS stand ?"


def plant_chunk_copy(tables: Tables) -> None:
    tables.rows["chunk_clusters"][2]["chunk_cluster_id"] = content_id("copies", "a")


def plant_equal_negative(tables: Tables) -> None:
    tables.rows["negatives"][0]["text"] = "birds  HERONS stand still 😀 in shallow water."


def plant_negative_equal_to_another_positive(tables: Tables) -> None:
    add_pair(tables, "second", "Where do herons stand", "b")
    reject(tables, "mine", pair_id("second"), "negatives_too_few", "quarantined")
    tables.rows["negatives"][0]["text"] = "Storks nest on roofs."


def plant_near_copy_negative(tables: Tables) -> None:
    tables.rows["negatives"][1]["chunk_id"] = content_id("chunk", "b")
    tables.rows["chunk_clusters"][1]["chunk_cluster_id"] = content_id("copies", "c")
    tables.rows["chunks"][1]["split"] = "test"


def plant_missing_negative(tables: Tables) -> None:
    tables.rows["rejected"] = [row for row in tables.rows["rejected"] if row["stage"] != "mine"]


def plant_two_negatives_where_others_have_one(tables: Tables) -> None:
    add_negative(tables, "egret", 3, "Something else.", chosen=2)


def plant_question_in_both(tables: Tables) -> None:
    reject(tables, "filter", content_id("question", "egret"), "question_malformed")


def plant_question_in_neither(tables: Tables) -> None:
    tables.question("forgotten", "what do herons forget", "a")


def plant_pair_from_nowhere(tables: Tables) -> None:
    reject(tables, "filter", content_id("no such question"), "question_malformed")


def asked(anchor: str, other: str) -> Callable[[Tables], None]:
    """Change the anchors of a train pair and of a test pair."""

    def plant(tables: Tables) -> None:
        for position, text in enumerate((anchor, other)):
            tables.rows["pairs"][position]["anchor"] = tables.rows["questions"][position]["question"] = text

    return plant


def scored(score: float, positive: float) -> Callable[[Tables], None]:
    return change("negatives", 0, teacher_score=score, positive_score=positive)


def found_margin(share: float, score: float) -> Callable[[Tables], None]:
    return change("negatives", 0, teacher_score=score, positive_score=1.0, relative_margin=share)


def plant_promoted_negative(tables: Tables) -> None:
    tables.chunk("f", "Cranes dance in spring.")
    add_pair(tables, "again", "where do herons stand", "f")
    add_negative(tables, "again", 1, "Copper melts.")
    reject(tables, "mine", pair_id("again"), "negatives_too_few", "quarantined")
    tables.rows["negatives"][-1] |= {"state": "promoted", "reason": "negative_answers", "chosen": None}
    tables.rows["negatives"][0]["origin"] = "bm25"


PROMOTED = {"state": "promoted", "reason": "negative_answers"}
WORDS = " ".join(f"word{n}" for n in range(13))
EGRET, HERON, BITTERN = pair_id("egret"), pair_id("heron"), pair_id("bittern")
PLANTED = [
    ("no_document_in_two_splits_by_cluster", plant_document_in_two_splits, [content_id("cluster", "a")]),
    ("no_anchor_in_two_splits", plant_anchor_in_two_splits, sorted([EGRET, HERON])),
    ("no_chunk_copy_across_splits_with_pairs", plant_chunk_copy, [content_id("copies", "a")]),
    ("no_negative_equals_positive", plant_equal_negative, [HERON]),
    ("no_negative_equals_positive", plant_negative_equal_to_another_positive, [HERON]),
    ("no_negative_is_a_near_copy_of_a_positive", plant_near_copy_negative, [EGRET]),
    ("no_negative_from_other_split", change("negatives", 1, chunk_id=content_id("chunk", "b")), [EGRET]),
    ("no_negative_from_other_split", change("negatives", 1, chunk_id=content_id("chunk", "gone")), [EGRET]),
    ("no_negative_from_other_split", change("negatives", 2, chunk_id=content_id("chunk", "b"), **PROMOTED), [EGRET]),
    ("no_promoted_text_is_a_negative", plant_promoted_negative, [HERON]),
    ("no_negative_above_the_margin", scored(0.77, 0.8), [HERON]),
    ("no_negative_above_the_margin", scored(-0.2, -0.2), [HERON]),
    ("no_train_anchor_shares_words_with_dev_or_test", asked(f"first {WORDS}", f"{WORDS} is said second"), [HERON]),
    ("no_train_anchor_shares_words_with_dev_or_test", asked(WORDS[:47], f"what of {WORDS} and so"), [HERON]),
    ("no_train_anchor_nearly_equals_dev_or_test", asked("What do egrets follow?", "What do egrets usually follow"), [HERON]),
    ("chosen_negatives_are_sound", change("negatives", 1, chosen=2), [EGRET]),
    ("chosen_negatives_are_sound", change("negatives", 2, chosen=2, text="bitterns hide in  REEDS.", state="negative"), [EGRET]),
    ("chosen_negatives_are_sound", change("negatives", 1, state="quarantined"), [EGRET]),
    ("chosen_negatives_are_sound", change("negatives", 2, chosen=1, text="Other.", state="negative"), [EGRET]),
    ("every_pair_has_k_negatives_or_a_reason", plant_missing_negative, [BITTERN]),
    ("every_pair_has_k_negatives_or_a_reason", plant_two_negatives_where_others_have_one, [HERON]),
    ("every_pair_has_k_negatives_or_a_reason", change("rejected", 0, reason="negative_repeated"), [BITTERN]),
    ("train_only_never_in_dev_or_test", change("pairs", 1, train_only=True), [EGRET]),
    ("every_pair_has_its_chunk", change("pairs", 1, chunk_id=content_id("chunk", "gone")), [EGRET]),
    ("every_pair_has_its_chunk", change("pairs", 0, split="dev"), [HERON]),
    ("every_pair_has_its_chunk", change("pairs", 0, cluster_id=content_id("other")), [HERON]),
    ("every_pair_has_its_chunk", change("questions", 0, chunk_id=content_id("chunk", "b")), [HERON]),
    ("chunk_spans_are_exact", change("chunks", 0, start=1), [content_id("chunk", "a")]),
    ("chunk_spans_are_exact", change("chunks", 0, end=20), [content_id("chunk", "a")]),
    ("chunk_spans_are_exact", change("chunks", 3, document_id=content_id("document", "gone")), [content_id("chunk", "d")]),
    ("positive_is_the_passage", change("pairs", 0, positive="Herons stand still 😀 in shallow water."), [HERON]),
    ("positive_is_the_passage", change("pairs", 1, anchor="what do they follow"), [EGRET]),
    ("questions_conserved", plant_question_in_both, [content_id("question", "egret")]),
    ("questions_conserved", plant_question_in_neither, [content_id("question", "forgotten")]),
    ("questions_conserved", plant_pair_from_nowhere, [content_id("no such question")]),
    ("no_supplied_negative_lost", change("negatives", 0, origin="bm25"), [HERON]),
    ("no_supplied_negative_lost", change("imported_pairs", 0, negatives=["Copper melts.", "Iron rusts."]), [HERON]),
    ("scores_and_labels_survive", change("pairs", 0, score=None), [HERON]),
    ("scores_and_labels_survive", change("pairs", 0, label=1), [HERON]),
    ("scores_and_labels_survive", change("imported_pairs", 0, imported_pair_id=content_id("gone")), [HERON]),
    ("scores_and_labels_survive", change("imported_pairs", 0, is_positive=False), [HERON]),
]


@pytest.mark.parametrize(("claim", "plant", "keys"), PLANTED, ids=lambda value: value if isinstance(value, str) else "")
def test_an_audit_finds_the_planted_rows(clean: Tables, claim: str, plant: Callable[[Tables], None], keys: list[str]) -> None:
    plant(clean)
    assert broken(clean)[claim] == (len(keys), keys)


BENCHMARK = [
    ("no_train_anchor_in_a_benchmark", "Where do herons stand?"),
    ("no_train_anchor_in_a_benchmark", "where do the herons stand"),
    ("no_train_passage_in_a_benchmark", "herons stand still in shallow water and wait"),
]


@pytest.mark.parametrize(("claim", "query"), BENCHMARK)
def test_an_audit_finds_train_rows_of_a_benchmark(clean: Tables, tmp_path: Path, claim: str, query: str) -> None:
    passage = "Birds. Herons stand still in shallow water and wait."
    clean.rows["pairs"][0]["positive"] = clean.rows["chunks"][0]["passage"] = passage
    (tmp_path / "q.txt").write_text(f"what do egrets follow\n{query}\n", encoding="utf-8")
    kept_apart = Settings(filter=FilterSettings(decontaminate=(str(tmp_path / "q.txt"),)))
    found = broken(clean, kept_apart)
    assert found[claim] == (1, [HERON])
    assert set(found) == {claim}
    assert broken(clean) == {}


def test_every_audit_has_a_planted_fault() -> None:
    assert {claim for claim, *_ in (*PLANTED, *BENCHMARK)} == set(claims())


@pytest.mark.parametrize(
    ("mine", "scores", "faults"),
    [
        ({}, (0.76, 0.8), 0),
        ({}, (0.77, 0.8), 1),
        ({"relative_margin": None}, (0.9, 0.8), 0),
        ({"auto_margin": True}, (0.79, 0.8), 0),
        ({"auto_margin": True}, (0.81, 0.8), 1),
        ({"auto_margin": True, "relative_margin": None}, (0.9, 0.8), 0),
        ({"relative_margin": None, "absolute_margin": 0.1}, (0.69, 0.8), 0),
        ({"relative_margin": None, "absolute_margin": 0.1}, (0.71, 0.8), 1),
        ({"relative_margin": None, "max_score": 0.5}, (0.51, 0.8), 1),
        ({"relative_margin": None, "max_score": 0.5}, (0.5, 0.8), 0),
    ],
)
def test_the_margin_is_the_one_that_is_set(clean: Tables, mine: dict[str, Any], scores: tuple[float, float], faults: int) -> None:
    scored(*scores)(clean)
    assert len(broken(clean, Settings(mine=MineSettings(**mine)))) == faults


@pytest.mark.parametrize(("share", "score", "faults"), [(0.7, 0.69, 0), (0.7, 0.71, 1), (1.2, 1.01, 1)])
def test_an_automatic_margin_is_held_as_it_was_found(clean: Tables, share: float, score: float, faults: int) -> None:
    found_margin(share, score)(clean)
    assert len(broken(clean, Settings(mine=MineSettings(auto_margin=True)))) == faults


def test_words_of_a_template_and_a_users_own_negative_are_no_fault(clean: Tables) -> None:
    asked(f"first {WORDS}", f"{WORDS} is said second")(clean)
    for n in range(10):
        reject(clean, "filter", clean.question(f"form {n}", f"{WORDS} form{n}", "a"), "question_malformed")
    plant_promoted_negative(clean)
    clean.rows["questions"][-1]["question"] = clean.rows["pairs"][-1]["anchor"] = f"first {WORDS}"
    clean.rows["negatives"][0]["origin"] = "supplied"
    assert set(broken(clean)) <= {"scores_and_labels_survive"}


def test_up_to_five_examples_in_order_of_key_and_all_are_counted(tables: Tables) -> None:
    keys = [tables.question(f"forgotten {i}", "what do herons forget", "a") for i in range(9)]
    assert broken(tables) == {"questions_conserved": (9, sorted(keys)[:5])}


def test_equal_anchors_in_one_split_and_dotted_capitals_are_no_fault(clean: Tables) -> None:
    add_pair(clean, "again", "Where do herons stand?", "b")
    reject(clean, "mine", pair_id("again"), "negatives_too_few", "quarantined")
    for name, anchor, chunk in (("plain", "Istanbul nerede", "b"), ("dotted", "İstanbul nerede", "d")):
        add_pair(clean, name, anchor, chunk)
        reject(clean, "mine", pair_id(name), "negatives_too_few", "quarantined")
    assert broken(clean) == {}


def test_a_split_by_blocks_may_cut_documents(clean: Tables) -> None:
    plant_document_in_two_splits(clean)
    for row in clean.rows["splits"]:
        row["method"] = "blocks"
    assert broken(clean) == {}


def test_failed_names_the_claims_that_do_not_hold() -> None:
    good, bad = {"claim": "a", "broken": 0, "examples": []}, {"claim": "b", "broken": 2, "examples": ["x"]}
    assert failed([good, bad]) == [bad]
    assert failed([]) == []


@pytest.mark.parametrize("claim", sql_claims())
def test_an_audit_begins_with_its_claim_and_reads_declared_tables(claim: str) -> None:
    description, sql = read_audit(claim)
    assert description.endswith(".")
    assert description[0].isupper()
    with duckdb.connect() as connection:
        assert tables_of(connection, sql) <= set(STAGE.reads)
    assert f"audits/{claim}.sql" in STAGE.files

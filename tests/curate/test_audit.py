"""What `curate.audit` says of rows: each fault is planted among sound rows, and exactly that is found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.audit import DATASET_KINDS, GROUPS, KINDS, ORDER, members
from tests.curate.audit_rows import FACTS, Row, notes, run, sound, told, with_negatives, write

Told = list[tuple[int, str, str]]


def spoilt(number: int, **changes: object) -> list[Row]:
    rows = sound()
    rows[number - 1] |= changes
    return rows


def added(*rows: Row) -> list[Row]:
    return [*sound(), *rows]


def plain(kind: str, row: int, detail: str) -> Told:
    return [(row, kind, detail)]


PASSAGE = FACTS[0][1]
NEARLY = f"{PASSAGE} So it is said."
FRENCH = "Les habitants de la ville ont fondé une école qui a accueilli beaucoup d'élèves dès la première année et qui est devenue une université."
ROWS: list[tuple[list[Row], Told]] = [
    (sound(), []),
    (spoilt(2, positive=None), plain("blank_text", 2, "positive (column positive) is null or blank")),
    (spoilt(2, anchor=" \t"), plain("blank_text", 2, "anchor (column anchor) is null or blank")),
    (spoilt(3, positive="['one two', 'three']"), plain("list_for_text", 3, "positive looks like a list written as text: ['one two', 'three']")),
    (spoilt(3, positive=["one two", "three"]), plain("list_for_text", 3, 'positive looks like a list written as text: ["one two", "three"]')),
    (spoilt(4, positive="["), plain("single_characters", 4, "positive single characters: [")),
    (spoilt(4, positive="s h o r t e r ( a n d )"), plain("single_characters", 4, "positive single characters: s h o r t e r ( a n d )")),
    (spoilt(5, positive=f"{FACTS[4][1]}\0"), plain("control_characters", 5, "positive holds U+0000")),
    (spoilt(6, positive=f"{FACTS[5][1]} CafÃ© and it."), plain("encoding_damage", 6, "positive holds CafÃ©")),
    (spoilt(6, positive=f"{FACTS[5][1]} It\ufffds so."), plain("encoding_damage", 6, "positive holds It\ufffds")),
    (spoilt(7, anchor="Who?"), plain("anchor_too_short", 7, "anchor has 1 of at least 2 words")),
    (spoilt(7, positive="Nobody ever knew."), plain("passage_too_short", 7, "positive has 3 of at least 8 words")),
    (spoilt(8, anchor=f"Question 3: {FACTS[7][0]}"), plain("malformed_anchor", 8, "header")),
    (spoilt(8, anchor="The clock of Saint Aldric is very old."), plain("anchor_not_a_question", 8, "reads as a statement among questions")),
    (spoilt(9, positive=FACTS[8][0].upper()), [(9, "passage_too_short", "positive has 6 of at least 8 words"), (9, "anchor_equals_passage", "anchor and positive are the same text")]),
    (spoilt(9, anchor="To her apprentice Ilse Brandner, under whom?"), plain("anchor_in_passage", 9, "the positive holds the anchor word for word")),
    (added(sound()[1]), plain("exact_duplicate", 11, "the same as row 2")),
    (added({"anchor": FACTS[1][0].upper(), "positive": FACTS[1][1].replace(",", "")}), plain("exact_duplicate", 11, "the same as row 2")),
    (added({"anchor": f"Please, {FACTS[0][0]}", "positive": NEARLY}), plain("near_duplicate", 11, "like row 1: anchors 1.0, passages 0.85")),
    (added({"anchor": FACTS[9][0], "positive": FACTS[9][1].replace("raft", "boat")}), plain("near_duplicate", 11, "like row 10: anchors 1.0, passages 0.78")),
    (
        added({"anchor": FACTS[2][0], "positive": FACTS[3][1]}),
        [(3, "ambiguous_anchor", "2 different positives, another in row 11"), (11, "ambiguous_anchor", "2 different positives, another in row 3")],
    ),
    (spoilt(10, positive=FRENCH), plain("mixed_languages", 10, "positive in French, the dataset is in English")),
    (
        spoilt(10, positive=FRENCH, anchor="Quelle école a été fondée par les habitants de la ville ?"),
        plain("minority_language", 10, "anchor in French, the dataset is in English"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), ROWS)
def test_a_planted_fault_is_found_and_nothing_else(tmp_path: Path, rows: list[Row], expected: Told) -> None:
    assert told(run(write(tmp_path, rows))) == expected


def negative(number: int, text: str, **changes: object) -> list[Row]:
    rows = with_negatives()
    rows[number - 1] |= {"negative": text, **changes}
    return rows


SWAPPED = [
    {**row, "positive": row["negative"], "negative": row["positive"]} if n == 3 else row for n, row in enumerate(with_negatives())
]
NEGATIVES: list[tuple[list[Row], Told]] = [
    (with_negatives(), []),
    (negative(1, PASSAGE.upper()), plain("negative_equals_positive", 1, "negative 1 is the positive of the same row")),
    (negative(10, FACTS[9][1].replace("raft", "boat")), plain("negative_near_positive", 10, "negative 1 is nearly the positive of the same row")),
    (negative(1, NEARLY), plain("negative_near_positive", 1, "negative 1 is a near copy of the positive of the same row")),
    (
        [*with_negatives(), {"anchor": FACTS[0][0], "positive": NEARLY, "negative": f"{FACTS[4][1]} {FACTS[5][1]}"}, {"anchor": FACTS[0][0], "positive": FACTS[7][1], "negative": PASSAGE}],
        [
            (1, "ambiguous_anchor", "2 different positives, another in row 12"),
            (1, "positive_and_negative", "its positive is the negative of row 12"),
            (11, "ambiguous_anchor", "2 different positives, another in row 1"),
            (12, "ambiguous_anchor", "2 different positives, another in row 1"),
            (12, "positive_and_negative", "its negative is the positive of row 1"),
            (12, "negative_above_positive", "negative 1 has a BM25 score of 1.3, the positive of 0.0"),
        ],
    ),
    (
        negative(2, "The council sweeps it half an hour later, and nobody minds that, as far as we know.", answer="Half an hour later"),
        plain("negative_holds_answer", 2, "negative 1 holds the answer “half an hour later”"),
    ),
    (negative(2, "At two, and it is now, as we said, two again.", answer="two"), []),
    (SWAPPED, plain("negative_above_positive", 4, "negative 1 has a BM25 score of 2.3, the positive of 0.0")),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), NEGATIVES)
def test_negatives_that_answer_are_named(tmp_path: Path, rows: list[Row], expected: Told) -> None:
    assert told(run(write(tmp_path, rows))) == expected


def test_each_of_several_negatives_is_looked_at(tmp_path: Path) -> None:
    rows = [{"query": row["anchor"], "pos": [row["positive"]], "neg": [row["negative"]]} for row in with_negatives()]
    rows[5]["neg"] += [FACTS[5][1], None]
    rows[6]["neg"] = []
    assert told(run(write(tmp_path, rows))) == [
        (6, "blank_text", "negatives (column neg) is null or blank"),
        (6, "negative_equals_positive", "negative 2 is the positive of the same row"),
    ]


def test_a_list_read_as_a_string_is_told_of_the_whole_column(tmp_path: Path) -> None:
    rows = [{"query": row["anchor"], "pos": list(row["positive"])} for row in sound()]
    report = run(write(tmp_path, rows)).report
    assert [(item.kind, item.rows, item.samples[0].detail) for item in report.findings if item.group == "shape"] == [
        ("blank_text", 10, "positives (column pos) is null or blank"),
        ("single_characters", 10, "positive single characters: T (and 128 more)"),
    ]
    assert [item.detail for item in report.dataset_findings] == [
        "blank_text in 10 of 10 rows: mend the column, not the rows",
        "single_characters in 10 of 10 rows: mend the column, not the rows",
    ]


def test_leaks_flag_the_row_of_training(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, sound()[:8], "train.jsonl")
    leaked = {"anchor": f"Exactly, {FACTS[2][0]}", "positive": FACTS[9][1]}
    write(
        folder,
        [
            sound()[8],
            {"anchor": FACTS[0][0], "positive": FACTS[9][1]},
            {"anchor": "What is said of the lighthouse?", "positive": NEARLY},
            leaked,
        ],
        "validation.jsonl",
    )
    found = run(folder)
    assert found.report.splits == {"train": 8, "dev": 4}
    assert [entry for entry in told(found) if KINDS[entry[1]][0] == "leakage"] == [
        (1, "anchor_in_other_split", "the same anchor in dev (validation.jsonl row 2)"),
        (1, "passage_in_other_split", "nearly the same passage in dev (validation.jsonl row 3)"),
        (3, "anchor_in_other_split", "nearly the same anchor in dev (validation.jsonl row 4)"),
    ]
    assert found.flagged["audit_place"].to_list() == ["train.jsonl row 1", "train.jsonl row 3"]
    assert found.clean["split"].to_list() == ["train"] * 6 + ["dev"] * 4


def test_of_sentence_pairs_only_a_whole_pair_leaks(tmp_path: Path) -> None:
    one, two, three = (passage for _, passage in FACTS[:3])
    pairs = [(one, two, "train"), (one, three, "train"), (two, one, "test"), (two, three, "test")]
    rows = [{"sentence1": first, "sentence2": second, "score": 0.5, "split": split} for first, second, split in pairs]
    assert told(run(write(tmp_path, rows))) == [(1, "pair_in_other_split", "the same two texts in test (row 3)")]


@pytest.mark.parametrize(
    "text", ["cafÃ©", "itâ€™s", "itâ\u0080\u0099s", "5Â°", "ÐŸÑ€Ð¸Ð²", "it‚Äôs", "caf√©", "ï»¿a", "it\ufffds"]
)
def test_text_that_was_decoded_wrongly_is_known(tmp_path: Path, text: str) -> None:
    assert told(run(write(tmp_path, spoilt(6, positive=f"{FACTS[5][1]} {text}")))) == plain(
        "encoding_damage", 6, f"positive holds {text}"
    )


@pytest.mark.parametrize("text", ["Âge, Ânesse", "São Paulo", "naïve façade", "âme", "√2", "ÃO", "„Ärger“", "Ñandú, Ðuro"])
def test_accents_are_no_damage(tmp_path: Path, text: str) -> None:
    assert told(run(write(tmp_path, spoilt(6, positive=f"{FACTS[5][1]} {text}")))) == []


def test_rows_of_a_benchmark_are_named_with_its_row(tmp_path: Path) -> None:
    benchmark = tmp_path / "queries.jsonl"
    write(tmp_path, [{"query": "Is this one in there?"}, {"query": FACTS[3][0].lower(), "passage": FACTS[6][1]}], benchmark.name)
    found = run(write(tmp_path, sound(split="train")), benchmarks=(str(benchmark),))
    assert told(found) == [
        (4, "anchor_in_benchmark", "exact: queries.jsonl row 2"),
        (7, "passage_in_benchmark", "positive: exact: queries.jsonl row 2"),
    ]


def labelled(*labels: object) -> list[Row]:
    return [
        {"query": row["anchor"], "passage": row["positive"], "label": label} for row, label in zip(sound(), labels, strict=True)
    ]


def test_labels_that_contradict_are_none_or_are_all_alike(tmp_path: Path) -> None:
    rows = labelled(*[1] * 9, "maybe")
    rows.append({**rows[0], "label": "no"})
    found = run(write(tmp_path, rows))
    assert told(found) == [
        (1, "contradicting_labels", "1 here, 0 in row 11"),
        (10, "unknown_label", "label is “maybe”"),
        (11, "contradicting_labels", "0 here, 1 in row 1"),
    ]
    assert [(item.kind, item.detail) for item in found.report.dataset_findings] == []
    alike = run(write(tmp_path, labelled(*[0] * 10))).report.dataset_findings
    assert [(item.kind, item.detail) for item in alike] == [
        ("constant_label", "every label is 0: there is nothing to tell apart")
    ]
    most = run(write(tmp_path, [*labelled(*[1] * 10), *[{"query": f"What is {n}, please?", "passage": f"{n + 2} {FACTS[n + 1][1][40:]}", "label": 1} for n in range(9)], {"query": "Why is it so?", "passage": FRENCH, "label": 0}]))  # fmt: skip
    assert [(item.kind, item.detail) for item in most.report.dataset_findings] == [
        ("label_imbalance", "label 1 in 19 of 20 rows")
    ]


def test_scores_of_the_same_texts_in_either_order_must_agree(tmp_path: Path) -> None:
    texts = [passage for _, passage in FACTS]
    rows = [{"sentence1": one, "sentence2": two, "score": score} for one, two, score in zip(texts[:-1], texts[1:], (0.1, 0.9, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 7), strict=True)]  # fmt: skip
    rows += [
        {"sentence1": texts[1], "sentence2": texts[0], "score": 4.5},
        {"sentence1": texts[2], "sentence2": texts[1], "score": 0.95},
    ]
    assert told(run(write(tmp_path, rows))) == [
        (1, "contradicting_labels", "0.1 here, 4.5 in row 10"),
        (9, "unknown_label", "score is 7.0, not from 0 to 1 or 5"),
        (10, "contradicting_labels", "4.5 here, 0.1 in row 1"),
    ]


def by_hash(texts: Sequence[str], _: str) -> npt.NDArray[np.float32]:
    """Unit vectors of a stand-in for a model: of equal texts equal, of others nearly at right angles."""
    vectors = np.stack([np.random.default_rng(list(text.encode())).standard_normal(512) for text in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_a_model_finds_negatives_above_positives_and_scores_far_off(tmp_path: Path) -> None:
    rows = with_negatives()
    rows[6] = {"anchor": "engine", "positive": rows[6]["positive"], "negative": "engine"}
    found = run(write(tmp_path, rows), embed=by_hash, model="hash")
    said = [detail for row, kind, detail in told(found) if (row, kind) == (7, "negative_above_positive")]
    assert [detail[:33] for detail in said if "cosine" in detail] == ["negative 1 has a cosine of 1.0, t"]
    assert found.report.model == "hash"
    texts = [passage for _, passage in FACTS]
    scored = [{"sentence1": one, "sentence2": one, "score": 1.0} for one in texts] + [{"sentence1": one, "sentence2": two, "score": 0.1} for one, two in pairwise(texts)]  # fmt: skip
    scored[4]["score"] = 0.0
    found = run(write(tmp_path, scored), embed=by_hash, model="hash")
    assert [entry for entry in told(found) if entry[1] == "score_outlier"] == [
        (5, "score_outlier", "0.0 where the model's cosine is 1.0")
    ]
    assert (5, "score_outlier") in list(notes(found))


def test_kinds_have_one_group_and_groups_an_order() -> None:
    assert set(ORDER) == set(GROUPS)
    assert not KINDS.keys() & DATASET_KINDS.keys()
    assert members("false_negatives") == ("negative_equals_positive", "negative_near_positive", "negative_holds_answer", "negative_above_positive", "positive_and_negative")  # fmt: skip
    assert members("blank_text") == ("blank_text",)
    assert members("nothing") == ()


TEXTS = st.sampled_from([text for fact in FACTS for text in fact] + ["", " ", "x", "['a']", "Ã©", "\0", NEARLY, FRENCH, "???"])
TABLES = st.lists(st.fixed_dictionaries({"anchor": TEXTS | st.none(), "positive": TEXTS, "negative": TEXTS, "split": st.sampled_from(["train", "test", "other"])}), min_size=1, max_size=12)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(TABLES)
def test_every_row_is_in_one_of_two_files_in_its_order(tmp_path: Path, rows: list[Row]) -> None:
    numbered = [{"id": number, **row} for number, row in enumerate(rows)]
    found = run(write(tmp_path, numbered))
    clean, flagged = found.clean["id"].to_list(), found.flagged["id"].to_list()
    assert clean == sorted(clean) and flagged == sorted(flagged)
    assert sorted(clean + flagged) == list(range(len(rows)))
    given_rows = pl.DataFrame(numbered, schema_overrides={"anchor": pl.String})
    assert found.clean.rows() == given_rows.filter(pl.col("id").is_in(clean)).rows()
    assert found.flagged["audit_row"].to_list() == [number + 1 for number in flagged]
    assert all(set(kinds) <= KINDS.keys() and len(kinds) == len(details) for kinds, details in found.flagged.select("audit_kinds", "audit_details").rows())  # fmt: skip
    assert (found.report.rows, found.report.clean, found.report.flagged) == (len(rows), len(clean), len(flagged))

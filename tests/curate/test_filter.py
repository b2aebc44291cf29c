"""Filter: every gate on both sides of its threshold, every exemption, and the gates over all questions together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.filter import STAGE
from curate.filter.anchors import Anchor, conflicts
from curate.filter.likeness import Known, frequencies, likeness, same_question
from curate.stage import content_id
from schemas.reasons import Reason
from schemas.settings import FilterSettings, Settings

Tables = Any
"""`Tables` of conftest.py, which cannot be imported."""

QUESTION = "Where does the grey heron wait for fish?"


def verdict(tables: Tables, question: dict[str, Any], checks: dict[str, Any], **settings_: Any) -> Any:
    """(reason, detail, state) of one question, or None when it became a pair."""
    split = question.pop("split", "train")
    chunk = question.pop("chunk", "heron")
    tables.chunk("heron", split=split, home_split=question.pop("home_split", split))
    tables.question("one", question.pop("text", QUESTION), chunk, **question)
    tables.checks("one", **checks)
    result = tables.run(STAGE, Settings(filter=FilterSettings(**settings_)))
    if not result.rejected:
        return None
    return result.rejected[0].reason, result.rejected[0].detail, result.rejected[0].state


SENTENCE = {"style": "sentence", "origin": "extractive", "train_only": True}
IMPORTED = {"style": "imported", "origin": "imported"}
SCORED = IMPORTED | {"score": 0.8}


@pytest.mark.parametrize(
    ("question", "checks", "reason", "detail"),
    [
        ({"chunk": "nowhere"}, {}, Reason.CHUNK_REJECTED, "its chunk is not among the chunks"),
        ({"split": "gap"}, {}, Reason.CHUNK_IN_SPLIT_GAP, "its chunk lies in the gap"),
        ({"home_split": "test"}, {}, Reason.CHUNK_COPY_IN_OTHER_SPLIT, "near-copies of its chunk are used in test"),
        ({}, {"question_words": 2}, Reason.QUESTION_TOO_SHORT, "2 words < 3"),
        ({}, {"question_words": 1}, Reason.QUESTION_TOO_SHORT, "1 word < 3"),
        ({}, {"question_words": 65}, Reason.QUESTION_TOO_LONG, "65 words > 64"),
        ({}, {"passage_words": 9}, Reason.PASSAGE_TOO_SHORT, "9 words < 10"),
        ({}, {"question_form": False}, Reason.QUESTION_MALFORMED, "neither a question nor a query"),
        ({}, {"context_bound": "this passage"}, Reason.QUESTION_NOT_SELF_CONTAINED, '"this passage"'),
        ({}, {"specific_words": 0}, Reason.QUESTION_TOO_VAGUE, "0 words of its own < 1"),
        ({}, {"verbatim": True}, Reason.QUESTION_VERBATIM, "stands in the passage"),
        ({"evidence": "quote"}, {"evidence_found": False}, Reason.EVIDENCE_NOT_IN_CHUNK, "the quote is not in the chunk"),
        (
            {"evidence": "two words"},
            {"evidence_found": True, "evidence_words": 2},
            Reason.EVIDENCE_TOO_SHORT,
            "2 words < 4",
        ),
        ({}, {"language_match": False}, Reason.QUESTION_IN_OTHER_LANGUAGE, "the languages differ"),
        ({}, {"word_overlap": 0.0, "bm25_rank": None}, Reason.QUESTION_UNRELATED, "overlap 0, rank not found > 200"),
        ({}, {"word_overlap": 0.0, "bm25_rank": 201}, Reason.QUESTION_UNRELATED, "overlap 0, rank 201 > 200"),
        ({}, {"unsupported_numbers": ["1981", "30"]}, Reason.NUMBER_NOT_IN_CHUNK, "1981, 30"),
        ({"style": "definition", "origin": "extractive"}, {"unsupported_numbers": ["7"]}, Reason.NUMBER_NOT_IN_CHUNK, "7"),
        ({}, {"judge": "no", "judge_failed": ["answerable", "natural"]}, Reason.JUDGE_SAID_NO, "not answerable, not natural"),
        # Exemptions end somewhere.
        (SENTENCE, {"question_words": 2}, Reason.QUESTION_TOO_SHORT, "2 words < 3"),
        (SENTENCE, {"context_bound": "It"}, Reason.QUESTION_NOT_SELF_CONTAINED, '"It"'),
        (SENTENCE | {"split": "test"}, {}, Reason.QUESTION_VERBATIM, "verbatim by design, so no test query"),
        (SENTENCE | {"split": "dev", "style": "heading"}, {}, Reason.QUESTION_VERBATIM, "verbatim by design, so no dev query"),
        ({"style": "definition"}, {"question_form": False}, Reason.QUESTION_MALFORMED, "neither a question nor a query"),
        ({"style": "terms"}, {"verbatim": True}, Reason.QUESTION_VERBATIM, "stands in the passage"),
        (IMPORTED, {"question_words": 2}, Reason.QUESTION_TOO_SHORT, "2 words < 3"),
        (IMPORTED, {"passage_words": 9}, Reason.PASSAGE_TOO_SHORT, "9 words < 10"),
        (IMPORTED, {"verbatim": True}, Reason.QUESTION_VERBATIM, "stands in the passage"),
        (SCORED, {"question_words": 65}, Reason.QUESTION_TOO_LONG, "65 words > 64"),
        (SCORED, {"language_match": False}, Reason.QUESTION_IN_OTHER_LANGUAGE, "the languages differ"),
    ],
)
def test_rejected(tables: Tables, question: dict[str, Any], checks: dict[str, Any], reason: Reason, detail: str) -> None:
    assert verdict(tables, dict(question), checks) == (reason, detail, "rejected")


@pytest.mark.parametrize(
    ("question", "checks"),
    [
        ({}, {}),
        ({}, {"question_words": 3}),
        ({}, {"question_words": 64}),
        ({}, {"passage_words": 10}),
        ({}, {"language_match": None}),
        ({}, {"word_overlap": 0.0, "bm25_rank": 200}),
        ({}, {"word_overlap": 0.1, "bm25_rank": None}),
        ({"split": "dev"}, {"word_overlap": 0.0, "bm25_rank": None}),
        ({"split": "test"}, {"word_overlap": 0.0, "bm25_rank": None}),
        ({"evidence": "quote"}, {"evidence_found": True, "evidence_words": 4}),
        ({"evidence": "quote"}, {"evidence_found": False, "evidence_words": 2, "answered_under_heading": True}),
        (IMPORTED, {"specific_words": 0}),
        ({"style": "definition", "origin": "extractive"}, {"specific_words": 0}),
        (SENTENCE, {"question_form": False, "verbatim": True, "question_words": 100}),
        ({"style": "heading"}, {"question_form": False}),
        ({"style": "terms"}, {"question_form": False}),
        (SENTENCE | {"style": "question_in_text"}, {"verbatim": True}),
        (IMPORTED, {"question_form": False, "context_bound": "this"}),
        (IMPORTED, {"word_overlap": 0.0, "bm25_rank": None}),
        (SCORED, {"verbatim": True, "passage_words": 2, "question_words": 1}),
        (IMPORTED | {"label": 1}, {"verbatim": True, "passage_words": 2, "question_words": 1}),
        (IMPORTED | {"is_positive": False}, {"verbatim": True, "passage_words": 2, "question_words": 1}),
        (IMPORTED, {"unsupported_numbers": ["1981"]}),
        ({}, {"unsupported_names": ["Humber"], "negation_differs": True, "answer_overlap": 0.0, "bm25_margin": -1.0}),
        ({"answer": "fish"}, {"answer_overlap": 0.0}),
        ({}, {"judge": "yes"}),
        ({}, {"word_overlap": 0.0, "bm25_rank": None, "dense_rank": 3}),
    ],
)
def test_kept(tables: Tables, question: dict[str, Any], checks: dict[str, Any]) -> None:
    assert verdict(tables, dict(question), checks) is None


@pytest.mark.parametrize(
    ("setting", "checks"),
    [
        ({"question_form": False}, {"question_form": False}),
        ({"context_bound": False}, {"context_bound": "this"}),
        ({"verbatim": False}, {"verbatim": True}),
        ({"language": False}, {"language_match": False}),
        ({"evidence": False}, {"evidence_found": False}),
        ({"min_specific_words": 0}, {"specific_words": 0}),
        ({"min_evidence_words": 1}, {"evidence_words": 1}),
        ({"min_question_words": 2}, {"question_words": 2}),
        ({"max_question_words": 65}, {"question_words": 65}),
        ({"min_passage_words": 9}, {"passage_words": 9}),
        ({"max_rank": 201}, {"word_overlap": 0.0, "bm25_rank": 201}),
    ],
)
def test_thresholds_come_from_the_settings(tables: Tables, setting: dict[str, Any], checks: dict[str, Any]) -> None:
    assert verdict(tables, {"evidence": "quote"}, {"evidence_found": True, "evidence_words": 9} | checks, **setting) is None


ANSWERED = {"answer": "fish"}


@pytest.mark.parametrize(
    ("question", "checks", "setting", "outcome"),
    [
        ({}, {"unsupported_names": ["Humber"]}, {"names": True}, (Reason.NAME_NOT_IN_CHUNK, "Humber")),
        ({}, {"unsupported_numbers": ["1981"]}, {"numbers": False}, None),
        ({}, {"negation_differs": True}, {"negation": True}, (Reason.NEGATION_DIFFERS, "its evidence says the opposite")),
        ({}, {"negation_differs": None}, {"negation": True}, None),
        (ANSWERED, {"answer_overlap": 0.4}, {"min_answer_overlap": 0.5}, (Reason.ANSWER_NOT_IN_CHUNK, "0.4 < 0.5")),
        (ANSWERED, {"answer_overlap": 0.5}, {"min_answer_overlap": 0.5}, None),
        ({}, {"answer_overlap": None}, {"min_answer_overlap": 0.5}, None),
        ({}, {"bm25_rank": 11}, {"max_round_trip_rank": 10}, (Reason.PASSAGE_NOT_FOUND, "rank 11 > 10")),
        ({}, {"bm25_rank": None}, {"max_round_trip_rank": 10}, (Reason.PASSAGE_NOT_FOUND, "rank not found > 10")),
        ({}, {"bm25_rank": 11, "dense_rank": 10}, {"max_round_trip_rank": 10}, None),
        ({"split": "test"}, {"bm25_rank": None}, {"max_round_trip_rank": 10}, None),
        (IMPORTED, {"bm25_rank": None}, {"max_round_trip_rank": 10}, None),
        ({}, {"bm25_margin": -0.1}, {"min_bm25_margin": 0.0}, (Reason.OTHER_PASSAGE_FITS_BETTER, "bm25_margin -0.1 < 0.0")),
        ({}, {"bm25_margin": 0.0}, {"min_bm25_margin": 0.0}, None),
        ({}, {"bm25_margin": -0.1, "dense_rank": 1}, {"min_bm25_margin": 0.0}, None),
        ({}, {"bm25_margin": -0.1, "dense_margin": 0.2}, {"min_bm25_margin": 0.0, "min_dense_margin": 0.1}, None),
        (
            {},
            {"bm25_margin": -0.1, "dense_margin": 0.0},
            {"min_bm25_margin": 0.0, "min_dense_margin": 0.1},
            (Reason.OTHER_PASSAGE_FITS_BETTER, "bm25_margin -0.1 < 0.0, dense_margin 0.0 < 0.1"),
        ),
        ({"split": "dev"}, {"bm25_margin": -1.0}, {"min_bm25_margin": 0.0}, None),
        (ANSWERED, {"bm25_answer_margin": -0.1}, {"min_bm25_answer_margin": 0.0}, (Reason.OTHER_PASSAGE_ANSWERS, "-0.1 < 0.0")),
        (ANSWERED, {"bm25_answer_margin": 0.0}, {"min_bm25_answer_margin": 0.0}, None),
        (ANSWERED, {"bm25_answer_margin": -0.1, "dense_rank": 1}, {"min_bm25_answer_margin": 0.0}, None),
        (ANSWERED | {"split": "dev"}, {"bm25_answer_margin": -0.1}, {"min_bm25_answer_margin": 0.0}, None),
        ({}, {"bm25_answer_margin": None}, {"min_bm25_answer_margin": 0.0}, None),
        ({}, {"bm25_margin": 0.95}, {"max_margin": 0.9}, (Reason.QUESTION_TOO_EASY, "0.95 > 0.9")),
        ({}, {"bm25_margin": 0.9}, {"max_margin": 0.9}, None),
        ({}, {"checker_score": 0.29}, {"min_checker_score": 0.3}, (Reason.CHECKER_SCORE_LOW, "0.29 < 0.3")),
        ({"split": "test"}, {"checker_score": 0.29}, {"min_checker_score": 0.3}, (Reason.CHECKER_SCORE_LOW, "0.29 < 0.3")),
        ({}, {"checker_score": 0.3}, {"min_checker_score": 0.3}, None),
        ({}, {"judge": "no", "judge_failed": ["specific"]}, {"judge": False}, None),
        ({}, {"judge": "unknown"}, {"judge": False}, None),
    ],
)
def test_gates_that_settings_switch(
    tables: Tables, question: dict[str, Any], checks: dict[str, Any], setting: dict[str, Any], outcome: tuple[Reason, str] | None
) -> None:
    found = verdict(tables, dict(question), checks, **setting)
    assert found == (None if outcome is None else (*outcome, "rejected"))


@pytest.mark.parametrize(
    ("state", "reason"),
    [("unknown", Reason.JUDGE_UNKNOWN), ("missing", Reason.JUDGE_MISSING), ("not_asked", Reason.JUDGE_NOT_ASKED)],
)
def test_what_the_judge_left_open_is_quarantined(tables: Tables, state: str, reason: Reason) -> None:
    assert verdict(tables, {}, {"judge": state, "judge_note": "no JSON"}) == (reason, "no JSON", "quarantined")


def test_a_gate_whose_model_gave_no_score_is_unknown(tables: Tables) -> None:
    outcome = (Reason.CHECK_UNKNOWN, "checker_score is missing", "quarantined")
    assert verdict(tables, {}, {}, min_checker_score=0.3) == outcome


WEIGHTS = {"word_overlap": 2.0, "unsupported_numbers": -3.0}


def fitted(threshold: float, **weights: float) -> dict[str, Any]:
    """Settings of a fitted decision, for train and for dev and test alike."""
    combiner = {"intercept": -0.5, "weights": weights or WEIGHTS, "threshold": threshold}
    return {"decision": "fitted", "combiner": combiner, "combiner_no_search": combiner | {"threshold": 0.0}}


def test_the_fitted_decision_weighs_all_scores(tables: Tables) -> None:
    # -0.5 + 2 × 0.5 - 3 × 1 = -2.5, of which the logistic is 0.0759.
    checks = {"word_overlap": 0.5, "unsupported_numbers": ["7"]}
    settings_ = fitted(0.08) | {"numbers": False}
    assert verdict(tables, {}, checks, **settings_) == (Reason.COMBINED_SCORE_LOW, "0.0759 < 0.08", "rejected")


@pytest.mark.parametrize(
    ("question", "checks", "outcome"),
    [
        ({}, {"checker_score": 0.1}, None),
        ({"origin": "extractive"}, {"checker_score": 0.1}, (Reason.CHECKER_SCORE_LOW, "0.1 < 0.5", "rejected")),
        # Rules that are switched on stay beside it.
        ({}, {"unsupported_numbers": ["7"]}, (Reason.NUMBER_NOT_IN_CHUNK, "7", "rejected")),
        ({"split": "test"}, {"word_overlap": 0.0}, None),
        ({}, {"word_overlap": 0.0}, (Reason.COMBINED_SCORE_LOW, "0.3775 < 0.5", "rejected")),
    ],
)
def test_it_takes_the_place_of_thresholds_on_scores(
    tables: Tables, question: dict[str, Any], checks: dict[str, Any], outcome: Any
) -> None:
    assert verdict(tables, dict(question), checks, **fitted(0.5), min_checker_score=0.5) == outcome


def test_it_is_unknown_without_the_score_it_was_fitted_on(tables: Tables) -> None:
    outcome = (Reason.CHECK_UNKNOWN, "a score of the fitted decision is missing", "quarantined")
    assert verdict(tables, {}, {}, **fitted(0.1, dense_margin=1.0)) == outcome


def test_a_fitted_decision_without_a_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="needs combiner and combiner_no_search"):
        FilterSettings(decision="fitted")


def test_a_weight_of_no_score_is_refused() -> None:
    with pytest.raises(ValueError, match="no score is called wordoverlap"):
        FilterSettings(**fitted(0.1, wordoverlap=1.0))


def test_the_first_failing_gate_gives_the_reason(tables: Tables) -> None:
    faults = {"question_words": 2, "passage_words": 1, "question_form": False, "verbatim": True, "language_match": False}
    assert verdict(tables, {}, faults)[0] == Reason.QUESTION_TOO_SHORT


def test_unknown_is_quarantined(tables: Tables) -> None:
    assert verdict(tables, {"evidence": "..."}, {"evidence_found": None}) == (
        Reason.CHECK_UNKNOWN,
        "evidence_found is missing",
        "quarantined",
    )


def test_a_question_without_checks_is_quarantined(tables: Tables) -> None:
    tables.chunk("heron")
    question = tables.question("one", QUESTION, "heron")
    result = tables.run(STAGE)
    assert [(r.key, r.reason, r.detail, r.state) for r in result.rejected] == [
        (question, Reason.CHECK_UNKNOWN, "question_words is missing", "quarantined")
    ]


def test_exact_pair(tables: Tables) -> None:
    chunk = tables.chunk("heron", split="dev", prefix="Birds > Heron\n\n")
    tables.question("one", QUESTION, "heron", **SCORED, imported_pair_id=content_id("pair of the user"))
    tables.checks("one")
    (row,) = tables.run(STAGE).rows
    question = content_id("question", "one")
    assert row == {
        "pair_id": content_id("pair", question),
        "question_id": question,
        "chunk_id": chunk,
        "anchor": QUESTION,
        "positive": "Birds > Heron\n\nThe heron is a wading bird that stands still in shallow water and waits for fish to come near.",
        "split": "dev",
        "cluster_id": content_id("cluster", "heron"),
        "style": "imported",
        "origin": "imported",
        "train_only": False,
        "imported_pair_id": content_id("pair of the user"),
        "is_positive": True,
        "score": 0.8,
        "label": None,
    }


def test_what_is_known_of_a_rejected_question(tables: Tables) -> None:
    tables.chunk("heron")
    tables.question("one", QUESTION, "heron", model="small")
    tables.checks("one", verbatim=True)
    (rejection,) = tables.run(STAGE).rejected
    assert rejection.row == {
        "question": QUESTION,
        "chunk_id": content_id("chunk", "heron"),
        "style": "plain",
        "origin": "llm",
        "model": "small",
        "imported_pair_id": None,
    }


def together(tables: Tables, *questions: tuple[str, str, str, dict[str, Any]]) -> dict[str, tuple[Reason, str]]:
    """Reason and detail by name of (name, text, chunk, other columns), all checks passed."""
    for name, text, chunk, other in questions:
        tables.question(name, text, chunk, **other)
        tables.checks(name)
    names = {content_id("question", name): name for name, _, _, _ in questions}
    return {names[key]: value for key, value in tables.run(STAGE).reasons().items()}


@pytest.fixture
def herons(tables: Tables) -> Tables:
    """Chunks a, b (train), dev, test and a near-copy of a."""
    tables.chunk("a")
    tables.chunk("b", "Storks build large nests of sticks on roofs and return to them in every single year.")
    tables.chunk("copy of a", cluster="a")
    tables.chunk("dev", "Egrets are small white herons of warm countries that follow cattle over the fields.", split="dev")
    tables.chunk("test", "Bitterns hide in reeds and boom loudly at night so that they are heard from afar.", split="test")
    return tables


def test_a_generated_anchor_for_different_passages_is_ambiguous(herons: Tables) -> None:
    assert together(herons, ("x", QUESTION, "a", {}), ("y", QUESTION.upper(), "b", {})) == {
        "x": (Reason.ANCHOR_AMBIGUOUS, "written for 2 different passages"),
        "y": (Reason.ANCHOR_AMBIGUOUS, "written for 2 different passages"),
    }


def test_for_near_copies_of_one_passage_it_is_a_repetition(herons: Tables) -> None:
    first, second = sorted(("x", "y"), key=lambda name: content_id("question", name))
    found = together(herons, ("x", QUESTION, "a", {}), ("y", QUESTION, "copy of a", {}))
    assert found == {second: (Reason.QUESTION_NEAR_DUPLICATE, f"equals {content_id('question', first)}")}


def test_model_questions_are_preferred_to_extractive_ones(herons: Tables) -> None:
    for name in ("x", "y", "z"):
        herons.question(name, QUESTION, "a", origin="llm" if name == "y" else "extractive")
        herons.checks(name)
    assert [row["origin"] for row in herons.run(STAGE).rows] == ["llm"]


def test_an_imported_anchor_keeps_its_passages_in_the_split_of_most_rows(herons: Tables) -> None:
    found = together(
        herons,
        ("one", QUESTION, "a", IMPORTED),
        ("two", QUESTION, "b", IMPORTED),
        ("three", QUESTION, "test", IMPORTED),
    )
    assert found == {"three": (Reason.ANCHOR_IN_OTHER_SPLIT, "2 of 3 rows are in train")}


@pytest.mark.parametrize(("chunks", "lost"), [(("a", "test"), "test"), (("dev", "test"), "test"), (("a", "dev"), "dev")])
def test_on_a_tie_train_comes_before_dev_and_dev_before_test(herons: Tables, chunks: tuple[str, str], lost: str) -> None:
    found = together(herons, *((chunk, QUESTION, chunk, IMPORTED) for chunk in chunks))
    assert {name: reason for name, (reason, _) in found.items()} == {lost: Reason.ANCHOR_IN_OTHER_SPLIT}


def test_a_repeated_imported_pair_goes_unless_it_is_scored(herons: Tables) -> None:
    rows = [(name, QUESTION, "a", IMPORTED | {"imported_pair_id": content_id(name)}) for name in ("x", "y")]
    assert [reason for reason, _ in together(herons, *rows).values()] == [Reason.QUESTION_NEAR_DUPLICATE]


def test_a_repeated_scored_pair_stays(herons: Tables) -> None:
    rows = [(name, QUESTION, "a", SCORED | {"imported_pair_id": content_id(name)}) for name in ("x", "y")]
    assert together(herons, *rows) == {}


def test_a_generated_anchor_gives_way_to_an_imported_one(herons: Tables) -> None:
    found = together(herons, ("user", QUESTION, "a", IMPORTED), ("same", QUESTION, "copy of a", {}), ("other", QUESTION, "b", {}))
    detail = f"equals imported {content_id('question', 'user')}"
    assert found == {
        "same": (Reason.QUESTION_NEAR_DUPLICATE, detail),
        "other": (Reason.ANCHOR_AMBIGUOUS, detail),
    }


def test_a_near_duplicate_goes_and_the_detail_names_the_kept_one(herons: Tables) -> None:
    found = together(
        herons,
        ("llm", "What is the main reason why grey herons stand still?", "a", {}),
        ("again", "What is the reason why the grey heron stands still?", "a", {"origin": "extractive"}),
    )
    assert found == {"again": (Reason.QUESTION_NEAR_DUPLICATE, f"like {content_id('question', 'llm')} in train: 1.00 ≥ 0.85")}


def test_of_near_equal_questions_in_two_splits_the_evaluation_query_stays(herons: Tables) -> None:
    found = together(
        herons,
        ("in train", "What is the reason why grey herons stand still?", "a", {}),
        ("in test", "What is the main reason why grey herons stand still?", "test", {}),
    )
    assert found == {"in train": (Reason.ANCHOR_IN_OTHER_SPLIT, f"like {content_id('question', 'in test')} in test: 1.00 ≥ 0.85")}


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("How does it handle root paths?", "How does it handle root paths, generally speaking?"),
        ("What is the purpose of a heron?", "What's the purpose of a heron?"),
        ("What does the provider do?", "What exactly does the provider do in practice?"),
        ("In which part of the river do herons nest?", "Basically, in which part of the river do herons nest?"),
    ],
)
def test_what_is_said_around_a_question_makes_no_other_question(said: str, again: str) -> None:
    assert same_question(likeness(said), likeness(again), 0.85) == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is relativity?", "What is general relativity?"),
        ("What happens in practice?", "What happens?"),
        ("How do herons sleep in winter?", "How do herons sleep in general?"),
    ],
)
def test_words_of_the_subject_are_not_said_around_it(one: str, other: str) -> None:
    assert same_question(likeness(one), likeness(other), 0.85) is None


def test_templates_of_the_user_are_not_near_duplicates(herons: Tables) -> None:
    texts = [f"what are the treatments for the {kind} form of long and very rare nerve disease" for kind in ("acute", "chronic")]
    rows = [(text, text, chunk, IMPORTED) for text, chunk in zip(texts, "ab", strict=True)]
    assert together(herons, *rows) == {}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is the treatment for Leigh syndrome?", "What are the treatments for Leigh syndrome?"),
        ("In what year was Tesla born?", "What year was Tesla born in?"),
        ("What is the main source of heat?", "What is the source of heat?"),
        ("What is (are) Parkinson's Disease ?", "What is (are) Parkinson disease ?"),
        ("Can I restart Apache without downtime?", "can i restart apache without downtime"),
    ],
)
def test_the_same_question(a: str, b: str) -> None:
    assert same_question(likeness(a), likeness(b), 0.85) == 1.0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is Leigh syndrome?", "What is Leber syndrome?"),
        ("What is Diabetes Type 1?", "What is Diabetes Type 2?"),
        ("When was Tesla born?", "Where was Tesla born?"),
        ("How do I convert bytes to str?", "How do I convert str to bytes?"),
        ("Does smoking cause depression?", "Does depression cause smoking?"),
        ("Is the cache shared between threads?", "Is the cache not shared between threads?"),
        ("What came before Norman architecture?", "What came after Norman architecture?"),
        ("What is a heron?", "What does a heron do?"),
        ("What is Alzheimer's disease?", "What to do for Alzheimer's disease?"),
        ("Do you have information about Vitamin A", "Do you have information about Vitamins"),
        ("What is Primary hypotension?", "What is hypotension?"),
        (
            "What are the symptoms of a very rare slow nerve disease of old cats?",
            "What is a very rare slow nerve disease of old cats?",
        ),
        (
            "How does the server of the Paris office answer slow clients over bad lines at night?",
            "How does the server of the office answer slow clients over bad lines at night?",
        ),
        ("北京的人口是多少", "南京的人口是多少"),
        ("What does os.fork do in a threaded program?", "What does os.exec do in a threaded program?"),
    ],
)
def test_different_questions(a: str, b: str) -> None:
    assert same_question(likeness(a), likeness(b), 0.85) is None


def test_one_word_more_is_the_same_question_only_for_machines() -> None:
    a = likeness("Why do grey herons stand still in shallow cold water at night?")
    b = likeness("Why do grey herons stand still in shallow water at night?")
    assert same_question(a, b, 0.85) == pytest.approx(7 / 8)
    assert same_question(a, b, 0.9) is None
    assert same_question(a, b, 0.85, strict=True) is None
    main = likeness("Why do grey herons usually stand still in shallow water at night?")
    assert same_question(main, b, 0.85) == 1.0
    assert same_question(main, b, 0.85, strict=True) is None


TEXT = st.lists(
    st.sampled_from("heron stork nest fish eats sleeps where when is the main 7 of to".split()), min_size=1, max_size=7
).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(st.lists(TEXT, max_size=14), st.sampled_from([0.5, 0.7, 0.85, 1.0]))
def test_the_search_finds_what_comparing_all_finds(texts: list[str], threshold: float) -> None:
    features = [likeness(text) for text in texts]
    known = Known(threshold, frequencies(features))
    for number, feature in enumerate(features):
        everything = [(i, same_question(feature, features[i], threshold)) for i in range(number)]
        assert known.alike(feature, lambda _: False) == [(i, score) for i, score in everything if score is not None]
        known.add(feature)


ANCHORS = st.lists(
    st.tuples(
        TEXT, st.integers(0, 4), st.sampled_from(["train", "dev", "test"]), st.sampled_from(["imported", "llm", "extractive"])
    ),
    max_size=16,
)


def anchors_of(rows: list[tuple[str, int, str, str]]) -> list[Anchor]:
    return [
        Anchor(
            content_id(str(i)), text, content_id("c", str(chunk)), content_id("k", str(chunk // 2)), split, origin, measured=False
        )
        for i, (text, chunk, split, origin) in enumerate(rows)
    ]


@settings(max_examples=120, deadline=None)
@given(ANCHORS)
def test_no_near_equal_anchors_are_left_in_two_splits(rows: list[tuple[str, int, str, str]]) -> None:
    anchors = anchors_of(rows)
    dropped = [anchor.question_id for anchor, _, _ in conflicts(anchors, 0.85)]
    assert len(dropped) == len(set(dropped))
    kept = [anchor for anchor in anchors if anchor.question_id not in set(dropped)]
    for i, a in enumerate(kept):
        for b in kept[:i]:
            strict = a.origin == b.origin == "imported"
            like = same_question(likeness(a.question), likeness(b.question), 0.85, strict=strict)
            if like is not None:
                assert a.split == b.split
                assert strict
                assert a.chunk_id != b.chunk_id


@settings(max_examples=60, deadline=None)
@given(ANCHORS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(rows: list[tuple[str, int, str, str]], random: Any) -> None:
    anchors = anchors_of(rows)
    first = {(anchor.question_id, reason, detail) for anchor, reason, detail in conflicts(anchors, 0.85)}
    random.shuffle(anchors)
    assert {(anchor.question_id, reason, detail) for anchor, reason, detail in conflicts(anchors, 0.85)} == first


@settings(max_examples=60, deadline=None)
@given(ANCHORS)
def test_filtering_what_was_kept_drops_nothing(rows: list[tuple[str, int, str, str]]) -> None:
    anchors = anchors_of(rows)
    dropped = {anchor.question_id for anchor, _, _ in conflicts(anchors, 0.85)}
    assert list(conflicts([anchor for anchor in anchors if anchor.question_id not in dropped], 0.85)) == []


def test_nothing_in_nothing_out(tables: Tables) -> None:
    result = tables.run(STAGE)
    assert (result.rows, result.rejected) == ([], [])


@pytest.mark.shared_data
def test_medquad_templates_survive(shared_data: Path) -> None:
    medquad = pl.read_parquet(shared_data / "medquad" / "medquad_qa.parquet").drop_nulls(["question", "answer"])
    rows = medquad.select("question", "answer").unique().sort("question", "answer").iter_rows()
    anchors = [
        Anchor(content_id(str(i)), question, content_id(answer), content_id(answer), "train", "imported", measured=False)
        for i, (question, answer) in enumerate(rows)
    ]
    dropped = list(conflicts(anchors, 0.85))
    assert 0 < len(dropped) < 0.01 * len(anchors)


def group_of_two(tables: Tables, **second: Any) -> Any:
    for name, chunk in (("a", "heron"), ("b", "kiln")):
        tables.chunk(chunk)
        tables.question(name, QUESTION, chunk, group_id=content_id("group"), style="multi_chunk", origin="llm")
        tables.checks(name, **(second if name == "b" else {}))
    return tables.run(STAGE, Settings())


def test_a_question_that_needs_two_chunks_becomes_two_pairs(tables: Tables) -> None:
    done = group_of_two(tables)
    assert [row["anchor"] for row in done.rows] == [QUESTION, QUESTION]
    assert len({row["chunk_id"] for row in done.rows}) == 2
    assert done.rejected == []


def test_when_one_row_of_such_a_question_is_rejected_the_other_goes_too(tables: Tables) -> None:
    done = group_of_two(tables, verbatim=True)
    assert done.rows == []
    assert sorted(rejection.reason.value for rejection in done.rejected) == ["question_part_rejected", "question_verbatim"]


def test_the_same_wording_for_a_third_chunk_makes_it_ambiguous(tables: Tables) -> None:
    tables.chunk("third")
    tables.question("c", QUESTION, "third", origin="llm")
    tables.checks("c")
    done = group_of_two(tables)
    assert [rejection.reason.value for rejection in done.rejected] == ["anchor_ambiguous"] * 3

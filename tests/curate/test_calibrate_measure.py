"""Rates, thresholds and the fitted decision: exact figures of hand-made samples, whose best answer is known."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.calibrate import calibrate
from curate.calibrate.combiner import BETTER_HIGH, BETTER_LOW, fit_both
from curate.calibrate.measure import gate_rates, measured, overlaps, planted_rows, stopped, together
from curate.calibrate.plant import KINDS, UNTRUE
from curate.calibrate.rates import Rate, Resampling
from curate.calibrate.sample import Sample, Wanted, open_gates, take_sample
from curate.calibrate.thresholds import Halves, halves, recommend
from curate.filter.combined import SEARCH_FEATURES, probability
from curate.filter.labels import Label
from curate.stage import Context, content_id
from curate.store import Store
from curate.verify.scoring import open_scorer
from schemas.errors import InputError, SettingsError
from schemas.reasons import Reason
from schemas.settings import FilterSettings, Settings
from tests.curate.calibrate_rows import NESTS, ORIGINALS, chunk_id, corpus, original, question_row
from tests.curate.stage_runs import InProcess, put

Row = dict[str, Any]
BASE: Row = {
    "style": "natural", "answer": "a", "evidence": "e", "origin": "llm", "model": "m", "group_id": None, "train_only": False,
    "imported_pair_id": None, "is_positive": True, "score": None, "label": None, "split": "train", "home_split": "train",
    "chunk_id": "c", "chunk_cluster_id": "c", "text": "t", "passage": "p", "document_id": "d",
    "question_words": 8, "passage_words": 80, "question_form": True, "verbatim": False, "word_overlap": 0.8, "context_bound": None,
    "language_match": True, "bm25_rank": 1, "specific_words": 3, "evidence_found": True, "evidence_words": 8,
    "unsupported_numbers": [], "unsupported_names": [], "negation_differs": False, "answer_overlap": 0.9, "bm25_margin": 0.4,
    "bm25_answer_margin": 0.4, "answered_under_heading": False,
    "dense_rank": None, "dense_score": None, "dense_margin": None, "checker_score": None, "judge": None, "judge_failed": [], "judge_note": None,
}  # fmt: skip


def row(number: int, **values: Any) -> Row:
    named = {"question_id": content_id("row", str(number), str(values.get("kind"))), "question": f"Question {number}?"}
    home = {"home_split": values.get("split", "train")}
    return BASE | named | home | {"cluster_id": f"cluster {number % 20}"} | values


def sample_of(
    rows: Sequence[Row], good: Callable[[Row], bool] = lambda row: False, bad: Callable[[Row], bool] = lambda row: False
) -> Sample:
    kinds = sorted({one["kind"] for one in rows if "kind" in one})
    plain = np.array(["kind" not in one for one in rows])
    rules = open_gates(FilterSettings())
    sample = Sample(
        rows=list(rows),
        originals=plain,
        sound=plain,
        good=np.array([good(one) for one in rows]),
        bad=np.array([bad(one) for one in rows]),
        kinds={kind: np.array([one.get("kind") == kind for one in rows]) for kind in kinds},
        together=[None] * len(rows),
        skipped=dict.fromkeys(kinds, 0),
        origins={"llm": int(plain.sum())},
    )
    sound = ~stopped(sample.failed(rules)) & plain
    return Sample(**{**sample.__dict__, "sound": sound})


def resampling(sample: Sample) -> Resampling:
    return Resampling(sample.clusters, 1)


def test_a_rate_has_wilsons_interval_where_rows_are_alone() -> None:
    # Wilson: 8 of 40 is 0.2 [0.1050, 0.3476]; the bootstrap of 40 documents of one row lies within some hundredths of it.
    hits = np.array([True] * 8 + [False] * 32)
    rate = Resampling([str(i) for i in range(40)], 1).rate(hits)
    assert (rate.count, rate.of, rate.rate) == (8, 40, 0.2)
    assert rate.low is not None
    assert 0.06 < rate.low <= 0.105
    assert rate.high == 0.3476


def test_rows_of_few_documents_widen_the_interval() -> None:
    hits = np.array(([True] * 10 + [False] * 0) + [False] * 40)
    alone = Resampling([str(i) for i in range(50)], 1).rate(hits)
    clustered = Resampling([str(i // 10) for i in range(50)], 1).rate(hits)
    assert (alone.rate, clustered.rate) == (0.2, 0.2)
    assert alone.high is not None
    assert clustered.high is not None
    assert clustered.high > alone.high + 0.2
    assert clustered.low == 0.0


def test_rates_of_nothing_and_of_all() -> None:
    some = Resampling(["a", "b"], 1)
    assert some.rate(np.array([True, True]), np.array([False, False])) == Rate(0, 0, None, None, None)
    assert some.rate(np.array([True, True])) == Rate(2, 2, 1.0, 0.3424, 1.0)
    assert Resampling(["a", "a"], 1).rate(np.array([True, False])).rate == 0.5
    assert Rate(1, 2, 0.5, 0.3, 0.7).holds(0.3) is True
    assert Rate(1, 2, 0.5, 0.3, 0.7).holds(0.71) is False
    assert Rate(0, 0, None, None, None).holds(0.5) is None


def test_rates_by_kind_and_of_the_rest() -> None:
    rows = [
        row(1),
        row(2, unsupported_numbers=["7"]),
        row(3, question_form=False),
        row(4, kind="changed_number", unsupported_numbers=["9"]),
        row(5, kind="changed_number"),
        row(6, kind="statement", question_form=False),
    ]
    sample = sample_of(
        rows, lambda one: one["question"] in ("Question 1?", "Question 2?"), lambda one: one["question"] == "Question 3?"
    )
    failed = sample.failed(FilterSettings())
    found = measured(stopped(failed), sample, resampling(sample))
    assert {kind: (rate.count, rate.of) for kind, rate in found.caught.items()} == {"changed_number": (1, 2), "statement": (1, 1)}
    assert found.mean == 0.75
    assert (found.kills.count, found.kills.of) == (2, 3)
    assert (found.sound_kills.count, found.sound_kills.of) == (1, 2)
    assert (found.false_kills.count, found.false_kills.of) == (1, 2)
    assert (found.bad_caught.count, found.bad_caught.of) == (1, 1)
    gates = gate_rates(failed, sample, resampling(sample))
    assert {reason: rate.kills.count for reason, rate in gates.items()} == {
        Reason.QUESTION_MALFORMED: 1,
        Reason.NUMBER_NOT_IN_CHUNK: 1,
    }


def test_gates_on_searches_are_measured_on_train_rows() -> None:
    lost = {"bm25_rank": None, "bm25_margin": -1.0}
    rows = [row(1), row(2, split="test"), row(3, kind="x", **lost), row(4, kind="x", split="dev", **lost)]
    sample = sample_of(rows)
    failed = sample.failed(FilterSettings(max_round_trip_rank=10))
    rate = gate_rates(failed, sample, resampling(sample))[Reason.PASSAGE_NOT_FOUND]
    assert (rate.caught["x"].count, rate.caught["x"].of, rate.kills.of) == (1, 1, 1)
    parts = together(stopped(failed), sample, resampling(sample))
    assert {name: (part.caught["x"].count, part.caught["x"].of) for name, part in parts.items()} == {
        "all": (1, 2),
        "train": (1, 1),
        "dev_and_test": (0, 1),
    }


def test_overlap_is_the_share_of_catches_in_common() -> None:
    both = {"unsupported_numbers": ["7"], "question_form": False}
    rows = [row(1, **both), row(2, kind="x", **both), row(3, kind="x", question_form=False), row(4, kind="x")]
    sample = sample_of(rows)
    assert overlaps(sample.failed(FilterSettings()), sample) == [
        {"gates": ["question_malformed", "number_not_in_chunk"], "both": 1, "either": 2, "share": 0.5}
    ]


def test_planted_rows_are_shown_with_what_stops_them() -> None:
    first = row(1)
    fault = row(2, kind="statement", question_form=False, unsupported_numbers=["7"], original_id=first["question_id"])
    sample = sample_of([first, fault])
    (shown,) = planted_rows(sample, {"used": sample.failed(FilterSettings()), "recommended": [frozenset()] * 2})
    assert (shown["planted_id"], shown["original_question"]) == (fault["question_id"], "Question 1?")
    assert (shown["reasons_used"], shown["caught_used"]) == (["question_malformed", "number_not_in_chunk"], True)
    assert (shown["reasons_recommended"], shown["caught_recommended"]) == ([], False)


def graded(count: int = 500) -> list[Row]:
    """Originals whose answers overlap from 0.5 up, one of 25 in each document less; faults at 0.3; names say nothing of faults."""
    rows = [
        row(i, answer_overlap=0.35 if i < 20 else 0.5 + (i % 5) / 10, unsupported_names=["X"] * (i % 3 == 0))
        for i in range(count)
    ]
    return rows + [
        row(i, kind="wrong_passage_near", answer_overlap=0.3, unsupported_names=["X"] * (i % 3 == 0)) for i in range(count)
    ]


def test_thresholds_catch_all_they_can_below_the_target() -> None:
    sample = sample_of(graded())
    found = recommend(sample, resampling(sample), FilterSettings(), 0.05, halves(sample, 13))
    # 0.4 catches every fault; 0.5 to 0.6 would kill no more at first, and names a third of the originals.
    assert found.settings["min_answer_overlap"] == 0.4
    assert (found.settings["names"], found.settings["numbers"], found.settings["max_round_trip_rank"]) == (False, False, None)
    assert (found.fitted_catch, found.held_out_catch) == (1.0, 1.0)
    assert found.against == "sound"
    assert found.fitted_kills.rate == 0.04
    assert found.held_out_kills.rate == 0.04
    assert found.within is True
    assert found.values()["held_out_within_interval"] is True


def test_a_lower_target_forbids_it() -> None:
    sample = sample_of(graded())
    found = recommend(sample, resampling(sample), FilterSettings(), 0.03, halves(sample, 13))
    assert found.settings["min_answer_overlap"] == 0.0
    assert (found.fitted_catch, found.fitted_kills.count) == (0.0, 0)


def test_the_widest_of_equal_settings_is_recommended() -> None:
    rows = [row(i) for i in range(60)] + [row(i, kind="x", answer_overlap=0.05) for i in range(60)]
    found = recommend(sample_of(rows), resampling(sample_of(rows)), FilterSettings(), 0.05, halves(sample_of(rows), 13))
    assert found.settings["min_answer_overlap"] == 0.1


def test_two_gates_share_the_target() -> None:
    # Each gate alone costs 3% of the originals, of which 4% may go: the better one is taken, and both at twice the target.
    rows = [row(i, unsupported_numbers=["1"] * (i % 33 == 0), negation_differs=i % 33 == 1) for i in range(198)]
    rows += [row(i, kind="changed_number", unsupported_numbers=["1"]) for i in range(100)]
    rows += [row(i, kind="negation", negation_differs=i % 2 == 0) for i in range(100)]
    sample = sample_of(rows)
    everything = Halves(np.ones(len(rows), dtype=np.bool_), (20, 0))
    one = recommend(sample, resampling(sample), FilterSettings(), 0.04, everything)
    assert (one.settings["numbers"], one.settings["negation"]) == (True, False)
    two = recommend(sample, resampling(sample), FilterSettings(), 0.08, everything)
    assert (two.settings["numbers"], two.settings["negation"]) == (True, True)
    assert (two.held_out_kills.rate, two.within) == (None, None)


def test_labelled_rows_count_once_there_are_enough() -> None:
    rows = graded()
    wrong = {one["question_id"] for one in rows if "kind" not in one and one["answer_overlap"] < 0.4}
    few = sample_of(rows, good=lambda one: one["question"] == "Question 1?")
    assert recommend(few, resampling(few), FilterSettings(), 0.0, halves(few, 13)).against == "sound"
    enough = sample_of(rows, good=lambda one: "kind" not in one and one["question_id"] not in wrong)
    found = recommend(enough, resampling(enough), FilterSettings(), 0.0, halves(enough, 13))
    assert (found.against, found.settings["min_answer_overlap"], found.fitted_kills.count) == ("labelled_good", 0.4, 0)


def test_thresholds_that_do_not_hold_on_other_documents_are_said_so() -> None:
    rows = [row(i, cluster_id=f"c{i % 2}", answer_overlap=0.35 if i % 2 else 0.9) for i in range(200)]
    rows += [row(i, kind="x", cluster_id=f"c{i % 2}", answer_overlap=0.3) for i in range(200)]
    sample = sample_of(rows)
    fitted = np.array([one["cluster_id"] == "c0" for one in sample.rows])
    found = recommend(sample, resampling(sample), FilterSettings(), 0.05, Halves(fitted, (1, 1)))
    assert found.half_settings["min_answer_overlap"] == 0.4
    assert (found.fitted_kills.rate, found.held_out_kills.rate, found.within) == (0.0, 1.0, False)
    # What is recommended is fitted on all documents, of which that setting would kill half.
    assert (found.settings["min_answer_overlap"], found.kills.rate) == (0.0, 0.0)


def test_what_is_expected_elsewhere_knows_that_both_shares_are_of_few_rows() -> None:
    clusters = [f"c{i}" for i in range(300)]
    known = Resampling(clusters, 13)
    hits = np.array([i % 10 == 0 for i in range(300)])
    seen, few, many = (np.array([start <= i < end for i in range(300)]) for start, end in ((0, 100), (100, 120), (100, 300)))
    # One in ten of 100 independent rows: the exact Beta-binomial bounds are 0 and 5 of 20, and 8 and 36 of 200.
    assert known.predicted(hits, seen, few) == (0.0, 0.25)
    low, high = known.predicted(hits, seen, many)
    assert (low, high) == pytest.approx((0.045, 0.185), abs=0.011)
    assert known.predicted(hits, seen, np.zeros(300, dtype=np.bool_)) is None


def test_it_is_wider_where_rows_of_one_document_fall_together() -> None:
    hits = np.array([i // 20 == 0 for i in range(300)])
    seen, other = np.arange(300) < 200, np.arange(300) >= 200
    apart = Resampling([f"c{i}" for i in range(300)], 13).predicted(hits, seen, other)
    alike = Resampling([f"c{i // 20}" for i in range(300)], 13).predicted(hits, seen, other)
    assert alike[1] > apart[1] + 0.05


def test_vague_questions_are_never_let_through_by_a_recommendation() -> None:
    rows = [row(i, specific_words=2) for i in range(100)] + [row(i, kind="x", specific_words=1) for i in range(100)]
    sample = sample_of(rows)
    assert recommend(sample, resampling(sample), FilterSettings(), 0.05, halves(sample, 13)).settings["min_specific_words"] == 2
    plain = sample_of([one | {"specific_words": 2} for one in rows])
    assert recommend(plain, resampling(plain), FilterSettings(), 0.05, halves(plain, 13)).settings["min_specific_words"] == 1


def test_margins_of_a_model_are_set_only_where_there_is_one() -> None:
    rows = [row(i, bm25_margin=-0.2 + (i % 4) / 10) for i in range(100)] + [
        row(i, kind="x", bm25_margin=-0.9) for i in range(100)
    ]
    sample = sample_of(rows)
    found = recommend(sample, resampling(sample), FilterSettings(), 0.0, halves(sample, 13)).settings
    assert (found["min_bm25_margin"], found["min_dense_margin"], found["min_checker_score"]) == (-0.6, None, None)
    dense = [
        one | {"dense_margin": -0.3 if "kind" in one else 0.1, "dense_rank": 2, "dense_score": 0.5, "bm25_margin": -0.5}
        for one in rows
    ]
    found = recommend(sample_of(dense), resampling(sample), FilterSettings(), 0.0, halves(sample, 13)).settings
    assert (found["min_bm25_margin"], found["min_dense_margin"]) == (None, -0.2)


def test_halves_share_no_document_and_no_row() -> None:
    sample = sample_of(graded())
    parts = halves(sample, 13)
    inside = {one["cluster_id"] for one, flag in zip(sample.rows, parts.fitted, strict=True) if flag}
    outside = {one["cluster_id"] for one, flag in zip(sample.rows, parts.fitted, strict=True) if not flag}
    assert not inside & outside
    assert (len(inside), len(outside)) == parts.documents == (10, 10)
    backwards = sample_of(list(reversed(sample.rows)))
    assert {one["cluster_id"] for one, flag in zip(backwards.rows, halves(backwards, 13).fitted, strict=True) if flag} == inside


def separable(count: int = 120) -> Sample:
    """Faults share fewer words with their passage; their answers stand in it more than those of the originals do."""
    rng = np.random.default_rng(3)
    draws = rng.random((2, count, 3)).round(3)

    def values(part: int, i: int) -> Row:
        overlap = 0.45 + 0.5 * draws[part, i, 0] - 0.4 * part
        return {"word_overlap": overlap, "answer_overlap": 1.0 if part else float(draws[part, i, 1]), "bm25_margin": float(draws[part, i, 2]) - 0.5 * part}  # fmt: skip

    rows = [row(i, split="test" if i % 4 == 0 else "train", **values(0, i)) for i in range(count)]
    return sample_of(
        rows + [row(i, kind="wrong_passage_near", split="test" if i % 4 == 0 else "train", **values(1, i)) for i in range(count)]
    )


def test_the_fitted_decision_leaves_out_what_planting_turned_round() -> None:
    sample = separable()
    searched, without = fit_both(sample, FilterSettings(), 0.05)
    assert set(searched.settings.weights) == {"word_overlap", "bm25_margin"}
    assert set(without.settings.weights) == {"word_overlap"}
    assert not set(without.settings.weights) & SEARCH_FEATURES
    for fitted in (searched, without):
        assert all(weight > 0 for name, weight in fitted.settings.weights.items() if name in BETTER_HIGH)
        assert all(weight < 0 for name, weight in fitted.settings.weights.items() if name in BETTER_LOW)
    assert searched.auc > 0.95
    assert (searched.originals, searched.planted) == (90, {"wrong_passage_near": 90})
    assert (without.originals, without.planted) == (120, {"wrong_passage_near": 120})


def test_the_fitted_threshold_keeps_the_target_out_of_fold() -> None:
    sample = separable()
    searched, without = fit_both(sample, FilterSettings(), 0.05)
    # 5% of 120 are 6: of train questions by the one, of the others by the other, so that both together catch the most.
    killed = [int((searched.stops & sample.sound).sum()), int((without.stops & sample.sound & ~sample.searched).sum())]
    assert killed == [1, 5]
    assert not (searched.stops & ~sample.searched).any()
    assert np.isnan(searched.probabilities[~sample.searched]).all()
    own = [probability(one, searched.settings) for one in sample.rows]
    assert own != searched.probabilities.tolist()  # the rows' own documents took no part in what is reported


def test_the_fitted_decision_is_measured_as_it_will_stand() -> None:
    # A train row that shares no word and is not found falls by question_unrelated; with a fitted decision that gate is silent.
    sample = separable()
    lost = sample_of([*sample.rows, row(999, kind="wrong_passage_near", word_overlap=0.0, bm25_rank=None, bm25_margin=-1.0)])
    assert lost.failed(FilterSettings())[-1] == {Reason.QUESTION_UNRELATED}
    searched, _ = fit_both(lost, FilterSettings(), 0.05)
    assert searched.rows[-1]
    assert searched.stops[-1]


def test_the_fitted_decision_is_the_same_twice() -> None:
    sample = separable()
    one = fit_both(sample, FilterSettings(), 0.05)[0].values()
    assert fit_both(sample, FilterSettings(), 0.05)[0].values() == one
    assert set(one["weights"]) == {"word_overlap", "bm25_margin"}
    assert all(round(weight, 6) == weight for weight in one["weights"].values())


def test_a_fitted_decision_needs_questions_of_a_language_model() -> None:
    few = sample_of([row(i) for i in range(29)] + [row(i, kind="negation") for i in range(29)])
    with pytest.raises(InputError, match="needs 30 train questions of a language model"):
        fit_both(few, FilterSettings(), 0.05)


def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    known = importlib.import_module

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return known(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(SettingsError, match=r"needs scikit-learn[\s\S]*curate-embeddings\[calibrate\]"):
        fit_both(separable(), FilterSettings(), 0.05)


def context_of(store: Store, rows: Sequence[Row], **other: Any) -> Context:
    corpus(store)
    put(store, "questions", sorted((question_row(one) for one in rows), key=lambda one: one["question_id"]))
    reader = store.reader(("questions", "chunks", "chunk_clusters"))
    settings = Settings(filter=FilterSettings(**other))
    return Context(settings, reader, InProcess(), lambda done, total: None, lambda text: None)


def taken(context: Context, wanted: Wanted) -> Sample:
    with open_scorer(context) as scorer:
        return take_sample(context, scorer, wanted, lambda step, done, total: None)


def questions_of(sample: Sample, flags: Any) -> set[str]:
    return {one["question"] for one, flag in zip(sample.rows, flags, strict=True) if flag}


BAD = original("heron", "What does this passage say about the heron?", "Much.", "A heronry in tall trees can hold 120 nests.")
LATE = original(
    "stork", "When does the white stork return to its nest?", "In June 1999", "Storks return to the same nest in April."
)


def test_faults_are_planted_into_rows_that_pass_the_rules_of_form(store: Store) -> None:
    sample = taken(context_of(store, [*ORIGINALS, BAD, LATE]), Wanted())
    everything = {one["question"] for one in [*ORIGINALS, BAD, LATE]}
    assert questions_of(sample, sample.originals) == everything
    # The number that is not in the passage is for a threshold to judge: the row is sound as far as rules of form go.
    assert questions_of(sample, sample.sound) == everything - {BAD["question"]}
    assert {one["original_id"] for one in sample.rows if "kind" in one} <= {one["question_id"] for one in [*ORIGINALS, LATE]}
    assert all(flags.sum() + sample.skipped[kind] == 5 for kind, flags in sample.kinds.items())


def test_planted_rows_are_scored_against_the_passage_they_stand_beside(store: Store) -> None:
    sample = taken(context_of(store, ORIGINALS), Wanted(kinds=("wrong_passage_random", "answer_removed", "changed_number")))
    for one in sample.rows:
        if one.get("kind") == "wrong_passage_random":
            assert one["evidence_found"] is True
            assert one["answer_overlap"] < 1.0
            assert one["bm25_rank"] is None or one["bm25_rank"] > 1
        if one.get("kind") == "changed_number":
            assert len(one["unsupported_numbers"]) == 1
    assert failures(sample, "changed_number") == [{Reason.NUMBER_NOT_IN_CHUNK}] * 2


def failures(sample: Sample, kind: str) -> list[set[Reason]]:
    failed = sample.failed(FilterSettings())
    return [set(found) for found, flag in zip(failed, sample.kinds[kind], strict=True) if flag]


def test_a_planted_duplicate_is_caught_beside_its_original(store: Store) -> None:
    rows = [original("heron", "Which fish does the grey heron catch?"), original("stork", "Why does the stork clap its bill?")]
    sample = taken(context_of(store, rows), Wanted(kinds=("duplicate",), seed=3))
    said = {one["question"]: reason for one, reason in zip(sample.rows, sample.together, strict=True) if "kind" in one}
    assert len(said) == 2
    assert set(said.values()) <= {None, Reason.QUESTION_NEAR_DUPLICATE}
    light = {
        question
        for question in said
        if question.startswith("Generally") or question.endswith(("please?", "exactly?", "usually?"))
    }
    assert {question for question, reason in said.items() if reason} >= light


def test_labelled_rows_are_measured_but_weigh_no_more_than_the_rest(store: Store) -> None:
    labels = {
        NESTS["question_id"]: Label(NESTS["question_id"], "accept"),
        LATE["question_id"]: Label(LATE["question_id"], "reject"),
    }
    sample = taken(context_of(store, [*ORIGINALS, LATE]), Wanted(rows=2, labels=labels))
    assert int(sample.originals.sum()) == 2
    assert questions_of(sample, sample.good) == {NESTS["question"]}
    assert questions_of(sample, sample.bad) == {LATE["question"]}
    assert LATE["question_id"] not in {one.get("original_id") for one in sample.rows}


def test_questions_of_a_language_model_come_first(store: Store) -> None:
    plain = [
        original("kiln", f"What is part {i} of the kiln and its cylinder?", origin="extractive", model=None) for i in range(5)
    ]
    sample = taken(context_of(store, [*plain, *ORIGINALS]), Wanted(rows=6))
    assert sample.origins == {"extractive": 2, "llm": 4}
    many = [original("kiln", f"Which clinker {i} does the rotary kiln burn?") for i in range(30)]
    alone = taken(context_of(store, [*plain, *many]), Wanted(rows=50))
    assert set(alone.origins) == {"llm"}


def test_a_build_of_bad_questions_alone_is_told_so(store: Store) -> None:
    with pytest.raises(InputError, match="nothing to plant faults into"):
        taken(context_of(store, [BAD]), Wanted())


def test_the_figures_are_whole_and_the_same_twice(store: Store) -> None:
    context = context_of(store, [*ORIGINALS, BAD])
    steps: list[str] = []
    found = calibrate(context, Wanted(), lambda step, done, total: steps.append(step))
    again = calibrate(context, Wanted(), lambda step, done, total: None)
    timed = ("seconds_per_row", "seconds_scoring")
    assert {k: v for k, v in found.values.items() if k not in timed} == {k: v for k, v in again.values.items() if k not in timed}
    assert (found.planted, found.filter) == (again.planted, again.filter)
    assert list(dict.fromkeys(steps)) == [
        "scoring questions",
        "planting faults",
        "scoring planted faults",
        "recommending thresholds",
    ]
    assert found.values["rows"] == {
        "originals": 5, "origins": {"llm": 5}, "sound": 4, "sound_train": 4, "documents": 3, "labelled_good": 0, "labelled_bad": 0,
    }  # fmt: skip
    assert list(found.values["kinds"]) == list(KINDS)
    assert set(found.values["seconds_per_row"]) >= {"question_form", "bm25_rank", "unsupported_numbers"}
    assert set(UNTRUE) < set(KINDS)
    assert found.filter["decision"] == "thresholds"
    assert any("upper bounds" in note for note in found.values["notes"])


def test_without_fit_scikit_learn_is_not_imported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def watched(name: str, *rest: Any) -> Any:
        assert not name.startswith(("sklearn", "torch", "sentence_transformers"))
        return known(name, *rest)

    monkeypatch.setattr(builtins, "__import__", watched)
    assert calibrate(context_of(store, ORIGINALS), Wanted(), lambda step, done, total: None).planted


def test_the_judge_must_be_set(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no judge is set"):
        calibrate(context_of(store, ORIGINALS), Wanted(judge=True), lambda step, done, total: None)
    assert chunk_id("heron") == NESTS["chunk_id"]

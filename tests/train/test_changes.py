"""What tuning did to single queries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from train.changes import Changes, Passage, Similarity, changes, similarity
from train.eval_set import EvalSet
from train.evaluate import score_run
from train.rankings import Ranking

SET = EvalSet(
    name="test",
    corpus={"c1": "one", "c2": "two", "c3": "three", "c4": "four"},
    queries={"q1": "first?", "q2": "second?", "q3": "third?", "q4": "fourth?"},
    qrels={"q1": {"c1": 1}, "q2": {"c2": 1}, "q3": {"c3": 1, "c4": 1}, "q4": {"c4": 2}},
    clusters=dict.fromkeys(("q1", "q2", "q3", "q4"), "A"),
    styles={"q1": "s"},
    origins={},
)
BEFORE = Ranking(
    run={
        "q1": [("c1", 0.9), ("c2", 0.5), ("c3", 0.1)],
        "q2": [("c1", 0.6), ("c2", 0.5)],
        "q3": [("c3", 0.8), ("c4", 0.7)],
        "q4": [("c1", 0.3), ("c2", 0.2)],
    },
    right={"q1": {"c1": 0.9}, "q2": {"c2": 0.5}, "q3": {"c3": 0.8, "c4": 0.7}, "q4": {"c4": 0.1}},
)
AFTER = Ranking(
    run={
        "q1": [("c4", 0.7), ("c2", 0.65), ("c1", 0.6)],
        "q2": [("c2", 0.8), ("c1", 0.4)],
        "q3": [("c4", 0.9), ("c3", 0.85)],
        "q4": [("c4", 0.95), ("c1", 0.2)],
    },
    right={"q1": {"c1": 0.6}, "q2": {"c2": 0.8}, "q3": {"c3": 0.85, "c4": 0.9}, "q4": {"c4": 0.95}},
)


def found(most: int = 10, before: Ranking = BEFORE, after: Ranking = AFTER, eval_set: EvalSet = SET) -> Changes:
    sides = [(ranking, score_run(ranking.run, eval_set)) for ranking in (before, after)]
    return changes(sides[0], sides[1], eval_set, most)


def test_the_worst_regression_has_its_texts_ranks_and_cosines() -> None:
    worst = found().regressions[0]
    assert (worst.query_id, worst.query, worst.style, worst.before, worst.after) == ("q1", "first?", "s", 1.0, 0.5)
    assert worst.right == Passage("c1", "one", rank_before=1, rank_after=3, cosine_before=0.9, cosine_after=0.6)
    # The untuned model did not list c4, so its cosine there is not known.
    assert worst.first == Passage("c4", "four", rank_before=None, rank_after=1, cosine_before=None, cosine_after=0.7)


def test_gains_come_largest_first_and_what_now_answers_is_not_named_as_wrong() -> None:
    result = found()
    assert [change.query_id for change in result.gains] == ["q4", "q2"]
    assert (result.worse, result.better) == (1, 2)
    best = result.gains[0]
    assert best.right == Passage("c4", "four", rank_before=None, rank_after=1, cosine_before=0.1, cosine_after=0.95)
    assert best.first is None


def test_as_many_as_asked_for_but_all_are_counted() -> None:
    result = found(most=1)
    assert ([change.query_id for change in result.gains], result.better) == (["q4"], 2)
    assert found(most=0) == Changes(1, 2, (), ())


def test_equal_changes_stand_by_query_id() -> None:
    same = {"q1": [("c2", 0.5), ("c1", 0.4)], "q2": [("c1", 0.5), ("c2", 0.4)]}
    two = replace(SET, queries={"q2": "b", "q1": "a"}, qrels={"q1": {"c1": 1}, "q2": {"c2": 1}})
    good = {"q1": [("c1", 0.5)], "q2": [("c2", 0.5)]}
    result = found(before=Ranking(good), after=Ranking(same), eval_set=two)
    assert [change.query_id for change in result.regressions] == ["q1", "q2"]
    assert result.regressions[0].right.cosine_before is None


def test_of_documents_the_best_ranked_chunk_stands_for_the_right_passage() -> None:
    by_document = replace(
        SET,
        queries={"q1": "first?"},
        qrels={"q1": {"D": 1}},
        documents={"c1": "D", "c2": "D", "c3": "E", "c4": "E"},
    )
    before = Ranking({"q1": [("c2", 0.5), ("c3", 0.4)]}, right={"q1": {"c1": 0.2, "c2": 0.5}})
    after = Ranking({"q1": [("c3", 0.9), ("c1", 0.6)]}, right={"q1": {"c1": 0.6, "c2": 0.3}})
    worst = found(before=before, after=after, eval_set=by_document).regressions[0]
    assert worst.right == Passage("c2", "two", 1, None, 0.5, 0.3)
    assert worst.first == Passage("c3", "three", 2, 1, 0.4, 0.9)
    assert similarity(after, by_document) == Similarity(right=pytest.approx(0.45), wrong=0.9)


def test_mean_cosines_of_right_passages_and_of_the_best_ranked_wrong_ones() -> None:
    # q3 ranks right passages alone.
    assert similarity(BEFORE, SET) == Similarity(
        right=pytest.approx((0.9 + 0.5 + (0.8 + 0.7) / 2 + 0.1) / 4), wrong=pytest.approx((0.5 + 0.6 + 0.3) / 3)
    )
    assert similarity(Ranking(BEFORE.run), SET) is None
    only = replace(SET, queries={"q3": "third?"}, qrels={"q3": SET.qrels["q3"]})
    assert similarity(Ranking(AFTER.run, right={"q3": AFTER.right["q3"]}), only) == Similarity(pytest.approx(0.875), None)

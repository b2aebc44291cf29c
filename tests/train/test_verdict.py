"""Every rule of the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.evaluation import VerdictSettings
from train.bootstrap import Interval
from train.evaluate import BASE, TUNED, Evaluation, SystemScores
from train.verdict import Evidence, Outcome, decide, evidence_of


def interval(mean: float, low: float | None, high: float | None, clusters: int = 40, queries: int = 80) -> Interval:
    return Interval(mean, low, high, queries, clusters)


GOOD = Evidence(
    gain=interval(0.05, 0.02, 0.08),
    over_bm25=interval(0.10, 0.06, 0.14),
    real_queries=80,
    forgetting=0.01,
    similarity_rise=-0.05,
)


def test_ships_when_everything_is_measured_and_within_bounds() -> None:
    verdict = decide(GOOD)
    assert verdict.outcome is Outcome.SHIP
    assert verdict.headline == "SHIP"
    assert verdict.reasons == ("Tuned minus untuned: +0.050 nDCG@10 (95%: +0.020 to +0.080) on 80 real queries in 40 clusters.",)
    assert verdict.missing == ()


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"gain": interval(0.05, 0.0, 0.10)}, Outcome.NOT_PROVEN),
        ({"gain": interval(0.05, 0.0001, 0.10)}, Outcome.SHIP),
        ({"gain": interval(0.0099, 0.001, 0.02)}, Outcome.NOT_PROVEN),
        ({"gain": interval(0.01, 0.001, 0.02)}, Outcome.SHIP),
        ({"gain": interval(-0.05, -0.08, -0.0001)}, Outcome.DO_NOT_SHIP),
        ({"gain": interval(-0.05, -0.08, 0.0)}, Outcome.NOT_PROVEN),
        ({"gain": None}, Outcome.NOT_PROVEN),
        ({"gain": interval(0.05, None, None, clusters=1)}, Outcome.NOT_PROVEN),
        ({"gain": interval(0.05, 0.02, 0.08, clusters=9)}, Outcome.NOT_PROVEN),
        ({"gain": interval(0.05, 0.02, 0.08, clusters=10)}, Outcome.SHIP),
        ({"forgetting": 0.03}, Outcome.SHIP),
        ({"forgetting": 0.031}, Outcome.DO_NOT_SHIP),
        ({"forgetting": None}, Outcome.NOT_PROVEN),
        ({"similarity_rise": 0.2}, Outcome.SHIP),
        ({"similarity_rise": 0.21}, Outcome.DO_NOT_SHIP),
        ({"similarity_rise": None}, Outcome.NOT_PROVEN),
        ({"rank_share": 0.5}, Outcome.SHIP),
        ({"rank_share": 0.49}, Outcome.DO_NOT_SHIP),
        ({"real_queries": 0}, Outcome.NOT_PROVEN),
        ({"real_queries": 49}, Outcome.NOT_PROVEN),
        ({"real_queries": 50}, Outcome.SHIP),
        ({"over_bm25": None}, Outcome.SHIP),
        ({"over_bm25": interval(-0.2, -0.3, -0.1)}, Outcome.SHIP),
        ({"real_queries": 0, "gain": interval(-0.05, -0.08, -0.01)}, Outcome.DO_NOT_SHIP),
        ({"real_queries": 0, "forgetting": 0.2}, Outcome.DO_NOT_SHIP),
    ],
)
def test_outcome(change: dict, outcome: Outcome) -> None:
    assert decide(replace(GOOD, **change)).outcome is outcome


def test_synthetic_questions_alone_never_do_better_than_not_proven() -> None:
    verdict = decide(replace(GOOD, real_queries=0, gain=interval(0.5, 0.4, 0.6), forgetting=None))
    assert verdict.outcome is Outcome.NOT_PROVEN
    assert verdict.missing == (
        "Real queries: about 50 that people asked; these were all made from the passages.",
        "The forgetting check: general similarity before and after was not measured.",
    )
    assert "synthetic queries" in verdict.reasons[0]


def test_bm25_beating_the_tuned_model_is_said_in_the_first_line() -> None:
    verdict = decide(replace(GOOD, over_bm25=interval(-0.123, -0.2, -0.05)))
    assert verdict.headline == "SHIP: BM25 beats the tuned model by 0.123 nDCG@10 (95%: +0.050 to +0.200)"
    assert "BM25" not in decide(replace(GOOD, over_bm25=interval(0.0, -0.1, 0.1))).headline


def test_reasons_name_every_fault() -> None:
    verdict = decide(replace(GOOD, gain=interval(-0.05, -0.08, -0.02), forgetting=0.1, similarity_rise=0.5, rank_share=0.2))
    assert verdict.reasons[1:] == (
        "The tuned model is worse than the untuned one: the whole interval lies below 0.",
        "It forgot 0.100 Spearman on general similarity (at most 0.030).",
        "The embeddings collapse: random passages became 0.500 more alike (at most 0.200).",
        "The embeddings collapse: they use 20% of the directions that the untuned model's use (at least 50%).",
    )


def test_doubts_are_said() -> None:
    verdict = decide(replace(GOOD, gain=interval(0.005, -0.01, 0.02, clusters=4)))
    assert verdict.reasons[1:] == (
        "The interval of the gain includes 0.",
        "The mean gain is below 0.010, the least that is worth shipping.",
        "The interval rests on 4 document clusters only, too few to trust its width.",
    )


def test_bounds_are_settings() -> None:
    assert decide(replace(GOOD, forgetting=0.05), VerdictSettings(max_forgetting=0.05)).outcome is Outcome.SHIP
    assert decide(GOOD, VerdictSettings(min_gain=0.06)).outcome is Outcome.NOT_PROVEN
    assert decide(GOOD, VerdictSettings(min_real_queries=81)).outcome is Outcome.NOT_PROVEN


@pytest.mark.parametrize(("ranks", "share"), [((8.0, 6.0), 0.75), ((None, 6.0), None), ((8.0, None), None), ((0.0, 6.0), None)])
def test_the_share_of_directions_is_that_of_the_base_model(ranks: tuple[float | None, float | None], share: float | None) -> None:
    lines = [SystemScores(name, {}, {}, 0.1, rank) for name, rank in zip((BASE, TUNED), ranks, strict=True)]
    evaluation = Evaluation("test", 1, 1, 0, 1, {}, tuple(lines), (), {}, ())
    assert evidence_of(evaluation).rank_share == share


def test_the_manual_says_the_bounds() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    rules = VerdictSettings()
    assert f"at least {rules.min_real_queries}, in at least {rules.min_clusters} document clusters" in text
    assert f"its mean is at least {rules.min_gain}" in text
    assert f"more than {rules.max_forgetting} Spearman" in text
    assert f"more alike by more than {rules.max_similarity_rise}" in text
    assert rules.min_rank_share == 0.5

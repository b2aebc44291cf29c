"""Systems side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import InputError
from schemas.evaluation import EvaluateSettings
from train.bootstrap import paired_bootstrap
from train.changes import Changes, Similarity
from train.eval_set import EvalSet
from train.evaluate import evaluate
from train.forgetting import effective_rank
from train.metrics import METRICS
from train.models import load_model
from train.questions import Unmapped
from train.rankings import Fused
from train.verdict import Outcome, decide, evidence_of

SETTINGS = EvaluateSettings(device="cpu", draws=200)

FOUR = EvalSet(
    name="test",
    corpus={"c1": "w1 w2", "c2": "w3 w4", "c3": "w5 w6", "c4": "w7 w8"},
    queries={"q1": "w1", "q2": "w3", "q3": "w5"},
    qrels={"q1": {"c1": 1}, "q2": {"c2": 1}, "q3": {"c3": 1}},
    clusters={"q1": "A", "q2": "B", "q3": "B"},
    styles={"q1": "s", "q2": "s", "q3": "t"},
    origins={"q1": "extractive", "q2": "llm", "q3": "extractive"},
    unmapped=(Unmapped("q9", "no_judgement"), Unmapped("q8", "no_judgement")),
    notes=("A note.",),
)


def run(*orders: str) -> dict[str, list[tuple[str, float]]]:
    return {f"q{n}": [(f"c{c}", 1 / rank) for rank, c in enumerate(order, 1)] for n, order in enumerate(orders, 1)}


def test_table_of_given_runs() -> None:
    found = evaluate({"BM25": run("12", "12", "123"), "base": run("2", "2", ""), "tuned": run("1", "2", "3")}, FOUR, SETTINGS)
    assert (found.passages, found.queries, found.real_queries, found.clusters) == (4, 3, 0, 2)
    assert (found.styles, found.unmapped, found.notes) == ({"s": 2, "t": 1}, {"no_judgement": 2}, ("A note.",))
    bm25, base, tuned = found.systems
    assert [system.name for system in found.systems] == ["BM25", "base", "tuned"]
    assert tuned.metrics == dict.fromkeys(METRICS, 1.0)
    assert bm25.metrics["mrr@10"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert base.metrics["hit@1"] == pytest.approx(1 / 3)
    assert bm25.by_style["s"]["mrr@10"] == 0.75
    assert bm25.by_style["t"]["hit@1"] == 0.0
    assert bm25.passage_similarity is None


def test_comparisons_are_tuned_minus_the_others_by_cluster() -> None:
    found = evaluate({"BM25": run("12", "12", "123"), "base": run("2", "2", ""), "tuned": run("1", "2", "3")}, FOUR, SETTINGS)
    assert [(item.system, item.against, item.metric) for item in found.comparisons] == [
        ("tuned", other, metric) for other in ("base", "BM25") for metric in METRICS
    ]
    interval = found.find("tuned", "base", "hit@1")
    expected = paired_bootstrap(np.array([[1.0], [0.0], [1.0]]), ["A", "B", "B"], draws=200, seed=13)[0]
    assert interval == expected
    assert (interval.mean, interval.clusters) == (pytest.approx(2 / 3), 2)
    assert found.find("base", "tuned", "hit@1") is None


def test_real_queries_are_compared_apart_when_mixed_with_synthetic_ones() -> None:
    mixed = replace(FOUR, origins={"q1": "imported", "q2": "llm", "q3": "imported"})
    systems = {"base": run("2", "2", ""), "tuned": run("1", "1", "3")}
    found = evaluate(systems, mixed, SETTINGS)
    assert found.real_queries == 2
    assert found.find("tuned", "base", "hit@1").mean == pytest.approx(1 / 3)
    assert found.find("tuned", "base", "hit@1", "real").mean == 1.0
    assert evidence_of(found).gain == found.find("tuned", "base", "ndcg@10", "real")
    everything_real = evaluate(systems, replace(FOUR, origins=dict.fromkeys(FOUR.queries, "user")), SETTINGS)
    assert {item.queries for item in everything_real.comparisons} == {"all"}
    assert evidence_of(everything_real).gain == everything_real.find("tuned", "base", "ndcg@10")
    assert evidence_of(everything_real).real_queries == 3


def test_documents_are_judged_by_their_best_chunk() -> None:
    by_document = replace(
        FOUR,
        documents={"c1": "A", "c2": "A", "c3": "B", "c4": "B"},
        qrels={"q1": {"A": 1}, "q2": {"B": 1}, "q3": {"B": 1}},
    )
    found = evaluate({"tuned": run("21", "1234", "12")}, by_document, SETTINGS).systems[0].metrics
    assert (found["hit@1"], found["mrr@10"]) == (pytest.approx(1 / 3), pytest.approx((1 + 1 / 2 + 0) / 3))


def test_models_are_ranked_and_their_spread_is_measured(tiny_model: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []
    systems = {"base": str(tiny_model), "tuned": tiny_model}
    found = evaluate(systems, FOUR, SETTINGS, lambda *step: steps.append(step))
    assert found.systems[0].metrics == found.systems[1].metrics
    assert 0 < found.systems[0].passage_similarity < 1
    assert found.find("tuned", "base", "ndcg@10").mean == 0.0
    assert steps == [
        ("evaluate base", 0, None),
        ("evaluate base", 4, 4),
        ("evaluate tuned", 0, None),
        ("evaluate tuned", 4, 4),
        ("compare", 0, None),
    ]
    verdict = decide(evidence_of(found))
    assert verdict.outcome is Outcome.NOT_PROVEN
    assert evidence_of(found).similarity_rise == 0.0


def test_collapsed_embeddings_have_a_similarity_of_one(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def same(_: Any, texts: list[str], *__: Any) -> np.ndarray:
        return np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (len(texts), 1))

    monkeypatch.setattr("train.encoder.embed", same)
    assert evaluate({"tuned": tiny_model}, FOUR, SETTINGS).systems[0].passage_similarity == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        ({"q1": [], "q2": []}, "BM25: the run has no ranking for 1 queries, for example 'q3'"),
        (run("11", "2", "3"), "BM25: the ranking of query 'q1' repeats ids"),
        (run("1", "9", "3"), "BM25: the ranking of query 'q2' repeats ids or has ids that are not in the corpus"),
    ],
)
def test_faulty_runs(faulty: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate({"BM25": faulty}, FOUR, SETTINGS)


def test_a_set_without_queries() -> None:
    with pytest.raises(InputError, match="the test set has no queries"):
        evaluate({"BM25": {}}, replace(FOUR, queries={}, qrels={}), SETTINGS)


def test_a_fusion_of_systems_that_stand_before_it() -> None:
    bm25, tuned = run("21", "2", "3"), run("1", "12", "")
    systems = {"BM25": bm25, "tuned": tuned, "hybrid": Fused(("BM25", "tuned"))}
    found = evaluate(systems, FOUR, SETTINGS.model_copy(update={"fusion": "ranks"}))
    # q1: c1 at ranks 2 and 1, c2 at rank 1 alone; q2: c2 at ranks 1 and 2; q3: c3 alone.
    assert found.systems[2].metrics["hit@1"] == 1.0
    assert {(item.system, item.against) for item in found.comparisons} == {
        ("tuned", "BM25"),
        ("hybrid", "BM25"),
        ("hybrid", "tuned"),
    }
    assert found.find("hybrid", "tuned", "hit@1").mean == pytest.approx(2 / 3)
    assert found.systems[2].similarity is None
    # By scores: q1 a tie of c1 and c2, q2 a tie of c1 and c2; the smaller id is first.
    by_scores = evaluate(systems, FOUR, SETTINGS)
    assert by_scores.systems[2].metrics["hit@1"] == pytest.approx(2 / 3)
    # The tuned model alone.
    by_weight = evaluate(systems, FOUR, SETTINGS.model_copy(update={"fusion_weight": 0.99}))
    assert by_weight.systems[2].metrics["mrr@10"] == pytest.approx((1 + 0.5 + 1) / 3)


def test_pairs_may_be_chosen_and_those_without_both_systems_are_left_out() -> None:
    systems = {"a": run("1", "2", "3"), "b": run("2", "2", "3")}
    found = evaluate(systems, FOUR, SETTINGS, pairs=[("a", "b"), ("b", "c")])
    assert [(item.system, item.against, item.metric) for item in found.comparisons] == [("a", "b", metric) for metric in METRICS]
    assert found.changed is None


def test_single_queries_and_cosines_of_models(tiny_model: Path) -> None:
    found = evaluate({"base": str(tiny_model), "tuned": tiny_model}, FOUR, SETTINGS)
    assert found.changed == Changes(0, 0, (), ())
    model = load_model(str(tiny_model), device="cpu")
    queries = model.encode_query(list(FOUR.queries.values()), normalize_embeddings=True)
    passages = model.encode_document(list(FOUR.corpus.values()), normalize_embeddings=True)
    cosines = queries @ passages.T
    wrong = [max(np.delete(row, place)) for place, row in enumerate(cosines)]
    expected = Similarity(pytest.approx(np.diag(cosines).mean(), abs=1e-5), pytest.approx(np.mean(wrong), abs=1e-5))
    assert found.systems[0].similarity == expected
    assert found.systems[0].effective_rank == pytest.approx(effective_rank(passages), abs=1e-3)


def test_anything_that_embeds_is_a_system() -> None:
    def encode(texts: list[str], kind: str, done: Any) -> np.ndarray:
        done(len(texts))
        # One direction for each of the words w1 to w7, by the first word of a text.
        return np.eye(8, dtype=np.float32)[[int(text[1]) for text in texts]]

    steps: list[tuple[str, int, int | None]] = []
    found = evaluate({"hosted": encode}, FOUR, SETTINGS, lambda *step: steps.append(step))
    assert found.systems[0].metrics == {**dict.fromkeys(METRICS, 1.0)}
    assert found.systems[0].similarity == Similarity(1.0, 0.0)
    assert ("evaluate hosted", 4, 4) in steps

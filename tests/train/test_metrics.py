"""Metrics against values worked out by hand and against sentence-transformers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from schemas.evaluation import EvaluateSettings
from train.eval_set import read_eval_set
from train.evaluate import evaluate
from train.metrics import CHIEF, CUTS, METRICS, PRIMARY, query_metrics
from train.models import load_model

IDS = [f"d{n}" for n in range(1, 13)]


def cuts(name: str, *values: float) -> dict[str, float]:
    """Values at ranks 1, 3, 5, 10 and 100."""
    return {f"{name}@{cut}": pytest.approx(value) for cut, value in zip((1, 3, 5, 10, 100), values, strict=True)}


def test_hits_at_ranks_two_and_four() -> None:
    assert query_metrics(IDS, {"d2": 1, "d4": 1, "elsewhere": 1}) == {
        "ndcg@10": pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3) + 1 / 2), abs=1e-12),
        "mrr@10": 0.5,
        "map@100": pytest.approx((1 / 2 + 2 / 4) / 3),
        **cuts("hit", 0, 1, 1, 1, 1),
        **cuts("recall", 0, 1 / 3, 2 / 3, 2 / 3, 2 / 3),
    }


def test_first_hit_beyond_ten_counts_for_the_deep_metrics_alone() -> None:
    assert query_metrics(IDS, {"d11": 1, "d12": 1}) == {
        "ndcg@10": 0.0,
        "mrr@10": 0.0,
        "map@100": pytest.approx((1 / 11 + 2 / 12) / 2),
        **cuts("hit", 0, 0, 0, 0, 1),
        **cuts("recall", 0, 0, 0, 0, 1),
    }


def test_tables_show_some_of_the_metrics_and_the_first_decides() -> None:
    assert set(CHIEF) < set(METRICS)
    assert CHIEF[0] == METRICS[0] == PRIMARY == "ndcg@10"


def test_grades_are_linear_gains_and_grades_of_zero_are_not_relevant() -> None:
    found = query_metrics(["d2", "d1"], {"d1": 3, "d2": 1, "d3": 0, "d4": -1})
    assert found["ndcg@10"] == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)), abs=1e-12)
    assert found["map@100"] == 1.0


def test_a_perfect_ranking_scores_one_everywhere_and_an_empty_one_zero() -> None:
    assert query_metrics(["d1"], {"d1": 1}) == dict.fromkeys(METRICS, 1.0)
    assert query_metrics([], {"d1": 1}) == dict.fromkeys(METRICS, 0.0)


def test_map_stops_at_rank_100_and_divides_by_at_most_100() -> None:
    ranked = [f"d{n}" for n in range(150)]
    assert query_metrics(ranked, {f"d{n}": 1 for n in range(120)})["map@100"] == 1.0
    assert query_metrics(ranked, {"d100": 1})["map@100"] == 0.0
    assert query_metrics(ranked, {f"d{n}": 1 for n in range(120)})["recall@100"] == pytest.approx(100 / 120)


def test_no_relevant_id_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="without a relevant id"):
        query_metrics(IDS, {"d1": 0})


@pytest.mark.parametrize("metric", METRICS)
def test_same_numbers_as_ir_measures(metric: str) -> None:
    # Written by benchmarks/metric_peers.py: equal scores, grades from -1 to 3, right passages that were not found, empty rankings.
    made = json.loads((Path(__file__).parent / "metric_peers.json").read_text())
    theirs = {query: values[metric] for query, values in made["ir_measures"].items()}
    ours = {}
    for query, scores in made["runs"].items():
        ranked = sorted(scores, key=lambda item: (-scores[item], item))
        ours[query] = query_metrics(ranked, made["qrels"][query])[metric]
    assert ours == {query: pytest.approx(value, abs=1e-6) for query, value in theirs.items()}
    assert len(set(theirs.values())) > 1
    assert any(len(set(scores.values())) < len(scores) for scores in made["runs"].values())
    assert any(not scores for scores in made["runs"].values())


def test_same_numbers_as_sentence_transformers(tiny_model: Path, make_dataset) -> None:
    try:
        from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    except ImportError:
        from sentence_transformers.evaluation import InformationRetrievalEvaluator

    dataset = make_dataset()
    eval_set = read_eval_set(dataset, "dev")
    ours = evaluate({"base": str(tiny_model)}, eval_set, EvaluateSettings(device="cpu")).systems[0].metrics
    theirs = InformationRetrievalEvaluator(
        queries=dict(eval_set.queries),
        corpus=dict(eval_set.corpus),
        relevant_docs={query: set(items) for query, items in eval_set.qrels.items()},
        accuracy_at_k=list(CUTS),
        precision_recall_at_k=list(CUTS),
        show_progress_bar=False,
        write_csv=False,
    )(load_model(str(tiny_model), device="cpu"))
    names = {
        "ndcg@10": "cosine_ndcg@10",
        "mrr@10": "cosine_mrr@10",
        "map@100": "cosine_map@100",
        **{f"hit@{cut}": f"cosine_accuracy@{cut}" for cut in CUTS},
        **{f"recall@{cut}": f"cosine_recall@{cut}" for cut in CUTS},
    }
    assert ours == {mine: pytest.approx(theirs[name], abs=1e-9) for mine, name in names.items()}
    assert 0 < ours["hit@1"] < 1

"""A cross-encoder on top of a ranking."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import TrainingError
from schemas.evaluation import EvaluateSettings
from train.eval_set import EvalSet
from train.evaluate import COMPARISONS, evaluate
from train.metrics import PRIMARY
from train.models import load_cross_encoder
from train.rerank import load_reranker, pairs_to_score, rerank, score_pairs

SETTINGS = EvaluateSettings(device="cpu", draws=200, rerank_depth=2)
SET = EvalSet(
    name="test",
    corpus={"c1": "w1 w2", "c2": "w3 w4", "c3": "w5 w6", "c4": "w1 w2"},
    queries={"q1": "w1", "q2": "w3"},
    qrels={"q1": {"c1": 1}, "q2": {"c3": 1}},
    clusters={"q1": "A", "q2": "B"},
    styles={},
    origins={},
)
RUN = {"q1": [("c2", 0.9), ("c1", 0.8), ("c3", 0.7)], "q2": [("c1", 0.5), ("c2", 0.4), ("c3", 0.3)]}


class Scripted:
    """Scores by the passage's place in a list; remembers what it read."""

    def __init__(self, *best_first: str) -> None:
        self.best_first = list(best_first)
        self.read: list[tuple[str, str]] = []

    def predict(self, pairs: list[tuple[str, str]], **_: Any) -> np.ndarray:
        self.read += pairs
        return np.array([-float(self.best_first.index(passage)) for _, passage in pairs])


@pytest.fixture(scope="module")
def cross_encoder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder with a head of random numbers, saved as a cross-encoder is after training."""
    folder = tmp_path_factory.mktemp("cross") / "encoder"
    load_cross_encoder(str(tiny_model), seed=3, device="cpu").save_pretrained(str(folder))
    return folder


def test_the_first_are_ordered_anew_and_the_others_follow() -> None:
    scores = {("q1", "c2"): 0.1, ("q1", "c1"): 0.7, ("q2", "c1"): 0.3, ("q2", "c2"): 0.3}
    found = rerank(RUN, scores, depth=2)
    assert [item for item, _ in found["q1"]] == ["c1", "c2", "c3"]
    assert [item for item, _ in found["q2"]] == ["c1", "c2", "c3"]  # equal scores: as they stood
    assert all(left >= right for ranked in found.values() for (_, left), (_, right) in itertools.pairwise(ranked))
    assert rerank({"q1": []}, {}, depth=2) == {"q1": []}


def test_a_pair_in_several_rankings_is_read_once_and_so_are_equal_texts() -> None:
    other = {"q1": [("c4", 1.0), ("c1", 0.9)], "q2": [("c3", 1.0)]}
    pairs = pairs_to_score([RUN, other], depth=2)
    assert sorted(pairs) == [("q1", "c1"), ("q1", "c2"), ("q1", "c4"), ("q2", "c1"), ("q2", "c2"), ("q2", "c3")]
    model = Scripted("w1 w2", "w3 w4", "w5 w6")
    seen: list[tuple[int, int]] = []
    scores = score_pairs(model, pairs, SET, SETTINGS, lambda *step: seen.append(step))
    assert sorted(model.read) == [("w1", "w1 w2"), ("w1", "w3 w4"), ("w3", "w1 w2"), ("w3", "w3 w4"), ("w3", "w5 w6")]
    assert scores["q1", "c4"] == scores["q1", "c1"] == 0.0
    assert scores["q2", "c3"] == -2.0
    assert seen == [(5, 5)]


def test_each_system_stands_a_second_time_with_the_reranker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.evaluate.load_reranker", lambda *_: Scripted("w1 w2", "w5 w6", "w3 w4"))
    systems = {"BM25": RUN, "base": RUN, "tuned": {"q1": [("c1", 1.0)], "q2": [("c2", 1.0), ("c3", 0.9)]}}
    found = evaluate(systems, SET, SETTINGS.model_copy(update={"reranker": "scripted"}))
    metrics = {system.name: system.metrics for system in found.systems}
    assert list(metrics) == ["BM25", "BM25 + reranker", "base", "base + reranker", "tuned", "tuned + reranker"]
    assert (metrics["BM25"]["hit@1"], metrics["BM25 + reranker"]["hit@1"], metrics["tuned + reranker"]["hit@1"]) == (
        0.0,
        0.5,
        1.0,
    )
    made = {(item.system, item.against) for item in found.comparisons}
    assert made == {pair for pair in COMPARISONS if "hybrid" not in pair} | {
        ("BM25 + reranker", "BM25"),
        ("base + reranker", "base"),
        ("tuned + reranker", "tuned"),
        ("tuned + reranker", "base + reranker"),
    }
    assert found.find("BM25 + reranker", "BM25", "hit@1").mean == 0.5
    assert found.systems[1].passage_similarity is None


def test_a_trained_cross_encoder_is_loaded_and_read(cross_encoder: Path) -> None:
    pairs = pairs_to_score([RUN], depth=3)
    model = load_reranker(str(cross_encoder), SETTINGS)
    scores = score_pairs(model, pairs, SET, SETTINGS, lambda *_: None)
    direct = model.predict([("w1", "w3 w4")], activation_fn=__import__("torch").nn.Identity())
    assert scores["q1", "c2"] == pytest.approx(float(direct[0]), abs=1e-5)
    found = evaluate({"BM25": RUN}, SET, EvaluateSettings(device="cpu", draws=200, reranker=str(cross_encoder)))
    assert [system.name for system in found.systems] == ["BM25", "BM25 + reranker"]
    best = {query: max(("c1", "c2", "c3"), key=lambda item: scores[query, item]) for query in ("q1", "q2")}
    assert found.systems[1].metrics["hit@1"] == sum(best[query] in SET.qrels[query] for query in best) / 2
    assert 0 <= found.systems[1].metrics[PRIMARY] <= 1


def test_an_embedding_model_is_no_reranker(tiny_model: Path) -> None:
    with pytest.raises(TrainingError, match="not a reranker: BertModel gives no score") as caught:
        load_reranker(str(tiny_model), SETTINGS)
    assert caught.value.next_step.startswith("give a cross-encoder")


def test_scores_that_are_no_numbers_are_a_fault() -> None:
    class Broken:
        def predict(self, pairs: list[tuple[str, str]], **_: Any) -> np.ndarray:
            return np.full(len(pairs), np.nan)

    with pytest.raises(TrainingError, match="not one number a pair"):
        score_pairs(Broken(), [("q1", "c1")], SET, SETTINGS, lambda *_: None)

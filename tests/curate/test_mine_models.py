"""Mining with models: a teacher's margins, a promoter's further positives, search by meaning and by both; stand-ins with known numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.mine.engines import Both, fused
from curate.mine.known import rewritten
from curate.stage import content_id
from curate.verify import checker, dense
from tests.curate.test_mine import Corpus, rivals

ANGLES = {"positive": 0.9, "rival 0": 0.88, "rival 1": 0.5, "rival 2": 0.7, "rival 3": 0.3}
"""Cosine of each passage with the anchor; all others: 0.1."""


class FakeTeacher:
    """The anchor is (1, 0); a passage (cosine, sine)."""

    def __init__(self, cosines: dict[str, float]) -> None:
        self.cosines = cosines

    def encode_query(self, texts: list[str], **options: Any) -> np.ndarray:
        return np.array([[1.0, 0.0] for _ in texts], dtype=np.float32)

    def encode_document(self, texts: list[str], **options: Any) -> np.ndarray:
        found = np.array([self.cosines.get(text, 0.1) for text in texts], dtype=np.float32)
        return np.stack([found, np.sqrt(1 - found**2)], axis=1)


class FakePromoter:
    """Scores by the passage's text."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.known, self.asked = scores, list[str]()

    def scores(self, pairs: list[tuple[str, str]]) -> list[float]:
        self.asked += [passage for _, passage in pairs]
        return [self.known.get(passage, 0.0) for _, passage in pairs]

    def close(self) -> None:
        """Nothing to give back."""


def texts_of(corpus: Corpus, names: dict[str, float]) -> dict[str, float]:
    """By text in place of name."""
    texts = {row["chunk_id"]: row["passage"] for row in corpus.tables["chunks"]}
    return {texts[content_id(name)]: value for name, value in names.items()}


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return str(tmp_path / "model")


def with_teacher(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setattr(dense, "load_model", lambda *_: FakeTeacher(texts_of(corpus, ANGLES)))
    return corpus


def brief(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["chunk_id"], row["origin"], row["reason"], row["teacher_score"], row["chosen"]) for row in rows]


def test_margins_are_taken_on_the_teachers_cosines(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = with_teacher(rivals(), monkeypatch)
    rows, _, _ = corpus.mine(folder=str(tmp_path), teacher=place, negatives=2)
    # 0.88 is more than 95% of 0.9.
    assert brief(rows) == [
        (content_id("rival 0"), "bm25", "negative_above_margin", 0.88, None),
        (content_id("rival 1"), "bm25", None, 0.5, 1),
        (content_id("rival 2"), "bm25", None, 0.7, 2),
    ]
    assert {row["positive_score"] for row in rows} == {0.9}
    rows, _, _ = corpus.mine(folder=str(tmp_path), teacher=place, relative_margin=None, max_score=0.6, negatives=2)
    assert [row["reason"] for row in rows] == ["negative_above_margin", None, "negative_above_margin", None]


def test_the_teacher_has_a_say_on_supplied_and_random_ones_too(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = rivals(2)
    corpus.tables["pairs"].clear()
    corpus.tables["questions"].clear()
    corpus.pair("mine", "heron nest river tree spring reed grey", "positive", supplied=["like the positive", "bees make honey"])
    known = texts_of(corpus, {"positive": 0.9, "rival 0": 0.89, "rival 1": 0.89}) | {
        "like the positive": 0.89,
        "bees make honey": 0.2,
    }
    monkeypatch.setattr(dense, "load_model", lambda *_: FakeTeacher(known))
    rows, _, _ = corpus.mine(folder=str(tmp_path), teacher=place, negatives=2)
    assert [(row["origin"], row["reason"], row["teacher_score"]) for row in rows] == [
        ("supplied", "negative_above_margin", 0.89),
        ("supplied", None, 0.2),
        ("bm25", "negative_above_margin", 0.89),
        ("bm25", "negative_above_margin", 0.89),
        ("random", None, 0.1),
    ]


def test_what_the_promoter_finds_to_answer_becomes_a_further_positive(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = with_teacher(rivals(), monkeypatch)
    known = texts_of(corpus, {"rival 0": 0.95, "rival 1": 0.9, "rival 2": 0.89})
    promoter = FakePromoter(known)
    monkeypatch.setattr(checker, "open_checker", lambda *_: promoter)
    rows, _, notes = corpus.mine(folder=str(tmp_path), teacher=place, promote_model=place)
    assert [(row["chunk_id"], row["state"], row["reason"]) for row in rows] == [
        (content_id("rival 0"), "promoted", "negative_answers"),
        (content_id("rival 1"), "promoted", "negative_answers"),
        (content_id("rival 2"), "negative", None),
    ]
    assert notes == ["Pairs with candidates that answer, too, and became further positives: 1 of 1."]
    rows, _, _ = corpus.mine(folder=str(tmp_path), promote_model=place, min_promote_score=0.96)
    assert [row["state"] for row in rows] == ["negative"]


def test_near_copies_need_no_second_opinion_and_other_splits_get_no_positive(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = rivals()
    corpus.tables["chunk_clusters"][1]["chunk_cluster_id"] = corpus.tables["chunk_clusters"][0]["chunk_cluster_id"]
    twin = corpus.chunk("twin", "nothing alike", "test")
    corpus.tables["chunk_clusters"][-1]["chunk_cluster_id"] = corpus.tables["chunk_clusters"][2]["chunk_cluster_id"]
    promoter = FakePromoter(texts_of(corpus, {"rival 0": 1.0, "rival 1": 1.0}))
    monkeypatch.setattr(checker, "open_checker", lambda *_: promoter)
    rows, _, _ = corpus.mine(folder=str(tmp_path), promote_model=place, relative_margin=None)
    assert [(row["state"], row["reason"]) for row in rows[:2]] == [
        ("quarantined", "negative_near_duplicate"),
        ("quarantined", "negative_in_other_split"),
    ]
    assert not set(texts_of(corpus, {"rival 0": 1.0})) & set(promoter.asked)
    assert twin not in {row["chunk_id"] for row in rows}


def test_search_by_meaning_takes_its_own_order(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = with_teacher(rivals(), monkeypatch)
    rows, _, _ = corpus.mine(folder=str(tmp_path), engine="dense", model=place, negatives=3)
    assert [(row["chunk_id"], row["origin"], row["rank"], row["score"], row["reason"]) for row in rows] == [
        (content_id("rival 0"), "dense", 2, 0.88, "negative_above_margin"),
        (content_id("rival 2"), "dense", 3, 0.7, None),
        (content_id("rival 1"), "dense", 4, 0.5, None),
        (content_id("rival 3"), "dense", 5, 0.3, None),
    ]
    assert [row["teacher_score"] for row in rows] == [0.88, 0.7, 0.5, 0.3]


def test_hybrid_search_joins_ranks(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = with_teacher(rivals(), monkeypatch)
    rows, _, _ = corpus.mine(folder=str(tmp_path), engine="hybrid", model=place, negatives=3, relative_margin=None)
    # By words 2, 3, 4 and by meaning 2, 4, 3.
    assert [row["origin"] for row in rows] == ["hybrid"] * 3
    assert rows[0]["chunk_id"] == content_id("rival 0")
    assert rows[0]["score"] == pytest.approx(2 / 62)
    assert {row["chunk_id"] for row in rows[1:]} == {content_id("rival 1"), content_id("rival 2")}
    assert rows[1]["score"] == rows[2]["score"] == pytest.approx(1 / 63 + 1 / 64)


def test_automatic_margins_with_a_teacher(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus()
    known: dict[str, float] = {}
    for number in range(40):
        text = f"The heron number{number} nests here. It eats fish{number} daily. It sleeps in reed{number}."
        corpus.chunk(f"own {number}", text)
        corpus.chunk(f"rival {number}", f"The heron number{number} was seen by nobody else in spring.")
        known |= {text: 0.8, str(rewritten(text, [])): 0.6, f"The heron number{number} was seen by nobody else in spring.": 0.3}
        corpus.pair(f"pair {number}", f"where does heron number{number} nest", f"own {number}")
    monkeypatch.setattr(dense, "load_model", lambda *_: FakeTeacher(known))
    rows, _, notes = corpus.mine(folder=str(tmp_path), teacher=place, auto_margin=True)
    # Their rewritten texts keep three quarters of the positives' cosines; rivals have less.
    assert notes == ["Automatic margin: 75% of the positive's score; 100% of 40 passages known to answer score higher."]
    chosen = {row["chunk_id"] for row in rows if row["chosen"]}
    assert chosen <= {content_id(f"rival {number}") for number in range(40)}


def test_a_passage_told_otherwise_keeps_what_answers() -> None:
    text = "Birds > Heron\n\nThe heron waits. It eats fish. It sleeps in trees. It flies slowly."
    assert rewritten(text, []) == "It flies slowly. It eats fish. The heron waits."
    assert rewritten(text, [" sleeps in trees "]) == "It flies slowly. It sleeps in trees. It eats fish. The heron waits."
    assert rewritten("One sentence alone.", []) is None


ranked = st.lists(st.integers(0, 8), unique=True, max_size=6)


@given(ranked, ranked)
def test_fusion_is_the_sum_of_reciprocal_ranks(first: list[int], second: list[int]) -> None:
    found = fused([np.array([*first, -1], dtype=np.int64), np.array([*second, -1], dtype=np.int64)])
    expected = {
        place: sum(1 / (60 + 1 + one.index(place)) for one in (first, second) if place in one) for place in {*first, *second}
    }
    assert {place: pytest.approx(score, abs=1e-9) for place, score in found} == expected
    assert [place for place, _ in found] == sorted(expected, key=lambda place: (-round(expected[place], 12), place))


def test_a_hybrid_has_no_score_of_its_own_for_margins() -> None:
    assert Both(None, None).own_score("any", 3) == 0.0  # type: ignore[arg-type]

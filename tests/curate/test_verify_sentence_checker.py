"""The sentence checker: its scores on exact sentences, its file, and its place as a gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.verify.checker import Checker, open_checker
from curate.verify.dense import Dense
from curate.verify.kept import Kept
from curate.verify.sentence_checker import ENCODER, FILE, SentenceChecker, Weights, read_weights, score_matrix
from curate.verify.sentence_match import SCORES, Rarity, best_sentences, sentences_of, vector_scores, word_scores
from schemas.errors import SettingsError
from schemas.settings import VerifySettings

PASSAGE = "The dam of Orsk was built in 1934. It never failed. A mill in Uralsk burned down in 1951."
RARITY = Rarity({"never": 4, "dam": 3, "orsk": 1, "built": 2, "burn": 1, "mill": 1, "fail": 1}, 4)


def test_the_best_sentence_meets_the_question() -> None:
    scores = word_scores("Was the dam of Orsk built?", PASSAGE, RARITY)
    assert (scores["passage_share"], scores["sentence_share"], scores["passage_missing"]) == (1.0, 1.0, 0.0)
    assert (scores["sentence_lead"], scores["years_left"], scores["sentence_denies"]) == (1.0, 1.0, 0.0)


def test_what_the_passage_does_not_hold_counts_against_it() -> None:
    scores = word_scores("Why did the Kirov dam of Orsk never burn in 1900?", PASSAGE, RARITY)
    assert (scores["names_not_in_passage"], scores["numbers_not_in_passage"], scores["denial_differs"]) == (1.0, 1.0, 1.0)
    assert (scores["passage_missing"], scores["unknown_words"]) == (2.0, 2.0)
    assert scores["rarest_missing"] == pytest.approx(np.log(5 / 0.5))


def test_best_sentences_stand_in_their_order() -> None:
    assert best_sentences("When did the mill burn down?", PASSAGE, 1) == "A mill in Uralsk burned down in 1951."
    assert best_sentences("When did the mill of Orsk burn?", PASSAGE, 2) == (
        "The dam of Orsk was built in 1934. A mill in Uralsk burned down in 1951."
    )
    assert list(sentences_of("")) == [""]


def test_cosines_of_passage_and_sentences() -> None:
    sentences = np.array([[0, 1], [1, 0], [0.6, 0.8]], dtype=np.float32)
    found = vector_scores(np.array([1, 0], dtype=np.float32), np.array([0.8, 0.6], dtype=np.float32), sentences)
    assert found == pytest.approx({"passage_cosine": 0.8, "sentence_cosine": 1.0, "second_cosine": 0.6})


class FakeEncoder:
    """The vector of a text is (1, 0) if it holds "dam", else (0, 1)."""

    def embedded(self, kind: str, texts: list[str]) -> np.ndarray:
        return np.array([[1, 0] if "dam" in text else [0, 1] for text in texts], dtype=np.float32)


def test_a_rows_scores_do_not_depend_on_the_others() -> None:
    pairs = [("Who built the dam?", PASSAGE), ("Who burned the mill?", PASSAGE), ("Who built the dam?", "No dam here.")]
    whole = score_matrix(pairs, RARITY, FakeEncoder())
    assert whole.shape == (3, len(SCORES))
    for at, pair in enumerate(pairs):
        assert (score_matrix([pair], RARITY, FakeEncoder())[0] == whole[at]).all()
    assert score_matrix([], RARITY, FakeEncoder()).shape == (0, len(SCORES))


def folder_with(place: Path, content: Any) -> Path:
    (place / ENCODER).mkdir(parents=True)
    (place / ENCODER / "config.json").write_text("{}")
    (place / FILE).write_text(content if isinstance(content, str) else json.dumps(content))
    return place


GOOD = {"intercept": -1.0, "weights": {"sentence_cosine": 2.0}}


def test_the_folder_is_known_as_a_sentence_checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_with(tmp_path / "checker", GOOD)
    monkeypatch.setattr(Dense, "embedded", FakeEncoder().embedded.__func__)  # type: ignore[attr-defined]
    with Kept(tmp_path) as kept:
        opened = open_checker(VerifySettings(checker=str(folder)), kept, RARITY)
        assert isinstance(opened, SentenceChecker)
        # The logistic of -1 + 2 × 1 and of -1 + 2 × 0.
        assert opened.scores([("Who built the dam?", PASSAGE), ("Who built the dam?", "Nothing.")]) == [0.7311, 0.2689]
        (folder / FILE).unlink()
        assert isinstance(open_checker(VerifySettings(checker=str(folder)), kept, RARITY), Checker)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be used"),
        ({"intercept": 0.0, "weights": {"sentence_cosin": 1.0}}, "no score is called sentence_cosin"),
        ({"intercept": 0.0}, "Field required"),
        ({**GOOD, "format": 2}, "less than or equal to 1"),
        ('{"intercept": NaN, "weights": {}}', "finite"),
    ],
)
def test_a_faulty_file_is_refused_by_name(tmp_path: Path, content: Any, message: str) -> None:
    folder = folder_with(tmp_path / "checker", content)
    with pytest.raises(SettingsError, match=message):
        read_weights(folder)


def test_probabilities_stay_between_0_and_1() -> None:
    scores = [0.0] * len(SCORES)
    assert [Weights(intercept=at, weights={}).probability(scores) for at in (-1e9, 0.0, 1e9)] == [0.0, 0.5, 1.0]

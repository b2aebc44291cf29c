"""The checker: labels and windows with a stand-in for the model, and tiny real cross-encoders against their own numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from math import exp, log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verify import checker
from curate.verify.checker import Checker, Pair, entailed, open_checker
from curate.verify.kept import Kept
from schemas.errors import SettingsError
from schemas.settings import VerifySettings
from tests.curate.tiny_gate_models import WORDS, save_tiny_bert, save_tiny_cross_encoder

ROOT = Path(__file__).resolve().parents[2]
QNLI = {0: "not_entailment", 1: "entailment"}
NLI = {0: "entailment", 1: "neutral", 2: "contradiction"}


class FakeModel:
    """Reads 12 tokens (blanks part them, three are marks); the logit of a pair is given by `logit`. Fails at call `fails_at`."""

    def __init__(self, logit: Any = None, id2label: dict[int, str] | None = None, fails_at: int = 0) -> None:
        self.logit = logit or (lambda first, second: 0.0)
        self.config = SimpleNamespace(id2label=id2label or {0: "LABEL_0"}, architectures=["TinyForSequenceClassification"])
        self.num_labels = len(self.config.id2label)
        self.max_seq_length: int | None = 12
        self.fails_at = fails_at
        self.error: BaseException = KeyboardInterrupt()
        self.calls: list[list[Pair]] = []

    def tokenizer(self, text: str, pair: str | None = None, *, add_special_tokens: bool = True, verbose: bool) -> Any:
        words = len(text.split()) + len((pair or "").split())
        return {"input_ids": [0] * (words + (3 if add_special_tokens else 0))}

    def predict(self, pairs: list[Pair], **options: Any) -> np.ndarray:
        self.calls.append(pairs)
        if len(self.calls) == self.fails_at:
            raise self.error
        return np.array([self.logit(*pair) for pair in pairs], dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stand-in is said to be loaded from."""
    place = tmp_path_factory.mktemp("weights")
    (place / "config.json").write_text("{}")
    return place


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_cross_encoder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with Kept(tmp_path / "build") as opened:
        yield opened


def opened(kept: Kept, folder: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> Checker:
    monkeypatch.setattr(checker, "load_model", lambda *_: model)
    monkeypatch.setattr(checker, "_identity", lambda: None)
    return open_checker(VerifySettings(checker=str(folder)), kept)


def sigmoid(number: float) -> float:
    return round(1 / (1 + exp(-number)), 4)


def test_one_label_is_a_logit(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(lambda question, passage: [float(passage)])
    pairs = [("a", "2.0"), ("a", "-1.5"), ("a", "900.0"), ("a", "-900.0"), ("a", "2.0")]
    assert opened(kept, folder, model, monkeypatch).scores(pairs) == [sigmoid(2.0), sigmoid(-1.5), 1.0, 0.0, sigmoid(2.0)]


@pytest.mark.parametrize("names", [QNLI, {0: "No", 1: "Yes"}, {0: "0", 1: "1"}, {0: "unanswerable", 1: "Answerable"}])
def test_two_labels_share_one_whole(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch, names: dict[int, str]) -> None:
    model = FakeModel(lambda question, passage: [1.0, 1.0 + log(3)], names)
    assert opened(kept, folder, model, monkeypatch).scores([("a", "b")]) == [0.75]
    assert model.calls == [[("a", "b")]]


def test_the_label_counts_by_its_name_not_its_place(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(lambda question, passage: [1.0, 1.0 + log(3)], {0: "entailment", 1: "not_entailment"})
    assert opened(kept, folder, model, monkeypatch).scores([("a", "b")]) == [0.25]


def test_a_model_of_inference_reads_the_passage_first(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(lambda first, second: [log(2), 0.0, 0.0] if first == "passage" else [0.0, 0.0, 0.0], NLI)
    assert opened(kept, folder, model, monkeypatch).scores([("question", "passage")]) == [0.5]


@pytest.mark.parametrize(
    "names",
    [{0: "LABEL_0", 1: "LABEL_1"}, {0: "yes", 1: "true"}, {0: "contradiction", 1: "neutral"}, {0: "not entailment", 1: "no"}],
)
def test_labels_that_say_nothing_are_refused(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch, names: dict[int, str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        opened(kept, folder, FakeModel(id2label=names), monkeypatch).scores([("a", "b")])
    assert str(caught.value) == (
        f"verify.checker: it cannot be told which of the model's labels means yes: {names[0]}, {names[1]}\n"
        '  next: name them in id2label of its config.json, as {"0": "not_entailment", "1": "entailment"}'
    )


def test_labels_as_json_has_them() -> None:
    assert entailed({1: "Neutral", 2: "ENTAILMENT", 0: "Contradiction"}) == 2


def test_an_answer_at_the_end_of_a_long_passage_is_seen(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(lambda question, passage: [3.0 if "the answer is here" in passage else -3.0])
    told = "one two three four five six seven eight nine ten eleven twelve thirteen the answer is here"
    other = told.replace("here", "there")
    assert opened(kept, folder, model, monkeypatch).scores([("what is", told), ("what is", other)]) == [
        sigmoid(3.0),
        sigmoid(-3.0),
    ]
    (read,) = model.calls
    assert all(len(question.split()) + len(window.split()) + 3 <= 12 for question, window in read)
    assert len(read) > 4


def test_what_fits_is_read_whole(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel()
    seven, eight = "1 2 3 4 5 6 7", "1 2 3 4 5 6 7 8"
    opened(kept, folder, model, monkeypatch).scores([("what is", seven)])
    opened(kept, folder, model, monkeypatch).scores([("what is", eight)])
    assert [len(call) for call in model.calls] == [1, 2]
    assert model.calls[0] == [("what is", seven)]
    model.max_seq_length = None
    opened(kept, folder, model, monkeypatch).scores([("what now", eight * 9)])
    assert model.calls[2] == [("what now", eight * 9)]


def test_a_question_that_fills_the_model_leaves_the_passage_its_half(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeModel()
    opened(kept, folder, model, monkeypatch).scores([("why " * 40, "1 2 3 4 5 6 7 8")])
    (read,) = model.calls
    assert all(0 < len(window.split()) <= 4 for _, window in read)


@given(st.integers(0, 900), st.integers(0, 900), st.integers(1, 60))
def test_windows_cover_the_text_and_fit(length: int, blank: int, room: int) -> None:
    # No character comes twice, so that a window's place is plain.
    letters = [chr(0x4E00 + number) for number in range(length)]
    letters[blank : blank + 1] = [" "]
    text = "".join(letters)
    windows = checker._cut(text, len, room)
    assert all(0 < len(window) <= room for window in windows)
    starts = [text.index(window) for window in windows]
    ends = [start + len(window) for start, window in zip(starts, windows, strict=True)]
    assert starts[0] == 0
    assert ends[-1] == len(text)
    assert all(before < start <= end for before, start, end in zip(starts, starts[1:], ends, strict=False))


def test_windows_share_some_text() -> None:
    words = " ".join(f"word{number}" for number in range(300))
    windows = checker._cut(words, len, 1000)
    assert len(windows) == 3
    for window, following in pairwise(windows):
        start = words.index(following)
        assert 190 <= words.index(window) + len(window) - start <= 230
        assert words[start] == " "  # cut at a blank


def test_pairs_are_scored_once_shortest_first(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel()
    gate = opened(kept, folder, model, monkeypatch)
    told: list[tuple[int, int | None]] = []
    pairs = [("b", "long"), ("a", "x"), ("b", "long"), ("b", "x")]
    assert gate.scores(pairs, lambda done, total: told.append((done, total))) == [0.5] * 4
    assert gate.scores([("x", "a"), ("a", "x")]) == [0.5] * 2
    assert model.calls == [[("a", "x"), ("b", "x"), ("b", "long")], [("x", "a")]]
    assert told == [(4, 4)]
    assert gate.scores([]) == []


def test_a_kill_loses_one_block_and_the_rest_is_never_computed_again(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checker, "_PAIRS_A_COMMIT", 2)
    pairs = [("q", letter) for letter in "abcde"]
    broken, whole = FakeModel(fails_at=2), FakeModel()
    with pytest.raises(KeyboardInterrupt):
        opened(kept, folder, broken, monkeypatch).scores(pairs)
    told: list[tuple[int, int | None]] = []
    opened(kept, folder, whole, monkeypatch).scores(pairs, lambda done, total: told.append((done, total)))
    assert broken.calls == [pairs[:2], pairs[2:4]]
    assert whole.calls == [pairs[2:4], pairs[4:]]
    assert told == [(4, 5), (5, 5)]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_scores_that_are_none_are_refused_and_not_kept(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    with pytest.raises(SettingsError, match="the model's scores are not numbers"):
        opened(kept, folder, FakeModel(lambda question, passage: [number]), monkeypatch).scores([("a", "b")])
    assert kept._connection.execute("SELECT count(*) FROM scores").fetchone() == (0,)


def test_memory_that_runs_out_is_told_with_the_way_out(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(fails_at=1)
    model.error = MemoryError()
    with pytest.raises(SettingsError) as caught:
        opened(kept, folder, model, monkeypatch).scores([("a", "b")])
    assert str(caught.value) == "verify.checker: memory runs out\n  next: lower verify.model_batch, or use a smaller model"


PAIRS = [(f"what is w{number}", f"w{number} is w{number + 7} w{number + 9}") for number in range(12)]


def logits(folder: Path, pairs: list[Pair]) -> np.ndarray:
    """The model's own numbers, one pair at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return np.concatenate([model(**tokenizer(*pair, return_tensors="pt")).logits.numpy() for pair in pairs])


@pytest.mark.parametrize("activation", [None, "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Tanh"])
def test_a_real_model_of_one_label(kept: Kept, tiny: Path, tmp_path: Path, activation: str | None) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    if activation:
        config["sentence_transformers"] = {"activation_fn": activation, "version": "5.1.0"}
        (copy / "config.json").write_text(json.dumps(config))
    found = open_checker(VerifySettings(checker=str(copy), device="cpu", model_batch=5), kept).scores(PAIRS)
    expected = 1 / (1 + np.exp(-logits(tiny, PAIRS)[:, 0]))
    assert found == pytest.approx(expected.tolist(), abs=1e-4)
    assert max(found) - min(found) > 0.01


@pytest.mark.parametrize(("names", "place", "turned"), [(QNLI, 1, False), (NLI, 0, True)])
def test_a_real_model_of_several_labels(kept: Kept, tmp_path: Path, names: dict[int, str], place: int, turned: bool) -> None:
    folder = save_tiny_cross_encoder(tmp_path / "model", names)
    found = open_checker(VerifySettings(checker=str(folder), device="cpu"), kept).scores(PAIRS)
    odds = np.exp(logits(folder, [(passage, question) if turned else (question, passage) for question, passage in PAIRS]))
    assert found == pytest.approx((odds[:, place] / odds.sum(axis=1)).tolist(), abs=1e-4)
    assert max(found) - min(found) > 0.01


def test_a_real_model_reads_every_window_to_its_end(kept: Kept, tiny: Path) -> None:
    gate = open_checker(VerifySettings(checker=str(tiny), device="cpu"), kept)
    passage = " ".join(WORDS)
    score = gate.scores([("what is w1", passage)])[0]
    windows = gate._windows("what is w1", passage)
    assert len(windows) > 1
    assert all(len(window.split()) <= 32 - 3 - 3 for window in windows)
    assert {word for window in windows for word in window.split()} == set(WORDS)
    assert score == pytest.approx(
        float(max(1 / (1 + np.exp(-logits(tiny, [("what is w1", w) for w in windows])[:, 0])))), abs=1e-4
    )


def test_a_model_without_a_head_is_refused(kept: Kept, tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path / "model")
    with pytest.raises(SettingsError) as caught:
        open_checker(VerifySettings(checker=str(folder), device="cpu"), kept).scores([("a", "b")])
    assert str(caught.value) == (
        "verify.checker: this is no cross-encoder but a BertModel\n"
        "  next: give a model of sequence classification: one from `curate train --task checker`, or a QNLI model"
    )


def test_a_second_run_loads_no_library(kept: Kept, tiny: Path) -> None:
    expected = open_checker(VerifySettings(checker=str(tiny), device="cpu"), kept).scores(PAIRS[:2])
    code = (
        "import sys; from pathlib import Path\n"
        "from curate.verify.kept import Kept; from curate.verify.checker import open_checker\n"
        "from schemas.settings import VerifySettings\n"
        "with Kept(Path(sys.argv[1])) as kept:\n"
        f"    print(open_checker(VerifySettings(checker=sys.argv[2]), kept).scores({PAIRS[:2]!r}))\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])\n"
    )
    arguments = [sys.executable, "-c", code, str(kept.path.parent), str(tiny)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{expected}\n[]\n"


def test_a_missing_extra_is_named_with_its_command(kept: Kept, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SettingsError, match="the model needs what is not installed: sentence_transformers") as caught:
        open_checker(VerifySettings(checker=str(tiny)), kept).scores([("a", "b")])
    assert caught.value.next_step == 'pip install "curate-embeddings[train]", or unset verify.checker'


def test_a_path_that_is_not_there_is_refused(kept: Kept) -> None:
    with pytest.raises(SettingsError, match=r"verify\.checker: no model folder at \./nowhere"):
        open_checker(VerifySettings(checker="./nowhere"), kept)

"""Checkers end to end on a tiny random encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import InputError, Interrupted, SettingsError, TrainingError
from schemas.training import CheckerSettings
from train import watch
from train.binary import average_precision, best_cut, keeping, roc_auc
from train.checker import CheckerJob, train_checker
from train.checker_data import divide
from train.labelled import Labelled

QUICK = CheckerSettings(epochs=2, batch_size=8, learning_rate=1e-2, max_seq_length=32, device="cpu")


def rows(topics: int = 40) -> list[Labelled]:
    """Each topic a document of one passage: "q r", answered when the passage says "a", not when it says "z"."""
    found = []
    for topic in range(topics):
        word = "a" if topic % 2 else "z"
        for other in ("b", "c"):
            passage = f"w{topic} {word} {word} {word}"
            found.append(Labelled(f"what is w{topic} {other}", passage, topic % 2, f"d{topic}"))
    return found


def job(out: Path, model: Path, found: list[Labelled] | None = None) -> CheckerJob:
    return CheckerJob(rows() if found is None else found, ("rows.jsonl",), out, str(model))


def stop_at(step: int) -> Callable[[str, int, int | None], None]:
    def progress(name: str, done: int, total: int | None) -> None:
        if (name, done) == ("train", step):
            raise KeyboardInterrupt

    return progress


def test_the_whole_road(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sentence_transformers import CrossEncoder

    out, steps = tmp_path / "out", []
    result = train_checker(job(out, tiny_model), QUICK, lambda *step: steps.append(step))
    assert capsys.readouterr() == ("", "")
    assert (result.train_rows, result.dev_rows) == (
        {"answerable": 36, "unanswerable": 32, "documents": 34},
        {"answerable": 4, "unanswerable": 8, "documents": 6},
    )
    assert list(dict.fromkeys(name for name, _, _ in steps)) == ["check", "load", "train", "dev", "threshold", "save"]
    assert [done for name, done, _ in steps if name == "train"] == list(range(1, 19))
    # The folder gives the scores that were recorded, and the best epoch was kept.
    dev = divide(rows(), QUICK).dev
    checker = CrossEncoder(str(out), device="cpu")
    labels = np.array([row.label for row in dev])
    scores = checker.predict([(row.question, row.passage) for row in dev], show_progress_bar=False).astype(np.float64)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert result.dev is not None
    assert result.dev["roc_auc"] == roc_auc(labels, scores) == max(e["roc_auc"] for e in result.history if "roc_auc" in e)
    assert result.dev["roc_auc"] > 0.9
    assert result.dev["average_precision"] == pytest.approx(average_precision(labels, scores))
    cut = best_cut(labels, scores)
    assert (result.threshold, result.dev["f1"]) == pytest.approx((cut.threshold, cut.f1))
    assert result.threshold_keeping_95 == pytest.approx(keeping(labels, scores, 0.95))
    record = json.loads((out / "training.json").read_text())
    assert (record["task"], record["threshold"], record["sources"]) == ("checker", result.threshold, ["rows.jsonl"])
    card = (out / "README.md").read_text()
    assert "| train | 36 | 32 | 34 |\n| dev | 4 | 8 | 6 |" in card
    assert f"filter.min_checker_score={result.threshold:.4f}" in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    # Again: nothing is done; other settings into the same folder: refused.
    again = train_checker(job(out, tiny_model), QUICK, stop_at(1))
    assert again == replace(result, reused=True)
    with pytest.raises(SettingsError, match="holds a model trained with other"):
        train_checker(job(out, tiny_model), QUICK.model_copy(update={"seed": 1}))
    # A checker is a base for another one.
    more = train_checker(job(tmp_path / "more", out), QUICK.model_copy(update={"max_steps": 1}))
    assert more.model_sha256 == result.weights_sha256


@pytest.mark.parametrize(("seconds", "resumed_from"), [(watch.SAVED_EVERY_S, 9), (0.0, 11)])
def test_an_interrupted_run_goes_on_to_the_same_weights(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, resumed_from: int
) -> None:
    whole = train_checker(job(tmp_path / "whole", tiny_model), QUICK)
    monkeypatch.setattr(watch, "SAVED_EVERY_S", seconds)
    with pytest.raises(Interrupted) as caught:
        train_checker(job(tmp_path / "parts", tiny_model), QUICK, stop_at(12))
    assert caught.value.next_step == "the same command goes on from the last checkpoint"
    parts = train_checker(job(tmp_path / "parts", tiny_model), QUICK)
    assert (parts.resumed_from, whole.resumed_from) == (resumed_from, None)
    assert parts.weights_sha256 == whole.weights_sha256
    other = train_checker(job(tmp_path / "other", tiny_model), QUICK.model_copy(update={"seed": 14}))
    assert other.weights_sha256 != whole.weights_sha256


def test_without_documents_to_set_apart(tiny_model: Path, tmp_path: Path) -> None:
    found = [replace(row, group="one") for row in rows(8)]
    result = train_checker(job(tmp_path / "out", tiny_model, found), QUICK.model_copy(update={"max_steps": 1}))
    assert (result.dev, result.threshold, result.best_step, result.dev_rows["documents"]) == (None, None, None, 0)
    assert result.notes == (
        "The documents cannot be divided so that both sides hold both labels: no dev rows, the last epoch is kept.",
    )
    assert "no threshold can be recommended" in (tmp_path / "out" / "README.md").read_text()


def test_what_cannot_be_trained(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs both labels: 2 answerable rows, 0 unanswerable"):
        train_checker(job(tmp_path / "out", tiny_model, rows()[2:4]), QUICK)
    with pytest.raises(TrainingError, match="no such model folder"):
        train_checker(job(tmp_path / "out", tmp_path / "none"), QUICK)
    assert not (tmp_path / "out").exists()


def test_division_by_document() -> None:
    found = rows()
    divided = divide(found, QUICK)
    assert sorted((*divided.train, *divided.dev), key=found.index) == found
    assert not {row.group for row in divided.train} & {row.group for row in divided.dev}
    assert divide([*found, *found], QUICK) == divided
    assert {row.group for row in divide(found, QUICK.model_copy(update={"seed": 14})).dev} != {row.group for row in divided.dev}


def test_a_large_document_is_no_dev_set() -> None:
    large = [Labelled(f"what is w{n}", f"w{n} big", n % 2, "large") for n in range(60)]
    for seed in range(8):
        divided = divide([*rows(), *large], QUICK.model_copy(update={"seed": seed}))
        assert "large" not in {row.group for row in divided.dev}
        assert 0.15 * 140 <= len(divided.dev) <= 0.3 * 140
    # Two documents only: the smaller one chooses.
    two = [*large, *(replace(row, group="small") for row in rows(20))]
    assert {row.group for row in divide(two, QUICK).dev} == {"small"}


def test_rows_across_the_division_are_left_out() -> None:
    found = rows()
    divided = divide(found, QUICK)
    trained, chosen = divided.train[0], divided.dev[0]
    home = next(row for row in divided.train if row.label)
    crossing = [
        Labelled(trained.question, chosen.passage, 0, trained.group),
        Labelled(chosen.question, home.passage, 0, chosen.group),
    ]
    spoiled = divide([*found, *crossing], QUICK)
    assert (spoiled.train, spoiled.dev) == (divided.train, divided.dev)
    assert spoiled.notes == ("2 rows left out: their question is of a document on one side, their passage of one on the other.",)


def test_contradicting_labels_and_limit() -> None:
    found = rows()
    divided = divide([*found, replace(found[0], label=1 - found[0].label)], QUICK)
    assert found[0] not in (*divided.train, *divided.dev)
    assert divided.notes == ("1 pairs of question and passage left out: they have both labels.",)
    limited = divide(found, QUICK.model_copy(update={"limit": 20}))
    assert (len(limited.train) + len(limited.dev), limited.notes[0]) == (20, "20 of 80 rows used (`limit`).")


def test_batches_are_of_like_length_and_hold_every_row_once() -> None:
    import torch

    from train.checker_fit import _like_length

    data: dict[str, Any] = {"question": ["q"] * 50, "passage": ["p" * (7 * n % 50) for n in range(50)]}

    def batches(epoch: int) -> list[list[int]]:
        sampler = _like_length(data, batch_size=8, drop_last=False, generator=torch.Generator(), seed=3)
        sampler.set_epoch(epoch)
        found = list(sampler)
        assert len(found) == len(sampler) == 7
        return found

    assert sorted(index for batch in batches(0) for index in batch) == list(range(50))
    spread = [len(data["passage"][batch[-1]]) - len(data["passage"][batch[0]]) for batch in batches(0)]
    assert max(spread) <= 7
    assert batches(0) == batches(0) != batches(1)

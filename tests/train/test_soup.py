"""Several trainings from one start, and the mean of their weights."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipelines.console import train_lines
from schemas.errors import Interrupted, SettingsError, TrainingError
from schemas.training import TrainSettings
from train import fit, refit, trainer
from train.choices import HYBRID_TRAININGS, trainings
from train.eval_set import read_eval_set
from train.fit import dev_scores
from train.metrics import PRIMARY
from train.model_card import model_card
from train.model_folder import Place
from train.models import load_model
from train.result import TrainResult
from train.soup import SEED_STEP, together
from train.trainer import train_model

HYBRID = TrainSettings(
    loss="HybridDistillLoss", data="pairs", max_steps=6, evaluate_every=3, learning_rate=1e-2, batch_size=8, device="cpu", seed=5
)

TWO = HYBRID.model_copy(update={"trainings": 2})


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_model(str(folder), device="cpu").state_dict())


def test_the_model_is_the_mean_of_trainings_by_seed_with_the_base_models_share(
    tiny_model: Path, make_dataset: Any, tmp_path: Path
) -> None:
    dataset = make_dataset(dev=range(0))
    alone = []
    for seed in (5, 5 + SEED_STEP, 5 + 2 * SEED_STEP):
        one = HYBRID.model_copy(update={"trainings": 1, "base_share": 0.0, "seed": seed})
        train_model(dataset, tmp_path / str(seed), str(tiny_model), one)
        alone.append(weights(tmp_path / str(seed)))
    result = train_model(dataset, tmp_path / "both", str(tiny_model), HYBRID)
    assert result.trainings == HYBRID_TRAININGS == 3
    assert result.settings["seed"] == 5
    base, both = weights(tiny_model), weights(tmp_path / "both")
    assert any(not torch.equal(alone[0][name], alone[1][name]) for name in base)
    for name, tensor in both.items():
        if tensor.is_floating_point():
            wanted = 0.25 * (base[name] + alone[0][name] + alone[1][name] + alone[2][name])
            assert torch.allclose(tensor, wanted, atol=1e-6), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1005", "2005", "5", "both", "dataset"]
    assert not (tmp_path / "both" / ".checkpoints").exists()


def test_what_is_said_of_them(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    result = train_model(dataset, out, str(tiny_model), HYBRID)
    dev = read_eval_set(dataset, "dev", verify_hashes=False)
    measured = dev_scores(load_model(str(out), device="cpu"), dev, HYBRID, lambda *_: None, "dev")
    assert result.best_dev == pytest.approx(measured)
    assert result.base_dev is not None
    assert result.beats_base is (measured[PRIMARY] > result.base_dev[PRIMARY])
    assert Counter(entry["training"] for entry in result.history if PRIMARY in entry) == {1: 2, 2: 2, 3: 2}
    assert "trainings=3: the weights are the mean of so many trainings, each with a seed of its own." in result.notes
    assert len(result.notes) == len(set(result.notes))
    assert any(", 3 trainings of 6 steps on cpu" in line for line in train_lines(result, str(dataset), str(out)))
    assert "the mean of 3 trainings of 6 steps (cpu" in (out / "README.md").read_text(encoding="utf-8")
    assert train_model(dataset, out, str(tiny_model), HYBRID) == replace(result, reused=True)


def test_where_dev_has_nothing_to_choose_only_the_mean_is_measured(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset()
    found = {}
    for name, options in {"last": {"evaluate_every": 6}, "two": {"evaluate_every": 3}, "epoch": {"evaluate_every": None}}.items():
        steps: list[str] = []
        settings = TWO.model_copy(update=options)
        result = train_model(dataset, tmp_path / name, str(tiny_model), settings, lambda step, *_, to=steps: to.append(str(step)))
        found[name] = result, {step for step in steps if step.startswith("dev")}
    assert [measured for _, measured in found.values()] == [
        {"dev"},
        {"dev", "dev (training 1 of 2)", "dev (training 2 of 2)"},
        {"dev"},
    ]
    last, _, epoch = (result for result, _ in found.values())
    assert (last.best_step, epoch.best_step, last.overfits_after) == (6, 6, None)
    assert (last.weights_sha256, last.best_dev, last.beats_base) == (epoch.weights_sha256, epoch.best_dev, epoch.beats_base)
    # As they are where dev could have chosen, and did choose the last.
    one = [
        train_model(
            dataset,
            tmp_path / f"{seed}",
            str(tiny_model),
            TWO.model_copy(update={"trainings": 1, "base_share": 0.0, "seed": seed, "evaluate_every": 6}),
        )
        for seed in (5, 1005)
    ]
    assert [result.best_step for result in one] == [6, 6]
    alone, base = [weights(tmp_path / name) for name in ("5", "1005")], weights(tiny_model)
    for name, tensor in weights(tmp_path / "last").items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.25 * base[name] + 0.375 * (alone[0][name] + alone[1][name]), atol=1e-6), name


def test_tensorboard_files_of_each_lie_in_the_model_folder(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    report = HYBRID.model_copy(update={"report_to": ("tensorboard",), "max_steps": 2})
    train_model(make_dataset(), tmp_path / "out", str(tiny_model), report)
    found = sorted(path.parent.name for path in (tmp_path / "out" / "runs").rglob("events.out.tfevents.*"))
    assert found == ["training-1", "training-2", "training-3"]


def test_a_finished_training_leaves_its_weights_and_no_checkpoints(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train_model(make_dataset(), tmp_path / "out", str(tiny_model), TWO, stop_at("train (training 2 of 2)", 1))
    first = tmp_path / "out" / ".checkpoints" / "training-1"
    assert sorted(path.name for path in first.iterdir() if path.is_file()) == ["facts.json", "weights.safetensors"]
    assert not list(first.glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("stopped", "taken_up"),
    [
        (("train (training 1 of 2)", 5), 3),
        (("train (training 2 of 2)", 2), 0),
        (("train (training 2 of 2)", 5), 3),
        (("save", 0), 0),
    ],
)
def test_interrupted_anywhere_it_goes_on_and_ends_in_the_same_weights(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, stopped: tuple[str, int], taken_up: int
) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    undisturbed = train_model(dataset, tmp_path / "other", str(tiny_model), TWO)

    with pytest.raises(Interrupted):
        train_model(dataset, out, str(tiny_model), TWO, stop_at(*stopped))
    steps: list[tuple[str, int]] = []
    resumed = train_model(dataset, out, str(tiny_model), TWO, lambda step, done, _: steps.append((str(step), done)))
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
    assert (undisturbed.resumed_from, resumed.resumed_from) == (None, taken_up)
    assert alike(resumed, undisturbed)


def alike(one: TrainResult, other: TrainResult) -> bool:
    names = ("weights_sha256", "steps", "history", "best_step", "best_dev", "notes")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def stop_at(name: str, number: int) -> Any:
    def stop(step: str, done: int, _: int | None) -> None:
        if (step, done) == (name, number):
            raise KeyboardInterrupt

    return stop


class Killed(BaseException):
    """In place of a signal that nothing can catch."""


def killed(*_: Any, **__: Any) -> Any:
    raise Killed


@pytest.mark.parametrize("before", ["the weights", "the facts"])
def test_killed_when_a_training_is_to_be_kept_it_is_not_trained_again(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    undisturbed = train_model(dataset, tmp_path / "other", str(tiny_model), TWO)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if before == "the weights":
            patch.setattr("safetensors.torch.save_file", killed)
        else:
            patch.setattr("train.soup.json", SimpleNamespace(dumps=killed))
        train_model(dataset, out, str(tiny_model), TWO)
    files = {path.name for path in (out / ".checkpoints" / "training-1").iterdir() if path.is_file()}
    assert files == (set() if before == "the weights" else {"weights.safetensors"})
    steps: list[tuple[str, int]] = []
    resumed = train_model(dataset, out, str(tiny_model), TWO, lambda step, done, _: steps.append((str(step), done)))
    assert [done for step, done in steps if step == "train (training 1 of 2)"] == []
    assert resumed.resumed_from == 6
    assert alike(resumed, undisturbed)


def test_what_a_kill_left_of_a_finished_training_is_removed(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    for step in (1, 2):
        with pytest.raises(Interrupted):
            train_model(dataset, out, str(tiny_model), TWO, stop_at("train (training 2 of 2)", step))
        left = out / ".checkpoints" / "training-1" / "checkpoint-3"
        assert not left.exists()
        left.mkdir()


def test_weights_that_cannot_be_read_are_said_and_trained_again(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    undisturbed = train_model(dataset, tmp_path / "other", str(tiny_model), TWO)
    with pytest.raises(Interrupted):
        train_model(dataset, out, str(tiny_model), TWO, stop_at("train (training 2 of 2)", 1))
    damaged = out / ".checkpoints" / "training-1" / "weights.safetensors"
    damaged.write_bytes(b"")
    with pytest.raises(TrainingError, match="cannot be read") as caught:
        train_model(dataset, out, str(tiny_model), TWO)
    assert (caught.value.where, caught.value.next_step) == (str(damaged), "the same command trains it again")
    assert alike(train_model(dataset, out, str(tiny_model), TWO), undisturbed)


def test_smaller_steps_of_one_training_are_those_of_the_next(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, int]] = []

    def short_of_memory(encoder: Any, run: Any, place: Any) -> Any:
        seen.append((run.settings.seed, run.plan.batches.seed, run.plan.accumulation))
        model, facts, _ = once(encoder, run, place)
        smaller = replace(run, plan=replace(run.plan, accumulation=2), notes=(*run.notes, "smaller")) if len(seen) == 1 else run
        return model, replace(facts, notes=smaller.notes), smaller

    once = trainer._once
    monkeypatch.setattr(trainer, "_once", short_of_memory)
    result = train_model(make_dataset(), tmp_path / "out", str(tiny_model), HYBRID)
    assert seen == [(5, 5, 1), (1005, 1005, 2), (2005, 2005, 2)]
    assert result.notes.count("smaller") == 1


def test_the_last_seeds_have_others_after_them(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    last = TWO.model_copy(update={"seed": 2**32 - 1, "max_steps": 1})
    assert train_model(make_dataset(), tmp_path / "out", str(tiny_model), last).settings["seed"] == 2**32 - 1


@pytest.mark.parametrize(("trainings", "wanted"), [(1, "mine"), (3, "mine/training-2")])
def test_logs_in_a_folder_of_the_users_own_are_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainings: int, wanted: str
) -> None:
    finished: list[bool] = []
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(finish=lambda: finished.append(True)))
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "mine"))
    place = Place(tmp_path, tmp_path, "", None, {}).part(1)
    settings = TrainSettings(report_to=("tensorboard", "wandb"))
    with fit._logging_to(place, SimpleNamespace(settings=settings, trainings=trainings)):
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / wanted)
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "mine")
    assert finished == [True] * (trainings > 1)


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
    one |= {"notes": ["a", "b"], "chosen": {"rows_at_once": 8}}
    two = one | {"best_step": 7, "overfits_after": None, "history": [{"step": 4, "loss": 0.5}], "resumed_from": 2}
    two |= {"steps": 8, "notes": ["a", "b", "c"], "chosen": {"rows_at_once": 4}}
    assert together([one]) == one
    assert {name: together([one, two])[name] for name in ("steps", "notes", "chosen")} == {
        "steps": 10,
        "notes": ["a", "b", "c"],
        "chosen": {"rows_at_once": 4},
    }
    found = together([one, two])
    assert (found["best_step"], found["overfits_after"], found["resumed_from"]) == (6, None, 2)
    assert found["history"] == [{"training": 1, "step": 4, "loss": 1.0}, {"training": 2, "step": 4, "loss": 0.5}]
    assert together([one, one])["overfits_after"] == 4
    assert together([one, two | {"best_step": None}])["best_step"] is None


@pytest.mark.parametrize(
    ("settings", "hybrid", "fresh", "count"),
    [
        ({}, True, False, HYBRID_TRAININGS),
        ({}, False, False, 1),
        ({}, True, True, 1),
        ({"lora_rank": 4}, True, False, 1),
        ({"trainings": 1}, True, False, 1),
        ({"trainings": 3}, False, True, 3),
        ({"trainings": 1, "lora_rank": 4}, True, False, 1),
    ],
)
def test_how_many_by_loss_and_model(settings: dict[str, Any], hybrid: bool, fresh: bool, count: int) -> None:
    assert trainings(TrainSettings(**settings), hybrid=hybrid, fresh=fresh) == count


def test_adapters_are_not_averaged() -> None:
    with pytest.raises(SettingsError, match="trainings does not go with lora_rank"):
        trainings(TrainSettings(trainings=2, lora_rank=4), hybrid=False, fresh=False)


def test_results_of_before_are_read_as_one_training(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    one = HYBRID.model_copy(update={"trainings": 1})
    made = train_model(dataset, out, str(tiny_model), one)
    path = out / "training.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert (record["trainings"], record["chosen"]["base_share"]) == (1, 0.25)
    del record["trainings"], record["chosen"]["base_share"], record["settings"]["trainings"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert train_model(dataset, out, str(tiny_model), one) == replace(
        made, reused=True, chosen=record["chosen"], settings=record["settings"]
    )
    assert "`, 6 steps (cpu" in model_card(record)
    assert refit._settings(dataset, record).trainings == 1


def test_a_model_is_refitted_with_what_was_chosen_for_it(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    train_model(dataset, out, str(tiny_model), TWO.model_copy(update={"max_steps": 2}))
    record = json.loads((out / "training.json").read_text(encoding="utf-8"))
    record["chosen"]["base_share"] = 0.4
    settings = refit._settings(dataset, record)
    assert (settings.trainings, settings.base_share, settings.splits) == (2, 0.4, "all")

"""Memory, early stopping, prompts, lengths, checkpointing, sweeps and interruptions, each on a tiny random encoder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from schemas.errors import Interrupted, SettingsError, TrainingError
from schemas.training import TrainSettings
from train.known import Known
from train.memory import Fit, saved_bytes
from train.models import checkpoint_activations, embed, load_model, weights_sha256
from train.result import TrainResult
from train.sweep import train_sweep
from train.trainer import train_model

QUICK = TrainSettings(epochs=2, batch_size=8, learning_rate=1e-2, device="cpu")


def settings(**wishes: Any) -> TrainSettings:
    return TrainSettings.model_validate(QUICK.model_dump() | wishes)


def stop_at(step: int) -> Callable[[str, int, int | None], None]:
    def progress(name: str, done: int, total: int | None) -> None:
        if (name, done) == ("train", step):
            raise KeyboardInterrupt

    return progress


def losses(result: TrainResult) -> list[float]:
    return [entry["loss"] for entry in result.history if "loss" in entry]


def holds(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr("train.prepare.measure", lambda *_: Fit(rows, 1, 1))


def test_a_batch_that_memory_does_not_hold_is_cached_with_the_same_result(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset()
    whole = train_model(dataset, tmp_path / "whole", str(tiny_model), QUICK)
    holds(monkeypatch, 2)
    parts = train_model(dataset, tmp_path / "parts", str(tiny_model), QUICK)
    assert (whole.loss, parts.loss) == ("MultipleNegativesRankingLoss", "CachedMultipleNegativesRankingLoss")
    assert (whole.chosen["rows_at_once"], parts.chosen["rows_at_once"], parts.chosen["batch_size"]) == (8, 2, 8)
    assert (
        "CachedMultipleNegativesRankingLoss: 2 of the 8 rows of a batch in memory at once, with the same result." in parts.notes
    )
    # Dropout differs between one pass and four: the losses are near each other, not equal.
    assert losses(parts)[:3] == pytest.approx(losses(whole)[:3], rel=0.2)


def test_a_batch_of_another_loss_is_made_of_parts(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pl.DataFrame(
        {"text_a": [f"w{n}" for n in range(16)], "text_b": [f"w{n} thing" for n in range(16)], "label": [0, 1] * 8}
    )
    rows.write_parquet(tmp_path / "rows.parquet")
    holds(monkeypatch, 3)
    result = train_model(tmp_path / "rows.parquet", tmp_path / "out", str(tiny_model), QUICK)
    # 16 rows in batches of 8 are two steps an epoch, each of three parts (3 + 3 + 2 rows at most).
    assert (result.loss, result.steps, result.chosen["rows_at_once"]) == ("OnlineContrastiveLoss", 4, 3)
    assert "Each step of 8 rows is made of 3 parts: memory holds 3 rows." in result.notes


def test_the_automatic_batch_is_found_once(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, auto = make_dataset(), settings(batch_size="auto")
    found = train_model(dataset, tmp_path / "real", str(tiny_model), settings(batch_size="auto", max_steps=1))
    assert found.chosen["batch_size"] == 8  # 40 rows: small batches, so that an epoch has steps at all
    holds(monkeypatch, 4)
    with pytest.raises(Interrupted):
        train_model(dataset, tmp_path / "out", str(tiny_model), auto, stop_at(11))
    # Another program has ended: there is more room now, but the run is the same run.
    holds(monkeypatch, 64)
    result = train_model(dataset, tmp_path / "out", str(tiny_model), auto)
    assert (result.chosen["batch_size"], result.steps, result.resumed_from) == (4, 20, 10)
    assert "batch_size=auto: 4 rows (memory holds 4)." in result.notes


def test_the_measure_is_of_the_longest_rows_and_leaves_the_model_as_it_was(tiny_model: Path, make_dataset: Any) -> None:
    from train.data import read_training_data
    from train.eval_set import EvalSet
    from train.plan import measure
    from train.prepare import prepare

    encoder = load_model(str(tiny_model), device="cpu")
    data = read_training_data(make_dataset(), QUICK)
    prepared = prepare(encoder, "tiny", data, EvalSet("dev", {}, {}, {}, {}, {}, {}), QUICK)
    encoder.eval()
    before = weights_sha256(encoder)
    fit = measure(encoder, prepared.plan, data, "fp32")
    assert fit.rows == 8
    # Two layers of 32 and 64 dimensions keep some kilobytes for each of a row's tokens (at most 42 of them here).
    assert 10_000 < fit.row_bytes < 1_000_000
    assert weights_sha256(encoder) == before
    assert all(weights.grad is None for weights in encoder.parameters())
    assert not encoder.training


def test_training_ends_when_dev_grows_no_better(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.5, 0.4, 0.45, 0.3, 0.9])
    for place in ("train.fit.dev_scores", "train.trainer.dev_scores"):
        monkeypatch.setattr(place, lambda *_: {"ndcg@10": next(scores)})
    result = train_model(make_dataset(), tmp_path / "out", str(tiny_model), settings(epochs=9, patience=2))
    assert (result.steps, result.best_step, result.best_dev) == (15, 5, {"ndcg@10": 0.5})
    # Both evaluations after the best were worse while the loss went on falling.
    before = [entry["loss"] for entry in result.history if "loss" in entry and entry["step"] <= 5]
    assert result.overfits_after == (5 if losses(result)[-1] < before[-1] else None)


def test_training_texts_are_cut_but_not_what_the_model_reads(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    lengths = [3] * 99 + [28]
    pairs = pl.DataFrame(
        {
            "anchor": [f"what w{n % 50} w{n // 50}" for n in range(100)],
            "positive": [f"w{n % 60} " * length for n, length in enumerate(lengths)],
        }
    )
    dataset = make_dataset(with_triplets=False, pairs=pairs)
    result = train_model(dataset, tmp_path / "out", str(tiny_model), settings(max_steps=1))
    assert result.chosen["max_length"] == 8
    assert "Training texts are cut at 8 tokens (99% are shorter); the model goes on reading 32." in result.notes
    assert load_model(str(tmp_path / "out"), device="cpu").max_seq_length == 32
    whole = train_model(dataset, tmp_path / "whole", str(tiny_model), settings(max_steps=1, max_seq_length=16))
    assert (whole.chosen["max_length"], load_model(str(tmp_path / "whole"), device="cpu").max_seq_length) == (16, 16)


def test_prompts_are_trained_with_and_saved(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset()
    wishes = settings(query_prompt="a b c ", passage_prompt="d e f ", max_steps=2)
    result = train_model(dataset, tmp_path / "out", str(tiny_model), wishes)
    plain = train_model(dataset, tmp_path / "plain", str(tiny_model), settings(max_steps=2))
    assert result.chosen["prompts"] == {"anchor": "a b c ", "positive": "d e f ", "negative_1": "d e f "}
    assert losses(result) != losses(plain)
    tuned = load_model(str(tmp_path / "out"), device="cpu")
    assert (tuned.prompts["query"], tuned.prompts["document"]) == ("a b c ", "d e f ")
    assert np.allclose(embed(tuned, ["w1 w2"], "query"), tuned.encode(["a b c w1 w2"], normalize_embeddings=True), atol=1e-6)


def test_gradient_checkpointing_changes_nothing_but_memory(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset()
    plain = train_model(dataset, tmp_path / "plain", str(tiny_model), settings(max_steps=4))
    saving = train_model(dataset, tmp_path / "saving", str(tiny_model), settings(max_steps=4, gradient_checkpointing=True))
    assert losses(saving) == pytest.approx(losses(plain), rel=1e-3)
    encoder = load_model(str(tiny_model), device="cpu")
    texts = ["w1 " * 30] * 8
    features = encoder.preprocess(texts)
    encoder.train()
    kept = saved_bytes(encoder, lambda: encoder(features))
    checkpoint_activations(encoder)
    assert saved_bytes(encoder, lambda: encoder(features)) < kept / 4


def test_a_plain_transformer_gets_mean_pooling(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    bare = tiny_model.parent / "bert"
    result = train_model(make_dataset(), tmp_path / "out", str(bare), settings(max_steps=2))
    assert "The model has no sentence-transformers files: a transformer with mean pooling, tuned from there." in result.notes
    modules = [type(module).__name__ for module in load_model(str(tmp_path / "out"), device="cpu").children()]
    assert modules == ["Transformer", "Pooling"]


def test_rows_that_must_not_meet_do_not(tiny_model: Path, make_dataset: Any, tmp_path: Path, toy: Any) -> None:
    """The dataset's own knowledge: near-copies of a positive, and candidates that were quarantined."""
    dataset = make_dataset()
    origins = {
        "chunk_id": [f"c{n}" for n in range(40)],
        "negative_chunk_ids": [[f"c{(n + 7) % 58}"] for n in range(40)],
        "withheld_chunk_ids": [["c30"] if n == 2 else [] for n in range(40)],
    }
    chunks = {
        "chunk_id": [f"c{n}" for n in range(58)],
        "chunk_cluster_id": ["k0" if n in (0, 20) else f"k{n}" for n in range(58)],
        # Documents of two chunks; the last two have a chunk each.
        "document_id": [f"d{n // 2 if n < 56 else n}" for n in range(58)],
        "title": ["" if n in (4, 5) else f"Topic {n // 2}" for n in range(58)],
    }
    (dataset / "provenance" / "triplets").mkdir(parents=True)
    pl.DataFrame(origins).write_parquet(dataset / "provenance" / "triplets" / "train.parquet")
    pl.DataFrame(chunks).write_parquet(dataset / "provenance" / "chunks.parquet")
    toy.seal(dataset)
    from train.data import read_training_data

    known = read_training_data(dataset, QUICK).known
    assert (known.copies[toy.passage(0)], known.copies[toy.passage(20)], known.copies[toy.passage(45)]) == ("k0", "k0", "k45")
    assert known.withheld == {toy.question(2): frozenset({"k30"})}
    assert known.titles == {toy.passage(n): f"Topic {n // 2}" for n in range(47) if n not in (4, 5)}
    assert read_training_data(dataset, settings(data="pairs")).known == Known({}, {})


@pytest.mark.parametrize("kind", ["nli", "scored", "cached", "parts"])
def test_an_interrupted_run_of_any_loss_ends_in_the_same_weights(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    texts = {"premise": [f"w{n} w{n + 1}" for n in range(40)], "hypothesis": [f"w{n} is the thing" for n in range(40)]}
    if kind in ("nli", "parts"):
        rows = pl.DataFrame(texts | {"label": [n % 3 for n in range(40)]})
    elif kind == "scored":
        rows = pl.DataFrame(texts | {"score": [n / 40 for n in range(40)]})
    else:
        rows = pl.DataFrame(texts)
    rows.write_parquet(tmp_path / "rows.parquet")
    if kind == "parts":
        holds(monkeypatch, 3)
    wishes = settings(mini_batch_size=3 if kind == "cached" else None)
    undisturbed = train_model(tmp_path / "rows.parquet", tmp_path / "one", str(tiny_model), wishes)
    with pytest.raises(Interrupted):
        train_model(tmp_path / "rows.parquet", tmp_path / "two", str(tiny_model), wishes, stop_at(undisturbed.steps - 2))
    resumed = train_model(tmp_path / "rows.parquet", tmp_path / "two", str(tiny_model), wishes)
    assert resumed.resumed_from == undisturbed.steps // 2
    assert resumed.weights_sha256 == undisturbed.weights_sha256
    assert resumed.history == undisturbed.history


def test_a_sweep_keeps_the_best_marks_overfitting_and_goes_on_after_a_stop(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Base and best checkpoint of each run: at 0.001 more epochs help, at 0.01 they harm.
    dev = {(0.001, 1): 0.4, (0.001, 2): 0.5, (0.01, 1): 0.7, (0.01, 2): 0.6}

    def planted(_: Any, __: Any, wishes: TrainSettings, *___: Any) -> dict[str, float]:
        return {"ndcg@10": dev[wishes.learning_rate, wishes.epochs]}

    monkeypatch.setattr("train.fit.dev_scores", planted)
    monkeypatch.setattr("train.trainer.dev_scores", lambda *_: {"ndcg@10": 0.3})
    dataset, out = make_dataset(), tmp_path / "out"
    wishes = settings(sweep_epochs=(2, 1), sweep_learning_rates=(1e-2, 1e-3))
    seen: list[str] = []

    def stop(step: str, done: int, total: int | None) -> None:
        seen.append(step)
        if step == "train (1 epochs, learning rate 0.01)":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train_sweep(dataset, out, str(tiny_model), wishes, stop)
    seen.clear()
    best, sweep = train_sweep(dataset, out, str(tiny_model), wishes, lambda step, *_: seen.append(step))
    assert {step.split()[0] for step in seen if "rate 0.001" in step} == {"check", "load"}
    assert [(run.learning_rate, run.epochs, run.dev, run.best, run.overfits) for run in sweep.runs] == [
        (0.001, 1, 0.4, False, False),
        (0.001, 2, 0.5, False, False),
        (0.01, 1, 0.7, True, False),
        (0.01, 2, 0.6, False, True),
    ]
    assert (sweep.base_dev, sweep.overfits_after) == (0.3, {"0.01": 1})
    assert (best.settings["learning_rate"], best.settings["epochs"]) == (0.01, 1)
    assert weights_sha256(load_model(str(out), device="cpu")) == best.weights_sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "out"]
    assert json.loads((out / "sweep.json").read_text())["overfits_after"] == {"0.01": 1}
    again, known = train_sweep(dataset, out, str(tiny_model), wishes)
    assert (again, known) == (replace(best, reused=True), sweep)
    with pytest.raises(SettingsError, match="holds a model trained with other data, model or settings"):
        train_sweep(dataset, out, str(tiny_model), settings(sweep_epochs=(1,), sweep_learning_rates=(1e-2,)))


def test_a_sweep_needs_dev_queries(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    wishes = settings(sweep_epochs=(1,), sweep_learning_rates=(1e-2,), max_steps=1)
    with pytest.raises(SettingsError, match="there are no dev queries to choose by"):
        train_sweep(make_dataset(dev=range(0)), tmp_path / "out", str(tiny_model), wishes)


def test_the_command_sweeps_and_warns(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    command = ["train", str(make_dataset()), "--out", str(tmp_path / "out"), "--model", str(tiny_model), "--sweep"]
    sets = ("sweep_epochs=[1]", "sweep_learning_rates=[1e-2]", "batch_size=20", "device=cpu")
    result = CliRunner().invoke(main, [*command, *(part for item in sets for part in ("--set", item))])
    assert result.exit_code == 0, result.output
    assert " epochs      rate  dev nDCG@10     loss" in result.stdout
    assert "best" in result.stdout
    assert "warning few_rows: 40 rows are fewer than 500." in result.stdout
    strict = CliRunner().invoke(main, [*command[:3], str(tmp_path / "other"), *command[4:-1], "--strict", "--set", "device=cpu"])
    assert (strict.exit_code, "few_rows: 40 rows" in strict.output) == (8, True)
    checker = CliRunner().invoke(main, [*command, "--task", "checker"])
    assert (checker.exit_code, "--sweep is for embedders" in checker.output) == (2, True)


@pytest.mark.parametrize("extra", ["reports", "lora"])
def test_what_is_not_installed_is_named_with_its_extra(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] in ("wandb", "peft"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    option: dict[str, Any] = {"report_to": ("wandb",)} if extra == "reports" else {"lora_rank": 4}
    with pytest.raises(TrainingError, match="is not installed") as caught:
        train_model(make_dataset(), tmp_path / "out", str(tiny_model), settings(**option))
    assert caught.value.next_step == f'pip install "curate-embeddings[{extra}]"'


@pytest.mark.parametrize(
    ("loss", "steps"),
    [
        # 40 rows are five or six batches of eight: three steps of two processes at most.
        ("MultipleNegativesRankingLoss", (2, 3)),
        # 40 passages eight times, eight a batch.
        ("HybridDistillLoss", (20,)),
    ],
)
def test_two_processes_give_one_model(
    loss: str, steps: tuple[int, ...], tiny_model: Path, make_dataset: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = two_processes(make_dataset(), out, tiny_model, f"loss={loss}")
    done = subprocess.run(command, capture_output=True, text=True, env=APART, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    # One of them prints, one of them writes.
    printed = json.loads(done.stdout)
    record = json.loads((out / "training.json").read_text())
    assert printed["weights_sha256"] == record["weights_sha256"] == weights_sha256(load_model(str(out), device="cpu"))
    assert record["chosen"]["processes"] == 2
    assert record["steps"] in steps
    assert record["trainings"] == (3 if loss == "HybridDistillLoss" else 1)
    assert record["weights_sha256"] != record["model_sha256"]


@pytest.mark.slow
def test_two_processes_that_are_killed_go_on_and_end_in_the_same_weights(
    tiny_model: Path, make_dataset: Any, tmp_path: Path
) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    hybrid = ("loss=HybridDistillLoss", "trainings=2", "evaluate_every=5")
    command = two_processes(dataset, out, tiny_model, *hybrid)
    first, second = (out / ".checkpoints" / f"training-{number}" for number in (1, 2))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=APART, cwd=ROOT) as running:
        while running.poll() is None and not list(second.glob("checkpoint-*/trainer_state.json")):
            time.sleep(0.01)
        for process in psutil.Process(running.pid).children(recursive=True):
            process.kill()
        assert running.wait(timeout=120) != 0
    assert (first / "facts.json").is_file()
    assert not (out / "training.json").exists()
    others = (command, two_processes(dataset, tmp_path / "other", tiny_model, *hybrid))
    again, undisturbed = (
        json.loads(subprocess.run(one, capture_output=True, text=True, env=APART, cwd=ROOT, check=True, timeout=300).stdout)
        for one in others
    )
    assert again["resumed_from"] in (5, 10, 15)
    for name in ("weights_sha256", "steps", "history", "best_step", "best_dev"):
        assert again[name] == undisturbed[name], name


APART = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
ROOT = Path(__file__).resolve().parents[2]


def two_processes(dataset: Path, out: Path, model: Path, *more: str) -> list[str]:
    """The command that trains on two of them."""
    chosen = ("batch_size=8", "epochs=1", "device=cpu", "learning_rate=1e-2", *more)
    sets = [part for item in chosen for part in ("--set", item)]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pipelines.cli", "train"]
    return [sys.executable, *launch, str(dataset), "--out", str(out), "--model", str(model), "--json", *sets]


def test_tensorboard_files_lie_in_the_model_folder(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train_model(make_dataset(), tmp_path / "out", str(tiny_model), settings(max_steps=2, report_to=("tensorboard",)))
    assert list((tmp_path / "out" / "runs").glob("events.out.tfevents.*"))

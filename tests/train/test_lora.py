"""Low-rank adapters: the base stays as it was, checkpoints are small, the written model needs no peft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import Interrupted
from schemas.training import TrainSettings
from train.lora import add_adapters, load_trained, merge_adapters, save_trained
from train.models import embed, load_model, weights_sha256
from train.trainer import train_model

pytest.importorskip("peft")

LORA = TrainSettings(epochs=2, batch_size=8, learning_rate=2e-2, device="cpu", lora_rank=4)
TEXTS = ["what is w3 w4", "w3 w4 w5 is about the thing"]


def test_adapters_are_merged_into_weights_of_the_same_names(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    base, model, copy = (load_model(str(tiny_model), device="cpu") for _ in range(3))
    note = add_adapters(model, LORA)
    # Six linear layers each in two blocks, and the pooler: rank 4 times (inputs + outputs).
    trained = 4 * (2 * (4 * (32 + 32) + 2 * (32 + 64)) + (32 + 32))
    whole = trained + sum(tensor.numel() for tensor in base.parameters())
    assert note.startswith(f"Adapters of rank 4: {trained:,} of {whole:,} weights are trained")
    # New adapters change nothing.
    assert np.allclose(embed(model, TEXTS, "query"), embed(base, TEXTS, "query"), atol=1e-6)
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.requires_grad:
                weights.add_(torch.randn_like(weights), alpha=0.3)
    tuned = embed(model, TEXTS, "query")
    save_trained(model, tmp_path)
    add_adapters(copy, LORA)
    load_trained(copy, tmp_path)
    for one in (model, copy):
        merge_adapters(one)
        assert list(one.state_dict()) == list(base.state_dict())
        assert all(weights.requires_grad for weights in one.parameters())
        assert np.allclose(embed(one, TEXTS, "query"), tuned, atol=1e-5)
    assert not np.allclose(tuned, embed(base, TEXTS, "query"), atol=1e-2)


@pytest.mark.parametrize("dev", [range(40, 50), range(0)], ids=["with dev", "without dev"])
def test_a_run_learns_goes_on_after_a_stop_and_loads_everywhere(
    tiny_model: Path, make_dataset: Any, tmp_path: Path, dev: range
) -> None:
    dataset = make_dataset(dev=dev)
    whole = train_model(dataset, tmp_path / "one", str(tiny_model), LORA)

    def stop(name: str, done: int, total: int | None) -> None:
        if (name, done) == ("train", 7):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train_model(dataset, tmp_path / "two", str(tiny_model), LORA, stop)
    checkpoint = tmp_path / "two" / ".checkpoints" / "checkpoint-5"
    assert (checkpoint / "trained.safetensors").stat().st_size < (tiny_model / "model.safetensors").stat().st_size / 2
    assert not (checkpoint / "model.safetensors").exists()
    resumed = train_model(dataset, tmp_path / "two", str(tiny_model), LORA)
    assert (resumed.resumed_from, resumed.weights_sha256) == (5, whole.weights_sha256)
    losses = [entry["loss"] for entry in whole.history if "loss" in entry]
    assert losses[-1] < losses[0]
    out = tmp_path / "one"
    assert weights_sha256(load_model(str(out), device="cpu")) == whole.weights_sha256 != whole.model_sha256
    assert "adapter_config.json" not in {path.name for path in out.rglob("*")}
    assert json.loads((out / "training.json").read_text())["chosen"]["learning_rate"] == 2e-2
    if dev:
        from train.eval_set import read_eval_set
        from train.evaluate import evaluate

        scores = evaluate({"tuned": out}, read_eval_set(dataset, "dev")).systems[0].metrics
        assert scores == pytest.approx(whole.best_dev, abs=1e-6)

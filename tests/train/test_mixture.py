"""The base model's weights averaged with the tuned ones: exact shares, restored to the bit, and what is measured is what is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from schemas.errors import SettingsError
from schemas.training import TrainSettings
from train.choices import HYBRID_BASE_SHARE, base_share
from train.eval_set import read_eval_set
from train.fit import dev_scores
from train.mixture import Mixture
from train.models import load_model
from train.trainer import train_model

HYBRID = TrainSettings(loss="HybridDistillLoss", batch_size=8, learning_rate=1e-3, max_steps=6, evaluate_every=3, device="cpu")


def weights(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def shifted(model: Any) -> dict[str, Any]:
    """Change every weight, as training would; what they are afterwards."""
    with torch.no_grad():
        for number, tensor in enumerate(model.parameters()):
            tensor.add_(0.01 * (number + 1))
    return weights(model)


def test_the_share_is_the_base_models(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    base = weights(model)
    mixture = Mixture(model, 0.25)
    tuned = shifted(model)
    with mixture.mixed(model):
        inside = weights(model)
    assert all(torch.equal(tensor, tuned[name]) for name, tensor in model.state_dict().items())
    mixture.mix(model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, inside[name])
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.25 * base[name] + 0.75 * tuned[name], atol=1e-7)
        else:
            assert torch.equal(tensor, base[name])
    assert any(not torch.equal(tensor, tuned[name]) for name, tensor in inside.items())


def test_a_share_of_nothing_changes_nothing(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    mixture = Mixture(model, 0.0)
    tuned = shifted(model)
    with mixture.mixed(model):
        pass
    mixture.mix(model)
    assert all(torch.equal(tensor, tuned[name]) for name, tensor in model.state_dict().items())


def test_weights_are_restored_when_measuring_fails(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    mixture = Mixture(model, 0.5)
    tuned = shifted(model)
    with pytest.raises(ValueError, match="no"), mixture.mixed(model):
        raise ValueError("no")
    assert all(torch.equal(tensor, tuned[name]) for name, tensor in model.state_dict().items())


def test_the_finished_model_is_the_mixture(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset(dev=range(0))
    found = {}
    for share in (0.0, 0.25):
        result = train_model(
            dataset, tmp_path / f"share-{share}", str(tiny_model), HYBRID.model_copy(update={"base_share": share})
        )
        assert any(note.startswith("base_share=0.25: so much") for note in result.notes) is (share == 0.25)
        found[share] = weights(load_model(str(tmp_path / f"share-{share}"), device="cpu"))
    base = weights(load_model(str(tiny_model), device="cpu"))
    assert any(not torch.equal(found[0.0][name], base[name]) for name in base)
    for name, tensor in found[0.25].items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.25 * base[name] + 0.75 * found[0.0][name], atol=1e-6)


def test_dev_measures_what_is_published(tiny_model: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset, out = make_dataset(), tmp_path / "out"
    result = train_model(dataset, out, str(tiny_model), HYBRID.model_copy(update={"base_share": 0.6}))
    dev = read_eval_set(dataset, "dev", verify_hashes=False)
    measured = dev_scores(load_model(str(out), device="cpu"), dev, HYBRID, lambda *_: None, "dev")
    assert result.best_dev == pytest.approx(measured)


@pytest.mark.parametrize(
    ("settings", "hybrid", "fresh", "share"),
    [
        ({}, True, False, HYBRID_BASE_SHARE),
        ({}, False, False, 0.0),
        ({}, True, True, 0.0),
        ({"lora_rank": 4}, True, False, 0.0),
        ({"base_share": 0.0}, True, False, 0.0),
        ({"base_share": 0.4}, False, True, 0.4),
        ({"base_share": 0.0, "lora_rank": 4}, True, False, 0.0),
    ],
)
def test_the_share_by_loss_and_model(settings: dict[str, Any], hybrid: bool, fresh: bool, share: float) -> None:
    assert base_share(TrainSettings(**settings), hybrid=hybrid, fresh=fresh) == share


def test_adapters_have_no_share() -> None:
    with pytest.raises(SettingsError, match="base_share does not go with lora_rank"):
        base_share(TrainSettings(base_share=0.5, lora_rank=4), hybrid=False, fresh=False)

"""Losses by name, and by the format that they take."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from schemas.dataset import FORMATS
from schemas.errors import SettingsError
from schemas.training import Loss, Shape, TrainSettings
from train.losses import CACHED, GUIDED, IN_BATCH, LOSSES, NAMES, LossOptions, build_loss, choose_loss
from train.models import load_model
from train.teacher import make_teacher, read_texts


def test_every_name_builds_that_loss(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    teacher = make_teacher(model, read_texts(model, ["w1", "w2"], ["w1 w3", "w2 w4"]), "fp32")
    options = LossOptions(guide=load_model(str(tiny_model), device="cpu"), mini_batch_size=3, teacher=teacher)
    built = {name: build_loss(name, model, options) for name in NAMES}
    assert [type(loss).__name__ for loss in built.values()] == list(NAMES)
    assert {name for name, loss in built.items() if getattr(loss, "mini_batch_size", None) == 3} == set(CACHED.values())
    assert {name for name, loss in built.items() if getattr(loss, "guide", None) is options.guide} == {GUIDED, CACHED[GUIDED]}
    assert built["SoftmaxLoss"].classifier.weight.shape == (3, 96)


def test_every_format_has_a_loss_and_settings_know_them_all() -> None:
    assert set(LOSSES) == {*FORMATS, "nli"}
    assert sorted(get_args(Loss)) == sorted(NAMES)
    assert sorted(get_args(Shape)) == sorted(LOSSES)


@pytest.mark.parametrize(
    ("options", "normalised", "margin"),
    [
        (LossOptions(), False, 5.0),
        (LossOptions(), True, 1.0),
        (LossOptions(distance="cosine"), True, 0.5),
        (LossOptions(distance="cosine", margin=0.2), False, 0.2),
    ],
)
def test_distance_and_margin_of_triplets(tiny_model: Path, options: LossOptions, normalised: bool, margin: float) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    model = load_model(str(tiny_model), device="cpu")
    if normalised:
        model = SentenceTransformer(modules=[*model.children(), Normalize()], device="cpu")
    loss = build_loss("TripletLoss", model, options)
    assert loss.triplet_margin == margin
    found = loss.distance_metric(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]])).item()
    assert found == pytest.approx(1.0 if options.distance == "cosine" else 5.0)


def test_matryoshka_takes_the_loss_on_shorter_vectors_too(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    loss = build_loss(IN_BATCH, model, LossOptions(matryoshka_dims=(8, 16)))
    assert (type(loss).__name__, type(loss.loss).__name__, list(loss.matryoshka_dims)) == (
        "MatryoshkaLoss",
        IN_BATCH,
        [32, 16, 8],
    )
    with pytest.raises(SettingsError, match="the model's vectors have 32 dimensions, not 64"):
        build_loss(IN_BATCH, model, LossOptions(matryoshka_dims=(64, 8)))
    with pytest.raises(SettingsError, match="SoftmaxLoss classifies vectors of one length"):
        build_loss("SoftmaxLoss", model, LossOptions(matryoshka_dims=(8,)))


def test_the_weights_of_a_loss_are_those_of_its_seed(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    one, same, other = (build_loss("SoftmaxLoss", model, LossOptions(seed=seed)).classifier.weight for seed in (1, 1, 2))
    assert one.equal(same)
    assert not one.equal(other)


def test_distilling_losses_compare_cosines(tiny_model: Path) -> None:
    """The model's vectors are far from length 1: a margin of dot products could not be within -2 and 2."""
    import torch

    model = load_model(str(tiny_model), device="cpu")
    margin = build_loss("MarginMSELoss", model)
    vectors = [torch.tensor([[3.0, 0.0]]), torch.tensor([[5.0, 0.0]]), torch.tensor([[0.0, 7.0]]), torch.tensor([[-2.0, 0.0]])]
    assert margin.compute_loss_from_embeddings(vectors, torch.tensor([[1.0, 0.0, -1.0]])).item() == pytest.approx(0)
    assert margin.compute_loss_from_embeddings(vectors, torch.tensor([[1.0, 0.5, -1.0]])).item() == pytest.approx(0.125)
    divergence = build_loss("DistillKLDivLoss", model)
    assert (divergence.temperature, divergence.similarity_fct.__name__) == (0.05, "pairwise_cos_sim")
    assert divergence.compute_loss_from_embeddings(vectors, torch.tensor([[1.0, 0.0, -1.0]])).item() == pytest.approx(0)


@pytest.mark.parametrize(("name", "losses"), LOSSES.items())
def test_the_first_loss_of_a_format_is_its_own(name: str, losses: tuple[str, ...]) -> None:
    assert choose_loss(TrainSettings(), name) == losses[0]
    for loss in losses:
        assert choose_loss(TrainSettings(loss=loss, guide="g" if "GIST" in loss else None), name) == loss


def test_guide_and_mini_batch_choose_the_loss() -> None:
    triplets, one = ("anchor", "positive", "negative_1", "negative_2"), ("anchor", "positive", "negative_1")
    assert choose_loss(TrainSettings(guide="g"), "triplets", one) == "GISTEmbedLoss"
    assert choose_loss(TrainSettings(guide="g"), "triplets", triplets, 2) == "CachedGISTEmbedLoss"
    assert choose_loss(TrainSettings(guide="g", mini_batch_size=4), "pairs") == "CachedGISTEmbedLoss"
    assert choose_loss(TrainSettings(mini_batch_size=4), "triplets", one) == "CachedMultipleNegativesRankingLoss"
    assert choose_loss(TrainSettings(mini_batch_size=4), "scored") == "CoSENTLoss"
    with pytest.raises(SettingsError, match="GISTEmbedLoss needs a guide model"):
        choose_loss(TrainSettings(loss="GISTEmbedLoss"), "pairs")
    with pytest.raises(SettingsError, match="TripletLoss has no use for a guide model"):
        choose_loss(TrainSettings(loss="TripletLoss", guide="g"), "triplets", one)


def test_a_loss_that_does_not_take_the_format() -> None:
    with pytest.raises(SettingsError) as caught:
        choose_loss(TrainSettings(loss="MarginMSELoss"), "scored", ("anchor", "passage", "score"))
    assert caught.value.what == "MarginMSELoss does not take scored (columns: anchor, passage, score); it takes distilled"
    assert caught.value.next_step == "use loss=CoSENTLoss or AnglELoss or CosineSimilarityLoss, or other rows (--format)"


def test_unknown_name() -> None:
    with pytest.raises(SettingsError, match="no loss named 'OnlineLoss'"):
        build_loss("OnlineLoss", None)

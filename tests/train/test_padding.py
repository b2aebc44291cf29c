"""Batches that pass the model in parts of like length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from train.models import load_model
from train.padding import as_saved, pass_in_parts

TEXTS = ["w1 w2 w3 w4 w5 w6", "w1", "w2 w3", "w4 w5 w6 w7 w8 w9 w10 w11", "w3", "w9 w8 w7"]


@pytest.fixture
def encoder(tiny_model: Path) -> Any:
    loaded = load_model(str(tiny_model), device="cpu")
    loaded.eval()
    return loaded


def seen_shapes(encoder: Any) -> list[tuple[int, int]]:
    """Shapes of the batches that reach the transformer."""
    shapes: list[tuple[int, int]] = []
    encoder[0].register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0]["input_ids"].shape)))
    return shapes


def vectors(encoder: Any, features: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = encoder(dict(features))["sentence_embedding"]
    return found


def test_parts_are_sorted_and_as_long_as_their_longest_text_and_give_the_vectors_of_the_whole(encoder: Any) -> None:
    features, shapes = encoder.preprocess(TEXTS), seen_shapes(encoder)
    whole = vectors(encoder, features)
    pass_in_parts(encoder, rows=2)
    parts = vectors(encoder, features)
    # [CLS] and [SEP] are two tokens of each text.
    assert shapes == [(6, 10), (2, 3), (2, 5), (2, 10)]
    assert torch.allclose(parts, whole, atol=1e-6)
    assert not torch.allclose(whole[0], whole[1], atol=1e-2)


def test_gradients_are_those_of_the_whole(encoder: Any) -> None:
    features = encoder.preprocess(TEXTS)
    weights = encoder[0].auto_model.embeddings.word_embeddings.weight
    rows, dimensions = torch.arange(1.0, 7.0), torch.arange(32.0)

    def gradient() -> torch.Tensor:
        encoder.zero_grad()
        (encoder(dict(features))["sentence_embedding"] @ dimensions @ rows).backward()
        return weights.grad.clone()

    whole = gradient()
    pass_in_parts(encoder, rows=4)
    assert whole.abs().max() > 1e-3
    assert torch.allclose(gradient(), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("why", ["few texts", "padded on the left", "another input", "no mask"])
def test_what_cannot_be_cut_passes_whole(encoder: Any, why: str) -> None:
    rows = 6 if why == "few texts" else 2
    if why == "padded on the left":
        encoder.tokenizer.padding_side = "left"
    features = encoder.preprocess(TEXTS)
    if why == "another input":
        features["pixels"] = torch.zeros(6, 3, 2)
    if why == "no mask":
        del features["attention_mask"]
    calls: list[int] = []

    def forward(features: dict[str, Any], **_: Any) -> dict[str, Any]:
        calls.append(len(features["input_ids"]))
        return {"sentence_embedding": features["input_ids"]}

    encoder.forward = forward
    pass_in_parts(encoder, rows=rows)
    assert encoder(features)["sentence_embedding"] is features["input_ids"]
    assert calls == [6]


def test_the_encoder_as_saved_passes_whole_and_then_in_parts_again(encoder: Any) -> None:
    features, shapes = encoder.preprocess(TEXTS), seen_shapes(encoder)
    pass_in_parts(encoder, rows=3)
    with as_saved(encoder):
        vectors(encoder, features)
    vectors(encoder, features)
    assert shapes == [(6, 10), (3, 4), (3, 10)]

"""Loading, naming and using embedding models."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import SettingsError, TrainingError
from train.models import choose_precision, embed, load_model, prompts, silenced, third_party, weights_sha256


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    return load_model(str(tiny_model), device="cpu")


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(TrainingError, match="sentence_transformers is not installed") as caught:
        load_model("any/model")
    assert caught.value.next_step == 'pip install "curate-embeddings[train]"'


def test_the_old_path_of_a_module_is_tried_after_the_new_one() -> None:
    assert third_party("json.no_such_part", "json.decoder").__name__ == "json.decoder"


def test_unreachable_hub_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import sentence_transformers

    seen = {}

    def unreachable(name: str, **options: Any) -> None:
        seen.update(options, name=name)
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", unreachable)
    with pytest.raises(TrainingError) as caught:
        load_model("some/model")
    assert str(caught.value) == (
        "some/model: the model could not be fetched from the Hugging Face hub: We couldn't connect\n"
        "  next: check the name and the network, or download the model elsewhere and pass its folder (--model PATH)"
    )
    assert seen == {"name": "some/model", "device": None, "trust_remote_code": False}


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c"])
def test_a_path_that_is_not_there_is_never_looked_up_on_the_hub(name: str) -> None:
    with pytest.raises(TrainingError, match="no such model folder"):
        load_model(name)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no usable model in this folder"):
        load_model(str(tmp_path))


def test_a_device_that_is_not_there(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingsError, match="there is no cuda device here"):
        load_model(str(tiny_model), device="cuda")


def test_max_seq_length_is_set_and_held_to_the_positions(tiny_model: Path) -> None:
    assert load_model(str(tiny_model), device="cpu").max_seq_length == 32
    assert load_model(str(tiny_model), device="cpu", max_seq_length=64).max_seq_length == 64
    with pytest.raises(SettingsError, match="max_seq_length 65 is more than the 64 positions"):
        load_model(str(tiny_model), device="cpu", max_seq_length=65)


def test_weights_hash_follows_the_weights_alone(tiny_model: Path, model: Any) -> None:
    other = load_model(str(tiny_model), device="cpu", max_seq_length=16)
    assert weights_sha256(other) == weights_sha256(model)
    parameter = next(other.parameters())
    parameter.data[0, 0] += 1e-6
    assert weights_sha256(other) != weights_sha256(model)


def test_embeddings_are_unit_vectors_and_equal_texts_get_equal_ones(model: Any) -> None:
    texts = ["w1 w2", "w3 w4 w5 is about the one and only thing", "w1 w2", ""]
    vectors = embed(model, texts, "document", batch_size=2)
    assert vectors.shape == (4, 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert (vectors[0] == vectors[2]).all()
    assert embed(model, texts[:1], "document") == pytest.approx(vectors[:1], abs=1e-5)


def test_embedding_in_blocks_gives_the_same_and_tells_how_far_it_is(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"w{n} w{n + 1}" for n in (3, 1, 4, 1, 5)]
    whole = embed(model, texts, "document")
    monkeypatch.setattr("train.models._BLOCK", 3)
    counts: list[int] = []
    assert embed(model, texts, "document", 64, counts.append) == pytest.approx(whole, abs=1e-6)
    assert counts == [3, 4]


def test_embeddings_that_are_no_numbers_are_refused(tiny_model: Path) -> None:
    broken = load_model(str(tiny_model), device="cpu")
    next(broken.parameters()).data[:] = float("nan")
    with pytest.raises(TrainingError, match="embeddings are not numbers"):
        embed(broken, ["w1"], "query")


def test_the_models_own_prompts_are_used_for_training_and_for_embedding(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), device="cpu")
    columns = ["anchor", "positive", "negative_1"]
    assert prompts(model, columns) == {}
    plain = embed(model, ["w1 w2"], "query")
    model.prompts = {"query": "what is ", "document": "about "}
    assert prompts(model, columns) == {"anchor": "what is ", "positive": "about ", "negative_1": "about "}
    assert embed(model, ["w1 w2"], "query") != pytest.approx(plain, abs=1e-3)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True, "avx2": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({"avx512_bf16": False, "avx2": True, "cpu_name": "bf16"}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_bf16_is_chosen_on_processors_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, Any], expected: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", "cpu") == expected
    # Asked for, it is given anyway: emulated, slow, right.
    assert choose_precision("bf16", "cpu") == "bf16"
    with pytest.raises(SettingsError, match="fp16 does not work on cpu"):
        choose_precision("fp16", "cpu")


def test_a_torch_that_does_not_tell_what_the_processor_can(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", "cpu") == "fp32"


def test_libraries_are_silent_while_a_model_is_loaded() -> None:
    import transformers  # noqa: F401 (brings the hub's own set-up of its logger)

    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "huggingface_hub.utils._http")]
    before = [logger.isEnabledFor(logging.WARNING) for logger in loggers]
    with silenced():
        assert [logger.isEnabledFor(logging.WARNING) for logger in loggers] == [False, False]
    assert [logger.isEnabledFor(logging.WARNING) for logger in loggers] == before == [True, True]

"""What a run takes when settings leave it open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.training import TrainSettings
from train.choices import family_prompts, learning_rate, parameters, set_prompts, token_counts, training_length, warmup_ratio
from train.models import load_model, prompts


@pytest.fixture
def model(tiny_model: Path) -> Any:
    return load_model(str(tiny_model), device="cpu")


@pytest.mark.parametrize(
    ("size", "rate", "warmup"),
    [(22_700_000, 3e-5, 0.1), (50_000_000, 3e-5, 0.1), (109_000_000, 2e-5, 0.1), (335_000_000, 1e-5, 0.2)],
)
def test_learning_rate_and_warm_up_by_size(size: int, rate: float, warmup: float) -> None:
    assert (learning_rate(TrainSettings(), size), warmup_ratio(TrainSettings(), size)) == (rate, warmup)
    assert learning_rate(TrainSettings(lora_rank=8), size) == pytest.approx(10 * rate)
    assert learning_rate(TrainSettings(), size, hybrid=True) == pytest.approx(4.5 * rate)
    assert learning_rate(TrainSettings(learning_rate=1e-3, lora_rank=8), size) == 1e-3
    assert warmup_ratio(TrainSettings(warmup_ratio=0.0), size) == 0.0


INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("intfloat/e5-small-v2", ("query: ", "passage: ")),
        ("intfloat/multilingual-e5-large", ("query: ", "passage: ")),
        ("intfloat/multilingual-e5-large-instruct", (INSTRUCT + " ", "")),
        ("BAAI/bge-base-en-v1.5", ("Represent this sentence for searching relevant passages: ", "")),
        ("models/bge-small-zh-v1.5", ("为这个句子生成表示以用于检索相关文章：", "")),
        ("Qwen/Qwen3-Embedding-0.6B", (INSTRUCT, "")),
        ("nomic-ai/nomic-embed-text-v1.5", ("search_query: ", "search_document: ")),
        ("BAAI/bge-m3", None),
        ("sentence-transformers/all-MiniLM-L6-v2", None),
        ("somebody/three5-words", None),
    ],
)
def test_prompts_of_families(name: str, found: tuple[str, str] | None) -> None:
    assert family_prompts(name) == found


def test_a_family_is_known_by_its_folder_and_the_settings_overrule_it(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "e5-small-v2"
    folder.symlink_to(tiny_model)
    columns = ["anchor", "positive"]
    model = load_model(str(folder), device="cpu")
    assert prompts(model, columns) == {"anchor": "query: ", "positive": "passage: "}
    assert set_prompts(model, str(folder), TrainSettings()) == (
        "Prompts (of its family): 'query: ' before questions, 'passage: ' before passages.",
    )
    assert set_prompts(model, str(folder), TrainSettings(passage_prompt="p: ")) == (
        "Prompts (from the settings): 'query: ' before questions, 'p: ' before passages.",
    )
    assert set_prompts(model, str(folder), TrainSettings(query_prompt="", passage_prompt="")) == ()
    assert prompts(model, columns) == {}


def test_prompts_of_its_own_are_left(model: Any) -> None:
    assert set_prompts(model, "tiny", TrainSettings()) == ()
    model.prompts = {"query": "q: ", "passage": "old: "}
    assert set_prompts(model, "intfloat/e5-small", TrainSettings()) == (
        "Prompts (its own): 'q: ' before questions, 'old: ' before passages.",
    )
    set_prompts(model, "tiny", TrainSettings(passage_prompt="new: "))
    assert prompts(model, ["anchor", "positive"]) == {"anchor": "q: ", "positive": "new: "}


@pytest.mark.parametrize(
    ("lengths", "limit", "cut"),
    [
        ([10] * 98 + [50, 90], 128, 56),
        ([10] * 99 + [90], 128, 16),
        ([10] * 99 + [90], 12, 12),
        ([16, 16], None, 16),
        ([], 64, 64),
    ],
)
def test_training_texts_are_cut_where_99_of_100_end(lengths: list[int], limit: int | None, cut: int) -> None:
    assert training_length(lengths, limit) == cut


def test_tokens_are_counted_with_their_special_ones_and_nothing_is_cut(model: Any) -> None:
    texts = ["w1", " ".join(["w1"] * 40), "w1"]
    assert token_counts(model, texts) == {"w1": 3, texts[1]: 42}


def test_parameters_are_all_weights(model: Any) -> None:
    assert parameters(model) == sum(tensor.numel() for tensor in model.state_dict().values())

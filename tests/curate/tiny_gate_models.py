"""Randomly initialised BERTs of two layers and 32 dimensions, as an embedding model and as cross-encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = [f"w{number}" for number in range(60)]
LENGTH = 32


def save_tiny_embedder(folder: Path, prompts: dict[str, str] | None = None) -> Path:
    """A sentence-transformers folder that reads 32 tokens."""
    from sentence_transformers import SentenceTransformer
    from transformers import BertModel

    try:
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    except ImportError:  # before sentence-transformers 5.4
        from sentence_transformers.models import Pooling, Transformer

    bert = _saved(folder / "bert", BertModel, {})
    modules = [Transformer(str(bert), max_seq_length=LENGTH), Pooling(32, pooling_mode="mean")]
    model = SentenceTransformer(modules=modules, device="cpu", prompts=prompts)
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def save_tiny_cross_encoder(folder: Path, id2label: dict[int, str] | None = None, **other: Any) -> Path:
    """A folder of sequence classification that reads 32 tokens, with one label unless said otherwise."""
    from transformers import BertForSequenceClassification

    labels = id2label or {0: "LABEL_0"}
    settings = {"id2label": labels, "label2id": {name: number for number, name in labels.items()}}
    return _saved(folder, BertForSequenceClassification, settings | other)


def save_tiny_bert(folder: Path) -> Path:
    """A model without any head."""
    from transformers import BertModel

    return _saved(folder, BertModel, {})


def _saved(folder: Path, kind: Any, settings: dict[str, Any]) -> Path:
    import torch
    from transformers import BertConfig, BertTokenizerFast
    from transformers.utils import logging

    # Two threads that wait for each other on a busy machine take minutes for what one does in seconds.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "what", "is", "query", ":"]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    # Wider than usual, so that the scores of different texts lie apart.
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=LENGTH, initializer_range=0.5, **sizes, **settings)
    logging.disable_progress_bar()
    kind(config).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=LENGTH).save_pretrained(folder)
    logging.enable_progress_bar()
    return folder

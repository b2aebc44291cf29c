"""A randomly initialised Llama of two layers and 32 dimensions with a byte-level tokenizer, saved to a folder or a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' and no_system %}{{ raise_exception('no system role') }}{% endif %}"
    "{{ '<turn>' + m['role'] + ': ' + m['content'] + '<end>' }}{% endfor %}<turn>"
)
MARKS = ["<pad>", "<end>", "<turn>"]


def save_tiny_model(folder: Path, *, template: str | None = TEMPLATE, positions: int = 512) -> Path:
    """Weights, configuration and tokenizer; 300 tokens, of which the first three are `MARKS`."""
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    # Two threads that wait for each other on a busy machine take minutes for what one does in seconds.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_byte_pairs(), pad_token="<pad>", eos_token="<end>", additional_special_tokens=["<turn>"]
    )
    tokenizer.chat_template = template
    logging.disable_progress_bar()
    LlamaForCausalLM(_configuration(len(tokenizer), positions)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    logging.enable_progress_bar()
    return folder


def _byte_pairs() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator(["the heron stands still in the shallow water and waits for the fish"], trainer)
    return raw


def _configuration(vocabulary: int, positions: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )


def save_tiny_gguf(path: Path, folder: Path) -> Path:
    """The model of the folder as a GGUF file, as llama.cpp names its parts."""
    import json

    import gguf
    from safetensors.numpy import load_file

    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    tokens = sorted(tokenizer["vocab"], key=tokenizer["vocab"].__getitem__)
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(2)
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in MARKS else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["merges"]])
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_chat_template(TEMPLATE)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, 2)
    for name, tensor in load_file(folder / "model.safetensors").items():
        stem, _, suffix = name.rpartition(".")
        writer.add_tensor(f"{names.get_name(stem)}.{suffix}", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

"""Embedding models: loaded safely, named by the hash of their weights, and used to embed."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from schemas.errors import SettingsError, TrainingError
from train.choices import with_family_prompts
from train.model_folder import RECORD

INSTALL = 'pip install "curate-embeddings[train]"'

Embeddings = npt.NDArray[np.float32]

# Texts embedded between two reports of progress: some seconds on a CPU.
_BLOCK = 512


def third_party(*names: str) -> Any:
    """The first of these modules that is there (a library's new path, then its old one); TrainingError says what to install."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            fault = error
    raise TrainingError(f"{names[0].partition('.')[0]} is not installed: {fault}", next_step=INSTALL) from fault


def load_model(name: str, *, device: str = "auto", max_seq_length: int | None = None) -> Any:
    """A SentenceTransformer from a folder or a hub name; code from the hub is never run.

    Raises TrainingError when the folder holds no model or the hub cannot be reached, SettingsError when the device is not there.
    """
    model = _load(third_party("sentence_transformers").SentenceTransformer, name, device)
    if not (Path(name) / RECORD).is_file():
        with_family_prompts(model, name)
    if max_seq_length is not None:
        model.max_seq_length = _within_positions(model, max_seq_length, name)
    return model


def is_fresh(name: str) -> bool:
    """Whether a model that was just loaded by this name has no sentence-transformers files, so that pooling was put on top of it."""
    local = Path(name).expanduser()
    if local.exists():
        return not (local / "modules.json").is_file()
    return third_party("sentence_transformers.util").load_file_path(name, "modules.json", local_files_only=True) is None


def load_cross_encoder(name: str, *, seed: int, device: str = "auto", max_seq_length: int | None = None) -> Any:
    """A CrossEncoder of one output from a folder or a hub name, that of an embedding model too: its head is then new, drawn by `seed`.

    Raises as `load_model` does.
    """
    third_party("torch").manual_seed(seed)
    options = {"num_labels": 1, "model_kwargs": {"ignore_mismatched_sizes": True}}
    model = _load(third_party("sentence_transformers").CrossEncoder, name, device, options)
    if max_seq_length is not None:
        # Its name before sentence-transformers 5.4.
        limit = "max_seq_length" if hasattr(model, "max_seq_length") else "max_length"
        setattr(model, limit, _within_positions(model, max_seq_length, name))
    return model


def choose_precision(precision: str, device: str) -> str:
    """fp32, bf16 or fp16 for a wish that may be "auto"; SettingsError for what the device cannot do."""
    gpu = device.startswith("cuda")
    torch = third_party("torch")
    bf16 = bool(torch.cuda.is_bf16_supported()) if gpu else device == "cpu" and _multiplies_bf16(torch)
    if precision == "auto":
        return "bf16" if bf16 else "fp16" if gpu else "fp32"
    if (precision == "fp16" and not gpu) or (precision == "bf16" and gpu and not bf16):
        raise SettingsError(f"{precision} does not work on {device}", where="precision", next_step="use precision=auto")
    return precision


def lower_precision(device: Any, precision: str) -> Any:
    """A context in which a model computes in bf16 or fp16; with fp32 nothing changes. `device` is torch's."""
    torch = third_party("torch")
    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtype=types.get(precision), enabled=precision in types)


def _multiplies_bf16(torch: Any) -> bool:
    """Whether the processor has instructions for bf16 products (AVX512-BF16, AMX and their like): without, they are slower than fp32's."""
    # Not there before torch 2.11.
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(name.endswith("bf16") and found is True for name, found in known.items())


def weights_sha256(model: Any) -> str:
    """Hex sha256 over names, shapes, types and bytes of all weights: the same wherever the model was loaded from."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(array.shape)} {array.dtype}\n".encode())
        digest.update(array.flatten().view(third_party("torch").uint8).numpy().tobytes())
    return digest.hexdigest()


def embed(
    model: Any,
    texts: Sequence[str],
    kind: Literal["query", "document"],
    batch_size: int = 64,
    done: Callable[[int], None] = lambda _: None,
) -> Embeddings:
    """Unit vectors [texts, dimensions] in float32; equal texts get equal vectors. The model's own prompts for `kind` are used.

    `done` is called with the number of different texts embedded so far.
    """
    unique = sorted(set(texts), key=lambda text: (len(text), text))
    encode = model.encode_query if kind == "query" else model.encode_document
    blocks = []
    for start in range(0, len(unique), _BLOCK):
        block = unique[start : start + _BLOCK]
        vectors = encode(block, batch_size=batch_size, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
        if not np.isfinite(vectors).all():
            raise TrainingError("the model's embeddings are not numbers", next_step="train again with a lower learning rate")
        blocks.append(np.asarray(vectors, dtype=np.float32))
        done(start + len(block))
    place = {text: index for index, text in enumerate(unique)}
    return np.concatenate(blocks)[[place[text] for text in texts]]


def prompts(model: Any, columns: Sequence[str]) -> dict[str, str]:
    """Column → the prompt the model puts before such texts, so that training reads what serving reads."""
    known = getattr(model, "prompts", None) or {}
    document = known.get("document") or known.get("passage") or ""
    found = {column: known.get("query", "") if column == "anchor" else document for column in columns}
    return {column: prompt for column, prompt in found.items() if prompt}


def checkpoint_activations(model: Any) -> None:
    """Let every transformer in the model compute its activations again in the backward pass instead of keeping them."""
    for module in model.modules():
        # Its name before transformers 5.20.
        enable = getattr(module, "activation_checkpointing_enable", None) or getattr(
            module, "gradient_checkpointing_enable", None
        )
        if module is not model and enable is not None and getattr(module, "supports_gradient_checkpointing", False):
            enable({"use_reentrant": False})


def free_memory() -> None:
    """Give back what dropped models held, on the GPU too."""
    gc.collect()
    torch = third_party("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _check_device(device: str) -> None:
    torch = third_party("torch")
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device in there and not there[device]():
        raise SettingsError(f"there is no {device} device here", where="device", next_step="use device=auto or device=cpu")


def _load(kind: Any, name: str, device: str, options: Mapping[str, Any] | None = None) -> Any:
    local = Path(name).expanduser()
    if not local.exists() and _looks_like_path(name):
        raise TrainingError(
            "no such model folder", where=name, next_step="give a folder that holds a sentence-transformers model"
        )
    _check_device(device)
    where = str(local) if local.exists() else name
    with silenced():
        try:
            model = kind(where, device=None if device == "auto" else device, trust_remote_code=False, **(options or {}))
        except Exception as error:  # libraries raise anything here, from OSError to RuntimeError
            raise _cannot_load(name, local.exists(), error) from error
    # Otherwise every saved checkpoint asks the hub about the model's name.
    model.model_card_data.local_files_only = True
    return model


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def _cannot_load(name: str, local: bool, error: Exception) -> TrainingError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if local:
        return TrainingError(
            f"no usable model in this folder: {reason}", where=name, next_step="give a sentence-transformers folder"
        )
    return TrainingError(
        f"the model could not be fetched from the Hugging Face hub: {reason}",
        where=name,
        next_step="check the name and the network, or download the model elsewhere and pass its folder (--model PATH)",
    )


def _within_positions(model: Any, wanted: int, name: str) -> int:
    inner = getattr(model[0], "auto_model", None) or getattr(model[0], "model", None)
    positions = getattr(getattr(inner, "config", None), "max_position_embeddings", None)
    if isinstance(positions, int) and wanted > positions:
        raise SettingsError(
            f"max_seq_length {wanted} is more than the {positions} positions of the model",
            where=name,
            next_step=f"at most {positions}",
        )
    return wanted


@contextmanager
def silenced() -> Iterator[None]:
    """No progress bars and no chatter of the libraries: progress is ours to show."""
    logging = third_party("transformers.utils.logging")
    data = third_party("datasets")
    verbosity, shown, hidden = logging.get_verbosity(), logging.is_progress_bar_enabled(), data.are_progress_bars_disabled()
    # One says of every checker that its base is no cross-encoder yet; the other tells of each of fifteen retries when the hub is out of reach.
    libraries = {getLogger(name): getLogger(name).level for name in ("sentence_transformers", "huggingface_hub")}
    for library in libraries:
        library.setLevel(ERROR)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    data.disable_progress_bars()
    try:
        yield
    finally:
        for library, level in libraries.items():
            library.setLevel(level)
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
        if not hidden:
            data.enable_progress_bars()

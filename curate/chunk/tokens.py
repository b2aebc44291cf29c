"""Counts tokens: by the built-in estimate, or by a tokenizer that the user names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from curate.text import estimate_tokens
from schemas.errors import SettingsError

_WHERE = "chunk.tokenizer"
_LOCAL = "give a local folder that holds tokenizer.json: --set chunk.tokenizer=FOLDER"


@cache
def token_counter(tokenizer: str | None) -> Callable[[str], int]:
    """A function from a text to its number of tokens, without start and end marks.

    Raises SettingsError when the tokenizer cannot be loaded.
    """
    if tokenizer is None:
        return estimate_tokens
    file = tokenizer_file(tokenizer)
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise _without_extra() from error
    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception for any fault of the file
        raise SettingsError(f"cannot read the tokenizer in {file}: {error}", where=_WHERE, next_step=_LOCAL) from error
    loaded.no_truncation()
    loaded.no_padding()
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)


def tokenizer_sha256(tokenizer: str | None) -> str:
    """Hex sha256 of the tokenizer's file, "" for the built-in estimate; part of the fingerprint of everything counted with it."""
    return sha256(tokenizer_file(tokenizer).read_bytes()).hexdigest() if tokenizer is not None else ""


def tokenizer_file(tokenizer: str) -> Path:
    """The tokenizer.json of a local folder (or that file itself), else of a model on the Hugging Face hub.

    Raises SettingsError when there is none.
    """
    path = Path(tokenizer).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        if (path / "tokenizer.json").is_file():
            return path / "tokenizer.json"
        raise SettingsError(f"{tokenizer} holds no tokenizer.json", where=_WHERE, next_step="save it as a fast tokenizer there")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise _without_extra() from error
    try:
        return Path(hf_hub_download(tokenizer, "tokenizer.json"))
    except Exception as error:  # no network, no such model, no right to it, not a name at all: the next step is the same
        raise SettingsError(f"cannot get the tokenizer {tokenizer} from the hub", where=_WHERE, next_step=_LOCAL) from error


def _without_extra() -> SettingsError:
    return SettingsError(
        "a named tokenizer needs the train extra", where=_WHERE, next_step='pip install "curate-embeddings[train]", or unset it'
    )

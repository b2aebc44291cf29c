"""Which weights a model in this process has: where they lie, and what stands for them in keys."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path

from schemas.errors import SettingsError

_SHAPING = {".safetensors", ".json", ".jinja", ".model", ".txt"}
"""Suffixes of the files in a model's folder that shape its answers: weights, configuration, tokenizer, chat template."""


@dataclass(frozen=True)
class Source:
    """Where a model comes from: a folder or a hub id (`name`), in it perhaps one GGUF file; `local`: nothing is fetched."""

    name: str
    local: bool
    gguf_file: str | None = None


def model_source(model: str) -> Source:
    """What `llm.ROLE.model` means here: a folder, a GGUF file, "owner/name", or "owner/name/file.gguf".

    Raises SettingsError when it reads like a path and nothing lies there.
    """
    path = Path(model).expanduser()
    gguf = path.suffix.lower() == ".gguf"
    if model and path.is_dir():
        return Source(str(path), local=True)
    if path.is_file() and gguf:
        return Source(str(path.parent), local=True, gguf_file=path.name)
    parts = model.split("/")
    looks_like_path = model.startswith((".", "/", "~")) or "\\" in model
    if not model or path.exists() or looks_like_path or len(parts) < (3 if gguf else 1) or (len(parts) > 2 and not gguf):
        raise SettingsError(
            "no model lies here",
            where=model,
            next_step="give a folder with *.safetensors, a .gguf file, or a hub id (owner/name)",
        )
    return Source("/".join(parts[:2]), local=False, gguf_file="/".join(parts[2:]) if gguf else None)


def weights_key(model: str) -> str:
    """What stands for the weights in keys: the sha256 of their files, or the hub id with the revision in the cache.

    Cheap to call again: a file is read once, until its size or time of change is another.
    """
    source = model_source(model)
    if not source.local:
        file = f"/{source.gguf_file}" if source.gguf_file else ""
        revision = cached_revision(source.name)
        return f"{source.name}{file}" + (f"@{revision}" if revision else "")
    folder = Path(source.name)
    if source.gguf_file:
        return remembered_sha256(folder / source.gguf_file)
    digest = sha256()
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if Path(entry.name).suffix in _SHAPING and entry.is_file())
    for name in names:
        digest.update(f"{name}\n{remembered_sha256(folder / name)}\n".encode())
    return digest.hexdigest()


def cached_revision(hub_id: str) -> str | None:
    """The commit of the hub's main branch that the local cache holds, or None."""
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:  # without the train extra there is no cache
        return None
    ref = Path(HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "refs" / "main"
    try:
        return ref.read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def remembered_sha256(path: Path) -> str:
    """Hex sha256 of a file, read once until its size or time of change is another."""
    status = path.stat()
    return _sha256_of(str(path.absolute()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256_of(path: str, size: int, changed_ns: int) -> str:  # noqa: ARG001 (what makes a file another one)
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()

"""The models of gates: where they lie, what stands for their weights in keys, and how they are loaded safely."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import re
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from curate.llm.weights import cached_revision, remembered_sha256
from schemas.errors import SettingsError
from schemas.settings import VerifySettings

INSTALL = 'pip install "curate-embeddings[train]"'
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SHAPING = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt"}
"""Suffixes of the files that shape a model's numbers: weights, configuration, tokenizer."""
_OTHER_FORMATS = {"onnx", "openvino"}


def model_folder(name: str, where: str) -> Path | None:
    """The local folder that a setting names, None for a hub id (owner/name). Raises SettingsError when it is neither."""
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path
    if path.exists() or name.startswith((".", "~")) or not _HUB_ID.fullmatch(name):
        raise SettingsError(f"no model folder at {name}", where=where, next_step="give a folder, or a hub id (owner/name)")
    return None


def weights_id(name: str, where: str) -> str:
    """What stands for a model's weights, configuration and tokenizer: the sha256 of a folder's files, or hub id and commit.

    Nothing is loaded. The hub is asked when its cache knows no commit yet; SettingsError when it cannot be.
    """
    folder = model_folder(name, where)
    return _folder_sha256(folder) if folder else f"{name}@{_pinned(name, where)}"


def _folder_sha256(folder: Path) -> str:
    digest = sha256()
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_aside(name))
        for name in sorted(files):
            path = Path(place, name)
            if path.suffix in _SHAPING and path.is_file():
                digest.update(f"{path.relative_to(folder).as_posix()}\n{remembered_sha256(path)}\n".encode())
    return digest.hexdigest()


def _is_aside(folder: str) -> bool:
    """Other formats of the same weights, and what training left."""
    return folder.startswith((".", "checkpoint-")) or folder in _OTHER_FORMATS


def _pinned(name: str, where: str) -> str:
    revision = cached_revision(name)
    if revision:
        return revision
    hub = third_party("huggingface_hub", where)
    fault: Exception | None = None
    try:
        with silenced(where):
            hub.hf_hub_download(name, "config.json")
    except Exception as error:  # network, name, rights; a model without this file has its commit noted all the same
        fault = error
    revision = cached_revision(name)
    if revision is None:
        raise _not_fetched(name, where, fault or OSError("the hub names no commit"))
    return revision


def load_model(kind: Literal["SentenceTransformer", "CrossEncoder"], name: str, where: str, device: str) -> Any:
    """The model in float32, on its device. Code that comes with it is never run, and no pickle unpacked that could hold any.

    Raises SettingsError, with `where` as the setting's name, when it cannot be had.
    """
    folder = model_folder(name, where)
    if folder:
        _check_modules(folder, where)
    library = third_party("sentence_transformers", where)
    _check_device(device, where)
    options: dict[str, Any] = {
        "device": None if device == "auto" else device,
        "trust_remote_code": False,
        # The same numbers from every version of the library: some take the type that the file names.
        "model_kwargs": {"dtype": "float32", "use_safetensors": True},
    }
    if folder is None:
        options["revision"] = _pinned(name, where)
    # The cache is enough where it is whole.
    for offline in (True,) if folder else (True, False):
        try:
            with silenced(where):
                return getattr(library, kind)(str(folder or name), local_files_only=offline, **options)
        except Exception as error:  # from OSError to KeyError, whatever a file or the network makes of it
            if "trust_remote_code" in str(error):
                raise _own_code(name, where) from error
            if folder:
                raise _not_usable(folder, where, error) from error
            if not offline:
                raise _not_fetched(name, where, error) from error
    raise AssertionError


def check_gate_models(settings: VerifySettings) -> None:
    """Raise SettingsError, without loading a thing, when a model's folder or the libraries are missing."""
    named = {"verify.dense_model": settings.dense_model, "verify.checker": settings.checker}
    for where, name in named.items():
        if name is None:
            continue
        model_folder(name, where)
        missing = [library for library in ("torch", "transformers", "sentence_transformers") if find_spec(library) is None]
        if missing:
            raise _not_installed(", ".join(missing), where)


def third_party(name: str, where: str) -> Any:
    """A library of the train extra; SettingsError says what to install."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _not_installed(f"{name} ({error})", where) from error


def out_of_memory(error: Exception, where: str) -> SettingsError | None:
    """What to tell the user when this error means that memory ran out, else None."""
    said = str(error)
    if not (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said))
    ):
        return None
    return SettingsError("memory runs out", where=where, next_step="lower verify.model_batch, or use a smaller model")


def free_memory() -> None:
    """Give back what dropped models held, on the GPU too."""
    gc.collect()
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextlib.contextmanager
def silenced(where: str) -> Iterator[None]:
    """No progress bars and no chatter of the libraries: progress is ours to show."""
    told = third_party("transformers.utils.logging", where)
    library = logging.getLogger("sentence_transformers")
    verbosity, shown, level = told.get_verbosity(), told.is_progress_bar_enabled(), library.level
    told.set_verbosity_error()
    told.disable_progress_bar()
    library.setLevel(logging.ERROR)
    try:
        yield
    finally:
        library.setLevel(level)
        told.set_verbosity(verbosity)
        if shown:
            told.enable_progress_bar()


def _check_modules(folder: Path, where: str) -> None:
    """Versions 5 of the library import whatever classes the file of a local folder names."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        kinds = [str(module["type"]) for module in modules]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _not_usable(folder, where, error) from error
    if not all(kind.startswith("sentence_transformers.") for kind in kinds):
        raise _own_code(str(folder), where)


def _check_device(device: str, where: str) -> None:
    torch = third_party("torch", where)
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device in there and not there[device]():
        raise SettingsError(
            f"there is no {device} device here", where="verify.device", next_step="use verify.device=auto or verify.device=cpu"
        )


def _not_installed(what: str, where: str) -> SettingsError:
    return SettingsError(f"the model needs what is not installed: {what}", where=where, next_step=f"{INSTALL}, or unset {where}")


def _own_code(name: str, where: str) -> SettingsError:
    return SettingsError(
        f"{name} needs code that comes with it, and such code is never run", where=where, next_step="use another model"
    )


def _not_usable(folder: Path, where: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"no usable model in {folder}: {_first_line(error)}",
        where=where,
        next_step="give a folder that sentence-transformers loads: config.json, tokenizer files and *.safetensors",
    )


def _not_fetched(name: str, where: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"{name} could not be fetched from the Hugging Face hub: {_first_line(error)}",
        where=where,
        next_step=f"check the name and the network, or download the model elsewhere and pass its folder: --set {where}=FOLDER",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

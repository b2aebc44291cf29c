"""What a stage's rows depend on, in parts that can be compared and named: code, libraries, files, settings, inputs."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from curate.stage import Stage
from schemas.errors import SettingsError
from schemas.manifest import file_sha256
from schemas.settings import Settings

OURS = ("curate", "schemas")
# Values of settings are compared themselves; wordings of errors and prices shape no row.
NOT_SHAPING = ("schemas.settings", "schemas.errors", "schemas.prices")


@dataclass(frozen=True)
class Fingerprint:
    """The parts; equal parts mean equal rows."""

    code: str
    libraries: dict[str, str]
    files: dict[str, str]
    settings: dict[str, Any]
    inputs: dict[str, str]

    def digest(self) -> str:
        """Hex sha256 over all parts."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Fingerprint:
        """Inverse of `to_json`."""
        return cls(**json.loads(text))


def fingerprint(stage: Stage, settings: Settings, inputs: Mapping[str, str], folder: Path | None = None) -> Fingerprint:
    """Parts of one stage; `inputs` maps each input table (or "sources") to its content hash, `folder` is the build's."""
    return Fingerprint(
        code=code_digest(f"curate.{stage.name}"),
        libraries={name: _version(name) for name in sorted(stage.libraries)},
        files={name: _text_digest(name) for name in sorted(stage.files)}
        | _tokenizer(stage, settings)
        | _gate_models(stage, settings)
        | _named_files(stage, settings)
        | _folder_files(stage, folder),
        settings=used_settings(settings, sections_of(stage, settings)),
        inputs=dict(inputs),
    )


def differences(old: Fingerprint, new: Fingerprint) -> list[str]:
    """What changed, in words a user knows: "chunk.max_tokens 256 → 512"."""
    found = [
        f"{key} {_shown(old.settings.get(key))} → {_shown(new.settings.get(key))}"
        for key in sorted(old.settings.keys() | new.settings.keys())
        if old.settings.get(key) != new.settings.get(key)
    ]
    found += [f"{name} changed" for name in _changed(old.inputs, new.inputs)]
    found += [f"{name} {old.libraries.get(name)} → {new.libraries.get(name)}" for name in _changed(old.libraries, new.libraries)]
    found += [f"{name} changed" for name in _changed(old.files, new.files)]
    if old.code != new.code:
        found.append("its code changed")
    return found


def sections_of(stage: Stage, settings: Settings) -> tuple[str, ...]:
    """The sections a stage uses under these settings."""
    further = (names for value, names in stage.settings_if.items() if settings.section(value) is not None)
    return tuple(dict.fromkeys((*stage.settings, *(name for names in further for name in names))))


def used_settings(settings: Settings, names: tuple[str, ...]) -> dict[str, Any]:
    """Dotted key → value of the named sections, without fields that shape no row (time-outs, concurrency, key names)."""
    flat: dict[str, Any] = {}
    for name in names:
        _flatten(name, settings.section(name), flat)
    return flat


def _flatten(prefix: str, value: Any, flat: dict[str, Any]) -> None:
    if not isinstance(value, BaseModel):
        flat[prefix] = json.loads(json.dumps(value))
        return
    for field, info in type(value).model_fields.items():
        extra = info.json_schema_extra
        if not (isinstance(extra, dict) and extra.get("shapes_rows") is False):
            _flatten(f"{prefix}.{field}", getattr(value, field), flat)


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]


def _shown(value: Any) -> str:
    return "unset" if value is None else json.dumps(value, ensure_ascii=False)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _tokenizer(stage: Stage, settings: Settings) -> dict[str, str]:
    """A tokenizer named in settings counts by its content: the same name may come to mean another file."""
    name = settings.chunk.tokenizer
    if name is None or "chunk" not in stage.settings:
        return {}
    from curate.chunk.tokens import tokenizer_sha256

    return {"chunk.tokenizer": tokenizer_sha256(name)}


def _gate_models(stage: Stage, settings: Settings) -> dict[str, str]:
    """Models of gates count by their weights and configuration; one that cannot be had is for the stage to complain of."""
    verify, mine = settings.verify, settings.mine
    of_stage = {
        "verify": {"verify.dense_model": verify.dense_model, "verify.checker": verify.checker},
        "mine": {"mine.model": mine.model, "mine.teacher": mine.teacher, "mine.promote_model": mine.promote_model},
    }
    named = of_stage.get(stage.name, {})
    if not any(named.values()):
        return {}
    from curate.verify.models import weights_id

    found: dict[str, str] = {}
    for key, name in named.items():
        try:
            found |= {key: weights_id(name, key)} if name else {}
        except SettingsError:
            found[key] = "missing"
    return found


def _named_files(stage: Stage, settings: Settings) -> dict[str, str]:
    """Files that settings name count by their content; one that is missing is for the stage to complain of."""
    found: dict[str, str] = {}
    for key, value, extra in (item for section in stage.settings for item in _fields(section, settings)):
        if isinstance(extra, dict) and extra.get("names_file") and value is not None:
            found |= {key: _content(value)} if isinstance(value, str) else {f"{key} {name}": _content(name) for name in value}
    return found


def _fields(section: str, settings: Settings) -> Iterator[tuple[str, Any, Any]]:
    """Dotted name, value and marks of each field of a section, or of the one field that a dotted name stands for."""
    value = settings.section(section)
    outer, _, field = section.rpartition(".")
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield f"{section}.{name}", getattr(value, name), info.json_schema_extra
    elif outer:
        yield section, value, type(settings.section(outer)).model_fields[field].json_schema_extra


def _content(name: str) -> str:
    path = Path(name)
    return file_sha256(path) if path.is_file() else "missing"


def _folder_files(stage: Stage, folder: Path | None) -> dict[str, str]:
    """Absent files have no entry, so that builds from before a stage read them stand."""
    paths = {name: folder / name for name in stage.folder_files} if folder is not None else {}
    return {name: file_sha256(path) for name, path in paths.items() if path.is_file()}


def _text_digest(name: str) -> str:
    return hashlib.sha256(files("curate").joinpath(*name.split("/")).read_bytes()).hexdigest()


@cache
def code_digest(module: str) -> str:
    """Sha256 over the syntax trees, without comments and docstrings, of a module and of ours that it imports."""
    waiting, seen = [module], {}
    while waiting:
        name = waiting.pop()
        if name in seen or name.startswith(NOT_SHAPING):
            continue
        path = _source(name)
        if path is None:
            continue
        seen[name], imported = _tree(path)
        waiting += imported
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def _source(name: str) -> Path | None:
    package, *rest = name.split(".")
    if package not in OURS:
        return None
    base = Path(str(files(package))).joinpath(*rest)
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _tree(path: Path) -> tuple[str, list[str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""  # docstrings, of attributes too, shape no row
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    ours = sorted({name for name in imported if name.split(".")[0] in OURS})
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), ours

"""The manifest of a dataset folder: what made it and the sha256 of every file. Written last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import InputError

MANIFEST_NAME = "manifest.json"


class FileEntry(BaseModel):
    """One file of the dataset folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int
    rows: int | None = Field(None, description="Rows of a table file, else null.")


class Manifest(BaseModel):
    """What the folder holds. No times and no paths of the machine: same input, same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    name: str
    curate_version: str
    libraries: dict[str, str]
    settings: dict[str, Any]
    heading_prefix: bool = Field(description="Whether embedded passages begin with their heading path; serving must do the same.")
    split_method: str = Field(description='"clusters" or "blocks" (few documents: blocks of sections with a gap).')
    negatives: int = Field(description="Negatives a triplet row.")
    counts: dict[str, dict[str, int]] = Field(description="Rows by format and split.")
    rejected: dict[str, dict[str, int]] = Field(description="Rejected and quarantined rows by stage and reason.")
    prompts: dict[str, int] = Field(
        default={}, description="Questions of a language model by the beginning of their prompt's sha256."
    )
    notes: list[str] = Field(description="What a reader must know, in sentences.")
    files: dict[str, FileEntry] = Field(description="Every other file of the folder, by relative POSIX path.")


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` with sorted keys, through a temporary name, so that a folder with a manifest is complete."""
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    temporary = folder / (MANIFEST_NAME + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / MANIFEST_NAME)


def read_manifest(folder: Path, *, verify_hashes: bool = True) -> Manifest:
    """Read a dataset folder's manifest and check that every file is there with the stated sha256.

    Raises InputError naming the first few files that are missing or changed.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            "no manifest.json here", where=str(folder), next_step="give the dataset folder that `curate build` wrote"
        ) from error
    except (OSError, ValidationError) as error:
        raise InputError(f"cannot read the manifest: {error}", where=str(path), next_step="run `curate build` again") from error
    if verify_hashes:
        bad = [name for name, entry in manifest.files.items() if _differs(folder, name, entry)]
        if bad:
            raise InputError(
                f"{len(bad)} file(s) missing or changed since the build: {', '.join(sorted(bad)[:5])}",
                where=str(folder),
                next_step="run `curate build` again, or restore the files",
            )
    return manifest


def _differs(folder: Path, name: str, entry: FileEntry) -> bool:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        return True
    return path.stat().st_size != entry.bytes or file_sha256(path) != entry.sha256
